"""One platform, one browser and one signed-in page for all tests of a module."""

from __future__ import annotations

import base64

import pytest

from supervisors.clock import SystemClock
from tests.server.pages.looking import EVIL, sign_in
from tests.server.pages.machine import Machine, Operator
from tests.server.pages.platform import TOKEN, browser, platform

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with platform(tmp_path_factory.mktemp("platform")) as found:
        yield found


@pytest.fixture(scope="module")
def operator(url):
    return Operator(url, TOKEN)


@pytest.fixture(scope="module")
def machines(operator):
    """One that serves, and one whose every word is an attack."""
    now_s = SystemClock().wall()
    good = Machine(operator, "rvm-1", "Gambir", now_s)
    good.beat(waiting={"money": 1, "telemetry": 2})
    good.stand("active", health_score=97, current_load=40.0)
    good.send_picture("picture-1", PICTURE)
    good.deposit("rvm-1-1-1", image_path="picture-1")
    for minutes in (40, 39, 38, 20, 2, 1):
        good.measure(minutes, cpu_percent=10.0 + minutes, board_c=41.5, scale_g=None)
    good.close("s-1", credited=2, refused=1)
    bad = Machine(operator, "rvm-2", EVIL, now_s)
    bad.stand("error", reason=EVIL, health_score=12)
    bad.happen("gate.jammed", why=EVIL)
    bad.deposit("rvm-2-1-1", waste_type=EVIL, state="review", reason=EVIL)
    bad.measure(1, **{EVIL: 1.5, "__proto__": 2.0, "huge": 1.7e308})
    bad.measure(2, huge=-1.7e308)
    bad.close(EVIL, credited=1, reason=EVIL)
    return good, bad


@pytest.fixture(scope="module")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    sync_api.expect.set_options(timeout=20_000)
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def signed_in(chromium, url, machines):
    """One page for all tests that are content with it, and what has gone wrong on its console."""
    context = chromium.new_context(locale="en", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto(f"{url}/fleet")
    sign_in(page)
    yield page, wrong
    context.close()


@pytest.fixture
def page(signed_in):
    """Signed in, in English, with the list; nothing may go wrong on its console."""
    from playwright.sync_api import expect

    page, wrong = signed_in
    page.keyboard.press("Escape")  # what the test before has left open
    page.evaluate("location.hash = '#/'")
    expect(page.get_by_label("Search")).to_be_visible()
    yield page
    assert wrong == []
