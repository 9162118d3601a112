"""How an actor ended. Only `Normal` and `Shutdown` are normal; everything else is a failure.

Normal         it stopped itself
Shutdown       its supervisor (or it, with a reason) stopped it
Crash          an exception left on_start, a handler, or on_stop
Exit           its process ended without saying goodbye, 0 included
Signal         its process was ended by a signal nobody here sent
Killed         its supervisor lost patience, or never had any
Hung           a handler overran its deadline, or its process stopped beating
ProtocolError  it sent bytes that are no message
Unsafe         its fail_safe did not succeed after any of the above
"""

from __future__ import annotations

import linecache
import signal
import traceback
import zlib

import msgspec

_STACK_CHARS = 6000
_STACK_FRAMES = 40
"""Longest stack kept in a reason: small enough for every status page."""


class _Reason(msgspec.Struct, frozen=True, tag=True):
    @property
    def is_normal(self) -> bool:
        """Whether a transient child stays down after it."""
        return False

    def __str__(self) -> str:
        return type(self).__name__


class Normal(_Reason, frozen=True):
    """The actor stopped itself."""

    @property
    def is_normal(self) -> bool:
        """Always."""
        return True


class Shutdown(_Reason, frozen=True):
    """It was asked to stop, or stopped itself and said why."""

    why: str = ""

    @property
    def is_normal(self) -> bool:
        """Always: ``shutdown`` and ``{shutdown, Term}`` are normal in OTP."""
        return True

    def __str__(self) -> str:
        return f"Shutdown({self.why})" if self.why else "Shutdown"


class Crash(_Reason, frozen=True):
    """An exception got out."""

    exception: str
    message: str = ""
    stack: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Crash:
        """Describe an exception with its stack."""
        return cls(type(error).__qualname__, str(error)[:500], _stack(error)[-_STACK_CHARS:])

    @property
    def fingerprint(self) -> str:
        """Same code path, same fingerprint: for counting a crash loop instead of logging it."""
        return f"{zlib.crc32(self.stack.encode()):08x}"

    def __str__(self) -> str:
        return (
            f"Crash({self.exception}: {self.message})"
            if self.message
            else f"Crash({self.exception})"
        )


class Exit(_Reason, frozen=True):
    """Its process ended by itself without goodbye. Status 0 is no better than another."""

    status: int
    last_words: str = ""

    def __str__(self) -> str:
        return f"Exit({self.status})"


class Signal(_Reason, frozen=True):
    """Its process was ended by a signal that nobody here sent."""

    number: int
    last_words: str = ""

    def __str__(self) -> str:
        try:
            return f"Signal({signal.Signals(self.number).name})"
        except ValueError:
            return f"Signal({self.number})"


class Killed(_Reason, frozen=True):
    """Its supervisor ended it by force."""

    why: str = ""

    def __str__(self) -> str:
        return f"Killed({self.why})" if self.why else "Killed"


class Hung(_Reason, frozen=True):
    """It was alive and did nothing: where it stood when it was given up."""

    where: str
    stack: str = ""

    def __str__(self) -> str:
        return f"Hung({self.where})"


class ProtocolError(_Reason, frozen=True):
    """It sent something that is not a message."""

    detail: str

    def __str__(self) -> str:
        return f"ProtocolError({self.detail})"


class Unsafe(_Reason, frozen=True):
    """It ended, and its fail_safe did not bring the hardware to rest."""

    cause: str
    detail: str

    def __str__(self) -> str:
        return f"Unsafe({self.detail} after {self.cause})"


ExitReason = Normal | Shutdown | Crash | Exit | Signal | Killed | Hung | ProtocolError | Unsafe
"""Every way an actor can end."""


def _stack(error: BaseException) -> str:
    """The traceback as text.

    The restart waits for it, and the standard library takes longer to underline the guilty columns
    than the restart takes. So it is asked only about exceptions with a history.
    """
    if error.__cause__ or error.__context__ or hasattr(error, "exceptions"):
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    lines = ["Traceback (most recent call last):\n"]
    for frame, number in list(traceback.walk_tb(error.__traceback__))[-_STACK_FRAMES:]:
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        source = linecache.getline(file, number, frame.f_globals).strip()
        lines.append(f'  File "{file}", line {number}, in {name}\n    {source}\n')
    return "".join(lines + traceback.format_exception_only(type(error), error))


def from_wait_status(status: int, last_words: str = "") -> ExitReason:
    """The reason behind a ``waitpid`` exit code (negative: a signal)."""
    if status < 0:
        return Signal(-status, last_words)
    return Exit(status, last_words)


def stack_of(reason: ExitReason) -> str:
    """The stack or last words a reason carries, or nothing."""
    if isinstance(reason, (Crash, Hung)):
        return reason.stack
    if isinstance(reason, (Exit, Signal)):
        return reason.last_words
    return ""
