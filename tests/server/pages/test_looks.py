"""Every view in light and dark, from a telephone to a large screen."""

import pytest

pytest.importorskip("fastapi", reason="needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import expect

from tests.server.pages.looking import (
    EVIL,
    assert_fits,
    check_with_axe,
    needs_axe,
    open_machine,
    sign_in,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 360), ("light", 1280)])
def test_axe_finds_nothing_and_nothing_is_cut_off(chromium, url, machines, scheme, width):
    needs_axe()
    context = chromium.new_context(
        locale="en", color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.goto(f"{url}/fleet")
    check_with_axe(page)
    sign_in(page)
    check_with_axe(page)
    page.get_by_role("button", name="Enrolment tokens").click()
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()
    check_with_axe(page)
    page.keyboard.press("Escape")
    open_machine(page, "Gambir")
    expect(page.locator("figure.plot")).to_have_count(2)
    for folded in ("As a table", "Newest sample"):
        page.get_by_text(folded).click()
    check_with_axe(page)
    page.get_by_role("button", name="Send a command").click()
    page.get_by_label("Command", exact=True).select_option("gate_open")
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Rewards").click()
    expect(page.locator(".list tbody tr")).not_to_have_count(0)
    check_with_axe(page)
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Add a kind").click()
    check_with_axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    check_with_axe(page)
    context.close()


def test_nothing_is_cut_off_at_any_width_whatever_machines_are_called(chromium, url, machines):
    context = chromium.new_context(locale="en", viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto(f"{url}/fleet")
    sign_in(page)
    machine = f"#/machines/{machines[1].rvm_id}"
    for view, sign in (
        ("#/", "tbody tr"),
        (machine, "figure.plot"),
        (f"{machine}/audit", "tbody tr"),
        ("#/rewards", ".list tbody tr"),
        ("#/audit", "tbody tr"),
    ):
        page.evaluate("view => { location.hash = view }", view)
        expect(page.locator(sign).first).to_be_visible()
        for width in (320, 360, 600, 767, 768, 1023, 1024, 1600):
            page.set_viewport_size({"width": width, "height": 800})
            assert_fits(page)
    assert EVIL in page.content().replace("&lt;", "<").replace("&gt;", ">")
    context.close()
