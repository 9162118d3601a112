"""Settings in sync: what the platform desires, and what the machine reports of it.

platform ── doorbell: event ``settings`` ─▶ machine
machine  ── GET  /edge/settings, If-None-Match ─▶ Desired | 304
machine  ── POST /edge/settings/reports  Reported ─▶ nothing

`Desired` is whole: a key that is not in it is not desired any more, and the layer below speaks.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

SettingsCode = Literal[200, 202, 400, 409, 424, 500]
"""200 in force; 202 waits (an item is in the machine, or it is being watched); 400 wrong;
409 a local word is stronger; 424 another key of the same version was wrong; 500 it was tried and
taken back."""
SettingsState = Literal[
    "staged", "applied", "watching", "kept", "refused", "rolled_back", "deferred"
]


class Desired(Struct, frozen=True):
    """Platform: this is how the machine shall be set.

    Attributes:
        version: grows with every change; 0: nothing has ever been desired.
        settings: dotted keys, ``motor.lease_s``.
    """

    version: Annotated[int, Meta(ge=0)]
    settings: dict[str, Any] = {}


class KeyReport(Struct, frozen=True):
    """What became of one key (Azure's convention: value, version, code, reason)."""

    value: Any
    version: int
    code: SettingsCode
    reason: str = ""


class Reported(Struct, frozen=True):
    """Machine: this became of version `version`.

    Attributes:
        in_force: the version that the machine now runs with.
        reason: of a refusal or a roll-back.
    """

    version: int
    state: SettingsState
    in_force: int
    at: float
    reason: str = ""
    keys: dict[str, KeyReport] = {}
