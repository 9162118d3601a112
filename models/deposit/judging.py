"""What the item is: scale, picture, and the ledger's word before anything moves for it."""

from __future__ import annotations

import msgspec

from models import fraud
from models.acceptance import ACCEPTED_CLASS
from models.deposit import decisions as say
from models.deposit.evidence import evidence
from models.deposit.facts import (
    Fact,
    Judged,
    NotSeen,
    NotWritten,
    Pictured,
    Weighed,
    Written,
)
from models.deposit.turn import Turn
from models.passage import NS
from models.reasons import Reason

_LOOK_AGAIN = frozenset((Reason.NOT_RECOGNISED.value, Reason.NOTHING_SEEN.value))
"""Reasons for which another picture may help."""

_CODES = frozenset(reason.value for reason in Reason)

# -- identifying -------------------------------------------------------------------------------


def identifying(turn: Turn, fact: Fact | None) -> None:
    """Weigh it and look at it; both answers together decide."""
    moved = _has_moved(turn)
    if moved is not None:
        turn.give_back(moved, "void")
    elif turn.cycle.stage == "":
        if turn.is_free:
            turn.weigh()
            _look(turn)
    elif isinstance(fact, Weighed):
        turn.know_item(has_weight=True)
        turn.know_record(mass_g=fact.mass_g)
        _decide(turn)
    elif isinstance(fact, Pictured):
        _pictured(turn, fact)
    elif isinstance(fact, Judged):
        _judged(turn, fact)
    elif isinstance(fact, NotSeen):
        _blind(turn, Reason.CAMERA_FAILED if fact.of == "camera" else Reason.INFERENCE_FAILED)
    elif turn.is_late:
        _too_late(turn)


def _has_moved(turn: Turn) -> Reason | None:
    """Why the item is not where it was left, or not alone with the machine."""
    body = turn.body
    if body.exit:
        return Reason.WRONG_ORDER
    if body.inside:
        return Reason.PULLED_BACK
    return Reason.GATE_STUCK if body.gate != "closed" else None


def _look(turn: Turn) -> None:
    """Take a picture of what lies there now; an older one may show a hand, or another item."""
    turn.know(stage="picture")
    turn.know_item(looks=turn.item.looks + 1, picture_after_ns=turn.now_ns)
    turn.wait(turn.limits.capture_timeout_s)
    turn.decide(say.TakePicture(turn.item.record.id, turn.now_ns))


def _pictured(turn: Turn, fact: Pictured) -> None:
    if fact.deposit != turn.item.record.id or turn.cycle.stage != "picture":
        return
    age_s = (turn.now_ns - fact.exposed_ns) / NS
    if fact.exposed_ns < turn.item.picture_after_ns or age_s > turn.limits.frame_age_s_max:
        turn.give_back(Reason.STALE_PICTURE)
        return
    turn.know(stage="verdict")
    turn.wait(turn.limits.decide_timeout_s)
    turn.decide(say.Judge(fact.deposit))


def _judged(turn: Turn, fact: Judged) -> None:
    if fact.deposit != turn.item.record.id or turn.cycle.stage != "verdict":
        return
    seen = fact.detections
    turn.know_item(
        decision=fact.decision,
        verdict=_known(fact.reason),
        detections=msgspec.msgpack.encode(seen),
    )
    # What an accepted item was weakly suspected of besides is in the evidence, not in its name.
    is_accepted = fact.decision == "accept"
    named = [one for one in seen if one.class_name == ACCEPTED_CLASS or not is_accepted]
    turn.know_record(
        item=", ".join(one.class_name for one in named),
        confidence=max((one.confidence for one in named), default=None),
        model=fact.model,
        model_sha256=fact.model_sha256,
    )
    if fact.reason in _LOOK_AGAIN and turn.item.looks < turn.limits.looks_max:
        _look(turn)
        return
    turn.know(stage="weight")
    turn.wait(turn.limits.weigh_timeout_s)
    _decide(turn)


def _known(reason: str) -> str:
    """The code, or that of a class which this program does not know."""
    return reason if reason in _CODES else Reason.REFUSED_OTHER.value


def _blind(turn: Turn, reason: Reason) -> None:
    """Camera or inference does not do its part; whoever failed has to prove itself first."""
    turn.know(doubts=reason)
    turn.give_back(reason)


def _too_late(turn: Turn) -> None:
    if turn.cycle.stage == "picture":
        _blind(turn, Reason.CAMERA_FAILED)
    elif turn.cycle.stage == "verdict":
        turn.know(doubts=Reason.INFERENCE_FAILED)
        turn.give_back(Reason.TOO_SLOW)
    else:
        turn.give_back(Reason.WEIGHT_UNKNOWN)


def _decide(turn: Turn) -> None:
    """Once picture and weight are known: take it, or give it back."""
    needs_weight = turn.limits.needs_scale and not turn.item.has_weight
    if turn.cycle.stage != "weight" or needs_weight:
        return
    reason = verdict(turn)
    if reason == Reason.ACCEPTED.value:
        turn.know_record(reason=reason)
        turn.enter("reserving")
    else:
        turn.give_back(reason, "void" if reason == Reason.REINSERTED.value else "rejected")


def verdict(turn: Turn) -> str:
    """The code for this item: the picture speaks first, then scale, beams and memory."""
    item, limits = turn.item, turn.limits
    record = item.record
    mass_g, long_m = record.mass_g, record.length_m
    seen = fraud.Seen(long_m, mass_g, record.session)
    if item.decision != "accept":
        return item.verdict
    if mass_g is None and limits.needs_scale:
        return Reason.WEIGHT_UNKNOWN.value
    if mass_g is not None and mass_g > limits.mass_g_max:
        return Reason.NOT_EMPTY.value
    if mass_g is not None and mass_g < limits.mass_g_min:
        return Reason.TOO_LIGHT.value
    if long_m is None:
        return Reason.SENSOR_FAILED.value
    if long_m > limits.length_m_max:
        return Reason.TOO_LONG.value
    if long_m < limits.length_m_min:
        return Reason.TOO_SHORT.value
    if fraud.is_known(turn.cycle.suspicion, seen, turn.now_s, turn.rules.fraud):
        return Reason.REINSERTED.value
    return Reason.ACCEPTED.value


# -- reserving ---------------------------------------------------------------------------------


def reserving(turn: Turn, fact: Fact | None) -> None:
    """The ledger holds it, the scale says that it is still the same, the ledger lets it go."""
    moved = _has_moved(turn)
    if isinstance(fact, NotWritten):
        turn.give_back(Reason.STORAGE_FAILED, "void")
    elif moved is not None:
        turn.give_back(moved, "void")
    elif turn.cycle.stage == "":
        turn.know(stage="reserve")
        turn.owe("reserved", evidence=evidence(turn.item, turn.cycle.passage))
    elif isinstance(fact, Written) and fact.state == "reserved":
        _weigh_again(turn)
    elif isinstance(fact, Weighed):
        _weighed_again(turn, fact.mass_g)
    elif isinstance(fact, Written) and fact.state == "transporting":
        turn.enter("transporting")
    elif turn.is_late and turn.cycle.stage == "weighing":
        turn.give_back(Reason.WEIGHT_UNKNOWN)


def _weigh_again(turn: Turn) -> None:
    if not turn.limits.needs_scale:
        _let_go(turn)
        return
    turn.know(stage="weighing")
    turn.wait(turn.limits.weigh_timeout_s)
    turn.weigh()


def _weighed_again(turn: Turn, mass_g: float | None) -> None:
    turn.know_item(mass_again_g=mass_g)
    first_g = turn.item.record.mass_g
    if mass_g is None or first_g is None:
        turn.give_back(Reason.WEIGHT_UNKNOWN)
    elif abs(mass_g - first_g) > turn.limits.mass_tolerance_g:
        turn.give_back(Reason.SWAPPED, "void")
    else:
        _let_go(turn)


def _let_go(turn: Turn) -> None:
    turn.know(stage="letting-go")
    turn.wait(0)
    turn.owe("transporting")
