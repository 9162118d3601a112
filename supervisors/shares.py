"""Shared memory areas: made by the system, handed to actors as file descriptors.

A memfd has no name, so nothing is left behind whoever dies; it is sealed against shrinking, so a
reader cannot be made to fault. The system owns the area and the actors come and go: a camera that
is restarted finds the generation counters where it left them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass

_F_ADD_SEALS = 1033
_SEALS = 0x1 | 0x2 | 0x4  # F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """One area: its name in child specs and its size."""

    name: str
    size_bytes: int


class Shares:
    """The areas of one system; memory is only used where somebody has written."""

    def __init__(self, areas: Iterable[SharedMemory]) -> None:
        """Nothing is allocated before it is asked for."""
        self._areas = {area.name: area for area in areas}
        self._fds: dict[str, int] = {}

    def fd(self, name: str) -> int:
        """Descriptor of an area.

        Raises:
            KeyError: no area of that name; a mistake in the tree.
        """
        known = self._fds.get(name)
        if known is not None:
            return known
        area = self._areas[name]
        fd = os.memfd_create(f"rvm-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, area.size_bytes)
        fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
        self._fds[name] = fd
        return fd

    def close(self) -> None:
        """Let go of all of them."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
