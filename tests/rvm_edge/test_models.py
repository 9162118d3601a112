"""`rvm-edge models`: beside a machine that runs, and without one."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from models.vision import default_detector_directory
from models.vision.store import ModelStore, fingerprint
from models.vision.swap import Shelf
from models.world.catalogue import default_chamber_directory
from supervisors.testing import eventually
from tests.actors.models import change_manifest, make_model, weights_of
from tests.rvm_edge.machine import Machine, command_line, environment, is_alive, run

CHAMBER = default_chamber_directory()


class Desk:
    """A data directory without a machine on it."""

    def __init__(self, home):
        self.home = home
        self.data = home / "data"
        self.store = ModelStore(self.data / "models")
        self.environ = environment(RVM_EDGE_DATA_DIR=str(self.data))

    def models(self, *arguments):
        return run("models", *arguments, cwd=self.home, environ=self.environ)

    def json(self, *arguments):
        done = self.models(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# -- without a machine --------------------------------------------------------------------------


def test_help_teaches(desk):
    told = desk.models("--help")
    assert told.returncode == 0
    for word in ("verify", "bench", "exit status", "--again", "shipped"):
        assert word in told.stdout
    assert desk.models().returncode == 2


def test_on_a_new_machine_the_one_that_ships_is_current(desk):
    listed = desk.json("list")
    (shipped,) = listed["models"]
    assert not listed["running"]
    assert (shipped["name"], shipped["role"]) == ("shipped", "current")
    assert shipped["directory"] == str(default_detector_directory())
    assert "onnxruntime" in shipped["backends"]
    assert "shipped" in desk.models("list").stdout
    assert not desk.data.exists()


def test_a_model_is_added_listed_and_used(desk, tmp_path):
    new = make_model(tmp_path / "new")
    assert desk.json("add", new) == {"name": "new", "directory": str(desk.data / "models" / "new")}
    assert desk.json("use", "new")["refused"] == ""
    assert desk.store.read() == Shelf(current="new", previous="")
    roles = {one["name"]: one["role"] for one in desk.json("list")["models"]}
    assert roles == {"shipped": "previous", "new": "current"}
    assert desk.models("use", "shipped").returncode == 0
    assert desk.store.read().current == ""


def test_a_model_that_fails_its_trial_is_refused_and_remembered(desk, tmp_path):
    wrong = make_model(tmp_path / "wrong")
    entries = json.loads((wrong / "manifest.json").read_text())["golden"]
    change_manifest(wrong, golden=[{**one, "decision": "accept"} for one in entries])
    done = desk.models("use", wrong)
    assert done.returncode == 1
    assert "is judged" in done.stdout
    assert fingerprint(wrong) in desk.store.read().denied
    assert desk.store.read().current == ""
    again = desk.models("use", wrong)
    assert again.returncode == 1
    assert "--again" in again.stderr
    assert "refused: wrong" in desk.models("list").stdout


def test_a_model_that_the_settings_name_is_exchanged_there(desk, tmp_path):
    desk.environ["MODEL_PATH"] = str(make_model(tmp_path / "pinned"))
    done = desk.models("use", make_model(tmp_path / "new"))
    assert done.returncode == 1
    assert "inference.model" in done.stderr


def test_verify_finds_the_first_thing_that_is_wrong(desk, tmp_path):
    model = make_model(tmp_path / "model")
    report = desk.json("verify", model)
    assert report["sound"]
    assert [check["what"] for check in report["checks"]] == [
        "manifest",
        "weights",
        "golden",
        "loads",
    ]
    (model / "golden" / "accept.png").write_bytes(b"")
    assert desk.json("verify", model)["checks"][-1]["what"] == "golden"
    flip(weights_of(model))
    done = desk.models("verify", model)
    assert done.returncode == 1
    assert "BAD  weights" in done.stdout
    assert "SHA-256" in done.stdout
    (model / "manifest.json").write_text("{")
    assert desk.json("verify", model)["checks"][-1]["what"] == "manifest"
    assert desk.models("add", model).returncode == 1


def test_an_unknown_model_is_answered_with_what_there_is(desk, tmp_path):
    desk.models("add", make_model(tmp_path / "eyes-v1"))
    done = desk.models("use", "eyes-v2")
    assert done.returncode == 2
    assert "Did you mean eyes-v1?" in done.stderr


def test_a_test_asks_every_back_end_and_scores_pictures(desk, tmp_path):
    model = make_model(tmp_path / "model")
    report = desk.json("test", model, "--pictures", CHAMBER)
    assert [one["why"] for one in report["golden"]] == [""] * len(report["golden"])
    assert {one["backend"].split()[0] for one in report["golden"]} >= {"onnxruntime", "opencv"}
    score = report["score"]
    assert score["pictures"] == 80
    assert (
        score["taken_right"]["low"] < score["taken_right"]["share"] < score["taken_right"]["high"]
    )
    assert 0 < score["map50"] < 1
    assert sum(one["pictures"] for one in score["decisions"]) == 80
    assert desk.models("test", model, "--pictures", tmp_path / "none").returncode == 2


def test_a_test_of_a_model_that_answers_wrongly_fails(desk, tmp_path):
    model = make_model(tmp_path / "model")
    change_manifest(
        model, classes=list(reversed(json.loads((model / "manifest.json").read_text())["classes"]))
    )
    done = desk.models("test", model)
    assert done.returncode == 1
    assert "WRONG" in done.stdout


def test_a_bench_tells_time_and_memory_of_each_back_end(desk):
    report = desk.json("bench", "shipped", "--rounds", 5)
    by_name = {one["backend"]: one for one in report["backends"]}
    assert by_name["onnxruntime"]["p50_ms"] <= by_name["onnxruntime"]["p99_ms"]
    assert 20 < by_name["onnxruntime"]["rss_mb"] < 1000
    assert by_name["tensorrt"]["p50_ms"] is not None or by_name["tensorrt"]["why"]
    assert desk.models("bench", "shipped", "--rounds", 0).returncode == 2


def test_ctrl_c_ends_a_trial_and_its_process(desk):
    with subprocess.Popen(
        command_line("models", "bench", "shipped", "--rounds", "100000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=desk.home,
        env=desk.environ,
        text=True,
    ) as bench:
        children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
        trial = eventually(lambda: bench.poll() is None and children.read_text().split())[0]
        bench.send_signal(signal.SIGINT)
        assert bench.wait(30) == 130
        eventually(lambda: not is_alive(int(trial)))


# -- beside a machine that runs -----------------------------------------------------------------


def test_a_machine_takes_a_newcomer_and_throws_it_out_again(tmp_path):
    new = make_model(tmp_path / "new")
    settings = '[detail]\noutline = "grabcut"\n'
    with Machine(tmp_path / "data", settings=settings).ready() as machine:
        used = machine.json("models", "use", new)
        assert (used["model"], used["refused"]) == ("new", "")
        listed = machine.json("models", "list")
        assert listed["running"]
        roles = {one["name"]: one["role"] for one in listed["models"]}
        assert roles == {"shipped": "previous", "new": "serves"}
        machine.fault("segfault", "/vision/inference")
        machine.until(lambda: "first time" in trouble(machine))
        assert machine.json("models", "list")["models"][0]["role"] == "serves"
        assert machine.cli("status").returncode == 1
        refused = machine.cli("models", "use", "new")
        assert refused.returncode == 1
        assert "--again" in refused.stderr
        assert machine.json("models", "use", "shipped")["refused"] == ""
        machine.until(lambda: not trouble(machine))
        machine.insert()
        record = machine.until_deposit("credited")
        folder = machine.directory / "evidence" / record["id"]
        machine.until((folder / "conclusion.json").exists)
        assert json.loads((folder / "look-1.json").read_text())["decision"] == "accept"
        machine.until((folder / "examined.json").exists)
        assert json.loads((folder / "examined.json").read_text())["elapsed_ms"] > 0
        assert machine.stop() == 0


def test_a_command_outlives_the_process_that_it_kills(tmp_path):
    new = make_model(tmp_path / "new")
    with Machine(tmp_path / "data").ready() as machine:
        done = machine.cli("models", "use", new, "--fault", "crash", "--when", "adoption")
        assert done.returncode == 1
        assert "put into service" in done.stdout
        damaged = make_model(tmp_path / "damaged")
        flip(weights_of(damaged))
        done = machine.cli("models", "use", damaged)
        assert done.returncode == 1
        assert "SHA-256" in done.stdout
        assert "SHA-256" in trouble(machine)
        assert machine.stop() == 0


def test_faults_are_for_simulated_machines(tmp_path):
    with Machine(tmp_path / "data", "--profile", "jetson").ready() as machine:
        done = machine.cli("models", "use", make_model(tmp_path / "new"), "--fault", "crash")
        assert done.returncode == 1
        assert "this machine is real" in done.stderr


def test_a_machine_that_was_told_to_use_a_missing_model_says_so(tmp_path):
    new, missing = make_model(tmp_path / "new"), json.dumps(str(tmp_path / "none"))
    settings = f"[inference]\nmodel = {missing}\n"
    with Machine(tmp_path / "data", settings=settings).ready() as machine:
        machine.until_state("/vision/inference", "waiting")
        done = machine.cli("models", "use", new)
        assert done.returncode == 1
        assert str(tmp_path / "none") in done.stdout
        assert machine.stop() == 0


def trouble(machine):
    facts = machine.actors()["/vision/inference"].get("facts") or {}
    return str(facts.get("trouble") or "")
