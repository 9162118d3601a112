"""The keeper over a real tree: what it takes, what it does with the tree, when it takes it back."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.generations import Generations
from config.in_force import in_force
from config.load import load
from config.settings import Settings
from protocol import settings as words
from protocol.message import Done, Failed
from rvm_edge.keeper import GRACE_S, Keeper, Plant
from rvm_edge.keeper_desk import KeeperDesk
from supervisors import Actor, ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec
from supervisors.plan import State
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import Events

WATCH_S = 60.0


class Period(Actor):
    """Made of a number; does not live with 13."""

    def __init__(self, period_s: float) -> None:
        if period_s == 13.0:
            raise RuntimeError("unlucky")


class Idle(Actor):
    """Concerned by nothing."""


class Workshop:
    """A keeper, its tree, and the test's hands on both."""

    def __init__(self, directory: Path, clock: VirtualClock) -> None:
        self.directory, self.clock = directory, clock
        self.events = Events()
        self.system = ActorSystem(clock=clock, recorder=self.events)
        self.generations = Generations(directory / "settings")
        self.generations.begin()
        self.layers = partial(load, data_directory=directory)
        found = in_force(self.generations, self.layers)
        self.taken: list[Settings] = []
        self.asked: list[str] = []
        self.is_ending = False
        spec = self.spec_of(found.loaded.settings)
        self.root = Supervisor.start(spec, system=self.system)
        plant = Plant(
            self.spec_of,
            self.root.change,
            lambda old, new: old.camera.ring_slots != new.camera.ring_slots,
            lambda settings, _spec: self.taken.append(settings),
            lambda why: self.asked.append(f"start anew: {why}"),
            lambda why: self.asked.append(f"give up: {why}"),
            lambda: self.is_ending,
        )
        self.keeper = Keeper(self.system, self.generations, self.layers, found, plant)

    def spec_of(self, settings: Settings) -> SupervisorSpec:
        period = ChildSpec("period", Period, args={"period_s": settings.health.period_s})
        extra = (ChildSpec("extra", Idle),) if settings.detail.barcode else ()
        children = (period, ChildSpec("idle", Idle), *extra)
        return SupervisorSpec(children, backoff=Backoff.NONE, on_exhausted="quarantine")

    def stage(self, version: int, **settings: Any) -> Any:
        text = json.dumps({key.replace("__", "."): value for key, value in settings.items()})
        return self.keeper.answer(words.StageSettings(version, text.encode()))

    def apply(self, version: int, **settings: Any) -> Any:
        self.stage(version, **settings)
        return self.keeper.answer(words.ApplySettings(version, WATCH_S + GRACE_S, had_link=True))

    def kept(self, version: int, **settings: Any) -> None:
        assert isinstance(self.apply(version, **settings), words.SettingsApplied)
        assert self.keeper.answer(words.ConfirmSettings(version)) == Done()

    @property
    def told(self) -> words.SettingsDescribed:
        return self.keeper.describe()

    def close(self) -> None:
        self.root.stop()
        self.system.close()


@pytest.fixture
def shop(tmp_path):
    one = Workshop(tmp_path, VirtualClock())
    yield one
    one.close()


def incarnation(shop: Workshop, id_: str) -> int:
    return shop.root.rows[id_].incarnation


# -- the way of a version ---------------------------------------------------------------------


def test_a_version_is_staged_applied_and_kept(shop):
    staged = shop.stage(1, health__period_s=20, detail__barcode=True)
    assert not staged.refused
    assert {one.code for one in staged.keys.values()} == {200}
    assert shop.told.state == "none"
    applied = shop.keeper.answer(words.ApplySettings(1, 90.0))
    assert applied.touched == ("/extra", "/period")
    assert (incarnation(shop, "period"), incarnation(shop, "idle")) == (2, 1)
    assert shop.taken[-1].health.period_s == 20.0
    assert (shop.told.state, shop.told.behind) == ("watching", ())
    assert shop.keeper.answer(words.ConfirmSettings(1)) == Done()
    assert (shop.told.version, shop.told.state) == (1, "kept")
    steps = [name for path, name, _ in shop.events.kept if path == words.ADDRESS]
    assert steps == [f"settings_{one}" for one in ("updated", "validated", "applied", "kept")]


def test_what_is_in_force_already_is_neither_staged_nor_applied(shop):
    shop.kept(1, health__period_s=20)
    staged = shop.stage(1, health__period_s=20)
    assert staged.in_force
    assert isinstance(shop.keeper.answer(words.ApplySettings(1, 90.0)), Failed)
    assert incarnation(shop, "period") == 2


def test_a_wrong_version_touches_nothing(shop):
    staged = shop.stage(1, health__perod_s=20, session__claim_days=9)
    assert staged.refused
    assert {name: one.code for name, one in staged.keys.items()} == {
        "health.perod_s": 400,
        "session.claim_days": 424,
    }
    assert shop.keeper.answer(words.ApplySettings(1, 90.0)).code == "stale"
    assert shop.taken == []
    assert not (shop.directory / "settings" / "staged.json").exists()


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"nonsense", b"\xff", b"[" * 5000, b'{"a":' * 3000, b'{"a": NaN}']
)
def test_what_is_no_object_is_refused(shop, text):
    assert shop.keeper.answer(words.StageSettings(1, text)).refused


def test_five_thousand_unknown_keys_are_refused_as_a_whole(shop):
    text = json.dumps({f"k{n}": 0 for n in range(5000)}).encode()
    staged = shop.keeper.answer(words.StageSettings(1, text))
    assert "more than there are settings" in staged.refused
    assert staged.keys == {}


def test_only_the_version_that_was_staged_last_can_be_applied(shop):
    shop.stage(1, health__period_s=20)
    shop.stage(2, health__period_s=30)
    assert shop.keeper.answer(words.ApplySettings(1, 90.0)).code == "stale"
    assert shop.keeper.answer(words.ApplySettings(2, 90.0)).version == 2


# -- taking back ------------------------------------------------------------------------------


def test_a_child_that_does_not_start_takes_the_version_back(shop):
    shop.kept(1, health__period_s=20)
    failed = shop.apply(2, health__period_s=13)
    assert failed.code == "start"
    assert "unlucky" in failed.detail
    eventually(lambda: shop.root.rows["period"].state is State.RUNNING)
    assert (shop.told.version, shop.told.state, shop.told.behind) == (1, "kept", ())
    again = shop.stage(2, health__period_s=13)
    assert again.denied
    assert "unlucky" in again.refused
    assert again.keys["health.period_s"].code == 500
    assert again.keys["health.period_s"].value == 20.0
    assert not shop.stage(2, health__period_s=14).refused  # another content is another version


def test_a_version_that_does_harm_is_taken_back_when_somebody_says_so(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, detail__barcode=True)
    done = shop.keeper.answer(words.RevertSettings(2, "the camera is gone"))
    assert done.version == 1
    assert "extra" not in shop.root.rows
    assert shop.told.rolled_back.reason == "the camera is gone"
    assert shop.taken[-1].health.period_s == 20.0


def test_what_is_kept_cannot_be_reverted_and_what_is_gone_not_confirmed(shop):
    shop.kept(1, health__period_s=20)
    assert shop.keeper.answer(words.RevertSettings(1, "no")).code == "stale"
    assert shop.keeper.answer(words.ConfirmSettings(2)).code == "stale"


def test_what_nobody_confirms_is_taken_back_by_itself(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, health__period_s=30)
    shop.clock.advance(WATCH_S)
    shop.keeper.tick()
    assert shop.told.version == 2
    shop.clock.advance(GRACE_S)
    shop.keeper.tick()
    assert shop.told.version == 1
    assert "nobody has confirmed" in shop.told.rolled_back.reason


def test_a_version_on_trial_that_is_replaced_goes_back_to_the_last_that_was_kept(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, health__period_s=30)
    shop.apply(3, health__period_s=40)
    shop.keeper.answer(words.RevertSettings(3, "no"))
    assert (shop.told.version, shop.taken[-1].health.period_s) == (1, 20.0)


def test_a_smaller_number_is_a_version_like_any_other_and_goes_back_to_the_larger(shop):
    shop.kept(5, health__period_s=20)
    shop.apply(3, health__period_s=30)
    assert (shop.told.version, shop.taken[-1].health.period_s) == (3, 30.0)
    shop.keeper.answer(words.RevertSettings(3, "no"))
    assert (shop.told.version, shop.taken[-1].health.period_s) == (5, 20.0)


def test_a_tree_that_is_being_stopped_is_not_the_versions_fault(shop):
    shop.stage(1, health__period_s=13)
    shop.is_ending = True
    assert shop.keeper.answer(words.ApplySettings(1, 90.0)).code == "stopping"
    assert not shop.generations.denied


def test_a_change_that_needs_a_start_asks_for_one(shop):
    applied = shop.apply(1, camera__ring_slots=12)
    assert applied.needs_start
    assert shop.asked[0].startswith("start anew")
    assert shop.generations.current.version == 1


def test_a_start_with_a_version_on_trial_watches_it_again(tmp_path):
    first = Workshop(tmp_path, VirtualClock())
    first.kept(1, health__period_s=20)
    first.apply(2, health__period_s=30)
    first.close()  # no orderly end: it has died
    second = Workshop(tmp_path, VirtualClock())
    assert (second.told.version, second.told.state) == (2, "watching")
    second.close()
    third = Workshop(tmp_path, VirtualClock())
    assert (third.told.version, third.told.state) == (1, "kept")
    assert "died 2 times" in third.told.rolled_back.reason
    third.close()


# -- health, the disk, the override -----------------------------------------------------------


def test_who_was_unwell_before_is_the_baseline_and_failures_count_from_the_trial_on(shop):
    shop.root.terminate_child("idle")
    shop.apply(1, health__period_s=20)
    assert shop.told.baseline == ()  # stopped by hand is not unwell
    assert shop.told.failures == {}


def test_who_fell_ill_while_a_version_waited_is_not_its_fault_and_a_death_does_not_forget_it(shop):
    shop.stage(1, detail__barcode=True)
    shop.system.supervisors["/"].rows["idle"].running.vitals.facts = {"trouble": "a cable is loose"}
    shop.keeper.answer(words.ApplySettings(1, 90.0))
    assert shop.told.baseline == ("/idle",)
    assert Generations(shop.directory / "settings").current.unwell == ("/idle",)


def test_layers_that_somebody_has_broken_meanwhile_keep_no_roll_back(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, health__period_s=30)
    (shop.directory / "override.toml").write_text("[health]\nno_such_key = 1\n")
    assert shop.keeper.answer(words.RevertSettings(2, "no")) == words.SettingsApplied(1)
    assert (shop.told.version, shop.taken[-1].health.period_s) == (1, 20.0)
    assert "no_such_key" in " ".join(shop.told.troubles)
    assert shop.asked == []


def test_a_roll_back_that_needs_a_start_says_what_is_in_force_then(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, health__period_s=30)
    shop.keeper._plant = shop.keeper._plant._replace(needs_start=lambda *_: True)
    assert shop.keeper.answer(words.RevertSettings(2, "no")) == words.SettingsApplied(1)
    assert shop.asked[0].startswith("start anew")


def test_a_disk_that_takes_nothing_refuses_and_changes_nothing(shop):
    (shop.directory / "settings").rmdir()
    (shop.directory / "settings").write_text("a file is in the way")
    assert shop.stage(1, health__period_s=20).code == "storage"
    assert shop.told.state == "none"
    (shop.directory / "settings").unlink()


def test_an_override_of_the_machine_is_told_and_stays(shop):
    (shop.directory / "override.toml").write_text("[health]\nperiod_s = 55\n")
    shop.kept(1, health__period_s=20, session__claim_days=9)
    keys = shop.told.keys
    assert (keys["health.period_s"].code, keys["health.period_s"].value) == (409, 55.0)
    assert keys["session.claim_days"].code == 200


def test_a_file_that_was_changed_since_is_noticed_when_a_version_is_applied(shop):
    shop.stage(1, session__warn_s=50.0)
    (shop.directory / "override.toml").write_text("[session]\nidle_timeout_s = 30\n")
    assert shop.keeper.answer(words.ApplySettings(1, 90.0)).code == "wrong"
    assert shop.told.state == "none"


# -- the desk ---------------------------------------------------------------------------------


def test_the_desk_answers_messages_and_refuses_what_it_does_not_know(shop):
    desk = KeeperDesk(shop.system, shop.keeper, lambda: shop.asked.append("died"))
    ask = partial(shop.system.request, words.ADDRESS)
    assert ask(words.DescribeSettings(), reply=words.SettingsDescribed).state == "none"
    with pytest.raises(Exception, match="invalid"):
        ask(Done())
    assert desk.close()
    with pytest.raises(Exception, match="no_actor"):
        ask(words.DescribeSettings())
    assert shop.asked == []


def test_somebody_who_asks_all_the_time_keeps_no_trial_from_its_end(shop):
    shop.kept(1, health__period_s=20)
    shop.apply(2, health__period_s=30)
    desk = KeeperDesk(shop.system, shop.keeper, lambda: shop.asked.append("died"))
    ask = partial(shop.system.request, words.ADDRESS, reply=words.SettingsDescribed)
    shop.clock.advance(WATCH_S + GRACE_S)
    told = [ask(words.DescribeSettings()).version for _ in range(5)]
    assert told[-1] == 1
    assert desk.close()
