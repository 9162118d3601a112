"""What happens in a fleet, counted: pure; times are arguments, in monotonic seconds.

An outage begins when a machine that was there has lost its way or its doorbell, and is over when
all are there again. The time to be back counts from the platform's first answer after the last
connection that it did not take: how long it was gone is not the fleet's doing.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_STEPS = 20
"""Of a latency's scale per factor e: a step is 5 %."""
_LEAST_MS = 0.01


@dataclass
class Outage:
    """One outage.

    Attributes:
        lost: machines that it has cost, at most at a time.
        answered_s: when the platform was there again; None: it has not been gone, or still is.
        peak_per_s: requests in its busiest second.
    """

    began_s: float
    lost: int = 0
    answered_s: float | None = None
    ended_s: float | None = None
    peak_per_s: int = 0

    @property
    def back_s(self) -> float:
        """How long the fleet took to be back."""
        since_s = self.began_s if self.answered_s is None else self.answered_s
        return 0.0 if self.ended_s is None else self.ended_s - since_s


@dataclass
class Tally:
    """See the module.

    Attributes:
        counts: births, heartbeats, telemetry, deposits, pings, other commands.
        errors: by HTTP status, or by what kept an answer away.
        there: machines that are born and, if they have one, at their doorbell.
        reconnects: machines that came back, each time.
    """

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    peak_per_s: int = 0
    born: int = 0
    subscribed: int = 0
    there: int = 0
    reconnects: int = 0
    outages: list[Outage] = field(default_factory=list)
    _latencies: Counter[int] = field(default_factory=Counter)
    _second: int = 0
    _in_second: int = 0
    _away: int = 0

    # -- requests -------------------------------------------------------------------------------

    def asked(self, now_s: float) -> None:
        """A request goes out."""
        self.requests += 1
        if int(now_s) != self._second:
            self._second, self._in_second = int(now_s), 0
        self._in_second += 1
        self.peak_per_s = max(self.peak_per_s, self._in_second)
        outage = self._outage
        if outage is not None:
            outage.peak_per_s = max(outage.peak_per_s, self._in_second)

    def answered(self, status: int, asked_s: float, now_s: float) -> None:
        """It was answered."""
        took_ms = max((now_s - asked_s) * 1000.0, _LEAST_MS)
        self._latencies[round(math.log(took_ms) * _STEPS)] += 1
        if status >= 400:  # noqa: PLR2004 - what HTTP calls an error
            self.errors[str(status)] += 1
        outage = self._outage
        if outage is not None and outage.answered_s is None:
            outage.answered_s = now_s

    def failed(self, why: str) -> None:
        """It was not."""
        self.errors[why] += 1
        outage = self._outage
        if outage is not None and why == "no_way":
            outage.answered_s = None

    def percentile_ms(self, share: float) -> float | None:
        """The latency that this share of all answers keeps below; None: there are none."""
        wanted = share * sum(self._latencies.values())
        seen = 0
        for step in sorted(self._latencies):
            seen += self._latencies[step]
            if seen >= wanted:
                return math.exp(step / _STEPS)
        return None

    # -- who is there ---------------------------------------------------------------------------

    def arrived(self) -> None:
        """A machine is there for the first time."""
        self.there += 1

    def lost(self, now_s: float) -> None:
        """A machine that was there is not."""
        self.there -= 1
        self._away += 1
        if self._outage is None:
            self.outages.append(Outage(now_s))
        self.outages[-1].lost = max(self.outages[-1].lost, self._away)

    def back(self, now_s: float) -> None:
        """One of those is there again."""
        self.there += 1
        self.reconnects += 1
        self._away -= 1
        if not self._away:
            self.outages[-1].ended_s = now_s

    @property
    def _outage(self) -> Outage | None:
        """The one that is going on."""
        is_going_on = bool(self.outages) and self.outages[-1].ended_s is None
        return self.outages[-1] if is_going_on else None
