"""What another spec means for a supervisor that runs: who is stopped, who starts anew, who stays.

OTP's ``code_change`` takes the new specs into the supervisor's memory and leaves every child as it
is; a release handler then restarts whom it must. Here both are one plan:

    gone       in the old spec and not in the new one: stopped, forgotten
    new        the other way round: started
    changed    made of something else: stopped and started, with its group if there is one
    the rest   keep running; what only their supervisor looks at (when to restart, how long to wait
               for a stop) is taken over in passing

A supervisor below is not started anew because of what is inside it: that is changed in its turn.
Children that somebody added by hand stay. In a one_for_one, who was stopped by hand stays stopped;
in a group a restart has always meant all of them. Dynamic children keep what they were started
with; the next ones come of the new template.

None of this costs restart budget. A start that fails is a failure like any other, though: it is
tried again with a delay, and the caller is told. Changing back is one more change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from supervisors.plan import Child, Mode, Plan, State
from supervisors.results import Changed, InvalidSpec
from supervisors.spec import ChildSpec, Strategy, SupervisorSpec

if TYPE_CHECKING:
    from supervisors.core import SupervisorCore

_SIMPLE = Strategy.SIMPLE_ONE_FOR_ONE
_SUPERVISORS_OWN = (
    "restart",
    "shutdown",
    "significant",
    "start_timeout_s",
    "backoff",
    "rearm_on",
)
"""Fields that no running incarnation has ever seen."""


def change(core: SupervisorCore, ref: object, new: SupervisorSpec) -> None:
    """Begin to make a core that has no plan into one of another spec; answers `Changed`."""
    if (core.spec.strategy is _SIMPLE) != (new.strategy is _SIMPLE):
        core.answer(ref, InvalidSpec("dynamic and written children do not turn into each other"))
    elif new.strategy is _SIMPLE:
        core.adopt(new, frozenset())
        core.answer(ref, Changed())
    else:
        core.run(_plan(core, ref, new))


def is_other(old: ChildSpec, new: ChildSpec) -> bool:
    """Whether a running child made of the old spec has to make room for one of the new."""
    taken = {name: getattr(new, name) for name in _SUPERVISORS_OWN}
    if isinstance(old.start, SupervisorSpec) and isinstance(new.start, SupervisorSpec):
        if (old.start.strategy is _SIMPLE) != (new.start.strategy is _SIMPLE):
            return True
        taken["start"] = new.start
    return replace(old, **taken) != new


def _plan(core: SupervisorCore, ref: object, new: SupervisorSpec) -> Plan:
    before, after = _by_id(core.spec), _by_id(new)
    gone = [id_ for id_ in core.children if id_ in before and id_ not in after]
    fresh = [id_ for id_ in after if id_ not in before and id_ not in core.children]
    changed = list(_changed(core.children, after))
    for id_ in changed:  # of what it was made of before, nothing is held against it
        child = core.children[id_]
        child.streak, child.waits, child.quarantined = 0, 0, False
    anew = _with_groups(new.strategy, list(core.children), changed)
    order = list(dict.fromkeys([*after, *core.children]))
    starts = [id_ for id_ in order if id_ in fresh or (id_ in anew and id_ not in gone)]
    ended = {*gone, *anew}
    return Plan(
        Mode.CHANGE,
        stops=deque(id_ for id_ in reversed(core.children) if id_ in ended),
        starts=deque(starts),
        call=ref,
        answer=Changed(
            stopped=tuple(gone),
            started=tuple(fresh),
            restarted=tuple(id_ for id_ in starts if id_ not in fresh),
        ),
        forget=False,
        drop=frozenset(gone),
        spec=new,
    )


def _changed(children: Mapping[str, Child], after: Mapping[str, ChildSpec]) -> Iterator[str]:
    """Who is not made of what it should be; who is stopped will be, once somebody starts it."""
    for id_, child in children.items():
        is_wanted = child.state is not State.STOPPED
        if id_ in after and is_wanted and is_other(child.spec, after[id_]):
            yield id_


def _with_groups(strategy: Strategy, ids: list[str], changed: list[str]) -> set[str]:
    if not changed or strategy is Strategy.ONE_FOR_ONE:
        return set(changed)
    first = 0 if strategy is Strategy.ONE_FOR_ALL else ids.index(changed[0])
    return set(ids[first:])


def _by_id(spec: SupervisorSpec) -> dict[str, ChildSpec]:
    return {child.id: child for child in spec.children}


def adopted(
    children: Mapping[str, Child], new: SupervisorSpec, starts: frozenset[str]
) -> dict[str, Child]:
    """The records in the order of the new spec; what was added by hand comes last.

    A child that is in the new spec, has no record and is not to be started has ended for good, or
    was deleted: it stays so.
    """
    records: dict[str, Child] = {}
    for spec in new.children:
        child = children.get(spec.id)
        if child is not None:
            child.spec = spec
            records[spec.id] = child
        elif spec.id in starts:
            records[spec.id] = Child(spec)
    return {**records, **{id_: one for id_, one in children.items() if id_ not in records}}
