"""The daemon's side of the control socket: a bounded number of threads, one per connection."""

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

_CONNECTIONS = 16
"""At once; more wait in the kernel's queue."""
_IDLE_S = 30.0

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
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        self._is_closed = False
        (directory / SOCKET).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_address(directory) as address:
            before = os.umask(0o177)
            try:
                self._listener.bind(address)
            finally:
                os.umask(before)
        self._listener.listen(_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            self._places.acquire()
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(link,), name="control connection", daemon=True
            ).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link:
                link.settimeout(_IDLE_S)
                self._converse(link)
        except OSError:
            pass  # the caller went away, or never said anything
        finally:
            self._places.release()

    def _converse(self, link: socket.socket) -> None:
        stream = StreamDecoder(MAX_REQUEST_BYTES)
        while data := link.recv(1 << 16):
            try:
                for body in stream.feed(data):
                    link.sendall(msgspec.msgpack.encode(self._reply(body), enc_hook=str))
            except RemoteProtocolError as error:
                link.sendall(msgspec.msgpack.encode(Refusal("invalid", str(error))))
                return

    def _reply(self, body: bytes) -> ControlAnswer:
        try:
            request = self._codec.decode(body)
        except RemoteProtocolError as error:
            return Refusal("invalid", str(error))
        try:
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - a bug in one answer must not close the socket
            return Refusal("failed", f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._is_closed = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        (self._directory / SOCKET).unlink(missing_ok=True)
