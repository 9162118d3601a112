"""One machine of the fleet: its link, its doorbell, and what it tells of its own accord.

Paths, tries, breaker, token and doorbell are the real machine's parts; what stands here is what
its link actor and its reports actor do with them, without actors: thousands share one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from actors.uplink.birth import Life, welcome
from actors.uplink.calls import Caller
from actors.uplink.identity import Denied, Identity, Mark
from actors.uplink.watching import Watcher, wait
from actors.uplink.way import CallFailed, Way
from models.claims import clock_quality
from models.uplink.again import full_jitter_s, spread_s
from protocol.platform import ROOT
from protocol.platform.identity import Welcome
from protocol.platform.reports import Deposit, Heartbeat, MachineStatus, Pulse, Sample
from protocol.uplink import Call, Called
from rvm_edge.fleet.backlog import Backlog
from rvm_edge.fleet.bell import DoorbellClient
from rvm_edge.fleet.errands import Errands
from rvm_edge.fleet.line import Line
from rvm_edge.fleet.shared import Shared

_OPEN_S, _OPEN_S_MAX = 1.0, 60.0
_ASK_S = 15.0
_JITTER = 0.1
_PERIOD_S_MIN = 1.0
_OK = range(200, 300)
_KINDS = ("mineral", "soda", "beer", "can")


class SeededIdentity(Identity):
    """A real machine's, whose key is in memory and in no file."""

    def __init__(self, key: bytes, hardware_id: str, shared: Shared, ask: Any) -> None:
        """Args: ask: as for `Identity`."""
        super().__init__(hardware_id, Path(), shared.limits, ask, shared.clock)
        self._seeded = key

    def _key(self) -> bytes:
        return self._seeded

    @property
    def mark(self) -> Mark | None:
        """None was left behind."""
        return None


class Machine:
    """See the module."""

    def __init__(self, hardware_id: str, key: bytes, shared: Shared, rng: Random) -> None:
        """Make it; nothing happens before `switch_on`."""
        self.hardware_id = hardware_id
        self.key = key
        self._shared = shared
        self._rng = rng
        self._clock = clock = shared.clock
        self._tally = tally = shared.tally
        limits = shared.limits
        connect_s = limits.connect_timeout_s
        self._line = Line(shared.url, shared.context, connect_s, clock, shared.names, tally)
        self._identity = SeededIdentity(key, hardware_id, shared, self.knock)
        self._watcher = Watcher((self._line,), limits, clock, rng, self._moved)
        self._caller = Caller(limits, self._identity, clock, rng, self._watcher.carried)
        self._life = Life(("simulated",), ())
        self._bell = DoorbellClient(shared, rng, self._ask, self._rung, self._look_who_is_there)
        self._errands = Errands(self._ask, clock, tally)
        self._backlog = Backlog(self._ask, rng, tally)
        self._welcome: Welcome | None = None
        self._opening: asyncio.Task[None] | None = None
        self._hurry, self._is_born = asyncio.Event(), asyncio.Event()
        self._heartbeat_s, self._telemetry_s = limits.heartbeat_s, limits.telemetry_s
        self._began_s = clock.monotonic()
        self._beats = self._items = self._samples = 0
        self._is_open = self._is_there = self._has_been_there = self._has_ended = False

    # -- life -----------------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Begin."""
        self._began_s = self._clock.monotonic()
        self._spawn(self._watcher.watch(self._line))
        self._spawn(self._beat_for_ever())
        self._spawn(self._measure_for_ever())
        self._spawn(self._backlog.deliver())
        if self._shared.deposits_per_h:
            self._spawn(self._take_items_for_ever())

    def ended(self) -> None:
        """Whatever happens from now on is not the fleet's any more."""
        self._has_ended = True
        self._bell.close()

    async def say_goodbye(self) -> None:
        """An orderly end, if there is anybody to hear it; then let go of all connections."""
        if self._is_open:
            with contextlib.suppress(CallFailed, Denied):
                await self._caller.carry_out(self._life.death(), self._way)
        await self._line.close()

    async def probe(self) -> bool:
        """Whether the platform can be reached."""
        return (await self._line.probe()).reached == "http"

    async def rest(self) -> None:
        """Let go of the connection of the enrolment: that is another program's, in the field."""
        await self._line.close()

    async def knock(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """A question without a token, for who has none yet."""
        headers = {"Content-Type": "application/json"}
        answer = await self._line.send(method, f"{ROOT}{path}", headers, body, timeout_s=_ASK_S)
        return answer.status, answer.body

    # -- the way --------------------------------------------------------------------------------

    def _way(self) -> Way | None:
        return self._watcher.way

    def _moved(self, before: str) -> None:
        """Something has been learnt about the way."""
        current = self._watcher.current
        if current == before:
            return
        self._caller.forgive(current)
        if not current:
            self._shut()
        else:
            asked_s = self._welcome.spread_s if self._welcome else 0.0
            self._open_soon(min(asked_s, self._shared.limits.retry_after_s_max))

    def _open_soon(self, spread_within_s: float = 0.0) -> None:
        if self._opening is None or self._opening.done():
            self._opening = self._spawn(self._open(spread_within_s))
        else:
            self._hurry.set()

    async def _open(self, spread_within_s: float) -> None:
        """From a way that gets through to a platform that knows us."""
        await asyncio.sleep(spread_s(self.hardware_id, spread_within_s))
        tries = 0
        while self._watcher.current and not self._is_open:
            tries += 1
            wait_s = full_jitter_s(tries, self._rng.random(), _OPEN_S, _OPEN_S_MAX)
            try:
                self._welcome = await self._bear()
            except Denied:
                wait_s = self._identity.again_in_s
            except CallFailed:
                pass  # counted where it was asked
            else:
                self._opened(self._welcome)
                return
            await wait(self._hurry, wait_s)
            self._hurry.clear()

    async def _bear(self) -> Welcome:
        call = self._life.birth(self._shared.epoch, self._clock.wall())
        said = welcome(await self._caller.carry_out(call, self._way))
        self._tally.counts["births"] += 1
        return said

    def _opened(self, said: Welcome) -> None:
        if not self._watcher.current:
            return  # it closed in the meantime
        self._is_open = True
        self._is_born.set()
        self._tally.born += 1
        self._heartbeat_s = max(said.heartbeat_s or self._heartbeat_s, _PERIOD_S_MIN)
        self._telemetry_s = max(said.telemetry_s or self._telemetry_s, _PERIOD_S_MIN)
        self._bell.want(said.doorbell if self._shared.has_doorbell else None)
        self._backlog.opened()
        self._spawn(self._tell_how_it_stands())
        self._look_who_is_there()

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self._tally.born -= 1
            self._look_who_is_there()

    async def _ask(self, call: Call) -> Called:
        """Raises: CallFailed: there is no answer."""
        if not self._is_open:
            raise CallFailed("no_way", "the way is closed")
        try:
            return await self._caller.carry_out(call, self._way)
        except Denied as error:
            self._shut()
            self._open_soon()
            raise CallFailed(error.code, error.detail) from None

    def _look_who_is_there(self) -> None:
        """Tell the tally when this machine comes, goes, or comes back."""
        is_there = self._is_open and (self._bell.is_subscribed or not self._bell.is_wanted)
        if self._has_ended or is_there == self._is_there:
            return
        self._is_there = is_there
        if not is_there:
            self._tally.lost(self._clock.monotonic())
        elif self._has_been_there:
            self._tally.back(self._clock.monotonic())
        else:
            self._has_been_there = True
            self._tally.arrived()

    # -- what it tells --------------------------------------------------------------------------

    async def _tell_how_it_stands(self) -> None:
        wall_s = self._clock.wall()
        quality = clock_quality(wall_s)
        status = MachineStatus("active", wall_s, quality, current_load=0.0, health_score=100)
        with contextlib.suppress(CallFailed):
            await self._ask(Call("PUT", "/edge/status", msgspec.json.encode(status)))
        await self._beat()

    async def _beat_for_ever(self) -> None:
        await self._is_born.wait()  # how often is the platform's to say
        while True:
            await asyncio.sleep(self._about(self._heartbeat_s))
            if self._is_open:
                await self._beat()

    async def _beat(self) -> None:
        self._beats += 1
        wall_s = self._clock.wall()
        heartbeat = Heartbeat(
            epoch=self._shared.epoch,
            seq=self._beats,
            at=wall_s,
            uptime_s=round(self._clock.monotonic() - self._began_s, 1),
            clock_quality=clock_quality(wall_s),
            commands_after=self._errands.cursor,
            status="active",
        )
        try:
            body = msgspec.json.encode(heartbeat)
            called = await self._ask(Call("POST", "/edge/heartbeats", body))
            if called.status in _OK:
                self._tally.counts["heartbeats"] += 1
                self._heard(msgspec.json.decode(called.body, type=Pulse))
        except CallFailed:
            pass  # counted where it was asked
        except msgspec.MsgspecError:
            self._tally.failed("strange")

    def _heard(self, pulse: Pulse) -> None:
        if pulse.rebirth:
            self._spawn(self._bear_again())
        if pulse.commands_last > self._errands.cursor:
            self._spawn(self._errands.rung())

    async def _bear_again(self) -> None:
        with contextlib.suppress(CallFailed, Denied):  # it will ask once more
            self._welcome = await self._bear()

    async def _measure_for_ever(self) -> None:
        await self._is_born.wait()
        while True:
            await asyncio.sleep(self._about(self._telemetry_s))
            self._samples += 1
            wall_s, rng = self._clock.wall(), self._rng
            values: dict[str, float | None] = {
                "cpu_percent": round(rng.uniform(5.0, 40.0), 1),
                "memory_percent": round(rng.uniform(30.0, 50.0), 1),
                "disk_percent": 20.0,
                "board_c": round(rng.uniform(38.0, 55.0), 1),
            }
            now_s = round(self._clock.monotonic(), 3)
            sample = Sample(wall_s, now_s, values, clock_quality(wall_s))
            key = f"{self.hardware_id}-t{self._shared.epoch}-{self._samples}"
            await self._backlog.measured(sample, key)

    async def _take_items_for_ever(self) -> None:
        """At random moments, as people come."""
        per_s = self._shared.deposits_per_h / 3600.0
        while True:
            await asyncio.sleep(self._rng.expovariate(per_s))
            self._items += 1
            wall_s = self._clock.wall()
            run = f"{self._shared.epoch}-{self._items}"
            deposit = Deposit(
                key=f"{self.hardware_id}-{run}",
                state="credited",
                session_token=f"{self.hardware_id}-s-{run}",
                waste_type=self._rng.choice(_KINDS),
                at=wall_s,
                clock_quality=clock_quality(wall_s),
                weight=round(self._rng.uniform(0.012, 0.045), 4),
                ai_confidence=round(self._rng.uniform(0.8, 0.99), 3),
            )
            self._backlog.owe_deposit(deposit)

    # -- private --------------------------------------------------------------------------------

    def _rung(self, event: str) -> None:
        if event in ("", "command"):
            self._spawn(self._errands.rung())

    def _about(self, period_s: float) -> float:
        """Not all machines at the same moment."""
        return period_s * self._rng.uniform(1.0 - _JITTER, 1.0 + _JITTER)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._shared.crew.spawn(work)
