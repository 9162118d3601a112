"""What became of a visit, against what should have: pure, from the truth and from the ledger.

A visit's *intention*: ``credit`` for a good item of an honest customer, ``refuse`` for all else.
It goes *as intended* if a good item is credited and lies in the bin, and if anything else is back
with its owner without credit. While something is broken the machine may refuse a good item or keep
one without credit; it may never pay for what it does not have.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from models.world.scenario import Visit
from protocol.simulation import Fate
from protocol.storage import DepositRecord

Intention = Literal["credit", "refuse"]
Outcome = Literal["credited", "returned", "kept", "turned_away", "left_in_machine"]
"""``kept``: in the bin without credit. ``turned_away``: the machine took nothing at the time."""

_AT_OWNER: tuple[Fate, ...] = ("waiting", "returned", "taken", "pulled_out")


class Facts(Struct, frozen=True):
    """All that is known of one visit once it is over.

    Attributes:
        intention: by the item's label and what its owner does.
        seen_as: what the detector makes of its picture: ``accept``, ``reject`` or ``empty``.
        should_be: what a detector without mistakes would.
        is_troubled: something was broken during it, or had just been mended.
        was_turned_away: the machine took nothing, so nothing was put in.
        fates: of every item that was put in, in that order.
        fallen: items that fell into the bin meanwhile.
        records: what the ledger has written of it.
        took_s: from putting it in to the credit; None without one.
        noticed: actors that said something was wrong meanwhile.
        repairs: how often the technician came.
    """

    visit: Visit
    intention: Intention
    seen_as: str = "accept"
    should_be: str = "accept"
    is_troubled: bool = False
    was_turned_away: bool = False
    fates: tuple[Fate, ...] = ()
    fallen: int = 0
    records: tuple[DepositRecord, ...] = ()
    took_s: float | None = None
    noticed: tuple[str, ...] = ()
    repairs: int = 0


class Verdict(Struct, frozen=True):
    """The judgement.

    Attributes:
        reason: the code in the ledger, of the last record.
        credits: how many were paid.
        unearned: how many of them to an attack.
        is_detectors: it is not as intended, and the detector's mistake is why.
        broken: money invariants that do not hold; must be empty.
    """

    outcome: Outcome
    reason: str
    credits: int
    as_intended: bool
    is_detectors: bool = False
    unearned: int = 0
    broken: tuple[str, ...] = ()


def judge(facts: Facts) -> Verdict:
    """Compare what happened with what was intended."""
    paid = sum(record.state == "credited" for record in facts.records)
    unearned = _unearned(facts, paid)
    outcome = _outcome(facts, paid)
    is_right = outcome == "credited" if facts.intention == "credit" else outcome == "returned"
    if facts.is_troubled and not facts.visit.is_attack:
        is_right = is_right or outcome in ("returned", "kept", "turned_away")
    if facts.visit.is_attack:  # what an attacker leaves in the bin is the attacker's loss
        is_right = unearned == 0
    return Verdict(
        outcome=outcome,
        reason=facts.records[-1].reason if facts.records else "",
        credits=paid,
        as_intended=is_right,
        is_detectors=not is_right and facts.seen_as != facts.should_be,
        unearned=unearned,
        broken=tuple(_broken(facts, paid)),
    )


def _unearned(facts: Facts, paid: int) -> int:
    """How much an attack has earned.

    Of two bottles that came nose to tail the machine may take each one by itself afterwards.
    """
    if not facts.visit.is_attack:
        return 0
    if facts.visit.visitor == "nose_to_tail":
        return max(0, paid - facts.fates.count("in_bin"))
    return paid


def _outcome(facts: Facts, paid: int) -> Outcome:
    if facts.was_turned_away:
        return "turned_away"
    if paid:
        return "credited"
    if all(fate in _AT_OWNER for fate in facts.fates):
        return "returned"
    return "kept" if "in_bin" in facts.fates else "left_in_machine"


def _broken(facts: Facts, paid: int) -> list[str]:
    """Say which money invariants do not hold, each as a sentence."""
    found = []
    if paid > facts.fallen:
        found.append(f"{paid} credited, but {facts.fallen} fell into the bin")
    in_bin = facts.fates.count("in_bin")
    if paid > in_bin:
        found.append(f"{paid} credited, but of this visit's items lie in the bin: {in_bin}")
    unearned = _unearned(facts, paid)
    if unearned:
        found.append(f"an attack ({facts.visit.visitor}) was paid {unearned}")
    if facts.intention == "refuse" and paid and facts.seen_as != "accept":
        found.append(f"credited, although the detector saw it as {facts.seen_as}")
    found += [
        f"{record.id} is confirmed and was never credited"
        for record in facts.records
        if record.state == "confirmed"
    ]
    return found
