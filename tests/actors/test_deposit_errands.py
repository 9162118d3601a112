"""What the item cycle decides, as it reaches those who do it."""

import pytest

from actors.deposit.errands import Errands
from models.claims import EARLIEST_CLOCK_S
from models.deposit import decisions
from protocol.storage import DepositRecord, Stored, StoreDeposit
from supervisors.testing import VirtualClock


class Ctx:
    """Answers what is asked, and keeps it."""

    trace = 7

    def __init__(self, wall_s):
        self.clock = VirtualClock(wall_s=wall_s)
        self.asked = []

    def request(self, _address, message, **_more):
        self.asked.append(message)
        return Stored(message.record.id, message.record.state)

    def tell(self, _address, _message):
        """Nobody hears it."""


@pytest.mark.parametrize(
    ("wall_s", "quality"),
    [(EARLIEST_CLOCK_S - 1.0, "bad"), (0.0, "bad"), (float(EARLIEST_CLOCK_S), "good")],
)
def test_the_ledger_trusts_a_clock_as_claims_and_reports_do(wall_s, quality):
    ctx, addresses = Ctx(wall_s), {"storage": "/storage"}
    errands = Errands(ctx, addresses, None, lambda _fact: None)
    record = DepositRecord("rvm-1-1-1", "reserved", "", 0.0, 0.0)
    errands.carry_out(decisions.Write(record))
    (asked,) = ctx.asked
    assert isinstance(asked, StoreDeposit)
    assert (asked.record.clock_quality, asked.record.started_at) == (quality, wall_s)
    assert asked.record.trace == 7
