"""How a camera stands, for whoever asks: the daemon's own and one that a command opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.vision import CameraReport

if TYPE_CHECKING:
    from actors.camera.burst import Burst
    from actors.camera.lookout import Lookout


def report(lookout: Lookout, burst: Burst, now_ns: int) -> CameraReport:
    """Say how it stands.

    Args:
        lookout: whose.
        burst: what was just looked at; what went wrong with it is told, though it may pass.
        now_ns: the time (monotonic).
    """
    state, why = lookout.trouble
    if not burst.is_complete and not state:
        state, _, why = burst.why.partition(": ")
    frame = burst.frames[-1] if burst.frames else None
    numbers = lookout.eye.numbers(now_ns)
    return CameraReport(lookout.source.name, state or "ok", why, numbers, frame)
