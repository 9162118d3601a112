"""The mailbox: two lanes, bounded, and `put` never blocks.

The fast lane carries system and safety messages and refuses none. The ordinary lane has a capacity
and, when it is reached, a policy per delivery class (`protocol.message.Delivery`). Telemetry is
latest-wins whether or not there is room: a waiting value of the same name from the same sender is
replaced in its place in the queue.

One consumer, any number of producers. The ordinary message takes no lock, because appending to a
deque and taking from it are atomic; only telemetry and a full lane do. Two rules make that safe:
whoever waits *first* shows that it does and *then* looks again; whoever closes first says so and
then empties the lanes. (Producers that find the last place at the same instant may all take it.)
"""

from __future__ import annotations

import enum
import threading
from collections import deque
from collections.abc import Callable, Iterator

from protocol.envelope import Envelope, Kind
from protocol.message import Delivery

# Bound once, as plain numbers: looking a member up in its enumeration costs as much as a call.
_FAST = int(Delivery.SAFETY)
_MONEY = int(Delivery.MONEY)
_EVENT = int(Delivery.EVENT)
_TELEMETRY = int(Delivery.TELEMETRY)


class Put(enum.Enum):
    """What became of a message on its way into a mailbox."""

    OK = "ok"
    FULL = "full"
    NO_ACTOR = "no_actor"
    RESTARTING = "restarting"
    EXPIRED = "expired"
    TOO_LARGE = "too_large"


_OK = Put.OK


class Mailbox:
    """One incarnation's queue.

    Attributes:
        capacity: of the ordinary lane.
        dropped: messages refused or pushed out.
        high_water: the deepest the ordinary lane has been.
    """

    link = None

    def __init__(self, capacity: int, on_dropped: Callable[[Envelope], None] | None = None) -> None:
        """Args: on_dropped: told of each message that was pushed out by another."""
        self.capacity = capacity
        self.dropped = 0
        self.high_water = 0
        self._fast: deque[Envelope] = deque()
        self._lane: deque[Envelope] = deque()
        self._latest: dict[tuple[str, str], Envelope] = {}
        self._lock = threading.Lock()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._ready: Callable[[], object] = self._wake.release
        self._parked: list[bool] = []  # holds a token while the consumer waits; who takes it wakes
        self._is_poked = False
        self._is_closed = False
        self._on_dropped = on_dropped

    # -- producers ------------------------------------------------------------------------------

    def put(self, envelope: Envelope) -> Put:
        """Queue a message; never blocks."""
        delivery = envelope.delivery
        if delivery <= _FAST:
            self._fast.append(envelope)
        elif delivery < _TELEMETRY and (depth := len(self._lane)) < self.capacity:
            self._lane.append(envelope)
            if depth >= self.high_water:
                self.high_water = depth + 1
        elif not self._put_by_policy(envelope):
            return Put.NO_ACTOR if self._is_closed else Put.FULL
        if self._is_closed and self._take_back(envelope):
            return Put.NO_ACTOR
        if self._parked:
            self._rouse()
        return _OK

    def _put_by_policy(self, envelope: Envelope) -> bool:
        """Telemetry, and anything when the lane is full."""
        with self._lock:
            if self._is_closed:
                return False
            if envelope.delivery == _TELEMETRY and envelope.kind is not Kind.REQUEST:
                key = (envelope.source, envelope.name)
                if key in self._latest:
                    self._latest[key] = envelope
                    self.dropped += 1
                    return True
                if len(self._lane) < self.capacity:
                    self._latest[key] = envelope
                    self._append(envelope)
                    return True
            elif len(self._lane) < self.capacity or self._make_room(envelope):
                self._append(envelope)
                return True
            self.dropped += 1
            return False

    def _append(self, envelope: Envelope) -> None:
        self._lane.append(envelope)
        self.high_water = max(self.high_water, len(self._lane))

    def _make_room(self, envelope: Envelope) -> bool:
        """Push out the oldest less important message; money comes in even without one."""
        if envelope.delivery not in (_MONEY, _EVENT):
            return False
        for victim in tuple(self._lane):
            if victim.delivery <= envelope.delivery or victim.kind is Kind.REQUEST:
                continue
            try:
                self._lane.remove(victim)
            except ValueError:
                return True  # the consumer has just taken it
            pushed_out = self._latest_of(victim)
            self.dropped += 1
            if self._on_dropped is not None:
                self._on_dropped(pushed_out)
            return True
        return envelope.delivery == _MONEY

    def _take_back(self, envelope: Envelope) -> bool:
        """The mailbox is closed; False when `close` has got hold of this message after all."""
        lane = self._fast if envelope.delivery <= _FAST else self._lane
        try:
            lane.remove(envelope)
        except ValueError:
            return False
        return True

    def _rouse(self) -> None:
        """Wake the consumer, unless another producer is about to."""
        try:
            self._parked.pop()
        except IndexError:
            return
        self._ready()

    # -- the consumer ---------------------------------------------------------------------------

    def get(self, timeout_s: float | None = None, *, only_fast: bool = False) -> Envelope | None:
        """Take the next message, waiting up to ``timeout_s`` (None: for ever).

        Returns:
            The message, or None when the time ran out or somebody poked.
        """
        while True:
            try:
                if self._fast:
                    return self._fast.popleft()
                if self._lane and not only_fast:
                    envelope = self._lane.popleft()
                    return envelope if envelope.delivery < _TELEMETRY else self._value(envelope)
            except IndexError:
                pass  # closed between the look and the grasp
            if timeout_s == 0 or self._is_poked or self._is_closed:
                self._is_poked = False
                return None
            if self._arm(only_fast=only_fast):
                self._park(timeout_s)
                timeout_s = 0

    def _value(self, envelope: Envelope) -> Envelope:
        """What stands behind a place of telemetry in the queue: the latest value."""
        with self._lock:
            return self._latest_of(envelope)

    def _latest_of(self, envelope: Envelope) -> Envelope:
        """The same, with the lock held. A question is never replaced, so it stands for itself."""
        if envelope.delivery != _TELEMETRY or envelope.kind is Kind.REQUEST:
            return envelope
        return self._latest.pop((envelope.source, envelope.name), envelope)

    def _arm(self, *, only_fast: bool) -> bool:
        """Ask to be woken; False when there is something to come back for already."""
        if not self._parked:
            self._parked.append(True)
        if not (self._fast or self._is_poked or (self._lane and not only_fast)):
            return True
        try:
            self._parked.pop()
        except IndexError:
            return True  # a producer has taken the token; the call is on its way
        return False

    def _park(self, timeout_s: float | None) -> None:
        if self._wake.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return
        try:
            self._parked.pop()
        except IndexError:
            self._wake.acquire()  # a producer has taken the token, and is about to wake us

    def poke(self) -> None:
        """Let a waiting consumer, or else the next that would wait, come back empty-handed."""
        self._is_poked = True
        self._rouse()

    def attach(self, ready: Callable[[], object]) -> None:
        """Have ``ready`` called instead of waking a parked thread; for event loops.

        The consumer then calls `get` with a timeout of 0 and `rearm` when that gave None.
        """
        self._ready = ready

    def rearm(self) -> bool:
        """Ask for the next ``ready``; False when there is something to take already."""
        if self._is_poked:
            self._is_poked = False
            return False
        return self._arm(only_fast=False)

    # -- both -----------------------------------------------------------------------------------

    def close(self) -> list[Envelope]:
        """Refuse everything from now on; return what was waiting, oldest first.

        A consumer that waits comes back empty-handed, now and ever after.
        """
        with self._lock:
            self._is_closed = True
            rest = [*_drained(self._fast)]
            rest += [self._latest_of(envelope) for envelope in _drained(self._lane)]
        self.poke()
        return rest

    def put_back(self, envelope: Envelope) -> None:
        """Undo the last `get`; for a consumer that could not pass the message on."""
        if envelope.delivery <= _FAST:
            self._fast.appendleft(envelope)
        else:
            self.push_front([envelope])

    def push_front(self, envelopes: list[Envelope]) -> None:
        """Put inherited messages before everything else."""
        with self._lock:
            self._lane.extendleft(reversed(envelopes))
            for envelope in envelopes:
                if envelope.delivery == _TELEMETRY and envelope.kind is not Kind.REQUEST:
                    self._latest.setdefault((envelope.source, envelope.name), envelope)

    @property
    def has_fast(self) -> bool:
        """Whether something waits in the fast lane."""
        return bool(self._fast)

    @property
    def depth(self) -> int:
        """Messages waiting in both lanes."""
        return len(self._fast) + len(self._lane)

    def oldest_ns(self) -> int | None:
        """When the oldest waiting ordinary message was sent (monotonic), or None."""
        try:
            return self._lane[0].sent_ns
        except IndexError:
            return None


def _drained(lane: deque[Envelope]) -> Iterator[Envelope]:
    """Take everything out of a lane; its consumer may be doing the same."""
    while True:
        try:
            yield lane.popleft()
        except IndexError:
            return
