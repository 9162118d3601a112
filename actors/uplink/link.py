"""The link: the way to the platform, and the only one that speaks HTTP to it.

Owns the paths with their probes, the machine's token, and what is known of the platform.
Hears `Call` and `DescribeLink` from anybody, `Reached` from sync and commands, `Rebirth` from
reports, `ProbeServer` from operators.
Says `LinkChanged` to its listeners: when the way opens or closes, leads over another path, and to
each of them that has been restarted.

The way is open when a path has got through to the platform, the platform has taken the machine's
key, and knows of this run. Whatever is missing is in status, with what to do about it.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from actors.uplink.audience import Audience, TellAgain
from actors.uplink.birth import Life, welcome
from actors.uplink.calls import Caller
from actors.uplink.identity import Denied, Identity
from actors.uplink.showing import described, notes
from actors.uplink.watching import Watcher, wait, ways_of
from actors.uplink.way import CallFailed, Way
from config.settings import UplinkSettings
from models.uplink.again import full_jitter_s, spread_s
from models.uplink.paths import SETTLE_S
from protocol.envelope import Envelope
from protocol.health import ProbeServer, ServerProbed
from protocol.message import Down, Failed, Message
from protocol.platform import ROOT
from protocol.platform.identity import Welcome
from protocol.storage import DescribeStore, StoreDescribed
from protocol.uplink import (
    Call,
    Called,
    DescribeLink,
    Grade,
    LinkChanged,
    LinkDescribed,
    Reached,
    Rebirth,
)
from supervisors import LATER, AsyncActor, Waiting, handles
from supervisors.actor import _Later
from supervisors.context import AsyncContext, RequestFailed
from supervisors.exits import ExitReason

_OPEN_S, _OPEN_S_MAX = 1.0, 60.0
_ASK_S = 15.0


class _Settle(Message, frozen=True, tag="uplink.settle"):
    """Link to itself: the preferred path has had its moment."""


class Link(AsyncActor):
    """See the module."""

    ctx: AsyncContext

    def __init__(
        self,
        limits: UplinkSettings,
        hardware_id: str = "",
        key_file: str = "",
        storage: str = "/storage",
        listeners: tuple[str, ...] = (),
        capabilities: tuple[str, ...] = (),
        actors: tuple[str, ...] = (),
    ) -> None:
        """Make it.

        Args:
            key_file: of the device key, which the session makes.
            storage: its address.
            listeners: who hears `LinkChanged`.
            capabilities, actors: for the birth.
        """
        self._limits = limits
        self._hardware_id = hardware_id
        self._key_file = Path(key_file)
        self._storage = storage
        self._listeners = listeners
        self._life = Life(capabilities, actors)
        self._welcome: Welcome | None = None
        self._is_open = False
        self._closed = "no path to the platform is open"
        self._closed_code = "no_way"
        self._grade: Grade = "disconnected"
        self._pin_mismatch = ""
        self._opening: asyncio.Task[None] | None = None
        self._audience: Audience
        self._watcher: Watcher
        self._identity: Identity
        self._caller: Caller
        self._hurry: asyncio.Event

    # -- lifecycle ------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Begin to look at every path there is."""
        clock = self.ctx.clock
        self._hurry = asyncio.Event()
        self._audience = Audience(self.ctx, self._listeners)
        self._identity = Identity(self._hardware_id, self._key_file, self._limits, self._ask, clock)
        self._watcher = Watcher(self._ways(), self._limits, clock, self.ctx.rng, self._moved)
        tell = self._watcher.carried
        self._caller = Caller(self._limits, self._identity, clock, self.ctx.rng, tell)
        if not self._watcher.ways:
            self._closed = "no server is configured (uplink.server_url)"
            self.ctx.waiting(f"a server: {self._closed}")
            return
        for way in self._watcher.ways.values():
            self.ctx.spawn(self._watcher.watch(way))
        self.ctx.schedule_once(SETTLE_S, _Settle())
        self._note()

    def _ways(self) -> list[Way]:
        try:
            return ways_of(self._limits, self.ctx.clock, self._report_pin)
        except OSError as error:
            msg = f"authorities: {self._limits.ca_file}: {error.strerror or error} (uplink.ca_file)"
            raise Waiting(msg) from error

    def _report_pin(self, pin: str) -> None:
        """Told once, shown always."""
        if pin != self._pin_mismatch:
            self._pin_mismatch = pin
            self.ctx.note(pin_mismatch=pin)
            self.ctx.emit("pin_mismatch", pin=pin)

    async def on_stop(self, reason: ExitReason) -> None:
        """Say goodbye, if there is anybody to hear it, and let go of all connections."""
        if self._is_open and reason.is_normal:
            with contextlib.suppress(CallFailed, Denied):
                await self._caller.carry_out(self._life.death(), self._way)
        await self._watcher.close()

    # -- calls ----------------------------------------------------------------------------------

    @handles(Call)
    def call(self, message: Call) -> _Later | Failed:
        """Ask the platform; answered when it has answered."""
        if not self._is_open:
            return Failed(self._closed_code, self._closed)
        self.ctx.spawn(self._serve(self.ctx.later(), message))
        return LATER

    async def _serve(self, request: Envelope, call: Call) -> None:
        answer: Called | Failed
        try:
            answer = await self._caller.carry_out(call, self._way)
        except CallFailed as error:
            answer = Failed(error.code, error.detail)
        except Denied as error:
            answer = Failed(error.code, error.detail)
            self._shut(error.code, error.detail)
            self._open_soon()
        self.ctx.reply(request, answer)

    def _way(self) -> Way | None:
        return self._watcher.way

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """A question without a token, for who has none yet."""
        way = self._way()
        if way is None:
            raise CallFailed("no_way", "no path to the platform is open")
        headers = {"Content-Type": "application/json"}
        answer = await way.send(method, f"{ROOT}{path}", headers, body, timeout_s=_ASK_S)
        return answer.status, answer.body

    # -- paths ----------------------------------------------------------------------------------

    @handles(_Settle)
    def settle(self, message: _Settle) -> None:
        """See `models.uplink.paths`."""
        self._watcher.settle()

    def _moved(self, before: str) -> None:
        """Something has been learnt about the paths."""
        current = self._watcher.current
        if current != before:
            why = self._watcher.in_words()
            self.ctx.emit("link", way=current or None, was=before or None, why=why)
            self._caller.forgive(current)
            if not current:
                self._shut("no_way", "no path to the platform is open")
            elif not before:
                asked_s = self._welcome.spread_s if self._welcome else 0.0
                self._open_soon(min(asked_s, self._limits.retry_after_s_max))
            elif self._is_open:
                self._tell_all()
        self._grade_again()

    def _grade_again(self) -> None:
        now = self._watcher.grade()
        if now in ("internet", "server") and self._grade in ("disconnected", "lan"):
            self.ctx.announce("network")
        self._grade = now
        self._note()

    # -- opening and closing --------------------------------------------------------------------

    def _open_soon(self, spread_within_s: float = 0.0) -> None:
        if self._opening is None or self._opening.done():
            self._opening = self.ctx.spawn(self._open(spread_within_s))
        else:
            self._hurry.set()

    async def _open(self, spread_within_s: float) -> None:
        """From a path that gets through to a platform that knows us.

        Args:
            spread_within_s: everybody comes back now: the time that the platform wants to give it.
        """
        if spread_within_s:
            self._why_closed(
                "paused", "the platform has asked everybody to come back one after the other"
            )
            await asyncio.sleep(spread_s(self._hardware_id, spread_within_s))
        tries = 0
        while self._watcher.current and not self._is_open:
            tries += 1
            wait_s = full_jitter_s(tries, self.ctx.rng.random(), _OPEN_S, _OPEN_S_MAX)
            try:
                self._welcome = await self._bear()
            except Denied as error:
                self._why_closed(error.code, error.detail)
                wait_s = self._identity.again_in_s
            except CallFailed as error:
                self._why_closed(error.code, error.detail)
            except RequestFailed as error:
                self._why_closed("no_way", f"no birth without the ledger's epoch: {error}")
            else:
                self._opened()
                return
            await wait(self._hurry, wait_s)
            self._hurry.clear()

    def _opened(self) -> None:
        if not self._watcher.current:
            return  # it closed in the meantime
        self._is_open = True
        self.ctx.emit("link_open", way=self._watcher.current)
        self._tell_all()
        self._note()

    def _shut(self, code: str, why: str) -> None:
        self._why_closed(code, why)
        if self._is_open:
            self._is_open = False
            self.ctx.emit("link_closed", code=code, why=why)
            self._tell_all()
            self._note()

    def _why_closed(self, code: str, why: str) -> None:
        if (code, why) != (self._closed_code, self._closed) and code in (
            "not_enrolled",
            "auth_failed",
        ):
            self.ctx.emit(code, why=why)
        self._closed_code, self._closed = code, why
        self._note()

    async def _bear(self) -> Welcome:
        """Tell the platform of this run.

        Raises:
            CallFailed, Denied, RequestFailed: it has not heard, or does not want to.
        """
        store = await self.ctx.request(self._storage, DescribeStore(), reply=StoreDescribed)
        call = self._life.birth(store.epoch, self.ctx.clock.wall())
        return welcome(await self._caller.carry_out(call, self._way))

    @handles(Rebirth)
    def rebirth(self, message: Rebirth) -> None:
        """The platform has forgotten this run."""
        if self._is_open:
            self.ctx.spawn(self._bear_again())

    async def _bear_again(self) -> None:
        with contextlib.suppress(CallFailed, Denied, RequestFailed):  # it will ask once more
            self._welcome = await self._bear()
            self._tell_all()

    @handles(Reached)
    def reached(self, message: Reached) -> None:
        """For the next birth."""
        self._life.reached(message)

    # -- listeners ------------------------------------------------------------------------------

    def _tell_all(self) -> None:
        self._audience.tell(self._standing())

    def _standing(self) -> LinkChanged:
        welcome = self._welcome if self._is_open else None
        path = self._watcher.current if self._is_open else ""
        return LinkChanged(self._is_open, self._grade, path, welcome)

    @handles(Down)
    def down(self, message: Down) -> None:
        """A listener is gone."""
        self._audience.lost(message.path)

    @handles(TellAgain)
    def tell_again(self, message: TellAgain) -> None:
        """A listener may be back."""
        self._audience.again(message, self._standing())

    # -- questions ------------------------------------------------------------------------------

    @handles(ProbeServer, command=True)
    def probe_server(self, message: ProbeServer) -> _Later | ServerProbed:
        """Look at every path now, for an operator."""
        if not self._watcher.ways:
            return ServerProbed("nothing", self._closed)
        self.ctx.spawn(self._probe_all(self.ctx.later()))
        return LATER

    async def _probe_all(self, request: Envelope) -> None:
        self._identity.hurry()
        self._hurry.set()
        best = await self._watcher.probe_all()
        self.ctx.reply(request, ServerProbed(best.reached, best.detail))

    @handles(DescribeLink, command=True)
    def describe(self, message: DescribeLink) -> LinkDescribed:
        """How the way stands."""
        parts = (self._watcher, self._identity, self._caller)
        return described(*parts, self._grade, self._welcome)

    def _note(self) -> None:
        if not self._watcher.ways:
            return
        self.ctx.note(
            **notes(self._watcher, self._identity, self._caller, self._limits.pins),
            grade=self._grade,
            waiting_for=None if self._is_open else f"the platform: {self._closed}",
            rvm_id=self._welcome.rvm_id if self._welcome else None,
        )
