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
from typing import TYPE_CHECKING

from protocol.envelope import Envelope, decode_envelope, encode_envelope
from protocol.errors import RemoteProtocolError
from supervisors import frames
from supervisors.pending import BlockingWaiter

if TYPE_CHECKING:
    from supervisors.reactor import Reactor

_SLICE_S = 0.1
"""A reader looks up that often, should the answer have come by another way."""


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
            self._reactor.resume(self._fd, writable=True)
            return False
        except OSError as error:
            raise LinkClosed from error
        return True

    # -- receiving ------------------------------------------------------------------------------

    def read_for(self, waiter: BlockingWaiter, timeout_s: float, now: Callable[[], float]) -> None:
        """Read the socket in this thread until the waiter has its answer or time is up."""
        if not self._reading.acquire(blocking=False):
            waiter.wait(timeout_s)  # somebody else is reading, and will pass it on
            return
        until = now() + timeout_s
        try:
            self._reactor.pause(self._fd)
            while waiter.reply is None and now() < until and not self._is_ended:
                if self._receive(0) < 0:
                    break
        finally:
            self._reading.release()
            self._reactor.resume(self._fd)
        if waiter.reply is None and now() < until:
            waiter.wait(until - now())

    def _on_ready(self, events: int) -> None:
        """The reactor's callback."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            while (got := self._receive(socket.MSG_DONTWAIT)) > 0:
                pass
        finally:
            self._reading.release()
        if got < 0:
            self._end("")
        elif events & select.EPOLLOUT:
            self._reactor.resume(self._fd)
            self.on_writable()

    def on_writable(self) -> None:
        """Replaced by the owner: there may be room again."""

    def _receive(self, flags: int) -> int:
        """Take one packet: 1 taken, 0 nothing there, -1 the end."""
        try:
            length = self._socket.recv_into(self._buffer, 0, flags)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            return -1
        if not length:
            return -1
        try:
            self._take(self._view[:length])
        except RemoteProtocolError as error:
            self._end(str(error))
            return -1
        return 1

    def _take(self, packet: memoryview) -> None:
        if len(packet) > frames.RECV_BYTES:
            msg = f"packet longer than {frames.RECV_BYTES} bytes"
            raise RemoteProtocolError(msg)
        kind = packet[0]
        if kind == frames.ENVELOPE[0]:
            self._on_envelope(decode_envelope(packet[1:]))
        elif kind == frames.CONTROL[0]:
            self._on_control(frames.read_from_host(packet[1:]))
        else:
            msg = f"packet of unknown kind {kind}"
            raise RemoteProtocolError(msg)

    def _end(self, wrong: str) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._reactor.remove(self._fd)
            self._on_end(wrong)

    def drain(self) -> None:
        """Read what a dead host has left: its last frame is the best reason."""
        with self._reading:
            while not self._is_ended and self._receive(socket.MSG_DONTWAIT) > 0:
                pass

    def close(self) -> None:
        """Close the socket; nobody may be reading."""
        self._reactor.remove(self._fd)
        with self._reading:
            self._is_ended = True
            self._socket.close()
