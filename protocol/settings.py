"""What is said about settings inside the machine: who desires them, who puts them into force.

sync    ── StageSettings ────▶ /settings   check this version and put it onto the disk
sync    ── ApplySettings ────▶ /settings   let it be in force, on trial
sync    ── ConfirmSettings ──▶ /settings   the trial was passed
sync    ── RevertSettings ───▶ /settings   take it back
anybody ── DescribeSettings ─▶ /settings

`/settings` is no actor: the daemon itself answers there, because it alone can change its tree. A
version is in force on trial, as in NETCONF's confirmed commit (RFC 6241 section 8.4): who does not
confirm it in time, because he has died of it perhaps, gets it taken back.

Failed codes: ``wrong`` it does not fit any more; ``stale`` another version is meant than the one at
hand; ``storage`` the disk does not take it; ``start`` an actor could not start with it, and it has
been taken back; ``stopping`` the machine is being stopped.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from protocol.message import Delivery, Message
from protocol.platform.twin import KeyReport

ADDRESS = "/settings"
DESIRED_BYTES_MAX = 64 * 1024
"""Of a whole version as JSON: six times all keys there are, and it fits into a message."""


class _ToDaemon(Message, frozen=True):
    delivery: ClassVar[Delivery] = Delivery.EVENT


class StageSettings(_ToDaemon, frozen=True, tag="settings.stage"):
    """Sync: the platform desires this.

    Attributes:
        settings: a JSON object.
    """

    version: int
    settings: bytes


class SettingsStaged(Message, frozen=True, tag="settings.staged"):
    """Daemon: it is right, and on the disk; or it is not, and nothing has happened.

    Attributes:
        refused: why it is not taken; empty: it is.
        denied: because it was rolled back before.
        keys: about every key of it.
        in_force: it is what the machine runs with already.
    """

    version: int
    digest: str
    refused: str = ""
    keys: dict[str, KeyReport] = msgspec.field(default_factory=dict)
    in_force: bool = False
    denied: bool = False


class ApplySettings(_ToDaemon, frozen=True, tag="settings.apply"):
    """Sync: now; and take it back unless I confirm it within this time.

    Attributes:
        had_link: the platform can be reached; remembered for whoever watches.
    """

    version: int
    confirm_s: float
    had_link: bool = False


class SettingsApplied(Message, frozen=True, tag="settings.applied"):
    """Daemon: every actor that it concerns runs with it.

    Attributes:
        version: what is in force now.
        touched: addresses that stopped, started, or started anew.
        needs_start: the daemon has to start anew for it, and does so where something starts it;
            else it is in force from its next start on.
    """

    version: int
    touched: tuple[str, ...] = ()
    took_s: float = 0.0
    needs_start: bool = False


class ConfirmSettings(_ToDaemon, frozen=True, tag="settings.confirm"):
    """Sync: it has proved itself."""

    version: int


class RevertSettings(_ToDaemon, frozen=True, tag="settings.revert"):
    """Sync: it does harm. Never again this version."""

    version: int
    reason: str


class DescribeSettings(_ToDaemon, frozen=True, tag="settings.describe"):
    """Anybody: what is in force, and how is the machine with it?"""


class RolledBack(msgspec.Struct, frozen=True):
    """A version that was taken back, and why."""

    version: int
    digest: str
    reason: str
    at: float = 0.0


class SettingsDescribed(Message, frozen=True, tag="settings.described"):
    """Daemon: this.

    Attributes:
        version: of the platform's that is in force; 0: none.
        state: of it; ``watching``: on trial.
        keys: about every key of it, as the layers are now.
        trial_s: for how long it has been on trial in this run of the daemon.
        confirm_in_s: it is taken back then; None: it is not on trial.
        baseline: who was unwell before the trial began.
        had_link: the platform could be reached before it began.
        unwell: who is now, by address, and why.
        passing: who of them is just being stopped or started, which passes or becomes a failure.
        failures: abnormal ends of each actor in this run of the daemon.
        behind: who is not made of what is in force, by address; nobody, unless a change is under
            way or the daemon has to start anew.
        rolled_back: the newest, if any.
        troubles: damaged files and the like, a sentence each.
    """

    version: int
    digest: str
    state: Literal["none", "watching", "kept"]
    keys: dict[str, KeyReport] = msgspec.field(default_factory=dict)
    trial_s: float = 0.0
    confirm_in_s: float | None = None
    baseline: tuple[str, ...] = ()
    had_link: bool = False
    unwell: dict[str, str] = msgspec.field(default_factory=dict)
    passing: tuple[str, ...] = ()
    failures: dict[str, int] = msgspec.field(default_factory=dict)
    behind: tuple[str, ...] = ()
    rolled_back: RolledBack | None = None
    troubles: tuple[str, ...] = ()


SettingsRequest = (
    StageSettings | ApplySettings | ConfirmSettings | RevertSettings | DescribeSettings
)
"""What the daemon takes at `ADDRESS`."""
SettingsMessage = SettingsRequest | SettingsStaged | SettingsApplied | SettingsDescribed
