"""What an operator may do to a running machine: look, command, supervise, try faults, stop.

Answers the requests of the control socket. Commands are checked against the actor's own vocabulary
before anything is sent, so a typing error is answered here, with what exists.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from protocol import control as words
from protocol.control import Answer, ControlAnswer, Refusal
from protocol.errors import LocalProtocolError
from protocol.message import Done, Message
from protocol.system import InjectFault, Ping, Resume, Suspend
from supervisors import ActorSystem, RequestFailed, Supervisor
from supervisors.actor import Handler, commands_of
from supervisors.faults import FATAL_IN_THREAD
from supervisors.mailbox import Put
from supervisors.plan import State
from supervisors.results import NotFound, Ok, Started
from supervisors.spec import ChildSpec, Host, SupervisorSpec
from supervisors.status import snapshot, stacks

FAULTS = ("raise", "exit", "hang", "gil", "segfault", "vanish", "memory", "flood")
VERBS = ("kick", "resume", "start", "stop", "suspend")
_OF_ACTORS = ("resume", "suspend")
_ASK_S_MAX = 60.0
_FLOOD_MAX = 1_000_000


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
        self.settings: Callable[[], dict[str, Any]] = dict

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
        found = snapshot(self._system, self._root)
        if found["state"] == "ok" and any(
            _is_missing(actor) or _trouble(actor) for actor in found["actors"]
        ):
            found["state"] = "degraded"
        settings = self.settings()
        if found["state"] == "ok" and settings.get("troubles"):
            found["state"] = "degraded"
        return {**found, **self._facts, "settings": settings}

    def summary(self) -> str:
        """The same in one line."""
        found = self.status()
        bad = [
            f"{actor['path']} {_trouble(actor) or actor['state']}"
            for actor in found["actors"]
            if actor["state"] not in _WELL or _is_missing(actor) or _trouble(actor)
        ]
        bad += [f"settings: {trouble}" for trouble in found["settings"].get("troubles", ())]
        return ": ".join([found["state"], ", ".join(bad)] if bad else [found["state"]])

    # -- finding --------------------------------------------------------------------------------

    def _children(self) -> dict[str, tuple[Supervisor, ChildSpec]]:
        found: dict[str, tuple[Supervisor, ChildSpec]] = {}
        for supervisor in list(self._system.supervisors.values()):
            for row in list(supervisor.rows.values()):
                found[row.path] = (supervisor, row.spec)
        return found

    def spec_of(self, address: str) -> ChildSpec | None:
        """The spec of a child; None: there is none."""
        found = self._children().get(address)
        return None if found is None else found[1]

    def _unknown(self, address: str, known: Iterable[str]) -> Refusal:
        return Refusal(
            "unknown_address", f"nobody has the address {address}. {_choices(address, known)}"
        )

    # -- commands -------------------------------------------------------------------------------

    def _send(self, request: words.SendCommand) -> ControlAnswer:
        children = self._children()
        found = children.get(request.address)
        if found is None:
            return self._not_found(request.address, children)
        if request.command in VERBS:
            if request.args:
                return Refusal("invalid", f"{request.command} takes no arguments")
            verb: Any = request.command
            return self._supervise(words.Supervise(request.address, verb))
        spec = found[1]
        commands = {} if isinstance(spec.start, SupervisorSpec) else commands_of(spec.start)
        handler = commands.get(request.command) or _by_full_name(commands, request.command)
        if handler is None:
            verbs = [verb for verb in VERBS if not (spec.is_supervisor and verb in _OF_ACTORS)]
            choices = _choices(request.command, (*commands, *verbs))
            return Refusal(
                "unknown_command",
                f"{request.address} knows no command {request.command!r}. {choices}",
            )
        return self._absent(request.address) or self._deliver(request, handler)

    def _absent(self, address: str) -> Refusal | None:
        """One that does not run, and will not by itself, need not be waited for."""
        parent, _, id_ = address.rpartition("/")
        supervisor = self._system.supervisors.get(parent or "/")
        row = supervisor.rows.get(id_) if supervisor is not None else None
        if row is None or row.state not in _AWAY:
            return None
        why = f" for {row.waiting_for}" if row.waiting_for else ""
        return Refusal(
            "not_running",
            f"{address} is not running: {row.state.value}{why}; start it with: send {address} kick",
        )

    def _not_found(self, address: str, children: Iterable[str]) -> Refusal:
        if address == "/":
            return Refusal(
                "invalid",
                "/ is the whole machine, and takes no commands; end it with rvm-edge stop",
            )
        return self._unknown(address, children)

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
        timeout_s = min(request.timeout_s, _ASK_S_MAX) if request.timeout_s > 0 else _ASK_S_MAX
        try:
            value = self._system.request(request.address, message, timeout_s=timeout_s)
        except LocalProtocolError as error:
            return Refusal("invalid", str(error))
        except RequestFailed as error:
            return Refusal(error.code, str(error))
        return Answer(value)

    # -- supervision ----------------------------------------------------------------------------

    def _supervise(self, request: words.Supervise) -> ControlAnswer:
        children = self._children()
        found = children.get(request.address)
        if found is None:
            return self._not_found(request.address, children)
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
            return self._not_found(request.address, children)
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
        if put is not Put.OK:
            return Refusal("refused", f"{request.address} does not take it: {put.value}")
        return Answer({"fault": request.kind, "address": request.address})

    def _flood(self, request: words.Misbehave) -> ControlAnswer:
        sent = min(max(request.count, 0), _FLOOD_MAX)
        puts = Counter(self._system.tell(request.address, Ping()).value for _ in range(sent))
        return Answer({"fault": "flood", "address": request.address, "sent": sent, **puts})


def describe(handler: Handler) -> str:
    """The arguments of a command, for people: ``limit: int = 50``."""
    parts: list[str] = []
    for field in msgspec.structs.fields(handler.message):
        kind = getattr(field.type, "__name__", str(field.type))
        default = "" if field.required else f" = {field.default!r}"
        parts.append(f"{field.name}: {kind}{default}")
    return ", ".join(parts) or "none"


_AWAY = (State.STOPPED, State.WAITING, State.QUARANTINED)
_FOR_A_MOMENT = ("", "booting", "selftest")
"""Why a machine is closed when nothing is wrong with it."""
_WELL = ("running", "busy", "waiting")


def _is_missing(actor: dict[str, Any]) -> bool:
    """Whether something it cannot start without is missing; running and waiting is no trouble."""
    return actor["state"] == "waiting" and actor["type"] == "worker" and "mailbox" not in actor


def _trouble(actor: dict[str, Any]) -> str:
    """What an actor that runs says is broken in its care, or why it serves nobody; else empty."""
    facts = actor.get("facts", {})
    closed = str(facts.get("closed") or "")
    shut = f"closed: {closed}" if closed not in _FOR_A_MOMENT else ""
    return str(facts.get("trouble") or shut)


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
