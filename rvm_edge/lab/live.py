"""The running machine as a `Site`: everything through its control socket, in real time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from models.world.scenario import Interrupt
from protocol.control import ControlRequest, GetStatus, Misbehave, SendCommand
from protocol.message import Message, name_of
from protocol.service import CycleDescribed, DescribeCycle
from protocol.storage import Deposits, ListDeposits
from rvm_edge.client import ClientError, ask
from rvm_edge.lab.site import DEPOSIT, STORAGE, CycleView, R
from supervisors import RequestFailed
from supervisors.clock import SystemClock

_ANSWER_S = 5.0
_TRIES_S = 20.0
"""How long somebody who is just being restarted is asked again."""
_STRIDE_S = 0.1
_MISDEEDS = {
    "guard_kill": ("/machine/motor", "vanish"),
    "guard_freeze": ("/machine/motor", "hang"),
    "sensors_kill": ("/machine/sensors", "raise"),
    "camera_kill": ("/vision/camera", "vanish"),
    "camera_freeze": ("/vision/camera", "hang"),
    "inference_kill": ("/vision/inference", "vanish"),
    "inference_freeze": ("/vision/inference", "hang"),
    "storage_kill": (STORAGE, "raise"),
    "storage_freeze": (STORAGE, "hang"),
    "deposit_kill": (DEPOSIT, "raise"),
}
"""What of a scenario's interruptions can be done to a running machine without its neighbours."""


class LiveSite:
    """See the module. It is a `Site`."""

    def __init__(self, data_dir: Path, *, on_wait: Callable[[], None] = lambda: None) -> None:
        """Args: on_wait: called again and again while it waits; may raise to end that."""
        self._data_dir = data_dir
        self._on_wait = on_wait
        self._clock = SystemClock()

    @property
    def now(self) -> float:
        """See `Site`."""
        return self._clock.monotonic()

    @property
    def wall(self) -> float:
        """See `Site`."""
        return self._clock.wall()

    def wait(self, seconds: float) -> None:
        """See `Site`."""
        until = self.now + seconds
        while (left_s := until - self.now) > 0:
            self._clock.pause(min(left_s, _STRIDE_S))
            self._on_wait()
        self._on_wait()

    def cycle(self) -> CycleView:
        """See `Site`."""
        try:
            said = self._once(DEPOSIT, DescribeCycle(), CycleDescribed)
        except RequestFailed:
            return CycleView("", "")
        return CycleView(said.phase, said.closed)

    def ask(self, address: str, message: Message, reply: type[R]) -> R:
        """See `Site`; somebody who is just being restarted is asked again."""
        until = self.now + _TRIES_S
        while True:
            try:
                return self._once(address, message, reply)
            except RequestFailed as failed:
                if failed.code not in ("restarting", "crashed", "full") or self.now > until:
                    raise
            self.wait(_STRIDE_S)

    def newest(self, limit: int) -> Deposits:
        """See `Site`."""
        return self.ask(STORAGE, ListDeposits(limit), Deposits)

    def troubles(self) -> dict[str, str]:
        """See `Site`."""
        status: dict[str, Any] = self._control(GetStatus())
        found: dict[str, str] = {}
        for actor in status.get("actors", ()):
            trouble = (actor.get("facts") or {}).get("trouble")
            if trouble:
                found[str(actor.get("path"))] = str(trouble)
        return found

    def interrupt(self, what: Interrupt) -> bool:
        """See `Site`."""
        if what.what not in _MISDEEDS:
            return False
        address, kind = _MISDEEDS[what.what]
        try:
            self._control(Misbehave(address, kind, seconds=max(what.for_s, 0.1)))
        except RequestFailed:
            return False
        return True

    def _once(self, address: str, message: Message, reply: type[R]) -> R:
        fields = msgspec.to_builtins(message)
        fields.pop("type", None)
        value = self._control(SendCommand(address, name_of(message), fields, _ANSWER_S))
        return msgspec.convert(value, reply)

    def _control(self, request: ControlRequest) -> Any:
        try:
            return ask(self._data_dir, request, timeout_s=_ANSWER_S + 2.0)
        except ClientError as error:
            if not error.code:
                raise  # nobody is there: for the command line, not for a customer
            raise RequestFailed(error.code, str(error)) from None
