"""The doorbell: one WebSocket that speaks the Pusher protocol, as a machine of states.

Facts go in, decisions come out; time and chance are arguments. The socket itself, the signature
and the timer belong to `actors.uplink.channel`.

    idle ── Wanted ─▶ waiting ── its time ─▶ connecting ── Opened ─▶ greeting
                         ▲                                              │ connection_established
                         │ any end                                      ▼
                         └── subscribed ◀─ succeeded ── subscribing ◀─ signing

What is rung says only that there is something to fetch. Whatever goes wrong ends in `waiting`,
with a random part of a pause that doubles up to a minute, and goes back to a second only after a
subscription has held for a minute. What the server refuses for good (a wrong key) is tried again
all the same, after minutes: nobody is near the machine to press a button.

Every socket has a number; what an older one still has to say is not heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from models.uplink.addresses import is_address, is_near
from models.uplink.doorbell_terms import (
    Bell,
    Closed,
    Connect,
    Decision,
    Fact,
    Garbled,
    HangUp,
    Heard,
    Limits,
    NotSigned,
    Opened,
    Passed,
    Phase,
    Ring,
    Say,
    Send,
    Sign,
    Signed,
    Wanted,
)
from protocol.platform.identity import Doorbell
from protocol.platform.pusher import Frame, app_url, reconnect_after, write_frame

if TYPE_CHECKING:
    from random import Random

CLIENT = "rvm-edge"
INVALID_FORMAT = 4200
UNAUTHORIZED = 4009
SLOW_DOWN = 4301
OVER_QUOTA = 4004
_FRAMEWORK = ("pusher:", "pusher_internal:", "client-")
_EVENT_CHARACTERS_MAX = 100


def learn(
    bell: Bell, fact: Fact, now_s: float, rng: Random, limits: Limits, *, version: str
) -> tuple[Bell, tuple[Decision, ...]]:
    """Add one fact; return the new state and what follows, in order.

    Args:
        version: of this program, for the server's log.
    """
    turn = _Turn(bell, now_s, rng, limits, version)
    turn.take(fact)
    return turn.bell, tuple(turn.decisions)


def next_look_s(bell: Bell) -> float | None:
    """When it wants to hear that time has passed; None: never."""
    if bell.phase == "idle":
        return None
    if bell.phase != "subscribed":
        return bell.by_s
    times = [bell.pong_by_s or bell.heard_s + bell.silence_s]
    if bell.owes_ring:
        times.append(bell.by_s)
    return min(times)


def why_not(url: str, *, allows_plain: bool) -> str | None:
    """Why an address is none to connect to; None: it is one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        return f"the doorbell's address is none: {error}"
    if parts.scheme not in ("ws", "wss") or not host or parts.username or parts.query:
        return "the doorbell's address is none: it should be wss://host[:port][/path]"
    # Where a name leads is looked at when it is resolved.
    if parts.scheme == "wss" or (allows_plain and (not is_address(host) or is_near(host))):
        return None
    return "the doorbell is not encrypted (ws://), and that is allowed for nearby hosts only"


class _Turn:
    """One call of `learn`."""

    def __init__(self, bell: Bell, now_s: float, rng: Random, limits: Limits, version: str) -> None:
        self.bell = bell
        self.decisions: list[Decision] = []
        self._now_s = now_s
        self._rng = rng
        self._limits = limits
        self._version = version

    def take(self, fact: Fact) -> None:
        if isinstance(fact, Wanted):
            self._wanted(fact.doorbell)
        elif isinstance(fact, Passed):
            self._passed()
        elif fact.socket == self.bell.socket and self.bell.phase not in ("idle", "waiting"):
            self._of_socket(fact)

    def _of_socket(self, fact: Opened | Heard | Garbled | Signed | NotSigned | Closed) -> None:
        if isinstance(fact, Closed):
            self._lost(fact.code, fact.why or f"closed with {fact.code}")
        elif isinstance(fact, Opened):
            if self.bell.phase == "connecting":
                self._enter("greeting")
                self._know(heard_s=self._now_s)
        elif self.bell.phase == "connecting":
            return  # nobody can have said anything yet
        elif isinstance(fact, Heard):
            self._know(heard_s=self._now_s, pong_by_s=0.0)
            self._heard(fact.frame)
        elif isinstance(fact, Garbled):
            self._know(heard_s=self._now_s, pong_by_s=0.0, garbage=self.bell.garbage + 1)
        elif self.bell.phase == "signing":
            self._signed(fact)

    # -- what is wanted -------------------------------------------------------------------------

    def _wanted(self, doorbell: Doorbell | None) -> None:
        bell = self.bell
        if doorbell == bell.doorbell:
            if bell.phase == "waiting" and not bell.is_refused:
                self._wait(self._limits.pause_s)  # the way to the platform is open again
            return
        if bell.phase not in ("idle", "waiting"):
            self._do(HangUp("another doorbell"))
        self.bell = Bell(
            socket=bell.socket,
            doorbell=doorbell,
            phase="idle" if doorbell is None else "waiting",
            by_s=self._now_s,
            garbage=bell.garbage,
            rings=float(self._limits.rings_max),
            rings_s=self._now_s,
        )
        if doorbell is not None:
            self._passed()

    # -- time -----------------------------------------------------------------------------------

    def _passed(self) -> None:
        bell, now_s = self.bell, self._now_s
        if bell.phase == "subscribed":
            self._keep_alive()
        elif bell.phase == "idle" or now_s < bell.by_s:
            return
        elif bell.phase == "waiting":
            self._connect()
        else:
            self._drop(f"{_MISSING[bell.phase]} within {self._limits.answer_s:g} s")

    def _connect(self) -> None:
        doorbell = self.bell.doorbell
        assert doorbell is not None
        self._enter("connecting")
        self._know(socket=self.bell.socket + 1, socket_id="", signs=0, is_refused=False)
        url = app_url(doorbell.url, doorbell.key, CLIENT, self._version)
        self._do(Connect(self.bell.socket, url))

    def _keep_alive(self) -> None:
        bell, now_s = self.bell, self._now_s
        if bell.owes_ring and now_s >= bell.by_s:
            self._know(owes_ring=False)
            self._ring("")
        if bell.pong_by_s:
            if now_s >= bell.pong_by_s:
                self._drop("nothing heard, and no answer to a ping")
        elif now_s >= bell.heard_s + bell.silence_s:
            self._know(pong_by_s=now_s + self._limits.pong_s)
            self._do(Send(write_frame("pusher:ping")))

    # -- frames ---------------------------------------------------------------------------------

    def _heard(self, frame: Frame) -> None:
        if frame.event == "pusher:ping":
            self._do(Send(write_frame("pusher:pong")))
        elif frame.event in ("pusher:error", "pusher:subscription_error"):
            self._error(frame)
        elif frame.event == "pusher:connection_established":
            self._established(frame)
        elif frame.event == "pusher_internal:subscription_succeeded":
            if self._is_ours(frame) and self.bell.phase == "subscribing":
                self._subscribed()
        elif self.bell.phase == "subscribed" and self._is_ours(frame):
            if not frame.event.startswith(_FRAMEWORK):
                self._ring(frame.event.rpartition("\\")[2][:_EVENT_CHARACTERS_MAX])
        elif not frame.event.startswith(_FRAMEWORK):
            self._know(garbage=self.bell.garbage + 1)

    def _is_ours(self, frame: Frame) -> bool:
        doorbell = self.bell.doorbell
        return doorbell is not None and frame.channel == doorbell.channel

    def _established(self, frame: Frame) -> None:
        if self.bell.phase != "greeting":
            return
        data = frame.data if isinstance(frame.data, dict) else {}
        socket_id = data.get("socket_id")
        if not isinstance(socket_id, str) or not socket_id:
            self._drop("it greeted without a socket_id")
            return
        silence_s = _silence_s(data.get("activity_timeout"), self._limits)
        self._know(socket_id=socket_id, silence_s=silence_s)
        self._sign()

    def _sign(self) -> None:
        doorbell = self.bell.doorbell
        assert doorbell is not None
        self._enter("signing")
        self._know(signs=self.bell.signs + 1)
        self._do(Sign(self.bell.socket, doorbell.auth_path, self.bell.socket_id, doorbell.channel))

    def _signed(self, fact: Opened | Heard | Garbled | Signed | NotSigned) -> None:
        if isinstance(fact, NotSigned):
            self._drop(f"the subscription was not signed: {fact.why}")
        elif isinstance(fact, Signed):
            doorbell = self.bell.doorbell
            assert doorbell is not None
            data = {"channel": doorbell.channel, "auth": fact.auth}
            if fact.channel_data:
                data["channel_data"] = fact.channel_data
            self._enter("subscribing")
            self._do(Send(write_frame("pusher:subscribe", data)))

    def _subscribed(self) -> None:
        self._enter("subscribed")
        self._know(since_s=self._now_s, why="")
        self._do(Say("doorbell", {"state": "subscribed"}))
        self._ring("")

    def _ring(self, event: str) -> None:
        """Pass it on; of a flood only the first, and one more when it has ebbed."""
        bell, limits = self.bell, self._limits
        grown = bell.rings + (self._now_s - bell.rings_s) * limits.rings_per_s
        rings = min(grown, float(limits.rings_max))
        if rings >= 1.0:
            self._know(rings=rings - 1.0, rings_s=self._now_s)
            self._do(Ring(event))
        elif not bell.owes_ring:
            self._know(owes_ring=True, by_s=self._now_s + 1.0 / limits.rings_per_s)

    # -- errors ---------------------------------------------------------------------------------

    def _error(self, frame: Frame) -> None:
        data = frame.data if isinstance(frame.data, dict) else {}
        code, phase = _code_of(frame, data), self.bell.phase
        why = f"{code} {_said(data)}".strip()
        if phase not in ("signing", "subscribing", "subscribed"):
            self._drop(f"refused: {why}", code)
        elif code == UNAUTHORIZED:
            self._unauthorized(why)
        elif code == INVALID_FORMAT or code >= SLOW_DOWN:
            self._mistake(code, why)
        elif code:
            self._drop(why, code)
        else:
            self._know(garbage=self.bell.garbage + 1)

    def _unauthorized(self, why: str) -> None:
        """The oldest subscription that waits has failed, and we have one: sign it once more."""
        if self.bell.phase != "subscribing":
            return
        if self.bell.signs < 2:  # noqa: PLR2004 - once, and once again
            self._sign()
        else:
            self._drop(f"the subscription was refused: {why}")

    def _mistake(self, code: int, why: str) -> None:
        """Something we sent was not liked. A new socket would say the same again, for ever."""
        self._do(Say("doorbell_mistake", {"why": why}))
        if code == INVALID_FORMAT and self.bell.phase == "subscribing":
            self._drop(f"our subscription is not understood: {why}", refused=True)

    # -- ends -----------------------------------------------------------------------------------

    def _drop(self, why: str, code: int = 0, *, refused: bool = False) -> None:
        self._do(HangUp(why))
        self._lost(code, why, refused=refused)

    def _lost(self, code: int, why: str, *, refused: bool = False) -> None:
        """The socket is gone: wait, by what the end asks for."""
        bell, limits = self.bell, self._limits
        has_held = bell.is_subscribed and self._now_s - bell.since_s >= limits.hold_s
        self._know(tries=0 if has_held else bell.tries, why=why)
        kind = reconnect_after(code)
        is_full = kind == "slowly" or code == OVER_QUOTA
        refused = refused or (kind == "never_unchanged" and not is_full and code != UNAUTHORIZED)
        if refused and not bell.is_refused:
            self._do(Say("doorbell_refused", {"why": why}))
        elif bell.is_subscribed:
            self._do(Say("doorbell", {"state": "lost", "why": why}))
        if refused:
            self._wait_between(*limits.refused_s)
        elif is_full:
            self._wait_between(*limits.full_s)
        else:
            doubled = limits.pause_s * 2.0 ** min(self.bell.tries, 16)
            self._wait(min(doubled, limits.pause_s_max))
        self._know(tries=self.bell.tries + 1, is_refused=refused)

    def _wait(self, at_most_s: float) -> None:
        self._wait_between(0.0, at_most_s)

    def _wait_between(self, least_s: float, most_s: float) -> None:
        self._know(
            phase="waiting",
            by_s=self._now_s + self._rng.uniform(least_s, most_s),
            pong_by_s=0.0,
            owes_ring=False,
        )

    # -- private --------------------------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        self._know(phase=phase, by_s=self._now_s + self._limits.answer_s)

    def _know(self, **changes: Any) -> None:
        self.bell = replace(self.bell, **changes)

    def _do(self, decision: Decision) -> None:
        self.decisions.append(decision)


_MISSING: dict[Phase, str] = {
    "connecting": "no connection",
    "greeting": "no greeting",
    "signing": "no signature",
    "subscribing": "no answer to the subscription",
}


def _silence_s(wish_s: object, limits: Limits) -> float:
    """How long silence may last: as the server wishes, within our own limits."""
    if not isinstance(wish_s, (int, float)) or isinstance(wish_s, bool):
        return limits.silence_s
    return float(max(min(wish_s, limits.silence_s), limits.silence_s_min))


def _code_of(frame: Frame, data: dict[str, Any]) -> int:
    """The code of an error; a refused subscription has an HTTP status instead, or nothing."""
    if frame.event == "pusher:subscription_error":
        return UNAUTHORIZED
    code = data.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else 0


def _said(data: dict[str, Any]) -> str:
    """The server's words, shortened: they are shown to people, and come from elsewhere."""
    return str(data.get("message") or data.get("error") or "")[:_EVENT_CHARACTERS_MAX]
