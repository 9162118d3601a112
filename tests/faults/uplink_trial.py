"""A platform, a hostile proxy before it, a machine, and a judge who counts the money."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from actors.store.reading import describe
from config.settings import UplinkSettings
from protocol.platform import ROOT
from supervisors.testing import eventually
from tests.actors.uplink.certificates import Authority
from tests.faults.hostile_proxy import Proxy
from tests.faults.ledger_disks import findings, states
from tests.faults.uplink_machine import Plan
from tests.server.process import OPERATOR_TOKEN, ServerProcess

HARDWARE_ID = "rvm-1"
WORTH = 100
"""What the platform pays for an item."""
CALL_TIMEOUT_S = 2.0
"""Of the machine, instead of 20: black holes shall not be what the test's time goes to."""
TOKEN_S = 10.0
"""A token's life, instead of an hour: it ends again and again in mid-flight."""
_CHECKOUT = Path(__file__).parents[2]
_OTHER_TIME = "import time\n_right = time.time\ntime.time = lambda: _right() + {off_s}\n"
_ASK_S = 30.0


class Trial:
    """The platform and the proxy; `machine` runs one.

    Attributes:
        claims: of the machine's sessions, as far as they are closed.
    """

    def __init__(self, directory: Path, seed: int, *, off_s: float = 0.0) -> None:
        """Make it; see `on_trial`.

        Args:
            off_s: so far the platform's clock is ahead.
        """
        authority, other = Authority(directory / "ca"), Authority(directory / "other", "other")
        self.proxy = Proxy(seed, authority.server("localhost")[0], other.server("localhost")[0])
        self.claims: list[str] = []
        self._directory, self._off_s, self._authority = directory, off_s, authority
        self._machine = directory / "machine"
        self._machine.mkdir()
        self._platform: ServerProcess | None = None
        self._user = ""

    # -- the platform -----------------------------------------------------------------------------

    def start_platform(self) -> None:
        environment = {
            "RVM_SERVER_PUBLIC_URL": self.proxy.url,
            "RVM_SERVER_TOKEN_S": str(TOKEN_S),
            **self._at_another_time(self._off_s),
        }
        self._platform = ServerProcess(self._directory / "platform", **environment)
        self.proxy.upstream = int(self._platform.url.rpartition(":")[2])
        self._user = self._user or self.ask("/fleet/users", {"name": "Sari"})["token"]

    def kill_platform(self) -> None:
        if self._platform is not None:
            self._platform.kill()
            self._platform = None

    def ask(self, path: str, body: Any = None, token: str = OPERATOR_TOKEN) -> Any:
        """Straight, as the operator or with another token."""
        assert self._platform is not None
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = Request(f"{self._platform.url}{ROOT}{path}", data, headers)
        with urlopen(request, timeout=_ASK_S) as answer:
            return json.loads(answer.read())["data"]

    def rows(self) -> list[tuple[str, str, int]]:
        """Key, state and worth of every deposit, straight from the platform's database."""
        file = self._directory / "platform" / "platform.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            return list(database.execute("SELECT key, state, reward FROM deposits"))

    def age_s(self) -> float:
        """By how much the platform's clock says that its oldest deposit was late."""
        file = self._directory / "platform" / "platform.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT max(received_at - at) FROM deposits").fetchone()
        return float(found[0])

    # -- the machine ------------------------------------------------------------------------------

    def plan(self, items: int, pause_s: float) -> None:
        """What the machine will do; it enrols by itself, with a token in a file."""
        token = self._machine / "enrolment.token"
        token.write_text(self.ask("/fleet/enrolment-tokens", {"hardware_id": HARDWARE_ID})["token"])
        token.chmod(0o600)
        uplink = UplinkSettings(
            server_url=self.proxy.url,
            ca_file=str(self._authority.file),
            enrolment_token_file=str(token),
            call_timeout_s=CALL_TIMEOUT_S,
            probe_s=0.5,
            retry_after_s_max=2.0,
        )
        plan = Plan(HARDWARE_ID, items, pause_s, uplink)
        (self._machine / "plan.json").write_bytes(msgspec.json.encode(plan))

    @contextmanager
    def machine(self, *, off_s: float = 0.0) -> Iterator[Run]:
        """A run of it, killed at the end if it has not ended.

        Args:
            off_s: so far its clock is ahead.
        """
        run = Run(self._machine, self._at_another_time(off_s))
        try:
            yield run
        finally:
            run.kill()
            self.claims += run.claims

    def _at_another_time(self, off_s: float) -> dict[str, str]:
        """The environment of a process whose clock is off."""
        if not off_s:
            return {}
        place = self._directory / f"off-{off_s:.0f}"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(_OTHER_TIME.format(off_s=off_s))
        return {"PYTHONPATH": f"{place}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}

    # -- the judge --------------------------------------------------------------------------------

    def redeem(self) -> None:
        """The customer redeems what the machine has given him so far, again and again."""
        for claim in self.claims:
            self.ask("/claims", {"token": claim}, self._user)

    def assert_delivered(self) -> int:
        """Ledger and platform agree, nothing waits or was put aside; how many are paid for."""
        told = {id_: state for id_, state in states(self._machine).items() if state in _TOLD}
        credited = [id_ for id_, state in told.items() if state == "credited"]
        rows = self.rows()
        there = {key: state for key, state, _ in rows}
        assert not told.keys() - there.keys(), f"lost: {sorted(told.keys() - there.keys())}"
        assert not there.keys() - told.keys(), f"invented: {sorted(there.keys() - told.keys())}"
        assert there == told, "one says credited, the other does not"
        assert len(rows) == len(told), "one is there twice"
        assert {worth for _, state, worth in rows if state == "credited"} <= {WORTH}, rows
        left = describe(self._machine, 1 << 30)
        assert not any(left.outbox.values()), left.outbox
        assert not any(left.dead.values()), left.dead
        found = findings(self._machine)
        assert not found, found
        return len(credited)

    def assert_paid_once(self) -> None:
        """And the customer has what he is owed."""
        self.redeem()
        credited = self.assert_delivered()
        assert credited > 0
        total = self.ask("/me", token=self._user)["total"]
        assert total == WORTH * credited, f"{total} for {credited} items"

    def assert_kept_secret(self) -> None:
        """No token that went over the wire is in a URL, or in anything the machine has written."""
        heads = [head.decode() for head in self.proxy.asked]
        tokens = {word for head in heads for word in _bearers(head)}
        tokens.add((self._machine / "enrolment.token").read_text())
        assert len(tokens) > 1
        written = [each.read_bytes() for each in self._machine.rglob("*") if _may_be_read(each)]
        for token in tokens:
            assert not any(token in head.split("\r\n")[0] for head in heads)
            assert not any(token.encode() in content for content in written)


_TOLD = frozenset(("credited", "review"))
"""What the platform hears of at all."""


def _bearers(head: str) -> list[str]:
    lines = head.split("\r\n")
    return [line.split()[-1] for line in lines if line.lower().startswith("authorization:")]


def _may_be_read(file: Path) -> bool:
    return file.is_file() and file.name != "enrolment.token"


@contextmanager
def on_trial(directory: Path, seed: int, *, off_s: float = 0.0) -> Iterator[Trial]:
    trial = Trial(directory, seed, off_s=off_s)
    with trial.proxy.running():
        trial.start_platform()
        try:
            yield trial
        finally:
            trial.kill_platform()


class Run:
    """One run of `tests.faults.uplink_machine`, in a process of its own."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.faults.uplink_machine", str(directory)]
        self.process = subprocess.Popen(
            command,
            cwd=_CHECKOUT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: list[str] = []
        self._errors: list[str] = []
        streams = ((self.process.stdout, self._said), (self.process.stderr, self._errors))
        self._readers = [threading.Thread(target=_read, args=pair) for pair in streams]
        for reader in self._readers:
            reader.start()

    @property
    def claims(self) -> list[str]:
        return [line.partition(" ")[2] for line in list(self._said) if line.startswith("claim ")]

    def ends_within(self, timeout_s: float) -> bool:
        """Whether it has ended by then; if not, it goes on."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def until_served(self, timeout_s: float) -> None:
        """Until the last item is in the ledger."""
        eventually(lambda: self.claims or self.process.poll() is not None, timeout_s)

    def until_empty(self, timeout_s: float) -> None:
        """Until the platform has everything."""
        eventually(lambda: "empty" in self._said or self.process.poll() is not None, timeout_s)
        assert self.process.wait(timeout_s) == 0, "".join(self._errors)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def _read(stream: Any, lines: list[str]) -> None:
    lines.extend(line.rstrip("\n") for line in stream)
