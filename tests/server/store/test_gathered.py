"""Writes that share a transaction: each answered behind the commit, a bad one alone."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from server.migrations import migrate
from server.settings import database_url
from server.store.database import Database
from server.store.gathered import Gathered
from server.tables import users


def add(reference: str):
    async def work(connection) -> str:
        values = {"reference": reference, "name": "", "created_at": 1.0}
        await connection.execute(sa.insert(users).values(values))
        return reference

    return work


def run(url: str, tmp_path: Path, scenario):
    """Run the scenario; returns what it returned and which users there are then."""

    async def everything():
        database = Database(url or database_url("", tmp_path))
        await migrate(database)
        gathered = Gathered(database)
        gathered.start()
        result = await scenario(gathered)
        await gathered.stop()
        async with database.read() as connection:
            found = set((await connection.execute(sa.select(users.c.reference))).scalars())
        await database.close()
        return result, found

    return asyncio.run(everything())


def test_everybody_gets_his_own_answer(url: str, tmp_path: Path):
    names = [f"u{number}" for number in range(300)]

    async def scenario(gathered: Gathered):
        return await asyncio.gather(*(gathered.write(add(name)) for name in names))

    answers, found = run(url, tmp_path, scenario)
    assert answers == names
    assert found == set(names)


def test_a_bad_one_fails_alone(url: str, tmp_path: Path):
    async def scenario(gathered: Gathered):
        works = (gathered.write(add(name)) for name in ("a", "b", "a", "c"))
        return await asyncio.gather(*works, return_exceptions=True)

    answers, found = run(url, tmp_path, scenario)
    assert [isinstance(one, IntegrityError) for one in answers].count(True) == 1
    assert found == {"a", "b", "c"}


def test_a_bug_in_a_work_reaches_who_asked_and_nobody_else(tmp_path: Path):
    async def bug(_connection):
        raise ZeroDivisionError

    async def scenario(gathered: Gathered):
        good, bad = gathered.write(add("a")), gathered.write(bug)
        return await asyncio.gather(good, bad, return_exceptions=True)

    answers, found = run("", tmp_path, scenario)
    assert answers[0] == "a"
    assert isinstance(answers[1], ZeroDivisionError)
    assert found == {"a"}


def test_what_waits_when_it_stops_is_still_written(tmp_path: Path):
    async def scenario(gathered: Gathered):
        waiting = [asyncio.create_task(gathered.write(add(f"u{number}"))) for number in range(5)]
        await asyncio.sleep(0)
        await gathered.stop()
        return await asyncio.gather(*waiting)

    answers, found = run("", tmp_path, scenario)
    assert found == set(answers)


def test_who_has_gone_stops_nobody(tmp_path: Path):
    async def scenario(gathered: Gathered):
        gone = asyncio.create_task(gathered.write(add("gone")))
        stays = asyncio.create_task(gathered.write(add("stays")))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    answer, found = run("", tmp_path, scenario)
    assert answer == "stays"
    assert "stays" in found


def test_a_database_that_is_away_is_tried_once_for_all_who_wait(tmp_path: Path):
    class Away:
        tries = 0

        @contextlib.asynccontextmanager
        async def write(self):
            self.tries += 1
            raise OperationalError("BEGIN", {}, Exception("away"))
            yield

    async def scenario():
        away = Away()
        gathered = Gathered(away)  # type: ignore[arg-type]
        waiting = [asyncio.create_task(gathered.write(add(f"u{number}"))) for number in range(9)]
        await asyncio.sleep(0)
        gathered.start()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        await gathered.stop()
        return away.tries, answers

    tries, answers = asyncio.run(scenario())
    assert tries == 1
    assert all(isinstance(one, OperationalError) for one in answers)
