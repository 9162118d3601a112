"""What an operator may do to a running machine: look, command, supervise, try faults, stop.

Answers the requests of the control socket. Commands are checked against the actor's own vocabulary
before anything is sent, so a typing error is answered here, with what exists.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from protocol import control as words
from protocol.control import Answer, ControlAnswer, Refusal
from protocol.message import Done, Message
from protocol.system import InjectFault, Ping, Resume, Suspend
from supervisors import ActorSystem, RequestFailed, Supervisor
from supervisors.actor import Handler, commands_of
from supervisors.faults import FATAL_IN_THREAD
from supervisors.plan import State
from supervisors.results import NotFound, Ok, Started
from supervisors.spec import ChildSpec, Host
from supervisors.status import snapshot, stacks

FAULTS = ("raise", "exit", "hang", "gil", "segfault", "vanish", "memory", "flood")


class Operator:
    """See the module."""

    def __init__(self, system: ActorSystem, root: Supervisor, facts: dict[str, Any]) -> None:
        """Make it.

        Args:
            facts: about this run (version, machine, profile …), shown with status.
        """
        self._system = system
        self._root = root
        self._facts = facts
        self.on_stop: Callable[[], None] = lambda: None

    def answer(self, request: words.ControlRequest) -> ControlAnswer:
        """Answer one request."""
        if isinstance(request, words.GetStatus):
            return Answer(self.status())
        if isinstance(request, words.GetStacks):
            return Answer(stacks(self._system, self._root))
        if isinstance(request, words.SendCommand):
            return self._send(request)
        if isinstance(request, words.Supervise):
            return self._supervise(request)
        if isinstance(request, words.Misbehave):
            return self._misbehave(request)
        self.on_stop()
        return Answer()

    def status(self) -> dict[str, Any]:
        """The whole tree with the facts of this run."""
        return {**snapshot(self._system, self._root), **self._facts}

    # -- finding --------------------------------------------------------------------------------

    def _children(self) -> dict[str, tuple[Supervisor, ChildSpec]]:
        found: dict[str, tuple[Supervisor, ChildSpec]] = {}
        for supervisor in list(self._system.supervisors.values()):
            for row in list(supervisor.rows.values()):
                found[row.path] = (supervisor, row.spec)
        return found

    def _unknown(self, address: str, known: Iterable[str]) -> Refusal:
        return Refusal(
            "unknown_address", f"nobody has the address {address}. {_choices(address, known)}"
        )

    # -- commands -------------------------------------------------------------------------------

    def _send(self, request: words.SendCommand) -> ControlAnswer:
        children = self._children()
        if request.address not in children and request.address != "/":
            return self._unknown(request.address, children)
        if request.command in ("kick", "stop", "start", "suspend", "resume") and not request.args:
            verb: Any = request.command
            return self._supervise(words.Supervise(request.address, verb))
        supervision = ("kick", "resume", "start", "stop", "suspend")
        start = children[request.address][1].start if request.address in children else None
        commands = commands_of(start) if isinstance(start, type) else {}
        handler = commands.get(request.command) or _by_full_name(commands, request.command)
        if handler is None:
            choices = _choices(request.command, (*commands, *supervision))
            return Refusal(
                "unknown_command",
                f"{request.address} knows no command {request.command!r}. {choices}",
            )
        return self._deliver(request, handler)

    def _deliver(self, request: words.SendCommand, handler: Handler) -> ControlAnswer:
        known = [field.name for field in msgspec.structs.fields(handler.message)]
        for name in request.args:
            if name not in known:
                what = f"{handler.name} takes no argument {name!r}."
                return Refusal(
                    "invalid", f"{what} {_choices(name, known) if known else 'It takes none.'}"
                )
        try:
            message: Message = msgspec.convert(request.args, handler.message, strict=False)
        except msgspec.ValidationError as error:
            return Refusal("invalid", f"{handler.name}: {error}. Arguments: {describe(handler)}")
        try:
            value = self._system.request(
                request.address, message, timeout_s=min(request.timeout_s, 60.0)
            )
        except RequestFailed as error:
            return Refusal(error.code, str(error))
        return Answer(value)

    # -- supervision ----------------------------------------------------------------------------

    def _supervise(self, request: words.Supervise) -> ControlAnswer:
        children = self._children()
        found = children.get(request.address)
        if found is None:
            return self._unknown(request.address, children)
        supervisor, spec = found
        if request.verb in ("suspend", "resume"):
            return self._hold(request, spec)
        if request.verb == "kick":
            result = supervisor.kick(spec.id)
        elif request.verb == "stop":
            result = supervisor.terminate_child(spec.id)
        else:
            result = supervisor.restart_child(spec.id)
        if isinstance(result, (Ok, Started)):
            self._system.emit(request.address, "operator", {"verb": request.verb})
            return Answer({"result": type(result).__name__})
        if isinstance(result, NotFound):
            return self._unknown(request.address, children)
        return Refusal("refused", f"{request.verb} {request.address}: {_why(result, request.verb)}")

    def _hold(self, request: words.Supervise, spec: ChildSpec) -> ControlAnswer:
        if spec.is_supervisor:
            return Refusal(
                "invalid", f"{request.address} is a supervisor; {request.verb} its children"
            )
        message = Suspend() if request.verb == "suspend" else Resume()
        try:
            self._system.request(request.address, message, reply=Done)
        except RequestFailed as error:
            return Refusal(error.code, str(error))
        self._system.emit(request.address, "operator", {"verb": request.verb})
        return Answer({"result": request.verb})

    # -- faults ---------------------------------------------------------------------------------

    def _misbehave(self, request: words.Misbehave) -> ControlAnswer:
        if not self._system.allows_faults:
            return Refusal("refused", "faults are for the simulated profile; this machine is real")
        children = self._children()
        found = children.get(request.address)
        if found is None:
            return self._unknown(request.address, children)
        spec = found[1]
        if spec.is_supervisor:
            return Refusal(
                "invalid", f"{request.address} is a supervisor; name one of its children"
            )
        if request.kind not in FAULTS:
            return Refusal(
                "invalid", f"no fault {request.kind!r}. {_choices(request.kind, FAULTS)}"
            )
        if spec.host is Host.THREAD and request.kind in FATAL_IN_THREAD:
            return Refusal("refused", _fatal(request))
        self._system.emit(request.address, "fault", {"kind": request.kind})
        if request.kind == "flood":
            return self._flood(request)
        kind: Any = request.kind
        fault = InjectFault(kind, request.seconds, request.megabytes)
        put = self._system.tell(request.address, fault)
        return Answer({"result": put.value})

    def _flood(self, request: words.Misbehave) -> ControlAnswer:
        counts: dict[str, int] = {}
        for _ in range(min(request.count, 1_000_000)):
            put = self._system.tell(request.address, Ping()).value
            counts[put] = counts.get(put, 0) + 1
        return Answer({"sent": request.count, **counts})

    def is_up(self, path: str) -> bool:
        """Whether an actor runs."""
        parent, _, id_ = path.rpartition("/")
        supervisor = self._system.supervisors.get(parent or "/")
        row = supervisor.rows.get(id_) if supervisor is not None else None
        return row is not None and row.state is State.RUNNING


def describe(handler: Handler) -> str:
    """The arguments of a command, for people: ``limit: int = 50``."""
    parts: list[str] = []
    for field in msgspec.structs.fields(handler.message):
        kind = getattr(field.type, "__name__", str(field.type))
        default = "" if field.required else f" = {field.default!r}"
        parts.append(f"{field.name}: {kind}{default}")
    return ", ".join(parts) or "none"


def _by_full_name(commands: dict[str, Handler], name: str) -> Handler | None:
    return next((handler for handler in commands.values() if handler.name == name), None)


def _choices(given: str, known: Iterable[str]) -> str:
    ordered = sorted(known)
    near = difflib.get_close_matches(given, ordered, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}? " if near else ""
    return f"{hint}There are: {', '.join(ordered)}."


def _why(result: object, verb: str) -> str:
    if type(result).__name__ == "Running":
        return "it is running already"
    if type(result).__name__ == "Restarting":
        return "it waits for its restart; kick starts it now, stop cancels that"
    reason = getattr(result, "reason", None)
    return f"it did not start: {reason}" if reason is not None else f"{verb} is not possible now"


def _fatal(request: words.Misbehave) -> str:
    return (
        f"{request.address} is a thread of the core: {request.kind} there would be the end of the "
        "whole core, not of one child. Use it on a process "
        "(/vision/camera, /vision/inference, /machine/motor), or raise, exit, hang, memory here"
    )
