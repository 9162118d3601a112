"""The platform as it is run: killed, restarted, stopped, asked badly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from protocol.platform import ROOT
from tests.actors.uplink.certificates import Authority
from tests.server.platform import Machine
from tests.server.process import OPERATOR_TOKEN, ServerProcess

DEPOSITS = 48


class Remote:
    """What a `Machine` wants of a platform, over real sockets."""

    described = None

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        # No connection is kept: one that outlived its test would count as left behind.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.AsyncClient(base_url=url, timeout=30, limits=limits, trust_env=False)

    def run(self, what):
        return self._loop.run_until_complete(what)

    def close(self) -> None:
        self.run(self.http.aclose())
        self._loop.close()


@contextlib.contextmanager
def running(
    data: Path, url: str = "", **environment: str
) -> Iterator[tuple[ServerProcess, Remote]]:
    server = ServerProcess(data, url, **environment)
    with contextlib.closing(Remote(server.url)) as remote:
        try:
            yield server, remote
        finally:
            server.kill()


def operator(remote: Remote, method: str, path: str, body=None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    return remote.run(remote.http.request(method, f"{ROOT}{path}", json=body, headers=headers))


def enrolled(remote: Remote) -> Machine:
    made = operator(remote, "POST", "/fleet/enrolment-tokens", {})
    machine = Machine(remote)
    assert machine.enrol(made.json()["data"]["token"]).status_code == 201
    machine.sign_in()
    return machine


async def send_all(machine: Machine, numbers: range, acknowledged: set[int], enough) -> None:
    """One after another from eight connections, until somebody hangs up."""
    left = iter(numbers)

    async def send() -> None:
        for number in left:
            said = machine.deposit(number)
            with contextlib.suppress(httpx.TransportError):
                answer = await machine.sending("POST", "/deposits", said)
                assert answer.status_code in {200, 201}, answer.text
                acknowledged.add(number)
            enough(len(acknowledged))

    await asyncio.gather(*(send() for _ in range(8)))


def keys(remote: Remote) -> list[str]:
    found = operator(remote, "GET", "/fleet/deposits?limit=200").json()["data"]["items"]
    return [one["key"] for one in found]


@pytest.mark.timeout(180)  # three servers, one after another
def test_killed_while_it_writes_it_has_lost_and_doubled_nothing(url: str, tmp_path: Path):
    acknowledged: set[int] = set()
    with running(tmp_path, url) as (server, remote):
        machine = enrolled(remote)

        def kill_in_the_middle(count: int) -> None:
            if count >= DEPOSITS // 3 and server.process.poll() is None:
                server.process.send_signal(signal.SIGKILL)

        remote.run(send_all(machine, range(DEPOSITS), acknowledged, kill_in_the_middle))
    assert DEPOSITS // 3 <= len(acknowledged) < DEPOSITS
    with running(tmp_path, url) as (_, remote):
        machine.platform = remote
        assert {machine.deposit(number)["key"] for number in acknowledged} <= set(keys(remote))
        again: set[int] = set()
        remote.run(send_all(machine, range(DEPOSITS), again, lambda _: None))
        assert len(again) == DEPOSITS
        assert len(keys(remote)) == len(set(keys(remote))) == DEPOSITS


@pytest.mark.parametrize(
    ("with_signal", "expected"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_ends_it_without_a_word(tmp_path: Path, with_signal: int, expected: int):
    server = ServerProcess(tmp_path)
    assert "/fleet" in server.said
    status, said = server.end(with_signal)
    assert (status, said) == (expected, "")


def test_the_operator_s_token_is_shown_at_the_first_start_only(tmp_path: Path):
    servers = []
    for _ in range(2):
        servers.append(ServerProcess(tmp_path, RVM_SERVER_OPERATOR_TOKEN=""))
        servers[-1].end()
    assert ["operator token" in server.said for server in servers] == [True, False]


def test_it_speaks_tls(tmp_path: Path):
    authority = Authority(tmp_path / "tls")
    authority.server("127.0.0.1")
    (certificate,) = set((tmp_path / "tls").iterdir()) - {authority.file}
    options = ("--tls-cert", str(certificate), "--tls-key", str(certificate))
    server = ServerProcess(tmp_path, "", *options)
    try:
        trust = ssl.create_default_context(cafile=authority.file)
        with httpx.Client(verify=trust, trust_env=False) as http:
            assert http.get(f"{server.url}/up").json()["success"]
        assert server.url.startswith("https://")
    finally:
        server.kill()


def command(*arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_token_from_the_command_line_lets_a_machine_in(tmp_path: Path):
    status, token, _ = command("enrol-token", "--data", str(tmp_path), "--hardware-id", "rvm-1")
    assert status == 0
    with running(tmp_path) as (_, remote):
        assert Machine(remote).enrol(token.strip()).status_code == 201
        log = operator(remote, "GET", "/fleet/audit").json()["data"]["items"]
        assert "command line" in [one["who"] for one in log]


def test_migrate_makes_the_database_and_changes_nothing_the_second_time(tmp_path: Path):
    assert [command("migrate", "--data", str(tmp_path)) for _ in range(2)] == [(0, "", "")] * 2
    assert (tmp_path / "platform.sqlite3").exists()


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"DATABASE_URL": "mysql://root:very-secret@localhost/rvm"}, "DATABASE_URL"),
        ({"RVM_SERVER_HEARTBEAT_S": "soon"}, "RVM_SERVER_HEARTBEAT_S"),
        ({"RVM_SERVER_PUBLIC_URL": "platform"}, "RVM_SERVER_PUBLIC_URL"),
        ({"RVM_SERVER_OPERATOR_TOKEN": "short"}, "RVM_SERVER_OPERATOR_TOKEN"),
        ({"DATABASE_URL": "postgresql://rvm:very-secret@127.0.0.1:9/rvm"}, "rvm-server:"),
    ],
)
def test_a_setting_that_cannot_be_is_named_without_its_secrets(
    tmp_path: Path, environment: dict, word: str
):
    status, out, err = command("start", "--port", "0", "--data", str(tmp_path), **environment)
    assert (status, out) == (1, "")
    assert word in err
    assert "very-secret" not in err
    assert len(err.splitlines()) == 1


def test_help_teaches():
    status, out, _ = command("--help")
    assert status == 0
    for word in ("start", "migrate", "enrol-token", "openapi", "DATABASE_URL", "examples"):
        assert word in out


# ----- Misbehaving on request -----------------------------------------------------------------


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Remote, Machine]]:
    data = tmp_path_factory.mktemp("faulty")
    with running(data, RVM_SERVER_FAULTS="1") as (_, remote):
        yield remote, enrolled(remote)


def misbehave(remote: Remote, **fault) -> None:
    answer = remote.run(remote.http.put(f"{ROOT}/faults", json=fault))
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("kind", ["500", "502", "503", "429"])
def test_a_status_is_answered_so_many_times(faulty, kind: str):
    remote, machine = faulty
    misbehave(remote, kind=kind, path=f"{ROOT}/edge/commands", count=2, wait_s=7)
    answers = [machine.get("/edge/commands") for _ in range(3)]
    assert [one.status_code for one in answers] == [int(kind), int(kind), 200]
    assert answers[0].headers["retry-after"] == "7"


def test_a_page_comes_instead_of_json(faulty):
    remote, machine = faulty
    misbehave(remote, kind="html")
    answer = machine.get("/edge/commands")
    assert answer.headers["content-type"].startswith("text/html")


def test_an_answer_is_dropped_behind_the_commit(faulty):
    remote, machine = faulty
    misbehave(remote, kind="drop_after_commit", path=f"{ROOT}/deposits", method="POST")
    with pytest.raises(httpx.TransportError):
        machine.post("/deposits", machine.deposit(1001))
    assert machine.get("/deposits/rvm-1-1-1001").status_code == 200
    assert machine.post("/deposits", machine.deposit(1001)).status_code == 200


def test_a_request_is_dropped_before_anything_is_done(faulty):
    remote, machine = faulty
    misbehave(remote, kind="drop", path=f"{ROOT}/deposits", method="POST")
    with pytest.raises(httpx.TransportError):
        machine.post("/deposits", machine.deposit(1002))
    assert machine.post("/deposits", machine.deposit(1002)).status_code == 201


def test_a_body_is_huge(faulty):
    remote, machine = faulty
    misbehave(remote, kind="huge", bytes=5_000_000)
    assert len(machine.get("/edge/commands").content) > 5_000_000


def test_commands_come_again_until_it_behaves(faulty):
    remote, machine = faulty
    path = f"/fleet/machines/{machine_number(remote)}/commands"
    sent = operator(remote, "POST", path, {"type": "ping"}).json()["data"]
    machine.sends_report(sent["id"], "succeeded")
    misbehave(remote, kind="redeliver")
    again = machine.get("/edge/commands?after=99").json()["data"]["commands"]
    assert [one["id"] for one in again] == [sent["id"]]
    remote.run(remote.http.delete(f"{ROOT}/faults"))
    assert machine.get("/edge/commands").json()["data"]["commands"] == []


def machine_number(remote: Remote) -> int:
    machines = operator(remote, "GET", "/fleet/machines").json()["data"]["machines"]
    return machines[0]["rvm_id"]


def test_without_being_asked_to_it_does_not_know_how(tmp_path: Path):
    with running(tmp_path) as (_, remote):
        answer = remote.run(remote.http.put(f"{ROOT}/faults", json={"kind": "500"}))
        assert answer.status_code == 404
