"""A tree for a benchmark: flat, never exhausted, restarted at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from supervisors import NO_BACKOFF, ActorSystem, ChildSpec, Supervisor, SupervisorSpec


@contextmanager
def root(system: ActorSystem, *children: ChildSpec) -> Iterator[Supervisor]:
    """Start the children; stop them and close the system at the end."""
    spec = SupervisorSpec(children, intensity=None, backoff=NO_BACKOFF)
    try:
        with Supervisor.start(spec, system=system) as supervisor:
            yield supervisor
    finally:
        system.close()
