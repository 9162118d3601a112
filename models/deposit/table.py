"""`learn`: one fact in, the new knowledge and the decisions out.

The order is always the same. First what is known of the machine is brought up to date, then the
interlocks have their say, then the phase, and last the ledger is asked for what is owed to it,
unless a motor runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.deposit.arriving import bin_full, closing, idle, infeed, opening
from models.deposit.decisions import Decision
from models.deposit.facts import Fact, Late
from models.deposit.judging import identifying, reserving
from models.deposit.passing import confirming, crediting, transporting
from models.deposit.perceiving import perceive
from models.deposit.returning import leaving, rejecting, return_wait
from models.deposit.starting import boot, selftest, settle_open
from models.deposit.state import STOPPED, Cycle, Phase, Rules
from models.deposit.stopping import fault, heed_interlocks, recovering, service
from models.deposit.turn import Turn

Next = tuple[Cycle, tuple[Decision, ...]]

TABLE: Mapping[Phase, Callable[[Turn, Fact | None], None]] = {
    "boot": boot,
    "selftest": selftest,
    "idle": idle,
    "opening": opening,
    "infeed": infeed,
    "closing": closing,
    "identifying": identifying,
    "reserving": reserving,
    "transporting": transporting,
    "confirming": confirming,
    "crediting": crediting,
    "rejecting": rejecting,
    "return_wait": return_wait,
    "leaving": leaving,
    "recovering": recovering,
    "bin_full": bin_full,
    "fault": fault,
    "service": service,
    "estop": service,
}


def learn(cycle: Cycle, fact: Fact, now_ns: int, rules: Rules) -> Next:
    """Add one fact.

    Args:
        cycle: what was known.
        fact: what has happened.
        now_ns: monotonic time of this turn.
        rules: the settings.

    Returns:
        What is known now, and what is to be done, in order.
    """
    turn = Turn(cycle, now_ns, rules)
    heard = perceive(turn, fact)
    heed_interlocks(turn)
    if heard is not None and not turn.has_entered:
        TABLE[turn.cycle.phase](turn, heard)
    while turn.has_entered:
        turn.has_entered = False
        heed_interlocks(turn)
        TABLE[turn.cycle.phase](turn, None)
    if turn.cycle.phase in STOPPED and turn.cycle.open and turn.body.is_known:
        settle_open(turn, may_move=False)
    turn.write()
    if turn.is_late and isinstance(fact, Late):  # it has something else to wait for first
        turn.wait(turn.limits.try_again_s)
    return turn.cycle, tuple(turn.decisions)
