"""The frame ring: in one process by properties, between two processes by kill -9."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from models.vision.errors import FrameGone, FrameInvalid, FrameTooLarge, RingError, RingInvalid
from models.vision.frames import GENERATION, HEADER_BYTES, FrameRef, format_ring, ring_size_bytes
from models.vision.ring import RingReader, RingWriter

SLOTS, SLOT_BYTES = 4, 60


@pytest.fixture
def buffer() -> bytearray:
    made = bytearray(ring_size_bytes(SLOTS, SLOT_BYTES))
    format_ring(made, slots=SLOTS, slot_bytes=SLOT_BYTES)
    return made


def frame_of(value: int, height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def publish_all(writer: RingWriter, count: int) -> None:
    for number in range(count):
        writer.publish(frame_of(number), number)


def abort(writer: RingWriter, height: int, width: int) -> None:
    """Write half a frame and fail."""
    with writer.slot(height, width, t_mono_ns=0) as slot:
        slot.pixels[0] = 255
        raise KeyError


def test_what_is_published_is_read(buffer):
    writer, reader = RingWriter(buffer), RingReader(buffer)
    assert reader.latest() is None
    frame = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    ref = writer.publish(frame, 123)
    assert (ref.height, ref.width, ref.channels, ref.t_mono_ns, ref.sequence) == (4, 5, 3, 123, 1)
    assert (reader.read(ref) == frame).all()
    assert reader.latest() == ref
    with reader.view(ref) as view:
        assert (view == frame).all()
        assert not view.flags.writeable


def test_a_reference_travels_as_a_message(buffer):
    ref = RingWriter(buffer).publish(frame_of(1), 5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(ref), type=FrameRef) == ref


def test_decoding_straight_into_the_slot(buffer):
    writer, reader = RingWriter(buffer), RingReader(buffer)
    with writer.slot(2, 3, t_mono_ns=9) as slot:
        assert reader.latest() is None
        slot.pixels[:] = 77
    assert (reader.read(slot.ref) == 77).all()
    with pytest.raises(ValueError, match="read-only"):
        slot.pixels[:] = 78


def test_a_frame_lives_until_its_slot_comes_round(buffer):
    writer, reader = RingWriter(buffer), RingReader(buffer)
    first = writer.publish(frame_of(1), 1)
    for number in range(2, SLOTS + 1):
        writer.publish(frame_of(number), number)
    assert reader.holds(first)
    writer.publish(frame_of(9), 9)
    assert not reader.holds(first)
    with pytest.raises(FrameGone, match="frame 1 was overwritten"):
        reader.read(first)


def test_overwritten_while_one_looks(buffer):
    writer, reader = RingWriter(buffer), RingReader(buffer)
    ref = writer.publish(frame_of(1), 1)
    with pytest.raises(FrameGone), reader.view(ref):
        publish_all(writer, SLOTS)


def test_an_aborted_write_is_never_read_and_never_in_the_way(buffer):
    writer, reader = RingWriter(buffer), RingReader(buffer)
    whole = writer.publish(frame_of(1), 1)
    with pytest.raises(KeyError):
        abort(writer, 4, 5)
    assert reader.latest() == whole
    after = writer.publish(frame_of(3), 3)
    assert reader.latest() == after
    assert (reader.read(after) == 3).all()


def test_one_slot_at_a_time(buffer):
    writer = RingWriter(buffer)
    with (
        writer.slot(4, 5, t_mono_ns=1),
        pytest.raises(RingError, match="already"),
        writer.slot(4, 5, t_mono_ns=2),
    ):
        pass
    assert writer.publish(frame_of(1), 3).sequence == 2


@pytest.mark.parametrize("shape", [(5, 5, 3), (61, 1, 1), (10**9, 10**9, 3)])
def test_a_frame_too_large(buffer, shape):
    with pytest.raises(FrameTooLarge, match="60"), RingWriter(buffer).slot(*shape, t_mono_ns=1):
        pass


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((2, 2), np.uint8),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((0, 2, 3), np.uint8),
    ],
)
def test_what_is_no_frame(buffer, frame):
    with pytest.raises(FrameInvalid):
        RingWriter(buffer).publish(frame, 1)


@pytest.mark.parametrize(
    "change",
    [{"slot": 4}, {"slot": -1}, {"height": 1000}, {"width": 0}, {"channels": -3}],
)
def test_a_foreign_reference_leads_nowhere(buffer, change):
    ref = RingWriter(buffer).publish(frame_of(1), 1)
    reader = RingReader(buffer)
    with pytest.raises(RingInvalid):
        reader.read(msgspec.structs.replace(ref, **change))


def test_a_reference_from_the_future(buffer):
    ref = RingWriter(buffer).publish(frame_of(1), 1)
    with pytest.raises(FrameGone):
        RingReader(buffer).read(msgspec.structs.replace(ref, generation=ref.generation + 2))


@pytest.mark.parametrize("size_bytes", [0, 7, 64, 4096])
def test_a_buffer_that_is_no_ring(size_bytes):
    for end in (RingReader, RingWriter):
        with pytest.raises(RingInvalid, match="no frame ring"):
            end(bytearray(size_bytes))


@pytest.mark.parametrize(
    ("word", "value", "says"),
    [(1, 2, "layout 2"), (2, 1000, "map the whole"), (2, 0, "holds nothing"), (4, 1, "map")],
)
def test_a_ring_of_another_make(buffer, word, value, says):
    memoryview(buffer).cast("Q")[word] = value
    with pytest.raises(RingInvalid, match=says):
        RingReader(buffer)


def test_a_ring_mapped_in_part(buffer):
    with pytest.raises(RingInvalid, match="map the whole memfd"):
        RingReader(memoryview(buffer)[:-64])


def test_a_writer_needs_a_writable_buffer(buffer):
    with pytest.raises(RingInvalid, match="read-only"):
        RingWriter(memoryview(bytes(buffer)))
    with pytest.raises(RingInvalid, match="writable"):
        format_ring(memoryview(bytes(buffer)), slots=SLOTS, slot_bytes=SLOT_BYTES)


@pytest.mark.parametrize(("slots", "slot_bytes"), [(1, 60), (0, 60), (4, 0), (-1, 60)])
def test_a_ring_that_holds_nothing(slots, slot_bytes):
    with pytest.raises(RingInvalid, match="at least"):
        ring_size_bytes(slots, slot_bytes)


def test_closing_gives_the_memory_back():
    size_bytes = ring_size_bytes(SLOTS, SLOT_BYTES)
    mapped = mmap.mmap(-1, size_bytes)
    format_ring(mapped, slots=SLOTS, slot_bytes=SLOT_BYTES)
    writer, reader = RingWriter(mapped), RingReader(mapped)
    reader.read(writer.publish(frame_of(1), 1))
    writer.close()
    reader.close()
    mapped.close()


steps = st.lists(
    st.tuples(
        st.sampled_from(["publish", "abort", "restart", "crash"]),
        st.integers(1, 4),
        st.integers(1, 4),
    ),
    max_size=40,
)


def die_after_puts(writer: RingWriter, puts_left: int) -> None:
    """Make the writer die at one of the seven stores to its slot's header: 0 to 6 of them done."""
    put, budget = writer._words.put, iter(range(puts_left))

    def put_or_die(slot: int, word: int, value: int) -> None:
        if next(budget, None) is None:
            raise KeyError
        put(slot, word, value)

    writer._words.put = put_or_die


@given(steps)
def test_history(history):
    """Whatever happened: the newest frames are whole, references never come back to life."""
    buffer = bytearray(ring_size_bytes(SLOTS, SLOT_BYTES))
    format_ring(buffer, slots=SLOTS, slot_bytes=SLOT_BYTES)
    writer, reader = RingWriter(buffer), RingReader(buffer)
    published: list[tuple[FrameRef, np.ndarray]] = []
    for number, (step, height, width) in enumerate(history):
        if step == "publish":
            frame = frame_of(number, height, width)
            published.append((writer.publish(frame, number), frame))
        elif step == "abort":
            with pytest.raises(KeyError):
                abort(writer, height, width)
        else:
            if step == "crash":
                die_after_puts(writer, height + width - 2)
                with pytest.raises(KeyError):
                    writer.publish(frame_of(255, height, width), 0)
            writer = RingWriter(buffer)
    alive = [(ref, frame) for ref, frame in published if reader.holds(ref)]
    for ref, frame in alive:
        assert (reader.read(ref) == frame).all()
    assert [ref for ref, _ in alive] == [ref for ref, _ in published[len(published) - len(alive) :]]
    assert len({(ref.slot, ref.generation) for ref, _ in published}) == len(published)
    assert len({ref.sequence for ref, _ in published}) == len(published)
    assert reader.latest() == (alive[-1][0] if alive else None)
    if published and all(step == "publish" for step, _, _ in history):
        assert len(alive) == min(len(published), SLOTS)


# ----- two processes --------------------------------------------------------------------------

FRAME_BYTES = 300 * 320 * 3
RING_BYTES = ring_size_bytes(3, FRAME_BYTES)


@pytest.fixture
def ring_fd() -> Iterator[int]:
    fd = os.memfd_create("test-ring")
    os.ftruncate(fd, RING_BYTES)
    with closing(mmap.mmap(fd, RING_BYTES)) as mapped:
        format_ring(mapped, slots=3, slot_bytes=FRAME_BYTES)
    yield fd
    os.close(fd)


@contextmanager
def writing(fd: int, mode: str) -> Iterator[subprocess.Popen[str]]:
    """A writer process, killed with -9 at the end of the block wherever it is."""
    command = [sys.executable, str(Path(__file__).with_name("ring_writer.py"))]
    with subprocess.Popen(
        [*command, str(fd), str(RING_BYTES), mode],
        pass_fds=[fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parent.parent)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def reading(fd: int) -> Iterator[RingReader]:
    """A reader on a read-only mapping."""
    with closing(mmap.mmap(fd, RING_BYTES, prot=mmap.PROT_READ)) as mapped:
        reader = RingReader(mapped)
        yield reader
        reader.close()


def check(ref: FrameRef, frame: np.ndarray) -> None:
    assert frame.shape == (200 + (ref.sequence - 1) % 100, 320, 3) or ref.t_mono_ns == 0
    assert (frame == ref.sequence % 251).all()


def test_killed_in_the_middle_of_a_frame(ring_fd):
    with reading(ring_fd) as reader:
        for _ in range(3):
            with writing(ring_fd, "mid") as process:
                assert process.stdout is not None
                torn = int(process.stdout.readline())
            assert reader._words.get(torn % 3, GENERATION) % 2 == 1
            newest = reader.latest()
            assert newest is None or newest.sequence < torn
        with closing(mmap.mmap(ring_fd, RING_BYTES)) as mapped:
            writer = RingWriter(mapped)
            ref = writer.publish(np.full((300, 320, 3), 7, np.uint8), 1)
            writer.close()
        assert ref.sequence > torn
        assert (reader.read(ref) == 7).all()


def test_no_torn_frame_whenever_the_writer_is_killed(ring_fd):
    sequences: list[int] = []
    with reading(ring_fd) as reader:
        for _ in range(4):
            fresh = 0
            with writing(ring_fd, "endless") as process:
                while fresh < 300:
                    assert process.poll() is None
                    ref = reader.latest()
                    if ref is None or ref.sequence in sequences[-1:]:
                        continue
                    try:
                        check(ref, reader.read(ref))
                    except FrameGone:
                        continue
                    sequences.append(ref.sequence)
                    fresh += 1
            last = reader.latest()
            assert last is not None
            check(last, reader.read(last))
    assert sequences == sorted(set(sequences))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 100_000))
def test_size_is_enough_and_aligned(slot_bytes):
    size_bytes = ring_size_bytes(2, slot_bytes)
    assert size_bytes % HEADER_BYTES == 0
    assert size_bytes >= 2 * slot_bytes + 3 * HEADER_BYTES
