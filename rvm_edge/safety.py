"""The last word on whatever moves: every fail_safe of the tree, run from outside its actor.

Used when a stop is not orderly. A fail_safe is idempotent and runs in a process of its own, so one
too many does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from supervisors import ActorSystem
from supervisors.spec import SupervisorSpec

FailSafe = tuple[str, Mapping[str, Any]]


def fail_safes(spec: SupervisorSpec) -> Iterator[FailSafe]:
    """All fail_safes of a tree, with their arguments."""
    for child in spec.children:
        if isinstance(child.start, SupervisorSpec):
            yield from fail_safes(child.start)
        elif child.fail_safe is not None:
            yield child.fail_safe, child.args


def run_all(system: ActorSystem, targets: Iterator[FailSafe], timeout_s: float) -> list[str]:
    """Run them all within a time; returns what went wrong.

    In a thread that is given up when time is over: the process that runs them may itself hang, and
    a replacement of it takes a second to come up.
    """
    wrong: list[str] = []
    done = threading.Event()

    def work() -> None:
        for target, args in targets:
            said = system.zygote.run(target, args, timeout_s)
            if said:
                wrong.append(said)
        done.set()

    threading.Thread(target=work, name="fail_safe", daemon=True).start()
    if not done.wait(timeout_s):
        wrong.append(f"not done within {timeout_s:g} s")
    return wrong
