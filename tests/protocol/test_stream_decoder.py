"""The stream decoder in front of a peer that lies, stutters and never stops."""

import tracemalloc
from random import Random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import StreamDecoder
from protocol.errors import FrameTooLarge, RemoteProtocolError

LIMIT = 4096

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.binary(max_size=40) | st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner),
    max_leaves=12,
)  # fmt: skip


def feed_in_pieces(decoder: StreamDecoder, data: bytes, rng: Random, most: int) -> list[bytes]:
    frames: list[bytes] = []
    at = 0
    while at < len(data):
        size = rng.randint(1, most)
        frames += decoder.feed(data[at : at + size])
        at += size
    return frames


@settings(max_examples=500)
@given(st.lists(plain, max_size=8), st.integers(0, 2**32))
def test_objects_come_out_whole_however_they_were_cut(objects: list[object], seed: int) -> None:
    frames = [msgpack.packb(value) for value in objects]
    rng = Random(seed)
    decoder = StreamDecoder(LIMIT)
    assert feed_in_pieces(decoder, b"".join(frames), rng, rng.choice((1, 3, 50, 10_000))) == frames


def test_a_long_piece_of_many_short_objects_is_no_long_object() -> None:
    frame = msgpack.packb({"type": "x", "n": list(range(20))})
    decoder = StreamDecoder(LIMIT)
    assert list(decoder.feed(frame * 5000)) == [frame] * 5000


def test_an_object_of_exactly_the_limit_passes_even_behind_a_started_one() -> None:
    frame = msgpack.packb(b"x" * (LIMIT - 3))
    assert len(frame) == LIMIT
    decoder = StreamDecoder(LIMIT)
    assert list(decoder.feed(frame[:-1])) == []
    assert list(decoder.feed(frame[-1:] + frame)) == [frame, frame]


@pytest.mark.parametrize("piece", [1, 100, LIMIT + 1, 10 * LIMIT])
def test_one_byte_over_the_limit_is_refused(piece: int) -> None:
    decoder = StreamDecoder(LIMIT)
    with pytest.raises(FrameTooLarge):
        feed_in_pieces(decoder, msgpack.packb(b"x" * (LIMIT - 2)), Random(0), piece)


CLAIMS = [
    b"\xdd\xff\xff\xff\xff",  # an array of 4 billion
    b"\xdf\xff\xff\xff\xff",  # a map of 4 billion
    b"\xc6\xff\xff\xff\xff",  # 4 GB of bytes
    b"\xdb\x7f\xff\xff\xff",  # 2 GB of text
    b"\xc9\x7f\xff\xff\xff\x01",  # 2 GB of an extension
    b"\xdd\x00\x00\xff\xff" * 500,  # 500 nested arrays of 65 535
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_nothing_is_allocated_for_a_claimed_length(claim: bytes) -> None:
    decoder = StreamDecoder(LIMIT)
    tracemalloc.start()
    try:
        assert list(decoder.feed(claim)) == []
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_peer_that_never_finishes_is_cut_off_at_the_limit(claim: bytes) -> None:
    decoder = StreamDecoder(LIMIT)
    list(decoder.feed(claim))
    with pytest.raises(RemoteProtocolError):
        feed_in_pieces(decoder, b"\x01" * 3 * LIMIT, Random(1), 3)


def test_nesting_is_limited() -> None:
    with pytest.raises(RemoteProtocolError):
        list(StreamDecoder(1_000_000).feed(b"\x91" * 100_000))


def test_the_one_byte_that_is_never_msgpack_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="not msgpack"):
        list(StreamDecoder(LIMIT).feed(b"\x01\xc1"))


def mutated(rng: Random, good: bytes) -> bytes:
    """Garbage, or good bytes with something done to them."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randint(0, 200))
    data = bytearray(good)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randint(1, 9)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 9))
        else:
            data[at:at] = data[: rng.randint(1, 30)]
    return bytes(data)


def test_30_000_mutated_streams_never_crash_and_hold_no_more_than_the_limit() -> None:
    rng = Random(20_240_607)
    good = b"".join(
        msgpack.packb(value)
        for value in ({"type": "a", "body": b"x" * 30}, [1, [2, {"k": None}]], "text", 1.5, -3)
    )
    for _ in range(30_000):
        decoder = StreamDecoder(256)
        try:
            frames = feed_in_pieces(decoder, mutated(rng, good), rng, 64)
        except RemoteProtocolError:
            frames = []
        assert len(decoder._held) <= 2 * 256
        assert all(len(frame) <= 256 for frame in frames)


def test_memory_stays_bounded_over_a_long_stream() -> None:
    frame = msgpack.packb({"type": "x", "body": b"y" * 1000})
    decoder = StreamDecoder(LIMIT)
    sum(1 for _ in decoder.feed(frame * 100))
    tracemalloc.start()
    try:
        for _ in range(200):
            assert sum(1 for _ in decoder.feed(frame * 20)) == 20
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
