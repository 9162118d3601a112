"""What a fact says about the machine, whatever phase the cycle is in."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from models import bin as bins
from models.deposit import decisions as say
from models.deposit.closed import is_dealing
from models.deposit.facts import (
    Back,
    Crossed,
    Emptied,
    Fact,
    Guarded,
    Late,
    Levelled,
    Lost,
    Mended,
    Mistrusted,
    NotWritten,
    Opened,
    Sensed,
    Served,
    ServiceEntered,
    Stood,
    Weighed,
    Written,
)
from models.deposit.state import ARRIVING
from models.deposit.stopping import halt, is_needed, lose_body
from models.deposit.turn import Turn
from models.passage import crossed
from models.reasons import Reason

ILLEGAL = "illegal_transition"


def perceive(turn: Turn, fact: Fact) -> Fact | None:
    """Bring the knowledge up to date; return what the phase is to hear of it, if anything.

    A fact about something that is over (a movement, a weighing, a record) is history: None.
    """
    if isinstance(fact, (Stood, Late)):
        return _heed_motion(turn, fact)
    if isinstance(fact, Weighed):
        return _heed_scale(turn, fact)
    if isinstance(fact, (Written, NotWritten)):
        return _heed_ledger(turn, fact)
    if isinstance(fact, (Guarded, Sensed, Crossed, Mistrusted, Mended)):
        _heed_body(turn, fact)
    elif isinstance(fact, (Opened, Lost, Back)):
        _heed_neighbour(turn, fact)
    elif isinstance(fact, (Levelled, Emptied)):
        _heed_bin(turn, fact)
    elif isinstance(fact, Served):
        turn.know(session=fact.session, is_greeted=False)
    elif isinstance(fact, ServiceEntered) and not is_dealing(turn.cycle):
        halt(turn, "service", Reason.SERVICE)
    return fact


# -- motors and scale --------------------------------------------------------------------------


def _heed_motion(turn: Turn, fact: Stood | Late) -> Fact | None:
    motion = turn.cycle.motion
    if isinstance(fact, Late):
        if motion is None or turn.now_ns < motion.by_ns:
            return fact
        if not motion.is_stopping:
            turn.stop("silent")
            return fact
        fact = Stood(motion.name, "lease")  # nobody renews it: the guard has let it end
    if motion is None or fact.move != motion.name:
        return None
    turn.ended = motion
    turn.know(motion=None)
    if fact.fault is None and motion.is_full and turn.body.is_guarded:
        gate = "open" if motion.direction == "open" else "closed"
        _know_body(turn, gate=gate)
    return fact


def _heed_scale(turn: Turn, fact: Weighed) -> Fact | None:
    if fact.tag != turn.cycle.weighing:
        return None
    turn.know(weighing="")
    return fact


# -- guard and sensors -------------------------------------------------------------------------


def _know_body(turn: Turn, **changes: Any) -> None:
    turn.know(body=replace(turn.body, **changes))


def _heed_body(turn: Turn, fact: Guarded | Sensed | Crossed | Mistrusted | Mended) -> None:
    faults = turn.body.faults
    if isinstance(fact, Guarded):
        _heed_guard(turn, fact)
    elif isinstance(fact, Crossed):
        _heed_beam(turn, fact)
    elif isinstance(fact, Sensed):
        beams = {name: fact.beams.get(name) for name in ("entry", "inside", "exit", "drop")}
        _know_body(turn, is_sensed=True, faults=fact.faults, **beams)
    elif isinstance(fact, Mended):
        _know_body(turn, faults=faults - {fact.sensor})
    else:
        _know_body(turn, faults=faults | {fact.sensor})
        needs_scale = turn.limits.needs_scale
        if turn.cycle.phase in ARRIVING and is_needed(fact.sensor, needs_scale=needs_scale):
            turn.give_back(Reason.SENSOR_FAILED)


def _heed_guard(turn: Turn, fact: Guarded) -> None:
    _know_body(
        turn,
        is_guarded=True,
        door_closed=fact.door_closed,
        estop_released=fact.estop_released,
        gate=fact.gate,
        beam_gate=fact.beam_gate,
        latch=fact.latch,
    )


def _heed_beam(turn: Turn, fact: Crossed) -> None:
    _know_body(turn, **{fact.beam: fact.covered})
    if fact.covered is not None:
        passage = crossed(turn.cycle.passage, fact.beam, fact.covered, fact.at_ns)
        turn.know(passage=passage)
    if fact.beam == "entry":
        turn.know(is_greeted=False)
        if fact.covered:
            turn.know(arrived_ns=fact.at_ns)


# -- neighbours --------------------------------------------------------------------------------


def _heed_neighbour(turn: Turn, fact: Opened | Lost | Back) -> None:
    lost = turn.cycle.lost
    if isinstance(fact, Opened):
        turn.know(name=fact.name, open=fact.open, lost=lost - {"storage"})
        if fact.stopped == "estop":
            halt(turn, "estop", Reason.ESTOP)
        elif fact.stopped:
            halt(turn, "service", Reason.SERVICE)
    elif isinstance(fact, Back):
        turn.know(lost=lost - {fact.neighbour})
        if fact.neighbour == "session":
            turn.know(is_greeted=False)
    else:
        turn.know(lost=lost | {fact.neighbour})
        _miss(turn, fact)


def _miss(turn: Turn, fact: Lost) -> None:
    """What the lost one was asked, it will not answer."""
    phase, stage = turn.cycle.phase, turn.cycle.stage
    if fact.neighbour == "motor":
        turn.know(motion=None)
        _know_body(turn, is_guarded=False)
        lose_body(turn, Reason.MOTOR_FAILED)
    elif fact.neighbour == "sensors":
        _know_body(turn, is_sensed=False)
        turn.know(weighing="", tare_at_ns=0)
        lose_body(turn, Reason.SENSOR_FAILED)
    elif fact.neighbour == "session":
        turn.know(session="", is_greeted=False)
    elif fact.neighbour == "camera" and phase == "identifying" and stage == "picture":
        turn.give_back(Reason.CAMERA_FAILED)
    elif fact.neighbour == "inference" and phase == "identifying" and stage == "verdict":
        turn.give_back(Reason.INFERENCE_FAILED)


# -- the bin -----------------------------------------------------------------------------------


def _heed_bin(turn: Turn, fact: Levelled | Emptied) -> None:
    before = turn.cycle.bin
    if isinstance(fact, Emptied):
        after = bins.emptied(before)
    else:
        after = bins.levelled(before, fact.percent, turn.rules.bin)
    turn.know(bin=after)
    if after.stage != before.stage or isinstance(fact, Emptied):
        fields = {"stage": after.stage, "percent": after.percent}
        turn.decide(say.Record("bin", fields))


# -- the ledger --------------------------------------------------------------------------------


def _heed_ledger(turn: Turn, fact: Written | NotWritten) -> Fact | None:
    """The oldest record that is owed was written, or not."""
    cycle = turn.cycle
    head = cycle.owed[0] if cycle.owed else None
    if head is None or (head.id, head.state) != (fact.deposit, fact.state):
        return None
    turn.know(is_writing=False)
    if isinstance(fact, Written):
        _written(turn, fact)
    else:
        _not_written(turn, fact)
    return fact


def _written(turn: Turn, fact: Written) -> None:
    head, rest = turn.cycle.owed[0], turn.cycle.owed[1:]
    item = turn.cycle.item
    if item is not None and item.record.id == fact.deposit:
        turn.know_item(stored=fact.state)
    if fact.state == "confirmed":  # from here on the credit exists; now it is booked
        rest = (replace(head, state="credited"), *rest)
    elif fact.state == "credited":
        turn.decide(say.Credited(head.id, head.session))
    turn.know(owed=rest)


def _not_written(turn: Turn, fact: NotWritten) -> None:
    """What must be written before a motion is given up with it; all else is owed until it is held.

    What the ledger calls illegal it will never hold: it knows better already.
    """
    fields = {"deposit": fact.deposit, "reason": "storage_failed", "why": fact.code}
    turn.decide(say.Record("deposit_trouble", fields))
    if fact.state in ("reserved", "transporting") or fact.code == ILLEGAL:
        turn.know(owed=turn.cycle.owed[1:])
    else:
        turn.know(write_at_ns=turn.after_ns(turn.limits.try_again_s))
