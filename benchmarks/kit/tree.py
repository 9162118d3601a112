"""A tree for a benchmark: flat, never exhausted, restarted at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from supervisors import ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec


@contextmanager
def root(system: ActorSystem, *children: ChildSpec) -> Iterator[Supervisor]:
    """Start the children; stop them and close the system at the end."""
    spec = SupervisorSpec(children, intensity=None, backoff=Backoff.NONE)
    try:
        with Supervisor.start(spec, system=system) as supervisor:
            yield supervisor
    finally:
        system.close()
