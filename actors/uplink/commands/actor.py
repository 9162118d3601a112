"""Commands: what the platform asks of this machine from afar.

Owns the remote commands that are not over, and what they are doing.
Hears `Rung` from the channel, `LinkChanged` from the link, `MoveDone` and `MoveFailed` from the
guard.
Says to the link what is to be fetched and reported, to storage what is to be kept, and to every
actor what the closed list (`models.remote.catalogue`) makes of a command.

A command counts only as it stands in the platform's answer over HTTP, where both sides have proved
who they are; what somebody writes onto the WebSocket is a ring and nothing else. It is in the
journal before it is answered, and its step is in the journal before it is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from actors.uplink.commands.desk import AGAIN_S, AGAIN_S_MAX, Desk
from actors.uplink.commands.journal import Journal
from actors.uplink.commands.telling import Telling
from actors.uplink.commands.work import Work
from actors.uplink.facts import run_id
from config.settings import MotorSettings, UplinkSettings
from models.remote import lifecycle
from models.remote.catalogue import NotTaken, look_up
from models.remote.lifecycle import Moment
from models.remote.page import NoPage, Page, Wrong, first_of, read_page
from models.remote.turn import PAGE_MAX, WAITING_MAX, Bucket, Strain
from models.uplink.again import full_jitter_s
from protocol.machine import MoveDone, MoveFailed
from protocol.message import Message
from protocol.platform.remote import Command
from protocol.storage import CommandRecord
from protocol.uplink import Call, Called, LinkChanged, Reached, Rung
from supervisors import AsyncActor, Waiting, handles
from supervisors.context import AsyncContext, RequestFailed

FETCH_S = 30.0
_OK = 200
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TEXT_MAX = 200


class _Period(Message, frozen=True, tag="commands.period"):
    """Commands to itself: nobody has rung for a while."""


class Commands(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self,
        limits: UplinkSettings,
        motor: MotorSettings,
        addresses: Mapping[str, str],
        models: str,
    ) -> None:
        """Make it.

        Args:
            motor: lease and runs of a movement.
            addresses: of link, and of everybody in `models.remote.catalogue.Where`.
            models: directory of the installed models.
        """
        self._limits = limits
        self._motor = motor
        self._to = dict(addresses)
        self._models = models
        self._fetching: asyncio.Task[None] | None = None
        self._is_rung = self._is_opened = False
        self._fails = 0
        self._accepts = Bucket(0.0, 0.0, 0.0, 0.0)
        self._rejected = 0
        self._strain = Strain(0.0, 0.0)
        self._boot = self._run = ""
        self._journal: Journal
        self._telling: Telling
        self._work: Work
        self._desk: Desk

    # -- lifecycle ------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Take up what is not over; without a journal nothing is taken at all."""
        self._journal = Journal(self.ctx, self._to["storage"])
        self._telling = Telling(self.ctx, self._to["link"], self._journal)
        self._work = Work(self.ctx, self._to, self._motor, self._models)
        self._desk = Desk(
            self.ctx,
            self._to,
            self._journal,
            self._telling,
            self._work,
            self._moment,
            self._note_rejection,
        )
        most = float(self._limits.commands_at_once_max)
        now_s = self.ctx.clock.monotonic()
        self._accepts = Bucket(most, self._limits.commands_per_s, most, now_s)
        self._run, self._boot = run_id(), _boot_id()
        try:
            await self._journal.open()
            for id_ in list(self._journal.records):
                await self._journal.change(
                    id_, lambda record: lifecycle.after_restart(record, self._moment())
                )
        except RequestFailed as error:
            raise Waiting(f"the journal of commands: {error}") from error
        self._tell_reached()
        self.ctx.spawn(self._telling.run())
        self.ctx.spawn(self._desk.run())
        self.ctx.schedule_every(self._limits.command_poll_s, _Period())
        self._fetch_soon()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Rung)
    def rung(self, message: Rung) -> None:
        """There may be something to fetch."""
        if message.event in ("", "command"):
            self._fetch_soon()

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """The way is open: fetch, and tell what could not be told."""
        if message.is_open:
            self._fails, self._is_opened = 0, True
            self._tell_reached()
            self._telling.opened()
            self._fetch_soon()

    @handles(_Period)
    def period(self, message: _Period) -> None:
        """Ask, in case that nobody has rung who should have."""
        self._fetch_soon()

    @handles(MoveDone)
    def move_done(self, message: MoveDone) -> None:
        """A movement has ended."""
        self._work.moved(message)

    @handles(MoveFailed)
    def move_failed(self, message: MoveFailed) -> None:
        """A movement has failed."""
        self._work.moved(message)

    # -- fetching -------------------------------------------------------------------------------

    def _fetch_soon(self) -> None:
        """One fetch at a time; who rings during one is heard by another after it."""
        self._is_rung = True
        if self._fetching is None or self._fetching.done():
            self._fetching = self.ctx.spawn(self._fetch())

    async def _fetch(self) -> None:
        while self._is_rung:
            self._is_rung = self._is_opened = False
            before = self._journal.cursor
            try:
                page = await self._page()
                if page.commands or page.lost:
                    await self._take_down(page, self._moment())
            except (RequestFailed, NoPage) as error:
                if self._is_opened:  # meanwhile; it has failed on the way that was
                    continue
                self.ctx.note(detail=f"cannot be fetched: {error}"[:_TEXT_MAX])
                self._fails += 1
                pause_s = full_jitter_s(self._fails, self.ctx.rng.random(), AGAIN_S, AGAIN_S_MAX)
                self.ctx.schedule_once(pause_s, _Period())
                return
            self._fails = 0
            self.ctx.note(detail=None, cursor=self._journal.cursor)
            self._desk.news()
            # One that promises more and gives the same once more is not asked in a circle.
            if before < self._journal.cursor < page.last:
                self._is_rung = True
            await asyncio.sleep(self._strain.pause_s)

    async def _page(self) -> Page:
        call = Call("GET", f"/edge/commands?after={self._journal.cursor}")
        answer: Called = await self.ctx.request(
            self._to["link"], call, timeout_s=FETCH_S, reply=Called
        )
        if answer.status != _OK:
            raise NoPage(f"HTTP {answer.status}")
        return first_of(read_page(answer.body), PAGE_MAX)

    async def _take_down(self, page: Page, at: Moment) -> None:
        """Into the journal, and with that our word that we have them.

        Args:
            at: when they came; their time runs from then on, however long the writing takes.
        """
        found = [command for command in page.commands if command.id]
        nameless = len(page.commands) - len(found) + page.lost
        if nameless:
            self.ctx.log("command_malformed", level="warning", nameless=nameless)
        begins = ("received", "accepted")
        waiting = sum(each.state in begins for each in self._journal.records.values())
        news = 0

        def begin(command: Command | Wrong) -> CommandRecord:
            nonlocal news
            record = self._judged(lifecycle.received(command, at), at, waiting + news)
            news += record.state == "received"
            return record

        def again(record: CommandRecord, command: Command | Wrong) -> CommandRecord:
            self._strain = self._strain.after(1, at.now_s)
            return lifecycle.again(record, command, at)

        await self._journal.take_down(found, page.reach, begin, again)
        self._tell_reached()
        self._telling.news()

    def _judged(self, record: CommandRecord, at: Moment, waiting: int) -> CommandRecord:
        """What can be said of a new command at once."""
        if record.state == "received":
            try:
                look_up(record.type, record.args)
            except NotTaken as error:
                record = lifecycle.step(record, "rejected", at, error.code, str(error))
        if record.state == "received":
            left = self._accepts.taken(at.now_s)
            self._accepts = left or self._accepts
            if left is None or waiting >= WAITING_MAX:
                detail = "too many commands; send it again later, under another id"
                record = lifecycle.step(record, "rejected", at, "busy", detail)
        if record.state == "rejected":
            self._strain = self._strain.after(1, at.now_s)
            self._note_rejection(record)
            record = lifecycle.without_large_args(record)
        return record

    def _note_rejection(self, record: CommandRecord) -> None:
        """In the log, which counts what comes too often."""
        self._rejected += 1
        self.ctx.note(rejected=self._rejected)
        self.ctx.log(
            "command_rejected",
            level="warning",
            id=record.id,
            type=record.type[:64],
            code=record.code,
            detail=record.detail[:_TEXT_MAX],
        )

    # -- private ----------------------------------------------------------------------------------

    def _tell_reached(self) -> None:
        """For heartbeats and births."""
        for listener in ("link", "reports"):
            self.ctx.tell(self._to[listener], Reached(commands_after=self._journal.cursor))

    def _moment(self) -> Moment:
        clock = self.ctx.clock
        return Moment(clock.wall(), clock.monotonic(), self._boot, self._run)


def _boot_id() -> str:
    """Of the computer; empty where it cannot be told, and then no time compares."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
