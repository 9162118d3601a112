"""The reports, between a machine and a platform that the test speaks for."""

import json
from contextlib import contextmanager

import msgspec
import pytest
from msgspec.structs import replace

from actors.uplink import Reports
from config.settings import InferenceSettings, UplinkSettings
from protocol.health import Measured, MeasureNow
from protocol.machine import Inputs, ReadInputs
from protocol.message import Failed
from protocol.platform.identity import Welcome
from protocol.platform.reports import Event, Pulse, Sample
from protocol.service import CycleDescribed, DescribeCycle
from protocol.storage import DescribeStore, PutOutbox, StoreDescribed
from protocol.uplink import Call, Called, LinkChanged, Reached, Rebirth, Rung
from protocol.vision import DescribeModel, ModelInUse
from supervisors import ChildSpec
from supervisors.testing import Probe, VirtualClock, eventually
from tests.actors.runtime import tree

STORE = StoreDescribed(0, 0, 0, 41, "", 0, 0, 0, {"money": 3}, {})
OPEN = LinkChanged(True, "server", "direct", Welcome(7, 0.0))
ANSWERS = {
    "storage": {DescribeStore: STORE, PutOutbox: None},
    "deposit": {DescribeCycle: CycleDescribed("waiting", "", 0, bin_percent=12.0)},
    "sensors": {ReadInputs: Inputs({}, {"weight_g": 5.0, "temperature_c": None})},
    "health": {MeasureNow: Measured(1.0, 2.0, 3.0, None, ())},
    "inference": {DescribeModel: ModelInUse("m", "ab" * 32, "onnxruntime 1.20 (CPU)", "/m")},
    "camera": {},
    "sync": {Rung: None},
    "commands": {Rung: None},
}


class Place:
    def __init__(self, sup, clock, probes, link):
        self.sup, self.clock, self.probes, self.link = sup, clock, probes, link

    def calls(self, path):
        return [
            json.loads(call.body)
            for call in list(self.link.heard)
            if isinstance(call, Call) and call.path == path
        ]

    def wait(self, path, count=1):
        return eventually(lambda: len(found := self.calls(path)) >= count and found)

    def pass_until(self, path, count):
        """Let time pass, second by second, until so many calls have come."""

        def found():
            calls = self.calls(path)
            if len(calls) >= count:
                return calls
            self.clock.advance(1.0)
            return None

        return eventually(found)

    def answers(self, who, question, answer):
        self.probes[who]._answers[question] = answer

    def kept(self, kind, of):
        kept = [m for m in list(self.probes["storage"].heard) if isinstance(m, PutOutbox)]
        return [msgspec.msgpack.decode(one.body, type=of) for one in kept if one.kind == kind]


@contextmanager
def running(**more):
    clock = VirtualClock(wall_s=1_800_000_000.0)
    probes = {
        name: Probe(*answers, answers={k: v for k, v in answers.items() if v is not None})
        for name, answers in ANSWERS.items()
    }
    link = Probe(Call, Rebirth, answers={Call: Called(200, b"{}")})
    addresses = {name: f"/{name}" for name in (*ANSWERS, "link")}
    args = {
        "limits": UplinkSettings(**{"server_url": "https://rvm.example", **more}),
        "inference": InferenceSettings(),
        "hardware_id": "rvm-1",
        "addresses": addresses,
    }
    children = [probe.spec(name) for name, probe in probes.items()]
    with tree(
        *children, link.spec("link"), ChildSpec("reports", Reports, args=args), clock=clock
    ) as (sup, _):
        yield Place(sup, clock, probes, link)


@pytest.fixture
def here(monkeypatch):
    # The tests' time runs faster than threads that get no processor can answer.
    monkeypatch.setattr("actors.uplink.reports._ASK_S", 3600.0)
    with running() as place:
        yield place


def test_a_machine_without_a_platform_keeps_nothing_for_one():
    with running(server_url=None) as here:
        eventually(
            lambda: (
                "uplink.server_url" in here.sup.rows["reports"].running.vitals.facts["waiting_for"]
            )
        )
        here.clock.advance(100.0)
        assert here.kept("telemetry", Sample) == []


def pulse(**fields) -> Called:
    return Called(200, msgspec.json.encode(Pulse(0.0, **fields)))


def test_when_the_way_opens_all_is_told_at_once(here):
    here.sup.tell("reports", OPEN)
    (beat,) = here.wait("/edge/heartbeats")
    (status,) = here.wait("/edge/status")
    (engine,) = here.wait("/edge/engine")
    assert (beat["epoch"], beat["seq"], beat["waiting"]) == (41, 1, {"money": 3})
    assert (status["status"], status["current_load"], status["camera_active"]) == (
        "active",
        12.0,
        True,
    )
    assert (engine["type"], engine["is_active"], engine["gpu_memory_limit"]) == ("cpu", True, 2.0)
    assert engine["model_path"] == f"m@{'ab' * 6}"


def test_nothing_is_sent_while_the_way_is_closed_and_samples_are_kept(here):
    here.clock.advance(40.0)
    eventually(lambda: here.kept("telemetry", Sample))
    (sample,) = here.kept("telemetry", Sample)[:1]
    assert sample.values["weight_g"] == 5.0
    assert sample.values["temperature_c"] is None
    assert sample.values["board_c"] is None
    assert [call for call in here.link.heard if isinstance(call, Call)] == []


def test_a_heartbeat_every_minute_or_so(here):
    here.sup.tell("reports", OPEN)
    here.wait("/edge/heartbeats")
    here.pass_until("/edge/heartbeats", 4)
    assert here.clock.monotonic() >= 3 * 54.0
    assert [beat["seq"] for beat in here.calls("/edge/heartbeats")] == [1, 2, 3, 4]


def test_the_platform_may_want_other_periods(here):
    here.sup.tell("reports", replace(OPEN, welcome=Welcome(7, 0.0, heartbeat_s=10.0)))
    here.pass_until("/edge/heartbeats", 2)  # the one that was planned before
    began_s = here.clock.monotonic()
    here.pass_until("/edge/heartbeats", 5)
    assert here.clock.monotonic() - began_s < 2 * 66.0


def test_what_the_platform_knows_and_we_do_not_is_asked_for(here):
    here.link._answers[Call] = pulse(settings_version=4, commands_last=9, rebirth=True)
    here.sup.tell("reports", Reached(settings_version=3))
    here.sup.tell("reports", Reached(commands_after=9))
    here.sup.tell("reports", OPEN)
    assert here.probes["sync"].expect(Rung) == Rung("settings")
    assert here.link.expect(Rebirth) == Rebirth()
    assert here.probes["commands"].heard == []
    (beat,) = here.calls("/edge/heartbeats")
    assert (beat["settings_version"], beat["commands_after"]) == (3, 9)


def test_a_status_is_told_when_it_changes_and_kept_as_an_event(here):
    here.sup.tell("reports", OPEN)
    here.wait("/edge/status")
    here.answers("deposit", DescribeCycle, CycleDescribed("stopped", "", 0, closed="fault"))
    second = here.pass_until("/edge/status", 2)[1]
    assert (second["status"], second["reason"]) == ("error", "fault")
    (event,) = eventually(lambda: here.kept("event", Event))
    assert (event.kind, event.fields["is"]) == ("status", "error")


def test_alarms_come_and_go_as_events(here):
    for count, alarms in ((1, ("disk_percent",)), (2, ())):
        here.answers("health", MeasureNow, Measured(1.0, 2.0, 95.0, 40.0, alarms))
        eventually(lambda: here.clock.advance(1.0) or len(here.kept("event", Event)) == count)  # noqa: B023
    assert [event.kind for event in here.kept("event", Event)] == ["alarm", "alarm_cleared"]


def test_an_engine_that_is_down_is_told_and_again_when_it_is_back(here):
    here.sup.tell("reports", OPEN)
    here.wait("/edge/engine")
    model = here.probes["inference"]._answers[DescribeModel]
    here.answers("inference", DescribeModel, Failed("crashed", "gone"))
    assert here.pass_until("/edge/engine", 2)[1]["is_active"] is False
    here.answers("inference", DescribeModel, model)
    assert here.pass_until("/edge/engine", 3)[2]["is_active"] is True


def test_what_the_platform_did_not_take_is_told_again(here):
    here.link._answers[Call] = Failed("broken", "nobody knows")
    here.sup.tell("reports", OPEN)
    here.wait("/edge/status")
    here.link._answers[Call] = Called(200, b"{}")
    taken = len(here.pass_until("/edge/status", 2))
    here.pass_until("/edge/heartbeats", 3)
    assert len(here.calls("/edge/status")) <= taken + 1


def test_parts_that_do_not_answer_cost_health_and_crash_nothing(here):
    for who in ("deposit", "sensors", "health"):
        here.sup.terminate_child(who)
    here.sup.tell("reports", OPEN)

    def worst():
        here.clock.advance(1.0)
        return [one for one in here.calls("/edge/status") if one["health_score"] == 0]

    status = eventually(worst)[0]
    assert (status["status"], status["reason"]) == ("error", "deposit_silent")
    assert here.sup.ref("reports").incarnation == 1
