"""A place in the tree whose work is not built yet. It says so and does nothing else."""

from __future__ import annotations

from supervisors import Actor


class Absent(Actor):
    """Shown as waiting; answers ping."""

    def __init__(self, what: str) -> None:
        """Args: what: is missing, for status."""
        self._what = what

    def on_start(self) -> None:
        """Say what is missing."""
        self.ctx.waiting(f"a later release: {self._what}")
