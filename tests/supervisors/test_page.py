"""The page of a process host: one writer, readers in another process, and a writer that may die."""

import mmap
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from supervisors.boot import isolated
from supervisors.clock import SystemClock
from supervisors.page import PAGE_BYTES, ClosedPage, PageReader, PageWriter
from supervisors.testing import VirtualClock, eventually


@pytest.fixture
def page_fd() -> Iterator[int]:
    fd = os.memfd_create("test-page", os.MFD_CLOEXEC)
    os.ftruncate(fd, PAGE_BYTES)
    yield fd
    os.close(fd)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def pair(page_fd: int, clock: VirtualClock) -> Iterator[tuple[PageWriter, PageReader]]:
    pair = PageWriter(page_fd, clock), PageReader(page_fd)
    yield pair
    for side in pair:
        side._words.release()
        side._page.close()


def main(argv: list[str]) -> None:
    """Write without end: the other process of the last tests."""
    writer = PageWriter(int(argv[0]), SystemClock())
    writer.dispose(10**12, 10**12)
    while True:
        writer.dispose(writer.handled + 10**12, writer.handled + 10**12)
        writer.begin((10**12 + writer.handled, f"n{writer.handled % 100}", 7, 8))
        writer.beat()
        if writer.handled % 2:
            writer.extend(9)
        writer.handled += 1
        number = writer.handled
        writer.facts = {"a": number, "b": "x" * (number % 500), "c": number}
        writer.flush()


def test_nothing_has_happened_yet(pair, clock):
    _, reader = pair
    assert reader.current is None
    assert reader.disposed == reader.disposed_fast == 0
    assert reader.beat_ns == clock.monotonic_ns()
    assert reader.stats().handled == 0
    assert reader.facts == {}


def test_the_handler_in_progress_is_seen_and_gone_again(pair):
    writer, reader = pair
    writer.begin((7, "motor.rotate", 100, 200))
    assert reader.current == writer.current == (7, "motor.rotate", 100, 200)
    writer.extend(900)
    assert reader.current == (7, "motor.rotate", 100, 900)
    writer.end(50, 100, 150)
    assert reader.current is None
    writer.extend(900)  # nothing in progress
    assert reader.current is None


def test_a_name_of_any_length_and_script_is_cut_not_refused(pair):
    writer, reader = pair
    writer.begin((1, "ä" * 100, 1, 2))
    assert reader.current[1].startswith("ä" * 19)
    writer.begin((1, "", 1, 2))
    assert reader.current[1] == ""


@pytest.mark.parametrize("id_", [-1, -(2**63), 2**64 - 1])
def test_an_id_of_any_number_is_no_error(pair, id_):
    writer, reader = pair
    writer.begin((id_, "x", 1, -5))
    assert reader.current[0] == id_ % 2**64


def test_disposed_messages_count_by_lane_and_beat(pair, clock):
    writer, reader = pair
    clock.advance(1.0)
    writer.dispose(5, 3)
    assert (reader.disposed, reader.disposed_fast) == (5, 3)
    assert reader.beat_ns == clock.monotonic_ns()
    clock.advance(1.0)
    writer.beat()
    assert (reader.disposed, reader.disposed_fast) == (5, 3)
    assert reader.beat_ns == clock.monotonic_ns()


def test_counters_and_facts_come_at_the_latest_after_half_a_second_of_work(pair, clock):
    writer, reader = pair
    writer.facts = {"mood": "fine"}
    for _ in range(10):
        writer.begin((1, "x", 0, 1))
        writer.end(clock.monotonic_ns(), clock.monotonic_ns(), clock.monotonic_ns())
        clock.advance(0.06)
    assert reader.stats().handled == 10
    assert len(reader.stats().handling_s) == 10
    assert reader.facts == {"mood": "fine"}
    writer.begin((1, "x", 0, 1))
    writer.end(0, 0, clock.monotonic_ns())
    clock.advance(0.6)
    writer.beat()  # idle, and yet the last one shows
    assert reader.stats().handled == 11


def test_facts_that_do_not_fit_leave_the_counters(pair):
    writer, reader = pair
    writer.facts = {"long": "x" * PAGE_BYTES}
    writer.handled = 4
    writer.flush()
    assert reader.stats().handled == 4
    assert reader.facts == {}


def test_a_writer_that_died_in_the_middle_leaves_nothing_to_trip_over(page_fd, pair):
    writer, reader = pair
    writer.facts = {"a": 1}
    writer.flush()
    with mmap.mmap(page_fd, PAGE_BYTES) as page:
        page[192] |= 1  # an odd sequence: being written, for ever
        assert reader.facts == {}
        page[192:196] = (2).to_bytes(4, "little")
        page[196:200] = (0xFFFFFFFF).to_bytes(4, "little")  # a length beyond the page
        assert reader.stats().handled == 0
        page[196:200] = (40).to_bytes(4, "little")
        assert reader.facts == {}  # what is there is not what was written
        page[200:204] = zlib.crc32(b"\xc1" * 40).to_bytes(4, "little")
        page[204:244] = b"\xc1" * 40  # no msgpack
        assert reader.facts == {}


def test_a_reader_cannot_write(page_fd):
    reader = PageReader(page_fd)
    with pytest.raises(TypeError):
        reader._page[0] = 1


def test_what_was_last_seen_stays_known(pair):
    writer, reader = pair
    writer.facts = {"mood": "last"}
    writer.dispose(5, 3)
    writer.flush()
    closed = ClosedPage(reader)
    assert (closed.disposed, closed.disposed_fast, closed.facts) == (5, 3, {"mood": "last"})
    assert closed.stats().handled == 8
    assert closed.current is None
    assert ClosedPage(closed).facts == closed.facts


def test_readers_never_see_half_of_anything(page_fd):
    """One process writes as fast as it can, another must only see what was written as one."""
    reader = PageReader(page_fd)
    argv = isolated(sys.executable, "tests.supervisors.test_page", [str(page_fd)])
    with subprocess.Popen(argv, pass_fds=(page_fd,), stdin=subprocess.PIPE) as writer:
        try:
            seen: set[Any] = set()
            eventually(lambda: reader.disposed)
            began_ns, last = SystemClock().monotonic_ns() - 60 * 10**9, 0
            while len(seen) < 300:
                for _ in range(100):
                    disposed = reader.disposed
                    assert disposed >= max(last, 10**12)  # never nothing, never less
                    last = disposed
                    assert reader.disposed_fast >= 10**12
                    assert reader.beat_ns > began_ns
                    current = reader.current
                    if current is not None:
                        assert current[0] >= 10**12
                        assert current[2] == 7
                        assert current[3] in (8, 9)
                shown = reader._shown()
                if shown.facts:
                    assert shown.facts["a"] == shown.facts["c"] == shown.stats.handled
                    assert len(shown.facts["b"]) == shown.facts["a"] % 500
                    seen.add(shown.facts["a"])
        finally:
            writer.kill()
