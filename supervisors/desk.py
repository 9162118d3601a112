"""An address that is no actor's: the program around the tree answers there.

    system.serve("/settings", inbox.put)

What comes goes to a function that must not block; who asked is answered with `answer_to`.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.envelope import Envelope
from supervisors.mailbox import Put


class Desk:
    """A `Recipient`. Its answers come from a thread of this process: it has no socket."""

    link = None

    def __init__(self, take: Callable[[Envelope], None]) -> None:
        """Args: take: told of every message, in the sender's thread."""
        self._take = take

    def put(self, envelope: Envelope) -> Put:
        """See `Recipient`."""
        self._take(envelope)
        return Put.OK
