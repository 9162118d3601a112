"""The way back to its owner: of what was refused, and of what lay there."""

from __future__ import annotations

from models.deposit.facts import Fact, Stood, Weighed
from models.deposit.stopping import stuck
from models.deposit.turn import Turn
from models.passage import NS, Crossing
from models.reasons import Reason


def rejecting(turn: Turn, fact: Fact | None) -> None:
    """The belt stops, the ledger is told, the gate opens."""
    body = turn.body
    if isinstance(fact, Stood) and turn.cycle.stage == "moving":
        turn.know(stage="")
        if fact.fault:
            stuck(turn, fact.fault)
            return
    if turn.is_late:
        turn.wait(0)
        turn.fail(Reason.GATE_STUCK)
    elif not turn.is_free:
        return
    elif _never_came_in(turn):
        turn.enter("leaving")
    elif body.gate == "open":
        turn.enter("return_wait")
    else:
        turn.know(stage="moving")
        turn.move_gate("open")


def _never_came_in(turn: Turn) -> bool:
    """Whether there is nothing to bring back: the gate only has to close."""
    item, body = turn.item, turn.body
    if body.inside or body.beam_gate:
        return False
    is_no_item = item.record.reason == Reason.NO_ITEM and not item.is_deep
    return not item.is_inside or is_no_item


def return_wait(turn: Turn, fact: Fact | None) -> None:
    """The belt brings it out; then somebody takes it. Twice it is offered, then the machine stops.

    It is gone when the way from the hand to the scale is free, and nothing lies on the scale.
    """
    stage, body = turn.cycle.stage, turn.body
    if body.entry and not turn.item.has_shown:
        turn.know_item(has_shown=True)
    if stage == "":
        _offer(turn)
    elif isinstance(fact, Stood) and fact.fault not in (None, "stopped"):
        stuck(turn, fact.fault or "jam")
    elif turn.is_late:
        _nobody_took_it(turn)
    elif stage == "weighing":
        _look_at_scale(turn, fact)
    elif body.entry and body.inside is False and _has_come_by(turn) and _is_out(turn):
        turn.stop("it is out")
    elif body.is_way_out_clear and (_has_come_by(turn) or turn.cycle.motion is None):
        turn.stop("it has gone")
        _see_whether_gone(turn)
    elif turn.item.is_found and turn.cycle.motion is None and not body.entry:
        turn.enter("leaving")  # what covers the beam inside is no item: it would have come


def _has_come_by(turn: Turn) -> bool:
    """Whether the inside beam has seen it on this way back, or it never got as far as that.

    What covers the entry before that is another one, or a hand.
    """
    if not turn.item.is_deep:
        return turn.item.has_shown
    passage = turn.cycle.passage
    coasted_ns = passage.since_ns + round(turn.rules.motor.dead_time_s * NS)
    # What leaves the beam sooner was still moving inward when the belt turned.
    is_by = passage.inside.ended_ns is not None and passage.inside.ended_ns > coasted_ns
    return is_by and not turn.body.inside


def _is_out(turn: Turn) -> bool:
    """Whether the belt can do no more; what only stands in the gate is carried until it is free."""
    return turn.item.is_deep or turn.body.beam_gate is False


def _offer(turn: Turn) -> None:
    if not turn.is_free:
        return
    turn.new_passage(inside=Crossing(times=1) if turn.body.inside else Crossing())
    turn.know(stage="moving")
    turn.move("belt", "outward", turn.rules.motor.transport_s)


def _nobody_took_it(turn: Turn) -> None:
    turn.stop("late")
    has_come = turn.item.has_shown and _has_come_by(turn) and turn.body.inside is False
    if turn.item.offers == 0:
        _offer_again(turn, is_deep=not has_come)
    elif has_come:
        turn.fail(Reason.ABANDONED)
    else:
        is_in_gate = turn.body.beam_gate is not False and turn.body.inside is False
        turn.fail(Reason.GATE_OBSTACLE if is_in_gate else Reason.JAM)


def _offer_again(turn: Turn, *, is_deep: bool) -> None:
    turn.know_item(offers=turn.item.offers + 1, is_deep=is_deep)
    turn.enter("return_wait", again=True)


def _see_whether_gone(turn: Turn) -> None:
    if not turn.is_free:
        return
    has_zero = turn.cycle.tare_at_ns > 0
    if turn.limits.needs_scale and has_zero and "scale" not in turn.body.faults:
        turn.know(stage="weighing")
        turn.weigh()
    else:
        turn.enter("leaving")


def _look_at_scale(turn: Turn, fact: Fact | None) -> None:
    if not turn.body.is_way_out_clear:
        turn.know(stage="moving")  # something has come into the way again
    elif not isinstance(fact, Weighed):
        return
    elif fact.mass_g is None or fact.mass_g <= turn.limits.empty_scale_g_max:
        turn.enter("leaving")
    elif turn.item.is_found and not turn.item.has_shown:
        turn.enter("leaving")  # nothing came: it is the zero of the scale that has wandered
    elif turn.item.offers >= turn.limits.retries_max:
        turn.fail(Reason.JAM)
    else:
        _offer_again(turn, is_deep=True)


def leaving(turn: Turn, fact: Fact | None) -> None:
    """The gate closes behind it."""
    body = turn.body
    if body.gate == "closed" and turn.cycle.motion is None:
        _end(turn)
    elif isinstance(fact, Stood) and turn.cycle.stage == "moving":
        turn.know(stage="")
        if fact.fault != "obstacle":
            stuck(turn, fact.fault or "limit")
    elif turn.is_late:
        turn.fail(Reason.GATE_OBSTACLE)
    elif turn.is_free and turn.cycle.stage == "" and body.beam_gate is False:
        turn.know(stage="moving")
        turn.move_gate("close")


def _end(turn: Turn) -> None:
    """Whatever was wrong with it, the machine is empty; where it was in doubt it tests itself."""
    item = turn.item
    if item.is_found and item.has_shown:
        turn.know(count=turn.cycle.count + 1)
        turn.settle("rejected", Reason.RESTARTED)
    is_in_doubt = turn.cycle.is_swept or turn.cycle.fault is not None
    turn.know(item=None)
    turn.enter("selftest" if is_in_doubt else "idle")
