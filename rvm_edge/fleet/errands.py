"""Remote commands of one machine: fetched when rung; `ping` is answered, others rejected."""

from __future__ import annotations

import msgspec

from actors.uplink.way import CallFailed
from models.remote import lifecycle
from models.remote.lifecycle import Moment
from protocol.platform.remote import Command, Commands
from protocol.storage import CommandRecord
from protocol.uplink import Call
from rvm_edge.fleet.bell import Ask
from rvm_edge.fleet.tally import Tally
from supervisors.clock import Clock

_OK = range(200, 300)


class Errands:
    """See the module.

    Attributes:
        cursor: the newest command that has been answered.
    """

    def __init__(self, ask: Ask, clock: Clock, tally: Tally) -> None:
        """Args: ask: the platform, with this machine's token."""
        self._ask = ask
        self._clock = clock
        self._tally = tally
        self._is_busy = self._is_rung = False
        self.cursor = 0

    async def rung(self) -> None:
        """Fetch; rung once more meanwhile, fetch once more. What fails is told again by a pulse."""
        self._is_rung = True
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._is_rung:
                self._is_rung = False
                await self._fetch()
        except CallFailed:
            pass  # counted where it was asked; the next ring or pulse asks again
        finally:
            self._is_busy = False

    async def _fetch(self) -> None:
        called = await self._ask(Call("GET", f"/edge/commands?after={self.cursor}"))
        if called.status not in _OK:
            return
        try:
            page = msgspec.json.decode(called.body, type=Commands)
        except msgspec.MsgspecError:
            self._tally.failed("strange")
            return
        for command in page.commands:
            if command.seq > self.cursor:
                await self._answer(command)
                self.cursor = command.seq
                self._is_rung = self._is_rung or self.cursor < page.last

    async def _answer(self, command: Command) -> None:
        """Raises: CallFailed: the platform has not heard all of it."""
        record = self._carry_out(command)
        while (report := lifecycle.next_report(record)) is not None:
            body = msgspec.json.encode(report)
            path, key = f"/edge/commands/{record.id}/reports", f"{record.id}-{report.state}"
            called = await self._ask(Call("POST", path, body, key=key))
            if called.status not in _OK:
                raise CallFailed("paused", f"HTTP {called.status}")
            record = lifecycle.told(record, report)
        is_ping = command.type == "ping" and record.state == "succeeded"
        self._tally.counts["pings" if is_ping else "other_commands"] += 1

    def _carry_out(self, command: Command) -> CommandRecord:
        moment = Moment(self._clock.wall(), self._clock.monotonic(), "simulated", "simulated")
        record = lifecycle.received(command, moment)
        if record.state != "received":
            return record
        if command.type != "ping":
            detail = "a simulated machine of a fleet only answers ping"
            return lifecycle.step(record, "rejected", moment, "simulated", detail)
        record = lifecycle.step(record, "accepted", moment)
        record = lifecycle.step(record, "running", moment)
        return lifecycle.step(record, "succeeded", moment)
