"""From the controller's death to low outputs, as a distribution, beside what is promised.

Every strike has a controller of its own with a running belt. The times are those of the simulated
pins' trace: from the moment before the signal to the first low level.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.guard_rig import Rig, rig

_STRIKES = 40
_STRIKES_MIN = 30
_PROMISE_MS = 300.0
"""Of the guard, whatever happens to its controller."""
_PROMISED = "promised"


def _kill(ours: Rig) -> float:
    return ours.strike(ours.signal(signal.SIGKILL, "core"))


def _kill_both(ours: Rig) -> float:
    return ours.strike(ours.signal(signal.SIGKILL, "core", "zygote"))


def _stop(ours: Rig) -> float:
    return ours.strike(ours.signal(signal.SIGSTOP, "core"))


def _hang(ours: Rig) -> float:
    return ours.strike(ours.seize)


def _kill_guard(ours: Rig) -> float:
    return ours.strike(ours.signal(signal.SIGKILL, "guard"))


class _Sample:
    """So many strikes, made when the first figure of them is asked for."""

    def __init__(self, strike: Callable[[Rig], float], strikes: int) -> None:
        self._strike = strike
        self._strikes = strikes
        self._ms: list[float] = []

    def share(self, of: float) -> float:
        """The time within which so many of them were done."""
        if not self._ms:
            for _ in range(self._strikes):
                with rig() as ours:
                    self._ms.append(self._strike(ours) * 1e3)
            self._ms.sort()
        return self._ms[max(0, math.ceil(of * len(self._ms)) - 1)]


_SHARES = {"p50": 0.5, "p95": 0.95, "max": 1.0}


@contextmanager
def _strikes(strike: Callable[[Rig], float], work: float) -> Iterator[Mapping[str, Contender]]:
    sample = _Sample(strike, max(_STRIKES_MIN, round(_STRIKES * work)))
    yield {
        **{name: partial(sample.share, share) for name, share in _SHARES.items()},
        _PROMISED: lambda: _PROMISE_MS,
    }


def _case(name: str, title: str, strike: Callable[[Rig], float], goal: float | None) -> Case:
    comparisons = tuple(Versus(name, _PROMISED, goal) for name in _SHARES)
    return Case(name, title, "ms", partial(_strikes, strike), comparisons, rounds=1)


CASES = (
    _case("guard-kill", "core killed: to the pins low", _kill, 1.0),
    _case("guard-kill-both", "core and zygote killed: to the pins low", _kill_both, 1.0),
    _case("guard-stop", "core stopped: to the pins low", _stop, 1.0),
    _case("guard-hang", "core hangs with its interpreter locked: to the pins low", _hang, 1.0),
    _case("guard-killed", "the guard itself killed: the core's fail_safe", _kill_guard, None),
)
