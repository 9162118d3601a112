"""What waits in the outbox, in the platform's words; and what its answers mean for each record."""

import contextlib
import hashlib
import json
from email.parser import BytesParser

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.uplink.outcomes import judge
from models.uplink.payloads import (
    ROUTES,
    Unsendable,
    batches,
    deposit_of,
    detection_of,
    halves,
    part_of,
)
from models.uplink.uploads import form, goes_whole, piece_bytes
from protocol.platform.media import PIECE_BYTES_MAX, FileMetadata
from protocol.platform.reports import (
    BATCH_BYTES_MAX,
    BATCH_ITEMS_MAX,
    Deposit,
    DepositBatch,
    DetectionBatch,
    Event,
    EventBatch,
    Sample,
    SessionBatch,
    TelemetryBatch,
)
from protocol.storage import DepositRecord, OutboxRecord, SessionRecord
from protocol.vision import Detection

RECORD = DepositRecord(
    "m-1-7",
    "credited",
    "accepted",
    1.5,
    2.5,
    "mineral",
    0.9,
    "yolo",
    "ab" * 32,
    3,
    "m-s-1-2",
    21.5,
    0.22,
    "e" * 64,
    "drop_beam",
)
BODIES = {
    "deposit": (RECORD, DepositBatch),
    "session": (SessionRecord("s", "guest", "closed", 1.0, 2.0), SessionBatch),
    "detection": (
        detection_of(RECORD, [Detection("mineral", 0.9, (1, 2, 3, 4))], 0.1, 1.0, "good"),
        DetectionBatch,
    ),
    "event": (Event("e", "fault", 1.0), EventBatch),
    "telemetry": (Sample(1.0, 2.0, {"a": None}), TelemetryBatch),
}


def outbox(kind, body, sequence=1, key="k"):
    return OutboxRecord(sequence, key, kind, msgspec.msgpack.encode(body), 0.0)


def deposits(count, size=0):
    return [
        part_of(
            outbox(
                "deposit",
                msgspec.structs.replace(RECORD, id=f"m-{n}", reason="x" * size),
                n,
                f"m-{n}",
            )
        )
        for n in range(count)
    ]


def test_every_kind_is_what_the_platform_reads():
    assert BODIES.keys() == ROUTES.keys()
    for kind, (body, wanted) in BODIES.items():
        (batch,) = batches([part_of(outbox(kind, body))])
        read = msgspec.json.decode(batch.body, type=wanted)
        assert len(getattr(read, ROUTES[kind].items)) == 1


def test_a_deposit_in_the_platforms_words():
    found = deposit_of(RECORD)
    assert (found.key, found.state, found.session_token) == ("m-1-7", "credited", "m-s-1-2")
    assert (found.weight, found.ai_confidence, found.waste_type) == (0.0215, 0.9, "mineral")
    assert (found.model, found.proof, found.at) == (f"yolo@{'ab' * 6}", "drop_beam", 1.5)
    assert found.detection_data == {"length_m": 0.22}
    assert found.image_path == "m-1-7/look-1-1.jpg", "it follows from the record, sent or not"


def test_what_was_not_measured_is_not_zero():
    bare = DepositRecord("k", "credited", "ok", 1.0, 1.0)
    said = json.loads(msgspec.json.encode(deposit_of(bare)))
    assert (said["weight"], said["ai_confidence"], said["image_path"]) == (None, None, None)


@given(st.builds(DepositRecord, id=st.text(min_size=1, max_size=50), session=st.text(max_size=20)))
def test_any_record_of_the_ledger_can_be_said_and_always_in_the_same_bytes(record):
    first = part_of(outbox("deposit", record))
    assert first == part_of(outbox("deposit", record))
    assert msgspec.json.decode(first.json)["key"] == record.id


@given(st.binary(max_size=100), st.sampled_from([*ROUTES, "riddle"]))
def test_anything_else_is_unsendable_and_no_crash(body, kind):
    with contextlib.suppress(Unsendable):
        assert msgspec.json.decode(part_of(OutboxRecord(1, "k", kind, body, 0.0)).json)


def test_too_much_for_any_batch_is_unsendable():
    with pytest.raises(Unsendable, match="more than the platform takes"):
        deposits(1, BATCH_BYTES_MAX)


@pytest.mark.parametrize(("count", "size"), [(1, 0), (BATCH_ITEMS_MAX, 0), (501, 0), (60, 30_000)])
def test_batches_keep_order_and_limits(count, size):
    made = list(batches(deposits(count, size)))
    assert [part.record.sequence for batch in made for part in batch.parts] == list(range(count))
    for batch in made:
        assert len(batch.body) <= BATCH_BYTES_MAX
        read = msgspec.json.decode(batch.body, type=DepositBatch)
        assert [item.key for item in read.items] == [part.record.key for part in batch.parts]
    assert len({batch.key for batch in made}) == len(made)


def test_halves_are_the_whole():
    (batch,) = batches(deposits(5))
    first, second = halves(batch)
    assert first.parts + second.parts == batch.parts
    assert isinstance(msgspec.json.decode(first.body, type=DepositBatch).items[0], Deposit)


def results(*pairs):
    said = [{"key": key, "status": status, "message": "m", "code": "c"} for key, status in pairs]
    return json.dumps({"results": said}).encode()


def test_a_record_is_known_by_the_key_in_it_whatever_it_is_kept_under():
    event = Event("inside", "fault", 1.0)
    (batch,) = batches([part_of(outbox("event", event, 9, "outside"))])
    assert judge(batch, 200, results(("inside", "created"))).done == (9,)


def test_each_record_has_its_own_fate():
    (batch,) = batches(deposits(5))
    body = results(("m-3", "refused"), ("m-0", "created"), ("m-1", "duplicate"), ("m-2", "later"))
    found = judge(batch, 200, body)
    assert found.done == (0, 1)
    assert found.refused == ((3, "c: m"),)
    assert [sequence for sequence, _ in found.later] == [2, 4]
    assert not found.pause


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_that_is_refused_and_a_batch_that_is(status):
    (one,) = batches(deposits(1))
    (two,) = batches(deposits(2))
    body = b'{"message": "no", "code": "key_reused"}'
    assert judge(one, status, body).refused == ((0, "key_reused: no"),)
    assert judge(two, status, body).splits


@given(st.integers(100, 599), st.binary(max_size=200), st.integers(1, 4))
def test_no_answer_loses_a_record(status, body, count):
    """Whatever comes back: each is done, refused, later, or sent again in halves."""
    (batch,) = batches(deposits(count))
    found = judge(batch, status, body)
    named = [*found.done, *(one for one, _ in (*found.refused, *found.later))]
    assert found.splits or sorted(named) == list(range(count))
    if status in (401, 403, 404, 405, 408, 425, 429) or status >= 500:
        assert not found.refused
        assert found.pause


METADATA = FileMetadata("k", 'a"\r\n\\ü.jpg', "image/jpeg", 3, "ab" * 32, "2026-01-01T00:00:00Z")


def test_a_form_is_what_its_reader_reads():
    content = b"\r\n--x\r\n\0\xff"
    body, content_type = form(METADATA, content)
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    metadata, file = message.get_payload()
    assert json.loads(metadata.get_payload())["key"] == "k"
    assert file.get_filename() == "a_____.jpg"
    assert (
        hashlib.sha256(file.get_payload(decode=True)).digest() == hashlib.sha256(content).digest()
    )


def test_pieces():
    assert goes_whole(1 << 20, ("multipart",))
    assert goes_whole(1000, ("multipart", "resumable"))
    assert not goes_whole(1 << 20, ("multipart", "resumable"))
    assert not goes_whole(1000, ("resumable",))
    assert piece_bytes(0.0, 0.0) == piece_bytes(1e9, 0.0) == 64 << 10, "the first one is to learn"
    assert piece_bytes(0.0, 1e9) == piece_bytes(1e9, 1e9) == PIECE_BYTES_MAX
    assert piece_bytes(64 * 1024.0, 1e9) == 256 << 10
    assert piece_bytes(64 * 1024.0, 1.0) == 16 << 10
