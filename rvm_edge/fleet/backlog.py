"""What one machine owes its platform: deposits, and samples that found the way closed.

Both wait in memory until they have been taken; a deposit keeps its key, so that it counts once.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from random import Random

import msgspec
from msgspec.structs import replace

from actors.uplink.watching import wait
from actors.uplink.way import CallFailed
from models.uplink.again import full_jitter_s
from protocol.platform.reports import (
    Deposit,
    DepositBatch,
    Results,
    Sample,
    TelemetryBatch,
)
from protocol.uplink import Call
from rvm_edge.fleet.bell import Ask
from rvm_edge.fleet.tally import Tally

_BATCH = 100
"""As many as a real machine puts together."""
_SAMPLES_MAX = 2880
"""A day of them; then the oldest are forgotten. Deposits never are."""
_AGAIN_S, _AGAIN_S_MAX = 1.0, 60.0
_OK = range(200, 300)


class Backlog:
    """See the module."""

    def __init__(self, ask: Ask, rng: Random, tally: Tally) -> None:
        """Args: ask: the platform, with this machine's token."""
        self._ask = ask
        self._rng = rng
        self._tally = tally
        self._deposits: deque[Deposit] = deque()
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES_MAX)
        self._is_owing = asyncio.Event()
        self._may_try = asyncio.Event()

    def owe_deposit(self, deposit: Deposit) -> None:
        """An item has been taken in."""
        self._deposits.append(deposit)
        self._is_owing.set()

    async def measured(self, sample: Sample, key: str) -> None:
        """Tell at once; what cannot be told now is owed."""
        try:
            await self._send("/edge/telemetry", TelemetryBatch(key, (sample,)), key)
        except CallFailed:
            self._samples.append(replace(sample, historical=True))
            self._is_owing.set()
        else:
            self._tally.counts["telemetry"] += 1

    def opened(self) -> None:
        """The way is open again."""
        self._may_try.set()

    async def deliver(self) -> None:
        """For ever; money first."""
        tries = 0
        while True:
            if not self._deposits and not self._samples:
                self._is_owing.clear()
                await self._is_owing.wait()
            self._may_try.clear()
            try:
                await (self._deliver_deposits() if self._deposits else self._deliver_samples())
            except CallFailed:
                tries += 1
                chance = self._rng.random()
                await wait(self._may_try, full_jitter_s(tries, chance, _AGAIN_S, _AGAIN_S_MAX))
            else:
                tries = 0

    async def _deliver_deposits(self) -> None:
        batch = tuple(self._deposits)[:_BATCH]
        body = await self._send("/deposits/batch", DepositBatch(batch))
        try:
            results = msgspec.json.decode(body, type=Results).results
        except msgspec.MsgspecError:
            raise CallFailed("strange", "these are no results") from None
        done = {result.key for result in results if result.status != "later"}
        self._tally.counts["deposits"] += sum(result.status == "created" for result in results)
        for result in results:
            if result.status == "refused":
                self._tally.failed("deposit_refused")
        self._deposits = deque(one for one in self._deposits if one.key not in done)
        if not done:
            raise CallFailed("paused", "the platform wants them later")

    async def _deliver_samples(self) -> None:
        batch = tuple(self._samples)[:_BATCH]
        await self._send("/edge/telemetry", TelemetryBatch(_key(batch), batch))
        self._tally.counts["telemetry"] += len(batch)
        sent = set(map(id, batch))
        while self._samples and id(self._samples[0]) in sent:
            self._samples.popleft()

    async def _send(self, path: str, what: msgspec.Struct, key: str = "") -> bytes:
        """Raises: CallFailed: it has not been taken."""
        body = msgspec.json.encode(what)
        called = await self._ask(Call("POST", path, body, key=key or _key(body)))
        if called.status not in _OK:
            raise CallFailed("paused", f"HTTP {called.status}")
        return called.body


def _key(what: bytes | Sequence[msgspec.Struct]) -> str:
    """Of a batch: the same content has the same one."""
    content = what if isinstance(what, bytes) else msgspec.json.encode(what)
    return f"batch-{hashlib.sha256(content).hexdigest()[:32]}"
