"""Many actors: what one costs must not depend on how many there are."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.kit.actors import Idle
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.tree import root
from benchmarks.kit.words import Flush
from protocol.message import Done
from supervisors import ActorSystem, ChildSpec

_FEW = 500
_MANY = 2_000


def _life_us(count: int) -> float:
    """Start, ask and stop so many; what one of them costs."""
    gc.collect()  # the last tree's remains are not this one's cost
    children = [ChildSpec(f"actor-{number}", Idle) for number in range(count)]
    began_ns = time.perf_counter_ns()
    with root(ActorSystem(), *children) as supervisor:
        for child in children:
            supervisor.tell(child.id, Flush())
        for child in children:
            supervisor.request(child.id, Flush(), timeout_s=60.0, reply=Done)
    return (time.perf_counter_ns() - began_ns) / count / 1e3


@contextmanager
def _many(work: float) -> Iterator[Mapping[str, Contender]]:
    del work
    yield {
        f"each of {_MANY}": lambda: _life_us(_MANY),
        f"each of {_FEW}": lambda: _life_us(_FEW),
    }


CASES = (
    Case(
        "many",
        "actors started, told, asked and stopped",
        "us",
        _many,
        (Versus(f"each of {_MANY}", f"each of {_FEW}", 1.2),),
        rounds=7,
    ),
)
