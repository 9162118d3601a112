"""The canary: one known picture after the other shown to a serving detector, to see that it sees.

A process may be alive, beat, and see nothing any more. One miss may be a machine under load, two in
a row are a detector that has to be replaced.
"""

import msgspec
from msgspec.structs import replace

MISSES_MAX = 2


class Canary(msgspec.Struct, frozen=True):
    """How the detector has stood its tests.

    Attributes:
        shown: how many pictures it has been shown.
        misses: wrong, late or missing answers in a row.
        why: what was wrong with the last one, empty if nothing was.
        took_ms: the last answer.
        at_s: when it came, by the wall clock, for people.
    """

    shown: int = 0
    misses: int = 0
    why: str = ""
    took_ms: float = 0.0
    at_s: float = 0.0

    @property
    def is_dead(self) -> bool:
        """Whether the detector is not to be trusted any more."""
        return self.misses >= MISSES_MAX


def answered(canary: Canary, wrong: str, *, took_ms: float, limit_ms: float, at_s: float) -> Canary:
    """Add one answer.

    Args:
        wrong: what was wrong with it, empty if nothing was.
        limit_ms: an answer that takes longer comes too late for a customer.
    """
    if not wrong and took_ms > limit_ms:
        wrong = f"the answer took {took_ms:.0f} ms, {limit_ms:.0f} ms are allowed"
    return replace(
        canary,
        shown=canary.shown + 1,
        misses=canary.misses + 1 if wrong else 0,
        why=wrong,
        took_ms=took_ms,
        at_s=at_s,
    )
