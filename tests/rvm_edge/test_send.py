"""`rvm-edge send`: right words are answered, wrong ones are told what exists."""

import json

import pytest

from tests.rvm_edge.machine import Machine, run


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Machine(tmp_path_factory.mktemp("machine") / "data") as machine:
        yield machine.ready()


def worker_paths(machine):
    return [one["path"] for one in machine.status()["actors"] if one["type"] == "worker"]


def test_everybody_answers_ping(machine):
    for path in worker_paths(machine):
        assert machine.send(path, "ping") == {"type": "sys.pong", "path": path, "incarnation": 1}


def test_for_people_and_for_programs(machine):
    done = machine.cli("send", "/machine/motor", "ping")
    assert (done.returncode, done.stdout) == (0, "path: /machine/motor\nincarnation: 1\n")
    assert machine.json("send", "/machine/motor", "sys.ping")["type"] == "sys.pong"
    done = machine.cli("send", "/machine/motor", "make_safe", "why=it is late, and I go")
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("/machine/moter", "ping"), ["Did you mean /machine/motor?", "/vision/camera"]),
        (("machine/motor", "ping"), ["Did you mean /machine/motor?"]),
        (("/machine/motor", "pnig"), ["Did you mean ping?", "make_safe", "kick"]),
        (("/machine/motor", "make_safe", "whi=x"), ["Did you mean why?"]),
        (("/machine/motor", "ping", "x=1"), ["takes no argument 'x'", "It takes none"]),
        (("/storage", "list_deposits", "limit=many"), ["Expected `int`", "limit: int = 50"]),
        (("/storage", "list_deposits", "limit=1.5"), ["limit: int = 50"]),
        (("/storage", "list_deposits", "limit={}"), ["limit: int = 50"]),
        (("/storage", "list_deposits", "limit="), ["limit: int = 50"]),
        (("/storage", "list_deposits", "limit=" + "9" * 40), ["serialize"]),
        (("/storage", "list_deposits", "limit=[1"), ["begins like JSON"]),
        (("/storage", "list_deposits", "limit=" + "[" * 50_000), ["begins like JSON"]),
        (("/storage", "list_deposits", "limit"), ["'limit' is not key=value"]),
        (("/storage", "list_deposits", "=5"), ["is not key=value"]),
        (("/storage", "store_deposit", "record={}"), ["knows no command"]),
        (("/storage", "sys.stop"), ["knows no command"]),
        (("/machine/motor", "transport", "deposit=x"), ["knows no command"]),
        (("/machine/motor", "kick", "now=1"), ["kick takes no arguments"]),
        (("/machine", "ping"), ["knows no command", "kick"]),
        (("/machine", "suspend"), ["is a supervisor"]),
        (("/", "stop"), ["rvm-edge stop"]),
        (("/", "ping"), ["rvm-edge stop"]),
        (("", "ping"), ["nobody has the address"]),
        (("/machine/motor", "make_safe", "why=" + "x" * 100_000), ["too long"]),
    ],
)
def test_mistakes_end_with_2_and_name_what_exists(machine, words, named):
    done = machine.cli("send", *words)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for text in named:
        assert text in done.stderr


def test_text_that_is_no_text(machine):
    done = machine.cli("send", "/machine/motor", "make_safe", "why=\udcff\udcfe")
    assert done.returncode == 2
    assert "cannot be sent" in done.stderr


def test_values_become_what_the_command_wants(machine):
    assert machine.json("send", "/storage", "list_deposits", "limit=5")["records"] == []
    for why in ("5", "true", "null", "-1", " ", "", '"quoted"', "a=b=c", "ü€", "NaN"):
        done = machine.cli("send", "/machine/motor", "make_safe", f"why={why}")
        assert done.returncode == 0, done.stderr


def test_a_value_that_the_actor_itself_refuses(machine):
    for limit in (0, -3):
        done = machine.cli("send", "/storage", "list_deposits", f"limit={limit}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "at least 1" in done.stderr


@pytest.mark.parametrize("patience", ["0", "-1", "nan", "1e9", "soon"])
def test_a_patience_that_is_none(machine, patience):
    done = machine.cli("send", "/machine/motor", "ping", "--timeout", patience)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_one_that_hangs_is_not_waited_for_longer_than_said(machine):
    machine.fault("hang", "/health", seconds=2.0)
    done = machine.cli("send", "/health", "ping", "--timeout", "0.2")
    assert done.returncode == 1
    assert "did not answer within 0.2 s" in done.stderr
    machine.until_well()


def test_no_machine(tmp_path):
    done = run("send", "/health", "ping", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 3
    assert "rvm-edge start" in done.stderr


# -- supervision --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/vision/inference", "/machine/motor", "/storage"])
def test_a_child_is_stopped_started_and_kicked(machine, path):
    machine.until_well()
    before = machine.actors()[path]["incarnation"]
    assert json.loads(machine.cli("send", path, "stop", "--json").stdout) == {"result": "Ok"}
    assert machine.actors()[path]["state"] == "stopped"
    refused = machine.cli("send", path, "ping")
    assert refused.returncode == 1
    assert refused.stderr == (f"{path} is not running: stopped; start it with: send {path} kick\n")
    assert machine.cli("status").returncode in (1, 2)
    assert machine.cli("send", path, "start").returncode == 0
    again = machine.cli("send", path, "start")
    assert (again.returncode, again.stderr) == (1, f"start {path}: it is running already\n")
    assert machine.cli("send", path, "kick").returncode == 0
    machine.until(lambda: machine.actors()[path]["incarnation"] == before + 2)
    machine.until_well()
    assert machine.actors()[path]["restarts"] == 0


def test_a_supervisor_is_stopped_with_all_below_it(machine):
    assert machine.cli("send", "/vision", "stop").returncode == 0
    actors = machine.actors()
    assert actors["/vision"]["state"] == "stopped"
    assert "/vision/camera" not in actors
    gone = machine.cli("send", "/vision/camera", "ping")
    assert gone.returncode == 2
    assert machine.cli("status").returncode in (1, 2)
    assert machine.cli("send", "/vision", "start").returncode == 0
    machine.until_well()
    assert machine.send("/vision/camera", "ping")["path"] == "/vision/camera"


def test_one_that_is_suspended_leaves_its_messages_waiting(machine):
    assert machine.cli("send", "/service/session", "suspend").returncode == 0
    assert machine.actors()["/service/session"]["facts"]["suspended"] is True
    waiting = machine.cli("send", "/service/session", "ping", "--timeout", "0.2")
    assert waiting.returncode == 1
    assert machine.cli("send", "/service/session", "resume").returncode == 0
    assert machine.send("/service/session", "ping")


def test_the_way_to_the_server_is_tried_when_asked(machine):
    told = machine.send("/uplink/link", "probe")
    assert (told["reached"], told["detail"]) == (
        "nothing",
        "no server is configured (uplink.server_url)",
    )


def test_the_eyes_on_demand(machine):
    told = machine.send("/vision/camera", "snapshot")
    assert told["frames"][0]["channels"] == 3
    assert told["frames"][0]["t_mono_ns"] > 0
