"""The memory ladder: in which order a model is loaded when memory is short.

    as configured  →  one thread, lean  →  the next back end, lean  →  …

Behind its last step the process ends, for a fresh one has more memory than one that has failed; the
second time the model before it takes over. `actors.inference` climbs, these are the rungs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rung(NamedTuple):
    """One way to load a model.

    Attributes:
        lean: with the least memory that the back end can do with, at the price of time.
    """

    backend: str
    threads: int
    lean: bool

    @property
    def text(self) -> str:
        """What status says."""
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        return f"{self.backend}, {threads}" + (", lean" if self.lean else "")


def rungs(
    backend: str, threads: int, usable: Sequence[str], *, cautious: bool = False
) -> tuple[Rung, ...]:
    """The ways to load a model, best first.

    Args:
        backend: as configured; ``auto`` may take any that is usable.
        usable: names of the back ends that are there, best first.
        cautious: processes have died under the first choice; go round it where there is another.
    """
    if backend != "auto":
        return (Rung(backend, threads, lean=False), Rung(backend, 1, lean=True))
    others = tuple(Rung(name, 1, lean=True) for name in usable)
    if cautious and len(others) > 1:
        return others[1:]
    return (Rung(backend, threads, lean=False), *others)
