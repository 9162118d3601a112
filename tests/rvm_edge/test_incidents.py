"""Actors that fail are told of by way of the outbox, whatever it is that fails."""

import msgspec
import pytest

from config.settings import Settings, UplinkSettings
from models.incidents import AT_ONCE_MAX, WINDOW_S
from protocol.message import Message
from protocol.platform.reports import Event
from protocol.storage import PutOutbox
from rvm_edge.incidents import KEPT_MAX, Incidents
from supervisors import Actor, ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.recorder import DiskRecorder
from supervisors.testing import Probe, VirtualClock, eventually

WITH_PLATFORM = Settings(uplink=UplinkSettings(server_url="https://rvm.example"))


class Break(Message, frozen=True, tag="incidents.break"):
    """Crash."""


class Fragile(Actor):
    @handles(Break)
    def crash(self, message: Break) -> None:
        raise RuntimeError("it broke: token=abcdefgh12345678")


class Place:
    def __init__(self, tmp_path, settings=WITH_PLATFORM, *, has_storage=True):
        self.clock = VirtualClock(wall_s=1_800_000_000.0)
        self.settings = settings
        recorder = DiskRecorder(tmp_path, self.clock, self._recorded)
        self.system = ActorSystem(clock=self.clock, recorder=recorder)
        self.incidents = Incidents(self.system, "rvm-1", lambda: self.settings)
        self.storage = Probe(PutOutbox)
        fragile = SupervisorSpec(
            (ChildSpec("fragile", Fragile),),
            intensity=3,
            period_s=10.0,
            on_exhausted="quarantine",
            backoff=Backoff.NONE,
        )
        storage = (self.storage.spec("storage"),) if has_storage else ()
        spec = SupervisorSpec((*storage, ChildSpec("group", fragile)))
        self.root = Supervisor.start(spec, system=self.system)

    def _recorded(self, record):
        self.incidents.heard(record)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.root.stop()
        self.system.close()

    @property
    def state(self):
        row = self.system.supervisors["/group"].rows["fragile"]
        return row.state.value, row.incarnation

    def crash(self):
        before = self.state
        eventually(lambda: self.state[0] == "running")
        self.system.tell("/group/fragile", Break())
        eventually(lambda: self.state != before)

    def events(self, count):
        def all_heard():
            self.incidents.tick()  # a row says "crashed" before the record does
            return len(self.storage.heard) >= count and list(self.storage.heard)

        heard = eventually(all_heard)
        assert len(heard) == count
        assert {(one.outbox, one.kind) for one in heard} <= {("event", "event")}
        assert len({one.key for one in heard}) == count
        return [msgspec.msgpack.decode(one.body, type=Event) for one in heard]


def test_a_crash_a_crash_loop_and_the_quarantine_behind_it_are_three_events(tmp_path):
    with Place(tmp_path) as place:
        for _ in range(4):
            place.crash()
        eventually(lambda: place.state[0] == "quarantined")
        failed, exhausted, quarantined = place.events(3)
        assert (failed.kind, failed.fields["address"]) == ("actor_failed", "/group/fragile")
        assert failed.fields["times"] == 1
        assert failed.at == pytest.approx(1_800_000_000.0)
        assert "RuntimeError" in failed.fields["reason"]
        assert [exhausted.kind, quarantined.kind] == ["actor_exhausted", "actor_quarantined"]
        place.clock.advance(WINDOW_S)
        counted = next(one for one in place.events(4)[3:] if one.kind == "actor_failed")
        assert counted.fields["times"] == 3


def test_no_secret_gets_into_an_event(tmp_path):
    with Place(tmp_path) as place:
        place.crash()
        assert "abcdefgh12345678" not in place.events(1)[0].fields["reason"]


def test_a_machine_without_a_platform_keeps_nothing_for_one(tmp_path):
    with Place(tmp_path, Settings()) as place:
        place.crash()
        place.settings = WITH_PLATFORM
        place.crash()
        assert len(place.events(1)) == 1


def test_what_cannot_be_stored_yet_is_kept_and_not_for_ever(tmp_path):
    with Place(tmp_path, has_storage=False) as place:
        for number in range(AT_ONCE_MAX):
            record = {"at": 1.0, "path": f"/a{number}", "event": "quarantined", "reason": "x"}
            place.incidents.heard(record)
        place.incidents.tick()
        place.root.start_child(place.storage.spec("storage"))
        assert len(place.events(AT_ONCE_MAX)) == AT_ONCE_MAX
    assert KEPT_MAX >= AT_ONCE_MAX
