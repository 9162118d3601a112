"""How a tree is, read from what its supervisors publish: who is unwell, who fails, who is behind.

No actor is asked, so a machine that hangs is seen to hang.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from supervisors import ActorSystem
from supervisors.change import is_other
from supervisors.plan import State
from supervisors.spec import SupervisorSpec
from supervisors.supervisor import Row


def rows(system: ActorSystem) -> Iterator[Row]:
    """All children of all supervisors."""
    for supervisor in list(system.supervisors.values()):
        yield from list(supervisor.rows.values())


def unwell(system: ActorSystem) -> dict[str, str]:
    """Who does not run, or says that something in its care is broken; and why.

    Who was stopped by hand, or has ended in order, is not.
    """
    found = {row.path: _ails(row) for row in rows(system)}
    return {path: why for path, why in sorted(found.items()) if why}


def _ails(row: Row) -> str:
    if row.state is State.RUNNING:
        running: Any = row.running
        facts = {} if row.spec.is_supervisor or running is None else running.vitals.facts
        return str(facts.get("trouble") or "")
    if row.state is State.STOPPED and (row.last_exit is None or row.last_exit.is_normal):
        return ""
    what = row.waiting_for or (str(row.last_exit) if row.last_exit is not None else "")
    return f"{row.state.value}: {what}" if what else row.state.value


def passing(system: ActorSystem) -> tuple[str, ...]:
    """Whose state is on its way to another one; those who never arrive fail, and are counted."""
    return tuple(sorted(row.path for row in rows(system) if row.state in _ON_THE_WAY))


_ON_THE_WAY = frozenset((State.STARTING, State.STOPPING, State.DOWN, State.RESTARTING))


def failures(system: ActorSystem) -> dict[str, int]:
    """Abnormal ends of each actor since its supervisor came up."""
    return {row.path: row.restarts for row in rows(system) if row.restarts}


def behind(system: ActorSystem, spec: SupervisorSpec, prefix: str = "") -> tuple[str, ...]:
    """Who is not made of what this tree says: its address is missing, too many, or another one."""
    found: list[str] = []
    wanted = {child.id: child for child in spec.children}
    supervisor = system.supervisors.get(prefix or "/")
    there = {} if supervisor is None else dict(supervisor.rows)
    for id_, child in wanted.items():
        path, row = f"{prefix}/{id_}", there.get(id_)
        if row is None or (row.state is not State.STOPPED and is_other(row.spec, child)):
            found.append(path)
        elif isinstance(child.start, SupervisorSpec) and row.state is State.RUNNING:
            found += behind(system, child.start, path)
    if supervisor is not None:
        found += [f"{prefix}/{id_}" for id_ in there if id_ not in wanted]
    return tuple(found)
