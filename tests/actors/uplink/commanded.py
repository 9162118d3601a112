"""A machine's commands actor between a platform and neighbours that the test speaks for."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.storage import Storage
from actors.uplink.commands import Commands
from config.settings import MotorSettings, StorageSettings, UplinkSettings
from protocol.daemon import (
    CollectDiagnostics,
    DescribeMachine,
    EndRun,
    FileMade,
    MachineDescribed,
    RestartActor,
    RotateLogs,
)
from protocol.machine import (
    GuardChanged,
    Inputs,
    Move,
    MoveDone,
    ReadGuard,
    ReadInputs,
    Renew,
    StopMotors,
)
from protocol.message import Done, Failed, Message
from protocol.service import (
    CycleDescribed,
    DescribeCycle,
    DescribeSession,
    EnterMaintenance,
    LeaveMaintenance,
    SessionDescribed,
    SessionStarted,
    StartSession,
)
from protocol.storage import (
    CommandRecord,
    CommandsFound,
    CommandsListed,
    CommandsStored,
    CommandWrite,
    FindCommands,
    ListCommands,
    OpenCommands,
    PutOutbox,
    StoreCommands,
)
from protocol.uplink import Call, Called, LinkChanged, Reached, Rung
from supervisors import Actor, ChildSpec, RequestFailed, handles
from supervisors.actor import LATER
from supervisors.testing import PATIENCE_S, eventually
from tests.actors.runtime import tree

LIMITS = StorageSettings(map_mb=2, map_mb_max=64)
MOTOR = MotorSettings(gate_run_s_max=0.2, renew_s=0.02, lease_s=0.1)
IDLE = CycleDescribed("idle", "", 0)
MAINTAINED = CycleDescribed("service", "", 0, closed="service", remote=True)
NOBODY = SessionDescribed(is_open=False, credited=0, refused=0)
SOMEBODY = SessionDescribed(is_open=True, credited=1, refused=0, session="m-s-1-1")
SAFE = GuardChanged(1, door_closed=True, estop_released=True, gate="closed", beam_gate=False)
CLEAR = Inputs({"entry": False, "inside": False, "exit": False, "drop": False})
CUSTOMER = {"user": "u-1", "code": "C0DE"}


class Platform:
    """What it has to say, and what it was told.

    Attributes:
        refuses_reports, refuses_fetches: the answer to every one, while it is not None.
        refusals: of reports, so far.
        cannot_take: commands whose reports are answered with 500.
        ignores_cursor: it always gives everything.
        raw: the answer to a fetch, while it is not None.
        is_near: its answers arrive.
    """

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.raw: bytes | None = None
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.fetches = 0
        self.refusals = 0
        self.refuses_reports: Called | Failed | None = None
        self.refuses_fetches: Called | Failed | None = None
        self.cannot_take: set[str] = set()
        self.ignores_cursor = False
        self.page_max = 1000
        self.lock = threading.Lock()
        self.is_near = threading.Event()
        self.is_near.set()

    def wish(self, type_: str, id_: str = "", **more: Any) -> str:
        with self.lock:
            seq = len(self.commands) + 1
            id_ = id_ or f"cmd-{seq:05}"
            known = {"seq": seq, "id": id_, "type": type_, "ttl_s": 60.0, "issuer": "ops"}
            self.commands.append({**known, **more})
        return id_

    def answer(self, call: Call) -> Called | Failed:
        with self.lock:
            if call.method == "GET":
                self.fetches += 1
                return self.refuses_fetches or Called(200, self._page(call))
            id_ = call.path.split("/")[3]
            if self.refuses_reports is not None or id_ in self.cannot_take:
                self.refusals += 1
                return self.refuses_reports or Called(500)
            self.told.append((id_, json.loads(call.body)))
            return Called(200, b"{}")

    def _page(self, call: Call) -> bytes:
        if self.raw is not None:
            return self.raw
        after = 0 if self.ignores_cursor else int(call.path.rpartition("=")[2])
        page = [each for each in self.commands if each["seq"] > after][: self.page_max]
        return json.dumps({"commands": page, "last": len(self.commands)}).encode()

    def states(self, id_: str) -> list[str]:
        return [report["state"] for told, report in list(self.told) if told == id_]

    def last(self, id_: str) -> dict[str, Any]:
        return [report for told, report in list(self.told) if told == id_][-1]


class Doubts:
    """What goes wrong on the way to the store and back.

    Attributes:
        on_write: told of each write before it is done.
        on_find: told of each question for known commands.
        loses: whether the answer to this write, which has been done, is lost.
        refuses: whether this write is refused, and not done.
    """

    def __init__(self) -> None:
        self.on_write: Callable[[CommandWrite], object] = lambda _write: None
        self.on_find: Callable[[], object] = lambda: None
        self.loses: Callable[[CommandWrite], bool] = lambda _write: False
        self.refuses: Callable[[CommandWrite], bool] = lambda _write: False


class DoubtfulStorage(Actor):
    """Stands between the commands and their real storage."""

    def __init__(self, doubts: Doubts) -> None:
        self.doubts = doubts

    @handles(StoreCommands)
    def store(self, message: StoreCommands) -> Message:
        for write in message.writes:
            self.doubts.on_write(write)
        if any(self.doubts.refuses(write) for write in message.writes):
            return Failed("store_failed", "its row is damaged")
        stored = self._pass_on(message, CommandsStored)
        if any(self.doubts.loses(write) for write in message.writes):
            return Failed("timeout", "the answer was lost")
        return stored

    @handles(FindCommands)
    def find(self, message: FindCommands) -> Message:
        self.doubts.on_find()
        return self._pass_on(message, CommandsFound)

    @handles(OpenCommands)
    def open(self, message: OpenCommands) -> Message:
        return self._pass_on(message, CommandsFound)

    @handles(PutOutbox)
    def put(self, message: PutOutbox) -> Message:
        return self._pass_on(message, Done)

    def _pass_on(self, message: Message, reply: type[Message]) -> Message:
        try:
            answer: Message = self.ctx.request("/storage", message, reply=reply)
        except RequestFailed as error:
            return Failed(error.code, error.detail)
        return answer


class PlatformLink(Actor):
    """Stands for the link."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    @handles(Call)
    def call(self, message: Call) -> Called | Failed:
        answer = self.platform.answer(message)
        assert self.platform.is_near.wait(PATIENCE_S)
        return answer

    @handles(Reached)
    def reached(self, message: Reached) -> None:
        """Not of interest."""


class World:
    """How the neighbours answer, and what they heard."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.answers: dict[type[Message], Any] = {
            DescribeCycle: IDLE,
            DescribeSession: NOBODY,
            ReadGuard: SAFE,
            ReadInputs: CLEAR,
            StartSession: SessionStarted("m-s-1-1", "user"),
            DescribeMachine: MachineDescribed("ok", {}, {}),
        }

    def times(self, kind: type[Message]) -> int:
        return sum(isinstance(each, kind) for each in list(self.heard))


class Neighbours(Actor):
    """Everybody else; `None` as an answer keeps the asker waiting."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _hear(self, message: Message) -> Any:
        self.world.heard.append(message)
        answer = self.world.answers.get(type(message), Done())
        if isinstance(message, Move) and isinstance(answer, MoveDone):
            self.ctx.tell(self.ctx.sender, msgspec.structs.replace(answer, move=message.move))
        return LATER if answer is None else answer

    for _kind in (
        DescribeCycle, DescribeSession, ReadGuard, ReadInputs, StartSession, DescribeMachine,
        EnterMaintenance, LeaveMaintenance, Move, Renew, StopMotors, RestartActor, RotateLogs,
        CollectDiagnostics, EndRun, Rung,
    ):  # fmt: skip
        locals()[f"hear_{_kind.__name__}"] = handles(_kind)(
            lambda self, message: self._hear(message)
        )


class Place:
    def __init__(self, sup: Any, events: Any, platform: Platform, world: World) -> None:
        self.sup, self.events, self.platform, self.world = sup, events, platform, world

    def ring(self) -> None:
        self.sup.tell("commands", Rung("command"))

    def open(self) -> None:
        self.sup.tell("commands", LinkChanged(is_open=True, grade="server", path="direct"))

    def ended(self, id_: str) -> dict[str, Any]:
        """The end of a command, as the platform was told."""
        finals = ("succeeded", "failed", "timed_out", "rejected", "expired")
        eventually(lambda: any(state in finals for state in self.platform.states(id_)))
        return self.platform.last(id_)

    def asked(self, type_: str, id_: str = "", **more: Any) -> dict[str, Any]:
        """Ask for something, and wait for its end."""
        id_ = self.platform.wish(type_, id_, **more)
        self.ring()
        return self.ended(id_)

    @property
    def records(self) -> dict[str, CommandRecord]:
        listed = self.sup.request("storage", ListCommands(1000), reply=CommandsListed)
        return {record.id: record for record in listed.records}

    def settled(self) -> None:
        """Everything has ended, was told, and that is written down."""

        def is_so() -> bool:
            records = self.records.values()
            return all(not each.reports and not each.repeats for each in records)

        eventually(is_so)


@contextmanager
def commanded(
    tmp_path: Path,
    platform: Platform | None = None,
    world: World | None = None,
    doubts: Doubts | None = None,
    **limits: Any,
) -> Iterator[Place]:
    """Run it; a second time on the same directory is the next run of the program."""
    platform, world = platform or Platform(), world or World()
    names = (
        "motor",
        "sensors",
        "deposit",
        "session",
        "daemon",
        "sync",
        "camera",
        "inference",
        "reports",
    )
    addresses = dict.fromkeys((*names, "health"), "/around")
    args = {
        "limits": UplinkSettings(**limits),
        "motor": MOTOR,
        "addresses": {**addresses, "storage": "/doubtful", "link": "/link"},
        "models": "/models",
    }
    with tree(
        ChildSpec("storage", Storage, args={"directory": str(tmp_path), "limits": LIMITS}),
        ChildSpec("doubtful", DoubtfulStorage, args={"doubts": doubts or Doubts()}),
        ChildSpec("link", PlatformLink, args={"platform": platform}),
        ChildSpec("around", Neighbours, args={"world": world}),
        ChildSpec("commands", Commands, args=args),
    ) as (sup, events):
        yield Place(sup, events, platform, world)


def made(path: Path) -> FileMade:
    path.write_bytes(b"what helps")
    return FileMade(str(path), "application/gzip", 10, "0" * 64)
