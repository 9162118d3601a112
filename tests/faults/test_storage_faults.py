"""Rows S1 to S7 of the fault table: power cuts, kills, full and failing disks, flipped bytes."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.storage import Storage
from actors.store.store import Store
from config.settings import StorageSettings
from protocol.storage import DepositRecord, Stored, StoreDeposit
from supervisors import ChildSpec, RequestFailed
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import tree
from tests.faults.ledger_disks import (
    LIMITS,
    acknowledged,
    assert_kept,
    findings,
    mounted,
    needs_mount,
)

ROOT = Path(__file__).parents[2]
IMAGE_BYTES = 48 << 20


class Writer:
    """The process in `ledger_writer`, and what it has said."""

    def __init__(self, directory: Path, lanes: int, *more: str, before: tuple[str, ...] = ()):
        command = [*before, sys.executable, "-m", "tests.faults.ledger_writer", str(directory)]
        self.process = subprocess.Popen(
            [*command, str(lanes), *more], cwd=ROOT, stdout=subprocess.PIPE, text=False
        )
        self.out = self.process.stdout
        flags = fcntl.fcntl(self.out, fcntl.F_GETFL)
        fcntl.fcntl(self.out, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self._text = b""

    def said(self) -> list[str]:
        """Every whole line so far."""
        while chunk := self.out.read(1 << 20):
            self._text += chunk
        return self._text.decode().split("\n")[:-1]

    def until_busy(self, lines: int = 20) -> None:
        while len(self.said()) < lines:
            assert self.process.poll() is None
            time.sleep(0.01)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.out.close()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[list[str]]:
        """Nothing moves; what it has been told by now is acknowledged."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield self.said()
        finally:
            self.process.send_signal(signal.SIGCONT)


def cut_the_power(tmp_path: Path, cuts: int, seed: int) -> int:
    """The loop-image method: an image copied in mid-run is a disk whose power went away.

    What the kernel had not yet written back is not in the copy. The writer is stopped while the
    copy is made, because a copy takes milliseconds and a power cut takes none.
    """
    needs_mount()
    rng = random.Random(seed)
    image, copy = tmp_path / "image", tmp_path / "copy"
    image.write_bytes(b"")
    os.truncate(image, IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    most = 0
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        done = 0
        while done < cuts:
            writer = Writer(disk / "data", rng.choice((1, 2, 8)))
            try:
                writer.until_busy()
                for _ in range(min(25, cuts - done)):
                    time.sleep(rng.uniform(0, 0.03))
                    with writer.stopped() as lines:
                        shutil.copyfile(image, copy)
                    with mounted(tmp_path / "after", "-o", "loop", str(copy)) as after:
                        assert_kept(acknowledged(lines), after / "data")
                    most = max(most, len(lines))
                    done += 1
            finally:
                writer.end()
            shutil.rmtree(disk / "data")
    return most


def test_s1_what_was_acknowledged_survives_a_power_cut(tmp_path):
    assert cut_the_power(tmp_path, 100, seed=1) > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_s1_what_was_acknowledged_survives_hundreds_of_power_cuts(tmp_path):
    assert cut_the_power(tmp_path, 400, seed=2) > 100


def test_s2_what_was_acknowledged_survives_kill_9(tmp_path):
    """Again and again on the same store: every run recovers what the one before it left."""
    rng = random.Random(3)
    said: dict[str, str] = {}
    for _ in range(8):
        writer = Writer(tmp_path, rng.choice((1, 4, 16)))
        writer.until_busy(rng.randrange(1, 200))
        writer.process.kill()
        writer.process.wait()
        said.update(acknowledged(writer.said()))
        writer.end()
        assert_kept(said, tmp_path)
    assert len({id_.split("-")[1] for id_ in said}) == 8  # no run had the number of another


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to make syncs fail")
@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:error=EIO:when=40",
        "fdatasync:error=EIO:when=40..44",
        "pwrite64:error=EIO:when=150",
        "pwrite64:error=ENOSPC:when=100..130",
        "fdatasync:error=EIO:when=30+25",
    ],
)
def test_s5_after_a_failed_sync_nothing_is_taken_until_the_disk_is_well(tmp_path, fault):
    data = tmp_path / "data"
    trace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={fault}")
    writer = Writer(data, 2, "60", before=trace)
    writer.process.wait(timeout=55)
    lines = writer.said()
    assert writer.process.returncode == 0
    writer.end()
    refused = [line for line in lines if line.startswith("!")]
    assert refused
    assert {line.split()[1] for line in refused} <= {
        "store_failed",
        "store_full",
        "illegal_transition",  # of a state after one that was refused
    }
    assert_kept(acknowledged(lines), data)


def test_s3_a_tiny_disk_takes_nothing_new_finishes_what_has_begun_and_recovers(tmp_path):
    """2 MB, half of it taken by somebody else who then goes: nobody restarts anything."""
    clock = VirtualClock()
    options = ("-t", "tmpfs", "-o", "size=2m", "tmpfs")
    limits = StorageSettings(map_mb=1, map_mb_max=64)
    with mounted(tmp_path / "disk", *options) as disk:
        (disk / "ballast").write_bytes(bytes(900_000))
        child = ChildSpec("storage", Storage, args={"directory": str(disk), "limits": limits})
        with tree(child, clock=clock) as (sup, _):
            store(sup, 0, "reserved")
            taken = take_items(sup)
            assert 20 < taken < 2000
            for state in ("transporting", "confirmed", "credited"):
                store(sup, 0, state)
            facts = sup.rows["storage"].running.vitals.facts
            assert "store_full" in facts["trouble"]
            (disk / "ballast").unlink()
            eventually(lambda: clock.advance(6.0) or "trouble" not in vitals(sup))
            store(sup, taken + 1, "reserved")
        assert findings(disk) == []


def test_s3_a_disk_without_any_room_is_waited_for(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as disk:
        (disk / "ballast").write_bytes(bytes(64 << 10))
        child = ChildSpec("storage", Storage, args={"directory": str(disk), "limits": LIMITS})
        with tree(child) as (sup, _):
            row = sup.rows["storage"]
            assert row.state.value == "waiting"
            assert "make room there" in row.waiting_for


def test_s6_a_file_system_turned_read_only_is_told_and_recovers(tmp_path):
    needs_mount()
    image = tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    clock = VirtualClock()
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        store_at = Store(disk, LIMITS)
        store_at.open()
        store_at.close()
        remount(disk, "ro")
        child = ChildSpec("storage", Storage, args={"directory": str(disk), "limits": LIMITS})
        with tree(child) as (sup, _):
            row = sup.rows["storage"]
            assert row.state.value == "waiting"
            assert "make it writable" in row.waiting_for
        remount(disk, "rw")
        with tree(child, clock=clock) as (sup, _):
            store(sup, 1, "rejected")
        assert findings(disk) == []


def remount(where: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(where)], check=True)


def store(sup, number: int, state: str) -> None:
    record = DepositRecord(f"m-1-{number}", state, "accepted", 1.0, 2.0, item="x" * 500)
    sup.request("storage", StoreDeposit(record), reply=Stored)


def take_items(sup) -> int:
    for number in range(1, 10_000):
        try:
            store(sup, number, "reserved")
        except RequestFailed as error:
            return number if error.code == "store_full" else -1
    return -1


def vitals(sup) -> dict:
    return sup.rows["storage"].running.vitals.facts


def flip(source: Path, target: Path, rng: random.Random) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    file = target / "store" / "data.mdb"
    data = bytearray(file.read_bytes())
    end = len(data.rstrip(b"\0"))  # behind it, nothing has been written yet
    for _ in range(rng.choice((1, 4, 64))):
        at = rng.randrange(end)
        data[at] ^= 1 << rng.randrange(8)
    file.write_bytes(data)


def flip_bytes(tmp_path: Path, times: int, seed: int) -> dict[str, int]:
    """Judge so many damaged copies in children, which a damaged page may end.

    As the daemon is, such a child is started again; the third start is one that gets away from it.
    """
    base = tmp_path / "base"
    writer = Writer(base, 3, "30")
    writer.process.wait(timeout=55)
    writer.end()
    assert findings(base) == []
    rng = random.Random(seed)
    told = dict.fromkeys(("whole", "found", "aside", "unusable", "deaths"), 0)
    copies = tmp_path / "copies"
    for first in range(0, times, 50):
        names = [f"{number}" for number in range(first, min(first + 50, times))]
        for name in names:
            flip(base, copies / name, rng)
        deaths = 0
        while names:
            lines, died = judged(base, copies, names)
            for line in lines:
                told[line.split()[1]] += 1
            names = names[len(lines) :]
            deaths = deaths + 1 if died and not lines else int(died)
            told["deaths"] += died
            assert deaths <= 2, names[0]
        shutil.rmtree(copies)
    return told


def judged(base: Path, copies: Path, names: list[str]) -> tuple[list[str], bool]:
    """What the judge said, and whether it was ended by what it read."""
    judge = [sys.executable, "-m", "tests.faults.ledger_judge", str(base), str(copies), *names]
    done = subprocess.run(judge, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode <= 0, (done.stdout[-300:], done.stderr[-2000:])
    return done.stdout.splitlines(), done.returncode < 0


def test_s7_a_store_with_flipped_bytes_opens_or_is_put_aside_and_credits_nothing(tmp_path):
    told = flip_bytes(tmp_path, 40, seed=4)
    assert told["found"] > 0
    assert told["aside"] > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_s7_the_same_hundreds_of_times(tmp_path):
    assert flip_bytes(tmp_path, 250, seed=5)["found"] > 0
