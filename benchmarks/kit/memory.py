"""What a process takes of the memory, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Of one process.

    Attributes:
        rss_mb: all its resident pages, also those that it shares with others.
        pss_mb: the same with shared pages divided among those who share them.
        descriptors: open files.
    """

    rss_mb: float
    pss_mb: float
    descriptors: int


def memory_of(pid: int) -> Memory:
    """Read it now."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in rollup[1:]}
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Memory(kb["Rss"] * 1.024e-3, kb["Pss"] * 1.024e-3, descriptors)
