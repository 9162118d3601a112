"""Whose turn it is: what waits begins when nothing is in its way, and is seen to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from actors.uplink.commands.journal import Change, Journal
from actors.uplink.commands.readings import read
from actors.uplink.commands.telling import Telling
from actors.uplink.commands.work import Outcome, Work
from models.remote import lifecycle
from models.remote.catalogue import Entry, Interruption, NotTaken, look_up
from models.remote.conditions import PRECONDITION, Obstacle, obstacle
from models.remote.lifecycle import Moment
from models.remote.turn import Turn, may_begin
from models.uplink.again import full_jitter_s
from protocol.platform.remote import CommandState
from protocol.storage import CommandRecord
from supervisors.context import AsyncContext, RequestFailed

AGAIN_S, AGAIN_S_MAX = 1.0, 60.0
"""Between two tries of what has failed."""
OBSTACLE_S = 1.0
"""So often it is looked whether what is in the way of a command has gone."""
_TEXT_MAX = 200


class Desk:
    """See the module."""

    def __init__(
        self,
        ctx: AsyncContext,
        to: Mapping[str, str],
        journal: Journal,
        telling: Telling,
        work: Work,
        moment: Callable[[], Moment],
        on_rejected: Callable[[CommandRecord], None],
    ) -> None:
        """Args: to: addresses; moment: gives now; on_rejected: told of what was not taken."""
        self._ctx = ctx
        self._to = to
        self._journal = journal
        self._telling = telling
        self._work = work
        self._moment = moment
        self._on_rejected = on_rejected
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    def news(self) -> None:
        """There is another command, or something has ended."""
        self._news.set()

    async def run(self) -> None:
        """Begin what may begin, for as long as the actor lives."""
        while True:
            self._news.clear()
            try:
                pause_s = await self._round()
            except RequestFailed as error:
                self._note_refused(error)
                pause_s = AGAIN_S
            try:
                await asyncio.wait_for(self._news.wait(), pause_s)
            except asyncio.TimeoutError:
                pass  # time may have changed something

    async def _round(self) -> float | None:
        """Look at everything that waits; returns when to look again, None: when there is news."""
        looked_at: set[str] = set()
        self._go_on()
        is_obstructed = not await self._expire()
        while True:
            turns = may_begin(self._waiting(), self._at_work())
            turn = next((each for each in turns if each.record.id not in looked_at), None)
            if turn is None:
                break
            looked_at.add(turn.record.id)
            try:
                is_obstructed |= not await self._look_at(turn)
            except RequestFailed as error:
                self._heed(error)
                is_obstructed = True
        if is_obstructed:
            return OBSTACLE_S
        return min((self._left_s(record) for record in self._waiting()), default=None)

    def _go_on(self) -> None:
        """Carry out what runs by the journal and is in nobody's hands.

        It only reads and was interrupted, or the answer to its beginning was lost.
        """
        for record in list(self._journal.records.values()):
            if record.state == "running" and record.id not in self._running:
                self._spawn(record)

    def _heed(self, error: RequestFailed) -> None:
        """One that cannot be written keeps no other waiting; a store that hangs keeps them all."""
        if error.code == "timeout":
            raise error
        self._note_refused(error)

    def _note_refused(self, error: RequestFailed) -> None:
        self._ctx.log("commands_wait", level="warning", why=str(error)[:_TEXT_MAX])

    def _waiting(self) -> list[CommandRecord]:
        records = self._journal.records.values()
        return [each for each in records if each.state in ("received", "accepted")]

    def _at_work(self) -> list[CommandRecord]:
        records = self._journal.records
        return [records[id_] for id_ in self._running if id_ in records]

    def _left_s(self, record: CommandRecord) -> float:
        return max(record.due_s - self._ctx.clock.monotonic(), 0.001)

    async def _expire(self) -> bool:
        """End what has had its time; whether all of it could be written."""

        def expire(now: CommandRecord) -> CommandRecord:
            return lifecycle.expired(now, self._moment()) or now

        is_done = True
        for record in self._waiting():
            if lifecycle.expired(record, self._moment()) is not None:
                try:
                    await self._change(record.id, expire)
                except RequestFailed as error:
                    self._heed(error)
                    is_done = False
        return is_done

    async def _look_at(self, turn: Turn) -> bool:
        """Begin a command, or say why not; False: what is in its way passes."""
        record = turn.record
        try:
            entry, args = look_up(record.type, record.args)
        except NotTaken as error:  # an earlier release took it
            await self._step(record.id, "rejected", error.code, str(error))
            return True
        found = await self._obstacle(entry, args)
        if found is None:
            await self._begin(record)
        elif not found.passes:
            await self._step(record.id, "rejected", PRECONDITION, found.detail)
        elif record.state == "received":
            await self._step(record.id, "accepted", "waits", found.detail)
        return found is None or not found.passes

    async def _obstacle(self, entry: Entry, args: msgspec.Struct) -> Obstacle | None:
        """What is in its way, as the machine is now."""
        if not entry.needs:
            return None
        is_forced = isinstance(args, Interruption) and bool(args.force_because.strip())
        readings = await read(self._ctx, self._to, entry)
        return obstacle(entry, readings, is_forced=is_forced)

    async def _begin(self, record: CommandRecord) -> None:
        """It runs from when the journal says so; what is late by then does not."""

        def begin(now: CommandRecord) -> CommandRecord:
            moment = self._moment()
            late = lifecycle.expired(now, moment)
            if late is not None:
                return late
            if now.state == "received":
                now = lifecycle.step(now, "accepted", moment)
            return lifecycle.step(now, "running", moment) if now.state == "accepted" else now

        begun = await self._change(record.id, begin)
        if begun.state == "running" and begun.id not in self._running:
            self._ctx.emit("command", id=begun.id, type=begun.type, issuer=begun.issuer)
            self._spawn(begun)

    # -- one of them ----------------------------------------------------------------------------

    def _spawn(self, record: CommandRecord) -> None:
        self._running[record.id] = self._ctx.spawn(self._carry_out(record))

    async def _carry_out(self, record: CommandRecord) -> None:
        """Do it, and see to its end.

        The journal may have taken half a minute to say that it runs, and the machine is looked at
        once more: a hand, a door, a customer may have come.
        """
        entry, args = look_up(record.type, record.args)
        found = await self._obstacle(entry, args)
        if found is None:
            outcome = await self._work.carry_out(record, entry, args)
        else:
            outcome = Outcome("failed", PRECONDITION, found.detail)
        await self._end(record, outcome)
        del self._running[record.id]
        self._news.set()

    async def _end(self, record: CommandRecord, outcome: Outcome) -> None:
        """Write how it ended, for as long as it takes: it must not be done a second time."""
        fails = 0
        while True:
            try:
                await self._step(
                    record.id, outcome.state, outcome.code, outcome.detail, outcome.result
                )
                break
            except RequestFailed as error:
                self._ctx.note(trouble=f"the end of a command cannot be written: {error}")
                fails += 1
                await asyncio.sleep(
                    full_jitter_s(fails, self._ctx.rng.random(), AGAIN_S, AGAIN_S_MAX)
                )
        if fails:
            self._ctx.note(trouble=None)
        ended = {"id": record.id, "type": record.type, "state": outcome.state}
        self._ctx.emit("command_ended", **ended, code=outcome.code)

    # -- private --------------------------------------------------------------------------------

    async def _step(
        self,
        id_: str,
        state: CommandState,
        code: str = "",
        detail: str = "",
        result: Mapping[str, object] | None = None,
    ) -> None:
        def step(now: CommandRecord) -> CommandRecord:
            if not lifecycle.may(now, state):  # this very step was written before, and not answered
                return now
            return lifecycle.step(now, state, self._moment(), code, detail, result)

        after = await self._change(id_, step)
        if after.state == "rejected":
            self._on_rejected(after)

    async def _change(self, id_: str, change: Change) -> CommandRecord:
        after = await self._journal.change(id_, change)
        self._telling.news()
        return after
