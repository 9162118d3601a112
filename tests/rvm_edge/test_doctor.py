"""`rvm-edge doctor`: it tells what is wrong, with a cure, and survives it."""

import argparse
import fcntl
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import DetailSettings, MachineSettings, MotorSettings, Settings
from models.vision import default_detector_directory
from rvm_edge.doctor import examine, host, machine, seeing
from rvm_edge.doctor.findings import Finding, Patient, guarded
from tests.rvm_edge.machine import Machine, environment, run

ROOT = Path(__file__).resolve().parents[2]
JETSON = Settings(machine=MachineSettings(profile="jetson"))
GSTREAMER = "ok" if shutil.which("gst-launch-1.0") else "broken"
A_DAY_IN_2026_S = 1_790_000_000.0


def doctor(tmp_path, *arguments, **environ):
    """Run it; every finding that is broken says what to do about it."""
    more = ["--json", "--data-dir", tmp_path / "data", *arguments]
    done = run("doctor", *more, cwd=tmp_path, environ=environment(**environ))
    assert done.stderr == ""
    told = json.loads(done.stdout)
    findings = [Finding(**one) for one in told["findings"]]
    broken = [one for one in findings if one.state == "broken"]
    assert all(one.cure for one in broken), broken
    assert told["ok"] == (not broken)
    assert done.returncode == (1 if broken else 0)
    return findings


def broken(findings):
    return [one.check for one in findings if one.state == "broken"]


def named(findings, check):
    return [one for one in findings if one.check == check]


def patient(root, settings=JETSON, *, data_dir=None, now_s=A_DAY_IN_2026_S, **environ):
    args = argparse.Namespace(data_dir=None, config=None, profile=None)
    return Patient(root, environ, args, data_dir, settings, now_s)


def put(root, path, text=""):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


# ----- The whole of it ------------------------------------------------------------------------


def test_a_fresh_machine_is_well_and_stays_untouched(tmp_path):
    findings = doctor(tmp_path)
    assert broken(findings) == []
    assert {one.check for one in findings} >= {
        "settings", "interpreter", "packages", "board", "clock", "service", "data directory",
        "disk", "daemon", "camera", "pins", "model", "second look", "libraries", "back end",
    }  # fmt: skip
    assert named(findings, "back end")[-1].text.endswith("would run the model")
    assert list(tmp_path.iterdir()) == []


def test_for_people_it_is_a_table_with_cures(tmp_path):
    done = run("doctor", "--data-dir", tmp_path / "data", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    *_, empty, total = done.stdout.splitlines()
    assert empty == ""
    assert total.startswith("0 broken, ")


def test_broken_settings_are_told_one_by_one_and_the_rest_all_the_same(tmp_path):
    file = put(tmp_path, "bad.toml", '[motor]\nlease_s = "long"\nleese_s = 1\n')
    findings = doctor(tmp_path, "--config", file)
    assert broken(findings) == ["settings", "settings"]
    assert any("lease_s" in one.text for one in findings)
    assert named(findings, "model")
    findings = doctor(tmp_path, "--config", put(tmp_path, "worse.toml", "[motor\n"))
    assert broken(findings) == ["settings"]


def test_a_data_directory_that_cannot_be_is_told(tmp_path):
    put(tmp_path, "file")
    findings = doctor(tmp_path, "--data-dir", tmp_path / "file" / "data")
    assert broken(findings) == ["data directory"]
    findings = doctor(tmp_path, "--data-dir", "/proc/nowhere")
    assert broken(findings) == ["data directory"]
    findings = doctor(tmp_path, "--data-dir", "~nobody-of-this-name/data")
    assert "data directory" in broken(findings)


@pytest.mark.parametrize("damage", ["flipped", "cut", "no manifest", "nonsense", "gone"])
def test_a_model_that_is_not_what_it_says_is_told(tmp_path, damage):
    model = tmp_path / "model"
    shutil.copytree(default_detector_directory(), model)
    weights = next(model.glob("*.onnx"))
    content = bytearray(weights.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
    elif damage == "cut":
        weights.write_bytes(content[:-1])
    elif damage == "no manifest":
        (model / "manifest.json").unlink()
    elif damage == "nonsense":
        (model / "manifest.json").write_bytes(b"\xff\x00{")
    else:
        shutil.rmtree(model)
    config = put(tmp_path, "c.toml", f'[inference]\nmodel = "{model}"\n')
    findings = doctor(tmp_path, "--config", config)
    (fault,) = named(findings, "model")
    assert fault.state == "broken"
    assert str(model) in fault.text


def test_the_model_that_was_put_into_use_is_the_one_that_is_looked_at(tmp_path):
    used = tmp_path / "data" / "models" / "mine"
    shutil.copytree(default_detector_directory(), used)
    put(used.parent, "shelf.json", '{"schema": 1, "current": "mine"}')
    assert named(doctor(tmp_path), "model")[0].state != "broken"
    next(used.glob("*.onnx")).write_bytes(b"other")
    (fault,) = named(doctor(tmp_path), "model")
    assert (fault.state, str(used) in fault.text) == ("broken", True)
    put(used.parent, "shelf.json", "nonsense")  # inference puts it aside and takes what ships
    assert named(doctor(tmp_path), "model")[0].state != "broken"


def library(tmp_path, name, text):
    """A library of this name that comes before the real one."""
    if os.environ.get("RVM_EDGE_WHEEL"):
        pytest.skip("from a wheel, our own folder is that of the libraries, and comes first")
    put(tmp_path / "before", f"{name}.py", text)
    others = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "before"), *([others] if others else [])])
    }


@pytest.mark.parametrize("name", ["numpy", "cv2", "lmdb", "onnxruntime"])
def test_a_library_that_is_missing_is_told(tmp_path, name):
    environ = library(tmp_path, name, f"raise ImportError('No module named {name}')")
    findings = doctor(tmp_path, **environ)
    assert broken(findings)
    assert any(f"No module named {name}" in one.text for one in findings)


@pytest.mark.parametrize("name", ["msgspec", "pykka", "structlog"])
def test_not_even_what_the_whole_program_rests_on_has_to_be_there(tmp_path, name):
    environ = library(tmp_path, name, f"raise ImportError('No module named {name}')")
    findings = doctor(tmp_path, **environ)
    assert named(findings, "interpreter")
    if name != "structlog":  # that one is the daemon's log's alone
        assert any(f"No module named {name}" in one.text for one in findings)


def test_a_library_for_another_processor_is_told(tmp_path):
    environ = library(tmp_path, "cv2", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)")
    (fault,) = named(doctor(tmp_path, **environ), "cv2")
    assert (fault.state, "signal 4" in fault.text) == ("broken", True)


def test_a_library_that_hangs_is_not_waited_for(tmp_path):
    environ = library(tmp_path, "cv2", "import signal\nwhile True: signal.pause()")
    (note,) = named(doctor(tmp_path, **environ), "cv2")
    assert (note.state, "took longer" in note.text) == ("note", True)


def test_a_check_that_breaks_is_a_finding(tmp_path):
    def check(_patient):
        yield Finding("first", "ok", "well")
        raise ZeroDivisionError("surprise")

    found = list(guarded("second", check, patient(tmp_path)))
    assert [(one.check, one.state) for one in found] == [("first", "ok"), ("second", "broken")]
    assert "ZeroDivisionError: surprise" in found[1].text


def test_what_comes_from_files_moves_no_cursor(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(default_detector_directory(), model)
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["name"] = "evil\x1b[2J\nname"
    (model / "manifest.json").write_text(json.dumps(manifest))
    config = put(tmp_path, "c.toml", f'[inference]\nmodel = "{model}"\n')
    done = run("doctor", "--data-dir", tmp_path / "d", "--config", config, cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert r"evil\x1b[2J\nname" in done.stdout


# ----- A daemon -------------------------------------------------------------------------------


def test_a_running_machine_is_seen(tmp_path):
    with Machine(tmp_path / "data") as running:
        running.ready()
        (found,) = named(doctor(tmp_path), "daemon")
        assert found.text.startswith(f"pid {running.process.pid} runs, ")


def test_a_machine_that_does_not_answer_is_told(tmp_path):
    lock = put(tmp_path / "data", "daemon.lock", "4711")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (fault,) = named(doctor(tmp_path), "daemon")
    assert (fault.state, "4711" in fault.cure) == ("broken", True)


# ----- A Jetson, as files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "state", "says"),
    [
        ("# R36 (release), REVISION: 5.0, GCID: 1", "ok", "JetPack 6 (L4T R36.5.0)"),
        ("# R36 (release), REVISION: 4.3, GCID: 1", "broken", "L4T R36.4.3"),
        ("# R35 (release), REVISION: 6.1, GCID: 1", "broken", "JetPack 5"),
        ("# R38 (release), REVISION: 2.0, GCID: 1", "ok", "JetPack 7"),
        ("garbage", "note", "L4T release unknown"),
    ],
)
def test_the_board_and_its_release_are_read(tmp_path, release, state, says):
    put(tmp_path, "proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\x00")
    put(tmp_path, "etc/nv_tegra_release", release)
    (found,) = host.check_board(patient(tmp_path))
    assert (found.state, says in found.text) == (state, True)
    assert "\x00" not in found.text
    # On the desk the same board is no machine yet.
    (found,) = host.check_board(patient(tmp_path, Settings()))
    assert found.state != "broken"


def test_a_machine_for_a_jetson_wants_one(tmp_path):
    assert next(iter(host.check_board(patient(tmp_path)))).state == "broken"
    assert next(iter(host.check_board(patient(tmp_path, Settings())))).state == "ok"


def test_the_pins_have_to_be_there_and_to_be_ours(tmp_path):
    (found,) = (one for one in machine.check_pins(patient(tmp_path)) if "gpiochip" in one.text)
    assert found.state == "broken"
    put(tmp_path, "dev/gpiochip0")
    (found,) = (one for one in machine.check_pins(patient(tmp_path)) if "gpiochip" in one.text)
    assert found.state == "ok"
    (found,) = machine.check_pins(patient(tmp_path, Settings()))
    assert (found.state, found.text) == ("ok", "simulated")


def test_a_guard_of_its_own_has_to_be_there(tmp_path):
    motor = MotorSettings(guard="unit", guard_socket="/run/rvm-edge/guard.sock")
    settings = Settings(machine=MachineSettings(profile="jetson"), motor=motor)
    (found,) = named(machine.check_pins(patient(tmp_path, settings)), "guard")
    assert found.state == "broken"
    put(tmp_path, "run/rvm-edge/guard.sock")
    (found,) = named(machine.check_pins(patient(tmp_path, settings)), "guard")
    assert found.state == "ok"


def test_the_units_that_ship_are_right_and_others_are_told(tmp_path):
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (found,) = host.check_service(patient(tmp_path))
    assert found.state == "note"
    unit = (ROOT / "deploy/rvm-edge.service").read_text()
    put(tmp_path, "etc/systemd/system/rvm-edge.service", unit)
    (found,) = host.check_service(patient(tmp_path))
    assert (found.state, "/opt/rvm-edge/.venv/bin/rvm-edge" in found.text) == ("broken", True)
    put(tmp_path, "opt/rvm-edge/.venv/bin/rvm-edge")
    (found,) = host.check_service(patient(tmp_path))
    assert (found.state, found.text) == ("ok", "rvm-edge.service is installed, with a watchdog")
    put(tmp_path, "etc/systemd/system/rvm-edge.service", unit.replace("WatchdogSec=15\n", ""))
    (found,) = host.check_service(patient(tmp_path))
    assert (found.state, "lacks WatchdogSec=" in found.text) == ("broken", True)


def test_the_clock_was_set_and_is_kept(tmp_path):
    def state(now_s):
        return next(iter(host.check_clock(patient(tmp_path, now_s=now_s)))).state

    assert state(86_400.0) == "broken"
    assert state(A_DAY_IN_2026_S) == "ok"
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    assert state(A_DAY_IN_2026_S) == "note"
    put(tmp_path, "run/systemd/timesync/synchronized")
    assert state(A_DAY_IN_2026_S) == "ok"


# ----- Disks ----------------------------------------------------------------------------------


def mounts(root, *lines):
    rows = [f"2{n} 1 8:1 / {point} rw - {kind} /dev/x rw" for n, (point, kind) in enumerate(lines)]
    put(root, "proc/self/mountinfo", "\n".join([*rows, "broken line"]))


@pytest.mark.parametrize(
    ("kind", "on_jetson", "on_desk"),
    [
        ("ext4", "ok", "ok"),
        ("tmpfs", "broken", "ok"),
        ("overlay", "broken", "ok"),
        ("vfat", "broken", "broken"),
        ("nfs4", "broken", "broken"),
    ],
)
def test_the_ledger_wants_a_disk_that_keeps_its_word(tmp_path, kind, on_jetson, on_desk):
    data = tmp_path / "my data"
    data.mkdir()
    escaped = str(data).replace(" ", "\\040")
    mounts(tmp_path, ("/", "ext4"), (escaped, kind), (f"{escaped}er", "ext4"))
    for settings, state in ((JETSON, on_jetson), (Settings(), on_desk)):
        found, _ = machine.check_data_dir(patient(tmp_path, settings, data_dir=data))
        assert (found.state, f"on {kind}" in found.text) == (state, True)


def test_a_disk_without_room_is_told(tmp_path, monkeypatch):
    def state(total, free):
        usage = SimpleNamespace(total=total, free=free)
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: usage)
        _, room = machine.check_data_dir(patient(tmp_path, Settings(), data_dir=tmp_path))
        return room.state

    assert state(64e9, 32e9) == "ok"
    assert state(64e9, 2e9) == "note"
    assert state(64e9, 10e6) == "broken"
    assert state(0, 0) == "broken"


def test_a_directory_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    (found,) = machine.check_data_dir(patient(tmp_path, data_dir=tmp_path / "a" / "b"))
    assert (found.state, found.text) == ("broken", f"{tmp_path}: Permission denied")


# ----- Eyes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "profile", "state"),
    [
        ("chamber", "simulated", "ok"),
        ("chamber", "jetson", "broken"),
        ("/nonexistent/video9", "jetson", "broken"),
        ("/dev/video97", "jetson", "broken"),
        ("v4l2:no-such-camera", "jetson", "broken"),
        ("gst:videotestsrc ! fakesink", "simulated", GSTREAMER),
        ("pipe:cat /dev/zero", "jetson", "ok"),
        ("pipe:no-such-program -x", "jetson", "broken"),
        ("rtsp://admin:secret@10.0.0.9/stream", "jetson", "ok"),
    ],
)
def test_the_camera_is_found_by_its_description(tmp_path, source, profile, state):
    config = put(tmp_path, "c.toml", f'[camera]\nsource = "{source}"\n')
    findings = doctor(tmp_path, "--config", config, "--profile", profile)
    (found,) = named(findings, "camera")
    assert found.state == state
    assert "secret" not in found.text


@pytest.mark.parametrize(
    ("detail", "states", "says"),
    [
        ({}, ["ok"], "switched off"),
        ({"outline": "grabcut"}, ["ok"], "grabcut"),
        ({"outline": "segment", "outline_model": "/none"}, ["broken"], "/none/manifest.json"),
        ({"outline": "grabcut", "articles": "/none.csv"}, ["broken"], "cannot read /none.csv"),
        ({"outline": "grabcut", "articles": "chamber"}, ["ok", "ok"], "articles.csv"),
    ],
)
def test_what_is_switched_on_of_the_second_look_has_what_it_needs(tmp_path, detail, states, says):
    settings = Settings(detail=DetailSettings(**detail))
    found = list(seeing.check_second_look(patient(tmp_path, settings)))
    assert [one.state for one in found] == states
    assert any(says in one.text for one in found)


def test_without_the_second_decoder_it_says_so(tmp_path, monkeypatch):
    settings = Settings(detail=DetailSettings(barcode=True))
    monkeypatch.setattr(seeing, "find_spec", lambda _name: None)
    note, _ = seeing.check_second_look(patient(tmp_path, settings))
    assert (note.state, "rvm-edge[barcode]" in note.cure) == ("note", True)


def test_the_renderer_is_asked_for_its_llvm_only_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(seeing, "find_spec", lambda _name: None)
    assert list(seeing.check_training(patient(tmp_path))) == []
    monkeypatch.setattr(seeing, "find_spec", lambda _name: object())
    put(tmp_path, "usr/lib/x86_64-linux-gnu/libLLVM-14.so.1")
    (found,) = seeing.check_training(patient(tmp_path))
    assert (found.state, "libllvm19" in found.cure) == ("note", True)
    put(tmp_path, "usr/lib/x86_64-linux-gnu/libLLVM.so.19.1")
    (found,) = seeing.check_training(patient(tmp_path))
    assert found.state == "ok"


# ----- Versions -------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.data())
def test_versions_compare_as_numbers(parts, data):
    other = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=4))
    left, right = ".".join(map(str, parts)), ".".join(map(str, other))
    padded = [(*one, 0, 0, 0, 0)[:4] for one in (parts, other)]
    assert host._fits(left, f">={right}") == (padded[0] >= padded[1])
    assert host._fits(left, f"<{right}") == (padded[0] < padded[1])
    assert host._fits(left, f">={left},<={left}")


def test_a_requirement_of_an_extra_or_of_another_python_is_none_of_the_core():
    assert host._core_requirement("pykka<5,>=4.4.2") == ("pykka", "<5,>=4.4.2")
    assert host._core_requirement('onnx>=1.16; extra == "train"') is None
    assert host._core_requirement('tomli>=2.0; python_version < "3.0"') is None
    assert host._core_requirement('tomli>=2.0; python_version > "3.0"') == ("tomli", ">=2.0")


def test_a_wrong_version_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(host.metadata, "requires", lambda _name: ["msgspec>=99", "nothing-like-it"])
    texts = [one.text for one in host.check_packages(patient(tmp_path))]
    assert "and >=99 is wanted" in texts[0]
    assert texts[1] == "nothing-like-it is not installed"


def test_it_looks_at_this_very_machine_without_a_fault():
    args = argparse.Namespace(data_dir=os.devnull + "/x", config=None, profile=None)
    assert "data directory" in broken(list(examine(args, Path("/"))))
