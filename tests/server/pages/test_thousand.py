"""The list of a large fleet."""

import sqlite3

import pytest

pytest.importorskip("fastapi", reason="needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import expect

from supervisors.clock import SystemClock
from tests.server.pages.looking import open_machine, sign_in
from tests.server.pages.machine import Machine, Operator
from tests.server.pages.platform import TOKEN, platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MACHINES = 1000


def test_a_thousand_machines_are_shown_page_by_page_with_the_worst_first(chromium, tmp_path):
    with platform(tmp_path) as url:
        operator = Operator(url, TOKEN)
        first = Machine(operator, "rvm-0001", "Stand 0001", SystemClock().wall())
        first.stand("active", health_score=90)
        multiply(tmp_path / "platform.sqlite3")
        page = chromium.new_page(locale="en", viewport={"width": 1280, "height": 900})
        page.goto(f"{url}/fleet")
        sign_in(page)
        expect(page.get_by_text(f"{MACHINES} of {MACHINES} machines")).to_be_visible()
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(50)
        expect(rows.first).to_contain_text("Stand 0001")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("51–100 of 1000")).to_be_visible()
        expect(rows.first).to_contain_text("Stand 0051")
        page.get_by_role("button", name="Previous").click()
        # Somebody on the last page needs help: he comes to the top of the first by himself.
        with sqlite3.connect(tmp_path / "platform.sqlite3", timeout=10) as database:
            database.execute(
                "UPDATE reverse_vending_machines SET status = 'error' WHERE name = 'Stand 0987'"
            )
        database.close()
        expect(rows.first).to_contain_text("Stand 0987")
        page.get_by_label("Search").fill("0666")
        expect(rows).to_have_count(1)
        expect(page.get_by_role("button", name="Next")).to_be_hidden()
        open_machine(page, "Stand 0666")
        page.get_by_role("link", name="All machines").click()
        expect(page.get_by_label("Search")).to_have_value("0666")
        page.close()


def multiply(file):
    """More of the one machine that is there, in its own tables; the platform goes on meanwhile."""
    with sqlite3.connect(file, timeout=10) as database:
        for table, own in (
            ("reverse_vending_machines", ("id", "hardware_id", "name")),
            ("edge_devices", ("id", "rvm_id", "public_key")),
        ):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            rest = ", ".join(name for name in columns if name not in own)
            number = "printf('%04d', n)"
            values = {
                "id": "n",
                "rvm_id": "n",
                "hardware_id": f"'rvm-' || {number}",
                "name": f"'Stand ' || {number}",
                "public_key": f"public_key || {number}",
            }
            made = ", ".join(values[name] for name in own)
            database.execute(
                f"WITH RECURSIVE more(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM more"
                f" WHERE n < {MACHINES}) INSERT INTO {table} ({', '.join(own)}, {rest})"
                f" SELECT {made}, {rest} FROM {table}, more WHERE {table}.id = 1"
            )
    database.close()
