"""All machines of a fleet, from the first enrolment to the last goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from random import Random

import aiohttp

from actors.uplink.tls import pinned_context
from actors.uplink.way import Way
from config.settings import UplinkSettings
from rvm_edge.fleet.line import NAME, Names
from rvm_edge.fleet.machine import Machine
from rvm_edge.fleet.office import Office
from rvm_edge.fleet.shared import Crew, Shared
from rvm_edge.fleet.showing import Showing
from rvm_edge.fleet.tally import Tally
from supervisors.clock import SystemClock

_RAMP_PER_S = 50.0
_FILES_OURS = 64
"""Of the program itself: libraries, name service, standard streams."""
_FILES_PER_MACHINE = {True: 4, False: 3}
"""With and without a doorbell: its WebSocket, two calls at a time, and a look at the way."""
_GOODBYES_AT_ONCE = 32
_GOODBYE_S = 10.0


class Unusable(Exception):
    """It cannot be done like that; the message names the cure."""


class Interrupted(Exception):
    """Somebody has asked it to end."""


@dataclass(frozen=True)
class Plan:
    """What was asked for.

    Attributes:
        ramp_s: over how long the machines are switched on; None: as fast as they may come back.
        operator: token; empty: there is none.
        tokens: enrolment tokens; None: made with the operator's.
        every_s: between two lines of progress.
    """

    machines: int
    url: str
    for_s: float
    seed: int
    ramp_s: float | None
    has_doorbell: bool
    deposits_per_h: float
    operator: str = field(repr=False)
    tokens: tuple[str, ...] | None = field(repr=False)
    ca_file: str | None
    every_s: float
    as_json: bool


def make_room(machines: int, *, has_doorbell: bool) -> None:
    """Allow as many open files as there may be.

    Raises:
        Unusable: they would not fit.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    each = _FILES_PER_MACHINE[has_doorbell]
    wanted = machines * each + _FILES_OURS
    if hard not in (-1, resource.RLIM_INFINITY) and wanted > hard:
        fitting = max((hard - _FILES_OURS) // each, 0)
        raise Unusable(
            f"{machines} machines want {wanted} open files, and this process may have {hard}: "
            f"{fitting} machines fit; a higher limit is set with: ulimit -Hn {wanted} (as root)"
        )


async def conduct(plan: Plan) -> int:
    """Let them live for their time, and show it; says how many were missing in the end.

    Raises:
        Unusable, NotLetIn: it cannot begin.
        Interrupted: it was ended before its time.
    """
    with _stopping() as stop:
        async with _shared(plan) as shared:
            machines = [_machine(shared, plan.seed, number) for number in range(plan.machines)]
            way = Way(NAME, plan.url, shared.context, shared.limits.connect_timeout_s, shared.clock)
            showing = Showing(shared.tally, shared.clock, plan.machines, as_json=plan.as_json)
            try:
                office = Office(way, plan.operator, plan.tokens)
                is_stopped = await _enrol(office, machines, showing, stop)
                if not is_stopped:
                    is_stopped = await _live(plan, machines, shared, showing, stop)
                missing = plan.machines - shared.tally.there
                showing.summary()
            finally:
                await _end(machines, shared.crew)
                await way.close()
    if is_stopped:
        raise Interrupted
    return missing


async def _enrol(
    office: Office, machines: list[Machine], showing: Showing, stop: asyncio.Event
) -> bool:
    """Let them in; whether somebody wants it to end."""
    work = asyncio.ensure_future(office.let_in(machines))
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return True
        showing.enrolled(work.result())
        return False
    finally:
        work.cancel()
        waiting.cancel()
        await asyncio.gather(work, waiting, return_exceptions=True)


async def _live(
    plan: Plan, machines: list[Machine], shared: Shared, showing: Showing, stop: asyncio.Event
) -> bool:
    """Until the time is over, or somebody wants it to end, which is what it says."""
    showing.begin()
    crew = shared.crew
    crew.spawn(_switch_on(machines, plan.ramp_s))
    crew.spawn(_show(showing, plan.every_s))
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait(
            (waiting, crew.broken), timeout=plan.for_s, return_when=asyncio.FIRST_COMPLETED
        )
        if crew.broken.done():
            crew.broken.result()
        return stop.is_set()
    finally:
        waiting.cancel()


async def _switch_on(machines: list[Machine], ramp_s: float | None) -> None:
    within_s = len(machines) / _RAMP_PER_S if ramp_s is None else ramp_s
    for machine in machines:
        machine.switch_on()
        await asyncio.sleep(within_s / len(machines))


async def _show(showing: Showing, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        showing.progress()


async def _end(machines: list[Machine], crew: Crew) -> None:
    """Nobody works any more; those that are connected say goodbye, if it does not take long."""
    for machine in machines:
        machine.ended()
    await crew.dismiss()
    slots = asyncio.Semaphore(_GOODBYES_AT_ONCE)

    async def goodbye(machine: Machine) -> None:
        async with slots:
            await machine.say_goodbye()

    goodbyes = asyncio.gather(*(goodbye(machine) for machine in machines))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(goodbyes, _GOODBYE_S)


def _machine(shared: Shared, seed: int, number: int) -> Machine:
    """The same seed and number are the same machine."""
    key = hashlib.sha256(f"rvm-edge fleet-sim {seed} {number}".encode()).digest()
    return Machine(f"sim-{seed}-{number + 1:05d}", key, shared, Random(f"{seed} {number}"))


@contextlib.asynccontextmanager
async def _shared(plan: Plan) -> AsyncIterator[Shared]:
    """Raises: Unusable: the authorities cannot be read."""
    try:
        context = pinned_context(ca_file=plan.ca_file)
    except OSError as error:
        raise Unusable(f"--ca-file {plan.ca_file}: {error.strerror or error}") from None
    clock = SystemClock()
    names = Names(clock)
    connector = aiohttp.TCPConnector(ssl=context, limit=0, resolver=names, use_dns_cache=False)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as sockets:
        yield Shared(
            url=plan.url,
            context=context,
            limits=UplinkSettings(server_url=plan.url, allow_plain_http=True),
            clock=clock,
            names=names,
            sockets=sockets,
            tally=Tally(),
            crew=Crew(),
            has_doorbell=plan.has_doorbell,
            deposits_per_h=plan.deposits_per_h,
            epoch=int(clock.wall()),
            version=metadata.version("rvm-edge"),
        )


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """Set by the first Ctrl-C; the second one ends the program at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def release() -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)

    def heard() -> None:
        stop.set()
        release()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, heard)
    try:
        yield stop
    finally:
        release()
