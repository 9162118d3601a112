"""Carries out one call: the path, the token, the tries, and the breaker before each of them.

Each service of the platform has a breaker of its own over each path: where pictures are not taken,
money still is.

What may be sent twice is, a few times, at random moments that grow (full jitter) or when the
platform says so; never longer than the caller waits. One ``401`` is answered with a fresh token
and the same call once more. What an answer means is the caller's to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from actors.uplink.identity import Denied, Identity
from actors.uplink.way import Answer, CallFailed, Way
from config.settings import UplinkSettings
from models.uplink import breaker
from models.uplink.again import WORTH_AGAIN, full_jitter_s, is_repeatable
from models.uplink.answers import words_of
from models.uplink.breaker import Breaker
from models.uplink.dates import clock_off_s, http_date_s, retry_after_s
from protocol.platform import IDEMPOTENCY_KEY, ROOT
from protocol.uplink import Call, Called
from supervisors.clock import Clock

CALLS_MAX = 8
"""On their way at a time; as many connections there are to a path."""
_WAITING_MAX = 64
_TRIES_MAX = 3
"""In one call; who has more patience than that asks again."""
_BACKOFF_S, _BACKOFF_S_MAX = 0.5, 8.0
_UNAUTHENTICATED = 401
_TROUBLED = 500
_PRINTABLE = range(0x21, 0x7F)
_EDGE = "edge"
"""Below it the second word says what it is about, and there are no numbers."""
_OURS = frozenset(
    ("authorization", "host", "content-length", "connection", "cookie", "transfer-encoding")
)
_SKEW_ROUND_TRIP_S = 5.0


class Caller:
    """See the module.

    Attributes:
        clock_off_s: how far our wall clock is ahead of the platform's; None: not known.
    """

    def __init__(
        self,
        limits: UplinkSettings,
        identity: Identity,
        clock: Clock,
        rng: Random,
        tell: Callable[[str, bool], None],
    ) -> None:
        """Make it.

        Args:
            tell: hears the name of a path and whether it has carried a call.
        """
        self._limits = limits
        self._identity = identity
        self._clock = clock
        self._rng = rng
        self._tell = tell
        self._slots = asyncio.Semaphore(CALLS_MAX)
        self._inside = 0
        self._breakers: dict[tuple[str, str], Breaker] = {}  # by path and service
        self.clock_off_s: float | None = None

    @property
    def paused(self) -> tuple[str, ...]:
        """What is left alone, each as a path and a service of the platform."""
        return tuple(
            f"{name} {service}"
            for (name, service), each in self._breakers.items()
            if each.open_until_s is not None
        )

    def forgive(self, name: str) -> None:
        """This path has just been found to be good; what was before says nothing."""
        self._breakers = {at: each for at, each in self._breakers.items() if at[0] != name}

    async def carry_out(self, call: Call, way: Callable[[], Way | None]) -> Called:
        """Do it.

        Args:
            way: the path to take now; it may be another at the next try.

        Raises:
            CallFailed: there is no answer; see `protocol.uplink` for the codes.
            Denied: the platform does not let this machine in.
        """
        _check(call)
        if self._inside >= _WAITING_MAX:
            raise CallFailed("paused", f"{_WAITING_MAX} calls are waiting already")
        timeout_s = call.timeout_s or self._limits.call_timeout_s
        self._inside += 1
        try:
            ends_s = self._clock.monotonic() + timeout_s
            return await asyncio.wait_for(self._tries(call, way, ends_s), timeout_s)
        except asyncio.TimeoutError:
            detail = f"{call.method} {_plain(call.path)}: no answer within {timeout_s:g} s"
            raise CallFailed("timeout", detail, is_heard=True) from None
        finally:
            self._inside -= 1

    async def _tries(self, call: Call, way: Callable[[], Way | None], ends_s: float) -> Called:
        tries, has_replayed = 0, False
        while True:
            token = await self._identity.bearer()
            tries += 1
            failure: CallFailed | None = None
            answer: Answer | None = None
            try:
                answer = await self._once(call, way(), token, ends_s)
            except CallFailed as error:
                failure = error
            if answer is not None and answer.status == _UNAUTHENTICATED:
                self._identity.spoil(token)
                if has_replayed:
                    raise self._identity.refuse(words_of(answer.status, answer.body).text)
                has_replayed, tries = True, tries - 1
                continue
            wait_s = self._wait_s(call, tries, answer, failure)
            if wait_s is not None and self._clock.monotonic() + wait_s < ends_s:
                await asyncio.sleep(wait_s)
            elif answer is None:
                raise failure or CallFailed("broken", "no answer", is_heard=True)
            else:
                return self._called(answer)

    def _wait_s(
        self, call: Call, tries: int, answer: Answer | None, failure: CallFailed | None
    ) -> float | None:
        """How long to wait before the next try; None: there is none."""
        if tries >= _TRIES_MAX:
            return None
        may_repeat = is_repeatable(call.method, call.key)
        if failure is not None:
            is_worth = failure.code in ("broken", "timeout") and may_repeat
            if not is_worth and failure.code != "no_way":
                return None
        elif answer is None or answer.status not in WORTH_AGAIN or not may_repeat:
            return None
        asked_s = None if answer is None else self._retry_after_s(answer)
        if asked_s:
            return asked_s
        return full_jitter_s(tries, self._rng.random(), _BACKOFF_S, _BACKOFF_S_MAX)

    async def _once(self, call: Call, way: Way | None, token: str, ends_s: float) -> Answer:
        if way is None:
            raise CallFailed("no_way", "no path to the platform is open")
        at = way.name, _service(call.path)
        async with self._slots:
            held = self._admit(at)
            done: Callable[[Breaker], Breaker] = lambda b: breaker.cancelled(b, held)  # noqa: E731
            try:
                answer = await self._send(call, way, token, ends_s)
            except CallFailed:
                done = self._failure(held)
                self._tell(way.name, False)
                raise
            else:
                if answer.status >= _TROUBLED:
                    done = self._failure(held)
                else:
                    done = lambda b: breaker.succeeded(b, held)  # noqa: E731
                self._tell(way.name, True)
                return answer
            finally:
                self._breakers[at] = done(self._breakers.get(at, Breaker()))

    def _failure(self, held: breaker.Pass) -> Callable[[Breaker], Breaker]:
        now_s, chance = self._clock.monotonic(), self._rng.random()
        return lambda known: breaker.failed(known, held, now_s, chance)

    def _admit(self, at: tuple[str, str]) -> breaker.Pass:
        now_s = self._clock.monotonic()
        known, held = breaker.admit(self._breakers.get(at, Breaker()), now_s)
        if held == "refused":
            left_s = max((known.open_until_s or now_s) - now_s, 0.0)
            detail = f"{at[1]} keeps failing over {at[0]}: next try in {left_s:.0f} s"
            raise CallFailed("paused", detail)
        self._breakers[at] = known
        return held

    async def _send(self, call: Call, way: Way, token: str, ends_s: float) -> Answer:
        headers = {name: text for name, text in call.headers.items() if name.lower() not in _OURS}
        headers["Authorization"] = f"Bearer {token}"
        if call.body:
            headers["Content-Type"] = call.content_type
        if call.key:
            headers[IDEMPOTENCY_KEY] = call.key
        if call.etag:
            headers["If-None-Match"] = call.etag
        path = call.path if call.path.startswith("//") else f"{ROOT}{call.path}"
        asked_s, began_s = self._clock.wall(), self._clock.monotonic()
        answer = await way.send(
            call.method,
            path,
            headers,
            call.body,
            timeout_s=max(ends_s - began_s, 0.001),
            bytes_per_s=call.bytes_per_s,
        )
        if self._clock.monotonic() - began_s < _SKEW_ROUND_TRIP_S:
            off_s = clock_off_s(answer.headers.get("date", ""), asked_s, self._clock.wall())
            self.clock_off_s = self.clock_off_s if off_s is None else off_s
        return answer

    def _retry_after_s(self, answer: Answer) -> float | None:
        text = answer.headers.get("retry-after", "")
        now_s = http_date_s(answer.headers.get("date", ""))
        theirs_s = self._clock.wall() if now_s is None else now_s
        return retry_after_s(text, theirs_s, self._limits.retry_after_s_max)

    def _called(self, answer: Answer) -> Called:
        etag = answer.headers.get("etag", "")
        headers = {name: text for name, text in answer.headers.items() if name != "set-cookie"}
        return Called(answer.status, answer.body, etag, self._retry_after_s(answer), headers)


def _check(call: Call) -> None:
    """Nothing goes out that HTTP would take for something else.

    Raises:
        CallFailed: ``invalid``.
    """
    texts = [call.key, call.etag, call.content_type, *call.headers.values()]
    is_path = call.path.startswith("/") and all(ord(letter) in _PRINTABLE for letter in call.path)
    if not is_path or not all(text.isprintable() and text.isascii() for text in texts):
        raise CallFailed("invalid", "a path or header that HTTP cannot say")
    if not all(name and name.replace("-", "").isalnum() for name in call.headers):
        raise CallFailed("invalid", "a header without a proper name")


def _service(path: str) -> str:
    """What of the platform answers there: ``/deposits``, ``/edge/births``; never a number of it."""
    parts = _plain(path).strip("/").split("/")
    return "/" + "/".join(parts[: 2 if parts[0] == _EDGE else 1])


def _plain(path: str) -> str:
    return path.partition("?")[0]


__all__ = ["CALLS_MAX", "CallFailed", "Caller", "Denied"]
