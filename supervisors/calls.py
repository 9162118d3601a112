"""The supervisor's interface as a pure table: OTP's answer for each call and each child state."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from supervisors import plan as p
from supervisors.change import change
from supervisors.plan import Child, Mode, Plan, State
from supervisors.results import (
    AlreadyPresent,
    AlreadyStarted,
    ChildCount,
    ChildInfo,
    InvalidSpec,
    NotFound,
    Ok,
    Restarting,
    Running,
    SimpleOneForOne,
)
from supervisors.spec import ChildSpec, SpecError, Strategy, instance_of

if TYPE_CHECKING:
    from supervisors.core import SupervisorCore

_OfChild = p.TerminateChild | p.RestartChild | p.DeleteChild | p.GetChildspec | p.Kick


class Calls:
    """Answers calls on behalf of a core that has no plan running."""

    def __init__(self, core: SupervisorCore) -> None:
        """Args: core: whose children these are."""
        self._core = core
        self._numbers = 0

    @property
    def _is_simple(self) -> bool:
        return self._core.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE

    def answer(self, call: p.Call) -> None:
        """Answer at once, or start the plan that will."""
        request, ref = call.request, call.ref
        if isinstance(request, p.StartChild):
            self._start_child(ref, request)
        elif isinstance(request, p.WhichChildren):
            self._core.answer(ref, self._which())
        elif isinstance(request, p.CountChildren):
            self._core.answer(ref, self._count())
        elif isinstance(request, p.Rearm):
            self._rearm(ref, request.topic)
        elif isinstance(request, p.Change):
            change(self._core, ref, request.spec)
        else:
            self._on_child(ref, request)

    def _on_child(self, ref: object, request: _OfChild) -> None:
        """Calls that name one child."""
        child = self._core.children.get(request.id.rsplit("/", 1)[-1])
        unsupported = isinstance(request, (p.RestartChild, p.DeleteChild))
        if self._is_simple and unsupported:
            self._core.answer(ref, SimpleOneForOne())
        elif child is None:
            gone = isinstance(request, p.TerminateChild) and self._was_ours(request.id)
            self._core.answer(ref, Ok() if gone else NotFound())
        elif isinstance(request, p.TerminateChild):
            self._terminate(ref, child)
        elif isinstance(request, p.RestartChild):
            self._restart(ref, child)
        elif isinstance(request, p.DeleteChild):
            self._delete(ref, child)
        elif isinstance(request, p.GetChildspec):
            self._core.answer(ref, child.spec)
        else:
            self._kick(ref, child)

    def _start_child(self, ref: object, request: p.StartChild) -> None:
        try:
            spec = self._spec_of(request.spec)
            self._core.spec.check_child(spec)
        except SpecError as error:
            self._core.answer(ref, InvalidSpec(str(error)))
            return
        known = self._core.children.get(spec.id)
        if known is not None:
            is_up = known.is_up
            self._core.answer(
                ref, AlreadyStarted(self._core.ref(known)) if is_up else AlreadyPresent()
            )
            return
        self._core.children[spec.id] = Child(spec)
        starts = deque((spec.id,))
        self._core.run(Plan(Mode.CALL, starts=starts, call=ref, discard=True))

    def _spec_of(self, given: ChildSpec | Mapping[str, Any]) -> ChildSpec:
        if self._is_simple:
            if isinstance(given, ChildSpec):
                msg = "a simple_one_for_one supervisor takes arguments, not a spec"
                raise SpecError(msg)
            self._numbers += 1
            return instance_of(self._core.spec.template, self._numbers, given)
        if not isinstance(given, ChildSpec):
            msg = f"start_child takes a ChildSpec here, not {type(given).__name__}"
            raise SpecError(msg)
        return given

    def _was_ours(self, id_: str) -> bool:
        """Whether a dynamic child of that id has lived: ending it again is no mistake."""
        stem, _, number = id_.rsplit("/", 1)[-1].rpartition("-")
        is_ours = self._is_simple and stem == self._core.spec.template.id
        return is_ours and number.isdecimal() and 1 <= int(number) <= self._numbers

    def _terminate(self, ref: object, child: Child) -> None:
        self._core.run(Plan(Mode.CALL, stops=deque((child.spec.id,)), call=ref, answer=Ok()))

    def _restart(self, ref: object, child: Child) -> None:
        if child.is_up:
            self._core.answer(ref, Running())
        elif child.is_pending:
            self._core.answer(ref, Restarting())
        else:
            self._core.run(Plan(Mode.CALL, starts=deque((child.spec.id,)), call=ref))

    def _delete(self, ref: object, child: Child) -> None:
        if child.is_up:
            self._core.answer(ref, Running())
        elif child.is_pending:
            self._core.answer(ref, Restarting())
        else:
            del self._core.children[child.spec.id]
            self._core.touched.add(child.spec.id)
            self._core.answer(ref, Ok())

    def _kick(self, ref: object, child: Child) -> None:
        """Answer first: whether the kicked child then starts is seen in its state."""
        child.streak = 0
        self._core.answer(ref, Ok())
        if child.is_pending:
            self._core.bring_back(child)
        elif child.is_up:
            ids = deque((child.spec.id,))
            self._core.run(Plan(Mode.RESTART, stops=deque(ids), starts=ids, forget=False))
        else:
            self._core.run(Plan(Mode.RESTART, starts=deque((child.spec.id,))))

    def _rearm(self, ref: object, topic: str) -> None:
        self._core.answer(ref, Ok())
        for child in list(self._core.children.values()):
            waits = child.state in (State.WAITING, State.QUARANTINED)
            if waits and topic in child.spec.rearm_on:
                self._core.arm(child, 0.0, shown=True)

    def _which(self) -> tuple[ChildInfo, ...]:
        return tuple(self._info(child) for child in reversed(self._core.children.values()))

    def _info(self, child: Child) -> ChildInfo:
        type_: Literal["worker", "supervisor"] = (
            "supervisor" if child.spec.is_supervisor else "worker"
        )
        start = child.spec.start
        module = start.__name__ if isinstance(start, type) else "SupervisorSpec"
        if child.is_up:
            return ChildInfo(child.spec.id, self._core.ref(child), type_, module)
        return ChildInfo(child.spec.id, "restarting" if child.is_pending else None, type_, module)

    def _count(self) -> ChildCount:
        children = self._core.children.values()
        supervisors = sum(child.spec.is_supervisor for child in children)
        active = sum(child.state is State.RUNNING for child in children)
        specs = 1 if self._is_simple else len(children)
        return ChildCount(specs, active, supervisors, len(children) - supervisors)
