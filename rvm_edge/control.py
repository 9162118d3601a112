"""The daemon's side of the control socket: a bounded number of threads, one per connection.

Whoever connects and says nothing, or says it slowly, holds a place only until another one needs
it; so `status` gets its answer whatever others do.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from protocol import Codec, StreamDecoder
from protocol.control import (
    MAX_REQUEST_BYTES,
    ControlAnswer,
    ControlRequest,
    Refusal,
)
from protocol.errors import RemoteProtocolError
from rvm_edge.data_dir import SOCKET, socket_address

_CONNECTIONS = 32
"""At once; the one that has waited longest for its caller makes room for the next."""
_BACKLOG = 128
_IDLE_S = 30.0
_RETRY_S = 0.1
_BUSY = Refusal("busy", f"{_CONNECTIONS} requests are being answered already; try again")

Answering = Callable[[Any], ControlAnswer]


class ControlServer:
    """Listens on the control socket until closed."""

    def __init__(self, directory: Path, answer: Answering) -> None:
        """Bind the socket; only this user may connect.

        Args:
            answer: gives the answer to a request; called in a connection's thread.
        """
        self._directory = directory
        self._answer = answer
        self._codec: Codec[Any] = Codec(ControlRequest)
        self._links: dict[socket.socket, bool] = {}  # oldest first; whether it is being answered
        self._lock = threading.Lock()
        self._closed = threading.Event()
        (directory / SOCKET).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_address(directory) as address:
            before = os.umask(0o177)
            try:
                self._listener.bind(address)
            finally:
                os.umask(before)
        self._listener.listen(_BACKLOG)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    # -- connections ----------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed, or no descriptor to be had at the moment
                self._closed.wait(_RETRY_S)
                continue
            try:
                self._admit(link)
            except (OSError, RuntimeError):  # gone already, or no thread to be had
                self._forget(link)

    def _admit(self, link: socket.socket) -> None:
        link.settimeout(_IDLE_S)
        with self._lock:
            is_closed = self._closed.is_set()
            has_room = not is_closed and (len(self._links) < _CONNECTIONS or self._evict())
            if has_room:
                self._links[link] = False
        if is_closed:
            link.close()
            return
        if not has_room:
            with link:
                link.send(_encode(_BUSY))
            return
        threading.Thread(
            target=self._serve, args=(link,), name="control connection", daemon=True
        ).start()

    def _evict(self) -> bool:
        """Hang up on the caller that has said nothing complete for longest; the lock is held."""
        for link, is_answered in self._links.items():
            if not is_answered:
                del self._links[link]
                try:
                    link.shutdown(socket.SHUT_RDWR)  # its thread closes it
                except OSError:
                    pass
                return True
        return False

    def _forget(self, link: socket.socket) -> None:
        with self._lock:
            self._links.pop(link, None)
        link.close()

    # -- one of them ----------------------------------------------------------------------------

    def _serve(self, link: socket.socket) -> None:
        try:
            self._converse(link)
        except OSError:
            pass  # the caller went away, or never said anything
        finally:
            self._forget(link)

    def _converse(self, link: socket.socket) -> None:
        stream = StreamDecoder(MAX_REQUEST_BYTES)
        while data := link.recv(1 << 16):
            try:
                for body in stream.feed(data):
                    link.sendall(self._reply(link, body))
            except RemoteProtocolError as error:
                link.sendall(_encode(Refusal("invalid", str(error))))
                return

    def _reply(self, link: socket.socket, body: bytes) -> bytes:
        self._mark(link, is_answered=True)
        try:
            answer = self._answer(self._codec.decode(body))
            return _encode(answer)
        except RemoteProtocolError as error:
            return _encode(Refusal("invalid", str(error)))
        except Exception as error:  # noqa: BLE001 - a bug in one answer must not close the socket
            return _encode(Refusal("failed", f"{type(error).__name__}: {error}"))
        finally:
            self._mark(link, is_answered=False)

    def _mark(self, link: socket.socket, *, is_answered: bool) -> None:
        """Note whether it is being answered; either way it has just been heard of."""
        with self._lock:
            if self._links.pop(link, None) is not None:
                self._links[link] = is_answered

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closed.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            for link in self._links:
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        try:
            (self._directory / SOCKET).unlink(missing_ok=True)
        except OSError:
            pass  # read-only by now; the next start removes it


def _encode(answer: ControlAnswer) -> bytes:
    return msgspec.msgpack.encode(answer, enc_hook=str)
