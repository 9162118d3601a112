"""What the commands know is what the disk says, also where its answer did not come."""

import asyncio

import pytest
from msgspec.structs import replace

from actors.uplink.commands.journal import Journal
from models.remote import lifecycle
from models.remote.lifecycle import Moment
from protocol.platform.remote import Command
from protocol.storage import CommandsFound, CommandsStored, FindCommands, StoreCommands
from supervisors import RequestFailed

NOW = Moment(1.0, 1.0, "boot", "run")
NEW = lifecycle.received(Command(7, "cmd-00007", "ping", 60.0), NOW)
OVER = replace(lifecycle.step(NEW, "rejected", NOW, "busy"), reports=())


class Disk:
    """Answers like the storage, or loses its answers."""

    def __init__(self, *records):
        self.rows = {record.id: record for record in records}
        self.loses = False
        self.asked = []

    async def request(self, _address, message, **_more):
        self.asked.append(type(message))
        if isinstance(message, StoreCommands):
            self.rows.update({write.record.id: write.record for write in message.writes})
            if self.loses:
                raise RequestFailed("timeout")
            return CommandsStored(message.cursor)
        assert isinstance(message, FindCommands)
        return CommandsFound(tuple(self.rows[id_] for id_ in message.ids if id_ in self.rows), 7)


def journal(disk):
    found = Journal(disk, "/storage")
    found.records = dict(disk.rows)
    return found


def test_after_a_lost_answer_the_disk_is_asked_before_anything_else_is_made_of_it():
    async def story():
        disk = Disk(NEW)
        book = journal(disk)
        disk.loses = True
        with pytest.raises(RequestFailed):
            await book.change(NEW.id, lambda now: lifecycle.step(now, "accepted", NOW))
        assert book.records[NEW.id].state == "received"  # never ahead of the disk
        disk.loses = False
        seen = []
        await book.change(NEW.id, lambda now: seen.append(now.state) or now)
        assert seen == ["accepted"]
        assert book.cursor == 7
        assert disk.asked == [StoreCommands, FindCommands]

    asyncio.run(story())


def test_what_was_over_after_all_is_given_once_more_and_then_refused():
    async def story():
        disk = Disk(NEW)
        book = journal(disk)
        disk.loses = True
        with pytest.raises(RequestFailed):
            await book.change(NEW.id, lambda _now: OVER)
        disk.loses = False
        assert (await book.change(NEW.id, lambda now: now)).state == "rejected"
        assert book.records == {}
        with pytest.raises(RequestFailed, match="over"):
            await book.change(NEW.id, lambda now: now)

    asyncio.run(story())
