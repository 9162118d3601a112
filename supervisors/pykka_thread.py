"""The one module that touches Pykka's private hooks.

An incarnation in a thread is a `pykka.ThreadingActor`: Pykka starts the thread and keeps it in its
registry, and Pykka's own tools (``ActorRegistry.stop_all``, ``ActorRef.stop``) work on it. The loop
inside is ours, because Pykka's loop lets an actor survive a failed ``ask``, says nothing of a
failed ``on_start``, and stops all actors of the process on SystemExit.

`tests/supervisors/test_pykka_contract.py` fails loudly when a release changes what is used here:
``_create_actor_inbox``, ``_actor_loop``, ``_start_actor_loop``, ``messages._ActorStop``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pykka
from pykka.messages import _ActorStop


class _Inbox:
    """What Pykka's refs may put into one of our actors: nothing but its own stop."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    def put(self, envelope: Any, /) -> None:
        if not isinstance(envelope.message, _ActorStop):
            msg = "actors take messages through Context.tell, not through Pykka's refs"
            raise pykka.ActorDeadError(msg)
        self._stop()
        if envelope.reply_to is not None:
            envelope.reply_to.set(None)

    def get(self) -> Any:
        raise NotImplementedError

    def empty(self) -> bool:
        return True


class PykkaThread(pykka.ThreadingActor):
    """A Pykka actor whose life is a function of ours."""

    use_daemon_thread = True

    def __init__(
        self,
        name: str,
        live: Callable[[], None],
        after: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        """Prepare an incarnation.

        Args:
            name: of the thread.
            live: the whole life.
            after: called last of all, when nothing of the incarnation is left in Pykka.
            stop: how to ask it to end.
        """
        self._name = name
        self._live = live
        self._after = after
        self._ask_stop = stop
        self.thread: threading.Thread | None = None
        super().__init__()

    def _create_actor_inbox(self) -> Any:  # type: ignore[override]
        return _Inbox(self._ask_stop)

    def _start_actor_loop(self) -> None:
        self.thread = threading.Thread(target=self._actor_loop, name=self._name, daemon=True)
        self.thread.start()

    def _actor_loop(self) -> None:
        try:
            self._live()
        finally:
            pykka.ActorRegistry.unregister(self.actor_ref)
            self.actor_stopped.set()
            self._after()

    def launch(self) -> None:
        """Register with Pykka and start the thread."""
        pykka.ActorRegistry.register(self.actor_ref)
        try:
            self._start_actor_loop()
        except RuntimeError:  # no more threads to be had
            pykka.ActorRegistry.unregister(self.actor_ref)
            raise

    def disown(self) -> None:
        """Take it out of Pykka's registry while its thread still runs (it was given up)."""
        pykka.ActorRegistry.unregister(self.actor_ref)
