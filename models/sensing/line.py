"""One digital line: a level counts once it has lasted, longer for free than for covered.

         ┌┐ ┌──────┐┌────────────┐         ┌┐
    raw  ┘└─┘      └┘            └─────────┘└──
                ┌─────────────────────┐
    believed ───┘                     └────────
            ▲ since              ▲ since  ▲ a blip

A beam that looks through a clear bottle reads free now and then, a free beam hardly ever reads
covered. So on the way to *covered* a short free look only counts against it, while on the way to
*free* one covered look begins anew. ``since_s`` is when the level began, before it was believed.
"""

from __future__ import annotations

import msgspec

_BLIPS_KEPT = 200
"""As many as may be asked for: `SensorsSettings.beam_blips_max`."""
_ROUNDING_S = 1e-9


class Times(msgspec.Struct, frozen=True):
    """How long a level has to last.

    Attributes:
        cover_s: until covered is believed, and also that the line cannot be read.
        free_s: until free is believed.
    """

    cover_s: float
    free_s: float


class Line(msgspec.Struct, frozen=True):
    """What is known of a line.

    Attributes:
        level: what is believed; None: it cannot be read, or was never looked at.
        since_s: when that began.
        is_known: whether anything was ever believed.
        next_level: what it reads instead, if ``is_changing``.
        next_since_s: since when.
        lasted_s: how much speaks for it.
        looked_s: last look since then.
        blips: when it last read covered for too short a time.
    """

    level: bool | None = None
    since_s: float = 0.0
    is_known: bool = False
    is_changing: bool = False
    next_level: bool | None = None
    next_since_s: float = 0.0
    lasted_s: float = 0.0
    looked_s: float = 0.0
    blips: tuple[float, ...] = ()


def looked(line: Line, level: bool | None, now_s: float, times: Times) -> Line:
    """Take one look into account.

    Args:
        level: what the line reads; None: it cannot be read.
        now_s: monotonic.

    Returns:
        The very same value when there is nothing new; that is nearly always.
    """
    if line.is_known and level is line.level:
        return _fading(line, now_s) if line.is_changing else line
    if line.is_changing and level is line.next_level:
        since_s, lasted_s = line.next_since_s, line.lasted_s + now_s - line.looked_s
    else:
        since_s, lasted_s = now_s, 0.0
    needed_s = times.free_s if level is False else times.cover_s
    if lasted_s + _ROUNDING_S >= needed_s:
        return Line(level=level, since_s=since_s, is_known=True, blips=line.blips)
    return Line(
        level=line.level,
        since_s=line.since_s,
        is_known=line.is_known,
        is_changing=True,
        next_level=level,
        next_since_s=since_s,
        lasted_s=lasted_s,
        looked_s=now_s,
        blips=line.blips,
    )


def _fading(line: Line, now_s: float) -> Line:
    """It reads again what is believed: the change it was about to make loses ground."""
    is_cover = line.level is False and line.next_level is True
    left_s = line.lasted_s - (now_s - line.looked_s)
    if is_cover and left_s > -_ROUNDING_S:
        return msgspec.structs.replace(line, lasted_s=left_s, looked_s=now_s)
    blips = (*line.blips[1 - _BLIPS_KEPT :], now_s) if is_cover else line.blips
    return Line(level=line.level, since_s=line.since_s, is_known=True, blips=blips)


def blips_since(line: Line, since_s: float) -> int:
    """How often, since then, it read covered and did not mean it."""
    return sum(at_s > since_s for at_s in line.blips)
