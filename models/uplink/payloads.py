"""What waits in the outbox, in the platform's words: one record always gives the same bytes.

kind in the outbox   body (msgpack)                          goes to
deposit              protocol.storage.DepositRecord          POST /deposits/batch
session              protocol.storage.SessionRecord          POST /edge/sessions
detection            protocol.platform.reports.Detection     POST /detections
event                protocol.platform.reports.Event         POST /edge/events
telemetry            protocol.platform.reports.Sample        POST /edge/telemetry
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from models.uplink.dates import rfc3339
from models.uplink.evidence import picture_key
from protocol.platform.identity import ClockQuality
from protocol.platform.reports import (
    BATCH_BYTES_MAX,
    BATCH_ITEMS_MAX,
    ClosedSession,
    Deposit,
    Detection,
    Event,
    Sample,
    Seen,
)
from protocol.storage import DepositRecord, OutboxRecord, SessionRecord
from protocol.vision import Detection as Found

_SHA_CHARACTERS = 12
_ENVELOPE_BYTES = 256
"""More than what stands around the items of a batch."""


class Unsendable(Exception):
    """What is in the outbox is nothing that could be sent; the message says why."""


class Route(NamedTuple):
    """Where a kind goes.

    Attributes:
        items: the name of the list in the body.
        answers: it answers with one result per item; otherwise it takes all or none.
        read: the record's body as what is sent.
    """

    path: str
    items: str
    answers: bool
    read: Callable[[OutboxRecord], msgspec.Struct]


class Part(NamedTuple):
    """One record, ready to go.

    Attributes:
        key: what the platform's answer calls it.
    """

    record: OutboxRecord
    key: str
    json: bytes


class Batch(NamedTuple):
    """Records that go together.

    Attributes:
        key: of the whole; another content has another.
    """

    kind: str
    parts: tuple[Part, ...]
    body: bytes
    key: str

    @property
    def path(self) -> str:
        """Where it goes."""
        return ROUTES[self.kind].path

    @property
    def answers(self) -> bool:
        """Whether each of its records gets a result of its own."""
        return ROUTES[self.kind].answers


# -- one record -----------------------------------------------------------------------------------


def deposit_of(record: DepositRecord) -> Deposit:
    """A deposit as the platform knows it; what was not measured is None, and never 0."""
    more: dict[str, Any] = {"length_m": record.length_m, "decision": record.decision or None}
    return Deposit(
        key=record.id,
        state=record.state,
        session_token=record.session,
        waste_type=record.item,
        at=record.started_at,
        clock_quality=record.clock_quality,
        weight=None if record.mass_g is None else round(record.mass_g / 1000.0, 6),
        ai_confidence=record.confidence,
        image_path=picture_key(record),
        proof=record.proof,
        reason=record.reason,
        model=model_name(record.model, record.model_sha256),
        evidence=record.evidence,
        detection_data={name: value for name, value in more.items() if value is not None},
    )


def session_of(record: SessionRecord) -> ClosedSession:
    """A session that is over."""
    return ClosedSession(
        key=record.id,
        kind=record.kind,
        started_at=record.started_at,
        ended_at=record.updated_at,
        credited=record.credited,
        refused=record.refused,
        reason=record.reason,
        user=record.user,
    )


def detection_of(
    record: DepositRecord,
    found: Sequence[Found],
    elapsed_s: float,
    at_s: float,
    clock_quality: ClockQuality,
) -> Detection:
    """What the detector made of an item; to be put into the outbox where it is decided."""
    seen = (Seen(one.class_name, min(max(one.confidence, 0.0), 1.0), one.box) for one in found)
    return Detection(
        key=f"{record.id}/detection",
        session_token=record.session,
        detections=tuple(seen),
        processing_time=elapsed_s,
        timestamp=rfc3339(at_s),
        clock_quality=clock_quality,
        image_path=picture_key(record),
        deposit=record.id,
        model=model_name(record.model, record.model_sha256),
        decision=record.state,
        reason=record.reason,
    )


def model_name(name: str, sha256: str) -> str:
    """A model's name and the beginning of its digest."""
    return f"{name}@{sha256[:_SHA_CHARACTERS]}" if sha256 else name


def part_of(record: OutboxRecord) -> Part:
    """A record in the platform's words.

    Raises:
        Unsendable: of no kind that is known, not what its kind is, or too large for any batch.
    """
    route = ROUTES.get(record.kind)
    if route is None:
        raise Unsendable(f"nobody takes a record of kind {record.kind!r}")
    try:
        item = route.read(record)
        written = msgspec.json.encode(item)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise Unsendable(f"this is no {record.kind}: {error}") from None
    if len(written) > BATCH_BYTES_MAX - _ENVELOPE_BYTES:
        raise Unsendable(f"{len(written)} bytes are more than the platform takes")
    return Part(record, getattr(item, "key", record.key), written)


def _reader(kind: type[Any], then: Callable[[Any], msgspec.Struct] | None = None) -> Any:
    decode = msgspec.msgpack.Decoder(kind).decode
    if then is None:
        return lambda record: decode(record.body)
    return lambda record: then(decode(record.body))


def _old_sample(sample: Sample) -> Sample:
    """What has waited must not replace what is newer."""
    return msgspec.structs.replace(sample, historical=True)


ROUTES: dict[str, Route] = {
    "deposit": Route("/deposits/batch", "items", True, _reader(DepositRecord, deposit_of)),
    "session": Route("/edge/sessions", "items", True, _reader(SessionRecord, session_of)),
    "detection": Route("/detections", "items", True, _reader(Detection)),
    "event": Route("/edge/events", "items", True, _reader(Event)),
    "telemetry": Route("/edge/telemetry", "samples", False, _reader(Sample, _old_sample)),
}


# -- batches --------------------------------------------------------------------------------------


def batches(parts: Sequence[Part]) -> Iterator[Batch]:
    """Put parts together by kind, in their order, each batch within the platform's limits."""
    kinds = dict.fromkeys(part.record.kind for part in parts)
    for kind in kinds:
        group: list[Part] = []
        size = _ENVELOPE_BYTES
        for part in (one for one in parts if one.record.kind == kind):
            if group and (
                len(group) >= BATCH_ITEMS_MAX or size + len(part.json) + 1 > BATCH_BYTES_MAX
            ):
                yield batch(kind, group)
                group, size = [], _ENVELOPE_BYTES
            group.append(part)
            size += len(part.json) + 1
        yield batch(kind, group)


def batch(kind: str, parts: Sequence[Part]) -> Batch:
    """These parts in one body."""
    route = ROUTES[kind]
    items = b",".join(part.json for part in parts)
    key = f"batch-{hashlib.sha256(items).hexdigest()[:32]}"
    named = b"" if route.answers else b'"key":"' + key.encode() + b'",'
    body = b"{" + named + b'"' + route.items.encode() + b'":[' + items + b"]}"
    return Batch(kind, tuple(parts), body, key)


def halves(whole: Batch) -> tuple[Batch, Batch]:
    """A batch that was refused as a whole, in two, to find the one that is to blame."""
    middle = len(whole.parts) // 2
    return batch(whole.kind, whole.parts[:middle]), batch(whole.kind, whole.parts[middle:])
