"""A fleet in one process: against a platform that is killed, and all the ways not to begin."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rvm_edge.cli import main
from rvm_edge.fleet import OPERATOR_TOKEN as OPERATOR_VARIABLE
from rvm_edge.fleet.tally import Tally

NEEDED = ("fastapi", "uvicorn", "sqlalchemy", "alembic")
PATIENCE_S = 40.0
MACHINES = 30

needs_platform = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="bin/setup server test: the platform's packages are not here",
)


class FleetProcess:
    """`rvm-edge fleet-sim`, and what it says, line for line."""

    def __init__(self, *options: str, token: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rvm_edge", "fleet-sim", *options, "--json", "--every", "0.3s"],
            env={**os.environ, OPERATOR_VARIABLE: token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def next(self, wanted: Any) -> dict[str, Any]:
        """The next line of which this is true; what came before is forgotten."""
        last = ""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            assert line, f"it ended: {last} {self._said()}"
            last = line
            told = json.loads(line)
            if wanted(told):
                return told

    def interrupt(self) -> tuple[int, dict[str, Any]]:
        """The exit status and the summary."""
        self._process.send_signal(signal.SIGINT)
        summary = self.next(lambda told: told["kind"] == "summary")
        status = self._process.wait(PATIENCE_S)
        assert self._said() == ""
        return status, summary

    def _said(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def platform(tmp_path: Path):
    """Starts platforms, one after the other, with the same data at the same port."""
    from tests.server.process import ServerProcess

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    started = []

    def start() -> ServerProcess:
        quick = {"RVM_SERVER_HEARTBEAT_S": "1", "RVM_SERVER_TELEMETRY_S": "1"}
        started.append(ServerProcess(tmp_path, "", "--port", port, **quick))
        return started[-1]

    yield start
    for server in started:
        if server.process.returncode is None:
            server.kill()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory):
    """One platform for all tests that leave it alone; each has a seed of its own."""
    from tests.server.process import ServerProcess

    server = ServerProcess(tmp_path_factory.mktemp("platform"))
    yield server
    server.kill()


@pytest.fixture
def fleet():
    """Starts fleets; ended with the test."""
    from tests.server.process import OPERATOR_TOKEN

    started = []

    def start(*options: str, token: str = OPERATOR_TOKEN) -> FleetProcess:
        started.append(FleetProcess(*options, token=token))
        return started[-1]

    yield start
    for one in started:
        one.close()


def operator(url: str, path: str, body: Any = None) -> Any:
    """Ask the platform as its operator."""
    import httpx

    from protocol.platform import ROOT
    from tests.server.process import OPERATOR_TOKEN

    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    method = "GET" if body is None else "POST"
    with httpx.Client(trust_env=False) as http:
        answer = http.request(method, f"{url}{ROOT}{path}", json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()["data"]


def seeded(url: str, seed: int) -> list[dict[str, Any]]:
    """The machines of this seed, in their order."""
    machines = operator(url, "/fleet/machines")["machines"]
    ours = [one for one in machines if one["hardware_id"].startswith(f"sim-{seed}-")]
    return sorted(ours, key=lambda one: one["hardware_id"])


def all_there(told: dict[str, Any]) -> bool:
    return told["there"] == told["born"] == told["subscribed"] == MACHINES


@needs_platform
def test_all_come_back_after_the_platform_was_killed_and_nothing_fails_after_that(platform, fleet):
    server = platform()
    options = ("--server", server.url, "--ramp", "0.5s", "--deposits-per-hour", "120")
    running = fleet(str(MACHINES), *options)
    before = running.next(lambda told: all_there(told) and told["counts"]["deposits"] > 0)
    assert before["errors"] == {}
    assert before["reconnects"] == 0

    server.kill()
    running.next(lambda told: told["there"] == 0 and told["born"] < MACHINES)
    server = platform()
    back = running.next(all_there)
    later = running.next(
        lambda told: told["counts"]["heartbeats"] > back["counts"]["heartbeats"] + 2 * MACHINES
    )
    assert later["there"] == MACHINES
    assert later["errors"] == back["errors"]

    status, summary = running.interrupt()
    assert status == 130
    assert summary["errors"] == back["errors"]
    assert (summary["outages"], summary["there"]) == (1, MACHINES)
    assert summary["reconnects"] == MACHINES
    assert 0 < summary["longest_back_s"] < PATIENCE_S
    assert 0 < summary["outage_peak_per_s"] <= summary["peak_per_s"]
    assert summary["counts"]["births"] > MACHINES
    assert summary["p50_ms"] <= summary["p95_ms"] <= summary["p99_ms"]
    machines = operator(server.url, "/fleet/machines")["machines"]
    assert len(machines) == MACHINES
    # What was taken is there once: a batch whose answer was lost is no second deposit.
    keys = [one["key"] for one in operator(server.url, "/fleet/deposits?limit=200")["items"]]
    assert len(keys) == len(set(keys)) >= summary["counts"]["deposits"]


@needs_platform
def test_a_ping_is_answered_when_rung_and_other_commands_are_rejected(standing, fleet):
    running = fleet("2", "--server", standing.url, "--seed", "5")
    running.next(lambda told: told["there"] == 2)
    first = seeded(standing.url, 5)[0]["rvm_id"]
    ping, reboot = (
        operator(standing.url, f"/fleet/machines/{first}/commands", {"type": kind, "ttl_s": 60})
        for kind in ("ping", "reboot")
    )
    running.next(lambda told: (told["counts"]["pings"], told["counts"]["other_commands"]) == (1, 1))
    states = [
        operator(standing.url, f"/fleet/commands/{one['id']}")["command"]["state"]
        for one in (ping, reboot)
    ]
    assert states == ["succeeded", "rejected"]
    assert running.interrupt()[1]["errors"] == {}


@needs_platform
def test_the_same_seed_is_the_same_fleet_and_enrols_once(standing, monkeypatch, capsys):
    from tests.server.process import OPERATOR_TOKEN

    monkeypatch.setenv(OPERATOR_VARIABLE, OPERATOR_TOKEN)
    words = ["fleet-sim", "3", "--server", standing.url, "--for", "1s", "--no-doorbell"]
    words += ["--ramp", "0s"]
    assert main(words) == 0
    assert "3 machines enrolled, 0 were known" in capsys.readouterr().err
    assert main(words) == 0
    said = capsys.readouterr()
    assert "0 machines enrolled, 3 were known" in said.err
    assert "3 machines for 1" in said.out
    assert "errors      none" in said.out
    machines = seeded(standing.url, 1)
    assert [one["hardware_id"] for one in machines] == [f"sim-1-0000{n}" for n in (1, 2, 3)]
    # They said goodbye: nobody has to wait for their heartbeats.
    assert {one["liveness"] for one in machines} == {"dead"}


@needs_platform
def test_tokens_from_a_file_let_the_machines_in(standing, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(OPERATOR_VARIABLE, raising=False)
    made = [operator(standing.url, "/fleet/enrolment-tokens", {})["token"] for _ in range(2)]
    file = tmp_path / "tokens"
    file.write_text("\n".join(made) + "\n")
    words = ["fleet-sim", "2", "--server", standing.url, "--for", "1s", "--ramp", "0s"]
    words += ["--enrolment-tokens", str(file), "--seed", "6"]
    file.chmod(0o644)
    assert main(words) == 2
    file.chmod(0o600)
    assert main(words) == 0
    said = capsys.readouterr()
    assert not [token for token in made if token in said.out + said.err]


@needs_platform
def test_a_wrong_operators_token_is_told_and_not_shown(standing, monkeypatch, capsys):
    wrong = "not the token of any operator"
    monkeypatch.setenv(OPERATOR_VARIABLE, wrong)
    assert main(["fleet-sim", "2", "--server", standing.url, "--seed", "7"]) == 1
    said = capsys.readouterr()
    assert "operator's token" in said.err
    assert wrong not in said.err


def test_nobody_there(monkeypatch, capsys):
    monkeypatch.setenv(OPERATOR_VARIABLE, "a token of some length")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["fleet-sim", "2", "--server", f"http://127.0.0.1:{port}"]) == 4
    assert "stops after dns" in capsys.readouterr().err


def test_more_machines_than_files_are_refused_with_the_number_that_fits(monkeypatch, capsys):
    monkeypatch.setenv(OPERATOR_VARIABLE, "a token of some length")
    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: None)
    assert main(["fleet-sim", "1000", "--server", "http://127.0.0.1:1"]) == 2
    assert "240 machines fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["0", "--server", "http://127.0.0.1:1"], "from 1 to"),
        (["2", "--server", "ftp://x"], "--server is"),
        (["2", "--server", "http://127.0.0.1:1", "--for", "soon"], "10m"),
        (["2", "--server", "http://127.0.0.1:1", "--deposits-per-hour", "nan"], "0 to 3600"),
        (["2", "--server", "https://127.0.0.1:1", "--ca-file", "/nowhere"], "--ca-file"),
        (["2"], "--server"),
    ],
)
def test_wrong_usage_is_told_with_its_cure(monkeypatch, capsys, words, says):
    monkeypatch.setenv(OPERATOR_VARIABLE, "a token of some length")
    try:
        status = main(["fleet-sim", *words])
    except SystemExit as error:
        status = error.code
    assert (status, says in capsys.readouterr().err) == (2, True)


def test_without_any_token_it_says_where_one_comes_from(monkeypatch, capsys):
    monkeypatch.delenv(OPERATOR_VARIABLE, raising=False)
    assert main(["fleet-sim", "2", "--server", "http://127.0.0.1:1"]) == 2
    assert OPERATOR_VARIABLE in capsys.readouterr().err


# -- the tally ------------------------------------------------------------------------------------


def test_the_time_to_be_back_counts_from_the_platforms_first_answer():
    tally = Tally()
    tally.arrived()
    tally.arrived()
    tally.lost(10.0)
    tally.answered(200, 10.0, 10.1)  # what was on its way
    tally.lost(11.0)
    tally.failed("no_way")
    tally.answered(200, 30.0, 30.5)
    tally.back(31.0)
    assert tally.outages[0].ended_s is None
    tally.back(33.0)
    outage = tally.outages[0]
    assert (outage.lost, outage.back_s, tally.there, tally.reconnects) == (2, 2.5, 2, 2)


def test_the_peak_of_an_outage_is_its_busiest_second():
    tally = Tally()
    tally.arrived()
    for now_s in (1.0, 1.1, 1.2, 1.3):
        tally.asked(now_s)
    tally.lost(2.0)
    for now_s in (2.1, 3.0, 3.5, 4.0):
        tally.asked(now_s)
    tally.back(5.0)
    assert (tally.outages[0].peak_per_s, tally.peak_per_s, tally.requests) == (2, 4, 8)


def test_percentiles_are_right_to_a_step_of_five_percent():
    tally = Tally()
    assert tally.percentile_ms(0.5) is None
    for took_ms in range(1, 101):
        tally.answered(200, 0.0, took_ms / 1000)
    for share in (0.5, 0.95, 0.99):
        assert tally.percentile_ms(share) == pytest.approx(share * 100, rel=0.06)
