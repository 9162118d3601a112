"""The commands that are not over: in memory as they are on the disk, never ahead of it."""

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
from supervisors.context import AsyncContext

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

        Raises:
            RequestFailed: whether it is written is not certain; it is as it was, here.
        """
        async with self._lock:
            before = self.records[id_]
            after = change(before)
            if after != before:
                await self._write([lifecycle.written(before, after)], 0)
            return after

    async def _write(self, writes: Sequence[CommandWrite], cursor: int) -> None:
        message = StoreCommands(tuple(writes), cursor)
        stored: CommandsStored = await self._ctx.request(
            self._storage, message, timeout_s=PATIENCE_S, reply=CommandsStored
        )
        self.cursor = stored.cursor
        for write in writes:
            if lifecycle.is_over(write.record):
                self.records.pop(write.record.id, None)
            else:
                self.records[write.record.id] = write.record
