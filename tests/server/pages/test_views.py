"""What was measured, what items are worth, who was paid, who has changed what."""

import re

import pytest

pytest.importorskip("fastapi", reason="needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import expect

from tests.server.pages.looking import EVIL, open_machine, sign_in

# Some seconds each, and minutes where the machine is busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def go(page, view):
    page.get_by_role("link", name=view, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(view)


def test_a_machine_shows_a_small_plot_of_everything_it_measures(page):
    open_machine(page, "Gambir")
    plots = page.locator("figure.plot")
    expect(plots).to_have_count(2)  # what could never be measured has none
    cpu = plots.filter(has_text="Processor")
    expect(cpu).to_contain_text("11 %")
    expect(cpu).to_contain_text("11 % to 50 %")
    expect(
        cpu.get_by_role("img", name="Processor: 11 %. In this time 11 % to 50 %.")
    ).to_be_visible()
    # Two of its runs are lines, one is a dot: where nothing was measured the line is broken.
    assert cpu.locator("path.mean").get_attribute("d").count("M") == 2
    assert cpu.locator("path.dot").get_attribute("d").count("M") == 1
    box = cpu.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 5)
    expect(cpu.locator(".at")).to_contain_text("unknown")
    page.mouse.move(0, 0)
    expect(cpu.locator(".at")).to_have_text("11 % to 50 %")


def test_the_plots_can_be_read_as_a_table_and_over_a_day(page):
    open_machine(page, "Gambir")
    page.get_by_text("As a table").click()
    rows = page.locator(".scrolling tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("11 %")
    expect(rows.first).to_contain_text("41.5 °C")
    page.locator("#span").select_option("24")
    expect(rows).not_to_have_count(6)
    assert 2 <= rows.count() <= 4
    page.get_by_text("Newest sample").click()
    expect(page.locator("details[data-key=newest]")).to_contain_text("scale_g")
    expect(page.locator("details[data-key=newest]")).to_contain_text("unknown")


def test_names_of_measured_values_are_text(page):
    open_machine(page, EVIL)
    expect(page.locator("figure.plot").filter(has_text=EVIL)).to_contain_text("1.5")
    expect(page.locator("figure.plot").filter(has_text="__proto__")).to_contain_text("2")
    huge = page.locator("figure.plot").filter(has_text="huge")
    expect(huge).to_contain_text("1.70e+308")
    assert "NaN" not in huge.locator("path.mean").get_attribute("d")
    assert page.locator("body script, body img[src=x]").count() == 0


def test_what_items_are_worth_is_changed_as_a_whole_and_only_when_confirmed(page, operator):
    operator.ask("PUT", "/rewards", rates={"default": 100, "mineral": 150, EVIL: 7})
    go(page, "Rewards")
    worths = page.locator(".worths")
    expect(worths).to_contain_text(EVIL)
    page.get_by_role("button", name="Change").click()
    box = page.get_by_role("dialog")
    box.get_by_role("button", name=f"Remove {EVIL}").click()
    box.get_by_label("Worth: mineral").fill("175")
    box.get_by_role("button", name="Add a kind").click()
    expect(box.get_by_label("Kind").last).to_be_focused()
    box.get_by_label("Kind").last.fill("mineral")
    box.get_by_label("Worth", exact=True).fill("30")
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_label(re.compile("counted so from now on"))).to_be_focused()
    box.get_by_label(re.compile("counted so from now on")).check()
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_role("alert")).to_have_text("A kind stands here twice.")
    box.get_by_label("Kind").last.fill("__proto__")
    box.get_by_role("button", name="Save").click()
    expect(box).to_have_count(0)
    expect(worths).to_contain_text("175")
    assert operator.ask("GET", "/rewards")["rates"] == {
        "default": 100,
        "mineral": 175,
        "__proto__": 30,
    }


def test_who_changes_an_older_table_is_told_so(page, signed_in, operator):
    go(page, "Rewards")
    page.get_by_role("button", name="Change").click()
    operator.ask("PUT", "/rewards", rates={"default": 60})
    box = page.get_by_role("dialog")
    box.get_by_label("Everything else").fill("1")
    box.get_by_label(re.compile("counted so from now on")).check()
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_role("alert")).to_contain_text("Somebody else")
    assert operator.ask("GET", "/rewards")["rates"] == {"default": 60}
    assert "409" in signed_in[1].pop()  # the browser's own line about it


def test_sessions_say_whose_they_are_and_what_was_paid(page):
    go(page, "Rewards")
    rows = page.locator(".list tbody tr")
    mine = rows.filter(has_text="Gambir")
    expect(mine).to_contain_text("nobody’s yet")
    expect(mine.locator('td[data-word="Credited"]')).to_have_text("2")
    expect(mine.locator('td[data-word="Worth"]')).to_have_text("100")
    expect(mine.locator('td[data-word="Paid"]')).to_have_text("0")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="not over")).to_have_count(1)
    page.get_by_label("Show").select_option("Claimed")
    expect(page.get_by_text("There are none.")).to_be_visible()
    page.get_by_label("Show").select_option("Nobody’s yet")
    expect(rows).to_have_count(2)
    mine.get_by_role("link", name="Gambir").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Gambir")


def test_the_audit_log_says_who_has_changed_what_and_turns_pages(page, operator, machines):
    path = f"/machines/{machines[1].rvm_id}"
    operator.ask("PATCH", f"{path}/settings", settings={"session.guests": EVIL})
    for _ in range(60):
        operator.ask("POST", f"{path}/commands", type="ping")
    go(page, "Audit log")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("sent a command")
    expect(rows.first).to_contain_text(EVIL)
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text("Page 2")).to_be_visible()
    changed = rows.filter(has_text="settings session.guests")
    expect(changed).to_contain_text(EVIL)
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_text("Page 1")).to_be_visible()
    assert page.locator("body script, body img[src=x]").count() == 0


def test_a_page_is_turned_once_by_two_clicks_and_not_at_all_without_an_answer(
    page, signed_in, operator, machines
):
    for _ in range(60):
        operator.ask("POST", f"/machines/{machines[1].rvm_id}/commands", type="ping")
    go(page, "Audit log")
    older = page.get_by_role("button", name="Older")
    page.route("**/audit?*before=*", lambda route: route.abort())
    older.click()
    expect(page.locator("#says")).to_have_text("The platform does not answer.")
    page.unroute("**/audit?*before=*")
    assert "ERR_FAILED" in signed_in[1].pop()  # the browser's own line about it
    expect(page.get_by_text("Page 1")).to_be_visible()
    older.dblclick()
    expect(page.get_by_text("Page 2")).to_be_visible()
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_text("Page 1")).to_be_visible()


def test_a_new_entry_of_the_audit_log_appears_by_itself(chromium, url, operator, machines):
    context = chromium.new_context(locale="en")
    page = context.new_page()
    page.clock.install()
    page.goto(f"{url}/fleet")
    sign_in(page)
    go(page, "Audit log")
    operator.ask("POST", "/users", name="Sari")
    first = page.locator("tbody tr").first
    expect(first).not_to_contain_text("made a user")
    page.clock.fast_forward(10_000)
    expect(first).to_contain_text("made a user")
    context.close()


def test_the_audit_log_of_one_machine_has_nothing_of_others(page, operator, machines):
    operator.ask("POST", f"/machines/{machines[0].rvm_id}/commands", type="status")
    open_machine(page, "Gambir")
    page.locator("article").get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit log: Gambir")
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("status")
    expect(rows.last).to_contain_text("enrolled")
    expect(rows.filter(has_text="rvm-2")).to_have_count(0)
    page.get_by_role("link", name="← Gambir").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Gambir")
