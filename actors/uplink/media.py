"""The media: pictures and other files, one after the other, when nothing else wants the way.

Owns the upload that is on its way.
Hears `LinkChanged` from the link, `OutboxGrew` from storage, `EvidenceKept` from inference.
Says `Call` to the link; `PutOutbox`, `PeekOutbox`, `AckOutbox`, `RefuseOutbox`, `WatchOutbox` to
storage.

A file is known by its digest: sent twice it is there once. One that is gone, or is no longer what
it was, is put aside with the reason; one that has to wait holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec

from actors.uplink.evidence import files_of
from actors.uplink.uploading import Later, Refused, Uploading
from config.settings import UplinkSettings
from models.uplink.again import full_jitter_s
from models.uplink.evidence import is_wanted
from models.uplink.lane import Lane
from models.uplink.uploads import WaitingFile
from protocol.message import Done, Message
from protocol.platform.media import FileMetadata
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
from protocol.vision import EvidenceKept
from supervisors import AsyncActor, handles
from supervisors.context import AsyncContext, RequestFailed

_WATCH_S = 10.0
_FETCH = 20
_LATER_S, _LATER_S_MAX = 5.0, 900.0
_STORE_AGAIN_S = 2.0
_TURN_S, _TURN_S_MAX = 0.5, 30.0
"""Money that waits goes first; but what waits for longer than that waits for something else."""
_GRACE_S = 5.0
_BYTES_PER_KB = 1024.0


class _Watch(Message, frozen=True, tag="uplink.media_watch"):
    """Media to itself: is storage still telling?"""


class Media(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self, limits: UplinkSettings, link: str = "/uplink/link", storage: str = "/storage"
    ) -> None:
        """Args: link, storage: their addresses."""
        self._limits = limits
        self._link = link
        self._storage = storage
        self._lane = Lane()
        self._is_open = False
        self._is_known = False
        self._sent = self._refused = 0
        self._why: str | None = None
        self._news: asyncio.Event
        self._uploading: Uploading

    async def on_start(self) -> None:
        """Wait for the way to open."""
        self._news = asyncio.Event()
        self._uploading = Uploading(
            self._call,
            self.ctx.clock,
            self._limits.upload_kb_per_s * _BYTES_PER_KB,
            self._limits.call_timeout_s,
            self._show_progress,
            self._turn,
        )
        self.ctx.schedule_once(0.0, _Watch())
        self.ctx.schedule_every(_WATCH_S, _Watch())
        self.ctx.spawn(self._work())

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """Begin at the beginning when the way opens."""
        was_open, self._is_open = self._is_open, message.is_open
        if message.welcome is not None:
            self._uploading.ways = message.welcome.uploads
        if message.is_open and not was_open:
            self._is_known = False
            self.ctx.schedule_once(0.0, _Watch())

    @handles(_Watch)
    async def watch(self, message: _Watch) -> None:
        """Find out how the outbox stands, and go on watching it."""
        try:
            grew = await self.ctx.request(self._storage, WatchOutbox(), reply=OutboxGrew)
        except RequestFailed:
            return
        if self._is_open and not self._is_known:
            self._is_known = True
            self._lane.open(grew.last.get("media", 0))
        self.outbox_grew(grew)

    @handles(OutboxGrew)
    def outbox_grew(self, message: OutboxGrew) -> None:
        """There may be something new."""
        if "media" in message.last:
            self._lane.grew(message.last["media"])
        self._news.set()

    # -- evidence -------------------------------------------------------------------------------

    @handles(EvidenceKept)
    def evidence_kept(self, message: EvidenceKept) -> None:
        """Leave its files to the outbox, if the platform is to have them."""
        if is_wanted(self._limits.evidence, message.record.state):
            self.ctx.spawn(self._put(message))

    async def _put(self, message: EvidenceKept) -> None:
        try:
            for file in files_of(message.record, Path(message.directory)):
                await self.ctx.request(self._storage, file, reply=Done)
        except (OSError, RequestFailed) as error:
            why = f"{type(error).__name__}: {error}"
            self.ctx.log("evidence_stays", level="warning", deposit=message.record.id, why=why)

    # -- the work -------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            self._news.clear()
            while self._is_open and self._is_known and await self._next():
                pass
            self._note(None)
            due_s = self._lane.next_s(self.ctx.clock.monotonic()) if self._is_open else None
            wait_s = None if due_s is None else max(due_s - self.ctx.clock.monotonic(), 0.05)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait_s)

    async def _next(self) -> bool:
        """Send the next few files; whether there were any."""
        now_s = self.ctx.clock.monotonic()
        fetch = self._lane.next(now_s, _FETCH)
        if fetch is None:
            return False
        question = PeekOutbox("media", fetch.limit, fetch.after)
        try:
            found = await self.ctx.request(self._storage, question, reply=Outbox)
        except RequestFailed:
            self._lane.paused_until_s = now_s + _STORE_AGAIN_S
            return False
        by_number = {record.sequence: record for record in found.records}
        for sequence in self._lane.fetched(fetch, by_number, now_s):
            await self._send(by_number[sequence])
        return True

    async def _send(self, record: OutboxRecord) -> None:
        if not self._is_open:
            self._put_off(record, "the way has closed", None)
            return
        try:
            file = msgspec.msgpack.decode(record.body, type=WaitingFile)
            await self._uploading.upload(file)
        except msgspec.MsgspecError as error:
            await self._refuse(record, f"this is no file: {error}")
        except Refused as error:
            await self._refuse(record, str(error))
        except Later as error:
            self._put_off(record, str(error), error.retry_after_s)
        except RequestFailed as error:
            self._put_off(record, str(error), None)
        else:
            await self._acknowledge(record)

    def _show_progress(self, metadata: FileMetadata, there: int) -> None:
        self._note(f"{metadata.name} {100 * there // max(metadata.size, 1)} %")

    async def _call(self, call: Call) -> Called:
        called: Called = await self.ctx.request(
            self._link, call, timeout_s=call.timeout_s + _GRACE_S, reply=Called
        )
        return called

    async def _turn(self) -> None:
        """Wait while there is money to be sent."""
        ends_s = self.ctx.clock.monotonic() + _TURN_S_MAX
        while self.ctx.clock.monotonic() < ends_s:
            try:
                question = PeekOutbox("money", 1)
                found = await self.ctx.request(self._storage, question, reply=Outbox)
            except RequestFailed:
                return
            if not found.waiting:
                return
            self.ctx.waiting("money, which goes first")
            await asyncio.sleep(_TURN_S)

    # -- the end of a record --------------------------------------------------------------------

    def _put_off(self, record: OutboxRecord, why: str, retry_after_s: float | None) -> None:
        tries, chance = self._lane.tries(record.sequence) + 1, self.ctx.rng.random()
        wait_s = _LATER_S / 2 + full_jitter_s(tries, chance, _LATER_S, _LATER_S_MAX)
        now_s = self.ctx.clock.monotonic()
        self._lane.put_off(record.sequence, now_s + max(wait_s, retry_after_s or 0.0))
        self._why = why

    async def _acknowledge(self, record: OutboxRecord) -> None:
        if await self._write(record, AckOutbox("media", (record.sequence,))):
            self._sent += 1

    async def _refuse(self, record: OutboxRecord, why: str) -> None:
        if await self._write(record, RefuseOutbox("media", record.sequence, why)):
            self._refused += 1
            self._why = why

    async def _write(self, record: OutboxRecord, message: Message) -> bool:
        try:
            await self.ctx.request(self._storage, message, reply=OutboxAcked)
        except RequestFailed as error:
            self._put_off(record, f"the store does not answer: {error}", None)
            return False
        self._lane.settled((record.sequence,))
        return True

    def _note(self, upload: str | None) -> None:
        self.ctx.note(
            sent=self._sent,
            refused=self._refused or None,
            upload=upload,
            later=f"{self._lane.waiting}: {self._why}" if self._lane.waiting else None,
            waiting_for=None if self._is_open else "the way to the platform",
        )
