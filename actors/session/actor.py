"""The session: who is being served, and what for.

Owns the open session, the code on the screen, and the device key for claims.
Hears `ItemWaiting`, `CycleChanged`, `ItemCredited`, `ItemRefused` from the deposit; `OfferSession`,
`StartSession`, `MoreTime`, `FinishSession`, `RevokeSession`, `DescribeSession` from people and the
platform.
Says `SessionChanged` to the deposit; to storage what `actors.session.ledger` asks.

Who is served is on the disk before anybody is told, and what a session has earned comes from the
ledger, not from counting. A session that ends waits for the item in the machine; then the deposit
is told that nobody is served, and has to have heard it, before the session is closed: no item can
begin under a session that is being counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from actors.session.keys import device_key
from actors.session.ledger import Loose, SessionLedger, unguessable
from config.settings import SessionSettings
from models.base32 import to_base32
from models.reasons import Reason
from models.session import rule, view
from models.session.rule import Kind, Open, Service
from protocol.envelope import Envelope
from protocol.message import Failed, Message
from protocol.service import (
    CycleChanged,
    CycleDescribed,
    DescribeCycle,
    DescribeSession,
    FinishSession,
    ItemCredited,
    ItemRefused,
    ItemWaiting,
    MoreTime,
    OfferSession,
    RevokeSession,
    SessionChanged,
    SessionDescribed,
    SessionEnded,
    SessionOffered,
    SessionStarted,
    StartSession,
)
from protocol.storage import SessionRecord
from supervisors import LATER, Actor, Waiting, handles
from supervisors.actor import _Later
from supervisors.context import RequestFailed

AGAIN_S = 1.0
"""Until the storage or the deposit is asked once more."""

SETTLE_S = 60.0
"""A restart, and the end of the item that was on the belt; what is undecided then is a person's."""

PATIENCE_S = 15.0
"""So long a customer waits for a ledger that does not answer; a claim needs only the key."""

ITEM_WAITS_S = 5.0
"""So long somebody holds an item while the session before them is closed."""

ASKS_S = 20.0
"""Deadline of whoever asks the ledger: a few questions of three seconds each."""

CODE_BYTES = 10
_NONE_OPEN = Failed("no_session", "nobody is being served")


class _Look(Message, frozen=True, tag="session.look"):
    """Session to itself: time may have done something."""


class _Settle(Message, frozen=True, tag="session.settle"):
    """Session to itself: close what an earlier run has left open."""


class _Leave(Message, frozen=True, tag="session.leave"):
    """Session to itself: tell the deposit that nobody is served."""

    session: str


class _Close(Message, frozen=True, tag="session.close"):
    """Session to itself: the deposit has heard it, and so have we what it said before."""

    session: str


class Session(Actor):
    """See the module."""

    def __init__(
        self, hardware_id: str, addresses: Mapping[str, str], limits: SessionSettings, key_file: str
    ) -> None:
        """Make it.

        Args:
            hardware_id: first part of every session's id.
            addresses: of storage and deposit.
            limits: who is served and for how long.
            key_file: of the device key.
        """
        self._hardware_id = hardware_id
        self._to = dict(addresses)
        self._limits = limits
        self._key_file = Path(key_file)
        self._service = Service()
        self._is_leaving = False
        self._last: SessionEnded | None = None
        self._waiting: list[Envelope] = []  # who wants to hear of the end
        self._has_warned = False
        self._storage_fails = False
        self._item_until_s = 0.0
        self._settle_by_s = 0.0
        self._is_settling = False
        self._leave_by_s = 0.0
        self._timer: int | None = None
        self._ledger: SessionLedger

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Take the key; nobody is served until the deposit says how it stands."""
        try:
            key, damaged = device_key(self._key_file)
        except OSError as error:
            msg = f"the device key {self._key_file}: {error.strerror}; make the place writable"
            raise Waiting(msg) from error
        if damaged:
            self.ctx.emit("device_key_replaced", damaged=list(damaged))
            self.ctx.note(
                trouble=f"the device key was damaged and is a new one: give the platform what "
                f"`rvm-edge claim key` prints, then remove keys/{damaged[-1]}"
            )
        self._ledger = SessionLedger(self.ctx, self._hardware_id, self._to, self._limits, key)
        self.ctx.tell(self._to["deposit"], SessionChanged(""))
        self._ask_cycle()
        self._settle_soon(0.0)
        self._look()

    def _ask_cycle(self) -> None:
        """How the deposit stands; if it does not answer it will tell."""
        try:
            cycle = self.ctx.request(self._to["deposit"], DescribeCycle(), reply=CycleDescribed)
        except RequestFailed:
            return
        is_busy = bool(cycle.deposit)
        now_s = self.ctx.clock.monotonic()
        self._service = rule.cycled(self._service, now_s, busy=is_busy, closed=cycle.closed)

    # -- what the deposit says ------------------------------------------------------------------

    @handles(ItemWaiting, deadline_s=ASKS_S)
    def item_waiting(self, message: ItemWaiting) -> None:
        """An item is at the inlet: its owner is a guest, if guests need not ask."""
        self._item_until_s = self.ctx.clock.monotonic() + ITEM_WAITS_S
        self._serve_item()

    def _serve_item(self) -> None:
        """Whoever holds an item at the inlet is a guest; told once, it may have to wait for us."""
        is_there = self.ctx.clock.monotonic() < self._item_until_s
        is_guest = self._limits.guests == "automatic"
        if is_there and is_guest and rule.may_open(self._service) is None:
            self._open("guest", "")

    @handles(CycleChanged)
    def cycle_changed(self, message: CycleChanged) -> None:
        """An item came or went, or the machine opens or closes."""
        now_s = self.ctx.clock.monotonic()
        self._learn(rule.cycled(self._service, now_s, busy=message.busy, closed=message.closed))

    @handles(ItemCredited)
    def item_credited(self, message: ItemCredited) -> None:
        """One more item was paid for."""
        now_s = self.ctx.clock.monotonic()
        self._learn(rule.credited(self._service, message.session, now_s))

    @handles(ItemRefused)
    def item_refused(self, message: ItemRefused) -> None:
        """One more item was not."""
        now_s = self.ctx.clock.monotonic()
        self._learn(rule.refused(self._service, message.session, now_s))

    # -- what people and the platform say -------------------------------------------------------

    @handles(OfferSession, command=True)
    def offer(self, message: OfferSession) -> SessionOffered | Failed:
        """A fresh code for the screen."""
        refusal = rule.may_open(self._service)
        if refusal is not None:
            return self._refused(refusal)
        code = to_base32(unguessable(self.ctx.rng, CODE_BYTES))
        now_s = self.ctx.clock.monotonic()
        self._service = rule.offered(self._service, code, now_s, self._limits)
        return SessionOffered(code, self._limits.expiry_s)

    @handles(StartSession, command=True, deadline_s=ASKS_S)
    def start(self, message: StartSession) -> SessionStarted | Failed:
        """Serve this customer."""
        now_s = self.ctx.clock.monotonic()
        kind, user = message.kind, message.user if message.kind == "user" else ""
        refusal = rule.refusal(self._service, kind, user, message.code, now_s, self._limits)
        return self._open(kind, user) if refusal is None else self._refused(refusal)

    @handles(MoreTime, command=True)
    def more_time(self, message: MoreTime) -> SessionDescribed | Failed:
        """The customer is still there."""
        if self._service.open is None:
            return _NONE_OPEN
        self._learn(rule.more_time(self._service, self.ctx.clock.monotonic()))
        return self._described()

    @handles(FinishSession, command=True)
    def finish(self, message: FinishSession) -> _Later | Failed:
        """The customer is done; answered with `SessionEnded` when the last item is, too."""
        return self._end("finished")

    @handles(RevokeSession, command=True)
    def revoke(self, message: RevokeSession) -> _Later | Failed:
        """The platform ends this one."""
        if self._service.open is None or self._service.open.id != message.session:
            return Failed("no_session", f"session {message.session!r} is not open")
        return self._end(message.why or "revoked")

    @handles(DescribeSession, command=True)
    def describe(self, message: DescribeSession) -> SessionDescribed:
        """Who is served."""
        return self._described()

    def _end(self, reason: str) -> _Later | Failed:
        if self._service.open is None:
            return _NONE_OPEN
        self._waiting.append(self.ctx.later())
        self._learn(rule.ended(self._service, reason))
        return LATER

    def _refused(self, code: rule.Refusal) -> Failed:
        return Failed(code, rule.REFUSALS[code].format(closed=self._service.closed))

    def _described(self) -> SessionDescribed:
        now_s, closed = self.ctx.clock.monotonic(), self._closed()
        return view.described(self._service, now_s, self._limits, closed=closed, last=self._last)

    def _closed(self) -> str:
        return view.closed_because(self._service, storage_fails=self._storage_fails)

    # -- opening --------------------------------------------------------------------------------

    def _open(self, kind: Kind, user: str) -> SessionStarted | Failed:
        try:
            record = self._ledger.open(kind, user)
        except RequestFailed as error:
            self._storage_failed(error)
            return Failed("store_failed", f"the session cannot be written: {error}")
        self._storage_fails = False
        now_s = self.ctx.clock.monotonic()
        self._last, self._is_leaving, self._item_until_s = None, False, 0.0
        self.ctx.emit("session_opened", session=record.id, kind=kind)
        self._learn(rule.started(self._service, record.id, kind, user, now_s))
        self.ctx.tell(self._to["deposit"], SessionChanged(record.id, kind))
        return SessionStarted(record.id, kind)

    def _storage_failed(self, error: RequestFailed) -> None:
        """Shown until it works; what was written without our hearing of it is closed later."""
        if not self._storage_fails:
            self.ctx.emit("session_trouble", reason=Reason.STORAGE_FAILED.value, why=str(error))
        self._storage_fails = True
        self._settle_soon(AGAIN_S)
        self._note()

    # -- time -----------------------------------------------------------------------------------

    @handles(_Look)
    def look(self, message: _Look) -> None:
        """Warn, or end."""
        self._look()

    def _learn(self, service: Service) -> None:
        self._service = service
        self._look()

    def _look(self) -> None:
        now_s = self.ctx.clock.monotonic()
        self._service = rule.timed(self._service, now_s, self._limits)
        end = rule.outlook(self._service, now_s, self._limits)
        session = self._service.open
        if session is not None and end.warns and end.ends_s is not None and not self._has_warned:
            ends_in_s = round(end.ends_s - now_s, 1)
            self.ctx.emit("session_warns", session=session.id, ends_in_s=ends_in_s)
        self._has_warned = end.warns
        if session is not None and rule.may_close(self._service) and not self._is_leaving:
            self._is_leaving, self._leave_by_s = True, now_s + PATIENCE_S
            self.ctx.schedule_once(0.0, _Leave(session.id))
        self._set_timer(now_s)
        self._note()

    def _set_timer(self, now_s: float) -> None:
        if self._timer is not None:
            self.ctx.cancel(self._timer)
        next_s = rule.next_look_s(self._service, now_s, self._limits)
        # A moment is not before the clock says so: never late by a rounding, never in a circle.
        wait_s = None if next_s is None else max(next_s - now_s, 0.001)
        self._timer = None if wait_s is None else self.ctx.schedule_once(wait_s, _Look())

    def _note(self) -> None:
        self.ctx.note(session=view.in_a_line(self._service), closed=self._closed() or None)

    # -- closing --------------------------------------------------------------------------------

    @handles(_Leave, deadline_s=ASKS_S)
    def leave(self, message: _Leave) -> None:
        """The deposit shall begin nothing more; what it began before, it has told us before."""
        if not self._is_about(message.session):
            return
        self.ctx.tell(self._to["deposit"], SessionChanged(""))
        try:
            self.ctx.request(self._to["deposit"], DescribeCycle(), reply=CycleDescribed)
        except RequestFailed as error:
            if error.code == "timeout":  # it lives and is busy: it may not have heard yet
                self.ctx.schedule_once(AGAIN_S, message)
                return
        self.ctx.tell(self.ctx.path, _Close(message.session))

    @handles(_Close, deadline_s=ASKS_S)
    def close(self, message: _Close) -> None:
        """Write the end, unless an item has slipped in: that one is finished first."""
        session = self._service.open
        if session is None or not self._is_about(message.session):
            return
        if self._service.busy:
            self._is_leaving = False
            return
        try:
            stored = self._ended(session)
            self._storage_fails = False
        except Loose:
            self.ctx.schedule_once(AGAIN_S, message)
            return
        except RequestFailed as error:
            self._storage_failed(error)
            if self.ctx.clock.monotonic() < self._leave_by_s:
                self.ctx.schedule_once(AGAIN_S, message)
                return
            stored = self._unwritten(session)
        self._is_leaving = False
        ended = self._announced(stored, session.refused)
        for request in self._waiting:
            self.ctx.reply(request, ended)
        self._waiting.clear()
        self._learn(rule.closed(self._service))
        self._serve_item()

    def _is_about(self, session: str) -> bool:
        return self._service.open is not None and self._service.open.id == session

    def _ended(self, session: Open) -> SessionRecord:
        waits = self.ctx.clock.monotonic() < self._leave_by_s
        return self._ledger.end(session, waits=waits)

    def _unwritten(self, session: Open) -> SessionRecord:
        """The customer gets what is due to them; the ledger is told once it listens again."""
        self.ctx.emit("session_not_stored", session=session.id, credited=session.credited)
        return self._ledger.promised(session)

    def _announced(self, record: SessionRecord, refused: int) -> SessionEnded:
        """The end, with its claim; not in the events: their readers must not be able to use it."""
        self._last = SessionEnded(
            record.id, record.kind, record.credited, refused, record.reason, record.claim
        )
        self.ctx.emit(
            "session_closed",
            session=record.id,
            kind=record.kind,
            credited=record.credited,
            refused=refused,
            reason=record.reason,
        )
        return self._last

    # -- what an earlier run has left open --------------------------------------------------------

    def _settle_soon(self, wait_s: float) -> None:
        if not self._is_settling:
            self._is_settling = True
            self._settle_by_s = self.ctx.clock.monotonic() + SETTLE_S
            self.ctx.schedule_once(wait_s, _Settle())

    @handles(_Settle, deadline_s=ASKS_S)
    def settle(self, message: _Settle) -> None:
        """Close it, with a claim for what the ledger has credited; again until all is closed."""
        try:
            self._is_settling = self._service.busy or not self._settle()
        except RequestFailed as error:
            self._is_settling = True
            self._storage_failed(error)
        if self._is_settling:
            is_new = self.ctx.clock.monotonic() < self._settle_by_s
            self.ctx.schedule_once(AGAIN_S if is_new else SETTLE_S, message)
        else:
            self._serve_item()
        self._note()

    def _settle(self) -> bool:
        """Close what can be closed; one that cannot keeps no other from it."""
        waits = self.ctx.clock.monotonic() < self._settle_by_s
        is_settled = True
        for record in self._ledger.left_open():
            if self._is_about(record.id):
                continue
            try:
                stored = self._ledger.interrupt(record, waits=waits)
            except (Loose, RequestFailed):
                is_settled = False
            else:
                self._announced(stored, stored.refused)
        self._storage_fails = False
        return is_settled
