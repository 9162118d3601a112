"""The thread that owns the sockets of process hosts: one epoll, callbacks, and late calls."""

from __future__ import annotations

import heapq
import os
import select
import threading
import time
from collections.abc import Callable
from itertools import count

_MASK = select.EPOLLIN | select.EPOLLRDHUP


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
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self._thread.start()

    def add(self, fd: int, callback: Callable[[int], None]) -> None:
        """Call back with the event mask whenever ``fd`` is readable or hung up."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, _MASK)

    def remove(self, fd: int) -> None:
        """Forget a descriptor, before it is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def pause(self, fd: int) -> None:
        """Leave a descriptor alone: somebody reads it directly."""
        if fd in self._callbacks:
            self._epoll.modify(fd, 0)

    def resume(self, fd: int, *, writable: bool = False) -> None:
        """Look at it again; ``writable`` asks for that too."""
        if fd in self._callbacks:
            self._epoll.modify(fd, _MASK | (select.EPOLLOUT if writable else 0))

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call once, ``delay_s`` from now, in the reactor's thread."""
        entry = (time.monotonic() + delay_s, next(self._numbers), callback)
        with self._lock:
            heapq.heappush(self._late, entry)
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass

    def _run(self) -> None:
        while not self._is_closed:
            for fd, events in self._epoll.poll(self._patience_s()):
                if fd == self._wake_read:
                    self._drain_wake()
                    continue
                callback = self._callbacks.get(fd)
                if callback is not None:
                    callback(events)
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
            callback()

    def close(self) -> None:
        """Stop the thread and close what it owns."""
        self._is_closed = True
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)
        self._epoll.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
