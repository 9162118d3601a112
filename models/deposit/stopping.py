"""When something is wrong: interlocks, stuck motors, lost neighbours, and the ways back."""

from __future__ import annotations

from msgspec.structs import replace

from models.deposit import decisions as say
from models.deposit.facts import (
    Back,
    Fact,
    Guarded,
    Mended,
    Reset,
    Sensed,
    ServiceLeft,
    Stood,
    Written,
)
from models.deposit.state import RESTING, STOPPED, Body, Cycle, Phase
from models.deposit.turn import OPPOSITE, Turn
from models.reasons import Reason
from protocol.machine import MotorName, MoveFault

NEEDED = frozenset(("entry", "inside", "exit", "drop"))
"""Sensors without which no item is taken; with `needs_scale` the scale is one of them."""

LATCHED: frozenset[MoveFault] = frozenset(("latched", "uncommanded", "outputs"))
"""The guard moves nothing before somebody has been there: no use in trying again."""

STUCK = frozenset((Reason.JAM, Reason.GATE_STUCK))
"""Faults that may have healed: tried again a few times, with gate and belt, after longer and longer
pauses. The guard counts with us, and latches."""

# -- interlocks --------------------------------------------------------------------------------


def interlock(body: Body) -> tuple[Phase, Reason] | None:
    """What forbids every movement, if anything does: the phase it leads to, and why.

    What cannot be read is as bad as what is tripped.
    """
    if not body.is_guarded:
        return None
    if body.estop_released is not True or body.latch == "estop":
        is_unknown = body.estop_released is None
        return "estop", Reason.SENSOR_FAILED if is_unknown else Reason.ESTOP
    if body.door_closed is not True or body.latch == "door":
        is_unknown = body.door_closed is None
        return "service", Reason.SENSOR_FAILED if is_unknown else Reason.DOOR_OPEN
    return None


def heed_interlocks(turn: Turn) -> None:
    """Stop for door and emergency stop; and for a latch that only a person takes off."""
    phase = turn.cycle.phase
    stop = interlock(turn.body)
    if phase == "selftest" and turn.body.door_closed and turn.body.estop_released:
        return  # the latch is being reset; the self-test waits for that
    if stop is not None:
        if phase == "estop" and stop[0] == "service":
            return
        if (phase, turn.cycle.stop) != stop:
            halt(turn, *stop)
    elif turn.body.latch and phase not in RESTING | {"selftest", "crediting"}:
        broken(turn, Reason.MOTOR_FAILED)
    elif turn.body.latch and phase in ("idle", "bin_full"):
        turn.fail(Reason.MOTOR_FAILED)


def halt(turn: Turn, phase: Phase, reason: Reason) -> None:
    """Nothing moves any more until somebody at the machine says so; the item's end is decided."""
    turn.stop(reason.value)
    cut_short(turn, reason)
    if turn.cycle.fault is not None:
        turn.decide(say.Record("fault_left", {"reason": turn.cycle.fault.value}))
    turn.know(fault=None, stop=reason, reason=reason.value, was_open=False)
    turn.enter(phase)


def cut_short(turn: Turn, reason: Reason) -> None:
    """Decide the end of the item whose way ends here.

    Before the exit has seen it, it is the customer's and still there: void. After that nobody can
    say whether it has fallen: review.
    """
    item = turn.cycle.item
    if item is None:
        return
    if not item.is_found:
        has_passed = turn.cycle.passage.exit.times > 0
        is_under_way = item.stored == "transporting"
        turn.settle("review" if has_passed and is_under_way else "void", reason)
    if not item.is_inside:
        turn.know(item=None)


def broken(turn: Turn, reason: Reason) -> None:
    """The machine cannot go on with its item: decide its end, and be out of order."""
    cut_short(turn, reason)
    turn.fail(reason)


# -- motors ------------------------------------------------------------------------------------


def stuck(turn: Turn, fault: MoveFault) -> None:
    """A movement has not ended as asked: a bit back and once more, but not for ever."""
    ended = turn.ended
    if ended is None or (ended.is_stopping and fault == "stopped"):
        return  # it was ours, and what made us stop it has been dealt with
    if fault == "door":
        halt(turn, "service", Reason.DOOR_OPEN)
    elif fault == "estop":
        halt(turn, "estop", Reason.ESTOP)
    elif fault in LATCHED:
        broken(turn, Reason.MOTOR_FAILED)
    elif turn.cycle.tries >= turn.limits.retries_max:
        _give_up(turn, ended.motor, fault)
    else:
        tries = turn.cycle.tries + 1
        fields = {"motor": ended.motor, "fault": fault, "try": tries}
        turn.decide(say.Record("motor_trouble", fields))
        turn.know(resume=turn.cycle.phase, tries=tries, backwards=(ended.motor, ended.direction))
        turn.enter("recovering", again=True)


def recovering(turn: Turn, fact: Fact | None) -> None:
    """A short run the other way, then the phase begins anew."""
    motor, direction = turn.cycle.backwards
    if turn.is_late:
        turn.stop("late")
        turn.enter(turn.cycle.resume, again=True)
    elif isinstance(fact, Stood):
        if fact.fault in ("door", "estop") or fact.fault in LATCHED:
            turn.know(phase=turn.cycle.resume)
            stuck(turn, fact.fault)
        else:  # it stood as far as it got: what matters is whether it goes forward now
            turn.enter(turn.cycle.resume, again=True)
    elif turn.is_free and turn.cycle.stage == "":
        turn.know(stage="reversing")
        turn.move(motor, OPPOSITE[direction], turn.limits.reverse_s)


def _give_up(turn: Turn, motor: MotorName, fault: MoveFault) -> None:
    """It does not move: the item goes back if its way is open, else the machine is out of order."""
    reason = Reason.GATE_STUCK if motor == "gate" else Reason.JAM
    if motor == "belt" and fault == "overrun":
        reason = Reason.TRANSPORT_TIMEOUT
    if fault in ("lease", "busy", "duty", "stopped", "invalid"):
        reason = Reason.MOTOR_FAILED
    phase, passage = turn.cycle.phase, turn.cycle.passage
    may_go_back = phase in ("infeed", "closing") or (
        phase == "transporting" and passage.exit.times == 0
    )
    if may_go_back:
        turn.give_back(reason)
    else:
        broken(turn, reason)


# -- phases without a way of their own ---------------------------------------------------------


def fault(turn: Turn, fact: Fact | None) -> None:
    """Out of order: until it may have passed, or a technician has reset it."""
    reason = turn.cycle.fault
    if isinstance(fact, Reset):
        turn.decide(say.ResetGuard())
        turn.know(unproven=0, is_swept=False, retries=0)
        turn.enter("boot" if turn.cycle.open else "selftest")
    elif fact is None and (reason in STUCK or reason == Reason.DROP_NOT_SEEN):
        turn.wait(_pause_s(turn))
    elif not turn.is_free:
        return
    elif turn.is_late and _is_hopeless(turn):
        turn.wait(turn.limits.retry_fault_s)
    elif turn.is_late or _is_over(turn, fact):
        _try_again(turn)


def _try_again(turn: Turn) -> None:
    """Test the machine; what was in the way may be brought out now."""
    reason = turn.cycle.fault
    if reason in STUCK:
        turn.know(retries=turn.cycle.retries + 1)
    if reason in STUCK or reason == Reason.GATE_OBSTACLE:
        turn.know(is_swept=False)
    turn.enter("boot")


def _pause_s(turn: Turn) -> float:
    """Until a stuck machine is tried again; 0: never, a technician has to come."""
    retries = turn.cycle.retries
    if turn.cycle.fault not in STUCK or retries >= turn.limits.fault_retries_max:
        return 0.0
    return turn.limits.retry_fault_s * 2.0**retries


def _is_hopeless(turn: Turn) -> bool:
    """Whether a self-test could only wait: for the guard's latch, or for what is in the gate."""
    body, reason = turn.body, turn.cycle.fault
    is_blocked = reason == Reason.GATE_OBSTACLE and body.beam_gate is not False
    is_waiting = reason == Reason.ABANDONED and not body.is_way_out_clear
    return bool(body.latch) or is_blocked or is_waiting


def _is_over(turn: Turn, fact: Fact | None) -> bool:
    """Whether this fact says that what was missing is there again."""
    reason, body = turn.cycle.fault, turn.body
    if reason == Reason.CAMERA_FAILED:
        return fact == Back("camera")
    if reason == Reason.INFERENCE_FAILED:
        return fact == Back("inference")
    if reason == Reason.STORAGE_FAILED:
        return isinstance(fact, Written) and not turn.cycle.owed
    if reason == Reason.SENSOR_FAILED:
        return isinstance(fact, (Sensed, Mended)) and body.is_known
    if reason == Reason.MOTOR_FAILED:
        return isinstance(fact, Guarded) and body.is_known and not body.latch
    if reason == Reason.GATE_OBSTACLE:
        return isinstance(fact, Guarded) and body.beam_gate is False
    return reason == Reason.ABANDONED and body.is_way_out_clear


def service(turn: Turn, fact: Fact | None) -> None:
    """A technician is there, or the door was opened: only they lead out."""
    if not isinstance(fact, (Reset, ServiceLeft)) or may_leave(turn.body, fact) is not None:
        return
    if isinstance(fact, Reset):
        turn.decide(say.ResetGuard())
    turn.know(stop=None, is_swept=False, unproven=0, retries=0)
    turn.enter("selftest")


def may_leave(body: Body, fact: Reset | ServiceLeft) -> Reason | None:
    """Why the machine cannot go on yet; None: it can. Leaving service takes off no latch."""
    contacts = replace(body, latch="") if isinstance(fact, Reset) else body
    stop = interlock(contacts)
    if stop is not None:
        return stop[1]
    return None if isinstance(fact, Reset) or not body.latch else Reason.MOTOR_FAILED


def why_not_go_on(cycle: Cycle, fact: Reset | ServiceLeft) -> tuple[str, str] | None:
    """Why a reset, or the end of service, changes nothing: code and sentence; None: it does."""
    is_stopped = cycle.phase in STOPPED
    if isinstance(fact, ServiceLeft) and not is_stopped:
        return "not_in_service", "the machine is not in service"
    if isinstance(fact, Reset) and not (is_stopped or cycle.phase == "fault"):
        return "nothing_to_reset", f"the machine is in {cycle.phase}; nothing is stopped"
    body = cycle.body
    why = may_leave(body, fact) if is_stopped else None
    if why is None:
        return None
    if body.door_closed and body.estop_released:
        return "latched", "the guard has been tripped: reset the machine"
    cure = {
        Reason.DOOR_OPEN: "close the door first",
        Reason.ESTOP: "release the emergency stop first",
        Reason.SENSOR_FAILED: "a contact of door or emergency stop cannot be read",
    }
    return why.value, cure.get(why, "guard and contacts are not well")


def lose_body(turn: Turn, reason: Reason) -> None:
    """Guard or sensors have gone: what was under way is decided when they are back.

    The item keeps its id: it is the same bottle that lies there then.
    """
    turn.stop(reason.value)
    cycle = turn.cycle
    if cycle.phase in RESTING | {"crediting", "boot"}:
        if cycle.phase in ("idle", "bin_full"):
            turn.enter("boot")
        return
    item = cycle.item
    if item is not None and not item.is_settled and not item.is_found:
        if item.stored is not None:
            record = replace(item.record, state=item.stored)
            turn.know(open=(*cycle.open, record), item=None)
        else:
            turn.settle("rejected", reason)
            if not item.is_inside:
                turn.know(item=None)
    turn.enter("boot")


def is_needed(sensor: str, *, needs_scale: bool) -> bool:
    """Whether no item is taken without this sensor."""
    return sensor in NEEDED or (needs_scale and sensor == "scale")
