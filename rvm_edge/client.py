"""The command line's side of the control socket."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import msgspec

from protocol.control import MAX_REQUEST_BYTES, Answer, ControlAnswer, ControlRequest, Refusal
from rvm_edge.data_dir import connect, holder

EXIT_REFUSED, EXIT_USAGE, EXIT_NOT_RUNNING, EXIT_UNREACHABLE = 1, 2, 3, 4
_MISTAKES = ("unknown_address", "unknown_command", "invalid")
_NO_SUCH_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED, errno.ENAMETOOLONG, errno.ELOOP)


class ClientError(Exception):
    """The daemon was not reached, or refused.

    Attributes:
        exit_code: what the command line ends with.
        code: of the refusal, empty when it was not reached.
    """

    def __init__(self, text: str, exit_code: int, code: str = "") -> None:
        """Args: text: for people. exit_code: 2 usage, 3 not running, 4 unreachable, 1 refused."""
        super().__init__(text)
        self.exit_code = exit_code
        self.code = code


def ask(directory: Path, request: ControlRequest, timeout_s: float = 10.0) -> Any:
    """Send one request to the daemon and return the value of its answer.

    Raises:
        ClientError: it does not run, does not answer, or refuses.
    """
    body = _encode(request)
    try:
        with connect(directory, timeout_s) as link:
            link.sendall(body)
            link.shutdown(socket.SHUT_WR)
            answer = _receive(link)
    except OSError as error:
        if error.errno in _NO_SUCH_PLACE:
            raise _nobody(directory) from None
        raise _silent(directory, error, timeout_s) from None
    if isinstance(answer, Refusal):
        code = EXIT_USAGE if answer.code in _MISTAKES else EXIT_REFUSED
        raise ClientError(answer.detail or answer.code, code, answer.code)
    return answer.value


def _encode(request: ControlRequest) -> bytes:
    try:
        body = msgspec.msgpack.encode(request)
    except (ValueError, OverflowError, RecursionError) as error:  # too large a number, no text
        msg = f"this cannot be sent: {error}"
        raise ClientError(msg, EXIT_USAGE) from None
    if len(body) > MAX_REQUEST_BYTES:
        msg = f"this is too long: {len(body)} bytes, and {MAX_REQUEST_BYTES} are taken at most"
        raise ClientError(msg, EXIT_USAGE)
    return body


def _receive(link: socket.socket) -> Answer | Refusal:
    data = bytearray()
    while chunk := link.recv(1 << 16):
        data += chunk
    try:
        answer: ControlAnswer = msgspec.msgpack.decode(bytes(data), type=ControlAnswer)
    except msgspec.MsgspecError as error:
        msg = f"answer cut short ({error})" if data else "it hung up without an answer"
        raise OSError(msg) from None
    return answer


def _silent(directory: Path, error: OSError, timeout_s: float) -> ClientError:
    pid = holder(directory)
    who = f"the daemon on {directory}" + (f" (pid {pid})" if pid is not None else "")
    why = f"nothing within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
    return ClientError(f"{who} does not answer: {why}", EXIT_UNREACHABLE)


def _nobody(directory: Path) -> ClientError:
    pid = holder(directory)
    if pid is not None:
        msg = f"the daemon on {directory} (pid {pid}) has no control socket at the moment"
        return ClientError(f"{msg}; try again", EXIT_UNREACHABLE)
    msg = (
        f"no machine is running on {directory}; start one with: rvm-edge start "
        f"--data-dir {directory}"
    )
    return ClientError(msg, EXIT_NOT_RUNNING)
