"""What people around a machine can see and do: in a lab, in virtual time, or at a running one."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from models.world.scenario import Interrupt
from protocol.message import Message
from protocol.storage import Deposits

WORLD, DEPOSIT, SESSION, MOTOR, SENSORS, STORAGE = (
    "/world",
    "/service/deposit",
    "/service/session",
    "/machine/motor",
    "/machine/sensors",
    "/storage",
)

R = TypeVar("R", bound=Message)


class CycleView(NamedTuple):
    """The item cycle as anybody may see it.

    Attributes:
        phase: of the transition table; empty while it does not run.
        closed: why no items are taken; empty: they are.
    """

    phase: str
    closed: str

    @property
    def is_open(self) -> bool:
        """Whether an item would be taken in."""
        return self.phase == "idle" and self.closed in ("", "no_session")

    @property
    def is_dealing(self) -> bool:
        """Whether an item is being dealt with."""
        return not self.is_resting and self.phase not in ("", "boot", "selftest")

    @property
    def is_resting(self) -> bool:
        """Whether no item is being dealt with."""
        return self.phase in ("idle", "bin_full", "fault", "service", "estop")


class Site(Protocol):
    """A machine and the world around it."""

    @property
    def now(self) -> float:
        """Monotonic seconds in the machine's time."""

    @property
    def wall(self) -> float:
        """The machine's wall clock."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def cycle(self) -> CycleView:
        """Where the item cycle stands."""

    def ask(self, address: str, message: Message, reply: type[R]) -> R:
        """Say something and get the answer.

        Raises:
            RequestFailed: it was refused, or nobody answered.
        """

    def newest(self, limit: int) -> Deposits:
        """The newest records of the ledger, newest first.

        Raises:
            RequestFailed: the store does not answer.
        """

    def troubles(self) -> dict[str, str]:
        """What the machine says is wrong with it, by actor."""

    def interrupt(self, what: Interrupt) -> bool:
        """Let something of the program die or stand still; False where that cannot be done."""
