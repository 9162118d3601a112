"""The simulated world beside real time: what a step of its physics costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmarks.kit.contest import Case, Contender, Versus
from models.world.world import World
from protocol.simulation import InsertItem

_SECONDS = 10
_TICK_S = 0.002
_BEAT_S = 0.005
_REAL_TIME_US = 1000.0  # a step is a millisecond


def _busy() -> World:
    """An item that is carried to and fro, a gate that opens and shuts: nothing ever rests."""
    world = World(random.Random(1), gate=1.0)
    world.insert(InsertItem("bottle", "bottle.jpg", patience_s=-1))
    for beat in range(int(_SECONDS / _BEAT_S)):
        world.drive("heartbeat", beat % 2 == 0, beat * _BEAT_S)
    world.drive("belt_in", True, 0.3)
    at_s, inward, opening = 0.9, True, False
    while at_s < _SECONDS:
        world.drive("belt_in" if inward else "belt_out", False, at_s)
        world.drive("belt_out" if inward else "belt_in", True, at_s)
        world.drive("gate_open", opening, at_s)
        world.drive("gate_close", not opening, at_s)
        at_s, inward, opening = at_s + 0.45, not inward, not opening
    return world


def _idle() -> World:
    return World(random.Random(1))


def _step_us(make: Callable[[], World], seconds: float, tick_s: float) -> Callable[[], float]:
    def measure() -> float:
        world, ticks = make(), round(seconds / tick_s)
        began = time.perf_counter()
        for tick in range(1, ticks + 1):
            world.advance(tick * tick_s)
            world.inputs()
            world.channels()
        return (time.perf_counter() - began) * 1e6 / (seconds * 1000)

    return measure


@contextmanager
def _steps(work: float) -> Iterator[Mapping[str, Contender]]:
    yield {
        "everything moves": _step_us(_busy, _SECONDS * work, _TICK_S),
        "nothing moves": _step_us(_idle, 10 * _SECONDS * work, 0.02),
        "real time": lambda: _REAL_TIME_US,
    }


CASES = (
    Case(
        "world",
        "one millisecond of the simulated world, pins and channels read every 2 ms (20 ms at rest)",
        "us",
        _steps,
        (
            Versus("everything moves", "real time", 1 / 150),
            Versus("nothing moves", "real time", 1 / 1500),
        ),
        placements=("one",),
    ),
)
