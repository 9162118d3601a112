"""A circuit breaker: whoever has failed several times in a row is left alone for a while.

Closed, it lets all through; open, none; half open, exactly one, whose fate decides. What was let
through while it was closed and comes back later says nothing about now. The clock is monotonic.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

FAILURES = 5
"""In a row; one answer that is none may be chance."""

WAIT_S, WAIT_S_MAX = 5.0, 60.0
"""Doubled with every trial that fails."""

Pass = Literal["refused", "ordinary", "trial"]


class Breaker(Struct, frozen=True):
    """One breaker.

    Attributes:
        open_until_s: when one may try; None: it is closed.
        wait_s: for how long it has been opened this time.
        is_trying: the one that may try is on its way.
    """

    failures: int = 0
    open_until_s: float | None = None
    wait_s: float = 0.0
    is_trying: bool = False


def admit(breaker: Breaker, now_s: float) -> tuple[Breaker, Pass]:
    """Whether one more may go; whoever gets a pass hands it in again with its outcome."""
    if breaker.open_until_s is None:
        return breaker, "ordinary"
    if breaker.is_trying or now_s < breaker.open_until_s:
        return breaker, "refused"
    return replace(breaker, is_trying=True), "trial"


def succeeded(breaker: Breaker, held: Pass) -> Breaker:
    """It was answered."""
    if breaker.open_until_s is not None and held != "trial":
        return breaker
    return Breaker()


def failed(breaker: Breaker, held: Pass, now_s: float, chance: float) -> Breaker:
    """It was not.

    Args:
        chance: 0 to 1; many machines shall not try again together.
    """
    if breaker.open_until_s is not None and held != "trial":
        return breaker
    failures = breaker.failures + 1
    if held != "trial" and failures < FAILURES:
        return replace(breaker, failures=failures)
    wait_s = min(max(breaker.wait_s * 2, WAIT_S), WAIT_S_MAX)
    return Breaker(failures, now_s + wait_s * (0.75 + 0.25 * chance), wait_s)


def cancelled(breaker: Breaker, held: Pass) -> Breaker:
    """Nobody waited for the outcome: nothing is known, and another may try."""
    return replace(breaker, is_trying=False) if held == "trial" else breaker
