"""Camera and inference together, each in its own process: from the scene to a decision."""

import os
import signal

import pytest

from actors.camera import FRAMES, Camera
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.scene import WORLD, draw_scene
from actors.inference import Inference
from models.world.catalogue import load_catalogue
from protocol.system import Ping
from protocol.vision import Capture, Captured, CaptureFailed, Classified, Classify, ClassifyFailed
from supervisors import ChildSpec
from supervisors.testing import eventually
from tests.actors.ring import area, formatting
from tests.actors.runtime import listener, sim, tree

SLOTS = 8
AREA = area(SLOTS)
formatted = formatting(SLOTS)
Heard = listener(Captured, CaptureFailed, Classified, ClassifyFailed)
BOTTLE, CAN = "007_0036", "007_0000"


@pytest.fixture
def eyes(tmp_path):
    """Camera, inference and a listener; `show` puts a picture on the belt."""
    heard = []
    where = {"source": "actors.drivers.simulated:SimulatedCamera", "where": sim(tmp_path)}
    hosted = {"host": "process", "shares": (FRAMES,)}
    with tree(
        ChildSpec("heard", Heard, args={"heard": heard}),
        ChildSpec("camera", Camera, args=where, **hosted),
        ChildSpec("inference", Inference, start_timeout_s=30, **hosted),
        shares=(AREA,),
    ) as (sup, _):
        eyes = Eyes(sup, heard, sim(tmp_path))
        yield eyes
        eyes.claims.drop()


class Eyes:
    def __init__(self, sup, heard, home):
        self.sup, self.heard, self.home = sup, heard, home
        self.items = 0
        self.claims = Claims(home)
        self.claims.take(WORLD)  # a scene is believed while the world that draws it lives

    def show(self, name):
        draw_scene(self.home, str(load_catalogue().find(name)[0].picture))

    def tell(self, address, message):
        envelope = self.sup.system.envelope(0, address, message)
        envelope.source = "/heard"
        self.sup.system.route(envelope)

    def ask(self, address, message):
        """The answer about this deposit; others are of those who were killed meanwhile."""
        self.tell(address, message)

        def answers():
            return [one for one in self.heard if one.deposit == message.deposit]

        found = eventually(answers)[0]
        self.heard.clear()
        return found

    def now_ns(self):
        return self.sup.system.clock.monotonic_ns()

    def decide(self):
        """As the item cycle does: a burst, and what is on it; None if either failed."""
        self.items += 1
        deposit, asked_ns = f"m-1-{self.items}", self.now_ns()
        captured = self.ask("/camera", Capture(deposit, asked_ns))
        if not isinstance(captured, Captured):
            return None
        assert all(frame.t_mono_ns > asked_ns for frame in captured.frames)
        classified = self.ask("/inference", Classify(deposit, captured.frames, asked_ns))
        return classified if isinstance(classified, Classified) else None

    def strike(self, name, number):
        row = self.sup.rows[name]
        if row.running is not None and row.running.pid:
            os.kill(row.running.pid, number)

    def incarnation(self, name):
        ref = self.sup.ref(name)
        return 0 if ref is None else ref.incarnation


def test_what_lies_there_is_what_is_decided(eyes):
    for name, decision in ((BOTTLE, "accept"), (CAN, "reject"), (BOTTLE, "accept")):
        eyes.show(name)
        classified = eyes.decide()
        assert classified.decision == decision
        assert len(classified.votes) == 3
        assert all(0 < seen.confidence <= 1 for seen in classified.detections)


@pytest.mark.parametrize("whom", ["camera", "inference"])
def test_killed_and_frozen_under_load_nothing_old_is_ever_decided(eyes, whom):
    """The item changes each time: a decision about the one before would show."""
    expected = {BOTTLE: "accept", CAN: "reject"}
    for life in range(1, 7):
        name = (BOTTLE, CAN)[life % 2]
        eyes.show(name)
        for _ in range(3):
            eyes.tell("/camera", Capture("lost", eyes.now_ns()))
        is_frozen = life % 3 == 0
        eyes.strike(whom, signal.SIGSTOP if is_frozen else signal.SIGKILL)
        eventually(lambda life=life: eyes.incarnation(whom) > life, 20.0)
        eyes.sup.request(whom, Ping(), timeout_s=10.0)
        assert eventually(eyes.decide).decision == expected[name]
