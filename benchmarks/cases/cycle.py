"""A deposit from hand to ledger in virtual time, and what the machine adds to the detector's time.

The lab (`rvm_edge.lab`) is the machine that ships with its body simulated; its peer is the clock
on the wall. The decision's peer is the detector alone, on the same pictures.
"""

from __future__ import annotations

import mmap
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from actors.camera import FRAMES, Camera
from actors.drivers.pictures import empty_belt_picture, read_picture
from actors.inference import Inference
from benchmarks.kit.contest import Case, Contender, Versus
from config.settings import CameraSettings, Settings
from models.vision import default_detector_directory, open_detector
from models.vision.frames import format_ring, ring_size_bytes
from models.world.catalogue import load_catalogue
from models.world.scenario import visits
from models.world.scenario_file import read, shipped, with_visits
from protocol.message import Message
from protocol.vision import Capture, Captured, Classified, Classify
from rvm_edge.lab.judge import judge
from rvm_edge.lab.machine import Lab
from rvm_edge.lab.shelf import Shelf, look_at_all
from rvm_edge.lab.visits import Visits
from supervisors import LATER, Actor, ActorSystem, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.shares import SharedMemory

_DEPOSITS = 250
_LOOKS = 40
_SLOT_BYTES = 1280 * 720 * 3
_SIMULATED = "actors.drivers.simulated"


# -- deposits in virtual time -------------------------------------------------------------------


@contextmanager
def _deposits(work: float) -> Iterator[Mapping[str, Contender]]:
    catalogue = load_catalogue()
    shelf = Shelf(catalogue, look_at_all(catalogue))
    number = max(20, round(_DEPOSITS * work))
    scenario = with_visits(read(shipped()["stress"]), number)
    simulated_s = [0.0]

    def play() -> float:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Settings(), Path(directory), seed=scenario.seed)
            lab.start()
            people = Visits(lab, shelf, scenario)
            began, began_s = time.perf_counter(), lab.now
            for visit in visits(scenario, Random(scenario.seed)):
                judge(people.carry_out(visit))
            took = time.perf_counter() - began
            simulated_s[0] = lab.now - began_s
            lab.close()
        return took * 1e3 / number

    yield {"in the lab": play, "in real time": lambda: simulated_s[0] * 1e3 / number}


# -- the way to a decision ----------------------------------------------------------------------


class _Look(Message, frozen=True, tag="bench.look"):
    """Have a picture taken and judged, so often."""

    times: int


class _Took(Message, frozen=True, tag="bench.took"):
    """So long for all of them."""

    seconds: float


class _Cycle(Actor):
    """Asks camera and inference as the item cycle does."""

    def __init__(self) -> None:
        self._left = 0

    @handles(_Look, deadline_s=300.0)
    def look(self, message: _Look) -> object:
        self._asked, self._left = self.ctx.later(), message.times
        self._began = time.perf_counter()
        self._capture()
        return LATER

    def _capture(self) -> None:
        self.ctx.tell("/camera", Capture("d", self.ctx.clock.monotonic_ns()))

    @handles(Captured)
    def captured(self, message: Captured) -> None:
        self.ctx.tell("/inference", Classify("d", message.frames))

    @handles(Classified)
    def classified(self, message: Classified) -> None:
        self._left -= 1
        if self._left:
            self._capture()
        else:
            self.ctx.reply(self._asked, _Took(time.perf_counter() - self._began))


@contextmanager
def _decision(work: float) -> Iterator[Mapping[str, Contender]]:
    looks = max(5, round(_LOOKS * work))
    frame = read_picture(empty_belt_picture())
    detector = open_detector(default_detector_directory())
    with tempfile.TemporaryDirectory() as scene, _machine(scene) as ask:

        def bare() -> float:
            began = time.perf_counter()
            for _ in range(looks):
                detector.detect(frame)
            return (time.perf_counter() - began) * 1e3 / looks

        yield {
            "camera, ring, detector, rule": lambda: ask(looks) * 1e3 / looks,
            "the detector alone": bare,
        }
    detector.close()


@contextmanager
def _machine(scene: str) -> Iterator[Callable[[int], float]]:
    size_bytes = ring_size_bytes(4, _SLOT_BYTES)
    system = ActorSystem(shares=(SharedMemory(FRAMES, size_bytes),))
    with mmap.mmap(system.shares.fd(FRAMES), size_bytes) as ring:
        format_ring(ring, slots=4, slot_bytes=_SLOT_BYTES)
    # One picture at a time: the pause between those of a burst is no work.
    limits = CameraSettings(burst_frames=1, burst_interval_s=0)
    camera = {"source": f"{_SIMULATED}:SimulatedCamera", "where": scene, "limits": limits}
    children = (
        ChildSpec("camera", Camera, args=camera, shares=(FRAMES,)),
        ChildSpec("inference", Inference, shares=(FRAMES,)),
        ChildSpec("cycle", _Cycle),
    )
    try:
        with Supervisor.start(SupervisorSpec(children), system=system) as root:
            yield (
                lambda looks: (
                    root.request("/cycle", _Look(looks), timeout_s=120.0, reply=_Took).seconds
                )
            )
    finally:
        system.close()


CASES = (
    Case(
        "deposits",
        "one deposit of the stress scenario: guard, sensors, detector, synced ledger, physics",
        "ms",
        _deposits,
        (Versus("in the lab", "in real time", 1 / 20),),
        rounds=3,
        placements=("one",),
    ),
    Case(
        "decision",
        "from the order for a picture to the acceptance rule's verdict, through three actors",
        "ms",
        _decision,
        (Versus("camera, ring, detector, rule", "the detector alone", 1.1),),
        rounds=9,
    ),
)
