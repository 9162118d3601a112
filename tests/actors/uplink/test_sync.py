"""Sync between a link, an item cycle and a daemon that the test speaks for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from actors.uplink.reporting import KEPT_MAX, Reporting
from actors.uplink.sync import PATH, REPORTS_PATH, Sync
from config.settings import UplinkSettings
from protocol import settings as words
from protocol.envelope import Envelope
from protocol.message import Done, Failed, Message
from protocol.platform.twin import KeyReport, Reported
from protocol.service import CycleDescribed, DescribeCycle
from protocol.system import Ping, Pong
from protocol.uplink import Call, Called, LinkChanged, Reached, Rung
from supervisors import Actor, ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.context import answer_to
from supervisors.testing import PATIENCE_S, Probe, VirtualClock, eventually

LIMITS = UplinkSettings(settings_poll_s=15.0, settings_watch_s=8.0, settings_wait_s_max=20.0)
KEYS = {"health.period_s": KeyReport(3.0, 1, 200)}
NOTHING = words.SettingsDescribed(0, "", "none")


class Platform:
    """What the link's answers are made of."""

    def __init__(self) -> None:
        self.version, self.settings = 0, {}
        self.status = 200
        self.reports: list[dict[str, Any]] = []
        self.asked: list[Call] = []
        self.is_near = threading.Event()
        """Its answers arrive."""
        self.is_near.set()

    def answer(self, call: Call) -> Message:
        self.asked.append(call)
        if self.status == 0:
            return Failed("no_way", "no path is open")
        if self.status != 200:
            return Called(self.status)
        if call.method == "POST" and call.path == REPORTS_PATH:
            self.reports.append(json.loads(call.body))
            return Called(200)
        etag = f'"{self.version}"'
        if call.etag == etag:
            return Called(304, etag=etag)
        body = json.dumps({"version": self.version, "settings": self.settings}).encode()
        return Called(200, body, etag)

    def states(self, version: int) -> list[str]:
        return [one["state"] for one in self.reports if one["version"] == version]

    @property
    def posted(self) -> list[Call]:
        return [call for call in self.asked if call.path == REPORTS_PATH]

    @property
    def fetched(self) -> list[Call]:
        return [call for call in self.asked if call.path == PATH]


class Link(Actor):
    """Answers as the platform says."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    @handles(Call)
    def call(self, message: Call) -> Message:
        answer = self.platform.answer(message)
        assert self.platform.is_near.wait(PATIENCE_S)
        return answer


class Cycle(Actor):
    """Answers what the test has put into its list."""

    def __init__(self, phase: list[CycleDescribed]) -> None:
        self.phase = phase

    @handles(DescribeCycle)
    def describe(self, message: DescribeCycle) -> CycleDescribed:
        return self.phase[-1]


class Daemon:
    """Answers at `/settings`, in the sender's thread."""

    def __init__(self, system: ActorSystem, described: words.SettingsDescribed) -> None:
        self.system = system
        self.described = described
        self.staged: dict[int, words.SettingsStaged] = {}
        self.failing: dict[type, Failed] = {}
        self.heard: list[Message] = []
        self._decode = msgspec.msgpack.Decoder(words.SettingsRequest).decode
        system.serve(words.ADDRESS, self.take)

    def take(self, envelope: Envelope) -> None:
        request = self._decode(envelope.body)
        self.heard.append(request)
        answer = self.failing.get(type(request)) or self.answer(request)
        answer_to(self.system, envelope, answer, words.ADDRESS)

    def answer(self, request: words.SettingsRequest) -> Message:
        if isinstance(request, words.StageSettings):
            known = words.SettingsStaged(request.version, "d", keys=KEYS)
            return self.staged.get(request.version, known)
        if isinstance(request, words.ApplySettings):
            self.described = words.SettingsDescribed(request.version, "d", "watching", KEYS)
            return words.SettingsApplied(request.version, ("/health",))
        if isinstance(request, words.ConfirmSettings):
            self.described = words.SettingsDescribed(request.version, "d", "kept", KEYS)
            return Done()
        if isinstance(request, words.RevertSettings):
            self.described = NOTHING
            return words.SettingsApplied(0)
        return self.described

    def told(self, kind: type[Message]) -> list[Any]:
        return [one for one in self.heard if isinstance(one, kind)]


class Place:
    """The test's hands on all of them."""

    def __init__(self, clock: VirtualClock, described: words.SettingsDescribed) -> None:
        self.clock = clock
        self.system = ActorSystem(clock=clock)
        self.platform = Platform()
        self.daemon = Daemon(self.system, described)
        self.phase = [CycleDescribed("idle", "", 0)]
        self.listener = Probe(Reached)
        sync = {"limits": LIMITS, "link": "/link", "deposit": "/cycle", "listeners": ("/listener",)}
        children = (
            self.listener.spec("listener"),
            ChildSpec("link", Link, args={"platform": self.platform}),
            ChildSpec("cycle", Cycle, args={"phase": self.phase}),
            ChildSpec("sync", Sync, args=sync),
        )
        spec = SupervisorSpec(children, backoff=Backoff.NONE, intensity=None)
        self.sup = Supervisor.start(spec, system=self.system)

    def open(self, *, is_open: bool = True) -> None:
        self.sup.tell("sync", LinkChanged(is_open, "server" if is_open else "internet", "direct"))

    def desire(self, version: int, **settings: Any) -> None:
        self.platform.version, self.platform.settings = version, settings
        self.sup.tell("sync", Rung("settings"))

    def second(self) -> None:
        self.clock.advance(1.0)

    def until(self, predicate: Any) -> Any:
        """Let seconds pass until it is so."""

        def look() -> Any:
            found = predicate()
            if not found:
                self.second()
            return found

        return eventually(look)

    def until_states(self, version: int, *states: str) -> None:
        self.until(lambda: self.platform.states(version) == list(states))


@contextmanager
def somewhere(described: words.SettingsDescribed = NOTHING) -> Iterator[Place]:
    place = Place(VirtualClock(), described)
    try:
        yield place
    finally:
        place.sup.stop()
        place.system.close()


@pytest.fixture
def place():
    with somewhere() as one:
        one.open()
        eventually(lambda: one.platform.fetched)
        yield one


# -- the way of a version ---------------------------------------------------------------------


def test_a_ring_fetches_applies_watches_and_keeps_without_waiting_for_any_period(place):
    place.desire(1)
    eventually(lambda: place.platform.states(1) == ["watching"])
    [apply] = place.daemon.told(words.ApplySettings)
    assert (apply.version, apply.had_link) == (1, True)
    assert apply.confirm_s > LIMITS.settings_watch_s
    report = place.platform.reports[0]
    assert report["in_force"] == 1
    assert report["keys"]["health.period_s"]["code"] == 202
    place.until_states(1, "watching", "kept")
    assert place.platform.reports[-1]["keys"]["health.period_s"]["code"] == 200
    assert place.daemon.told(words.ConfirmSettings) == [words.ConfirmSettings(1)]
    assert Reached(settings_version=1) in place.listener.heard


def test_without_a_ring_it_asks_now_and_then_and_does_not_fetch_the_same_twice(place):
    place.platform.version = 1
    place.until_states(1, "watching", "kept")
    staged = len(place.daemon.told(words.StageSettings))
    fetched = len(place.platform.fetched)
    place.until(lambda: len(place.platform.fetched) > fetched)
    assert place.platform.fetched[-1].etag == '"1"'
    assert len(place.daemon.told(words.StageSettings)) == staged


def test_nothing_is_asked_while_the_way_is_closed_and_at_once_when_it_opens():
    with somewhere() as place:
        for _ in range(20):
            place.second()
        assert place.platform.asked == []
        place.open()
        eventually(lambda: place.platform.fetched)


def test_version_zero_means_that_nobody_has_desired_anything(place):
    place.desire(0)
    eventually(lambda: len(place.platform.fetched) > 1)
    assert place.daemon.told(words.StageSettings) == []


def test_a_refused_version_is_reported_and_not_applied(place):
    keys = {"a.b": KeyReport(None, 1, 400, "did you mean a.c?")}
    place.daemon.staged[1] = words.SettingsStaged(1, "d", "a.b is wrong", keys)
    place.desire(1, a=1)
    place.until_states(1, "refused")
    assert place.platform.reports[0]["keys"]["a.b"]["reason"] == "did you mean a.c?"
    assert place.daemon.told(words.ApplySettings) == []


def test_a_platform_that_was_restored_from_a_backup_counts_on_from_there(place):
    place.desire(5)
    place.until_states(5, "watching", "kept")
    place.desire(3)
    place.until_states(3, "watching", "kept")
    assert place.platform.reports[-1]["in_force"] == 3
    place.desire(0)  # and one that has lost everything desires nothing
    eventually(lambda: len(place.platform.fetched) >= 4)
    place.second()
    assert len(place.daemon.told(words.ApplySettings)) == 2


def test_a_version_too_large_takes_the_place_of_one_that_waits(place):
    place.phase.append(CycleDescribed("transporting", "d-1", 0))
    place.desire(1)
    place.until_states(1, "deferred")
    place.desire(2, text="x" * words.DESIRED_BYTES_MAX)
    place.until(lambda: "refused" in place.platform.states(2))
    place.phase.append(CycleDescribed("idle", "", 1))
    for _ in range(5):
        place.second()
        place.sup.request("sync", Ping(), reply=Pong)
    assert not place.daemon.told(words.ApplySettings)


def test_a_version_too_large_for_a_message_is_refused_here(place):
    place.desire(1, a="x" * words.DESIRED_BYTES_MAX)
    place.until_states(1, "refused")
    assert place.daemon.told(words.StageSettings) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"version": -1}', b"\xff", b"[" * 9000])
def test_what_is_no_answer_of_a_platform_changes_nothing(place, body):
    place.platform.answer = lambda call: Called(200, body)
    asked = len(place.daemon.heard)
    place.sup.tell("sync", Rung("settings"))
    for _ in range(5):
        place.second()
    assert place.daemon.told(words.StageSettings) == []
    assert place.sup.rows["sync"].incarnation == 1
    assert len(place.daemon.heard) >= asked


# -- waiting ----------------------------------------------------------------------------------


def test_it_waits_for_the_item_and_says_so_once(place):
    place.phase.append(CycleDescribed("transporting", "d-1", 0, session="s-1"))
    place.desire(1)
    place.until_states(1, "deferred")
    assert place.platform.reports[0]["keys"]["health.period_s"]["code"] == 202
    for _ in range(30):
        place.second()
    assert place.daemon.told(words.ApplySettings) == []
    place.phase.append(CycleDescribed("idle", "", 1))
    place.until(lambda: place.daemon.told(words.ApplySettings))
    place.until(lambda: "watching" in place.platform.states(1))


def test_of_two_that_wait_the_later_one_is_applied_and_only_that(place):
    place.phase.append(CycleDescribed("transporting", "d-1", 0))
    place.desire(1)
    place.until_states(1, "deferred")
    place.desire(2)
    place.until_states(2, "deferred")
    place.phase.append(CycleDescribed("idle", "", 1))
    place.until(lambda: "kept" in place.platform.states(2))
    assert [one.version for one in place.daemon.told(words.ApplySettings)] == [2]


# -- harm -------------------------------------------------------------------------------------


def test_health_that_falls_takes_it_back_and_says_why(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.daemon.described = words.SettingsDescribed(
        1, "d", "watching", KEYS, unwell={"/vision/camera": "waiting: camera"}
    )
    place.until(lambda: "rolled_back" in place.platform.states(1))
    [revert] = place.daemon.told(words.RevertSettings)
    assert "/vision/camera" in revert.reason
    report = place.platform.reports[-1]
    assert (report["in_force"], report["keys"]["health.period_s"]["code"]) == (0, 500)


def test_who_was_unwell_before_is_no_reason(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.daemon.described = words.SettingsDescribed(
        1,
        "d",
        "watching",
        KEYS,
        baseline=("/vision/camera",),
        unwell={"/vision/camera": "waiting: camera"},
        failures={"/vision/camera": 9},
    )
    place.until(lambda: "kept" in place.platform.states(1))


def test_a_way_that_is_lost_takes_it_back_and_the_report_waits_for_the_way(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.open(is_open=False)
    place.until(lambda: place.daemon.told(words.RevertSettings))
    assert place.platform.states(1) == ["watching"]
    place.open()
    place.until(lambda: "rolled_back" in place.platform.states(1))


def test_a_link_that_has_ended_is_a_way_that_is_lost(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.sup.terminate_child("link")
    place.until(lambda: place.daemon.told(words.RevertSettings))
    assert "reached before" in place.daemon.told(words.RevertSettings)[0].reason
    assert not place.daemon.told(words.ConfirmSettings)


def test_an_actor_that_does_not_start_is_reported_with_its_reason(place):
    place.daemon.failing[words.ApplySettings] = Failed("start", "camera does not start with it")
    place.daemon.staged[1] = words.SettingsStaged(1, "d", keys=KEYS)
    place.desire(1)
    place.until(lambda: "rolled_back" in place.platform.states(1))
    assert "camera" in place.platform.reports[0]["reason"]


def test_what_the_daemon_has_taken_back_by_itself_is_not_called_kept(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.daemon.described = NOTHING
    place.daemon.staged[1] = words.SettingsStaged(1, "d", "nobody confirmed", KEYS, denied=True)
    place.until(lambda: "rolled_back" in place.platform.states(1))
    assert "kept" not in place.platform.states(1)


def test_a_disk_that_is_full_is_told_and_tried_again(place):
    place.daemon.failing[words.StageSettings] = Failed("storage", "the disk is full")
    place.desire(1)
    place.until(lambda: place.platform.states(1)[:1] == ["deferred"])
    del place.daemon.failing[words.StageSettings]
    place.until(lambda: "kept" in place.platform.states(1))


# -- restarts ---------------------------------------------------------------------------------


def test_a_successor_goes_on_watching_what_its_predecessor_has_applied():
    trial = words.SettingsDescribed(4, "d", "watching", KEYS, trial_s=5.0, had_link=True)
    with somewhere(trial) as place:
        place.platform.version = 4
        place.daemon.staged[4] = words.SettingsStaged(4, "d", keys=KEYS, in_force=True)
        place.open()
        place.until(lambda: place.daemon.told(words.ConfirmSettings))
        place.until(lambda: place.platform.states(4)[-1:] == ["kept"])


def test_a_successor_reports_how_it_stands_because_it_fetches_once_more(place):
    place.desire(1)
    place.until_states(1, "watching", "kept")
    place.daemon.staged[1] = words.SettingsStaged(1, "d", keys=KEYS, in_force=True)
    place.sup.kick("sync")
    eventually(lambda: place.sup.rows["sync"].incarnation == 2)
    place.open()
    place.until(lambda: len(place.platform.states(1)) > 2)
    assert place.platform.states(1)[-1] == "kept"
    assert len(place.daemon.told(words.ApplySettings)) == 1


# -- reports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 401, 429, 500, 503])
def test_a_report_is_kept_until_it_is_delivered(place, status):
    place.phase.append(CycleDescribed("transporting", "d-1", 0))
    place.desire(1)
    place.until_states(1, "deferred")
    place.platform.status = status
    place.phase.append(CycleDescribed("idle", "", 1))
    place.until(lambda: place.daemon.told(words.ConfirmSettings))
    assert place.platform.states(1) == ["deferred"]
    place.platform.status = 200
    place.until(lambda: place.platform.states(1)[-1] == "kept")


def test_a_platform_in_trouble_is_not_told_every_second(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.platform.status = 500
    place.until(lambda: place.daemon.told(words.ConfirmSettings))
    before = len(place.platform.posted)
    for _ in range(120):
        place.second()
        place.sup.request("sync", Ping(), reply=Pong)
    assert 2 <= len(place.platform.posted) - before <= 60
    place.platform.status = 200
    place.open(is_open=False)
    place.open()  # the way has opened anew: no use in waiting any longer
    eventually(lambda: place.platform.states(1)[-1] == "kept")


def test_the_failure_of_a_report_that_left_by_the_old_way_says_nothing_of_the_new_one(place):
    place.desire(1)
    place.until_states(1, "watching")
    place.platform.status = 500
    place.platform.is_near.clear()
    asked = len(place.platform.posted)
    place.until(lambda: len(place.platform.posted) > asked)  # under way, and not yet answered
    place.platform.status = 200
    place.open(is_open=False)
    place.open()
    place.sup.request("sync", Ping(), reply=Pong)
    place.platform.is_near.set()
    eventually(lambda: place.platform.states(1)[-1] == "kept")


def test_versions_that_are_refused_for_ever_take_no_memory(monkeypatch):
    known: list[Sync] = []
    monkeypatch.setattr(Sync, "on_start", _remembering(known, Sync.on_start))
    with somewhere() as place:
        place.open()
        for version in range(1, 60):
            answer = words.SettingsStaged(version, "", "wrong", keys=KEYS)
            place.daemon.staged[version] = answer
            place.desire(version)
            eventually(lambda: "refused" in place.platform.states(version))  # noqa: B023
        assert len(known[0]._keys) <= 3


def _remembering(known, on_start):
    async def start(self):
        known.append(self)
        await on_start(self)

    return start


def test_a_report_that_the_platform_refuses_for_good_does_not_hold_up_the_next(place):
    answer = place.platform.answer
    place.platform.answer = lambda call: Called(422) if call.method == "POST" else answer(call)
    place.desire(1)
    place.until(lambda: place.daemon.told(words.ConfirmSettings))
    place.platform.answer = answer
    place.desire(2)
    place.until(lambda: "kept" in place.platform.states(2))
    assert place.platform.states(1) == []


def test_of_many_reports_the_newest_word_on_each_version_is_kept_and_not_for_ever():
    reporting = Reporting()
    first = Reported(1, "watching", 1, 0.0)
    reporting.add(first)
    reporting.add(Reported(1, "kept", 1, 1.0))
    reporting.done(first)  # it came through, but there is something newer to say
    assert len(reporting) == 1
    for version in range(2, 100):
        reporting.add(Reported(version, "kept", 1, 1.0))
    assert len(reporting) == KEPT_MAX
    assert reporting.next().version == 100 - KEPT_MAX


def test_a_failure_is_waited_for_unless_the_way_has_opened_meanwhile():
    reporting = Reporting()
    reporting.add(Reported(1, "kept", 1, 0.0))
    reporting.next()
    reporting.failed(10.0, 1.0, asked_s=None)
    assert not reporting.is_due(10.0)
    assert reporting.is_due(100.0)
    reporting.next()
    reporting.hurry()
    reporting.failed(10.0, 1.0, asked_s=30.0)
    assert reporting.is_due(10.0)
