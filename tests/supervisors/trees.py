"""Small trees of `Hosted` actors, and what tests of them do again and again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisors import (
    ActorSystem,
    Backoff,
    ChildSpec,
    RequestFailed,
    Strategy,
    Supervisor,
    SupervisorSpec,
)
from supervisors.exits import ExitReason
from supervisors.testing import eventually
from tests.supervisors.hosted import RELEASE, Hosted
from tests.supervisors.words import Answer, Ask, Do


def hosted(id_: str, host: str = "process", *, kind: type[Hosted] = Hosted, **more: Any) -> Any:
    """A child spec of `Hosted`; start, stop and probe go to it."""
    args = {key: more.pop(key) for key in ("start", "stop", "probe") if key in more}
    return ChildSpec(id_, kind, host=host, args=args, **more)


@contextmanager
def tree(*children: ChildSpec, system: Any = None, **flags: Any) -> Iterator[Supervisor]:
    """A running tree without backoff or limits, in a system of its own that ends with it."""
    options = {"intensity": None, "backoff": Backoff.NONE, **flags}
    system = system or ActorSystem()
    spec = SupervisorSpec(children, strategy=Strategy.ONE_FOR_ONE, **options)
    RELEASE.clear()
    try:
        sup = Supervisor.start(spec, system=system)
        try:
            yield sup
        finally:
            sup.stop(timeout_s=20)
    finally:
        RELEASE.set()
        system.close()


def ask(sup: Supervisor, child: str, number: int = 0, timeout_s: float = 10.0) -> Answer:
    """Ask and get the answer."""
    return sup.request(child, Ask(number), reply=Answer, timeout_s=timeout_s)


def answers(sup: Supervisor, child: str) -> bool:
    """Whether it is there and answers."""
    try:
        return ask(sup, child, 3).number == 3
    except RequestFailed:
        return False


def do(sup: Supervisor, child: str, what: str, arg: str = "") -> Answer:
    """Have it do something and wait until it is done."""
    return sup.request(child, Do(what, arg), reply=Answer, timeout_s=10.0)


def successor(sup: Supervisor, child: str, old: int) -> int:
    """Wait for the next incarnation to run; return its number."""
    return eventually(
        lambda: (ref := sup.ref(child)) is not None and ref.incarnation > old and ref.incarnation,
        20.0,
    )


def last_exit(sup: Supervisor, child: str) -> ExitReason:
    """How it last ended, as soon as its supervisor knows."""
    return eventually(lambda: sup.rows[child].last_exit)


def is_alive(pid: int) -> bool:
    """Whether a process runs: not gone, and not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
