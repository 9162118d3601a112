"""What the item cycle may hear of. Times called ``at_ns`` are those of the event itself."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from protocol.machine import Beam, GateState, MoveFault
from protocol.storage import DepositRecord, DepositState, Stopped
from protocol.vision import Detection

Neighbour = Literal["storage", "motor", "sensors", "camera", "inference", "session"]
NEIGHBOURS: frozenset[Neighbour] = frozenset(get_args(Neighbour))


class Opened(msgspec.Struct, frozen=True):
    """The ledger has begun a run: the prefix of its deposits' ids, and how the last one was left.

    Attributes:
        open: deposits that are undecided.
        stopped: who had stopped the machine; that holds until somebody lets it go on.
    """

    name: str
    open: tuple[DepositRecord, ...] = ()
    stopped: Stopped = ""


class Lost(msgspec.Struct, frozen=True):
    """A neighbour has gone: what it was asked, it will not answer."""

    neighbour: Neighbour


class Back(msgspec.Struct, frozen=True):
    """A neighbour answers again."""

    neighbour: Neighbour


class Guarded(msgspec.Struct, frozen=True):
    """How contacts, gate and latches stand; None where it cannot be read."""

    door_closed: bool | None
    estop_released: bool | None
    gate: GateState
    beam_gate: bool | None
    latch: str = ""


class Sensed(msgspec.Struct, frozen=True):
    """How all beams stand, and what of the sensors is not to be trusted."""

    beams: dict[str, bool | None]
    faults: frozenset[str] = frozenset()


class Crossed(msgspec.Struct, frozen=True):
    """A beam was covered or is free again; None: it cannot be read."""

    beam: Beam
    covered: bool | None
    at_ns: int


class Mistrusted(msgspec.Struct, frozen=True):
    """A sensor is not to be trusted."""

    sensor: str


class Mended(msgspec.Struct, frozen=True):
    """It works again."""

    sensor: str


class Stood(msgspec.Struct, frozen=True):
    """A movement is over and the motor stands; ``fault``: why it did not end as asked."""

    move: str
    fault: MoveFault | None = None


class Weighed(msgspec.Struct, frozen=True):
    """The scale's answer; None: it did not come to rest or cannot be read."""

    tag: str
    mass_g: float | None


class Tared(msgspec.Struct, frozen=True):
    """The scale has a new zero, or not; ``is_far``: it is at rest, but too far from zero."""

    done: bool
    is_far: bool = False


class Levelled(msgspec.Struct, frozen=True):
    """How full the bin is; None: unknown."""

    percent: float | None


class Pictured(msgspec.Struct, frozen=True):
    """A picture was taken; ``exposed_ns`` on the monotonic clock."""

    deposit: str
    exposed_ns: int


class Judged(msgspec.Struct, frozen=True):
    """The acceptance rule has spoken about the picture."""

    deposit: str
    decision: Literal["accept", "reject", "empty"]
    reason: str
    detections: tuple[Detection, ...] = ()
    model: str = ""
    model_sha256: str = ""


class NotSeen(msgspec.Struct, frozen=True):
    """The camera gave no picture, or inference no answer."""

    deposit: str
    of: Literal["camera", "inference"]


class Written(msgspec.Struct, frozen=True):
    """A record is on the disk."""

    deposit: str
    state: DepositState


class NotWritten(msgspec.Struct, frozen=True):
    """The ledger could not hold a record; ``code`` as in `protocol.storage`."""

    deposit: str
    state: DepositState
    code: str = ""


class Served(msgspec.Struct, frozen=True):
    """Who is served now: a session's id, or nobody."""

    session: str


class ServiceEntered(msgspec.Struct, frozen=True):
    """A technician works at the machine."""


class ServiceLeft(msgspec.Struct, frozen=True):
    """The technician is done."""


class Reset(msgspec.Struct, frozen=True):
    """The technician says that the cause of a stop or fault is gone."""


class Emptied(msgspec.Struct, frozen=True):
    """The bin was exchanged."""


class Late(msgspec.Struct, frozen=True):
    """Time has passed: look whether something has had its time."""


Fact = (
    Opened
    | Lost
    | Back
    | Guarded
    | Sensed
    | Crossed
    | Mistrusted
    | Mended
    | Stood
    | Weighed
    | Tared
    | Levelled
    | Pictured
    | Judged
    | NotSeen
    | Written
    | NotWritten
    | Served
    | ServiceEntered
    | ServiceLeft
    | Reset
    | Emptied
    | Late
)
