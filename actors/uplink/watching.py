"""Looks at every path for as long as the link lives, and says which one is taken.

A path that carries calls is not looked at; one that has failed to is, at once. One that is bad is
looked at again and again, at random moments that grow further apart.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from random import Random

from actors.uplink import facts
from actors.uplink.tls import pinned_context, read_pins
from actors.uplink.way import Probed, Way
from config.settings import UplinkSettings
from models.uplink import paths as rule
from models.uplink.again import full_jitter_s
from models.uplink.grade import grade
from protocol.uplink import Grade, Stage
from supervisors.clock import Clock

_LOOK_S, _LOOK_S_MAX = 1.0, 20.0
_THROUGH = "http"


class Watcher:
    """See the module.

    Attributes:
        ways: by name, the preferred one first.
    """

    def __init__(
        self,
        ways: Iterable[Way],
        limits: UplinkSettings,
        clock: Clock,
        rng: Random,
        moved: Callable[[str], None],
    ) -> None:
        """Make it.

        Args:
            moved: hears the name of the path before, whenever something has been learnt.
        """
        self.ways = {way.name: way for way in ways}
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._moved = moved
        self._doubts = {name: asyncio.Event() for name in self.ways}
        self._carried_s: dict[str, float] = {}
        self._paths = rule.begin(self.ways, clock.monotonic())

    # -- what is known --------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """Name of the path that is taken; empty: none is good."""
        return self._paths.current

    @property
    def way(self) -> Way | None:
        """The path that is taken."""
        return self.ways.get(self._paths.current)

    def grade(self) -> Grade:
        """How far the machine gets."""
        reached = [way.probed.reached for way in self.ways.values() if way.probed is not None]
        return grade(reached, is_open=bool(self.current), has_address=facts.has_address())

    def stages(self) -> tuple[Stage, ...]:
        """How far each path gets."""
        return tuple(self._stage(way) for way in self.ways.values())

    def _stage(self, way: Way) -> Stage:
        since_s = self._paths.find(way.name).good_since_s
        good_for_s = None if since_s is None else self._clock.monotonic() - since_s
        if way.probed is None:
            return Stage(way.name, way.url, "nothing", "not looked at yet")
        reached, detail, took_s = way.probed
        return Stage(way.name, way.url, reached, detail, took_s, good_for_s)

    def in_words(self) -> str | None:
        """What keeps each path that is not good."""
        told = [
            f"{way.name} stops after {way.probed.reached}: {way.probed.detail}"
            for way in self.ways.values()
            if way.probed is not None and way.probed.detail
        ]
        return "; ".join(told) or None

    # -- learning -------------------------------------------------------------------------------

    async def watch(self, way: Way) -> None:
        """Look at one path, for ever."""
        fails = 0
        while True:
            probed = await way.probe()
            is_good = probed.reached == _THROUGH
            fails = 0 if is_good else fails + 1
            self._learn(way.name, good=is_good)
            if not is_good and self.current != way.name:
                await way.close()
            await self._pause(way.name, fails)

    async def _pause(self, name: str, fails: int) -> None:
        """Until a path wants to be looked at.

        Args:
            fails: probes of it that have failed in a row.
        """
        doubt, probe_s = self._doubts[name], self._limits.probe_s
        least_s, probed_s = min(_LOOK_S, probe_s), self._clock.monotonic()
        await asyncio.sleep(least_s)
        if fails >= rule.STRIKES:
            tries, most_s = fails - rule.STRIKES + 1, min(_LOOK_S_MAX, probe_s)
            await wait(doubt, full_jitter_s(tries, self._rng.random(), least_s, most_s))
        while not fails and not doubt.is_set():
            proven_s = max(probed_s, self._carried_s.get(name, probed_s))
            left_s = proven_s + probe_s - self._clock.monotonic()
            if left_s <= 0:
                break
            await wait(doubt, left_s)
        doubt.clear()

    async def probe_all(self) -> Probed:
        """Look at every path now; gives the best."""
        probes = await asyncio.gather(*(way.probe() for way in self.ways.values()))
        for name, probed in zip(self.ways, probes, strict=True):
            self._learn(name, good=probed.reached == _THROUGH)
        return next((each for each in probes if each.reached == _THROUGH), probes[0])

    def carried(self, name: str, is_good: bool) -> None:
        """A call has gone over a path, or has not."""
        if not is_good:
            self._doubts[name].set()
            return
        self._carried_s[name] = self._clock.monotonic()
        if self._paths.find(name).state != "good":
            self._learn(name, good=True)

    def settle(self) -> None:
        """The preferred path has had its moment at the start."""
        before = self.current
        now_s = self._clock.monotonic()
        self._paths = rule.chosen(self._paths, now_s, self._limits.return_after_s)
        self._moved(before)

    def _learn(self, name: str, *, good: bool) -> None:
        before = self.current
        now_s, back_s = self._clock.monotonic(), self._limits.return_after_s
        self._paths = rule.told(self._paths, name, now_s, back_s, good=good)
        self._moved(before)

    async def close(self) -> None:
        """Let go of all connections."""
        for way in self.ways.values():
            await way.close()


def ways_of(limits: UplinkSettings, clock: Clock, report_pin: Callable[[str], object]) -> list[Way]:
    """The paths that the settings name, the preferred one first.

    Args:
        report_pin: hears of a key that does not fit, where that is only reported.

    Raises:
        OSError: the authorities cannot be read.
    """
    urls = {"tunnel": limits.tunnel_url, "direct": limits.server_url, "local": limits.local_url}
    report = report_pin if limits.pins_report_only else None
    context = pinned_context(read_pins(limits.pins), limits.ca_file, report)
    return [
        Way(name, url, context, limits.connect_timeout_s, clock)
        for name, url in urls.items()
        if url and (limits.allow_plain_http or url.startswith("https://"))
    ]


async def wait(event: asyncio.Event, timeout_s: float) -> None:
    """Until it is set, or time runs out."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
