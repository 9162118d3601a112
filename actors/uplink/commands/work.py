"""What one command becomes, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from config.settings import MotorSettings
from models.claims import clock_quality
from models.remote.catalogue import Around, Entry
from protocol.daemon import FileMade, RestartActor
from protocol.machine import Move, MoveDone, MoveFailed, Renew, StopMotors
from protocol.message import Done, Message
from protocol.platform.media import FileMetadata
from protocol.platform.remote import CommandState
from protocol.storage import CommandRecord, PutOutbox
from supervisors.context import AsyncContext, RequestFailed
from supervisors.mailbox import Put

ANSWER_S = 1.0
"""The guard tells of the end of a movement within that time after its longest run."""
END_S = 60.0
"""An orderly stop takes eight seconds; whoever is still there after this has not stopped."""
_STORE_S = 35.0


class Outcome(NamedTuple):
    """How a command ended."""

    state: CommandState
    code: str = ""
    detail: str = ""
    result: Mapping[str, Any] = {}


class Work:
    """Carries commands out; one of each address at a time, which is the caller's to see to."""

    def __init__(
        self, ctx: AsyncContext, to: Mapping[str, str], motor: MotorSettings, models: str
    ) -> None:
        """Args: to: addresses; motor: lease and runs; models: directory of installed models."""
        self._ctx = ctx
        self._to = to
        self._motor = motor
        self._models = models
        self._moved: dict[str, asyncio.Future[MoveDone | MoveFailed]] = {}

    async def carry_out(self, record: CommandRecord, entry: Entry, args: msgspec.Struct) -> Outcome:
        """Do it; always comes to an end, at the latest with its deadline."""
        around = Around(record.id, record.issuer, self._models)
        message = entry.message(args, around)
        address = self._to[entry.to] if entry.to != "named" else getattr(args, "address", "")
        deadline_s = self.deadline_s(entry)
        try:
            return await asyncio.wait_for(
                self._carry_out(record, entry, address, message), deadline_s
            )
        except asyncio.TimeoutError:
            return Outcome("timed_out", "timeout", f"no end within {deadline_s:g} s")
        except RequestFailed as error:
            state: CommandState = "timed_out" if error.code == "timeout" else "failed"
            return Outcome(state, error.code, error.detail)

    def deadline_s(self, entry: Entry) -> float:
        """Within this there is an end; a movement's is for its guard's limits to say."""
        if entry.way == "move":
            return self._patience_s + ANSWER_S
        return END_S if entry.way == "end_run" else entry.deadline_s

    @property
    def _patience_s(self) -> float:
        """The longest run, the pause before it, and the word about it."""
        return self._motor.gate_run_s_max + self._motor.dead_time_s + ANSWER_S

    async def _carry_out(
        self, record: CommandRecord, entry: Entry, address: str, message: Message
    ) -> Outcome:
        if isinstance(message, RestartActor) and self._is_ours(message.address):
            return Outcome(
                "failed", "refused", "whoever carries this out cannot be restarted by it"
            )
        if entry.way == "tell":
            return self._tell(address, message)
        if entry.way == "move":
            assert isinstance(message, Move)
            return await self._move(address, message)
        if entry.way == "file":
            return await self._file(record, address, message, entry.deadline_s)
        if entry.way == "end_run":
            return await self._end_run(address, message)
        answer = await self._ctx.request(address, message, timeout_s=entry.deadline_s)
        return _told(answer)

    def _is_ours(self, address: str) -> bool:
        return f"{self._ctx.path}/".startswith(f"{address}/") or address == self._to["daemon"]

    def _tell(self, address: str, message: Message) -> Outcome:
        put = self._ctx.tell(address, message)
        if put is Put.OK:
            return Outcome("succeeded")
        return Outcome("failed", put.value, f"{address} does not take it")

    # -- files ----------------------------------------------------------------------------------

    async def _file(
        self, record: CommandRecord, address: str, message: Message, timeout_s: float
    ) -> Outcome:
        """Have a file made, and leave it to the outbox; the result names it."""
        made: FileMade = await self._ctx.request(
            address, message, timeout_s=timeout_s, reply=FileMade
        )
        at = self._ctx.clock.wall()
        name = Path(made.path).name
        metadata = FileMetadata(
            key=name,
            name=name,
            content_type=made.content_type,
            size=made.size,
            sha256=made.sha256,
            timestamp=datetime.fromtimestamp(at, timezone.utc).isoformat(),
            clock_quality=clock_quality(at),
            more={"command": record.id},
        )
        body = msgspec.msgpack.encode({"path": made.path, "metadata": metadata})
        put = PutOutbox("media", name, "file", body)
        await self._ctx.request(self._to["storage"], put, timeout_s=_STORE_S, reply=Done)
        return Outcome("succeeded", result={"file": name, "size": made.size, "sha256": made.sha256})

    # -- movements ------------------------------------------------------------------------------

    def moved(self, message: MoveDone | MoveFailed) -> None:
        """The guard tells how a movement ended."""
        future = self._moved.get(message.move)
        if future is not None and not future.done():
            future.set_result(message)

    async def _move(self, address: str, move: Move) -> Outcome:
        """Move under a lease: without us the motor stands within its fraction of a second."""
        move = replace(move, run_s=self._motor.gate_run_s_max)
        ended: asyncio.Future[MoveDone | MoveFailed]
        ended = self._moved[move.move] = asyncio.get_running_loop().create_future()
        try:
            put = self._ctx.tell(address, move, ttl_s=self._motor.lease_s)
            if put is not Put.OK:
                return Outcome("failed", put.value, "the guard does not take it")
            is_over = await self._renewed(address, move.move, ended, self._patience_s)
        finally:
            del self._moved[move.move]
            if not ended.done() or ended.cancelled():
                self._ctx.tell(address, StopMotors("a remote command was given up"))
        if not is_over:
            return Outcome("timed_out", "timeout", "the guard does not tell how it ended")
        end = ended.result()
        result = {key: value for key, value in msgspec.to_builtins(end).items() if key != "type"}
        if isinstance(end, MoveDone):
            return Outcome("succeeded", result=result)
        return Outcome("failed", end.reason, end.detail, result)

    async def _renewed(
        self, address: str, name: str, ended: asyncio.Future[Any], patience_s: float
    ) -> bool:
        """Renew the lease until the movement has ended; whether it has, in time."""
        renew_s, left_s = self._motor.renew_s, patience_s
        while left_s > 0 and not ended.done():
            await asyncio.wait((ended,), timeout=renew_s)
            left_s -= renew_s
            if not ended.done():
                self._ctx.tell(address, Renew(name), ttl_s=self._motor.lease_s)
        return ended.done()

    # -- the end of the run ---------------------------------------------------------------------

    async def _end_run(self, address: str, message: Message) -> Outcome:
        """Ask for the end of all this. What comes of it is known to the next run."""
        await self._ctx.request(address, message, timeout_s=ANSWER_S * 10, reply=Done)
        await asyncio.get_running_loop().create_future()  # ended from outside, or by the deadline
        return Outcome("failed", "still_here", "the daemon has not ended")


def _without_claims(value: Any) -> Any:
    """A claim pays whoever shows it; it is between the customer and the screen.

    What goes into a result is read by people at the platform, and stays in the journal.
    """
    if isinstance(value, dict):
        return {
            key: "***" if key == "claim" and item else _without_claims(item)
            for key, item in value.items()
        }
    return [_without_claims(item) for item in value] if isinstance(value, list) else value


def _told(answer: Any) -> Outcome:
    """What an actor's answer says; one that refuses in its own words has not done it."""
    plain = _without_claims(msgspec.to_builtins(answer))
    if not isinstance(plain, dict):
        return Outcome("succeeded", result={"value": plain})
    result = {str(key): value for key, value in plain.items() if key != "type"}
    refused = result.get("refused")
    if isinstance(refused, str) and refused:
        return Outcome("failed", "refused", refused, result)
    return Outcome("succeeded", result=result)
