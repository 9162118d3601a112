"""Adds verdicts up, and says whether a run was good: pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from models.world.scenario import Fault
from rvm_edge.lab.judge import Facts, Verdict

GOAL = 0.99
"""So many visits have to go as intended."""
_Z95 = 1.96
_BROKEN_SHOWN = 20


class Tally:
    """What a run has come to so far.

    Attributes:
        visits: all of them.
        judged: those whose end tells something about the machine's body.
        as_intended: of the judged.
        good, paid: good items of honest customers that were put in, and those that were credited.
        detectors: not as intended because of the detector's own mistakes; not judged.
        took_s: seconds from putting an item in to its credit.
        broken: invariants that did not hold, with the number of the visit.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.visits = self.judged = self.as_intended = 0
        self.good = self.paid = self.credits = self.detectors = 0
        self.took_s: list[float] = []
        self.broken: list[str] = []
        self._ends: Counter[tuple[str, str]] = Counter()
        self._reasons: Counter[str] = Counter()
        self._attacks: dict[str, Counter[str]] = {}
        self._disturbed: dict[str, Counter[str]] = {}

    def add(self, facts: Facts, verdict: Verdict) -> None:
        """Count one visit."""
        self.visits += 1
        self.credits += verdict.credits
        self.broken += [f"visit {facts.visit.number}: {text}" for text in verdict.broken]
        if verdict.outcome != "credited" and verdict.reason:
            self._reasons[verdict.reason] += 1
        if facts.took_s is not None:
            self.took_s.append(facts.took_s)
        self._count_end(facts, verdict)
        if facts.visit.disturbance is not None:
            self._count_disturbed(facts, verdict)

    def _count_end(self, facts: Facts, verdict: Verdict) -> None:
        if facts.visit.is_attack:
            row = self._attacks.setdefault(facts.visit.visitor, Counter())
            row.update({"times": 1, "credits": verdict.unearned, verdict.outcome: 1})
        else:
            self._ends[facts.intention, verdict.outcome] += 1
        if verdict.is_detectors:
            self.detectors += 1
            return
        self.judged += 1
        self.as_intended += verdict.as_intended
        if facts.intention == "credit" and verdict.outcome != "turned_away":
            self.good += 1
            self.paid += verdict.outcome == "credited"

    def _count_disturbed(self, facts: Facts, verdict: Verdict) -> None:
        what = facts.visit.disturbance
        name = what.fault if isinstance(what, Fault) else what.what if what else ""
        row = self._disturbed.setdefault(name, Counter())
        row.update(times=1, noticed=bool(facts.noticed), repairs=facts.repairs)
        row[verdict.outcome] += 1

    # -- what it says ---------------------------------------------------------------------------

    @property
    def is_good(self) -> bool:
        """Whether no invariant is broken and enough went as intended."""
        return not self.broken and (self.judged == 0 or self.as_intended / self.judged >= GOAL)

    def summary(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "visits": self.visits,
            "as_intended": _share(self.as_intended, self.judged),
            "good_items_credited": _share(self.paid, self.good),
            "detectors_mistakes": self.detectors,
            "credits": self.credits,
            "ends": {f"{want} -> {end}": n for (want, end), n in sorted(self._ends.items())},
            "refusals": dict(self._reasons.most_common()),
            "attacks": {name: dict(row) for name, row in sorted(self._attacks.items())},
            "disturbances": {name: dict(row) for name, row in sorted(self._disturbed.items())},
            "seconds_per_item": {
                "p50": percentile(self.took_s, 50),
                "p95": percentile(self.took_s, 95),
            },
            "broken": self.broken[:_BROKEN_SHOWN],
            "broken_total": len(self.broken),
            "good": self.is_good,
        }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return round(sorted(values)[rank - 1], 3)


def _share(part: int, whole: int) -> dict[str, Any]:
    """A share with the lower bound of its 95 % interval (Wilson)."""
    if whole == 0:
        return {"part": 0, "of": 0, "percent": None, "at_least_percent": None}
    share, z2 = part / whole, _Z95**2
    spread = _Z95 * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2))
    lower = (share + z2 / (2 * whole) - spread) / (1 + z2 / whole)
    return {
        "part": part,
        "of": whole,
        "percent": round(100 * share, 3),
        "at_least_percent": round(100 * lower, 3),
    }
