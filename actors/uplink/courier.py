"""The courier: takes what waits in the outbox to the platform, each record exactly once in effect.

Owns the knowledge of what is on its way and what comes later.
Hears `LinkChanged` from the link, `OutboxGrew` from storage.
Says `Call` to the link; `PeekOutbox`, `AckOutbox`, `RefuseOutbox`, `WatchOutbox` to storage.

Money goes before events, those before telemetry; of each, what has just happened goes before what
waited, and while new money is on its way nothing old departs. A record leaves the outbox when the
platform says that it has it, or never will take it; where nobody knows, it is sent again under its
own key. One that has to wait holds up no other. Pictures have an actor of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Literal

from config.settings import UplinkSettings
from models.uplink import pace
from models.uplink.again import full_jitter_s
from models.uplink.lane import NEWEST, Fetch, Lane
from models.uplink.outcomes import Outcome, judge
from models.uplink.pace import Pace
from models.uplink.payloads import Batch, Part, Unsendable, batches, halves, part_of
from protocol.message import Message
from protocol.storage import (
    AckOutbox,
    Outbox,
    OutboxAcked,
    OutboxGrew,
    OutboxRecord,
    PeekOutbox,
    RefuseOutbox,
    WatchOutbox,
)
from protocol.uplink import Call, Called, LinkChanged
from supervisors import AsyncActor, handles
from supervisors.context import AsyncContext, RequestFailed

Class = Literal["money", "event", "telemetry"]
CLASSES: tuple[Class, ...] = ("money", "event", "telemetry")
"""In this order. A machine's status is told by who knows it, and always the newest."""

FLIGHTS_MAX = pace.FLIGHTS_MAX + 1
"""Batches on their way. One place is always left for what is new."""
_HOLD_S = 2.0
"""While new money is on its way nothing old departs, but not for longer: a platform that is slow
to everything would never get the backlog."""
_WATCH_S = 10.0
"""Storage may have been restarted and forgotten that somebody watches."""
_LATER_S, _LATER_S_MAX = 1.0, 300.0
_PAUSE_S, _PAUSE_S_MAX = 1.0, 60.0
_STORE_AGAIN_S = 1.0
_GRACE_S = 5.0
"""The link answers in the time it was given; a little more is for the messages."""


class _Watch(Message, frozen=True, tag="uplink.courier_watch"):
    """Courier to itself: is storage still telling?"""


class Courier(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self, limits: UplinkSettings, link: str = "/uplink/link", storage: str = "/storage"
    ) -> None:
        """Args: link, storage: their addresses."""
        self._limits = limits
        self._link = link
        self._storage = storage
        self._lanes: dict[Class, Lane] = {name: Lane() for name in CLASSES}
        self._is_open = False
        self._is_known = False
        self._pace = Pace()
        self._flights = self._old_flights = self._new_money = 0
        self._held_until_s = 0.0
        self._sent = self._refused = 0
        self._why = ""
        self._news: asyncio.Event

    async def on_start(self) -> None:
        """Wait for the way to open."""
        self._news = asyncio.Event()
        self.ctx.schedule_once(0.0, _Watch())
        self.ctx.schedule_every(_WATCH_S, _Watch())
        self.ctx.spawn(self._work())

    # -- what others say ------------------------------------------------------------------------

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """Begin at the beginning when the way opens; what is on its way stays so."""
        was_open, self._is_open = self._is_open, message.is_open
        if message.is_open and not was_open:
            self._is_known = False
            self.ctx.schedule_once(0.0, _Watch())

    @handles(_Watch)
    async def watch(self, message: _Watch) -> None:
        """Find out how the outbox stands, and go on watching it."""
        try:
            grew = await self.ctx.request(self._storage, WatchOutbox(), reply=OutboxGrew)
        except RequestFailed:
            if self._is_open and not self._is_known:
                self.ctx.schedule_once(_STORE_AGAIN_S, _Watch())
            return
        self.outbox_grew(grew)
        if self._is_open and not self._is_known:
            self._is_known, self._pace = True, Pace()
            for name, lane in self._lanes.items():
                lane.open(grew.last.get(name, 0), NEWEST)
            self._news.set()

    @handles(OutboxGrew)
    def outbox_grew(self, message: OutboxGrew) -> None:
        """There is something new."""
        for name, lane in self._lanes.items():
            if name in message.last:
                lane.grew(message.last[name])
        self._news.set()

    # -- the work -------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Fill the free places with what is most urgent, for as long as this actor lives."""
        while True:
            self._news.clear()
            if self._is_open and self._is_known:
                while self._flights < FLIGHTS_MAX and await self._take_off():
                    pass
            self._note()
            await self._rest()

    async def _rest(self) -> None:
        """Until there is news, or something that was put off is due."""
        now_s = self.ctx.clock.monotonic()
        dues = [due for lane in self._lanes.values() if (due := lane.next_s(now_s)) is not None]
        if not self._old_limit:  # what is due by now waits for a place, and that is news
            dues = [due for due in dues if due > now_s]
        if self._held_until_s:
            dues.append(self._held_until_s)
        wait_s = max(min(dues) - now_s, 0.01) if dues and self._is_open else None
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._news.wait(), wait_s)

    @property
    def _old_limit(self) -> int:
        """How many records that are not new may depart together now; 0: none."""
        is_full = self._old_flights >= self._pace.flights
        return 0 if is_full or self._held_until_s else self._pace.batch

    async def _take_off(self) -> bool:
        """Begin with the most urgent thing there is; whether there was one."""
        now_s = self.ctx.clock.monotonic()
        if now_s >= self._held_until_s:
            self._held_until_s = 0.0
        for name, lane in self._lanes.items():
            fetch = lane.next(now_s, pace.BATCH, self._old_limit)
            if fetch is None:
                continue
            records = await self._peek(name, lane, fetch)
            if records is None:
                return False
            if records:
                self._count(name, fetch, 1)
                self.ctx.spawn(self._fly(name, fetch, records))
            return True
        return False

    def _count(self, name: Class, fetch: Fetch, change: int) -> None:
        """One flight more, or less."""
        self._flights += change
        if fetch.source != "live":
            self._old_flights += change
        elif name == "money":
            self._new_money += change
            if change > 0:
                self._held_until_s = self.ctx.clock.monotonic() + _HOLD_S
            elif not self._new_money:
                self._held_until_s = 0.0

    async def _peek(self, name: Class, lane: Lane, fetch: Fetch) -> list[OutboxRecord] | None:
        question = PeekOutbox(name, fetch.limit, fetch.after)
        try:
            found = await self.ctx.request(self._storage, question, reply=Outbox)
        except RequestFailed as error:
            self._pause(lane, f"the store does not answer: {error}", _STORE_AGAIN_S)
            return None
        by_number = {record.sequence: record for record in found.records}
        now_s = self.ctx.clock.monotonic()
        return [by_number[one] for one in lane.fetched(fetch, by_number, now_s)]

    async def _fly(self, name: Class, fetch: Fetch, records: Sequence[OutboxRecord]) -> None:
        """Take these there, and see what becomes of each."""
        lane, began_s = self._lanes[name], self.ctx.clock.monotonic()
        try:
            parts: list[Part] = []
            for record in records:
                try:
                    parts.append(part_of(record))
                except Unsendable as error:
                    await self._refuse(name, lane, record.sequence, str(error))
            are_heard = [await self._send(name, lane, batch) for batch in batches(parts)]
            if not all(are_heard):
                self._pace = Pace()
            elif fetch.source != "live":
                took_s = self.ctx.clock.monotonic() - began_s
                self._pace = pace.landed(self._pace, len(parts), took_s)
        finally:
            self._count(name, fetch, -1)
            self._news.set()

    async def _send(self, name: Class, lane: Lane, batch: Batch) -> bool:
        """Whether the platform has answered to what was sent, whatever it said."""
        timeout_s = self._limits.call_timeout_s
        call = Call("POST", batch.path, batch.body, key=batch.key, timeout_s=timeout_s)
        try:
            called = await self.ctx.request(
                self._link, call, timeout_s=timeout_s + _GRACE_S, reply=Called
            )
        except RequestFailed as error:
            sequences = tuple((part.record.sequence, str(error)) for part in batch.parts)
            await self._settle(name, lane, Outcome(later=sequences, pause=str(error)), None)
            return False
        outcome = judge(batch, called.status, called.body)
        if outcome.splits:
            first, second = halves(batch)
            heard = await self._send(name, lane, first)
            return await self._send(name, lane, second) and heard
        await self._settle(name, lane, outcome, called.retry_after_s)
        return not outcome.pause

    async def _settle(
        self, name: Class, lane: Lane, outcome: Outcome, retry_after_s: float | None
    ) -> None:
        now_s = self.ctx.clock.monotonic()
        if outcome.pause:
            self._pause(lane, outcome.pause, retry_after_s)
        else:
            lane.pauses = 0
        for sequence, why in outcome.later:
            tries, chance = lane.tries(sequence) + 1, self.ctx.rng.random()
            wait_s = _LATER_S / 2 + full_jitter_s(tries, chance, _LATER_S, _LATER_S_MAX)
            lane.put_off(sequence, now_s + max(wait_s, retry_after_s or 0.0))
            self._why = why
        for sequence, why in outcome.refused:
            await self._refuse(name, lane, sequence, why)
        if outcome.done:
            await self._acknowledge(name, lane, outcome.done)

    def _pause(self, lane: Lane, why: str, wait_s: float | None) -> None:
        """Nothing of this class for a while: it is not about single records."""
        now_s, chance = self.ctx.clock.monotonic(), self.ctx.rng.random()
        lane.pauses += 1
        if not wait_s:  # nobody is asked again at once, even where he says so
            wait_s = full_jitter_s(lane.pauses, 0.5 + chance / 2, _PAUSE_S, _PAUSE_S_MAX)
        lane.paused_until_s = max(lane.paused_until_s, now_s + wait_s)
        self._why = why

    # -- the end of a record --------------------------------------------------------------------

    async def _acknowledge(self, name: Class, lane: Lane, done: tuple[int, ...]) -> None:
        """The platform has them. If that cannot be written they are sent again, which is once."""
        try:
            await self.ctx.request(self._storage, AckOutbox(name, done), reply=OutboxAcked)
        except RequestFailed:
            for sequence in done:
                lane.put_off(sequence, self.ctx.clock.monotonic() + _STORE_AGAIN_S)
            return
        lane.settled(done)
        self._sent += len(done)

    async def _refuse(self, name: Class, lane: Lane, sequence: int, why: str) -> None:
        try:
            await self.ctx.request(
                self._storage, RefuseOutbox(name, sequence, why), reply=OutboxAcked
            )
        except RequestFailed:
            lane.put_off(sequence, self.ctx.clock.monotonic() + _STORE_AGAIN_S)
            return
        lane.settled((sequence,))
        self._refused += 1

    def _note(self) -> None:
        waiting = {name: lane.waiting for name, lane in self._lanes.items() if lane.waiting}
        later = ", ".join(f"{count} of {name}" for name, count in waiting.items())
        self.ctx.note(
            sent=self._sent,
            refused=self._refused or None,
            on_their_way=self._flights or None,
            later=f"{later}: {self._why}" if later else None,
            waiting_for=None if self._is_open else "the way to the platform",
        )
