"""The keeper's thread: takes what comes to its address, one thing after the other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import msgspec

from protocol import settings as words
from protocol.envelope import Envelope
from protocol.message import Failed
from rvm_edge.keeper import Keeper
from supervisors import ActorSystem
from supervisors.context import answer_to

_LOOK_S = 1.0
"""How often a trial that has run out is looked for."""
_STOP_S = 2.0
"""A change under way may hang in an actor's start; the stop of the tree ends that."""


class KeeperDesk:
    """See the module."""

    def __init__(self, system: ActorSystem, keeper: Keeper, on_death: Callable[[], None]) -> None:
        """Serve from now on.

        Args:
            on_death: told when the thread ends without having been closed: a bug, and nobody would
                take back what does harm.
        """
        self._system = system
        self._keeper = keeper
        self._inbox: queue.SimpleQueue[Envelope | None] = queue.SimpleQueue()
        self._on_death = on_death
        self._is_closed = False
        self._decode = msgspec.msgpack.Decoder(words.SettingsRequest).decode
        self._thread = threading.Thread(target=self._run, name="settings keeper", daemon=True)
        system.serve(words.ADDRESS, self._inbox.put)
        self._thread.start()

    def close(self) -> bool:
        """Take nothing more; whether the thread has ended."""
        self._is_closed = True
        self._inbox.put(None)
        self._thread.join(_STOP_S)
        self._system.drop_slot(words.ADDRESS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            if not self._is_closed:
                self._on_death()

    def _serve(self) -> None:
        """Whoever asks all the time must not keep a trial from its end."""
        now_s = self._system.clock.monotonic
        look_at_s = now_s() + _LOOK_S
        while True:
            try:
                envelope = self._inbox.get(timeout=min(max(look_at_s - now_s(), 0.0), _LOOK_S))
            except queue.Empty:
                look_at_s = now_s()
            else:
                if envelope is None:
                    return
                self._take(envelope)
            if now_s() >= look_at_s:
                self._keeper.tick()
                look_at_s = now_s() + _LOOK_S

    def _take(self, envelope: Envelope) -> None:
        try:
            request = self._decode(envelope.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            answer_to(self._system, envelope, Failed("invalid", str(error)), words.ADDRESS)
            return
        if not envelope.expired(self._system.clock.monotonic_ns()):
            answer_to(self._system, envelope, self._keeper.answer(request), words.ADDRESS)
