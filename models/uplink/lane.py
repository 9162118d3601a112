"""One class of the outbox on its way out: what is fetched next, and what has to wait.

What comes in while the way is open goes first; the backlog follows, oldest first. A record that
the platform does not want now is put off by itself, and holds up nobody. Only numbers are kept
here, and only of what is on its way or put off: a backlog of a million costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

PUT_OFF_MAX = 1000
"""With so many records that are to come later, the trouble is not with them: no more are begun."""
NEWEST = 10
"""Of a backlog these go first: whoever put them in may still stand at the machine."""

Source = Literal["live", "again", "backlog"]


class Fetch(NamedTuple):
    """What to ask the storage for: the records behind ``after``.

    Attributes:
        newest: the newest record when it was asked; later ones are still to be asked for.
        opening: of the lane; what was asked before another one moves nothing.
    """

    source: Source
    after: int
    limit: int
    newest: int
    opening: int


class PutOff(NamedTuple):
    """A record that waits.

    Attributes:
        at_s: monotonic; when to try it again.
        tries: how often it has been tried.
    """

    at_s: float
    tries: int


class Lane:
    """See the module.

    Attributes:
        paused_until_s: monotonic; nothing of this class goes out before.
        pauses: in a row.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._last = 0
        self._live = 0
        self._backlog = 0
        self._until = 0
        self._put_off: dict[int, PutOff] = {}
        self._flying: set[int] = set()
        self._opening = 0
        self.paused_until_s = 0.0
        self.pauses = 0

    def open(self, last: int, newest: int = 0) -> None:
        """The way is open: everything up to ``last`` is backlog.

        Args:
            newest: so many of it go first, as if they were new.
        """
        self._opening += 1
        self._last = last
        self._live = max(last - newest, 0)
        self._backlog, self._until = 0, self._live
        self._put_off.clear()
        self.paused_until_s, self.pauses = 0.0, 0

    def grew(self, last: int) -> None:
        """Something was put in. An outbox that counts anew is another one, with a backlog."""
        if last < self._last:
            self.open(last)
        self._last = last

    def next(self, now_s: float, limit: int, old_limit: int | None = None) -> Fetch | None:
        """What to fetch now; None: there is nothing, or it has to wait.

        Args:
            limit: so many records at most.
            old_limit: the same for what is not new; 0: none of that now.
        """
        if now_s < self.paused_until_s:
            return None
        if self._live < self._last:
            return self._fetch("live", self._live, limit)
        old_limit = limit if old_limit is None else old_limit
        if not old_limit:
            return None
        due = [one for one in self._put_off if self._is_due(one, now_s)]
        if due:
            return self._fetch("again", min(due) - 1, old_limit)
        if self._backlog < self._until and len(self._put_off) < PUT_OFF_MAX:
            return self._fetch("backlog", self._backlog, old_limit)
        return None

    def _fetch(self, source: Source, after: int, limit: int) -> Fetch:
        return Fetch(source, after, limit, self._last, self._opening)

    def fetched(self, fetch: Fetch, sequences: Iterable[int], now_s: float) -> list[int]:
        """Those of the fetched that are sent now; they are on their way from here on."""
        found = sorted(sequences)
        if fetch.source == "again":
            self._forget_gone(fetch, found, now_s)
            chosen = [one for one in found if self._is_due(one, now_s)]
            self._flying.update(chosen)
            return chosen
        if fetch.source == "backlog":
            found = [one for one in found if one <= self._until]
        if fetch.opening == self._opening:
            self._reach(fetch, found)
        chosen = [one for one in found if one not in self._flying and one not in self._put_off]
        self._flying.update(chosen)
        return chosen

    def _reach(self, fetch: Fetch, found: list[int]) -> None:
        """So far everything has been fetched; where nothing is found, there is nothing left."""
        if fetch.source == "live":
            self._live = found[-1] if found else fetch.newest
        else:
            self._backlog = found[-1] if found else self._until

    def settled(self, sequences: Iterable[int]) -> None:
        """These no longer wait."""
        for sequence in sequences:
            self._flying.discard(sequence)
            self._put_off.pop(sequence, None)

    def put_off(self, sequence: int, at_s: float) -> None:
        """This one comes later."""
        self._flying.discard(sequence)
        self._put_off[sequence] = PutOff(at_s, self.tries(sequence) + 1)

    def tries(self, sequence: int) -> int:
        """How often it has been put off."""
        known = self._put_off.get(sequence)
        return 0 if known is None else known.tries

    @property
    def waiting(self) -> int:
        """Records that are put off."""
        return len(self._put_off)

    def next_s(self, now_s: float) -> float | None:
        """When there is something to do again, if not before; monotonic."""
        if now_s < self.paused_until_s:
            return self.paused_until_s
        waits = (put.at_s for one, put in self._put_off.items() if one not in self._flying)
        return min(waits, default=None)

    def _is_due(self, sequence: int, now_s: float) -> bool:
        known = self._put_off.get(sequence)
        return known is not None and known.at_s <= now_s and sequence not in self._flying

    def _forget_gone(self, fetch: Fetch, found: list[int], now_s: float) -> None:
        """What was put off and is no longer in the outbox has been dropped from it.

        Behind the last that was found there may be more: fewer may have come than were asked for.
        """
        reach = found[-1] if found else float("inf")
        gone = [
            sequence
            for sequence in self._put_off
            if fetch.after < sequence <= reach
            and sequence not in found
            and self._is_due(sequence, now_s)
        ]
        self.settled(gone)
