"""The doorbell's rule: any server, any order of events, any length of time."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.uplink import doorbell as rule
from models.uplink.doorbell_terms import (
    Bell,
    Closed,
    Connect,
    Garbled,
    HangUp,
    Heard,
    Limits,
    NotSigned,
    Opened,
    Passed,
    Ring,
    Say,
    Send,
    Sign,
    Signed,
    Wanted,
)
from protocol.platform.identity import Doorbell
from protocol.platform.pusher import Frame

LIMITS = Limits()
DOOR = Doorbell("wss://rvm.example", "app-key", "private-rvm.1")
GREETING = Frame("pusher:connection_established", {"socket_id": "12.34", "activity_timeout": 30})
SUCCEEDED = Frame("pusher_internal:subscription_succeeded", {}, "private-rvm.1")


class Driver:
    """Feeds facts, keeps the time, and collects what was decided."""

    def __init__(self, seed: int = 1) -> None:
        self.bell = Bell()
        self.now_s = 1000.0
        self.rng = random.Random(seed)
        self.decided: list[object] = []

    def tell(self, fact) -> list[object]:
        self.bell, decisions = rule.learn(
            self.bell, fact, self.now_s, self.rng, LIMITS, version="1"
        )
        self.decided += decisions
        return list(decisions)

    def hear(self, event: str, data: object = None, channel: str = "") -> list[object]:
        return self.tell(Heard(self.bell.socket, Frame(event, data, channel)))

    def error(self, code: int | None, message: str = "") -> list[object]:
        return self.hear("pusher:error", {"code": code, "message": message})

    def wait(self) -> list[object]:
        """Until it wants to look."""
        at_s = rule.next_look_s(self.bell)
        assert at_s is not None
        self.now_s = max(self.now_s, at_s)
        return self.tell(Passed())

    def connected(self) -> None:
        if self.bell.phase == "idle":
            self.tell(Wanted(DOOR))
        if self.bell.phase == "waiting":
            self.wait()
        self.tell(Opened(self.bell.socket))

    def signing(self) -> None:
        self.connected()
        self.tell(Heard(self.bell.socket, GREETING))

    def subscribing(self) -> None:
        self.signing()
        self.tell(Signed(self.bell.socket, "app-key:abc"))

    def subscribed(self) -> None:
        self.subscribing()
        self.tell(Heard(self.bell.socket, SUCCEEDED))
        assert self.bell.is_subscribed


def sent(decisions) -> list[dict[str, object]]:
    return [json.loads(each.text) for each in decisions if isinstance(each, Send)]


def test_it_connects_signs_subscribes_and_rings_once_for_what_may_have_been_missed():
    driver = Driver()
    (connect,) = driver.tell(Wanted(DOOR))
    url = "wss://rvm.example/app/app-key?protocol=7&client=rvm-edge&version=1"
    assert connect == Connect(1, url)
    assert driver.tell(Opened(1)) == []
    assert driver.tell(Heard(1, GREETING)) == [
        Sign(1, "/broadcasting/auth", "12.34", "private-rvm.1")
    ]
    (frame,) = sent(driver.tell(Signed(1, "app-key:abc")))
    assert frame == {
        "event": "pusher:subscribe",
        "data": {"channel": "private-rvm.1", "auth": "app-key:abc"},
    }
    decisions = driver.tell(Heard(1, SUCCEEDED))
    assert Ring("") in decisions


@pytest.mark.parametrize(
    ("event", "rung"),
    [("command", "command"), ("App\\Events\\RvmCommand", "RvmCommand"), ("settings", "settings")],
)
def test_an_event_on_our_channel_rings_by_its_name_without_the_namespace(event, rung):
    driver = Driver()
    driver.subscribed()
    assert driver.hear(event, {"run": "rm -rf"}, "private-rvm.1") == [Ring(rung)]


def test_what_is_not_for_us_does_not_ring():
    driver = Driver()
    driver.subscribed()
    assert driver.hear("command", {}, "private-rvm.2") == []
    assert driver.hear("client-command", {}, "private-rvm.1") == []
    assert driver.hear("pusher:cache_miss", {}, "private-rvm.1") == []
    early = Driver()
    early.subscribing()
    assert early.hear("command", {}, "private-rvm.1") == []


def test_a_ping_is_answered_and_silence_is_asked_about():
    driver = Driver()
    driver.subscribed()
    assert sent(driver.hear("pusher:ping")) == [{"event": "pusher:pong"}]
    heard_s = driver.now_s
    assert sent(driver.wait()) == [{"event": "pusher:ping"}]
    assert driver.now_s == heard_s + 30.0
    driver.hear("pusher:pong")
    assert driver.bell.is_subscribed
    driver.wait()
    gone = driver.wait()
    assert isinstance(gone[0], HangUp)
    assert driver.now_s - heard_s <= 30.0 + 40.0
    assert driver.bell.phase == "waiting"


@pytest.mark.parametrize("wish", [0, -1, 3, 120, 10**400, True, "30", None, 7.5])
def test_the_servers_wish_for_silence_stays_within_our_own_limits(wish):
    driver = Driver()
    driver.connected()
    driver.hear("pusher:connection_established", {"socket_id": "1.2", "activity_timeout": wish})
    assert driver.bell.phase == "signing"
    assert 5.0 <= driver.bell.silence_s <= 30.0


def test_bad_auth_of_reverb_is_signed_once_more_and_then_backed_off():
    driver = Driver()
    driver.subscribing()
    (again,) = driver.error(4009, "Connection is unauthorized")
    assert isinstance(again, Sign)
    driver.tell(Signed(driver.bell.socket, "app-key:def"))
    assert isinstance(driver.error(4009)[0], HangUp)
    assert driver.bell.phase == "waiting"
    assert not driver.bell.is_refused


def test_bad_auth_of_soketi_names_the_channel_and_means_the_same():
    driver = Driver()
    driver.subscribing()
    data = {"type": "AuthError", "error": "The connection is unauthorized.", "status": 401}
    (again,) = driver.hear("pusher:subscription_error", data, "private-rvm.1")
    assert isinstance(again, Sign)


def test_a_mistake_of_ours_is_told_and_not_repeated_on_a_new_socket():
    driver = Driver()
    driver.subscribed()
    (said,) = driver.error(4200, "Invalid message format")
    assert isinstance(said, Say)
    assert driver.bell.is_subscribed


def test_a_subscription_that_is_not_understood_is_tried_again_after_minutes_only():
    driver = Driver()
    for _ in range(20):
        driver.subscribing()
        began_s = driver.now_s
        driver.error(4200, "Invalid message format")
        assert driver.bell.phase == "waiting"
        assert driver.bell.by_s - began_s >= 300.0
        driver.wait()
    assert sum(event.event == "doorbell_refused" for event in said(driver)) == 20


def said(driver: Driver) -> list[Say]:
    return [each for each in driver.decided if isinstance(each, Say)]


@pytest.mark.parametrize(
    ("code", "least_s", "most_s"),
    [(4001, 300, 900), (4003, 300, 900), (4004, 30, 300), (4100, 30, 300), (4009, 0, 1)],
)
def test_a_refusal_before_the_greeting_ends_the_socket_and_waits_by_its_code(code, least_s, most_s):
    driver = Driver()
    driver.connected()
    assert isinstance(driver.error(code)[0], HangUp)
    assert least_s <= driver.bell.by_s - driver.now_s <= most_s


def test_a_server_that_leaves_us_without_a_greeting_is_left_within_ten_seconds():
    driver = Driver()
    driver.connected()
    began_s = driver.now_s
    assert driver.wait() == [HangUp("no greeting within 10 s")]
    assert driver.now_s - began_s == 10.0


@pytest.mark.parametrize("phase", ["connecting", "signing", "subscribing"])
def test_every_step_has_its_time(phase):
    driver = Driver()
    if phase == "connecting":
        driver.tell(Wanted(DOOR))
    else:
        getattr(driver, phase)()
    began_s = driver.now_s
    assert isinstance(driver.wait()[0], HangUp)
    assert driver.now_s - began_s == 10.0


def test_the_pause_doubles_up_to_a_minute_and_only_a_subscription_that_held_makes_it_short():
    driver = Driver()
    pauses = []
    for _ in range(30):
        driver.subscribed()
        driver.tell(Closed(driver.bell.socket, 1006))
        pauses.append(driver.bell.by_s - driver.now_s)
    for number, pause_s in enumerate(pauses):
        assert 0.0 <= pause_s <= min(60.0, 2.0**number)
    assert max(pauses) > 30.0
    driver.subscribed()
    for _ in range(3):  # a minute of answers
        driver.wait()
        driver.hear("pusher:pong")
    driver.tell(Closed(driver.bell.socket, 1006))
    assert driver.bell.by_s - driver.now_s <= 1.0


def test_what_an_old_socket_still_says_is_not_heard():
    driver = Driver()
    driver.subscribed()
    old = driver.bell.socket
    driver.tell(Closed(old, 1006))
    driver.wait()
    before = driver.bell
    assert driver.tell(Heard(old, SUCCEEDED)) == []
    assert driver.tell(Closed(old, 1006)) == []
    assert driver.tell(Signed(old, "x")) == []
    assert driver.bell == before


def test_another_doorbell_replaces_the_socket_and_none_ends_it():
    driver = Driver()
    driver.subscribed()
    first, second = driver.tell(Wanted(Doorbell("wss://other.example", "k", "private-rvm.1")))
    assert isinstance(first, HangUp)
    assert isinstance(second, Connect)
    assert isinstance(driver.tell(Wanted(None))[0], HangUp)
    assert rule.next_look_s(driver.bell) is None


def test_an_opened_way_shortens_the_wait_but_not_that_of_a_refusal():
    driver = Driver()
    driver.connected()
    driver.error(4100)
    driver.tell(Wanted(DOOR))
    assert driver.bell.by_s - driver.now_s <= 1.0
    driver.wait()
    driver.tell(Opened(driver.bell.socket))
    driver.error(4001)
    driver.tell(Wanted(DOOR))
    assert driver.bell.by_s - driver.now_s >= 300.0


def test_a_flood_becomes_a_bounded_number_of_rings_and_none_is_lost_for_good():
    driver = Driver()
    driver.subscribed()
    rings = sum(
        isinstance(each, Ring)
        for _ in range(1000)
        for each in driver.hear("command", {}, "private-rvm.1")
    )
    assert rings <= LIMITS.rings_max
    assert driver.wait() == [Ring("")]


def test_garbage_is_counted_and_keeps_the_socket():
    driver = Driver()
    driver.subscribed()
    for _ in range(5):
        assert driver.tell(Garbled(driver.bell.socket, "not JSON")) == []
    assert driver.bell.garbage == 5
    assert driver.bell.is_subscribed


@pytest.mark.parametrize(
    ("url", "plain", "is_good"),
    [
        ("wss://rvm.example", False, True),
        ("wss://rvm.example:8443/reverb", False, True),
        ("ws://127.0.0.1:6001", False, False),
        ("ws://127.0.0.1:6001", True, True),
        ("ws://8.8.8.8", True, False),
        ("ws://rvm.local", True, True),
        ("https://rvm.example", True, False),
        ("wss://", False, False),
        ("wss://user:pass@rvm.example", False, False),
        ("wss://rvm.example?token=x", False, False),
        ("wss://[::1", False, False),
        ("wss://rvm.example:99999", False, False),
    ],
)
def test_only_an_encrypted_or_a_near_address_is_connected_to(url, plain, is_good):
    assert (rule.why_not(url, allows_plain=plain) is None) is is_good


DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
EVENTS = st.sampled_from(
    [
        "pusher:connection_established",
        "pusher_internal:subscription_succeeded",
        "pusher:error",
        "pusher:subscription_error",
        "pusher:ping",
        "pusher:pong",
        "pusher:signin",
        "command",
    ]
) | st.text(max_size=30)
ERRORS = st.sampled_from([None, 0, 4000, 4001, 4004, 4009, 4100, 4200, 4201, 4301, 9999, -1])
FRAMES = st.one_of(
    st.builds(Frame, EVENTS, DATA, st.sampled_from(["", "private-rvm.1", "other"])),
    st.builds(lambda code: Frame("pusher:error", {"code": code}), ERRORS),
    st.just(GREETING),
    st.just(SUCCEEDED),
)
STEPS = st.one_of(
    st.tuples(st.just("wanted"), st.sampled_from([DOOR, None, Doorbell("wss://b", "k", "c")])),
    st.tuples(st.just("opened"), st.none()),
    st.tuples(st.just("heard"), FRAMES),
    st.tuples(st.just("garbled"), st.none()),
    st.tuples(st.just("signed"), st.none()),
    st.tuples(st.just("not signed"), st.none()),
    st.tuples(st.just("closed"), st.sampled_from([0, 1000, 1006, 1009, 4001, 4100, 4200, 9999])),
    st.tuples(st.just("late"), st.none()),
    st.tuples(st.just("passes"), st.floats(0, 1000)),
)


@given(st.lists(STEPS, max_size=60), st.integers(0, 2**32))
@settings(max_examples=300)
def test_whatever_happens_it_comes_back_to_trying_and_never_spins(steps, seed):
    driver = Driver(seed)
    for kind, value in steps:
        number = driver.bell.socket
        facts = {
            "wanted": Wanted(value),
            "opened": Opened(number),
            "heard": Heard(number, value),
            "garbled": Garbled(number, "x"),
            "signed": Signed(number, "a:b"),
            "not signed": NotSigned(number, "no"),
            "closed": Closed(number, value),
        }
        was_live = driver.bell.phase not in ("idle", "waiting")
        if kind == "passes":
            driver.now_s += value
        if kind in ("passes", "late"):
            at_s = rule.next_look_s(driver.bell)
            if kind == "late" and at_s is not None:
                driver.now_s = max(driver.now_s, at_s)
            decisions = driver.tell(Passed())
        else:
            decisions = driver.tell(facts[kind])
        # A socket is opened only where none is, or after the one that was has been hung up.
        if any(isinstance(each, Connect) for each in decisions) and was_live:
            assert isinstance(decisions[0], HangUp)
        # Nothing is sent into a socket that is gone.
        if driver.bell.phase in ("idle", "waiting", "connecting"):
            assert not any(isinstance(each, Send) for each in decisions)
        # Whoever is wanted has a moment at which something will be done.
        assert (rule.next_look_s(driver.bell) is None) == (driver.bell.doorbell is None)
        assert rule.next_look_s(driver.bell) is None or (
            rule.next_look_s(driver.bell) <= driver.now_s + LIMITS.refused_s[1]
        )
    if driver.bell.doorbell is not None:  # left alone with a server that is well, it gets through
        for _ in range(3):
            if driver.bell.phase != "waiting":
                driver.tell(Closed(driver.bell.socket, 1006))
        driver.now_s = max(driver.now_s, driver.bell.by_s)
        driver.tell(Passed())
        driver.tell(Opened(driver.bell.socket))
        driver.tell(Heard(driver.bell.socket, GREETING))
        driver.tell(Signed(driver.bell.socket, "a:b"))
        channel = driver.bell.doorbell.channel
        driver.tell(Heard(driver.bell.socket, Frame(SUCCEEDED.event, None, channel)))
        assert driver.bell.is_subscribed
