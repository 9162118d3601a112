"""What the machine must be like for a command to run; what cannot be read is against it."""

from __future__ import annotations

from typing import NamedTuple

from models.deposit.state import RESTING, STOPPED
from models.remote.catalogue import Entry, Need
from protocol.machine import GuardChanged, Inputs
from protocol.service import CycleDescribed, SessionDescribed

PRECONDITION = "precondition"
HAND_BEAMS = ("entry", "inside")
"""Beams that a hand covers on its way to what moves; the gate's own is the guard's."""


class Readings(NamedTuple):
    """The machine as it says it is; None: it did not say."""

    cycle: CycleDescribed | None = None
    session: SessionDescribed | None = None
    guard: GuardChanged | None = None
    inputs: Inputs | None = None


class Obstacle(NamedTuple):
    """Why a command does not run now.

    Attributes:
        passes: it is over by itself, and waited for while the command's time lasts.
    """

    detail: str
    passes: bool = False


def obstacle(entry: Entry, readings: Readings, *, is_forced: bool = False) -> Obstacle | None:
    """What is in the way, if anything; what does not pass comes first.

    Args:
        is_forced: with a reason: nobody's session is waited for, nor an answer that does not come.
    """
    is_forced = is_forced and entry.safety == "disruptive"
    found = [_look(need, readings, is_forced=is_forced) for need in entry.needs]
    there = [each for each in found if each is not None]
    return next((each for each in there if not each.passes), there[0] if there else None)


def _look(need: Need, readings: Readings, *, is_forced: bool) -> Obstacle | None:
    if need == "no_item":
        return _no_item(readings.cycle, is_forced=is_forced)
    if need == "no_session":
        return None if is_forced else _no_session(readings.session)
    if need == "no_stop":
        return _no_stop(readings.cycle, readings.guard)
    if need == "maintenance":
        return _maintenance(readings.cycle)
    return _body(readings.guard) or _hand(readings.inputs)


def _no_item(cycle: CycleDescribed | None, *, is_forced: bool) -> Obstacle | None:
    if cycle is None:
        return None if is_forced else Obstacle("it is not known whether an item is in the machine")
    if cycle.deposit or cycle.phase not in RESTING:
        return Obstacle(f"the machine is busy ({cycle.phase})", passes=True)
    return None


def _no_session(session: SessionDescribed | None) -> Obstacle | None:
    if session is None:
        return Obstacle("it is not known whether somebody is being served")
    return Obstacle("somebody is being served", passes=True) if session.is_open else None


def _no_stop(cycle: CycleDescribed | None, guard: GuardChanged | None) -> Obstacle | None:
    """What is not known is no reason here: who does not answer may have to be started anew."""
    if cycle is not None and cycle.phase in STOPPED and not cycle.remote:
        detail = "somebody serves the machine, has opened its door, or has stopped it"
        return Obstacle(detail, passes=True)
    if guard is not None and guard.latch:
        detail = f"the guard is latched ({guard.latch}), which is reset at the machine"
        return Obstacle(detail, passes=True)
    return None


def _maintenance(cycle: CycleDescribed | None) -> Obstacle | None:
    if cycle is None:
        return Obstacle("it is not known whether the machine is in maintenance")
    if cycle.phase != "service":
        return Obstacle("the machine is not in maintenance: enter_maintenance first")
    if not cycle.remote:
        return Obstacle("a technician is at the machine, or its door was opened")
    return None


def _body(guard: GuardChanged | None) -> Obstacle | None:
    if guard is None:
        return Obstacle("the guard does not answer")
    unknown = [
        name
        for name, value in (
            ("door", guard.door_closed),
            ("emergency stop", guard.estop_released),
            ("beam of the gate", guard.beam_gate),
        )
        if value is None
    ]
    if guard.gate == "unknown":
        unknown.append("gate")
    if unknown:
        return Obstacle(f"cannot be read: {', '.join(unknown)}")
    wrong = [
        what
        for what, is_so in (
            ("the door is open", not guard.door_closed),
            ("the emergency stop is pressed", not guard.estop_released),
            ("something is in the gate", guard.beam_gate),
            (f"the guard is latched ({guard.latch})", guard.latch),
            (f"the {guard.moving} moves", guard.moving),
            ("the belt moves", not guard.belt_still),
        )
        if is_so
    ]
    return Obstacle("; ".join(wrong)) if wrong else None


def _hand(inputs: Inputs | None) -> Obstacle | None:
    if inputs is None:
        return Obstacle("the sensors do not answer")
    for beam in HAND_BEAMS:
        covered = inputs.beams.get(beam)
        if covered is None or beam in inputs.faults:
            return Obstacle(f"the {beam} beam cannot be trusted: there may be a hand")
        if covered:
            return Obstacle(f"the {beam} beam is covered: there may be a hand")
    return None
