"""What must be true of every trace of the guard's outputs, whatever was going on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from actors.drivers import ports

DEAD_TIME_S = 0.25
_PAIRS = {
    ports.BELT_IN: ports.BELT_OUT,
    ports.BELT_OUT: ports.BELT_IN,
    ports.GATE_OPEN: ports.GATE_CLOSE,
    ports.GATE_CLOSE: ports.GATE_OPEN,
}


class Write(Protocol):
    """One write to an output, as the simulated pins keep it."""

    @property
    def t_mono_ns(self) -> int: ...

    @property
    def line(self) -> str: ...

    @property
    def level(self) -> bool: ...


def check_trace(trace: Iterable[Write], dead_time_s: float = DEAD_TIME_S) -> dict[str, float]:
    """Check a trace; returns for how many seconds each output was high.

    Raises:
        AssertionError: two motor outputs were high together, or a motor was reversed without its
            dead time in between.
    """
    high: dict[str, int] = {}
    low_since: dict[str, int] = {}
    ran_s = dict.fromkeys(_PAIRS, 0.0)
    for write in trace:
        if write.line not in _PAIRS:
            continue
        if write.level and write.line not in high:
            assert not high, f"{write.line} was driven high with {list(high)} high, too"
            since_ns = low_since.get(_PAIRS[write.line])
            gap_s = None if since_ns is None else (write.t_mono_ns - since_ns) / 1e9
            assert gap_s is None or gap_s >= dead_time_s - 1e-6, (
                f"{write.line}: reversed after {gap_s} s"
            )
            high[write.line] = write.t_mono_ns
        elif not write.level and write.line in high:
            ran_s[write.line] += (write.t_mono_ns - high.pop(write.line)) / 1e9
            low_since[write.line] = write.t_mono_ns
    return ran_s
