"""The evidence behind a decision: what is kept of it, and what gives way when there is too much.

    <data_dir>/evidence/
    └─ rvm-1-17/             one directory a deposit
       ├─ look-1.json        `Look`: model, thresholds, times, what was seen on each picture
       ├─ look-1-1.jpg …     the pictures it was seen on
       ├─ look-2.json …      a second burst, where the first showed nothing clear
       ├─ examined.json      outlines and bar codes, where somebody looked closer
       └─ conclusion.json    `Conclusion`: how it ended, in the ledger's words

Each file is whole or not there. Where the end of a deposit is never told, its looks remain.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from models.claims import clock_quality
from protocol.storage import DepositRecord
from protocol.vision import Barcode, Detection, Outline

DecisionName: TypeAlias = Literal["accept", "reject", "empty"]

CONCLUSION_FILE = "conclusion.json"
EXAMINED_FILE = "examined.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


class Picture(msgspec.Struct, frozen=True):
    """One picture of a burst, and what was seen on it.

    Attributes:
        file: beside this one; empty where it could not be kept.
        sha256: of that file.
        exposed_ms: before the question was asked.
        vote: what the acceptance rule makes of it alone.
        took_ms: reading it and detection.
    """

    file: str
    sha256: str
    width_px: int
    height_px: int
    sequence: int
    exposed_ms: float
    took_ms: float
    vote: DecisionName
    reason: str
    detections: tuple[Detection, ...]


class Look(msgspec.Struct, frozen=True):
    """What a decision about one burst rested on.

    Attributes:
        at_s: wall clock, for people.
        elapsed_ms: from the question to the answer.
        thresholds: that counted, by class.
        fingerprint: of the model's files.
    """

    deposit: str
    number: int
    at_s: float
    model: str
    model_sha256: str
    fingerprint: str
    backend: str
    thresholds: Mapping[str, float]
    decision: DecisionName
    reason: str
    elapsed_ms: float
    pictures: tuple[Picture, ...]


class Conclusion(msgspec.Struct, frozen=True):
    """How the deposit ended.

    Attributes:
        record: as the ledger holds it; `evidence` in it is the ledger's own digest.
        beams_ms: when each beam was covered and freed, by name, from the start of the belt.
    """

    record: DepositRecord
    beams_ms: Mapping[str, float] = {}


class SecondLook(msgspec.Struct, frozen=True):
    """What there was besides boxes."""

    outlines: tuple[Outline, ...]
    barcodes: tuple[Barcode, ...]
    elapsed_ms: float


def is_name(deposit: str) -> bool:
    """Whether a deposit's id can be the name of a directory, and of nothing but one."""
    return _NAME.match(deposit) is not None


class Holdings:
    """What is kept, by directory, oldest first: whom the quota throws out.

    Attributes:
        total_bytes: of all.
    """

    def __init__(self, quota_bytes: int) -> None:
        self._quota_bytes = quota_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._since: dict[str, float] = {}
        self.total_bytes = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def add(self, name: str, size_bytes: int, at_s: float) -> None:
        """So many bytes more are in this directory; a new one is the youngest.

        Args:
            at_s: wall clock of the writing.
        """
        self._sizes[name] = self._sizes.get(name, 0) + size_bytes
        self._since.setdefault(name, at_s)
        self.total_bytes += size_bytes

    def drop(self, name: str) -> None:
        """It is gone."""
        self.total_bytes -= self._sizes.pop(name, 0)
        self._since.pop(name, None)

    def surplus(self) -> tuple[str, ...]:
        """The directories that have to go, oldest first, for the rest to fit into the quota."""
        left, going = self.total_bytes, []
        for name, size_bytes in self._sizes.items():
            if left <= self._quota_bytes:
                break
            going.append(name)
            left -= size_bytes
        return tuple(going)

    def expired(self, before_s: float) -> tuple[str, ...]:
        """The directories from before that time; of one from before the clock was set nobody knows.

        Args:
            before_s: wall clock.
        """
        return tuple(
            name
            for name, at_s in self._since.items()
            if at_s < before_s and clock_quality(at_s) == "good"
        )
