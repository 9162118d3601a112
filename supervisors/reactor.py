"""The thread that owns the sockets of process hosts: one epoll, callbacks, and late calls."""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count

READS = select.EPOLLIN | select.EPOLLRDHUP
ROOM = select.EPOLLOUT


class Reactor:
    """Calls back when a descriptor is ready. Callbacks must not block."""

    def __init__(self) -> None:
        """Start the thread."""
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._late: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self.busy_since: float | None = None
        self._has_pipe = True
        self._is_closed = False
        self.thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self.thread.start()

    def add(self, fd: int, callback: Callable[[int], None]) -> None:
        """Call back with the event mask whenever ``fd`` is readable or hung up."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, READS)

    def remove(self, fd: int) -> None:
        """Forget a descriptor, before it is closed.

        Two threads may want that at once. The second must not close it before the first has
        unregistered it: the number would be a new host's by then, and that host never heard.
        """
        with self._lock:
            if self._callbacks.pop(fd, None) is not None:
                with contextlib.suppress(OSError, ValueError):  # the reactor itself is closed
                    self._epoll.unregister(fd)

    def look(self, fd: int, events: int) -> None:
        """Look for other events: `READS`, `ROOM`, both, or nothing while another thread reads."""
        try:
            if fd in self._callbacks:
                self._epoll.modify(fd, events)
        except (OSError, ValueError):
            pass  # removed between the question and the call

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call once, ``delay_s`` from now, in the reactor's thread."""
        entry = (time.monotonic() + delay_s, next(self._numbers), callback)
        with self._lock:
            heapq.heappush(self._late, entry)
            self._wake()

    def _wake(self) -> None:
        """With the lock held, or the descriptor might be somebody else's by now."""
        if self._has_pipe:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b"\0")

    def _run(self) -> None:
        while not self._is_closed:
            self.busy_since = None
            ready = self._epoll.poll(self._patience_s())
            self.busy_since = time.monotonic()
            for fd, events in ready:
                if fd == self._wake_read:
                    self._drain_wake()
                    continue
                callback = self._callbacks.get(fd)
                if callback is not None:
                    guarded(partial(callback, events))
            self._run_late()

    def _drain_wake(self) -> None:
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            pass

    def _patience_s(self) -> float:
        with self._lock:
            if not self._late:
                return -1
            return max(0.0, self._late[0][0] - time.monotonic())

    def _run_late(self) -> None:
        while True:
            with self._lock:
                if not self._late or self._late[0][0] > time.monotonic():
                    return
                callback = heapq.heappop(self._late)[2]
            guarded(callback)

    def close(self) -> None:
        """Stop the thread and close what it owns."""
        self._is_closed = True
        with self._lock:
            self._wake()
        if threading.current_thread() is not self.thread:
            self.thread.join(2.0)
        with self._lock:
            if not self._has_pipe:
                return
            self._has_pipe = False
            self._late.clear()
            self._epoll.close()
            os.close(self._wake_read)
            os.close(self._wake_write)


def guarded(callback: Callable[[], None]) -> None:
    """Call it: a mistake made over one host must not cost the others the thread they share."""
    try:
        callback()
    except Exception as error:
        args = (type(error), error, error.__traceback__, threading.current_thread())
        threading.excepthook(threading.ExceptHookArgs(args))
