"""What waits for its moment: a time, a motor that starts, an item that gets somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from models.world.agenda import Agenda
from models.world.items import Lane
from models.world.parameters import STEPS_PER_S
from models.world.pins import MOTORS


class When(NamedTuple):
    """A moment, as `protocol.simulation` describes one: place or motion first, then a delay."""

    at_x_m: float = -1.0
    at_motion: str = ""
    after_s: float = 0.0

    @property
    def is_now(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.at_x_m < 0 and not self.at_motion and self.after_s <= 0


class _Waiting(NamedTuple):
    when: When
    action: Callable[..., None]
    args: tuple[Any, ...]


class Triggers:
    """Actions that wait for something other than a time, or for that and then for a time."""

    def __init__(self, agenda: Agenda, lane: Lane) -> None:
        """Args: agenda: what is due goes there. lane: whose items pass places."""
        self._agenda = agenda
        self._lane = lane
        self._waiting: list[_Waiting] = []

    def arm(self, when: When, step: int, action: Callable[..., None], *args: Any) -> None:
        """Do something at that moment."""
        if when.at_x_m < 0 and not when.at_motion:
            self._due(when, step, action, args)
            return
        self._waiting.append(_Waiting(when, action, args))
        self._watch()

    def started(self, motor: str, step: int) -> None:
        """A motor begins to be driven."""
        self._release(step, lambda when: when.at_motion == motor)

    def passed(self, x_m: float, step: int) -> None:
        """The front of an item has gone by a place."""
        self._release(step, lambda when: not when.at_motion and when.at_x_m == x_m)

    def _release(self, step: int, fits: Callable[[When], bool]) -> None:
        due = [each for each in self._waiting if fits(each.when)]
        if due:
            self._waiting = [each for each in self._waiting if not fits(each.when)]
            self._watch()
        for each in due:
            self._due(each.when, step, each.action, each.args)

    def _due(
        self, when: When, step: int, action: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        self._agenda.add(step + round(max(0.0, when.after_s) * STEPS_PER_S), action, *args)

    def _watch(self) -> None:
        places = {each.when.at_x_m for each in self._waiting if not each.when.at_motion}
        self._lane.watched_m = tuple(sorted(places))


def check_when(when: When, longest_s: float) -> str:
    """Say what is wrong with a moment somebody names; empty: nothing."""
    if when.at_motion and when.at_motion not in MOTORS:
        return f"a motion is one of {', '.join(MOTORS)}, not {when.at_motion!r}"
    if not 0 <= when.after_s <= longest_s:
        return f"after_s is from 0 to {longest_s:g} seconds, not {when.after_s:g}"
    if not -1 <= when.at_x_m <= 1:
        return f"at_x_m is a place in the machine, up to 1 m, not {when.at_x_m:g}"
    return ""
