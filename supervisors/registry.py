"""Who lives at which address: one `Slot` per child, kept over its restarts.

An address is a path in the tree (``/machine/motor``) and stays the same over restarts; the slot
behind it knows the present incarnation, and what one incarnation leaves to the next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from protocol.envelope import Envelope, Kind
from protocol.message import Delivery
from supervisors.mailbox import Mailbox, Put
from supervisors.spec import MailboxSpec

if TYPE_CHECKING:
    from supervisors.link import Link


class Recipient(Protocol):
    """Something that takes messages."""

    @property
    def link(self) -> Link | None:
        """The socket its answers come by; None when a thread of this process gives them."""

    def put(self, envelope: Envelope) -> Put:
        """Take a message; never blocks."""


class Leftovers(NamedTuple):
    """What an incarnation left that nobody will handle."""

    lost: list[Envelope]
    parked: Envelope | None


class Slot:
    """One address.

    Attributes:
        path: the address.
        recipient: where messages go now; None between incarnations.
        parked: the last messages that were in flight at two consecutive crashes; not retried.
        leaked: threads of this actor that could not be ended and still live.
        spec: how much may wait, and what a restart does with it.
    """

    def __init__(self, path: str, mailbox: MailboxSpec) -> None:
        """Nobody lives there yet."""
        self.path = path
        self.recipient: Recipient | None = None
        self.parked: deque[Envelope] = deque(maxlen=16)
        self.leaked = 0
        self.spec = mailbox
        self._next: Mailbox | None = None
        self._suspect: int | None = None

    def mailbox(self) -> Mailbox:
        """The mailbox of the next incarnation, with what the last one left."""
        mailbox = self._next or Mailbox(self.spec.capacity)
        self._next = None
        return mailbox

    @property
    def is_inhabited(self) -> bool:
        """Whether an incarnation takes the messages, and not a mailbox waiting for the next one."""
        return self.recipient is not None and self.recipient is not self._next

    def hold(self) -> None:
        """An incarnation is about to be over: what comes from now on is for the next one."""
        is_kept = self.spec.on_restart == "preserve"
        self.recipient = self._next = Mailbox(self.spec.capacity) if is_kept else None

    def occupy(self, recipient: Recipient) -> None:
        """Let messages flow to an incarnation."""
        self.recipient = recipient

    def vacate(
        self, recipient: Recipient, rest: list[Envelope], in_flight: Envelope | None
    ) -> Leftovers:
        """An incarnation is over: keep what is to be preserved.

        Args:
            recipient: whose place it was; a successor's is left alone.
            rest: what was waiting.
            in_flight: what was being handled when it crashed, if it crashed.
        """
        if self.recipient is recipient:
            self.recipient = None
        if self.spec.on_restart == "discard":
            return Leftovers(rest if in_flight is None else [in_flight, *rest], None)
        kept = [envelope for envelope in rest if _outlives(envelope)]
        lost = [envelope for envelope in rest if not _outlives(envelope)]
        is_poison = in_flight is not None and in_flight.id == self._suspect
        self._suspect = in_flight.id if in_flight is not None else None
        if in_flight is not None:
            retry = _outlives(in_flight) and not is_poison
            (kept if retry else lost).insert(0, in_flight)
            if is_poison:
                self.parked.append(in_flight)
        if self._next is None:
            self._next = self.recipient = Mailbox(self.spec.capacity)
        self._next.push_front(kept)
        return Leftovers(lost, in_flight if is_poison else None)

    def close(self) -> list[Envelope]:
        """The child is gone for good; return what nobody will read."""
        self.recipient = None
        return [] if self._next is None else self._next.close()


def _outlives(envelope: Envelope) -> bool:
    """Whether a waiting message may be handled by the next incarnation."""
    is_order = envelope.delivery in (Delivery.COMMAND, Delivery.SYSTEM)
    return envelope.kind is not Kind.REQUEST and not is_order
