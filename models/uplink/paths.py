"""Which of several paths to the platform is taken: no sooner than it must, no oftener than it may.

A path that fails is left at once if another is good. If none is, it may fail once more before the
way is called closed: one lost packet is no outage. The preferred path is taken again only after it
has been good without a break for a while; a path that comes and goes is not come back to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

STRIKES = 2
"""So often the only path fails in a row before the way is closed."""

SETTLE_S = 2.0
"""At the start, a preferred path may answer so much later than another and is still taken."""

State = Literal["unknown", "good", "failing", "bad"]


class Path(Struct, frozen=True):
    """One path.

    Attributes:
        strikes: failures in a row.
        good_since_s: monotonic; None: it is not good.
    """

    name: str
    strikes: int = 0
    good_since_s: float | None = None

    @property
    def state(self) -> State:
        """What is known of it."""
        if self.good_since_s is not None:
            return "good"
        if not self.strikes:
            return "unknown"
        return "failing" if self.strikes < STRIKES else "bad"


class Paths(Struct, frozen=True):
    """All of them.

    Attributes:
        paths: the preferred one first.
        current: name of the one that is taken; empty: the way is closed.
        began_s: monotonic.
    """

    paths: tuple[Path, ...]
    began_s: float
    current: str = ""

    def find(self, name: str) -> Path:
        """The path of this name.

        Raises:
            KeyError: there is none.
        """
        for path in self.paths:
            if path.name == name:
                return path
        raise KeyError(name)


def begin(names: Iterable[str], now_s: float) -> Paths:
    """Nothing is known yet."""
    return Paths(tuple(Path(name) for name in names), now_s)


def told(paths: Paths, name: str, now_s: float, return_after_s: float, *, good: bool) -> Paths:
    """A path has carried something to the platform and back, or has failed to.

    Args:
        now_s: monotonic.
        return_after_s: so long the preferred path is good before it is taken again.
    """
    before = paths.find(name)
    if good:
        since_s = now_s if before.good_since_s is None else before.good_since_s
        after = Path(name, 0, since_s)
    else:
        after = Path(name, before.strikes + 1)
    changed = tuple(after if path.name == name else path for path in paths.paths)
    return chosen(replace(paths, paths=changed), now_s, return_after_s)


def chosen(paths: Paths, now_s: float, return_after_s: float) -> Paths:
    """Which one is taken now, with what is known."""
    return replace(paths, current=_choice(paths, now_s, return_after_s))


def _choice(paths: Paths, now_s: float, return_after_s: float) -> str:
    good = [path for path in paths.paths if path.good_since_s is not None]
    if not paths.current:
        return _first(paths, now_s)
    current = paths.find(paths.current)
    if current.good_since_s is None:
        if good:
            return good[0].name
        return "" if current.state == "bad" else current.name
    for path in good:  # the preferred first; the current one ends the search
        if path is current or now_s - (path.good_since_s or 0.0) >= return_after_s:
            return path.name
    return current.name


def _first(paths: Paths, now_s: float) -> str:
    """The best of those that are good; a better one that has not answered yet has a moment."""
    for path in paths.paths:
        if path.state == "good":
            return path.name
        if path.state == "unknown" and now_s - paths.began_s < SETTLE_S:
            return ""
    return ""
