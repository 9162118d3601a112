"""Tells the platform of actors that fail, are given up for a while, and come back.

Hears what supervisors put into the machine's record, and leaves what counts (`models.incidents`)
in the outbox. The uplink has no part in it: it may be what has failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from config.settings import Settings
from models import incidents as rule
from models.claims import clock_quality
from protocol.platform.reports import Event
from protocol.storage import PutOutbox
from rvm_edge.logs import plain
from supervisors import ActorSystem, Put

STORAGE = "/storage"
KEPT_MAX = 64
"""Told and not yet in the store's hands, which may be what has failed; the oldest gives way."""


class Incidents:
    """See the module."""

    def __init__(
        self, system: ActorSystem, hardware_id: str, settings: Callable[[], Settings]
    ) -> None:
        """Args: settings: those in force."""
        self._system = system
        self._hardware_id = hardware_id
        self._settings = settings
        self._lock = threading.Lock()
        self._known = rule.nothing(system.clock.monotonic())
        self._waiting: deque[PutOutbox] = deque(maxlen=KEPT_MAX)

    def heard(self, record: Mapping[str, Any]) -> None:
        """Something was put into the record; any thread says so, and is not kept waiting."""
        kind = rule.KINDS.get(record["event"])
        if kind is None or not self._has_platform():
            return
        reason = plain(str(record.get("reason") or record.get("detail") or ""))[: rule.REASON_MAX]
        incident = rule.Incident(kind, record["path"], reason, record["at"])
        with self._lock:
            self._known, told = rule.heard(self._known, incident, self._system.clock.monotonic())
            if told is not None:
                self._waiting.append(self._put(told))

    def tick(self) -> None:
        """Time has passed; what is to be told goes to the store."""
        with self._lock:
            self._known, told = rule.passed(self._known, self._system.clock.monotonic())
            self._waiting.extend(self._put(each) for each in told)
            while self._waiting and self._system.tell(STORAGE, self._waiting[0]) is Put.OK:
                self._waiting.popleft()

    def _has_platform(self) -> bool:
        uplink = self._settings().uplink
        return any((uplink.server_url, uplink.tunnel_url, uplink.local_url))

    def _put(self, told: rule.Told) -> PutOutbox:
        incident, times = told
        key = f"{self._hardware_id}-i{self._system.rng.getrandbits(64):016x}"
        fields = {"address": incident.path, "reason": incident.reason, "times": times}
        event = Event(key, incident.kind, incident.at, clock_quality(incident.at), fields)
        return PutOutbox("event", key, "event", msgspec.msgpack.encode(event))
