"""The commands that are not over: in memory as they are on the disk, never ahead of it.

A write whose answer does not come may have been done or not. The disk is asked which, before
anything else is made of what it was about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from models.remote import lifecycle
from models.remote.page import Wrong
from protocol.platform.remote import Command
from protocol.storage import (
    CommandRecord,
    CommandsFound,
    CommandsStored,
    CommandWrite,
    FindCommands,
    OpenCommands,
    StoreCommands,
)
from supervisors.context import AsyncContext, RequestFailed

PATIENCE_S = 35.0
"""More than a commit on a worn card takes before the storage itself is taken for hung."""
_READ_S = 10.0

Change = Callable[[CommandRecord], CommandRecord]
Begin = Callable[[Command | Wrong], CommandRecord]
Again = Callable[[CommandRecord, Command | Wrong], CommandRecord]


class Journal:
    """See the module. Every change is on the disk when its call returns.

    Attributes:
        records: those that are not over, by id.
        cursor: how far the platform's list has been taken down.
    """

    def __init__(self, ctx: AsyncContext, storage: str) -> None:
        """Args: storage: its address."""
        self._ctx = ctx
        self._storage = storage
        self._lock = asyncio.Lock()
        self._doubtful: set[str] = set()
        self.records: dict[str, CommandRecord] = {}
        self.cursor = 0

    async def open(self) -> None:
        """Read what is not over.

        Raises:
            RequestFailed: the storage does not answer.
        """
        found: CommandsFound = await self._ctx.request(
            self._storage, OpenCommands(), timeout_s=_READ_S, reply=CommandsFound
        )
        self.records = {record.id: record for record in found.records}
        self.cursor = found.cursor

    async def take_down(
        self,
        commands: Sequence[Command | Wrong],
        cursor: int,
        begin: Begin,
        again: Again,
    ) -> None:
        """Write what has come, all of it at once, and how far that reaches.

        Args:
            begin: makes the record of one that is new.
            again: tells the record of one that is not.

        Raises:
            RequestFailed: nothing of it is certain.
        """
        async with self._lock:
            await self._settle()
            known = await self._known(commands)
            now: dict[str, CommandRecord] = dict(known)
            for command in commands:
                before = now.get(command.id)
                now[command.id] = begin(command) if before is None else again(before, command)
            writes = [
                lifecycle.written(known.get(id_), record)
                for id_, record in now.items()
                if record != known.get(id_)
            ]
            await self._write(writes, cursor)

    async def _known(self, commands: Iterable[Command | Wrong]) -> dict[str, CommandRecord]:
        ids = tuple(dict.fromkeys(command.id for command in commands))
        found: CommandsFound = await self._ctx.request(
            self._storage, FindCommands(ids), timeout_s=_READ_S, reply=CommandsFound
        )
        return {record.id: self.records.get(record.id, record) for record in found.records}

    async def change(self, id_: str, change: Change) -> CommandRecord:
        """Change one that is not over.

        Args:
            change: makes it what it should be. It may find it further on than it was known to be:
                an earlier write was done after all.

        Raises:
            RequestFailed: whether it is written is not certain; it is as it was, here.
        """
        async with self._lock:
            settled = await self._settle()
            before = settled.get(id_) or self.records.get(id_)
            if before is None:  # it was written after all, and there is nothing left to be done
                raise RequestFailed("over", f"command {id_} is over, and told")
            after = change(before)
            if after != before:
                await self._write([lifecycle.written(before, after)], 0)
            return after

    async def _settle(self) -> dict[str, CommandRecord]:
        """Find out what became of the writes that nobody has confirmed; gives what they were."""
        if not self._doubtful:
            return {}
        found: CommandsFound = await self._ctx.request(
            self._storage,
            FindCommands(tuple(self._doubtful)),
            timeout_s=_READ_S,
            reply=CommandsFound,
        )
        self._doubtful.clear()
        self.cursor = max(self.cursor, found.cursor)
        for record in found.records:
            self._keep(record)
        return {record.id: record for record in found.records}

    async def _write(self, writes: Sequence[CommandWrite], cursor: int) -> None:
        message = StoreCommands(tuple(writes), cursor)
        try:
            stored: CommandsStored = await self._ctx.request(
                self._storage, message, timeout_s=PATIENCE_S, reply=CommandsStored
            )
        except RequestFailed:
            self._doubtful.update(write.record.id for write in writes)
            raise
        self.cursor = stored.cursor
        for write in writes:
            self._keep(write.record)

    def _keep(self, record: CommandRecord) -> None:
        if lifecycle.is_over(record):
            self.records.pop(record.id, None)
        else:
            self.records[record.id] = record
