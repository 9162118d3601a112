"""`rvm-edge events`, on records of every sort."""

import json
import os
import signal
import subprocess
import threading

import pytest

from supervisors.clock import SystemClock
from supervisors.recorder import DiskRecorder
from supervisors.testing import VirtualClock
from tests.rvm_edge.machine import PATIENCE_S, Machine, command_line, environment, run


@pytest.fixture
def record(tmp_path):
    """A record with an event an hour, the last one half an hour ago."""
    now = SystemClock().wall()
    with (tmp_path / "events.jsonl").open("w") as file:
        for ago in (50, 2, 1, 0.5):
            one = {"at": now - ago * 3600, "path": "/a", "event": f"ago_{ago}", "stack": "long"}
            file.write(json.dumps(one) + "\n")
    return tmp_path


def events(directory, *arguments):
    done = run("events", "--data-dir", directory, "--json", *arguments, cwd=directory)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def names(directory, *arguments):
    return [one["event"] for one in events(directory, *arguments)]


@pytest.mark.parametrize(
    ("since", "wanted"),
    [("45m", 1), ("1.6h", 2), ("5000s", 2), ("3h", 3), ("3d", 4), ("99999999999999999999d", 4),
     ("2020-01-01", 4), ("2020-01-01T00:00Z", 4), ("2020-01-01T00:00:00+07:00", 4),
     ("2100-01-01T10:00", 0)],
)  # fmt: skip
def test_since(record, since, wanted):
    assert len(events(record, "--since", since)) == wanted


@pytest.mark.parametrize("since", ["yesterday", "5", "-1h", "10 m", "", "0001-01-01", "1e5s"])
def test_since_never(record, since):
    done = run("events", "--data-dir", record, f"--since={since}", cwd=record)
    if since in ("", "0001-01-01"):  # nothing said; a time that some systems cannot count from
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
        return
    assert done.returncode == 2
    assert "use 30s, 10m, 2h, 3d, or a time" in done.stderr


def test_for_people_a_stack_is_too_long(record):
    done = run("events", "--data-dir", record, cwd=record)
    assert done.stdout.count("\n") == 4
    assert "long" not in done.stdout
    assert "ago_0.5" in done.stdout
    assert events(record)[0]["stack"] == "long"


def test_what_is_no_event_is_left_out(record):
    good = {"at": 1.0, "path": ["/odd"], "event": {"odd": True}, "text": "two\nlines"}
    strange = [
        b"{broken\n",
        b"\xff\xfe\x00\n",
        b"null\n",
        b"[1, 2]\n",
        b'{"at": "yesterday"}\n',
        b'{"at": true}\n',
        b"[" * 100_000 + b"\n",
        b"x" * (3 << 20) + b"\n",
        b"\n",
        b'{"at": 1e30, "path": "/far", "event": "future"}\n',
        json.dumps(good).encode() + b"\n",
        b'{"at": 5, "path": "/cut"',
    ]
    with (record / "events.jsonl").open("ab") as file:
        file.writelines(strange)
    for option in ((), ("--json",)):
        done = run("events", "--data-dir", record, *option, cwd=record)
        assert done.returncode == 0
        assert done.stdout.count("\n") == 6
        assert "/far" in done.stdout
        assert "broken lines were left out" in done.stderr


def test_rotated_files_come_first(record):
    (record / "events.jsonl.1").write_text('{"at": 2, "event": "newer"}\n')
    (record / "events.jsonl.2").write_text('{"at": 1, "event": "older"}\n{"at": 1.5')
    (record / "events.jsonl.10").write_text('{"at": 0.5, "event": "oldest"}\n')
    (record / "events.jsonl.bak").write_text('{"at": 0, "event": "mine"}\n')
    assert names(record)[:4] == ["oldest", "older", "newer", "ago_50"]


def test_no_record(tmp_path):
    for where in (tmp_path, tmp_path / "missing"):
        done = run("events", "--data-dir", where, cwd=tmp_path)
        assert done.returncode == 2
        assert "no machine has run there" in done.stderr
    (tmp_path / "events.jsonl").mkdir()
    done = run("events", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


class Follower:
    """`events --follow`, read line by line."""

    def __init__(self, directory, *arguments):
        self.process = subprocess.Popen(
            command_line("events", "--follow", "--json", "--data-dir", directory, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=directory.parent,
        )
        self._patience = threading.Timer(PATIENCE_S, self.process.kill)
        self._patience.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self._patience.cancel()
        self._patience.join()
        self.process.communicate()

    def next(self):
        return json.loads(self.process.stdout.readline())["event"]


def test_following_shows_each_event_once(record):
    with Follower(record) as follower:
        assert [follower.next() for _ in range(4)] == ["ago_50", "ago_2", "ago_1", "ago_0.5"]
        with (record / "events.jsonl").open("ab", buffering=0) as file:
            file.write(b'{"at": 5, "event": "ha')
            file.write(b'lf"}\nbroken\n{"at": 6, "event": "six"}\n')
            assert follower.next() == "half"
            assert follower.next() == "six"
        follower.process.send_signal(signal.SIGINT)
        assert follower.process.wait(PATIENCE_S) == 130
        assert follower.process.stdout.read() == b""
        assert follower.process.stderr.read() == b""


def test_following_goes_along_with_a_rotation(record):
    with Follower(record) as follower:
        assert [follower.next() for _ in range(4)][-1] == "ago_0.5"
        with (record / "events.jsonl").open("ab") as file:
            file.write(b'{"at": 5, "event": "last of the old"}\n')
        (record / "events.jsonl").replace(record / "events.jsonl.1")
        (record / "events.jsonl").write_text('{"at": 6, "event": "first of the new"}\n')
        assert follower.next() == "last of the old"
        assert follower.next() == "first of the new"
        (record / "events.jsonl").write_text("")  # somebody empties it
        with (record / "events.jsonl").open("ab") as file:
            file.write(b'{"at": 7, "event": "seven"}\n')
        assert follower.next() in ("seven", "first of the new")


def test_following_only_what_is_new(record):
    with Follower(record, "--since", "1s") as follower:
        recorder = DiskRecorder(record)
        recorder.event("/a", "now", {})
        recorder.close()
        assert follower.next() == "now"


def test_following_before_there_is_anything(tmp_path):
    directory = tmp_path / "data"
    with Follower(directory) as follower:
        assert b"no machine has run there" in follower.process.stderr.readline()
        with Machine(directory).ready() as machine:
            assert follower.next() == "machine_starts"
            machine.fault("raise", "/health")
            while follower.next() != "child_terminated":
                pass
            assert machine.stop() == 0


def test_nobody_reads_any_more(record):
    with Follower(record) as follower:
        follower.next()
        follower.process.stdout.close()
        recorder = DiskRecorder(record, VirtualClock())
        while follower.process.poll() is None:
            recorder.event("/a", "again", {"text": "x" * 10_000})
            try:
                follower.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        recorder.close()
        assert follower.process.returncode == 141
        follower.process.stdout = open(os.devnull, "rb")  # noqa: PTH123, SIM115 - for communicate


def test_restarts_and_quarantines_are_in_it(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        machine.fault("raise", "/health")
        machine.until_event("started", "/health", count=2)
        machine.fault("segfault", "/vision/camera")
        machine.until_event("started", "/vision/camera", count=2)
        told = machine.cli("events", "--since", "5m").stdout
        assert "Crash(InjectedFault: injected fault)" in told
        assert "Signal(SIGSEGV)" in told
        crash = machine.until_event("child_terminated", "/health")
        assert "InjectedFault" in crash["stack"]
        assert machine.stop() == 0
    assert machine.cli("events").stdout.endswith("orderly=True\n")
