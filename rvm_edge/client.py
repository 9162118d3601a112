"""The command line's side of the control socket."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import msgspec

from protocol.control import Answer, ControlAnswer, ControlRequest, Refusal
from rvm_edge.data_dir import connect, holder

EXIT_USAGE, EXIT_NOT_RUNNING, EXIT_UNREACHABLE = 2, 3, 4
_MISTAKES = ("unknown_address", "unknown_command", "invalid")


class ClientError(Exception):
    """The daemon was not reached, or refused.

    Attributes:
        exit_code: what the command line ends with.
    """

    def __init__(self, text: str, exit_code: int) -> None:
        """Args: text: for people. exit_code: 2 usage, 3 not running, 4 unreachable, 1 refused."""
        super().__init__(text)
        self.exit_code = exit_code


def ask(directory: Path, request: ControlRequest, timeout_s: float = 10.0) -> Any:
    """Send one request to the daemon and return the value of its answer.

    Raises:
        ClientError: it does not run, does not answer, or refuses.
    """
    try:
        with connect(directory, timeout_s) as link:
            link.sendall(msgspec.msgpack.encode(request))
            link.shutdown(socket.SHUT_WR)
            answer = _receive(link)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise _nobody(directory) from None
    except (TimeoutError, OSError) as error:
        msg = f"the daemon on {directory} does not answer: {error}"
        raise ClientError(msg, EXIT_UNREACHABLE) from None
    if isinstance(answer, Refusal):
        code = EXIT_USAGE if answer.code in _MISTAKES else 1
        raise ClientError(answer.detail or answer.code, code)
    assert isinstance(answer, Answer)
    return answer.value


def _receive(link: socket.socket) -> ControlAnswer:
    data = bytearray()
    while chunk := link.recv(1 << 16):
        data += chunk
    try:
        answer: ControlAnswer = msgspec.msgpack.decode(bytes(data), type=ControlAnswer)
    except msgspec.MsgspecError as error:
        msg = f"answer cut short ({error})"
        raise OSError(msg) from None
    return answer


def _nobody(directory: Path) -> ClientError:
    pid = holder(directory)
    if pid is not None:
        msg = f"the daemon on {directory} (pid {pid}) has no control socket yet; try again"
        return ClientError(msg, EXIT_UNREACHABLE)
    msg = (
        f"no machine is running on {directory}; start one with: rvm-edge start "
        f"--data-dir {directory}"
    )
    return ClientError(msg, EXIT_NOT_RUNNING)
