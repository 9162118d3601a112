"""What the link shows of itself: in status, and to whoever asks."""

from __future__ import annotations

from typing import Any

from actors.uplink.calls import Caller
from actors.uplink.identity import Identity
from actors.uplink.tls import PINS_ADVISED, read_pins
from actors.uplink.watching import Watcher
from protocol.platform.identity import Welcome
from protocol.uplink import Grade, LinkDescribed

_CLOCK_OFF_S = 5.0
"""What is less is nobody's trouble."""


def described(
    watcher: Watcher, identity: Identity, caller: Caller, grade: Grade, welcome: Welcome | None
) -> LinkDescribed:
    """How the way stands."""
    mark, off_s = identity.mark, caller.clock_off_s
    rvm_id = None if mark is None else mark.rvm_id
    return LinkDescribed(
        grade=grade,
        path=watcher.current,
        stages=watcher.stages(),
        enrolled=mark is not None or welcome is not None,
        rvm_id=rvm_id if welcome is None else welcome.rvm_id,
        token_left_s=identity.left_s,
        paused=caller.paused,
        clock_off_s=None if off_s is None else round(off_s, 1),
    )


def notes(watcher: Watcher, identity: Identity, caller: Caller, pins: str | None) -> dict[str, Any]:
    """For status; None where there is nothing to tell.

    Args:
        pins: as the settings have them.
    """
    left_s, off_s = identity.left_s, caller.clock_off_s
    is_off = off_s is not None and abs(off_s) > _CLOCK_OFF_S
    count = len(read_pins(pins))
    return {
        "path": watcher.current or None,
        "stops": watcher.in_words(),
        "token_left_s": None if left_s is None else round(left_s),
        "paused": ", ".join(caller.paused) or None,
        "clock_off_s": round(off_s or 0.0, 1) if is_off else None,
        "pins": f"only {count}: add a spare key's" if 0 < count < PINS_ADVISED else None,
    }
