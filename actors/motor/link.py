"""The guard's unit as an actor: where the motor is, when it is not of this daemon.

Owns the connection to the unit's socket.
Hears what `Motor` hears, and passes it on as it is, with the time when it was said.
Says what the unit's motor says.

When the connection ends this actor crashes and is restarted: its neighbours learn that the guard
was away. While there is no unit it waits for one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from actors.motor.unit import read_message
from config.settings import MotorSettings
from protocol.envelope import MAX_FRAME_BYTES, Envelope, Kind, decode_envelope, encode_envelope
from protocol.machine import (
    GuardChanged,
    Jog,
    MakeSafe,
    Move,
    MoveDone,
    MoveFailed,
    ReadGuard,
    Renew,
    ResetGuard,
    StopMotors,
)
from protocol.message import Done, Failed, Message
from supervisors import LATER, AsyncActor, Waiting, handles
from supervisors.exits import ExitReason

_SAID = MoveDone | MoveFailed | GuardChanged
_REPLIED = MoveDone | GuardChanged | Failed | Done
_PENDING_MAX = 64
_CONNECT_S = 1.0


class GuardLost(ConnectionError):
    """The unit has gone, or does not listen."""


class GuardLink(AsyncActor):
    """See the module."""

    def __init__(
        self,
        gpio: str,
        gpio_args: Mapping[str, Any],
        analog: str,
        analog_args: Mapping[str, Any],
        limits: MotorSettings,
        tell: str,
    ) -> None:
        """Make it; the arguments are the motor's, of which the unit has its own."""
        del gpio, gpio_args, analog, analog_args, tell
        self._path = limits.guard_socket
        self._socket: socket.socket | None = None
        self._pending: dict[int, Envelope] = {}

    # -- lifecycle ------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Connect."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().sock_connect(link, self._path), _CONNECT_S
            )
        except (OSError, asyncio.TimeoutError) as error:
            link.close()
            why = f"the guard's unit is not at {self._path} ({error!r})"
            msg = f"{why}: systemctl start rvm-edge-guard"
            raise Waiting(msg) from None
        self._socket = link
        self.ctx.spawn(self._listen(link))  # type: ignore[attr-defined]
        self.ctx.note(guard=f"unit at {self._path}")

    async def on_stop(self, reason: ExitReason) -> None:
        """Let go: the unit brings everything to rest."""
        if self._socket is not None:
            self._socket.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Move)
    @handles(Renew)
    @handles(StopMotors)
    @handles(MakeSafe, command=True)
    @handles(Jog, command=True)
    @handles(ResetGuard, command=True)
    @handles(ReadGuard, command=True)
    def relay(self, message: Message) -> object:
        """Pass a message on; its answer comes back later."""
        del message
        envelope = self.ctx.later()
        if envelope.kind is Kind.REQUEST:
            while len(self._pending) >= _PENDING_MAX:
                self._pending.pop(next(iter(self._pending)))
            self._pending[envelope.id] = envelope
        assert self._socket is not None
        try:
            self._socket.send(encode_envelope(envelope))
        except OSError as error:  # also when it does not read: that guard hangs
            msg = f"the guard's unit does not listen: {error}"
            raise GuardLost(msg) from None
        return LATER

    # -- private --------------------------------------------------------------------------------

    async def _listen(self, link: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            packet = await loop.sock_recv(link, MAX_FRAME_BYTES)
            if not packet:
                msg = "the guard's unit has ended the connection"
                raise GuardLost(msg)
            self._pass_on(decode_envelope(packet))

    def _pass_on(self, envelope: Envelope) -> None:
        if not envelope.ref:
            self.ctx.tell(envelope.destination, read_message(envelope, _SAID))
            return
        request = self._pending.pop(envelope.ref, None)
        if request is not None:
            self.ctx.reply(request, read_message(envelope, _REPLIED))
