"""Why a sensor cannot be trusted."""

from __future__ import annotations

from typing import Literal, NamedTuple

What = Literal["stuck", "dead", "noisy", "frozen", "implausible"]


class Fault(NamedTuple):
    """One sensor's fault.

    Attributes:
        what: the code.
        detail: a sentence for people.
    """

    what: What
    detail: str
