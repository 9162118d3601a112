import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="needs the extra [server]")

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from server.clock import SystemClock
from server.pages.live import KEEP_ALIVE_S, LOOK_S, WATCHERS_MAX, Change, Live, change_between
from server.payloads.fleet import Fleet, Machine
from tests.server.pusher.running import PATIENCE_S, ManualClock, running, until


def machine(rvm_id: int, status: str = "active") -> Machine:
    return Machine(rvm_id, f"rvm-{rvm_id}", "", "alive", 1.0, status=status)


FLEETS = st.dictionaries(st.integers(1, 5), st.sampled_from(["active", "full", "error"])).map(
    lambda stands: Fleet(0.0, tuple(machine(*each) for each in stands.items()))
)


@given(st.lists(FLEETS, min_size=1))
def test_who_hears_every_change_knows_the_fleet_as_it_is(fleets):
    told, known = None, {}
    for fleet in fleets:
        change = change_between(told, fleet)
        told = {each.rvm_id: each for each in fleet.machines}
        if change is None:
            continue
        known = {} if change.whole else known
        known.update({each.rvm_id: each for each in change.machines})
        for rvm_id in change.gone:
            del known[rvm_id]
        assert known == told
    assert known == told


@given(FLEETS)
def test_nothing_is_told_where_nothing_has_changed(fleet):
    told = {each.rvm_id: each for each in fleet.machines}
    assert change_between(told, fleet) is None
    assert change_between(None, fleet) is not None


def read(event: bytes) -> Change:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert event.count(b"\n") == 2
    return msgspec.json.decode(event[6:], type=Change)


def test_watchers_share_one_look_and_a_slow_one_hears_the_newest_state():
    looks = 0
    clock = ManualClock()

    async def look() -> Fleet:
        nonlocal looks
        looks += 1
        return Fleet(float(looks), (machine(1, f"{looks}"), machine(2)))

    async def watching():
        live = Live(clock)
        quick, slow = live.watch(look), live.watch(look)
        assert read(await anext(quick)) == read(await anext(slow))
        assert looks == 1
        for n in (2, 3, 4):
            clock.now_s += LOOK_S
            assert [each.status for each in read(await anext(quick)).machines] == [f"{n}"]
        assert [each.status for each in read(await anext(slow)).machines] == ["4"]
        assert looks == 4
        live.end()
        assert [event async for event in quick] == []
        assert [event async for event in slow] == []

    asyncio.run(watching())


def test_a_watcher_of_a_fleet_that_stands_still_hears_that_we_are_here():
    clock = ManualClock()
    still = Fleet(0.0, (machine(1),))

    async def look() -> Fleet:
        clock.now_s += KEEP_ALIVE_S
        return still

    async def watching():
        watch = Live(clock).watch(look)
        assert read(await anext(watch)).whole
        assert await anext(watch) == b": still here\n\n"
        await watch.aclose()

    asyncio.run(watching())


def test_watchers_are_bounded_and_who_has_gone_makes_room():
    async def look() -> Fleet:
        return Fleet(0.0, ())

    async def watching():
        live = Live(ManualClock())
        watches = [live.watch(look) for _ in range(WATCHERS_MAX)]
        for watch in watches:
            await anext(watch)
        assert live.is_full
        late = live.watch(look)  # asked while there was still room
        assert [event async for event in late] == []
        await watches[0].aclose()
        assert not live.is_full
        for watch in watches[1:]:
            await watch.aclose()

    asyncio.run(watching())


def test_a_watcher_whose_connection_breaks_makes_room():
    live = Live(SystemClock())
    routes = APIRouter()
    looks = 0

    async def look() -> Fleet:
        nonlocal looks
        looks += 1
        return Fleet(0.0, (machine(1, f"{looks}"),))  # there is always something to tell

    @routes.get("/live")
    async def watch():
        return StreamingResponse(live.watch(look))

    async def watching():
        async with running(also=routes) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"\n\n"), PATIENCE_S)
            assert live.watchers == 1
            writer.transport.abort()
            await until(lambda: live.watchers == 0)

    asyncio.run(watching())
