"""The accepted item's way into the bin, and the proof that it has gone there."""

from __future__ import annotations

from models import bin as bins
from models import fraud
from models.deposit import decisions as say
from models.deposit.evidence import evidence
from models.deposit.facts import Crossed, Fact, Stood
from models.deposit.stopping import NEEDED, broken, stuck
from models.deposit.turn import Turn
from models.passage import NS, Crossing, doubt, is_whole
from models.reasons import Reason

# -- transporting ------------------------------------------------------------------------------


def transporting(turn: Turn, fact: Fact | None) -> None:
    """The belt takes it inward until the exit is free behind it, and a little longer."""
    if turn.cycle.stage == "":
        _begin(turn)
        return
    against = _against(turn)
    exit_ = turn.cycle.passage.exit
    if against is not None:
        turn.give_back(against, "void")
    elif _fell_unseen(turn, fact):
        turn.stop("it has fallen")
        _not_proven(turn, Reason.SENSOR_FAILED)
    elif exit_.ended_ns is not None and not turn.body.exit:
        _run_on(turn, exit_.ended_ns)
    elif isinstance(fact, Stood) and turn.item.is_resumed and fact.fault in (None, "stopped"):
        _not_proven(turn, Reason.INTERRUPTED)  # nothing came: it has fallen, or is gone
    elif isinstance(fact, Stood):  # also after its whole time: it is not coming
        stuck(turn, "overrun" if fact.fault in (None, "stopped") else fact.fault)
    elif turn.is_late:
        turn.wait(0)
        turn.stop("late")


def _begin(turn: Turn) -> None:
    """What the beams say from here on is the proof; a retry begins it anew."""
    if not turn.is_free:
        return
    if turn.body.exit is False:
        turn.new_passage()
    else:
        turn.new_passage(exit=Crossing(times=1), is_partial=True)
    turn.know(stage="moving")
    turn.move("belt", "inward", turn.rules.motor.transport_s)


def _fell_unseen(turn: Turn, fact: Fact | None) -> bool:
    """Whether something falls that the exit has not seen: one of the two beams lies."""
    is_drop = isinstance(fact, Crossed) and fact.beam == "drop" and fact.covered
    return bool(is_drop) and turn.cycle.passage.exit.times == 0


def _against(turn: Turn) -> Reason | None:
    """What no item does on its way in, but one on a string, or with a hand behind it."""
    if turn.cycle.passage.inside.times:
        return Reason.PULLED_BACK
    return Reason.GATE_STUCK if turn.body.gate != "closed" else None


def _run_on(turn: Turn, left_ns: int) -> None:
    """Nothing may rest on the edge."""
    until_ns = left_ns + round(turn.limits.run_on_s * NS)
    if turn.cycle.motion is None:
        turn.enter("confirming")
    elif turn.now_ns >= until_ns:
        turn.know(deadline_ns=0)
        turn.stop("it has left")
    else:
        turn.know(deadline_ns=until_ns)


# -- confirming --------------------------------------------------------------------------------


def confirming(turn: Turn, _fact: Fact | None) -> None:
    """The belt stands; only something that falls past the drop beam now proves it."""
    against = _against(turn)
    passage = turn.cycle.passage
    if against is not None:
        turn.give_back(against, "void")
    elif is_whole(passage):
        _weigh_the_proof(turn)
    elif turn.is_late:
        _not_proven(turn, Reason.DROP_NOT_SEEN)


def _weigh_the_proof(turn: Turn) -> None:
    record = turn.item.record
    reason = doubt(turn.cycle.passage, record.length_m, turn.limits)
    if reason is None and turn.body.faults & NEEDED:
        reason = Reason.SENSOR_FAILED  # it was seen by a beam that is not to be trusted
    if reason is None:
        turn.enter("crediting")
        return
    _count_drop(turn)
    turn.settle("review", reason)
    turn.know(item=None)
    turn.enter("selftest")


def _not_proven(turn: Turn, reason: Reason) -> None:
    """Nobody saw it fall: a person decides, and the self-test looks where it is."""
    if reason != Reason.INTERRUPTED:
        turn.know(unproven=turn.cycle.unproven + 1)
    turn.settle("review", reason)
    if turn.cycle.unproven >= turn.limits.unproven_max:
        broken(turn, Reason.DROP_NOT_SEEN)
    else:
        turn.enter("selftest")


# -- crediting ---------------------------------------------------------------------------------


def crediting(turn: Turn, _fact: Fact | None) -> None:
    """The proof is owed to the ledger; when it holds it, the credit exists."""
    if turn.cycle.stage == "":
        _prove(turn)
    elif not turn.cycle.owed:
        turn.know(item=None)
        turn.enter("idle")
    elif turn.is_late:  # the ledger goes on being asked; nothing more is taken until it holds this
        turn.know(item=None)
        turn.fail(Reason.STORAGE_FAILED)


def _prove(turn: Turn) -> None:
    item, cycle = turn.item, turn.cycle
    proof = evidence(item, cycle.passage)
    turn.owe("confirmed", evidence=proof, proof="drop_beam")
    turn.know_item(is_settled=True, is_inside=False)
    turn.know(
        stage="writing",
        unproven=0,
        retries=0,
        done=cycle.done + 1,
        reason=item.record.reason,
        suspicion=fraud.credited(cycle.suspicion, turn.now_s, turn.rules.fraud),
    )
    _count_drop(turn)


def _count_drop(turn: Turn) -> None:
    """One more lies in the bin."""
    before = turn.cycle.bin
    after = bins.dropped(before, turn.rules.bin)
    turn.know(bin=after)
    if after.stage != before.stage:
        turn.decide(say.Record("bin", {"stage": after.stage, "percent": after.percent}))
