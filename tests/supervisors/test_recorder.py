"""The flight recorder: what is on disk after a crash, and that a bad disk costs only the record."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.envelope import Envelope, Kind
from supervisors import recorder as r
from supervisors.recorder import DiskRecorder, NullRecorder, read_events, read_flight
from supervisors.testing import VirtualClock


def letter(id_: int, name: str = "motor.rotate", **more: object) -> Envelope:
    return Envelope(
        **{  # type: ignore[arg-type]
            "id": id_,
            "kind": Kind.CAST,
            "name": name,
            "source": "/a",
            "destination": "/machine/b",
            "body": b"",
            "delivery": 4,
            "sent_ns": id_ * 10,
            **more,
        }
    )


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[DiskRecorder]:
    recorder = DiskRecorder(tmp_path, VirtualClock(wall_s=1000.0))
    yield recorder
    recorder.close()


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(r, "_MAX_BYTES", 2000)


def numbers(directory: Path) -> list[int]:
    return [record["n"] for record in read_events(directory)]


# -- events -------------------------------------------------------------------------------------


def test_events_come_back_in_order_with_time_and_path(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    recorder.event("/motor", "started", {"incarnation": 1})
    recorder.event("/motor", "crash", {"reason": "süß", "what": object})
    first, second = read_events(tmp_path)
    assert first == {"at": 1000.0, "path": "/motor", "event": "started", "incarnation": 1}
    assert second["reason"] == "süß"


def test_since_is_wall_time(tmp_path: Path) -> None:
    clock = VirtualClock(wall_s=100.0)
    recorder = DiskRecorder(tmp_path, clock)
    for n in range(5):
        recorder.event("/", "e", {"n": n})
        clock.jump_wall(10.0)
    recorder.close()
    assert [record["n"] for record in read_events(tmp_path, since=120.0)] == [2, 3, 4]


def test_the_listener_hears_of_each(tmp_path: Path) -> None:
    heard: list[dict[str, object]] = []
    recorder = DiskRecorder(tmp_path, VirtualClock(), heard.append)
    recorder.event("/a", "e", {})
    recorder.close()
    assert heard[0]["path"] == "/a"


@pytest.mark.usefixtures("small_files")
def test_files_are_rotated_by_size_and_the_oldest_goes(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    for n in range(1000):
        recorder.event("/", "e", {"n": n})
    files = sorted(path.name for path in tmp_path.glob("events*"))
    assert files == ["events.jsonl", *(f"events.jsonl.{n}" for n in range(1, 5))]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.glob("events*"))
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 1000))
    assert kept[0] > 0
    assert recorder.lost == 0


def test_a_half_line_at_the_end_costs_that_line_only(tmp_path: Path) -> None:
    (tmp_path / r.EVENTS_FILE).write_bytes(b'{"at": 1.0, "n": 0}\n{"at": 2.0, "n"')
    recorder = DiskRecorder(tmp_path, VirtualClock())
    recorder.event("/", "e", {"n": 2})
    recorder.close()
    assert numbers(tmp_path) == [0, 2]


def test_what_is_no_event_is_skipped(tmp_path: Path) -> None:
    lines = [
        b"",
        b"[1]",
        b"7",
        b"\xff\xfe",
        b'{"n": 1}',
        b'{"at": "x", "n": 2}',
        b'{"at": 3, "n": 3}',
    ]
    (tmp_path / r.EVENTS_FILE).write_bytes(b"\n".join(lines))
    assert numbers(tmp_path) == [3]


def test_texts_that_are_no_texts_and_large_ones_are_written(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    recorder.event("/", "e", {"n": 0, "name": "\udcff.jpg"})
    recorder.event("/", "e", {"n": 1, "stack": "x" * 100_000})
    assert numbers(tmp_path) == [0, 1]
    assert recorder.lost == 0


def test_threads_do_not_tear_each_others_lines(tmp_path: Path, recorder: DiskRecorder) -> None:
    def write(start: int) -> None:
        for n in range(start, start + 200):
            recorder.event("/", "e", {"n": n})

    threads = [threading.Thread(target=write, args=(k * 200,), daemon=True) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert sorted(numbers(tmp_path)) == list(range(800))


# -- bad disks ----------------------------------------------------------------------------------


def test_a_full_disk_costs_the_record_and_it_goes_on_when_there_is_room(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder.event("/", "e", {"n": 0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        for n in range(1, 20):
            recorder.event("/", "e", {"n": n})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert recorder.lost > 10
    recorder.event("/", "e", {"n": 99})
    kept = numbers(tmp_path)
    assert kept[0] == 0
    assert kept[-1] == 99, "half a line does not swallow the next"
    assert len(kept) + recorder.lost == 21


def test_no_room_for_the_ring_is_no_ring(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        recorder = DiskRecorder(tmp_path, VirtualClock())
        recorder.message(letter(1))
        recorder.event("/", "e", {"n": 1})
        recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert numbers(tmp_path) == [1]


def test_a_directory_that_cannot_be_made_costs_the_record(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    recorder = DiskRecorder(tmp_path / "file" / "data", VirtualClock())
    recorder.event("/", "e", {})
    recorder.message(letter(1))
    recorder.close()
    assert recorder.lost == 1


@pytest.mark.usefixtures("small_files")
def test_a_rotation_that_fails_does_not_end_the_record(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    in_the_way = tmp_path / "events.jsonl.4"
    in_the_way.mkdir()
    (in_the_way / "x").touch()
    for n in range(500):
        recorder.event("/", "e", {"n": n})
    assert recorder.lost > 0
    (in_the_way / "x").unlink()
    in_the_way.rmdir()
    recorder.event("/", "e", {"n": 1000})
    assert numbers(tmp_path)[-1] == 1000


def test_after_close_nothing_is_written_and_nothing_breaks(tmp_path: Path) -> None:
    recorder = DiskRecorder(tmp_path, VirtualClock())
    recorder.close()
    recorder.close()
    recorder.message(letter(1))
    NullRecorder().event("/", "e", {})


# -- the flight ring ----------------------------------------------------------------------------


def test_the_ring_keeps_the_last_messages_oldest_first(
    tmp_path: Path, recorder: DiskRecorder
) -> None:
    for id_ in range(1, r._RECORDS + 101):
        recorder.message(letter(id_))
    flight = read_flight(tmp_path)
    assert [row["id"] for row in flight] == list(range(101, r._RECORDS + 101))
    assert flight[0] == {
        "sent_ns": 1010, "id": 101, "name": "motor.rotate", "destination": "/machine/b",
        "source": "/a",
    }  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [{"id": 2**64 + 5}, {"id": -1}, {"sent_ns": -5}, {"sent_ns": 2**70}, {"name": "é" * 100},
     {"destination": "x" * 1000}, {"source": "\x00"}],
)  # fmt: skip
def test_a_strange_envelope_does_not_stop_its_receiver(
    tmp_path: Path, recorder: DiskRecorder, more: dict[str, object]
) -> None:
    recorder.message(
        letter(**{"id_": 1, **{("id_" if k == "id" else k): v for k, v in more.items()}})
    )  # type: ignore[arg-type]
    assert len(read_flight(tmp_path)) == 1


def test_a_truncated_ring_is_read_as_far_as_it_goes(tmp_path: Path, recorder: DiskRecorder) -> None:
    for id_ in range(1, 11):
        recorder.message(letter(id_))
    data = (tmp_path / r.FLIGHT_FILE).read_bytes()
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / r.FLIGHT_FILE).write_bytes(data[: r._RECORD.size * 5 + 7])
    assert [row["id"] for row in read_flight(tmp_path / "short")] == [1, 2, 3, 4, 5]


VICTIM = """
import os, sys
from pathlib import Path
from protocol.envelope import Envelope, Kind
from supervisors.recorder import DiskRecorder
recorder = DiskRecorder(Path(sys.argv[1]))
for id_ in range(1, 501):
    recorder.message(Envelope(id_, Kind.CAST, "a.b", "/s", "/d", b"", 4, id_))
    recorder.event("/d", "handled", {"n": id_})
print("done", flush=True)
sys.stdin.read()
"""


def test_both_survive_a_kill_9(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    ) as victim:  # fmt: skip
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"done\n"
        victim.send_signal(signal.SIGKILL)
    assert [row["id"] for row in read_flight(tmp_path)] == list(range(1, 501))
    assert numbers(tmp_path) == list(range(1, 501))
    json.loads((tmp_path / r.EVENTS_FILE).read_text().splitlines()[-1])
