"""Whether a machine lives, by what it has said last.

unborn ─ birth ─▶ alive ─ silence ─▶ late ─ more of it ─▶ lost
                    └─── death ───▶ dead       anything said makes it alive again
"""

from __future__ import annotations

from typing import Literal

Liveness = Literal["unborn", "alive", "late", "lost", "dead"]

LATE_AFTER = 1.5
"""Heartbeats: one is late beyond its jitter of a tenth and a retry."""
LOST_AFTER = 2.5
"""Heartbeats, after which a platform infers a death that nobody has told."""


def liveness(
    *, last_seen_at: float | None, died_at: float | None, now_s: float, heartbeat_s: float
) -> Liveness:
    """How it stands.

    Args:
        died_at: it has said that it ends, and nothing since.
    """
    if died_at is not None:
        return "dead"
    if last_seen_at is None:
        return "unborn"
    silence = (now_s - last_seen_at) / heartbeat_s
    if silence > LOST_AFTER:
        return "lost"
    return "late" if silence > LATE_AFTER else "alive"
