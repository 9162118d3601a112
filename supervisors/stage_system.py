"""The runtime around a staged tree: routing as it is, waiting by letting time pass."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Mapping
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from protocol.envelope import Envelope
from supervisors.clock import Clock
from supervisors.exits import Crash
from supervisors.stage_actor import GivenUp, StagedActor
from supervisors.stage_schedule import Schedule
from supervisors.system import ActorSystem

if TYPE_CHECKING:
    from supervisors.zygote import Zygote

KEPT = 100_000
"""Events and log lines kept: a day of a busy machine."""


class Event(NamedTuple):
    """One line of the machine's record.

    Attributes:
        at_s: when (monotonic).
        path: whose.
        name: what happened.
        fields: the particulars.
    """

    at_s: float
    path: str
    name: str
    fields: dict[str, Any]


class _Record:
    """Keeps the newest events in memory."""

    def __init__(self, clock: Clock) -> None:
        self.kept: deque[Event] = deque(maxlen=KEPT)
        self._clock = clock

    def event(self, path: str, event: str, fields: Mapping[str, Any]) -> None:
        self.kept.append(Event(self._clock.monotonic(), path, event, dict(fields)))

    def message(self, envelope: Envelope) -> None:
        """Not kept: nobody reads a flight recorder of a flight that can be flown again."""

    def close(self) -> None:
        """Nothing to close."""


class _FailSafes:
    """Stands for the zygote: runs a fail_safe here and now."""

    def run(self, target: str, args: Mapping[str, Any], timeout_s: float) -> str:
        """See `Zygote.run`."""
        module, _, name = target.partition(":")
        try:
            getattr(importlib.import_module(module), name)(**args)
        except Exception as error:
            return f"{target}: {Crash.of(error)}"
        return ""

    def close(self) -> None:
        """Nothing to close."""


class _Answer:
    """Waits for one reply; see `Waiter`."""

    reply: Envelope | None = None

    def resolve(self, reply: Envelope) -> None:
        self.reply = reply


class StageSystem(ActorSystem):
    """See the module.

    Attributes:
        schedule: what happens next.
        costs: how long handling a message takes, by the message's name; else no time.
        acting: the actors whose code is on the call stack, the innermost last.
    """

    def __init__(
        self, schedule: Schedule, rng: Random, costs: Mapping[str, float], **more: Any
    ) -> None:
        """Args: more: of `ActorSystem`."""
        self.record = _Record(schedule.clock)
        super().__init__(clock=schedule.clock, rng=rng, recorder=self.record, **more)
        self.schedule = schedule
        self.costs = dict(costs)
        self.acting: list[StagedActor] = []
        self.ids = count(rng.getrandbits(32) << 31 | 1)  # by chance, but by the same chance again

    def ask(self, envelope: Envelope, timeout_s: float) -> Envelope | None:
        """See `Router.ask`: everybody else goes on until the answer is there or time is up."""
        waiter = _Answer()
        self._pending[envelope.id] = waiter
        until = self.clock.monotonic() + timeout_s
        asker = self.acting[-1] if self.acting else None
        try:
            self.route(envelope)
            if asker is None:
                self._wait(waiter, until)
            else:
                self._wait_inside(asker, waiter, until)
        finally:
            self._pending.pop(envelope.id, None)
        return waiter.reply

    def _wait(self, waiter: _Answer, until: float) -> None:
        while waiter.reply is None and self.schedule.step(until):
            pass

    def _wait_inside(self, asker: StagedActor, waiter: _Answer, until: float) -> None:
        """The same inside a handler, which has a deadline and may be given up meanwhile."""
        deadline = asker.deadline()
        first = min(until, deadline)
        while waiter.reply is None and not asker.is_over and self.schedule.step(first):
            pass
        while not asker.is_over and self.clock.monotonic() < asker.frozen_until:
            self.schedule.step(asker.frozen_until)
        if not asker.is_over and self.clock.monotonic() >= deadline:
            asker.contain("handler overran its deadline")
        if asker.is_over:
            raise GivenUp

    @property
    def zygote(self) -> Zygote:
        """Runs every fail_safe in this process."""
        return cast("Zygote", _FailSafes())
