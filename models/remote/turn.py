"""Whose turn it is, and who is told that we are busy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from models.remote.catalogue import CATALOGUE, Entry
from protocol.storage import CommandRecord

WAITING_MAX = 32
READS_MAX = 4
"""At once; one that hangs must not keep others from asking how the machine stands."""


class Bucket(Struct, frozen=True):
    """So many commands may come at once, and so many per second after that.

    Attributes:
        left: that are there at `at_s` (monotonic).
    """

    most: float
    per_s: float
    left: float
    at_s: float

    def taken(self, now_s: float) -> Bucket | None:
        """The bucket after one more; None: it is empty."""
        left = min(self.most, self.left + max(now_s - self.at_s, 0.0) * self.per_s)
        if left < 1.0:
            return None
        return Bucket(self.most, self.per_s, left - 1.0, now_s)


class Turn(NamedTuple):
    """A command that may be looked at now."""

    record: CommandRecord
    entry: Entry


def may_begin(waiting: Iterable[CommandRecord], running: Sequence[CommandRecord]) -> list[Turn]:
    """Those that nothing of ours is in the way of, in the order in which they came.

    Of those that do more than read, each address has one at a time, and a movement has all to
    itself. One that waits for the machine keeps no other from its turn.
    """
    at_work = [CATALOGUE[each.type] for each in running if each.type in CATALOGUE]
    turns: list[Turn] = []
    for record in sorted(waiting, key=lambda each: each.seq):
        entry = CATALOGUE.get(record.type)
        if entry is not None and _has_room(entry, at_work):
            turns.append(Turn(record, entry))
    return turns


def _has_room(entry: Entry, at_work: Sequence[Entry]) -> bool:
    if entry.safety == "read":
        return sum(each.safety == "read" for each in at_work) < READS_MAX
    others = [each for each in at_work if each.safety != "read"]
    if entry.safety == "motion" or any(each.safety == "motion" for each in others):
        return not others
    return all(each.to != entry.to for each in others)
