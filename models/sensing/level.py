"""How full the bin is, from the distance to what lies in it.

Echoes get lost, and what lies in a bin is no surface: the middle one of several readings counts.
"""

from __future__ import annotations

import math
from statistics import median_low

import msgspec

from config.settings import SensorsSettings
from models.sensing.channel import Range
from models.sensing.fault import Fault

_BELOW_FLOOR_M = 0.05
"""An echo may seem to come from so far below the floor: noise, and a lid that is not level."""
_SCATTER_M = 0.08
"""Half the readings lie farther from the middle one. A bin's rugged surface scatters by 15 mm."""
_ROUGH_MAX = 10
"""So often in a row: two full sets of echoes. One exchanged bin is a few."""
_JUMP_PERCENT = 25.0
_JUMPS_MAX = 4
_JUMPS_WITHIN_S = 60.0
"""An item adds a percent, an exchanged bin is one jump, a hand in it two: the fourth jump within a
minute is the sensor's own."""


class Level(msgspec.Struct, frozen=True):
    """What is known of the bin.

    Attributes:
        echoes: the newest readings in m, oldest first; None: nothing came back.
        percent: how full it is; None: unknown.
        rough: how often in a row the readings did not agree.
        jumps: when it last jumped.
    """

    echoes: tuple[float | None, ...] = ()
    percent: float | None = None
    rough: int = 0
    jumps: tuple[float, ...] = ()


def possible_m(depth_m: float) -> Range:
    """What the sensor in the lid of a bin of this depth can measure."""
    return Range(0.0, depth_m + _BELOW_FLOOR_M)


def heard(
    level: Level, echo_m: float | None, depth_m: float, now_s: float, limits: SensorsSettings
) -> Level:
    """Take one echo into account, or that there was none."""
    echoes = (*level.echoes, echo_m)[-limits.bin_readings :]
    good = [one for one in echoes if one is not None]
    percent = level.percent if good else None
    rough = level.rough
    if 2 * len(good) > limits.bin_readings:  # else the few that came back decide nothing
        middle_m = median_low(good)  # a measured one, and of two the fuller
        percent = min(100.0, max(0.0, 100.0 * (1.0 - middle_m / depth_m)))
        scatter_m = median_low(abs(one - middle_m) for one in good)
        rough = level.rough + 1 if scatter_m > _SCATTER_M else 0
    jumps = tuple(at_s for at_s in level.jumps if now_s - at_s < _JUMPS_WITHIN_S)
    if level.percent is not None and percent is not None:
        has_jumped = abs(percent - level.percent) >= _JUMP_PERCENT
        jumps = (*jumps[1 - _JUMPS_MAX :], now_s) if has_jumped else jumps
    return Level(echoes, percent, rough, jumps)


def level_fault(level: Level) -> Fault | None:
    """What is wrong with the level, the channel aside."""
    if len(level.jumps) >= _JUMPS_MAX:
        return Fault("implausible", "the level jumps up and down")
    if level.rough >= _ROUGH_MAX:
        return Fault("noisy", "no two echoes agree")
    return None


def is_news(told: float | None, percent: float | None) -> bool:
    """Whether a level is worth telling: it differs by a percent, or is known or unknown anew."""
    if told is None or percent is None:
        return told is not percent
    return not math.isclose(told, percent, abs_tol=1.0)
