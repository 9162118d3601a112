"""The systemd notification protocol (sd_notify(3)): ready, status, watchdog, stopping.

The watchdog is fed by the monitor's thread, and only while every critical actor is within its
deadlines. Without ``NOTIFY_SOCKET`` nothing happens.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from supervisors.clock import Clock


class Notifier:
    """Talks to the service manager, if there is one."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        """Read where to and how often from the environment, as systemd sets it."""
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock = clock
        self._fed_at = float("-inf")
        self._is_stopping = False
        usec = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._period_s = int(usec) / 2e6 if usec.isdigit() and is_ours else None

    def ready(self, status: str) -> None:
        """The machine is up."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """An orderly stop has begun."""
        self._is_stopping = True
        self._send("STOPPING=1")

    def tick(self, is_healthy: bool) -> None:
        """Feed the watchdog at half its period; called often by the monitor."""
        if self._period_s is None or not is_healthy:
            return
        now = self._clock.monotonic()
        if now - self._fed_at >= self._period_s - 0.05:
            self._fed_at = now
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)  # a manager that does not read must not stop us
                out.connect(self._address)
                out.send(text.encode())
        except OSError:
            pass  # a missing service manager must not stop the machine
