"""What an actor is: a class with handlers for message types.

The same class runs in a thread or in a process of its own; its child spec decides. An actor keeps
its state in attributes, talks through ``self.ctx``, and lets exceptions out: its supervisor
restarts it.

    on_start    in its own thread or process; it counts as started when this has returned
    handlers    one at a time; what they return answers a request
    on_stop     for normal ends and, best effort, after a crash
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from protocol.message import Message, name_of
from protocol.system import Ping, Pong

if typing.TYPE_CHECKING:
    from supervisors.context import Context
    from supervisors.exits import ExitReason

DEADLINE_S = 5.0
"""How long a handler may take unless it says otherwise."""

F = TypeVar("F", bound=Callable[..., Any])


class Waiting(Exception):
    """Raised by ``on_start``: something this actor needs is missing.

    Costs no restart budget. The start is tried again with a growing delay, or at once when
    something re-arms the child.
    """


class _Ignore:
    """Type of `IGNORE`."""


IGNORE = _Ignore()
"""Returned by ``on_start``: do not run, and do not count it as a failure (OTP's ``ignore``)."""


class _Later:
    """Type of `LATER`."""


LATER = _Later()
"""Returned by a handler that will answer its request later, through ``ctx.reply``."""


class Handler(msgspec.Struct, frozen=True):
    """One entry of an actor's vocabulary.

    Attributes:
        name: the message's tag.
        message: its type.
        method: name of the handling method.
        deadline_s: how long it may take.
        is_command: whether people may send it from outside.
        decode: bytes to a validated message.
    """

    name: str
    message: type[Message]
    method: str
    deadline_s: float
    is_command: bool
    decode: Callable[[bytes], Message]

    @property
    def help(self) -> str:
        """First line of the message's docstring."""
        return (inspect.getdoc(self.message) or "").partition("\n")[0]


def handles(
    message: type[Message], *, deadline_s: float = DEADLINE_S, command: bool = False
) -> Callable[[F], F]:
    """Mark a method as the handler of a message type.

    Args:
        message: the type it takes.
        deadline_s: how long it may take before it counts as hung.
        command: whether ``rvm-edge send`` and remote commands may reach it.
    """

    def mark(method: F) -> F:
        entries = getattr(method, "__handles__", ())
        method.__handles__ = (*entries, (message, deadline_s, command))  # type: ignore[attr-defined]
        return method

    return mark


class Actor:
    """Base of all actors. Override what you need; ``__init__`` takes the child spec's args.

    Attributes:
        ctx: the actor's way to the world; set before ``on_start``, not yet in ``__init__``.
        handlers: its closed vocabulary, by message name.
    """

    ctx: Context
    handlers: ClassVar[Mapping[str, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the handlers; two for one message are a mistake."""
        super().__init_subclass__(**kwargs)
        cls.handlers = _collect(cls, cls.handlers)

    @handles(Ping, command=True)
    def ping(self, message: Ping) -> Pong:
        """Every actor answers this one."""
        return Pong(self.ctx.path, self.ctx.incarnation)

    def on_start(self) -> Any:
        """Acquire what is needed; raise `Waiting` if it is missing, return `IGNORE` to not run."""

    def on_stop(self, reason: ExitReason) -> Any:
        """Release it. After a crash this is best effort."""


def _collect(actor: type[Actor], inherited: Mapping[str, Handler]) -> dict[str, Handler]:
    table = dict(inherited)
    for method_name, method in vars(actor).items():
        for message, deadline_s, is_command in getattr(method, "__handles__", ()):
            name = name_of(message)
            known = table.get(name)
            if known is not None and known.message is not message:
                msg = f"{actor.__name__}: two message types are called {name!r}"
                raise TypeError(msg)
            decode = msgspec.msgpack.Decoder(message).decode
            table[name] = Handler(name, message, method_name, deadline_s, is_command, decode)
    return table


Actor.handlers = _collect(Actor, {})


class AsyncActor(Actor):
    """An actor whose hooks and handlers may be coroutines.

    Its thread runs one event loop and nothing else does. Handlers still run one at a time; longer
    work goes into ``ctx.spawn(coroutine)``, whose failure is the actor's.
    """


def commands_of(actor: type[Actor]) -> dict[str, Handler]:
    """The commands people may send to an actor, by their short name.

    ``"motor.rotate"`` is sent as ``rotate``; the full name works as well.
    """
    return {
        handler.name.rsplit(".", 1)[-1]: handler
        for handler in actor.handlers.values()
        if handler.is_command
    }


def build(actor: type[Actor], args: Mapping[str, Any]) -> Actor:
    """Make an actor from arguments that came through msgpack.

    Arguments are converted to what ``__init__`` is annotated with and validated on the way.

    Raises:
        msgspec.ValidationError: an argument is not what the annotation says.
        TypeError: an argument is missing or unknown.
    """
    hints = typing.get_type_hints(actor.__init__)
    converted = {
        name: msgspec.convert(value, hints[name]) if name in hints else value
        for name, value in args.items()
    }
    return actor(**converted)
