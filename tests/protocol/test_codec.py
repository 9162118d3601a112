"""Messages and envelopes as bytes: what goes out comes back, and nothing else does."""

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.codec import Codec, encode
from protocol.envelope import Envelope, Kind, decode_envelope, encode_envelope, id_source
from protocol.errors import LocalProtocolError, RemoteProtocolError, UnsupportedVersion
from protocol.message import Delivery, Done, Down, Failed, Message, name_of


class Rotate(Message, tag="test.rotate"):
    turns: float
    note: str = ""


class Stamp(Message, tag="test.stamp"):
    bag: dict[str, list[int]]
    big: int = 0


class Anything(Message, tag="test.anything"):
    value: object = None


Vocabulary = Rotate | Stamp | Done
codec: Codec[Vocabulary] = Codec(Vocabulary)


def make_envelope(**more: object) -> Envelope:
    fields = {
        "id": 7,
        "kind": Kind.REQUEST,
        "name": "test.rotate",
        "source": "/a",
        "destination": "/b",
        "body": encode(Rotate(1.0)),
        "delivery": int(Delivery.COMMAND),
        "sent_ns": 123,
    }
    return Envelope(**{**fields, **more})  # type: ignore[arg-type]


@given(st.floats(allow_nan=False), st.text())
def test_a_message_comes_back_as_it_went(turns: float, note: str) -> None:
    message = Rotate(turns, note)
    try:
        body = codec.encode(message)
    except LocalProtocolError:
        note.encode("utf-8", "strict")  # only a text that is no text may be refused
        raise
    assert codec.decode(body) == message


@given(st.dictionaries(st.text(max_size=8), st.lists(st.integers(-(2**63), 2**64 - 1))))
def test_nested_fields_come_back(bag: dict[str, list[int]]) -> None:
    message = Stamp(bag)
    try:
        assert codec.decode(codec.encode(message)) == message
    except RemoteProtocolError:  # msgspec reads integers above the signed range only as `int`
        assert max(max(row, default=0) for row in bag.values()) >= 2**63


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, object(), {1: object()}, "\ud800", {"deep": {3, object()}}]
)
def test_the_sender_gets_the_error_of_an_unsendable_field(value: object) -> None:
    with pytest.raises(LocalProtocolError, match="Anything"):
        encode(Anything(value))
    with pytest.raises(LocalProtocolError):
        Codec(Anything).encode(Anything(value))


def test_a_field_that_contains_itself_is_unsendable_and_no_crash() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(LocalProtocolError):
        encode(Anything(loop))


def test_unknown_optional_fields_are_ignored() -> None:
    body = msgpack.packb({"type": "test.rotate", "turns": 2.0, "since_v9": [1, {"x": b"y"}]})
    assert codec.decode(body) == Rotate(2.0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb({"type": "test.unheard_of"}),
        msgpack.packb({"turns": 1.0}),
        msgpack.packb({"type": "test.rotate"}),
        msgpack.packb({"type": "test.rotate", "turns": "fast"}),
        msgpack.packb({"type": 5, "turns": 1.0}),
        msgpack.packb([1, 2, 3]),
        msgpack.packb({"type": "test.rotate", "turns": 1.0})[:-1],
        msgpack.packb({"type": "test.rotate", "turns": 1.0}) + b"\x00",
        b"\x91" * 100_000,
        b"\x82\xa4type\xabtest.rotate\xa5turns" + b"\x91" * 50_000,
        b"\x82\xa4type\xabtest.rotate\xa5other" + b"\x91" * 50_000,
        b"\x82\xa4type\xabtest.rotate\xa4note\xa2\xff\xff",
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        codec.decode(body)


@settings(max_examples=2000)
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_crashes(body: bytes) -> None:
    for decode in (codec.decode, decode_envelope):
        try:
            decode(body)
        except RemoteProtocolError:
            continue


@settings(max_examples=3000)
@given(st.data())
def test_a_damaged_envelope_is_refused_or_read_and_never_crashes(data: st.DataObject) -> None:
    frame = bytearray(encode_envelope(make_envelope(ttl_s=1.5, trace=9)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    for candidate in (bytes(frame), bytes(frame[:cut]), bytes(frame[cut:])):
        try:
            envelope = decode_envelope(candidate)
        except RemoteProtocolError:
            continue
        assert isinstance(envelope.kind, Kind)
        assert isinstance(envelope.body, bytes)


@given(
    st.integers(0, 2**63 - 1),
    st.sampled_from(Kind),
    st.text(st.characters(exclude_categories=("Cs",))),
    st.binary(max_size=500),
    st.floats(0, 1e9),
)
@example(1, Kind.CAST, "x", b"", 0.0)
def test_an_envelope_comes_back_as_it_went(
    id_: int, kind: Kind, name: str, body: bytes, ttl_s: float
) -> None:
    envelope = make_envelope(id=id_, kind=kind, name=name, body=body, ttl_s=ttl_s)
    assert decode_envelope(encode_envelope(envelope)) == envelope


def test_an_envelope_of_another_major_version_is_refused() -> None:
    with pytest.raises(UnsupportedVersion, match="version 2"):
        decode_envelope(encode_envelope(make_envelope(v=2)))


def test_fields_appended_by_a_later_build_are_ignored() -> None:
    fields = msgspec.msgpack.decode(encode_envelope(make_envelope()))
    assert (
        decode_envelope(msgspec.msgpack.encode([*fields, "later", {"more": 1}])) == make_envelope()
    )


def test_an_envelope_of_an_earlier_build_without_the_last_fields_is_read() -> None:
    fields = msgspec.msgpack.decode(encode_envelope(make_envelope()))
    assert decode_envelope(msgspec.msgpack.encode(fields[:8])) == make_envelope()


def test_deep_nesting_behind_an_envelope_is_refused() -> None:
    frame = encode_envelope(make_envelope())
    count = frame[0] & 0x0F
    with pytest.raises(RemoteProtocolError):
        decode_envelope(bytes([0x90 | (count + 1)]) + frame[1:] + b"\x91" * 100_000)


def test_routing_does_not_look_into_the_body() -> None:
    envelope = decode_envelope(encode_envelope(make_envelope(body=b"\xc1 no msgpack at all")))
    assert envelope.body == b"\xc1 no msgpack at all"


@pytest.mark.parametrize(
    ("ttl_s", "age_s", "is_expired"),
    [(0.0, 1e6, False), (2.0, 1.9, False), (2.0, 2.0, False), (2.0, 2.1, True)],
)
def test_time_to_live_counts_from_sending(ttl_s: float, age_s: float, is_expired: bool) -> None:
    envelope = make_envelope(ttl_s=ttl_s, sent_ns=10**9)
    assert envelope.expired(10**9 + int(age_s * 1e9)) is is_expired


def test_ids_of_two_processes_do_not_meet_and_fit_64_bits() -> None:
    ones, others = id_source(), id_source()
    taken = {next(ones) for _ in range(1000)} | {next(others) for _ in range(1000)}
    assert len(taken) == 2000
    assert max(taken) < 2**64


def test_names_and_delivery_belong_to_the_type() -> None:
    assert name_of(Rotate) == name_of(Rotate(1.0)) == "test.rotate"
    assert Down.delivery is Delivery.SYSTEM
    assert Rotate.delivery is Delivery.EVENT
    assert Failed("full").detail == ""
    assert "delivery" not in Rotate.__struct_fields__


def test_messages_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Rotate(1.0).turns = 2.0  # type: ignore[misc]
