"""A small tree around one or two actors of the machine, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from protocol.message import Message
from supervisors import Actor, ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec, handles
from supervisors.clock import Clock
from supervisors.shares import SharedMemory

PINS = "actors.drivers.simulated:SimulatedPins"


class Events:
    """A recorder that keeps events in memory."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, dict[str, Any]]] = []

    def event(self, path: str, event: str, fields: Any) -> None:
        self.kept.append((path, event, dict(fields)))

    def message(self, envelope: object) -> None:
        """Not kept."""

    def close(self) -> None:
        """Nothing to close."""

    def named(self, event: str) -> list[dict[str, Any]]:
        return [fields for _, name, fields in self.kept if name == event]


@contextmanager
def tree(
    *children: ChildSpec,
    clock: Clock | None = None,
    shares: tuple[SharedMemory, ...] = (),
    faults: bool = False,
    **flags: Any,
) -> Iterator[tuple[Supervisor, Events]]:
    """Run these children; restarts come at once."""
    events = Events()
    system = ActorSystem(clock=clock, recorder=events, shares=shares, allows_faults=faults)
    spec = SupervisorSpec(children, backoff=Backoff.NONE, intensity=None, **flags)
    try:
        with Supervisor.start(spec, system=system) as supervisor:
            yield supervisor, events
    finally:
        system.close()


def sim(tmp_path: Path) -> str:
    """Directory of a simulated machine's pins and scene."""
    return str(tmp_path / "sim")


class Listener(Actor):
    """Keeps everything it is told of the given types; the list is the test's."""

    def __init__(self, heard: list[Message]) -> None:
        self.heard = heard


def listener(*types: type[Message]) -> type[Listener]:
    """A listener class for these message types."""

    methods = {}
    for number, kind in enumerate(types):

        def method(self: Listener, message: Message) -> None:
            self.heard.append(message)

        methods[f"hear_{number}"] = handles(kind)(method)
    return type("Heard", (Listener,), methods)
