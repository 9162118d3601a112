"""The technician: repairs what is broken, empties the bin, resets the machine."""

from __future__ import annotations

from protocol.machine import ResetGuard
from protocol.message import Done, Message
from protocol.service import EmptyBin, EnterService, LeaveService, ResetMachine
from protocol.simulation import Act, Acted, Deed, DescribeWorld, Heal, WorldDescribed
from rvm_edge.lab.site import DEPOSIT, MOTOR, WORLD, Site
from supervisors import RequestFailed

_TRIES = 4
_BACK_S = 25.0
"""How long a reset machine may take until it serves again: homing, sweeping, tare."""
_LOOK_S = 0.25


class Technician:
    """See the module.

    Attributes:
        visits: how often there was something to repair.
        bins: how often the bin was exchanged.
    """

    def __init__(self, site: Site) -> None:
        """Args: site: where the machine stands."""
        self._site = site
        self.visits = 0
        self.bins = 0

    def mend(self) -> bool:
        """Repair everything, take out what lies there, reset. Returns whether it serves again."""
        self.visits += 1
        for _ in range(_TRIES):
            self._try(WORLD, Heal(), Acted)
            self._do("door_open")
            self._site.wait(1.0)
            self._do("clear")
            self._site.wait(1.0)
            self._do("door_close")
            self._do("estop_release")
            self._do("hand_out")
            self._site.wait(0.5)
            self._reset()
            if self._is_back():
                return True
        return False

    def exchange_bin(self) -> None:
        """Open the door, put an empty bin in, close the door, and let the machine go on."""
        self.bins += 1
        self._try(DEPOSIT, EnterService(), Done)
        self._do("door_open")
        self._do("empty_bin")
        self._site.wait(2.0)
        self._do("door_close")
        self._site.wait(0.5)
        self._try(DEPOSIT, EmptyBin(), Done)
        self._reset()
        self._try(DEPOSIT, LeaveService(), Done)
        if not self._is_back():
            self.mend()

    def _reset(self) -> None:
        self._try(MOTOR, ResetGuard(), Done)
        self._try(DEPOSIT, ResetMachine(), Done)

    def _is_back(self) -> bool:
        """Wait until it serves again, and carry away what it gives back meanwhile."""
        until = self._site.now + _BACK_S
        while self._site.now < until:
            if self._site.cycle().is_open and not self._takes_something():
                return True
            self._takes_something()
            self._site.wait(_LOOK_S)
        return False

    def _takes_something(self) -> bool:
        """Take what lies at the inlet."""
        truth = self._truth()
        is_there = truth is not None and any(
            item.fate in ("returned", "waiting") for item in truth.items[:4]
        )
        if is_there:
            self._do("take")
        return is_there

    def _truth(self) -> WorldDescribed | None:
        try:
            return self._site.ask(WORLD, DescribeWorld(), WorldDescribed)
        except RequestFailed:
            return None

    def _do(self, deed: Deed) -> None:
        self._try(WORLD, Act(deed), Acted)

    def _try(self, address: str, message: Message, reply: type[Message]) -> None:
        """Ask; a refusal says that it was not needed, or comes again with the next try."""
        try:
            self._site.ask(address, message, reply)
        except RequestFailed:
            pass  # what follows from it is seen by whoever looks whether the machine serves again
