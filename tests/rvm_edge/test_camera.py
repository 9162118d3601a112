"""`rvm-edge camera`: the running machine's camera, or one that is opened for the question."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from rvm_edge.cli import COMMANDS
from supervisors.testing import eventually
from tests.rvm_edge.machine import Machine, command_line, environment, run

SENSOR = Path(__file__).parents[1] / "actors" / "drivers" / "sensor.py"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Machine(tmp_path_factory.mktemp("machine") / "data").ready() as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def healed(machine):
    yield machine
    machine.cli("sim", "heal")
    eventually(lambda: machine.cli("camera", "check").returncode == 0)


def pipe(how="alive", width=96, height=64):
    command = shlex.join([sys.executable, str(SENSOR), str(width), str(height), "50", how])
    return {
        "RVM_EDGE_CAMERA_SOURCE": f"pipe:{command}",
        "RVM_EDGE_CAMERA_WIDTH_PX": str(width),
        "RVM_EDGE_CAMERA_HEIGHT_PX": str(height),
        "RVM_EDGE_CAMERA_OPEN_TIMEOUT_S": "1",
        "RVM_EDGE_CAMERA_STUCK_TIMEOUT_S": "1",
    }


def own(tmp_path, *arguments, **variables):
    words = (*arguments, "--data-dir", tmp_path / "data")
    return run("camera", *words, cwd=tmp_path, environ=environment(**variables))


# ----- the running machine --------------------------------------------------------------------


def test_a_camera_that_is_well(machine):
    done = machine.cli("camera", "check")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "the running machine's" in lines[0]
    assert lines[1] == "ok"
    assert any("noise of the sensor" in line for line in lines)


@pytest.mark.parametrize(
    ("fault", "state", "cure"),
    [
        ("camera_black", "black", "lamp"),
        ("camera_frozen", "frozen", "driver"),
        ("camera_vanish", "stalled", "unplugged"),
    ],
)
def test_a_camera_that_is_not(healed, fault, state, cure):
    assert healed.cli("sim", "break", fault).returncode == 0
    told = {}

    def seen():  # the world draws its scene anew within a moment
        done = healed.cli("camera", "check", "--json")
        told.update(json.loads(done.stdout))
        return done.returncode == 1

    eventually(seen)
    assert told["state"] == state
    assert cure in told["why"]
    assert told["asked"] == "the running machine's"


def test_the_machine_learns_what_the_clean_chamber_looks_like(machine):
    done = machine.cli("camera", "check", "--learn")
    assert done.returncode == 0, done.stderr
    assert (machine.directory / "camera" / "reference.json").stat().st_size > 3000


@pytest.mark.parametrize("name", ["a.jpg", "b.PNG"])
def test_a_snapshot_from_the_ring(machine, tmp_path, name):
    done = machine.cli("camera", "snapshot", tmp_path / name, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    picture = cv2.imread(str(tmp_path / name))
    assert picture.shape[:2] == (told["height"], told["width"]) == (336, 448)
    assert told["bytes"] == (tmp_path / name).stat().st_size
    assert 0 <= told["age_s"] < 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_camera_that_does_not_run_is_said_so(machine):
    assert machine.cli("send", "/vision/camera", "stop").returncode == 0
    done = machine.cli("camera", "check")
    assert done.returncode == 1
    assert "is not running" in done.stderr
    assert machine.cli("send", "/vision/camera", "start").returncode == 0
    eventually(lambda: machine.cli("camera", "check").returncode == 0)


# ----- no machine runs ------------------------------------------------------------------------


def test_the_camera_of_the_settings_is_opened(tmp_path):
    done = own(tmp_path, "check", **pipe())
    assert done.returncode == 0, done.stderr
    assert "no machine runs" in done.stdout
    assert "camera check --learn" in done.stdout
    learned = own(tmp_path, "check", "--learn", "--json", **pipe())
    assert learned.returncode == 0, learned.stderr
    assert json.loads(learned.stdout)["frame"] is None
    assert (tmp_path / "data" / "camera" / "reference.json").exists()
    again = own(tmp_path, "check", **pipe())
    assert "spots_percent" in again.stdout


def test_a_snapshot_without_a_machine(tmp_path):
    done = own(tmp_path, "snapshot", tmp_path / "a.png", **pipe())
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "a.png")).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/no/such/directory", "name a directory of pictures"),
        ("v4l2:no-such-camera", "no camera"),
        ("pipe:no-such-program", "no program"),
        ("pipe:true", "has ended with status 0"),
        ("rtsp://127.0.0.1:9/x", "cannot be opened"),
    ],
)
def test_a_camera_that_is_not_to_be_had_names_the_cure(tmp_path, source, says):
    done = own(tmp_path, "check", **{**pipe(), "RVM_EDGE_CAMERA_SOURCE": source})
    assert done.returncode == 1
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "says", "status"),
    [
        ("a.txt", "end it in .jpg", 2),
        ("none/a.jpg", "cannot write", 1),
        ("dir.png", "cannot write", 1),
    ],
)
def test_a_file_that_cannot_be_written(tmp_path, file, says, status):
    (tmp_path / "dir.png").mkdir()
    done = own(tmp_path, "snapshot", tmp_path / file, **pipe())
    assert (done.returncode, says in done.stderr) == (status, True)


def test_wrong_settings_are_wrong_usage(tmp_path):
    done = own(tmp_path, "check", RVM_EDGE_CAMERA_RING_SLOTS="3")
    assert done.returncode == 2
    assert "a burst would overwrite itself" in done.stderr


def test_ctrl_c_ends_it_and_its_camera(tmp_path):
    words = command_line("camera", "check", "--data-dir", tmp_path / "data")
    environ = environment(**{**pipe("freezes"), "RVM_EDGE_CAMERA_OPEN_TIMEOUT_S": "50"})
    environ["RVM_EDGE_CAMERA_FRAMES_PER_S"] = "1"  # of this pace no frame is fresh
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: _children(process.pid))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def _children(pid):
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split() or [
            child
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def test_it_is_among_the_commands():
    assert COMMANDS["camera"].module == "camera_command"
