"""What a machine tells of its own accord: the seeds' integration points 3 to 6.

machine ── PUT  /edge/engine       Engine              ▶ EngineKnown
machine ── POST /edge/heartbeats   Heartbeat           ▶ Pulse         every minute
machine ── POST /edge/telemetry    TelemetryBatch      ▶ Taken         every half minute
machine ── PUT  /edge/status       MachineStatus       ▶ nothing       when it changes
machine ── POST /edge/events       EventBatch          ▶ Results
machine ── POST /edge/sessions     SessionBatch        ▶ Results       those that are over
machine ── POST /detections        DetectionBatch      ▶ Results
machine ── POST /deposits          Deposit             ▶ DepositKnown  201 new, 200 the same again,
                                                         422 ``key_reused``: another under that key
machine ── POST /deposits/batch    DepositBatch        ▶ Results
anybody ── GET  /deposits/{key}                        ▶ DepositKnown  404: there is none

Batches answer per item, by key: one that is bad stops no other. Times are seconds since 1970 by the
machine's wall clock, with its quality beside them; the platform stamps what it gets by its own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from protocol.platform.identity import ClockQuality
from protocol.storage import DepositState

BATCH_ITEMS_MAX = 200
BATCH_BYTES_MAX = 256 * 1024

Key = Annotated[str, Meta(min_length=1, max_length=200)]
"""Idempotency key: chosen once, when the thing happened, and sent with every try."""
BoundingBox = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the picture."""
Percent = Annotated[float, Meta(ge=0, le=100)]


class Result(Struct, frozen=True):
    """What became of one item.

    Attributes:
        status: ``created``, ``duplicate`` (the same was there), ``refused`` (it will never be
            taken: do not send it again), ``later`` (not now: send it again).
        code, message: why, where it was not taken.
    """

    key: str
    status: Literal["created", "duplicate", "refused", "later"]
    code: str = ""
    message: str = ""


class Results(Struct, frozen=True):
    """One per item, in the order of the items."""

    results: tuple[Result, ...]


class Taken(Struct, frozen=True):
    """So many were new."""

    taken: int


# -- 3: the processing engine -------------------------------------------------------------------


class Engine(Struct, frozen=True):
    """This machine as a processing engine: measured, not wished.

    Attributes:
        type: ``nvidia_cuda``, ``tensorrt``, ``cpu``: what the detector really runs on.
        server_address, port: where it would take jobs; it does so only if its settings allow.
        gpu_memory_limit: gigabytes; of a processor's engine the inference process's limit.
        model_path: the model's name and digest.
        processing_timeout: seconds.
        is_active: it answers.
        load: share of its time in which it computes, 0 to 1; None: not known.
    """

    name: str
    type: Literal["nvidia_cuda", "tensorrt", "cpu"]
    server_address: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    gpu_memory_limit: float
    model_path: str
    processing_timeout: float
    auto_failover: bool
    is_active: bool
    docker_gpu_passthrough: bool = False
    load: float | None = None


class EngineKnown(Struct, frozen=True):
    """It is registered under this number; the same again changes nothing."""

    engine_id: int


# -- life ---------------------------------------------------------------------------------------


class Heartbeat(Struct, frozen=True):
    """Still here. Replaces any that has not been sent yet.

    Attributes:
        seq: counts the heartbeats of this run.
        waiting: records in the outbox, by class.
    """

    epoch: int
    seq: int
    at: float
    uptime_s: float
    clock_quality: ClockQuality = "good"
    settings_version: int = 0
    commands_after: int = 0
    waiting: dict[str, int] = {}
    status: str = ""


class Pulse(Struct, frozen=True):
    """Platform: heard. What differs from what the machine said is worth asking for.

    Attributes:
        rebirth: I do not know this run; send a birth.
    """

    server_time: float
    settings_version: int = 0
    commands_last: int = 0
    rebirth: bool = False


class Sample(Struct, frozen=True):
    """Measured values at one time; None: could not be measured, which is not 0."""

    at: float
    monotonic_s: float
    values: dict[str, float | None]
    clock_quality: ClockQuality = "good"
    historical: bool = False


class TelemetryBatch(Struct, frozen=True):
    """Samples, oldest first; `key` of the batch."""

    key: Key
    samples: Annotated[tuple[Sample, ...], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


class Event(Struct, frozen=True):
    """Something that happened: a fault, a bin exchanged, an actor quarantined."""

    key: Key
    kind: str
    at: float
    clock_quality: ClockQuality = "good"
    fields: dict[str, Any] = {}


class EventBatch(Struct, frozen=True):
    """Events, oldest first."""

    items: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


# -- 6: status ----------------------------------------------------------------------------------


class MachineStatus(Struct, frozen=True):
    """How the machine stands, in the seeds' words; None: not known.

    Attributes:
        status: ``active`` serves; ``maintenance`` a technician is there; ``full`` the bin is;
            ``error`` it cannot serve, and `reason` says why.
        current_load: of the bin, percent.
        max_capacity: the same for a full bin.
        health_score: 0 to 100, by `models.condition`.
        last_maintenance: RFC 3339, UTC.
    """

    status: Literal["active", "maintenance", "full", "error"]
    at: float
    clock_quality: ClockQuality = "good"
    reason: str = ""
    current_load: Percent | None = None
    max_capacity: float = 100.0
    last_maintenance: str | None = None
    health_score: Annotated[int, Meta(ge=0, le=100)] | None = None
    remote_access: bool | None = None
    camera_active: bool | None = None


# -- sessions -----------------------------------------------------------------------------------


class ClosedSession(Struct, frozen=True):
    """A session that is over, as the ledger has it; `key` is its id, and that of its claim."""

    key: Key
    kind: Literal["guest", "user"]
    started_at: float
    ended_at: float
    credited: Annotated[int, Meta(ge=0)]
    refused: Annotated[int, Meta(ge=0)]
    reason: str = ""
    user: str = ""


class SessionBatch(Struct, frozen=True):
    """Sessions, oldest first."""

    items: Annotated[tuple[ClosedSession, ...], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


# -- 4: detections ------------------------------------------------------------------------------


class Seen(Struct, frozen=True, rename={"class_name": "class"}):
    """One thing in the picture; `segmentation` is a polygon x, y, x, y … or nothing."""

    class_name: str
    confidence: Annotated[float, Meta(ge=0, le=1)]
    bbox: BoundingBox
    segmentation: tuple[float, ...] = ()


class Detection(Struct, frozen=True):
    """What the detector made of one item.

    Attributes:
        session_token: id of the session.
        image_path: key of the picture's upload, if it is sent: not all are.
        processing_time: seconds.
        timestamp: RFC 3339, UTC.
        model: name and digest.
        decision, reason: what was decided; the code behind it.
    """

    key: Key
    session_token: str
    detections: tuple[Seen, ...]
    processing_time: float
    timestamp: str
    clock_quality: ClockQuality = "good"
    image_path: str | None = None
    deposit: str = ""
    model: str = ""
    decision: str = ""
    reason: str = ""


class DetectionBatch(Struct, frozen=True):
    """Detections, oldest first."""

    items: Annotated[tuple[Detection, ...], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


# -- 5: deposits --------------------------------------------------------------------------------


class Deposit(Struct, frozen=True):
    """One item for which the machine owes a credit, or a change of one that was under review.

    Attributes:
        key: the ledger's id: hardware id, boot epoch, counter.
        state: ``credited``; the others only tell (`protocol.storage.DepositState`).
        session_token: id of the session; the platform finds the user by it, and trusts no other
            word of the machine about who that is.
        waste_type: the class of the item.
        weight: kilogrammes; None: there is no scale, or it did not say. Never 0 for that.
        ai_confidence: the machine's detector. cv_confidence: an audit's; None until there is one.
        image_path: key of the picture's upload, if it is sent: not all are.
    """

    key: Key
    state: DepositState
    session_token: Annotated[str, Meta(max_length=200)]  # as a session's key
    waste_type: str
    at: float
    clock_quality: ClockQuality = "good"
    quantity: Literal[1] = 1
    weight: float | None = None
    ai_confidence: float | None = None
    cv_confidence: float | None = None
    image_path: str | None = None
    proof: str = ""
    reason: str = ""
    model: str = ""
    evidence: str = ""
    detection_data: dict[str, Any] = {}


class DepositBatch(Struct, frozen=True):
    """Deposits, oldest first."""

    items: Annotated[tuple[Deposit, ...], Meta(min_length=1, max_length=BATCH_ITEMS_MAX)]


class DepositKnown(Struct, frozen=True):
    """Platform: I have it.

    Attributes:
        deposit_id: its number here.
        reward: what it is worth, in the platform's smallest unit; None: nobody's yet (a guest who
            has not claimed it).
    """

    key: Key
    deposit_id: int
    state: DepositState
    reward: int | None = None
