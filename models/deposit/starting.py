"""Before items are taken: boot, and the self-test that also follows every stop and fault."""

from __future__ import annotations

from msgspec.structs import replace

from models.deposit import decisions as say
from models.deposit.facts import Fact, Judged, NotSeen, Pictured, Stood, Tared, Weighed
from models.deposit.state import Item
from models.deposit.stopping import STUCK, stuck
from models.deposit.turn import Turn
from models.reasons import Reason
from models.recovery import Fate, Sensed, fates
from protocol.storage import DepositRecord

PROBE = "probe"
"""Stands for a deposit's id when camera and inference only have to prove themselves."""

MENDING = "mending"
"""The scale has its zero, and the sensors have not yet taken their word about it back."""

# -- boot --------------------------------------------------------------------------------------


def boot(turn: Turn, _fact: Fact | None) -> None:
    """Wait for guard and sensors; settle what was left open; then test the machine."""
    body = turn.body
    if turn.is_late:
        turn.fail(Reason.SENSOR_FAILED if body.is_guarded else Reason.MOTOR_FAILED)
    elif not body.is_known or not turn.is_free:
        return
    elif turn.cycle.open:
        settle_open(turn)
    else:
        turn.enter("selftest")


def settle_open(turn: Turn, *, may_move: bool = True) -> None:
    """Decide about what an earlier run, or a restart of the body, left undecided.

    Args:
        turn: in any phase in which nothing moves.
        may_move: whether an item may be carried on; else its end is left to a person.
    """
    body = turn.body
    sensed = Sensed(
        inside=body.inside,
        exit=body.exit,
        gate=body.gate,
        door_closed=body.door_closed,
        estop_released=body.estop_released,
        beam_gate=body.beam_gate,
    )
    decided = fates(turn.cycle.open, sensed)
    turn.know(open=())
    for record, fate in decided:
        _settle(turn, record, fate if may_move or fate != "finish" else "review")


def _settle(turn: Turn, record: DepositRecord, fate: Fate) -> None:
    if fate == "credit":
        turn.owe_record(replace(record, state="credited"))
        return
    is_resumed = fate == "finish"
    turn.know(
        item=Item(record, stored=record.state, is_inside=True, is_deep=True, is_resumed=is_resumed)
    )
    if is_resumed:
        turn.enter("transporting")
        return
    turn.settle("void" if fate == "void" else "review", Reason.INTERRUPTED)
    if fate == "review":  # nobody knows where it is; the self-test finds what lies there
        turn.know(item=None)


# -- self-test ---------------------------------------------------------------------------------


def selftest(turn: Turn, fact: Fact | None) -> None:
    """Gate home, what lies there brought out, beams clear, scale tared, eyes proven if in doubt."""
    body = turn.body
    if not body.is_known:
        turn.enter("boot")
    elif turn.is_late:
        turn.fail(_what_failed(turn))
    elif isinstance(fact, Stood) and fact.fault and fact.fault != "obstacle":
        stuck(turn, fact.fault)
    elif body.latch or not turn.is_free:
        return
    elif body.gate != "closed":
        _home_gate(turn)
    elif body.inside or body.exit or _has_to_prove_motors(turn):
        _bring_out(turn)
    elif body.inside is False and body.exit is False and body.drop is False:
        _test_senses(turn, fact)


def _home_gate(turn: Turn) -> None:
    """Close it; but what stands in it goes back first, for the gate closes on nothing."""
    body = turn.body
    if body.gate == "unknown":
        return
    if body.beam_gate is False:
        turn.move_gate("close")
    elif body.beam_gate:
        _bring_out(turn)


def _has_to_prove_motors(turn: Turn) -> bool:
    """After a jam an empty machine is no proof: gate and belt have to run once."""
    return turn.cycle.fault in STUCK and not turn.cycle.is_swept


def _what_failed(turn: Turn) -> Reason:
    body = turn.body
    if body.latch:
        return Reason.MOTOR_FAILED
    if body.gate != "closed":
        return Reason.GATE_STUCK if body.beam_gate is False else Reason.GATE_OBSTACLE
    if turn.cycle.stage == PROBE:
        return turn.cycle.doubts or Reason.INFERENCE_FAILED
    return Reason.SENSOR_FAILED


def _bring_out(turn: Turn) -> None:
    """What lies there goes back, once; what then still covers a beam is dirt or a broken beam.

    The id of what was found is used up only if something comes out.
    """
    if turn.cycle.is_swept:
        return
    turn.know(is_swept=True)
    turn.new_passage()
    if turn.cycle.item is None:
        name = f"{turn.cycle.name}-{turn.cycle.count + 1}"
        reason = Reason.RESTARTED.value
        record = DepositRecord(name, "rejected", reason, started_at=0.0, updated_at=0.0)
        turn.know(item=Item(record, is_found=True))
    body = turn.body
    is_in_gate = bool(body.beam_gate) and body.inside is False and body.exit is False
    turn.know_item(is_inside=True, is_deep=not is_in_gate, offers=0, has_shown=False)
    turn.enter("rejecting")


def _test_senses(turn: Turn, fact: Fact | None) -> None:
    """Scale, then eyes: each step asks, and the answer leads to the next."""
    stage = turn.cycle.stage
    if stage == "":
        _ask_scale(turn)
    elif stage == "weighing" and isinstance(fact, Weighed):
        _heed_scale(turn, fact.mass_g)
    elif stage == "taring" and isinstance(fact, Tared):
        _heed_tare(turn, fact)
    elif stage == MENDING:
        _await_scale(turn)
    elif stage == PROBE:
        _heed_eyes(turn, fact)


def _ask_scale(turn: Turn) -> None:
    if not turn.limits.needs_scale:
        if turn.cycle.item is None or turn.cycle.is_swept:
            _ask_eyes(turn)
        else:
            _bring_out(turn)
    else:
        turn.know(stage="weighing")
        turn.weigh()


def _empty_g(turn: Turn) -> float:
    """What an empty scale may weigh: before it is tared, less than the lightest item."""
    limits = turn.limits
    return limits.empty_scale_g_max if turn.cycle.tare_at_ns else limits.mass_g_min


def _heed_scale(turn: Turn, mass_g: float | None) -> None:
    """Something on it goes back; what weighs the same after that is a scale that has wandered.

    A scale that is out of trust may have no weight to tell: whether it has a zero is what counts.
    """
    if mass_g is None and "scale" not in turn.body.faults:
        _doubt_scale(turn)
    elif mass_g is not None and mass_g > _empty_g(turn) and not turn.cycle.is_swept:
        _bring_out(turn)
    else:
        turn.know(stage="taring")
        turn.decide(say.Tare())


def _heed_tare(turn: Turn, fact: Tared) -> None:
    if fact.done:
        turn.know(tare_at_ns=turn.after_ns(turn.limits.tare_period_s), stage=MENDING)
        _await_scale(turn)
    elif fact.is_far and not turn.cycle.is_swept:
        _bring_out(turn)  # heavier than any zero: something may lie there
    else:
        _doubt_scale(turn)


def _await_scale(turn: Turn) -> None:
    """With its new zero the scale is well again as soon as the sensors say so."""
    if "scale" not in turn.body.faults:
        _ask_eyes(turn)


def _doubt_scale(turn: Turn) -> None:
    """Somebody leans on the machine, or the scale is broken: a few tries tell."""
    if turn.cycle.tries >= turn.limits.retries_max:
        turn.fail(Reason.SENSOR_FAILED)
        return
    turn.know(tries=turn.cycle.tries + 1, stage="weighing")
    turn.weigh()


def _ask_eyes(turn: Turn) -> None:
    if turn.cycle.doubts is None:
        _pass(turn)
        return
    turn.know(stage=PROBE)
    turn.decide(say.TakePicture(PROBE, turn.now_ns))


def _heed_eyes(turn: Turn, fact: Fact | None) -> None:
    if isinstance(fact, Pictured) and fact.deposit == PROBE:
        turn.decide(say.Judge(PROBE))
    elif isinstance(fact, Judged) and fact.deposit == PROBE:
        turn.know(doubts=None)
        _pass(turn)
    elif isinstance(fact, NotSeen) and fact.deposit == PROBE:
        turn.fail(Reason.CAMERA_FAILED if fact.of == "camera" else Reason.INFERENCE_FAILED)


def _pass(turn: Turn) -> None:
    """All is well: what was wrong is over."""
    if turn.cycle.fault is not None:
        turn.decide(say.Record("fault_left", {"reason": turn.cycle.fault.value}))
    turn.know(fault=None, is_swept=False, item=None)
    turn.enter("idle")
