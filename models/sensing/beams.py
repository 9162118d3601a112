"""The beams: which of them lies.

An item on its way in interrupts entry, inside and exit, and then falls past drop. What follows:

    covered for ever while no item is dealt with     stuck: dirty, blind or blocked
    an item got further, and it saw nothing, twice   stuck: it cannot see
    short interruptions again and again              noisy
    cannot be read                                   dead

That an item went by unseen counts only the second time in a row: the first may have lain in the
machine when the sensors came to life.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from config.settings import SensorsSettings
from models.sensing.fault import Fault
from models.sensing.line import Line, blips_since
from protocol.machine import Beam

BEAMS: tuple[Beam, ...] = ("entry", "inside", "exit", "drop")

_LETTERS: Mapping[Beam, str] = MappingProxyType(
    {"entry": "n", "inside": "i", "exit": "x", "drop": "d"}
)
_MISSES = 2
_TAPE_KEPT = 24
"""Interruptions remembered: some items' worth."""
_BUSY_SHARE = 3.0
"""However long an item is dealt with: three times ``beam_stuck_s`` is no item any more. Giving one
back takes half a minute at most."""

# An item got as far as the exit, and the next one too, and none was seen to fall. What comes back
# crosses inside before entry, and does not look like that.
_NO_DROP_BETWEEN = re.compile(r"xn+i+x\Z")


class Passages(msgspec.Struct, frozen=True):
    """The beams' recent past.

    Attributes:
        tape: interruptions since an item last fell, a letter each, oldest first.
        misses: how often in a row an item went by a beam unseen.
    """

    tape: str = ""
    misses: Mapping[Beam, int] = MappingProxyType({})

    def covered(self, beam: Beam) -> Passages:
        """A beam was interrupted."""
        tape = (self.tape + _LETTERS[beam])[-_TAPE_KEPT:]
        misses = {**self.misses, beam: 0}
        if beam == "exit" and "x" not in self.tape:
            _count(misses, tape, ("entry", "inside"))
        if _NO_DROP_BETWEEN.search(tape):
            misses["drop"] = misses.get("drop", 0) + 1
            tape = tape[-1:]
        if beam == "drop":
            _count(misses, tape, ("exit",))
            tape = ""
        return Passages(tape, misses)


def _count(misses: dict[Beam, int], tape: str, beams: tuple[Beam, ...]) -> None:
    for beam in beams:
        if _LETTERS[beam] not in tape:
            misses[beam] = misses.get(beam, 0) + 1


def beam_fault(
    beam: Beam,
    line: Line,
    passages: Passages,
    standing: Fault | None,
    idle_since_s: float | None,
    now_s: float,
    limits: SensorsSettings,
) -> Fault | None:
    """What is wrong with a beam.

    Args:
        standing: what was wrong with it before.
        idle_since_s: since when no item is dealt with; None: one is.
        now_s: monotonic.
    """
    if line.is_known and line.level is None:
        return Fault("dead", "the line cannot be read")
    if line.level:
        was_covered = standing is not None and standing.what == "stuck"
        if was_covered or _is_covered_too_long(line, idle_since_s, now_s, limits):
            return Fault("stuck", "covered and stays so: dirty, blind or blocked")
    elif passages.misses.get(beam, 0) >= _MISSES:
        return Fault("stuck", "items went by and it did not see them")
    needed = limits.beam_blips_max
    if standing is not None and standing.what == "noisy":
        needed = max(1, needed // 4)  # well below what raised it, so that it does not flutter
    if blips_since(line, now_s - limits.beam_blips_s) >= needed:
        return Fault("noisy", "interrupted again and again for too short a time")
    return None


def _is_covered_too_long(
    line: Line, idle_since_s: float | None, now_s: float, limits: SensorsSettings
) -> bool:
    covered_s = now_s - line.since_s
    if covered_s >= _BUSY_SHARE * limits.beam_stuck_s:
        return True
    return idle_since_s is not None and (
        min(covered_s, now_s - idle_since_s) >= limits.beam_stuck_s
    )
