"""The storage: the single owner of the LMDB environment.

Owns the ledger of deposits and sessions with its journal, the outbox, remote commands, the number
of this run.
Hears what `protocol.storage` says to it.
Says `OutboxGrew` to whoever watches the outbox; it answers a write when the data is on the disk.

Writes that wait together are committed together: the first of them tells this actor to flush, and
that word queues up behind whatever is waiting already. After a failed sync nothing later would be
certain, so the store is closed, opened and looked at before it takes anything again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import lmdb
import msgspec

from actors.store import StoreUnusable, files, reading
from actors.store.commands import (
    find_commands,
    newest_commands,
    open_commands,
    store_commands,
)
from actors.store.deposits import open_epoch, review_deposit, store_deposit
from actors.store.outbox import ack, peek, put, refuse, resend
from actors.store.sessions import store_session
from actors.store.store import Operation, Store, StoreBroken
from actors.store.tables import Tables, entries
from actors.store.upkeep import note_maintenance, note_stop
from config.settings import StorageSettings
from models.ledger.chain import Damaged
from protocol.envelope import Envelope
from protocol.message import Delivery, Failed, Message
from protocol.storage import (
    AckOutbox,
    CommandsFound,
    CommandsListed,
    Deposits,
    DescribeStore,
    Epoch,
    FindCommands,
    ListCommands,
    ListDeposits,
    ListSessions,
    NoteMaintenance,
    NoteStop,
    OpenCommands,
    OpenEpoch,
    OpenSessions,
    Outbox,
    OutboxGrew,
    PeekOutbox,
    PutOutbox,
    RefuseOutbox,
    ResendRefused,
    ReviewDeposit,
    Sessions,
    StoreCommands,
    StoreDeposit,
    StoreDescribed,
    StoreSession,
    WatchOutbox,
)
from supervisors import LATER, Actor, Waiting, handles
from supervisors.exits import ExitReason

FLUSH_DEADLINE_S = 30.0
"""A worn SD card takes seconds for a sync now and then; it is slow then, not hung."""
REOPEN_S, REOPEN_S_MAX = 0.5, 30.0
READER_CHECK_S = 3600.0
LOOK_S = 5.0
WELL_S = 60.0
_TROUBLES = ("store_full", "store_failed")

M = TypeVar("M", bound=Message)


class Flush(Message, frozen=True, tag="storage.flush"):
    """Storage, to itself: commit what has come in up to here."""

    delivery: ClassVar[Delivery] = Delivery.MONEY  # the lane of the writes, and never refused


class Reopen(Message, frozen=True, tag="storage.reopen"):
    """Storage, to itself: is the disk well again?"""


class LookAgain(Message, frozen=True, tag="storage.look_again"):
    """Storage, to itself: is there room again?"""


class NoteWell(Message, frozen=True, tag="storage.note_well"):
    """Storage, to itself: this run has lived long enough to count as one that works."""


class CheckReaders(Message, frozen=True, tag="storage.check_readers"):
    """Storage, to itself: free the places of readers that died."""


class _Write(NamedTuple):
    """A write that waits for its commit."""

    request: Envelope
    operation: Operation
    told: Callable[[], None]


def _silent() -> None:
    """Most writes are not events."""


class Storage(Actor):
    """See the module."""

    def __init__(self, directory: str, limits: StorageSettings) -> None:
        """Args: directory: the data directory; limits: sizes and shares."""
        self._data_dir = Path(directory)
        self._limits = limits
        self._store = Store(self._data_dir, limits)
        self._pending: list[_Write] = []
        self._watchers: set[str] = set()
        self._owed: dict[str, int] = {}
        self._trouble = ""
        self._reopen_s = REOPEN_S
        self._is_damage = False
        self._is_looking = False

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open the store. One that cannot be opened is waited for: no crash would mend it."""
        try:
            self._store.open()
        except StoreUnusable as error:
            raise Waiting(str(error)) from error
        self._tell_aside()
        self._note()
        self.ctx.schedule_every(READER_CHECK_S, CheckReaders())
        self.ctx.schedule_once(WELL_S, NoteWell())

    def on_stop(self, reason: ExitReason) -> None:
        """Commit what still waits, and close."""
        if self._store.is_open:
            self._flush()
        for write in self._pending:
            self.ctx.reply(
                write.request, Failed("store_failed", "the storage ended before its commit")
            )
        self._store.close()

    # -- writes: answered after the commit ------------------------------------------------------

    @handles(OpenEpoch, deadline_s=FLUSH_DEADLINE_S)
    def open_epoch(self, message: OpenEpoch) -> Any:
        """Count this run; its number goes to the file beside the store first."""
        return self._later(self._begin_epoch)

    @handles(StoreDeposit, deadline_s=FLUSH_DEADLINE_S)
    def store_deposit(self, message: StoreDeposit) -> Any:
        """Write one state of an item."""
        return self._later(partial(store_deposit, record=message.record))

    @handles(ReviewDeposit, deadline_s=FLUSH_DEADLINE_S, command=True)
    def review_deposit(self, message: ReviewDeposit) -> Any:
        """Write what somebody decided."""
        fields = {"state": message.state, "why": message.why, "by": message.by}
        told = partial(self.ctx.emit, "deposit_decided", id=message.id, **fields)
        return self._later(partial(review_deposit, message=message), told)

    @handles(StoreSession, deadline_s=FLUSH_DEADLINE_S)
    def store_session(self, message: StoreSession) -> Any:
        """Write a session."""
        return self._later(partial(store_session, record=message.record))

    @handles(PutOutbox, deadline_s=FLUSH_DEADLINE_S)
    def put_outbox(self, message: PutOutbox) -> Any:
        """Keep something for the platform."""
        return self._later(partial(put, message=message))

    @handles(AckOutbox, deadline_s=FLUSH_DEADLINE_S)
    def ack_outbox(self, message: AckOutbox) -> Any:
        """Forget what the platform has."""
        return self._later(partial(ack, outbox=message.outbox, sequences=message.sequences))

    @handles(RefuseOutbox, deadline_s=FLUSH_DEADLINE_S)
    def refuse_outbox(self, message: RefuseOutbox) -> Any:
        """Put aside what the platform will never take."""
        outbox, sequence, why = message.outbox, message.sequence, message.why
        told = partial(self.ctx.emit, "outbox_refused", outbox=outbox, sequence=sequence, why=why)
        operation = partial(refuse, outbox=outbox, sequence=sequence, why=why)
        return self._later(operation, told)

    @handles(ResendRefused, deadline_s=FLUSH_DEADLINE_S, command=True)
    def resend_refused(self, message: ResendRefused) -> Any:
        """Offer the platform again what it has refused."""
        told = partial(self.ctx.emit, "outbox_resent", outbox=message.outbox)
        return self._later(partial(resend, outbox=message.outbox), told)

    @handles(StoreCommands, deadline_s=FLUSH_DEADLINE_S)
    def store_commands(self, message: StoreCommands) -> Any:
        """Write how remote commands stand."""
        return self._later(partial(store_commands, message=message))

    @handles(NoteMaintenance, deadline_s=FLUSH_DEADLINE_S)
    def note_maintenance(self, message: NoteMaintenance) -> Any:
        """Remember when somebody looked after the machine."""
        return self._later(partial(note_maintenance, message=message))

    @handles(NoteStop, deadline_s=FLUSH_DEADLINE_S)
    def note_stop(self, message: NoteStop) -> Any:
        """Remember who has stopped the machine."""
        return self._later(partial(note_stop, message=message))

    @handles(Flush, deadline_s=FLUSH_DEADLINE_S)
    def flush(self, message: Flush) -> None:
        """Commit what has come in."""
        self._flush()

    def _later(self, operation: Operation, told: Callable[[], None] = _silent) -> Any:
        """Args: told: says it to the record, once it is on the disk."""
        if not self._store.is_open:
            return Failed("store_failed", self._trouble)
        self._pending.append(_Write(self.ctx.later(), operation, told))
        if len(self._pending) >= self._limits.group_commit_max:
            self._flush()
        elif len(self._pending) == 1:
            self.ctx.tell(self.ctx.path, Flush())
        return LATER

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        known = self._store.deposits
        try:
            answers = self._store.commit(
                [write.operation for write in pending], self.ctx.clock.wall()
            )
        except StoreBroken as error:
            self._break(error)
            answers = [Failed("store_failed", self._trouble) for _ in pending]
        for write, answer in zip(pending, answers, strict=True):
            if not isinstance(answer, Failed):
                write.told()
            self.ctx.reply(write.request, answer)
        if self._store.deposits != known:
            self.ctx.note(deposits=self._store.deposits)
        self._tell_watchers()
        self._mind(answers)

    def _tell_watchers(self) -> None:
        owed, before = self._store.owed, self._owed
        self._owed = owed or before
        if self._watchers and owed and owed != before:
            for watcher in self._watchers:
                self.ctx.tell(watcher, OutboxGrew(owed))

    def _begin_epoch(self, books: Any) -> Epoch | Failed:
        known = files.read_epoch(self._data_dir)
        epoch = open_epoch(books, known)
        try:
            files.write_epoch(self._data_dir, epoch.number)
        except OSError as error:
            if known == 0:  # never kept so far: nothing to count from if the store is lost
                self.ctx.emit("storage_trouble", code="epoch_file", why=str(error))
        return epoch

    # -- trouble --------------------------------------------------------------------------------

    def _mind(self, answers: list[Message]) -> None:
        """Show in status and record that something cannot be kept, until it can again."""
        if not self._store.is_open:
            return
        failures = [each for each in answers if isinstance(each, Failed)]
        for failure in failures:
            if failure.code in _TROUBLES:
                self._tell_trouble(failure.code, failure.detail)
                return
        if self._trouble and len(failures) < len(answers):
            self._look_whether_well()

    def _look_whether_well(self) -> None:
        if self._store.room().has_ease:
            self._tell_well()

    @handles(LookAgain)
    def look_again(self, message: LookAgain) -> None:
        """A full disk may have been cleared by others, while nobody writes here."""
        self._is_looking = False
        if self._trouble and self._store.is_open:
            self._look_whether_well()
        self._go_on_looking()

    def _go_on_looking(self) -> None:
        if self._trouble and not self._is_looking:
            self._is_looking = True
            self.ctx.schedule_once(LOOK_S, LookAgain())

    def _tell_trouble(self, code: str, why: str) -> None:
        trouble = f"{code}: {why}"
        if trouble.partition(":")[0] != self._trouble.partition(":")[0]:
            self.ctx.emit("storage_trouble", code=code, why=why)
        self._trouble = trouble
        self.ctx.note(trouble=trouble)
        self._go_on_looking()

    def _tell_well(self) -> None:
        if self._trouble:
            self.ctx.emit("storage_well", was=self._trouble)
            self._trouble = ""
        self._note()

    def _tell_aside(self) -> None:
        if self._store.aside is not None:
            aside, why = self._store.aside
            self.ctx.emit("store_damaged", kept=aside.name, why=why)

    def _note(self) -> None:
        """Damaged stores stay an alarm until somebody has looked and moved them away."""
        damaged = [path.name for path in files.damaged_stores(self._data_dir).values()]
        alarm = f"{', '.join(damaged)}: damaged, put aside; see docs/ledger.md" if damaged else None
        self.ctx.note(deposits=self._store.deposits, trouble=self._trouble or alarm)

    def _break(self, error: StoreBroken) -> None:
        """Nothing that this environment says later is certain."""
        self._store.close()
        self._is_damage = error.is_damage
        self._tell_trouble("store_failed", f"{error}; nothing is accepted until it is well again")
        self.ctx.schedule_once(self._reopen_s, Reopen())

    @handles(Reopen, deadline_s=120.0)
    def reopen(self, message: Reopen) -> None:
        """Open it, look at it, and see a commit through before anything is taken again."""
        if self._store.is_open:
            return
        try:
            self._store.open(thorough=self._is_damage)
            self._store.probe(self.ctx.clock.wall())
        except (StoreUnusable, StoreBroken) as error:
            self._store.close()
            self._reopen_s = min(self._reopen_s * 2, REOPEN_S_MAX)
            self._tell_trouble("store_failed", str(error))
            self.ctx.schedule_once(self._reopen_s, Reopen())
            return
        self._reopen_s, self._is_damage = REOPEN_S, False
        self._tell_aside()
        self._tell_well()

    @handles(NoteWell)
    def note_well(self, message: NoteWell) -> None:
        """See `actors.store.ends`."""
        self._store.note_well()

    @handles(CheckReaders)
    def check_readers(self, message: CheckReaders) -> None:
        """Whoever was killed while reading must not keep old pages for ever."""
        self._store.check_readers()

    # -- reads ----------------------------------------------------------------------------------

    @handles(ListDeposits, command=True)
    def list_deposits(self, message: ListDeposits) -> Deposits | Failed:
        """The newest records."""
        if message.limit < 1:
            return Failed("invalid", f"limit is {message.limit}; at least 1")
        return self._look(lambda txn, tables: reading.newest_deposits(txn, tables, message.limit))

    @handles(ListSessions, command=True)
    def list_sessions(self, message: ListSessions) -> Sessions | Failed:
        """The newest sessions."""
        if message.limit < 1:
            return Failed("invalid", f"limit is {message.limit}; at least 1")
        return self._look(lambda txn, tables: reading.newest_sessions(txn, tables, message.limit))

    @handles(OpenSessions)
    def open_sessions(self, message: OpenSessions) -> Sessions | Failed:
        """Those that nobody has closed."""
        return self._look(reading.open_sessions)

    @handles(OpenCommands)
    def open_commands(self, message: OpenCommands) -> CommandsFound | Failed:
        """Remote commands that are not over."""
        return self._look(open_commands)

    @handles(FindCommands)
    def find_commands(self, message: FindCommands) -> CommandsFound | Failed:
        """Those of these ids."""
        return self._look(lambda txn, tables: find_commands(txn, tables, message.ids))

    @handles(ListCommands, command=True)
    def list_commands(self, message: ListCommands) -> CommandsListed | Failed:
        """The newest remote commands."""
        if message.limit < 1:
            return Failed("invalid", f"limit is {message.limit}; at least 1")
        return self._look(lambda txn, tables: newest_commands(txn, tables, message.limit))

    @handles(PeekOutbox)
    def peek_outbox(self, message: PeekOutbox) -> Outbox | Failed:
        """The oldest of a class."""

        def look(txn: lmdb.Transaction, tables: Tables) -> Outbox:
            records = peek(txn, tables, message.outbox, message.limit, message.after)
            return Outbox(records, entries(txn, tables[message.outbox]))

        return self._look(look)

    @handles(WatchOutbox)
    def watch_outbox(self, message: WatchOutbox) -> OutboxGrew | Failed:
        """Tell whoever asks what is new from now on."""
        if self.ctx.sender:
            self._watchers.add(self.ctx.sender)
        if not self._store.is_open:
            return Failed("store_failed", self._trouble)
        self._owed = self._store.owed or self._owed
        return OutboxGrew(self._owed)

    @handles(DescribeStore, command=True)
    def describe(self, message: DescribeStore) -> StoreDescribed | Failed:
        """How the store stands."""
        return self._look(self._describe)

    def _describe(self, txn: lmdb.Transaction, tables: Tables) -> StoreDescribed:
        store = self._store
        found = reading.described(
            txn, tables, store.room(), store.map_bytes, self._limits.map_mb_max << 20
        )
        damaged = tuple(path.name for path in files.damaged_stores(self._data_dir).values())
        return msgspec.structs.replace(found, trouble=self._trouble, damaged=damaged)

    def _look(self, read: Callable[[lmdb.Transaction, Tables], M]) -> M | Failed:
        """Answer from what is committed; a store that cannot be read is opened again."""
        if not self._store.is_open:
            return Failed("store_failed", self._trouble)
        try:
            with self._store.view() as (txn, tables):
                return read(txn, tables)
        except Damaged as error:
            self._tell_trouble("store_failed", f"{error}; see: rvm-edge ledger verify")
        except lmdb.Error as error:
            self._flush()
            self._break(StoreBroken(error, is_damage=files.is_damage(error)))
        return Failed("store_failed", self._trouble)
