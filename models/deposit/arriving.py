"""From the waiting machine to the item behind the closed gate."""

from __future__ import annotations

from msgspec.structs import replace

from models.deposit import decisions as say
from models.deposit.closed import why_closed
from models.deposit.facts import Crossed, Fact, Stood, Tared
from models.deposit.state import Item
from models.deposit.stopping import stuck
from models.deposit.turn import Turn
from models.passage import NS, Crossing, length_m
from models.reasons import Reason
from protocol.storage import DepositRecord

# -- waiting -----------------------------------------------------------------------------------


def idle(turn: Turn, fact: Fact | None) -> None:
    """Wait for an item, unless something else has to be done first."""
    cycle, body = turn.cycle, turn.body
    if not body.is_known:
        turn.enter("boot")
    elif cycle.doubts is not None:
        turn.enter("selftest")
    elif turn.limits.needs_scale and "scale" in body.faults:
        turn.know(was_open=False)
        turn.enter("selftest")  # something may lie on it; and it needs another zero
    elif cycle.unproven >= turn.limits.unproven_max:
        turn.fail(Reason.DROP_NOT_SEEN)
    elif cycle.bin.stage == "full":
        turn.enter("bin_full")
    elif body.inside or body.exit:
        turn.enter("selftest")  # something lies there that was not there before
    else:
        _look_out(turn, fact)


def _look_out(turn: Turn, fact: Fact | None) -> None:
    if turn.cycle.stage == "taring" and (isinstance(fact, Tared) or turn.is_late):
        turn.know(stage="", tare_at_ns=turn.after_ns(turn.limits.tare_period_s))
    why = why_closed(turn.cycle, turn.now_s, turn.rules)
    turn.know(was_open=why is None)
    if turn.cycle.stage == "taring":
        return
    if why is None and turn.body.entry:
        _greet_or_take(turn)
    elif turn.limits.needs_scale and not turn.body.entry and _is_time_to_tare(turn):
        turn.know(stage="taring")
        turn.wait(turn.limits.weigh_timeout_s)
        turn.decide(say.Tare())
    else:
        _sleep(turn, why)


def _sleep(turn: Turn, why: Reason | None) -> None:
    """Look again when the scale wants to be tared, or an inlet closed for a while may open."""
    if why in (Reason.LOCKED_OUT, Reason.TOO_FAST):
        turn.wait(turn.limits.try_again_s)
    elif turn.limits.needs_scale:
        turn.know(deadline_ns=max(turn.cycle.tare_at_ns, turn.now_ns + 1))
    else:
        turn.wait(0)


def _is_time_to_tare(turn: Turn) -> bool:
    return turn.cycle.tare_at_ns <= turn.now_ns


def _greet_or_take(turn: Turn) -> None:
    cycle = turn.cycle
    if cycle.session:
        if turn.is_free:
            _take(turn)
    elif not cycle.is_greeted:
        turn.know(is_greeted=True)
        turn.decide(say.Greet(cycle.arrived_ns))
        turn.wait(0)


def _take(turn: Turn) -> None:
    """An item becomes a deposit: from here on it has an id, and an end."""
    cycle = turn.cycle
    count = cycle.count + 1
    record = DepositRecord(f"{cycle.name}-{count}", "rejected", "", 0.0, 0.0, session=cycle.session)
    turn.know(count=count, item=Item(record), is_greeted=False, reason="")
    turn.new_passage(entry=Crossing(1, cycle.arrived_ns))
    turn.enter("opening")


def bin_full(turn: Turn, _fact: Fact | None) -> None:
    """Until the bin is emptied, or the level sinks."""
    if turn.cycle.bin.stage != "full":
        turn.enter("idle")


# -- coming in ---------------------------------------------------------------------------------


def opening(turn: Turn, fact: Fact | None) -> None:
    """The gate opens."""
    if turn.body.gate == "open" and turn.cycle.motion is None:
        turn.enter("infeed")
    elif isinstance(fact, Stood) and turn.cycle.stage:
        stuck(turn, "overrun" if fact.fault in (None, "stopped") else fact.fault)
    elif turn.is_late:
        turn.stop("late")
    elif turn.is_free and turn.cycle.stage == "":
        turn.know(stage="moving")
        turn.move_gate("open")


def infeed(turn: Turn, fact: Fact | None) -> None:
    """The belt takes the item in until the inside beam is free behind it."""
    if turn.cycle.stage == "":
        _begin_infeed(turn)
        return
    refusal = _refusal_at_infeed(turn, fact)
    inside = turn.cycle.passage.inside
    if inside.times:
        turn.know_item(is_deep=True)
    if refusal is not None:
        turn.give_back(refusal)
    elif isinstance(fact, Stood) and fact.fault not in (None, "stopped"):
        stuck(turn, fact.fault or "jam")
    elif inside.ended_ns is not None:
        passage, speed = turn.cycle.passage, turn.limits.belt_m_per_s
        turn.know_record(length_m=length_m(passage, "inside", speed))
        turn.stop("it is in")
        turn.enter("closing")
    elif turn.is_late or turn.cycle.motion is None:
        turn.give_back(Reason.TOO_LONG if inside.times else Reason.NO_ITEM)
    elif inside.began_ns is not None:
        began_ns = max(inside.began_ns, turn.cycle.passage.belt_ns)
        turn.know(deadline_ns=began_ns + _longest_ns(turn))


def _longest_ns(turn: Turn) -> int:
    """How long an item may cover a beam; the tolerance is the time until its end is told."""
    limits = turn.limits
    longest_m = limits.length_m_max + limits.length_tolerance_m
    return round(longest_m / limits.belt_m_per_s * NS)


def _begin_infeed(turn: Turn) -> None:
    is_again = turn.cycle.tries > 0
    turn.know_item(is_inside=True)
    if turn.body.inside and is_again:  # where it began is lost, and with that its length
        turn.know_item(is_deep=True)
        turn.give_back(Reason.JAM)
        return
    if not turn.is_free:
        return
    if is_again:
        turn.new_passage(entry=Crossing(1, turn.cycle.arrived_ns))
    # A hand may have pushed it as far as the inside beam while the gate still opened.
    turn.know(stage="moving", passage=replace(turn.cycle.passage, belt_ns=turn.now_ns))
    turn.move("belt", "inward", turn.limits.infeed_timeout_s)


def _refusal_at_infeed(turn: Turn, fact: Fact | None) -> Reason | None:
    """What the beams say against the item while it comes in."""
    passage, limits = turn.cycle.passage, turn.limits
    if turn.body.exit:
        return Reason.WRONG_ORDER
    is_entry = isinstance(fact, Crossed) and fact.beam == "entry" and fact.covered
    if is_entry and passage.inside.times and passage.entry.times > 1:
        return Reason.SEVERAL_ITEMS
    if passage.inside.ended_ns is None:
        return None
    if turn.body.entry and passage.entry.ended_ns is None:
        return Reason.NO_ITEM  # it went out again: the entry was never free
    long_m = length_m(passage, "inside", limits.belt_m_per_s) or 0.0
    return Reason.TOO_LONG if long_m > limits.length_m_max else None


def closing(turn: Turn, fact: Fact | None) -> None:
    """The belt stands, and the gate closes behind the item as soon as no hand is in it."""
    body = turn.body
    if body.gate == "closed" and turn.cycle.motion is None:
        turn.enter("identifying")
    elif body.exit:
        turn.give_back(Reason.WRONG_ORDER)
    elif body.inside:
        turn.give_back(Reason.SEVERAL_ITEMS)
    elif isinstance(fact, Stood) and turn.cycle.stage == "moving" and fact.fault == "obstacle":
        _reopen(turn)
    elif isinstance(fact, Stood) and turn.cycle.stage == "moving":
        stuck(turn, fact.fault or "limit")
    elif turn.is_late:
        turn.give_back(Reason.GATE_OBSTACLE)
    elif turn.is_free and body.beam_gate is False:
        turn.know(stage="moving")
        turn.move_gate("close")


def _reopen(turn: Turn) -> None:
    """Something stands in the gate: make room for it, and try again once it has gone."""
    if turn.body.entry:
        turn.give_back(Reason.SEVERAL_ITEMS)
    elif turn.cycle.tries >= turn.limits.retries_max:
        turn.give_back(Reason.GATE_OBSTACLE)
    else:
        turn.know(tries=turn.cycle.tries + 1, stage="reopening")
        turn.move_gate("open")
