"""Inference looks after its detector: hours and weeks of it, in virtual time."""

import mmap

import pytest

from actors.camera import FRAMES
from actors.inference import Inference
from config.settings import InferenceSettings
from models.vision.frames import format_ring, ring_size_bytes
from protocol.message import Done
from protocol.service import CycleChanged
from protocol.vision import ProveModel
from supervisors import Actor, Backoff, ChildSpec, RequestFailed, SupervisorSpec
from supervisors.shares import SharedMemory
from supervisors.stage import Stage
from tests.actors.models import make_model

SLOTS, SLOT_BYTES = 3, 64 * 64 * 3
AREA = SharedMemory(FRAMES, ring_size_bytes(SLOTS, SLOT_BYTES))
WEEK_S = 604_800.0


class Spoiled(Inference):
    """Sees wrongly in its first life, and well after it."""

    def on_start(self):
        super().on_start()
        if self.ctx.incarnation == 1:
            self._eyes = self._eyes.spoiled("wrong")


class Deposit(Actor):
    """Says whether an item is being dealt with, as often as it is asked."""

    def on_start(self):
        self.ctx.tell("/inference", CycleChanged(busy=True))


class Machine:
    def __init__(self, model, kind=Inference, *, is_busy=False, **limits):
        args = {"limits": InferenceSettings(model=str(model), **limits)}
        children = [ChildSpec("inference", kind, args=args, shares=(FRAMES,))]
        if is_busy:
            children.append(ChildSpec("deposit", Deposit, restart="temporary"))
        spec = SupervisorSpec(tuple(children), backoff=Backoff.NONE, intensity=None)
        self.stage = Stage(spec, shares=(AREA,))
        with mmap.mmap(self.stage.system.shares.fd(FRAMES), 0) as ring:
            format_ring(ring, slots=SLOTS, slot_bytes=SLOT_BYTES)

    def __enter__(self):
        self.stage.start()
        return self

    def __exit__(self, *_):
        self.stage.stop()

    def count(self, event):
        return sum(one.name == event for one in self.stage.events)

    @property
    def facts(self):
        return self.stage.facts("/inference")

    @property
    def lives(self):
        return self.stage.root.ref("inference").incarnation


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / "model")


def test_a_canary_a_minute_and_all_golden_pictures_once_a_week(model):
    with Machine(model, canary_period_s=3600) as machine:
        machine.stage.advance(3600.5)
        assert machine.facts["canary"] == "ok"
        first_at_s = machine.facts["canary_at_s"]
        machine.stage.advance(3600.0)
        assert machine.facts["canary_at_s"] == pytest.approx(first_at_s + 3600, abs=1)
        assert machine.count("model_proven") == 0
        machine.stage.advance(WEEK_S)
        assert machine.count("model_proven") == 1
        assert machine.lives == 1


def test_two_missed_canaries_in_a_row_are_the_end_of_a_process(model):
    with Machine(model, Spoiled) as machine:
        machine.stage.advance(60.5)
        assert "canary missed" in machine.facts["trouble"]
        assert machine.facts["canary"] == "missed 1 in a row"
        assert machine.lives == 1
        machine.stage.advance(240.0)
        assert machine.lives == 2
        machine.stage.advance(60.5)
        assert machine.facts["canary"] == "ok"
        assert "trouble" not in machine.facts


def test_a_detector_that_has_drifted_does_not_outlive_its_golden_test(model):
    with Machine(model, Spoiled, canary_period_s=3600, golden_period_s=60) as machine:
        machine.stage.advance(61.0)
        assert machine.lives == 2
        machine.stage.advance(61.0)
        assert (machine.lives, machine.count("model_proven")) == (2, 1)


def test_what_is_due_while_an_item_is_dealt_with_waits_for_its_end(model):
    with Machine(model, is_busy=True, golden_period_s=90) as machine:
        machine.stage.advance(100.0)
        assert "canary" not in machine.facts
        assert machine.count("model_proven") == 0
        with pytest.raises(RequestFailed, match="busy"):
            machine.stage.request("/inference", ProveModel(), reply=Done)
        machine.stage.kill("/deposit")  # its item is nobody's any more
        machine.stage.advance(0.1)
        assert machine.count("model_proven") == 1
        machine.stage.advance(60.0)
        assert machine.facts["canary"] == "ok"
