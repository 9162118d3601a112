"""What holds for every test: it leaves no actor, thread, process or file descriptor behind."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pykka import ActorRegistry  # noqa: TID251 - to see that it is empty

from supervisors.testing import eventually

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,  # no test asserts how long something took
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def _children() -> set[str]:
    pids: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            pids.update((task / "children").read_text().split())
        except OSError:  # that thread has just ended
            continue
    return pids


def _descriptors() -> dict[str, str]:
    found = {}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found[fd.name] = str(fd.readlink())
        except OSError:  # the listing's own
            continue
    return found


def _leaks(threads: set[threading.Thread], children: set[str], fds: dict[str, str]) -> list[str]:
    new_fds = _descriptors().items() - fds.items()
    return [
        *(f"actor {ref}" for ref in ActorRegistry.get_all()),
        *(f"thread {thread.name}" for thread in _threads() - threads),
        *(f"process {pid}" for pid in _children() - children),
        *(f"descriptor {fd} of {what}" for fd, what in new_fds),
    ]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail the test that leaked, not the one that suffers."""
    before = _threads(), _children(), _descriptors()
    yield
    try:
        eventually(lambda: not _leaks(*before), timeout_s=5.0)
    except AssertionError:
        gc.collect()
        left = _leaks(*before)
        assert not left, f"left behind: {left}"
