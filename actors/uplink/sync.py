"""Sync: the machine's settings follow what the platform desires, and the platform hears how.

Owns nothing that lasts: what is in force, staged or denied is the daemon's (`protocol.settings`).
Hears `Rung` from the channel, `LinkChanged` from the link.
Says `Call` to the link; `StageSettings`, `ApplySettings`, `ConfirmSettings`, `RevertSettings` to
the daemon; `DescribeCycle` to the deposit; `Reached` to its listeners.

Two tasks run beside the handlers, so that a platform that is slow never delays a roll-back: one
talks with the platform, the other leads a version through its life (`models.settings_sync.life`).
Applying a version may restart this very actor. Its successor finds the trial under way, goes on
watching, and fetches what is desired once more, which makes it report how that stands.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from actors.uplink.reporting import Reporting, is_for_later
from config.settings import UplinkSettings
from models.settings_sync import life as rule
from models.settings_sync import verdict
from protocol import settings as words
from protocol.message import Done, Down, Message
from protocol.platform.twin import Desired, KeyReport, Reported, SettingsState
from protocol.service import CycleDescribed, DescribeCycle
from protocol.uplink import Call, Called, LinkChanged, Reached, Rung
from supervisors import AsyncActor, RequestFailed, handles
from supervisors.context import AsyncContext

PATH, REPORTS_PATH = "/edge/settings", "/edge/settings/reports"
GRACE_S = 30.0
"""After the end of the watch the daemon waits so long for its result."""
_TICK_S = 1.0
"""Between two looks at a machine that is waited for, or watched."""
_CALL_GRACE_S = 5.0
_CHANGE_S = 120.0
"""A cold model from an SD card takes its minute; who hangs longer has been killed by then."""
_ASK_S = 2.0
_OK, _CREATED = 200, range(200, 300)


class _Tick(Message, frozen=True, tag="sync.tick"):
    """Sync to itself: a second has passed."""


class Sync(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self,
        limits: UplinkSettings,
        link: str = "/uplink/link",
        deposit: str = "/service/deposit",
        listeners: tuple[str, ...] = (),
    ) -> None:
        """Args: link, deposit: addresses. listeners: who hears `Reached`."""
        self._limits = limits
        self._link = link
        self._deposit = deposit
        self._listeners = listeners
        self._life = rule.Life()
        self._reporting = Reporting()
        self._keys: dict[int, dict[str, KeyReport]] = {}
        self._in_force = 0
        self._etag = ""
        self._is_open = False
        self._is_known = False
        self._asked_s = float("-inf")

    # -- lifecycle and handlers -----------------------------------------------------------------

    async def on_start(self) -> None:
        """Find out what is in force, and begin to ask for more."""
        self._bell = asyncio.Event()
        self._turn = asyncio.Event()
        self._turn.set()
        self.ctx.schedule_every(_TICK_S, _Tick())
        self.ctx.spawn(self._live())
        self.ctx.spawn(self._talk())

    @handles(Rung)
    def rung(self, message: Rung) -> None:
        """There are other settings, or the socket may have missed that there are."""
        if message.event in ("settings", ""):
            self._ask_now()

    @handles(LinkChanged)
    def link_changed(self, message: LinkChanged) -> None:
        """What has happened while the way was closed is asked for as soon as it is open."""
        was_open, self._is_open = self._is_open, message.is_open
        self.ctx.watch(self._link)
        self._tell_reached()
        if self._is_open and not was_open:
            self._reporting.hurry()
            self._ask_now()

    @handles(Down)
    def down(self, message: Down) -> None:
        """The link has ended, and its way with it; the next one says when it is open again."""
        if message.path == self._link:
            self._is_open = False

    @handles(_Tick)
    def tick(self, message: _Tick) -> None:
        """Let both tasks look."""
        self._turn.set()
        is_due = self.ctx.clock.monotonic() - self._asked_s >= self._limits.settings_poll_s
        if is_due or self._reporting.is_due(self.ctx.clock.monotonic()):
            self._bell.set()

    def _ask_now(self) -> None:
        self._asked_s = float("-inf")
        self._bell.set()

    # -- talking with the platform --------------------------------------------------------------

    async def _talk(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            now_s = self.ctx.clock.monotonic()
            if not self._is_open or not self._is_known:
                continue
            if now_s - self._asked_s >= self._limits.settings_poll_s:
                self._asked_s = now_s
                await self._fetch()
            if self._reporting.is_due(self.ctx.clock.monotonic()):
                await self._deliver()

    async def _fetch(self) -> None:
        called = await self._call(Call("GET", PATH, etag=self._etag))
        if called is None or called.status != _OK:
            return
        try:
            desired = msgspec.json.decode(called.body, type=Desired)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.ctx.emit("settings_strange", detail=str(error)[:200])
            return
        if desired.version == 0 and not desired.settings:  # nobody has ever desired anything
            self._etag = called.etag
            return
        if await self._offer(desired):
            self._etag = called.etag

    async def _offer(self, desired: Desired) -> bool:
        """Let the daemon check it; whether it need not be fetched again."""
        version, text = desired.version, msgspec.json.encode(desired.settings)
        if len(text) > words.DESIRED_BYTES_MAX:
            self._report(version, "refused", f"{len(text)} bytes of settings: too many", {})
            self._take(rule.Withdrawn())
            return True
        staged = await self._ask_daemon(words.StageSettings(version, text), words.SettingsStaged)
        if isinstance(staged, RequestFailed):
            if staged.code == "storage":
                self._report(version, "deferred", staged.detail, {})
            return False
        self._know(version, staged.keys)
        if staged.in_force:
            trial = self._life.trial
            self._tell(rule.Tell(version, "watching" if trial is not None else "kept"))
            self._take(rule.Withdrawn())
        elif staged.refused:
            state: SettingsState = "rolled_back" if staged.denied else "refused"
            self._report(version, state, staged.refused, staged.keys)
            self._take(rule.Withdrawn())
        else:
            self._take(rule.Accepted(version))
            self._turn.set()
        return True

    async def _deliver(self) -> None:
        while (report := self._reporting.next()) is not None:
            body = msgspec.json.encode(report)
            called = await self._call(Call("POST", REPORTS_PATH, body))
            if called is None or is_for_later(called.status):
                asked_s = None if called is None else called.retry_after_s
                now_s, chance = self.ctx.clock.monotonic(), self.ctx.rng.random()
                self._reporting.failed(now_s, chance, asked_s)
                return
            if called.status not in _CREATED:
                self.ctx.emit(
                    "settings_report_refused", version=report.version, status=called.status
                )
            else:
                self.ctx.emit("settings_notified", version=report.version, state=report.state)
            self._reporting.done(report)

    async def _call(self, call: Call) -> Called | None:
        timeout_s = self._limits.call_timeout_s + _CALL_GRACE_S
        try:
            called: Called = await self.ctx.request(
                self._link, call, timeout_s=timeout_s, reply=Called
            )
        except RequestFailed:  # the link knows why, and its status says it
            return None
        return called

    # -- the life of a version ------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            await self._turn.wait()
            self._turn.clear()
            if not self._is_known:
                await self._find()
            if self._life.trial is not None:
                await self._watch()
            if self._life.staged is not None:
                await self._wait()

    async def _find(self) -> None:
        """What the daemon has in force, and whether somebody has to watch it."""
        found = await self._ask_daemon(words.DescribeSettings(), words.SettingsDescribed)
        if isinstance(found, RequestFailed):
            return
        self._is_known = True
        self._now_in_force(found.version)
        self._keys[found.version] = found.keys
        if found.state == "watching":
            self._take(rule.Applied(found.version, found.trial_s, found.had_link))
        self._ask_now()

    async def _wait(self) -> None:
        try:
            cycle: CycleDescribed = await self.ctx.request(
                self._deposit, DescribeCycle(), timeout_s=_ASK_S, reply=CycleDescribed
            )
            rest = rule.rest_of(cycle.phase, cycle.session)
        except RequestFailed:
            rest = "unknown"
        for order in self._take(rule.Resting(rest)):
            if isinstance(order, rule.Apply):
                await self._apply(order.version)

    async def _apply(self, version: int) -> None:
        confirm_s = self._limits.settings_watch_s + GRACE_S
        request = words.ApplySettings(version, confirm_s, self._is_open)
        found = await self._ask_daemon(request, words.SettingsApplied)
        if isinstance(found, words.SettingsApplied):
            self._now_in_force(version)
            self._take(rule.Applied(version, has_link=self._is_open))
        elif found.code == "start":
            self._take(rule.Failed(version, found.detail))
            await self._look_again()
        elif found.code == "storage":  # the next poll tries again
            self._etag = ""
            self._take(rule.Superseded(version))
            self._report(version, "deferred", found.detail, self._keys.get(version, {}))
        else:
            self._take(rule.Superseded(version))
            await self._look_again()

    async def _watch(self) -> None:
        found = await self._ask_daemon(words.DescribeSettings(), words.SettingsDescribed)
        trial = self._life.trial
        if isinstance(found, RequestFailed) or trial is None:
            return
        if found.version != trial.version or found.state != "watching":
            self._life = rule.Life(self._life.staged)  # somebody else has decided
            await self._look_again()
            return
        unwell = {path: why for path, why in found.unwell.items() if path not in found.baseline}
        failures = {path: n for path, n in found.failures.items() if path not in found.baseline}
        fact = rule.Looked(unwell, failures, self._is_open, frozenset(found.passing))
        for order in self._take(fact, is_told=False):
            if not await self._carry_out(order):
                await self._look_again()
                return

    async def _carry_out(self, order: rule.Order) -> bool:
        """Do it; False if the daemon did not, and what follows from it is not true."""
        if isinstance(order, rule.Confirm):
            done = await self._ask_daemon(words.ConfirmSettings(order.version), Done)
            return not isinstance(done, RequestFailed)
        if isinstance(order, rule.Revert):
            request = words.RevertSettings(order.version, order.reason)
            found = await self._ask_daemon(request, words.SettingsApplied)
            if isinstance(found, words.SettingsApplied):
                self._now_in_force(found.version)
                return True
            return False
        if isinstance(order, rule.Tell):
            self._tell(order)
        return True

    async def _look_again(self) -> None:
        """What we believed is not so: ask the daemon, and the platform, once more."""
        self._is_known = False
        self._etag = ""
        await self._find()

    def _take(self, fact: rule.Fact, *, is_told: bool = True) -> tuple[rule.Order, ...]:
        limits = rule.Limits(self._limits.settings_watch_s, self._limits.settings_wait_s_max)
        self._life, orders = rule.step(self._life, fact, self.ctx.clock.monotonic(), limits)
        for order in orders if is_told else ():
            if isinstance(order, rule.Tell):
                self._tell(order)
        self._note()
        return orders

    # -- telling --------------------------------------------------------------------------------

    def _tell(self, told: rule.Tell) -> None:
        keys = self._keys.get(told.version, {})
        if told.state in ("deferred", "watching"):
            keys = verdict.pending(keys, told.reason or "in force, and being watched")
        elif told.state == "rolled_back":
            keys = verdict.taken_back(keys, told.reason)
        self._report(told.version, told.state, told.reason, keys)

    def _report(
        self, version: int, state: SettingsState, reason: str, keys: dict[str, KeyReport]
    ) -> None:
        at = self.ctx.clock.wall()
        self._reporting.add(Reported(version, state, self._in_force, at, reason, keys))
        self._bell.set()

    def _know(self, version: int, keys: dict[str, KeyReport]) -> None:
        """What is to be said of a version's keys, and of none that is gone."""
        found = (self._life.staged, self._life.trial)
        alive = {self._in_force, *(one.version for one in found if one is not None)}
        self._keys = {one: known for one, known in self._keys.items() if one in alive}
        self._keys[version] = keys

    def _now_in_force(self, version: int) -> None:
        self._in_force = version
        self._tell_reached()
        self._note()

    def _tell_reached(self) -> None:
        if self._is_known:
            for listener in self._listeners:
                self.ctx.tell(listener, Reached(settings_version=self._in_force))

    def _note(self) -> None:
        staged, trial = self._life.staged, self._life.trial
        self.ctx.note(
            version=self._in_force,
            staged=None if staged is None else staged.version,
            on_trial=None if trial is None else trial.version,
        )

    async def _ask_daemon(self, request: Message, reply: type[Message]) -> Any:
        """The answer, or why there is none."""
        try:
            return await self.ctx.request(words.ADDRESS, request, timeout_s=_CHANGE_S, reply=reply)
        except RequestFailed as error:
            return error
