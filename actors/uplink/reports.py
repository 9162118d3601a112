"""The reports: what the machine tells of its own accord, how it lives and how it stands.

Owns what the platform was last told.
Hears `LinkChanged` from the link, `Reached` from sync and commands.
Says `Call` to the link; `MeasureNow`, `ReadInputs`, `DescribeCycle`, `DescribeModel`,
`DescribeStore` to who knows; `PutOutbox` to storage; `Rung` and `Rebirth` after a `Pulse`.

    heartbeat   every minute, a little at random: what is waiting, which settings are in force
    telemetry   every half minute; what cannot be sent now is kept, and sent as history
    status      when it changes, and after the way was closed; always the newest, never a queue
    engine      what the detector runs on, when it changes, and at once when it stops answering
    events      the same changes, kept in the outbox: none of them gets lost
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from actors.uplink.engine import describe_engine
from config.settings import InferenceSettings, UplinkSettings
from models.claims import clock_quality
from models.uplink.dates import rfc3339
from models.uplink.standing import is_news, status_of, values_of, word_of
from protocol.health import Measured, MeasureNow
from protocol.machine import Inputs, ReadInputs
from protocol.message import Message
from protocol.platform.reports import (
    Engine,
    Event,
    Heartbeat,
    MachineStatus,
    Pulse,
    Sample,
    TelemetryBatch,
)
from protocol.service import CycleDescribed, DescribeCycle
from protocol.storage import (
    DescribeStore,
    NoteMaintenance,
    OutboxClass,
    PutOutbox,
    StoreDescribed,
)
from protocol.system import Ping, Pong
from protocol.uplink import Call, Called, LinkChanged, Method, Reached, Rebirth, Rung
from protocol.vision import DescribeModel, ModelInUse
from supervisors import AsyncActor, handles
from supervisors.context import AsyncContext, RequestFailed

LOOK_S = 5.0
"""How often the parts are asked how they are: an engine that is down is told within ten seconds."""
_PERIOD_S_MIN = 1.0
"""Whatever the platform wishes for."""
_ASK_S = 2.0
_GRACE_S = 5.0
_JITTER = 0.1
_OK = range(200, 300)
A = TypeVar("A", bound=Message)
_Work = Callable[[], Coroutine[Any, Any, None]]


class _Beat(Message, frozen=True, tag="uplink.beat"):
    """Reports to itself: it is time for a heartbeat."""


class _Measure(Message, frozen=True, tag="uplink.measure"):
    """Reports to itself: it is time for telemetry."""


class _Look(Message, frozen=True, tag="uplink.look"):
    """Reports to itself: how does the machine stand?"""


class Reports(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self,
        limits: UplinkSettings,
        inference: InferenceSettings,
        hardware_id: str,
        addresses: Mapping[str, str],
    ) -> None:
        """Make it.

        Args:
            addresses: of link, storage, deposit, sensors, health, camera, inference, sync and
                commands; one that is missing is not asked.
        """
        self._limits = limits
        self._inference = inference
        self._hardware_id = hardware_id
        self._to = dict(addresses)
        self._is_open = False
        self._began_s = 0.0
        self._beats = 0
        self._heartbeat_s, self._telemetry_s = limits.heartbeat_s, limits.telemetry_s
        self._reached = Reached(0, 0)
        self._epoch = 0
        self._status: MachineStatus | None = None
        self._told_status: MachineStatus | None = None
        self._engine: Engine | None = None
        self._told_engine: Engine | None = None
        self._alarms: frozenset[str] | None = None
        self._maintained: str | None = None
        self._has_recalled = False
        self._busy: set[str] = set()
        self._again: set[str] = set()

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin to look, if there is a platform that it may be told some day."""
        limits = self._limits
        if not (limits.server_url or limits.tunnel_url or limits.local_url):
            self.ctx.waiting("a server: none is configured (uplink.server_url)")
            return
        self._began_s = self.ctx.clock.monotonic()
        self.ctx.schedule_once(0.0, _Look())
        self.ctx.schedule_once(self._about(self._telemetry_s), _Measure())
        self.ctx.schedule_once(self._about(self._heartbeat_s), _Beat())

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """Tell at once how things are when the way opens; whoever it leads to may not know."""
        was_open, self._is_open = self._is_open, message.is_open
        if message.welcome is not None:
            wished = message.welcome
            self._heartbeat_s = max(wished.heartbeat_s or self._limits.heartbeat_s, _PERIOD_S_MIN)
            self._telemetry_s = max(wished.telemetry_s or self._limits.telemetry_s, _PERIOD_S_MIN)
        if self._is_open and not was_open:
            self._told_status = self._told_engine = None
            self._once("look", self._look, again=True)
            self._once("beat", self._beat, again=True)

    @handles(Reached)
    def reached(self, message: Reached) -> None:
        """For the next heartbeat."""
        settings, commands = message.settings_version, message.commands_after
        if settings is not None:
            self._reached = replace(self._reached, settings_version=settings)
        if commands is not None:
            self._reached = replace(self._reached, commands_after=commands)

    # -- heartbeat ------------------------------------------------------------------------------

    @handles(_Beat)
    def beat(self, message: _Beat) -> None:
        """One heartbeat; the one before it may still be on its way, then that one will do."""
        self.ctx.schedule_once(self._about(self._heartbeat_s), _Beat())
        if self._is_open:
            self._once("beat", self._beat)

    async def _beat(self) -> None:
        store = await self._ask("storage", DescribeStore(), StoreDescribed)
        if store is not None:
            self._epoch = store.epoch
        self._beats += 1
        wall_s = self.ctx.clock.wall()
        heartbeat = Heartbeat(
            epoch=self._epoch,
            seq=self._beats,
            at=wall_s,
            uptime_s=round(self.ctx.clock.monotonic() - self._began_s, 1),
            clock_quality=clock_quality(wall_s),
            settings_version=self._reached.settings_version or 0,
            commands_after=self._reached.commands_after or 0,
            waiting={} if store is None else store.outbox,
            status="" if self._status is None else self._status.status,
        )
        called = await self._call("POST", "/edge/heartbeats", heartbeat)
        if called is None or called.status not in _OK:
            return
        try:
            self._heard(msgspec.json.decode(called.body, type=Pulse))
        except msgspec.MsgspecError as error:
            self.ctx.log("pulse", level="warning", why=str(error))

    def _heard(self, pulse: Pulse) -> None:
        """What the platform knows and we do not is worth asking for, also without a doorbell."""
        self.ctx.note(heartbeats=self._beats)
        if pulse.rebirth:
            self.ctx.tell(self._to["link"], Rebirth())
        if pulse.settings_version != self._reached.settings_version:
            self._ring("sync", "settings")
        if pulse.commands_last > (self._reached.commands_after or 0):
            self._ring("commands", "command")

    def _ring(self, whom: str, event: str) -> None:
        if whom in self._to:
            self.ctx.tell(self._to[whom], Rung(event))

    # -- telemetry ------------------------------------------------------------------------------

    @handles(_Measure)
    def measure(self, message: _Measure) -> None:
        """One sample."""
        self.ctx.schedule_once(self._about(self._telemetry_s), _Measure())
        self._once("telemetry", self._measure)

    async def _measure(self) -> None:
        measured = await self._ask("health", MeasureNow(), Measured)
        inputs = await self._ask("sensors", ReadInputs(), Inputs)
        wall_s = self.ctx.clock.wall()
        sample = Sample(
            at=wall_s,
            monotonic_s=round(self.ctx.clock.monotonic(), 3),
            values=values_of(measured, inputs),
            clock_quality=clock_quality(wall_s),
        )
        key = self._key("t")
        called = await self._call("POST", "/edge/telemetry", TelemetryBatch(key, (sample,)), key)
        if called is None or called.status not in _OK:
            self._keep("telemetry", key, "telemetry", sample)

    # -- status and engine ----------------------------------------------------------------------

    @handles(_Look)
    def look(self, message: _Look) -> None:
        """Ask the parts, and tell what is new."""
        self.ctx.schedule_once(LOOK_S, _Look())
        self._once("look", self._look)

    async def _look(self) -> None:
        cycle, measured, inputs, camera, model, _ = await asyncio.gather(
            self._ask("deposit", DescribeCycle(), CycleDescribed),
            self._ask("health", MeasureNow(), Measured),
            self._ask("sensors", ReadInputs(), Inputs),
            self._ask("camera", Ping(), Pong),
            self._ask("inference", DescribeModel(), ModelInUse),
            self._recall(),
        )
        before, wall_s = self._status, self.ctx.clock.wall()
        quality, sees = clock_quality(wall_s), camera is not None
        was, now = "" if before is None else before.status, word_of(cycle)[0]
        if was and was != now and "maintenance" in (was, now) and quality == "good":
            self._maintained = rfc3339(wall_s)
            self.ctx.tell(self._to["storage"], NoteMaintenance(wall_s))
        status = status_of(cycle, measured, inputs, sees, wall_s, quality, self._maintained)
        self._status = status
        if before is not None and (before.status, before.reason) != (status.status, status.reason):
            self._event("status", {"was": before.status, "is": status.status, "why": status.reason})
        if measured is not None:
            self._alarmed(frozenset(measured.alarms))
        self.ctx.note(status=status.status, health_score=status.health_score)
        await asyncio.gather(self._tell_status(status), self._tell_engine(model))

    async def _recall(self) -> None:
        """When somebody looked after the machine in an earlier run."""
        if self._has_recalled:
            return
        store = await self._ask("storage", DescribeStore(), StoreDescribed)
        if store is not None:
            self._has_recalled = True
            if store.maintained_at:
                self._maintained = self._maintained or rfc3339(store.maintained_at)

    async def _tell_status(self, status: MachineStatus) -> None:
        if not is_news(self._told_status, status):
            return
        called = await self._call("PUT", "/edge/status", status)
        if called is not None and called.status in _OK:
            self._told_status = status

    async def _tell_engine(self, model: ModelInUse | None) -> None:
        known = self._told_engine or self._engine
        engine = describe_engine(model, known, self._inference, self._hardware_id, self._limits)
        if engine is None:
            return  # it has never answered: there is nothing to register
        self._engine = engine
        if engine != self._told_engine:
            called = await self._call("PUT", "/edge/engine", engine)
            if called is not None and called.status in _OK:
                self._told_engine = engine

    def _alarmed(self, now: frozenset[str]) -> None:
        before, self._alarms = self._alarms or frozenset(), now
        for name in sorted(now - before):
            self._event("alarm", {"name": name})
        for name in sorted(before - now):
            self._event("alarm_cleared", {"name": name})

    # -- private --------------------------------------------------------------------------------

    def _event(self, kind: str, fields: dict[str, Any]) -> None:
        key, wall_s = self._key("e"), self.ctx.clock.wall()
        self._keep("event", key, "event", Event(key, kind, wall_s, clock_quality(wall_s), fields))

    def _keep(self, outbox: OutboxClass, key: str, kind: str, body: msgspec.Struct) -> None:
        message = PutOutbox(outbox, key, kind, msgspec.msgpack.encode(body))
        self.ctx.tell(self._to["storage"], message)

    def _key(self, mark: str) -> str:
        return f"{self._hardware_id}-{mark}{self.ctx.rng.getrandbits(64):016x}"

    def _about(self, period_s: float) -> float:
        """Not all machines at the same moment."""
        return period_s * (1.0 - _JITTER + 2.0 * _JITTER * self.ctx.rng.random())

    def _once(self, what: str, work: _Work, *, again: bool = False) -> None:
        """Do this beside the handlers, unless it is being done.

        Args:
            again: what is being done has begun too early: once more after it.
        """
        if what not in self._busy:
            self._busy.add(what)
            self.ctx.spawn(self._until_done(what, work))
        elif again:
            self._again.add(what)

    async def _until_done(self, what: str, work: _Work) -> None:
        try:
            await work()
            while what in self._again:
                self._again.discard(what)
                await work()
        finally:
            self._busy.discard(what)

    async def _ask(self, whom: str, question: Message, reply: type[A]) -> A | None:
        """What a part answers; None: it does not."""
        if whom not in self._to:
            return None
        try:
            answer: A = await self.ctx.request(
                self._to[whom], question, reply=reply, timeout_s=_ASK_S
            )
        except RequestFailed:
            return None
        return answer

    async def _call(
        self, method: Method, path: str, body: msgspec.Struct, key: str = ""
    ) -> Called | None:
        """What the platform answers; None: nothing."""
        if not self._is_open:
            return None
        call = Call(method, path, msgspec.json.encode(body), key=key)
        timeout_s = self._limits.call_timeout_s + _GRACE_S
        try:
            called: Called = await self.ctx.request(
                self._to["link"], call, timeout_s=timeout_s, reply=Called
            )
        except RequestFailed:
            return None
        return called
