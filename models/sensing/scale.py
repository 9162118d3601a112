"""The scale: a weight counts once it is at rest.

A load cell with an item on it swings at some 25 Hz for half a second, and a bus now and then gives
a value that nobody measured. So a weight is the mean of a window of readings that agree with each
other; of these a few may be far off and are left out. Readings that agree to the last bit are no
measurement either: noise is above a bit on every scale that lives.
"""

from __future__ import annotations

from statistics import fmean, median

import msgspec

from config.settings import SensorsSettings
from models.sensing.fault import Fault

_READINGS_MIN = 4
"""In a window; below that neither rest nor an outlier can be told."""
_OUTLIERS_MAX = 0.25
"""Share of a window that may be left out."""
_UNREST_FULL = 6
_UNREST_DRAIN = 2
"""A window that does not rest fills a bucket, one that does drains it twice as fast: a lorry that
passes is nothing, a scale of which most windows do not rest is of no use."""
_TRACKED_G = 2.0
"""So far zero is followed at a time without being asked; no item is as light."""
_LOADED_MAX = 4
"""So many looks in a row at a scale that should be empty, and is not: twenty seconds."""


class Window(msgspec.Struct, frozen=True):
    """The newest readings of one weighing.

    Attributes:
        began_ns: of its first reading, -1 before it.
        readings: when and how much in g, oldest first.
    """

    began_ns: int = -1
    readings: tuple[tuple[int, float], ...] = ()


class Rest(msgspec.Struct, frozen=True):
    """What a window says.

    Attributes:
        raw_g: the weight, with the tare in it; None: it is not at rest.
        spread_g: between the smallest and the largest reading that count.
        why: ``few``, ``moves`` or ``frozen``, where there is no weight.
    """

    raw_g: float | None
    spread_g: float = 0.0
    why: str = ""


def add(window: Window, at_ns: int, raw_g: float, limits: SensorsSettings) -> Window:
    """Take a reading into the window; what is older than the window falls out."""
    oldest_ns = at_ns - round(limits.scale_window_s * 1e9)
    kept = tuple(one for one in window.readings if one[0] >= oldest_ns)
    began_ns = at_ns if window.began_ns < 0 else window.began_ns
    return Window(began_ns, (*kept, (at_ns, raw_g)))


def rest(window: Window, limits: SensorsSettings) -> Rest:
    """Is it at rest, and at which weight?"""
    values = [raw_g for _, raw_g in window.readings]
    newest_ns = window.readings[-1][0] if values else -1
    covers_s = (newest_ns - window.began_ns) / 1e9
    if len(values) < _READINGS_MIN or covers_s < limits.scale_window_s:
        return Rest(None, why="few")
    if min(values) == max(values):
        return Rest(None, why="frozen")
    middle = median(values)
    near = [one for one in values if abs(one - middle) <= limits.scale_spread_g_max]
    spread_g = max(near) - min(near) if near else max(values) - min(values)
    left_out = 1.0 - len(near) / len(values)
    if left_out > _OUTLIERS_MAX or spread_g > limits.scale_spread_g_max:
        return Rest(None, max(values) - min(values), "moves")
    return Rest(fmean(near), spread_g)


class Scale(msgspec.Struct, frozen=True):
    """The scale as a whole.

    Attributes:
        zero_g: what it reads with nothing on it; 0 is the zero of its installation.
        unrest: the bucket of weighings that did not come to rest.
        is_noisy: it has been full and not yet empty since.
        is_drifted: the last attempt to find zero was too far off.
        is_zeroed: its zero was found in this life; before that it may be anywhere.
        loaded: how often in a row it showed a weight while nothing was to be weighed.
    """

    zero_g: float = 0.0
    unrest: int = 0
    is_noisy: bool = False
    is_drifted: bool = False
    is_zeroed: bool = False
    loaded: int = 0


def ended(scale: Scale, last: Rest, unrest: int = 1) -> Scale:
    """A weighing is over, with this.

    Args:
        unrest: how much it tells if it did not come to rest: the more, the longer it had.
    """
    if last.why in {"few", "frozen"}:  # the channel's own rules see to that
        return scale
    change = unrest if last.raw_g is None else -_UNREST_DRAIN
    level = min(_UNREST_FULL, max(0, scale.unrest + change))
    is_noisy = level == _UNREST_FULL or (scale.is_noisy and level > 0)
    return msgspec.structs.replace(scale, unrest=level, is_noisy=is_noisy)


def tracked(scale: Scale, raw_g: float, limits: SensorsSettings) -> Scale:
    """Follow a zero that wanders with the temperature, while no item is dealt with.

    As scales in shops do: only what is nearer to zero than any item, and never farther from the
    installation's than a tare may be. More than that is a weight where nothing should be.
    """
    if abs(raw_g - scale.zero_g) > _TRACKED_G:
        loaded = min(_LOADED_MAX, scale.loaded + 1) if scale.is_zeroed else 0
        return msgspec.structs.replace(scale, loaded=loaded)
    return tared(scale, raw_g, limits)[0]


def tared(scale: Scale, raw_g: float, limits: SensorsSettings) -> tuple[Scale, str]:
    """Call a weight zero; or say why not, and keep the old one.

    Returns:
        The scale, and why the weight cannot be its zero; empty if it is.
    """
    if abs(raw_g) > limits.tare_drift_g_max:
        why = (
            f"{raw_g:+.1f} g from the zero of the installation, over {limits.tare_drift_g_max:g} g:"
            " clean the scale, or calibrate it again"
        )
        return msgspec.structs.replace(scale, is_drifted=True, loaded=0), why
    return msgspec.structs.replace(
        scale, zero_g=raw_g, is_drifted=False, is_zeroed=True, loaded=0
    ), ""


def scale_fault(scale: Scale) -> Fault | None:
    """What is wrong with the scale, its channel aside."""
    if scale.is_drifted:
        return Fault("implausible", "zero has wandered too far")
    if scale.loaded >= _LOADED_MAX:
        return Fault("implausible", "it shows a weight where nothing is")
    if scale.is_noisy:
        return Fault("noisy", "it does not come to rest")
    return None
