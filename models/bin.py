"""How full the bin is, and what follows from it.

    open ──▶ warn ──▶ full     from `warn_percent`, from `full_percent` on
    open ◀── warn ◀── full     only well below, so that nothing flutters

The level is the middle one of the sensor's last three: a single jump is not believed until it
repeats. While the sensor is silent the level is reckoned from the items that fall, so that a
machine with a dead sensor closes before it overflows.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
from msgspec.structs import replace

from config.settings import BinSettings

Stage = Literal["open", "warn", "full"]

PERCENT_AN_ITEM = 100 / 120
"""97 bottles of 0.6 l, not pressed, fill 80 % of 0.25 m² × 0.7 m."""

READINGS_KEPT = 3


class Bin(msgspec.Struct, frozen=True):
    """What is known of the bin.

    Attributes:
        stage: ``warn``: send somebody; ``full``: nothing more goes in.
        measured: the last level that was believed, in percent; None: never measured, never emptied.
        is_silent: the sensor gives nothing.
        readings: the sensor's last ones, oldest first, in percent.
        unseen: items that fell since, while the sensor was silent.
        limits: of the machine; the ones that were given last.
    """

    stage: Stage = "open"
    measured: float | None = None
    is_silent: bool = True
    readings: tuple[float, ...] = ()
    unseen: int = 0
    limits: BinSettings = BinSettings()

    @property
    def percent(self) -> float | None:
        """Level, reckoned while the sensor is silent; None: unknown."""
        return None if self.measured is None else self.reckoned

    @property
    def reckoned(self) -> float:
        """Level in percent; a bin of which nothing is known counts from empty."""
        return min((self.measured or 0.0) + self.unseen * PERCENT_AN_ITEM, 100.0)


def levelled(was: Bin, percent: float | None, limits: BinSettings) -> Bin:
    """Believe the sensor, or its silence.

    Args:
        was: the bin so far.
        percent: the sensor's reading; None: it gives none.
        limits: from which level on what.
    """
    if percent is None or not math.isfinite(percent):
        return _staged(replace(was, is_silent=True, limits=limits))
    # After a silence the reckoned level is what a first echo has to stand against.
    is_back = was.is_silent and was.percent is not None
    before = (was.reckoned,) * READINGS_KEPT if is_back else was.readings
    return _measured(was, (*before, min(max(percent, 0.0), 100.0)), limits)


def dropped(was: Bin, limits: BinSettings | None = None) -> Bin:
    """One more item lies in it.

    A sensor that is well has the say: what it said last, it says still.
    """
    limits = limits or was.limits
    if was.is_silent:
        return _staged(replace(was, unseen=was.unseen + 1, limits=limits))
    return _measured(was, (*was.readings, was.readings[-1]), limits)


def emptied(was: Bin) -> Bin:
    """Somebody has exchanged it; the sensor, if it is well, soon says so itself."""
    readings = (0.0,) * READINGS_KEPT
    return Bin("open", 0.0, is_silent=was.is_silent, readings=readings, limits=was.limits)


def _measured(was: Bin, readings: tuple[float, ...], limits: BinSettings) -> Bin:
    kept = readings[-READINGS_KEPT:]
    middle = sorted(kept)[(len(kept) - 1) // 2]
    return _staged(Bin(was.stage, middle, is_silent=False, readings=kept, limits=limits))


def _staged(was: Bin) -> Bin:
    return replace(was, stage=_stage(was.stage, was.reckoned, was.limits))


def _stage(standing: Stage, level: float, limits: BinSettings) -> Stage:
    """The stage at this level; a worse one is left as far below its limit as a full bin is."""
    slack = limits.full_percent - limits.reopen_percent
    if level >= limits.full_percent or (standing == "full" and level >= limits.reopen_percent):
        return "full"
    if level >= limits.warn_percent or (
        standing != "open" and level >= limits.warn_percent - slack
    ):
        return "warn"
    return "open"
