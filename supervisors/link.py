"""The core's end of the socket to one process host.

Whoever sends writes the socket itself; no thread stands in between. A thread that waits for an
answer reads the socket itself, too, and the reactor looks away meanwhile: handing the answer from
one thread to another would cost more than the process boundary does.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable

from protocol.envelope import Envelope, decode_envelope, encode_envelope
from protocol.errors import RemoteProtocolError
from supervisors import frames
from supervisors.pending import BlockingWaiter
from supervisors.reactor import READS, ROOM, Reactor

_ENVELOPE = frames.ENVELOPE[0]
_CONTROL = frames.CONTROL[0]
_ABOUT_TO_S = 0.001
"""A thread that reads is about to let go when the reactor is called; to return at once would only
mean to be called again at once, and to keep that thread from letting go."""
_SLICE_S = 0.1
"""A reader looks up that often, should the answer have come by another way."""
_BURST = 64
"""Packets taken from one host before the others get their turn."""
_LEFT_BEHIND = 4096
"""Packets read from a dead host: more than its socket holds, fewer than a grandchild can send."""


class LinkClosed(Exception):
    """The host's end is closed."""


class Link:
    """Packets to and from one host."""

    def __init__(
        self,
        link: socket.socket,
        reactor: Reactor,
        on_envelope: Callable[[Envelope], None],
        on_control: Callable[[frames.FromHost], None],
        on_end: Callable[[str], None],
    ) -> None:
        """Start reading.

        Args:
            on_envelope: a message of the actor.
            on_control: a control frame of the host.
            on_end: once, when nothing more will come; with what was wrong, if anything was.
        """
        self._socket = link
        self._fd = link.fileno()
        self._reactor = reactor
        self._on_envelope = on_envelope
        self._on_control = on_control
        self._on_end = on_end
        self._buffer = bytearray(frames.RECV_BYTES + 1)
        self._view = memoryview(self._buffer)
        self._reading = threading.Lock()
        self._is_ended = False
        self._is_dying = False
        self._wants_room = False
        slice_value = struct.pack("ll", 0, int(_SLICE_S * 1e6))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, slice_value)
        reactor.add(self._fd, self._on_ready)

    # -- sending --------------------------------------------------------------------------------

    def send(self, envelope: Envelope) -> bool:
        """Send an envelope now; False when the socket is full.

        Raises:
            LinkClosed: the host is gone.
            RemoteProtocolError: it is longer than a packet may be.
        """
        packet = frames.ENVELOPE + encode_envelope(envelope)
        if len(packet) > frames.RECV_BYTES:
            msg = f"{envelope.name} has {len(packet)} bytes; {frames.RECV_BYTES} fit a message"
            raise RemoteProtocolError(msg)
        try:
            self._socket.send(packet, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._wants_room = True
            self._reactor.look(self._fd, READS | ROOM)
            return False
        except OSError as error:
            raise LinkClosed from error
        return True

    # -- receiving ------------------------------------------------------------------------------

    def claim(self) -> bool:
        """Have this thread read the socket instead of the reactor; False if another one does."""
        if self._is_dying or not self._reading.acquire(blocking=False):
            return False
        self._look(0)
        return True

    def read_for(self, waiter: BlockingWaiter, until: float, now: Callable[[], float]) -> None:
        """Read, having claimed it, until the waiter has its answer or time is up."""
        while waiter.reply is None and not self._is_dying and self._receive(0) >= 0:
            if now() >= until:
                return

    def release(self) -> None:
        """Give it back to the reactor; first, or another thread might have claimed it meanwhile."""
        if not self._is_ended:
            self._look(READS)
        self._reading.release()

    def _look(self, events: int) -> None:
        """Tell the reactor what to look for."""
        self._reactor.look(self._fd, events)
        if self._wants_room:  # asked after, not before: a sender may just have found it full
            self._reactor.look(self._fd, events | ROOM)

    def _on_ready(self, events: int) -> None:
        """The reactor's callback."""
        if events & ROOM:
            self._wants_room = False
            self._reactor.look(self._fd, READS)
            self.on_writable()
        if not self._reading.acquire(timeout=_ABOUT_TO_S):
            return
        got = 1
        try:
            for _ in range(_BURST):
                if (got := self._receive(socket.MSG_DONTWAIT)) <= 0:
                    break
        finally:
            self._reading.release()
        if got < 0:
            self._end("")

    def on_writable(self) -> None:
        """Replaced by the owner: there may be room again."""

    def _receive(self, flags: int) -> int:
        """Take one packet: 1 taken, 0 nothing there, -1 the end."""
        try:
            length = self._socket.recv_into(self._buffer, 0, flags)
        except (BlockingIOError, InterruptedError):
            return 0
        except ConnectionResetError:
            # It died with messages unread. The kernel says so once and first; what it had still
            # sent, its last words among it, comes after.
            return self._receive(flags)
        except OSError:
            return -1
        try:
            if not length:
                return self._at_nothing()
            self._take(self._buffer[0], self._view[1:length])
        except RemoteProtocolError as error:
            self._end(str(error))
            return -1
        except Exception as error:  # well formed, and yet nothing the core can live with
            self._end(f"{type(error).__name__}: {error}")
            return -1
        return 1

    def _at_nothing(self) -> int:
        """No bytes are the end, unless the host is still there: then they are an empty packet."""
        poller = select.poll()
        poller.register(self._fd, select.POLLRDHUP)
        if poller.poll(0):
            return -1
        msg = "empty packet"
        raise RemoteProtocolError(msg)

    def _take(self, kind: int, content: memoryview) -> None:
        if len(content) >= frames.RECV_BYTES:
            msg = f"packet longer than {frames.RECV_BYTES} bytes"
            raise RemoteProtocolError(msg)
        if kind == _ENVELOPE:
            self._on_envelope(decode_envelope(content))
        elif kind == _CONTROL:
            self._on_control(frames.read_from_host(content))
        else:
            msg = f"packet of unknown kind {kind}"
            raise RemoteProtocolError(msg)

    def _end(self, wrong: str) -> None:
        if not self._is_ended:
            self._is_ended = self._is_dying = True
            self._reactor.remove(self._fd)
            self._on_end(wrong)

    def drain(self) -> None:
        """Read what a dead host has left: its last frame is the best reason."""
        self._is_dying = True  # who reads for an answer leaves, and none comes after
        with self._reading:
            for _ in range(_LEFT_BEHIND):
                if self._is_ended or self._receive(socket.MSG_DONTWAIT) <= 0:
                    return

    def close(self) -> None:
        """Close the socket."""
        self._is_dying = True
        with self._reading:
            self._reactor.remove(self._fd)
            self._is_ended = True
            self._socket.close()
            self._buffer = bytearray()  # late calls may hold the rest of us for seconds
            self._view = memoryview(self._buffer)
