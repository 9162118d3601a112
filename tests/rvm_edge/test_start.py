"""`rvm-edge start`: where it may run, where it must not, and what a broken part does to it."""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys

import pytest

from models.vision import default_detector_directory
from models.world.catalogue import default_chamber_directory
from rvm_edge.data_dir import holder
from tests.rvm_edge.machine import PATIENCE_S, Machine, command_line, environment, is_alive, run
from tests.small_disk import fill, small_disk

IMAGES = default_chamber_directory() / "images"


# -- one machine to a data directory ------------------------------------------------------------


def test_a_second_start_names_the_holder_and_how_to_stop_it(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        second = machine.cli("start", "--data-dir", machine.directory)
        assert second.returncode == 5
        assert f"pid {machine.process.pid}" in second.stderr
        assert f"rvm-edge stop --data-dir {machine.directory}" in second.stderr
        assert second.stdout == ""
        assert machine.status()["state"] == "ok"


def test_after_a_kill_it_starts_again_on_what_is_left(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        pids = machine.processes()
        machine.kill()
        assert not any(is_alive(pid) for pid in pids.values())
        assert (machine.directory / "control.sock").exists()
        assert holder(machine.directory) is None
        assert machine.cli("status").returncode == 3
    with Machine(tmp_path / "data").ready() as again:
        assert again.status()["state"] == "ok"
        assert again.stop() == 0
    assert not (tmp_path / "data" / "control.sock").exists()


def test_a_machine_keeps_its_name(tmp_path):
    names = set()
    for _ in range(2):
        with Machine(tmp_path / "data").ready() as machine:
            names.add(machine.status()["machine"])
            assert machine.stop() == 0
    assert len(names) == 1


# -- where the data directory may lie -----------------------------------------------------------


def test_it_may_lie_deep(tmp_path):
    deep = tmp_path / ("d" * 120) / ("e" * 120) / "data"
    with Machine(deep).ready() as machine:
        assert len(str(deep)) > 107
        assert machine.cli("status").returncode == 0
        assert machine.stop() == 0


@pytest.mark.parametrize("name", ["data of mine", "Daten-für-Öl", "--data", "'; rm -rf"])
def test_it_may_have_any_name(tmp_path, name):
    with Machine(tmp_path / name).ready() as machine:
        assert machine.json("status")["data_dir"] == str(tmp_path / name)
        assert machine.cli("events").returncode == 0
        assert machine.stop() == 0


def test_it_may_be_relative(tmp_path):
    environ = environment(RVM_EDGE_DATA_DIR="here")
    with subprocess.Popen(
        command_line("start"), cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with Machine(tmp_path / "other") as other:  # borrowed for its patience
                other.directory = tmp_path / "here"
                other.ready()
        finally:
            process.terminate()
    assert process.returncode == 0


def test_it_writes_into_its_data_directory_and_nowhere_else(tmp_path):
    """Least of all for somebody else: ONNX Runtime's wheels keep a record for their maker."""
    home = tmp_path / "home"
    home.mkdir()
    with Machine(tmp_path / "data", environ={"HOME": str(home), "XDG_CACHE_HOME": None}) as machine:
        machine.ready()
        machine.insert()
        machine.until_deposit("credited")
        assert machine.stop() == 0
    assert list(home.rglob("*")) == []
    assert {file.name for file in tmp_path.iterdir()} == {"home", "data", "data-beside"}


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "data").write_text("I was here first")
    for arguments in (("start",), ("start", "--data-dir", tmp_path / "data" / "below")):
        environ = environment(RVM_EDGE_DATA_DIR=str(tmp_path / "data"))
        done = run(*arguments, cwd=tmp_path, environ=environ)
        assert done.returncode == 2
        assert "choose another with --data-dir or RVM_EDGE_DATA_DIR" in done.stderr
        assert done.stderr.count("\n") == 1
    assert (tmp_path / "data").read_text() == "I was here first"


def test_a_read_only_one_is_refused_and_still_shows_what_it_holds(tmp_path):
    with small_disk(tmp_path / "disk", "8m") as disk:
        with Machine(disk / "data").ready() as machine:
            machine.insert("reject")
            machine.until_deposit("rejected")
            assert machine.stop() == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = machine.cli("start")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "make it writable" in done.stderr
        (record,) = json.loads(machine.cli("deposits", "--json").stdout)
        assert record["state"] == "rejected"
        assert "machine_stopped" in machine.cli("events").stdout
        assert machine.cli("status").returncode == 3


def test_a_full_disk_is_said_at_the_first_start(tmp_path):
    with small_disk(tmp_path / "disk", "100k") as disk:
        fill(disk)
        done = run("start", "--data-dir", disk / "data", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "No space left" in done.stderr
        assert "make room there" in done.stderr


def test_on_a_disk_that_is_full_by_now_it_starts_and_shows_what_it_has(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        with Machine(disk / "data").ready() as machine:
            machine.insert("reject")
            machine.until_deposit("rejected")
            assert machine.stop() == 0
        fill(disk)
        with Machine(disk / "data").ready() as machine:
            assert "disk_percent" in machine.actors()["/health"]["facts"]["alarms"]
            assert len(machine.deposits()) == 1
            assert machine.stop() == 0
            assert "No space left" not in machine.said()


def test_without_a_ledger_nothing_is_accepted_and_that_shows(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        machine.send("/storage", "stop")
        machine.send("/service/deposit", "kick")
        deposit = machine.until_state("/service/deposit", "waiting")
        assert "the ledger" in deposit["waiting_for"]
        assert deposit["restarts"] == 0
        assert machine.cli("status").returncode == 2
        machine.send("/storage", "start")
        machine.send("/service/deposit", "kick")
        machine.until_well()
        assert machine.stop() == 0


def test_a_disk_without_room_for_a_store_says_so(tmp_path):
    """The maps of a store on a full disk must not be touched: that would be a bus error."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        (disk / "data" / "sim").mkdir(parents=True)
        (disk / "data" / "sim" / "pins").write_bytes(b"\0\0\0\0")
        (disk / "data" / "sim" / "scene").write_bytes(b"")
        (disk / "data" / "hardware_id").write_text("rvm-full")
        (disk / "data" / "daemon.lock").write_text(" " * 20)
        fill(disk)
        with Machine(disk / "data").ready() as machine:
            storage = machine.until_state("/storage", "waiting")
            assert "No space left" in storage["waiting_for"]
            assert "the ledger" in machine.until_state("/service/deposit", "waiting")["waiting_for"]
            assert machine.cli("status").returncode == 1
            assert machine.stop() == 0


def test_the_working_directory_may_be_gone_and_may_hold_anything(tmp_path):
    trap = tmp_path / "trap"
    trap.mkdir()
    environ = environment(RVM_EDGE_DATA_DIR=str(tmp_path / "data"))
    code = (
        "import os, sys; from rvm_edge.cli import main; os.rmdir(os.getcwd()); "
        "sys.exit(main(['status']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=trap, env=environ, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr


# -- settings -----------------------------------------------------------------------------------


def test_wrong_settings_are_told_before_anything_starts(tmp_path):
    file = tmp_path / "machine.toml"
    file.write_text("[motor]\nleese_s = 1\n")
    done = run("start", "--data-dir", tmp_path / "data", "--config", file, cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean motor.lease_s?" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_settings_file_that_is_none(tmp_path, name):
    done = run("start", "--data-dir", tmp_path / "data", "--config", tmp_path / name, cwd=tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / name) in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_profile_is_a_usage_error(tmp_path):
    done = run("start", "--profile", "raspberry", cwd=tmp_path)
    assert done.returncode == 2
    assert "simulated" in done.stderr


def test_what_was_said_in_vain_is_in_the_log(tmp_path):
    with Machine(tmp_path / "data", environ={"DETECTION_THRESHOLD": "0.7"}).ready() as machine:
        assert machine.stop() == 0
    assert "DETECTION_THRESHOLD has no effect" in machine.said()


# -- broken parts -------------------------------------------------------------------------------


def test_a_machine_without_eyes_is_ready_and_degraded_until_it_gets_them(tmp_path):
    pictures = tmp_path / "pictures"
    environ = {"CAMERA_SOURCE": None, "RVM_EDGE_CAMERA_SOURCE": str(pictures)}
    with Machine(tmp_path / "data", environ=environ).ready() as machine:
        camera = machine.until_state("/vision/camera", "waiting")
        assert str(pictures) in camera["waiting_for"]
        assert camera["restarts"] == 0
        shown = machine.cli("status")
        assert shown.returncode == 1
        assert f"waiting for cannot use {pictures}" in shown.stdout
        machine.until(
            lambda: machine.send("/service/deposit", "cycle")["closed"] == "camera_failed"
        )
        pictures.mkdir()
        shutil.copy(IMAGES / "007_0001.jpg", pictures)
        machine.send("/vision/camera", "kick")
        running = machine.until_state("/vision/camera", "running")
        assert running["facts"]["source"] == f"PictureDirectory {pictures}"
        machine.until_well()
        assert machine.stop() == 0


def test_pictures_from_a_video_file(tmp_path):
    import cv2

    frame = cv2.imread(str(IMAGES / "007_0001.jpg"))
    video = tmp_path / "belt.avi"
    height, width = frame.shape[:2]
    writer = cv2.VideoWriter(
        str(video), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (width, height)
    )
    writer.write(frame)
    writer.release()
    settings = f"[camera]\nsource = {json.dumps(str(video))}\n"
    with Machine(tmp_path / "data", settings=settings).ready() as machine:
        camera = machine.until_state("/vision/camera", "running")
        assert camera["facts"]["source"] == f"VideoFile {video}"
        assert machine.send("/vision/camera", "snapshot")["frames"][0]["width"] == width
        assert machine.stop() == 0


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda path: path.write_bytes(b"no video"), "no video that OpenCV can read"),
        (lambda path: (path.mkdir(), (path / "a.jpg").write_bytes(b"no")), "is no picture"),
        (lambda path: path.mkdir(), "holds no picture"),
        (os.mkfifo, "is a device"),
    ],
    ids=["broken video", "broken picture", "empty directory", "pipe"],
)
def test_a_camera_that_shows_nothing_is_waited_for(tmp_path, make, word):
    make(tmp_path / "source")
    settings = f"[camera]\nsource = {json.dumps(str(tmp_path / 'source'))}\n"
    with Machine(tmp_path / "data", settings=settings).ready() as machine:
        camera = machine.until_state("/vision/camera", "waiting")
        assert word in camera["waiting_for"]
        assert camera["restarts"] == 0
        assert machine.cli("status").returncode == 1
        assert machine.stop() == 0


@pytest.mark.parametrize("how", ["missing", "weights", "manifest"])
def test_a_model_that_is_no_use_is_waited_for(tmp_path, how):
    model = tmp_path / "model"
    if how != "missing":
        shutil.copytree(default_detector_directory(), model)
        with (model / ("model.onnx" if how == "weights" else "manifest.json")).open("ab") as file:
            file.write(b"x")
    settings = f"[inference]\nmodel = {json.dumps(str(model))}\n"
    with Machine(tmp_path / "data", settings=settings).ready() as machine:
        inference = machine.until_state("/vision/inference", "waiting")
        assert str(model) in inference["waiting_for"]
        assert inference["restarts"] == 0
        assert machine.cli("status").returncode == 1
        machine.until(
            lambda: machine.send("/service/deposit", "cycle")["closed"] == "inference_failed"
        )
        assert machine.stop() == 0


def test_a_real_machine_without_drivers_says_what_is_missing(tmp_path):
    with Machine(tmp_path / "data", "--profile", "jetson").ready() as machine:
        status = machine.status()
        assert (status["profile"], status["state"]) == ("jetson", "degraded")
        actors = machine.actors()
        assert "/world" not in actors
        for path in ("/machine/motor", "/machine/sensors", "/vision/camera"):
            assert "driver" in actors[path]["waiting_for"] or "dev" in actors[path]["waiting_for"]
        refused = machine.cli("sim", "insert", "mineral")
        assert refused.returncode == 2
        assert "this machine is real" in refused.stderr
        assert machine.cli("sim", "fault", "raise", "/storage").returncode == 1
        assert machine.stop() == 0


# -- where its words go -------------------------------------------------------------------------


def test_nobody_reads_what_it_says(tmp_path):
    """A terminal that is closed, a pipe whose reader has left: it goes on."""
    with Machine(tmp_path / "data", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as machine:
        machine.process.stdout.close()
        machine.process.stderr.close()
        machine.ready()
        machine.fault("raise", "/health")
        machine.until_event("started", "/health", count=2)
        machine.until_well()
        assert machine.stop() == 0


def test_its_streams_were_closed_before_it_began(tmp_path):
    line = " ".join(f"'{part}'" for part in command_line("start", "--data-dir", tmp_path / "data"))
    code = f"exec {line} <&- >&- 2>&-"
    with subprocess.Popen(["/bin/sh", "-c", code], cwd=tmp_path, env=environment()) as process:
        try:
            with Machine(tmp_path / "other") as other:
                other.directory = tmp_path / "data"
                other.ready()
        finally:
            process.terminate()
    assert process.returncode == 0


def test_on_a_terminal_it_speaks_to_people(tmp_path):
    ours, theirs = pty.openpty()
    try:
        with Machine(tmp_path / "data", stderr=theirs).ready() as machine:
            assert machine.stop() == 0
        seen = os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"machine_ready" in seen
    assert b"\x1b[" in seen
    assert b'{"' not in seen


def test_a_terminal_that_knows_no_letters_and_an_interpreter_without_assertions(tmp_path):
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with Machine(tmp_path / "data", environ=environ, python=("-O",)).ready() as machine:
        machine.insert()
        machine.until_deposit("credited")
        shown = machine.cli("status")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "`- health" in shown.stdout
        assert shown.stdout.isascii()
        assert machine.cli("deposits").returncode == 0
        assert machine.stop() == 0


# -- the service manager ------------------------------------------------------------------------


def test_the_service_manager_hears_of_it(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with Machine(tmp_path / "data", environ=environ) as machine:
            first = manager.recv(4096).decode().splitlines()
            assert first == ["READY=1", "STATUS=ok"]
            assert machine.status()["phase"] == "running"
            assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            machine.send("/vision/camera", "stop")
            heard = ""
            while not heard.startswith("STATUS="):
                heard = manager.recv(4096).decode()
            assert heard.startswith("STATUS=degraded: /vision/camera stopped")
            machine.signal()
            while heard != "STOPPING=1":
                heard = manager.recv(4096).decode()
                assert heard in ("WATCHDOG=1", "STOPPING=1")
            assert machine.ended() == 0


def test_the_root_gives_up_when_the_store_does(tmp_path):
    with Machine(tmp_path / "data").ready() as machine:
        for number in range(1, 7):
            machine.fault("raise", "/storage")
            if number < 6:
                machine.until_event("started", "/storage", count=number + 1)
        assert machine.ended() == 70
        events = machine.events()
        assert [one for one in events if one["event"] == "exhausted"]
        assert events[-1] == {**events[-1], "event": "machine_stopped", "orderly": True}
        assert holder(machine.directory) is None
        assert not machine.outputs()
