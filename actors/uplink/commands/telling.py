"""Reports to the platform, each until it has been taken; of one command in their order."""

from __future__ import annotations

import asyncio

import msgspec

from actors.uplink.commands.journal import Journal
from models.remote import lifecycle
from models.uplink.again import full_jitter_s
from models.uplink.answers import words_of
from protocol.platform.remote import CommandReport
from protocol.storage import CommandRecord
from protocol.uplink import Call, Called
from supervisors.context import AsyncContext, RequestFailed

AT_ONCE = 4
"""Commands that are told of at the same time."""
PAUSE_S, PAUSE_S_MAX = 1.0, 60.0
_CALL_S = 30.0
_STORE_PAUSE_S = 1.0
BELIEVED_AFTER = 5
"""Refusals of a report in a row: one may come from a proxy, or in the middle of a deployment."""
_OK = range(200, 300)
_CLIENT_ERRORS = range(400, 500)
_NOT_NOW = frozenset((401, 403, 408, 409, 425, 429))
"""What these say is about us or about now, not about the report."""


class _Later(Exception):
    """Not taken; the report waits.

    Attributes:
        after_s: as the platform wishes; None: it says nothing.
    """

    def __init__(self, after_s: float | None = None) -> None:
        super().__init__()
        self.after_s = after_s


class Telling:
    """See the module."""

    def __init__(self, ctx: AsyncContext, link: str, journal: Journal) -> None:
        """Args: link: address of the way to the platform."""
        self._ctx = ctx
        self._link = link
        self._journal = journal
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        self._fails: dict[str, int] = {}
        self._refusals: dict[str, int] = {}

    def news(self) -> None:
        """There is something to tell."""
        self._news.set()

    def opened(self) -> None:
        """The way to the platform is open again: no use in waiting any longer."""
        self._opened.set()
        self._news.set()

    async def run(self) -> None:
        """Tell, for as long as the actor lives."""
        fails = 0
        while True:
            self._news.clear()
            self._opened.clear()
            waiting = [
                record
                for record in self._journal.records.values()
                if lifecycle.next_report(record) is not None
            ]
            if not waiting:
                await self._news.wait()
                continue
            # One that the platform cannot take just now goes behind the others.
            waiting.sort(key=lambda record: (self._fails.get(record.id, 0), record.seq))
            told = await asyncio.gather(*(self._tell(each) for each in waiting[:AT_ONCE]))
            if all(after_s is None for after_s in told):
                fails = 0
                continue
            fails += 1
            pause_s = full_jitter_s(fails, self._ctx.rng.random(), PAUSE_S, PAUSE_S_MAX)
            await self._pause(max(pause_s, *(after_s or 0.0 for after_s in told)))

    async def _pause(self, seconds: float) -> None:
        """Until it is time, or the way has opened since the round began."""
        try:
            await asyncio.wait_for(self._opened.wait(), seconds)
        except asyncio.TimeoutError:
            pass  # that is what was waited for

    async def _tell(self, record: CommandRecord) -> float | None:
        """Tell all there is about one command.

        A refusal that was believed is believed of the reports that are still to come, too.

        Returns:
            None: it was told. Else how long the platform wants to be left alone, or 0.
        """
        told: list[CommandReport] = []
        after_s: float | None = None
        now = record
        try:
            while (report := lifecycle.next_report(now)) is not None:
                await self._send(record.id, report)
                told.append(report)
                now = lifecycle.told(now, report)
            self._fails.pop(record.id, None)
            if lifecycle.is_over(now):
                self._refusals.pop(record.id, None)
        except _Later as later:
            after_s = later.after_s or 0.0
            self._fails[record.id] = self._fails.get(record.id, 0) + 1
        if told and not await self._note(record.id, told):
            return _STORE_PAUSE_S
        return after_s

    async def _note(self, id_: str, reports: list[CommandReport]) -> bool:
        """Write down what the platform has taken; what is not written is told again."""

        def change(record: CommandRecord) -> CommandRecord:
            for report in reports:
                record = lifecycle.told(record, report)
            return record

        try:
            await self._journal.change(id_, change)
        except RequestFailed:
            return False
        return True

    async def _send(self, id_: str, report: CommandReport) -> None:
        """Raises: _Later: the platform has not taken it."""
        # A repetition's answer has no key: each is one of many that are the same on purpose.
        key = "" if report.repeated else f"{id_}-{report.state}"
        body = msgspec.json.encode(report)
        call = Call("POST", f"/edge/commands/{id_}/reports", body, key=key)
        try:
            answer: Called = await self._ctx.request(
                self._link, call, timeout_s=_CALL_S, reply=Called
            )
        except RequestFailed:
            raise _Later from None
        if answer.status in _OK:
            self._refusals.pop(id_, None)
            return
        if self._is_refused(id_, answer.status):
            words = words_of(answer.status, answer.body)
            self._ctx.log(
                "command_report_refused",
                level="warning",
                id=id_,
                state=report.state,
                why=f"{answer.status} {words.code} {words.text}",
            )
            return
        raise _Later(answer.retry_after_s)

    def _is_refused(self, id_: str, status: int) -> bool:
        """Whether the platform means it."""
        if status not in _CLIENT_ERRORS or status in _NOT_NOW:
            return False
        self._refusals[id_] = self._refusals.get(id_, 0) + 1
        return self._refusals[id_] >= BELIEVED_AFTER
