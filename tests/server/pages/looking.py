"""What tests of the fleet page share: how one signs in, walks about, and looks closely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server.pages.platform import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "peers/node_modules/axe-core/axe.min.js"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def sign_in(page: Page) -> None:
    from playwright.sync_api import expect

    page.get_by_label("Operator token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).not_to_have_count(0)


def open_machine(page: Page, name: str) -> None:
    from playwright.sync_api import expect

    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


def needs_axe() -> None:
    if not AXE.exists():
        pytest.skip("needs axe-core: run tests/peers/install")


def check_with_axe(page: Page) -> None:
    """Nothing that some people could not read or use, and nothing that is cut off."""
    # Through the debugger's door: the page's policy would not let the script in.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document)")
    told = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
    assert told == [], json.dumps(told, indent=1)
    assert_fits(page)


def assert_fits(page: Page) -> None:
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth, location.hash]")
    assert wide[0] <= wide[1], wide
