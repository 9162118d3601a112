"""The fleet page in a browser, against the platform as a process."""

import re

import pytest

pytest.importorskip("fastapi", reason="needs the extra [server]")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import expect

from supervisors.clock import SystemClock
from tests.server.pages.looking import EVIL, open_machine, sign_in
from tests.server.pages.machine import Machine, Operator
from tests.server.pages.platform import TOKEN, platform

# Some seconds each, and minutes where the machine is busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("token", ["not the operator's", "wrong", "токен"])
def test_a_wrong_token_is_told_and_not_kept(chromium, url, token):
    context = chromium.new_context(locale="en")
    page = context.new_page()
    page.goto(f"{url}/fleet")
    page.get_by_label("Operator token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not that of an operator")
    assert page.evaluate("sessionStorage.length") == 0
    context.close()


def test_signing_out_forgets_the_token_and_a_reload_does_not(page):
    page.reload()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    assert TOKEN not in page.evaluate("JSON.stringify(localStorage)") + page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Operator token")).to_be_focused()
    assert page.evaluate("sessionStorage.length") == 0
    sign_in(page)


def test_the_list_says_how_every_machine_stands_with_the_worst_first(page):
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("error")
    good = rows.filter(has_text="Gambir")
    for words in ("in service", "97", "40 %", "0.1.0"):
        expect(good).to_contain_text(words)
    expect(good.locator('td[data-word="Waiting"]')).to_have_text("3")


def test_names_and_words_of_machines_are_text_wherever_they_appear(page):
    expect(page.get_by_role("link", name=EVIL)).to_be_visible()
    open_machine(page, EVIL)
    expect(page.get_by_text("gate.jammed")).to_be_visible()
    expect(page.locator(".heading p")).to_have_text(EVIL)
    assert page.locator("body script, body img[src=x]").count() == 0


def test_the_list_can_be_searched(page):
    page.get_by_label("Search").fill("gamb")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Search").fill("nobody")
    expect(page.get_by_text("No machine matches.")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Show").select_option("Needs attention")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Show").select_option("All")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_what_changes_appears_by_itself_and_the_focus_stays(page, machines):
    link = page.get_by_role("link", name="Gambir")
    link.focus()
    machines[0].stand("full", current_load=100.0, health_score=80)
    row = page.locator("tbody tr").filter(has_text="Gambir")
    expect(row).to_contain_text("full")
    expect(row).to_contain_text("100 %")
    expect(link).to_be_focused()
    machines[0].stand("active", health_score=97, current_load=40.0)
    expect(row).to_contain_text("in service")


def test_a_command_is_sent_and_its_states_are_followed(page, machines):
    open_machine(page, "Gambir")
    page.get_by_role("button", name="Send a command").click()
    box = page.get_by_role("dialog")
    box.get_by_label("Command", exact=True).select_option("ping")
    box.get_by_label("address").fill("/machine/deposit")
    box.get_by_role("button", name="Send", exact=True).click()
    expect(box).to_have_count(0)
    sent = page.locator("details[data-key], .commands details").filter(has_text="ping").first
    expect(sent).to_contain_text("sent")
    sent.locator("summary").click()
    (command,) = [each for each in machines[0].orders() if each["type"] == "ping"]
    assert command["args"] == {"address": "/machine/deposit"}
    for state in ("received", "running"):
        machines[0].report(command["id"], state)
        expect(sent.locator(".steps")).to_contain_text(state)
    machines[0].report(command["id"], "failed", code="no_answer", detail=EVIL)
    expect(sent.locator("summary")).to_contain_text("failed")
    expect(sent.locator(".steps")).to_contain_text(f"no_answer: {EVIL}")


@pytest.mark.parametrize(
    ("command", "question"), [("gate_open", "Nobody is near"), ("reboot", "interrupt the service")]
)
def test_what_moves_or_interrupts_is_not_sent_without_a_confirmation(
    page, machines, command, question
):
    open_machine(page, "Gambir")
    page.get_by_role("button", name="Send a command").click()
    box = page.get_by_role("dialog")
    box.get_by_label("Command", exact=True).select_option(command)
    box.get_by_role("button", name="Send", exact=True).click()
    expect(box).to_be_visible()
    assert command not in {each["type"] for each in machines[0].orders()}
    box.get_by_label(re.compile(question)).check()
    box.get_by_role("button", name="Send", exact=True).click()
    expect(box).to_have_count(0)
    assert command in {each["type"] for each in machines[0].orders()}


def test_a_deposit_shows_its_picture_when_it_is_asked_for(page):
    open_machine(page, "Gambir")
    row = page.locator("tr").filter(has_text="pet_bottle")
    expect(row).to_contain_text("credited")
    row.get_by_role("button", name=re.compile("Picture")).click()
    expect(page.locator("img.picture")).to_have_js_property("naturalWidth", 1)


def test_settings_are_changed_and_show_what_the_machine_says_of_every_key(page, machines):
    open_machine(page, "Gambir")
    page.get_by_role("button", name="Change a setting").click()
    box = page.get_by_role("dialog")
    box.get_by_label("Key").fill("motor.lease_s")
    box.get_by_label("Value").fill("2,5")
    box.get_by_role("button", name="Save").click()
    expect(box.get_by_role("alert")).to_have_text("This is not JSON.")
    box.get_by_label("Value").fill("2.5")
    box.get_by_role("button", name="Save").click()
    row = page.locator("tr").filter(has_text="motor.lease_s")
    expect(row).to_contain_text("not reported yet")
    told = {"value": 2.5, "version": 1, "code": 409, "reason": EVIL}
    report = {"version": 1, "state": "applied", "in_force": 1, "at": machines[0].now_s}
    machines[0].say("POST", "/edge/settings/reports", {**report, "keys": {"motor.lease_s": told}})
    expect(row).to_contain_text("a local setting is stronger")
    expect(row).to_contain_text(EVIL)


def test_an_enrolment_token_is_shown_once_and_can_be_revoked(page, operator):
    page.get_by_role("button", name="Enrolment tokens").click()
    box = page.get_by_role("dialog")
    box.get_by_label("Hardware id").fill("rvm-new")
    box.get_by_role("button", name="Make a token").click()
    token = box.get_by_label("Token", exact=True).input_value()
    assert len(token) >= 16
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Enrolment tokens").click()
    row = page.get_by_role("dialog").locator("tr").filter(has_text="rvm-new")
    expect(row).to_contain_text("open")
    assert token not in page.content()
    row.get_by_role("button", name="Revoke rvm-new").click()
    expect(row).to_contain_text("revoked")
    (made,) = [
        each
        for each in operator.ask("GET", "/enrolment-tokens")["items"]
        if each["hardware_id"] == "rvm-new"
    ]
    assert made["state"] == "revoked"


def test_everything_can_be_done_with_the_keyboard(page):
    page.get_by_role("link", name="Gambir").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Gambir")
    page.get_by_role("button", name="Send a command").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Command", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Send a command")).to_be_focused()


def test_it_speaks_both_languages_and_remembers_which(page):
    page.get_by_role("button", name="Bahasa Indonesia").click()
    expect(page.locator("html")).to_have_attribute("lang", "id")
    expect(page.locator("thead")).to_contain_text("Terakhir terlihat")
    expect(page.get_by_role("button", name="English")).to_be_focused()
    page.reload()
    expect(page.get_by_role("button", name="Keluar")).to_be_visible()
    keys = page.evaluate(
        "import('/fleet/words.js').then(({WORDS}) => [WORDS.en, WORDS.id].map(Object.keys))"
    )
    assert keys[0] == keys[1]
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_page_comes_back_by_itself_when_the_platform_does(chromium, tmp_path):
    with platform(tmp_path) as url:
        context = chromium.new_context(locale="en")
        page = context.new_page()
        page.goto(f"{url}/fleet")
        operator = Operator(url, TOKEN)
        machine = Machine(operator, "rvm-9", "Senen", SystemClock().wall())
        sign_in(page)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_text("Reconnecting…")).to_be_visible(timeout=20_000)
    with platform(tmp_path, port=int(url.rpartition(":")[2])):
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=60_000)
        machine.stand("full", current_load=100.0)
        expect(page.locator("tbody tr")).to_contain_text("full")
        context.close()
