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


class _Awaited:
    """Stands for an actor whose first incarnation is still to come: what can wait for it, waits.

    A question is refused as ever, and an order is not carried out by somebody who was not there.
    """

    link = None

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def put(self, envelope: Envelope) -> Put:
        """See `Recipient`."""
        return self._mailbox.put(envelope) if _outlives(envelope) else Put.RESTARTING


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

    def expect(self) -> None:
        """Somebody will live there: what is said to them until then is for their first incarnation.

        A tree starts one after the other, and whoever is up first has something to say already.
        """
        if self.recipient is None and self._next is None:
            self._next = Mailbox(self.spec.capacity)
            self.recipient = _Awaited(self._next)

    def give_up_expecting(self) -> list[Envelope]:
        """The tree is up, and nobody has come; return what has waited for them."""
        return self.close() if self.is_awaited else []

    @property
    def is_awaited(self) -> bool:
        """Whether the first incarnation is still to come."""
        return isinstance(self.recipient, _Awaited)

    @property
    def is_inhabited(self) -> bool:
        """Whether an incarnation takes the messages, and not a mailbox waiting for the next one."""
        is_there = self.recipient is not None and self.recipient is not self._next
        return is_there and not self.is_awaited

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
        left, self._next = self._next, None
        return [] if left is None else left.close()


def _outlives(envelope: Envelope) -> bool:
    """Whether a waiting message may be handled by the next incarnation."""
    is_order = envelope.delivery in (Delivery.COMMAND, Delivery.SYSTEM)
    return envelope.kind is not Kind.REQUEST and not is_order
