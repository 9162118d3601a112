"""What the gate's limit switches tell during a run, also when one of them is stuck."""

from __future__ import annotations

from config.settings import MotorSettings
from models.guard.terms import Order, Why
from models.guard.view import View
from protocol.machine import Direction

_NEARLY = 0.9
"""Of the usual stroke: what stalls later than that has met its end stop."""


class GateRun:
    """One stroke after the other."""

    def __init__(self, limits: MotorSettings, view: View) -> None:
        """Args: view: gets a flag for every switch that lies."""
        self._limits = limits
        self._view = view
        self._stroke_s: dict[Direction, float] = {}
        self._from_limit = False
        self._left_limit = False

    def begin(self, order: Order) -> None:
        """A run begins."""
        self._from_limit = self._is_behind_closed(order)
        self._left_limit = False

    def fault(self, order: Order, start_s: float, now_s: float) -> Why | None:
        """Whether the gate does not leave the limit it came from, and why."""
        limits, view, behind = self._limits, self._view, _limit(order, ahead=False)
        since_s = now_s - start_s - limits.inrush_s
        draws_a = view.current["gate"].amps(now_s)
        has_none = draws_a is not None and draws_a < limits.off_current_a
        if not self._is_behind_closed(order):
            self._left_limit = True
            view.flag(_stuck(behind), on=False)
            if self._from_limit and since_s >= limits.stall_s:
                view.flag("gate_current_a: nothing although the gate moves", on=has_none)
        if self._left_limit or since_s < limits.stall_s:
            return None
        if has_none:
            return Why("no_motion", "the motor draws no current")
        if since_s < 2 * limits.stall_s:
            return None
        if draws_a is None:
            return Why("no_motion", f"{behind} has not opened, and no current sensor tells why")
        if view.is_supply_low:  # it crawls: that is no proof of a broken switch
            return Why("no_motion", f"{behind} has not opened, and the supply is too low to tell")
        view.flag(_stuck(behind))
        return Why("limit", f"{behind} has not opened")

    def reached(self, order: Order, ran_s: float) -> None:
        """The limit ahead has closed."""
        if self._from_limit and self._left_limit:
            self._stroke_s[order.direction] = ran_s
        self._view.flag(_missed(_limit(order, ahead=True)), on=False)

    def jammed(self, order: Order, ran_s: float) -> None:
        """It stalled: perhaps at its end, where a switch did not close."""
        stroke_s = self._stroke_s.get(order.direction)
        if self._from_limit and stroke_s is not None and ran_s >= _NEARLY * stroke_s:
            self._view.flag(_missed(_limit(order, ahead=True)))

    def _is_behind_closed(self, order: Order) -> bool:
        seen = self._view.seen
        return bool(seen.gate_is_closed if order.direction == "open" else seen.gate_is_open)


def _limit(order: Order, *, ahead: bool) -> str:
    return "gate_is_open" if (order.direction == "open") == ahead else "gate_is_closed"


def _stuck(limit: str) -> str:
    return f"{limit}: closed although the gate has left it"


def _missed(limit: str) -> str:
    return f"{limit}: not closed at the end of the gate's way"
