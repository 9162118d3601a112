"""Vitals of a process host: one shared page, written by the host, read by the core.

No system call and no message: the page tells which message is in flight even when the process has
just been killed, how many it has disposed of, and when its loop last went round.

The numbers are words, each stored by one instruction: `struct.pack_into` would write zeros first,
and a reader in another process does see them.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from typing import Any

import msgspec

from supervisors.clock import Clock
from supervisors.vitals import Current, Stats, Vitals

PAGE_BYTES = 16 * 1024
_DISPOSED, _DISPOSED_FAST, _BEAT, _SINCE, _DEADLINE, _ID = range(6)
"""Words of the page. The id of the handler in progress is 0 while what belongs to it changes."""
_AT_NAME = 64
_NAME_BYTES = 40
_STATS = struct.Struct("<III")  # sequence (odd while written), length, checksum
_AT_STATS = 192
_LOOKS = 8
_STATS_ROOM = PAGE_BYTES - _AT_STATS - _STATS.size
_FLUSH_NS = 500_000_000
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF


class _Shown(msgspec.Struct, array_like=True):
    stats: Stats
    facts: dict[str, Any]


class PageWriter(Vitals):
    """The host's side."""

    __slots__ = ("_clock", "_flushed_ns", "_names", "_page", "_sequence", "_words")

    def __init__(self, page_fd: int, clock: Clock) -> None:
        """Map the page."""
        super().__init__()
        self._page = mmap.mmap(page_fd, PAGE_BYTES)
        self._words = memoryview(self._page).cast("Q")
        self._names: dict[str, bytes] = {}
        self._clock = clock
        self._flushed_ns = 0
        self._sequence = 0
        self.beat()

    def begin(self, current: Current) -> None:
        """See `Vitals.begin`."""
        self.current = current
        id_, name, since_ns, deadline_ns = current
        words = self._words
        words[_ID] = 0
        words[_SINCE] = since_ns
        words[_DEADLINE] = deadline_ns & _U64
        self._page[_AT_NAME : _AT_NAME + _NAME_BYTES] = self._names.get(name) or self._name(name)
        words[_ID] = id_ & _U64  # a misled sender may have made it negative; that is not our death

    def _name(self, name: str) -> bytes:
        cut = self._names[name] = name.encode()[:_NAME_BYTES].ljust(_NAME_BYTES, b"\0")
        return cut

    def end(self, sent_ns: int, began_ns: int, now_ns: int) -> None:
        """See `Vitals.end`."""
        super().end(sent_ns, began_ns, now_ns)
        self._words[_ID] = 0
        if now_ns - self._flushed_ns > _FLUSH_NS:
            self.flush()

    def extend(self, deadline_ns: int) -> None:
        """See `Vitals.extend`."""
        super().extend(deadline_ns)
        self._words[_DEADLINE] = deadline_ns & _U64

    def dispose(self, ordinary: int, fast: int) -> None:
        """So many messages of each lane are done with; the loop goes round."""
        words = self._words
        words[_DISPOSED], words[_DISPOSED_FAST] = ordinary, fast
        words[_BEAT] = self._clock.monotonic_ns()

    def beat(self) -> None:
        """The loop goes round."""
        now_ns = self._clock.monotonic_ns()
        self._words[_BEAT] = now_ns
        if now_ns - self._flushed_ns > _FLUSH_NS and self.handled:
            self.flush()

    def flush(self) -> None:
        """Show counters and facts."""
        self._flushed_ns = self._clock.monotonic_ns()
        data = msgspec.msgpack.encode(_Shown(self.stats(), self.facts))
        if len(data) > _STATS_ROOM:
            data = msgspec.msgpack.encode(_Shown(Stats(self.handled), {}))
        at, checksum = _AT_STATS + _STATS.size, zlib.crc32(data)
        self._sequence += 1
        _STATS.pack_into(self._page, _AT_STATS, self._sequence & _U32, len(data), checksum)
        self._page[at : at + len(data)] = data
        self._sequence += 1
        _STATS.pack_into(self._page, _AT_STATS, self._sequence & _U32, len(data), checksum)


class PageReader:
    """The core's side."""

    def __init__(self, page_fd: int) -> None:
        """Map the page; the descriptor may be closed afterwards."""
        self._page = mmap.mmap(page_fd, PAGE_BYTES, prot=mmap.PROT_READ)
        self._words = memoryview(self._page).cast("Q")

    @property
    def disposed(self) -> int:
        """Ordinary messages the host is done with."""
        return self._words[_DISPOSED]

    @property
    def disposed_fast(self) -> int:
        """Messages of the fast lane it is done with; they overtake, so they count apart."""
        return self._words[_DISPOSED_FAST]

    @property
    def beat_ns(self) -> int:
        """When its loop last went round (monotonic)."""
        return self._words[_BEAT]

    @property
    def current(self) -> Current | None:
        """The handler in progress, or the one that was when it died."""
        words = self._words
        for _ in range(_LOOKS):
            id_, since_ns, deadline_ns = words[_ID], words[_SINCE], words[_DEADLINE]
            name = self._page[_AT_NAME : _AT_NAME + _NAME_BYTES]
            if words[_ID] == id_:
                break
        else:
            return None  # too fast to be seen, so not hanging
        if not id_:
            return None
        return id_, name.rstrip(b"\0").decode(errors="replace"), since_ns, deadline_ns

    def _shown(self) -> _Shown:
        for _ in range(_LOOKS):
            sequence, length, checksum = _STATS.unpack_from(self._page, _AT_STATS)
            if sequence % 2 or not length or length > _STATS_ROOM:
                continue
            at = _AT_STATS + _STATS.size
            data = self._page[at : at + length]
            if zlib.crc32(data) == checksum:  # no order of stores has to be relied on
                try:
                    return msgspec.msgpack.decode(data, type=_Shown)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue
        return _Shown(Stats(), {})

    def stats(self) -> Stats:
        """The host's counters, at most half a second old."""
        return self._shown().stats

    @property
    def facts(self) -> dict[str, Any]:
        """What the actor wants to be known for."""
        return self._shown().facts


class ClosedPage:
    """What is still known when the host is gone.

    The page itself is unmapped when the last of those who are just looking at it has let go.
    """

    beat_ns = 0
    current: Current | None = None

    def __init__(self, page: PageReader | ClosedPage) -> None:
        """Args: page: whose last state is kept."""
        self.disposed: int = page.disposed
        self.disposed_fast: int = page.disposed_fast
        self.facts: dict[str, Any] = page.facts

    def stats(self) -> Stats:
        """See `PageReader.stats`."""
        return Stats(self.disposed + self.disposed_fast)
