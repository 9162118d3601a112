"""`rvm-edge sim play`: a scenario of customers, attacks and faults, played through and judged.

In a lab by default (`rvm_edge.lab`): a machine of its own in virtual time, as fast as it goes. With
``--live`` at the running machine, in real time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from models.world.scenario import Scenario
    from rvm_edge.lab.machine import Lab
    from rvm_edge.lab.shelf import Shelf
    from rvm_edge.lab.site import Site
    from rvm_edge.lab.tally import Tally
    from rvm_edge.lab.visits import Visits

EXIT_OK, EXIT_BAD, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
_LINE_S, _NEWS_S = 0.25, 20.0
"""How often the line on a terminal is renewed, and how often a line is written elsewhere."""
_SMOOTH_S = 0.05
"""Real seconds between two steps of a run that is paced."""
_EPILOG = """\
The lab has a data directory of its own, which is deleted afterwards unless --data-dir names one;
what it wrote can then be looked at: rvm-edge deposits --data-dir D, rvm-edge ledger verify.
Pictures that the detector misjudges are left out unless --all-pictures puts them in: its mistakes
are then counted in a row of their own.

exit status: 0 good, 1 an invariant was broken or under 99 % went as intended, 2 wrong usage,
130 interrupted (the summary so far is printed)
"""


class _Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "scenario", metavar="SCENARIO", nargs="?", help="one that ships (--list), or a TOML file"
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios that ship")
    parser.add_argument("--items", type=_number, metavar="N", help="put in so many items")
    parser.add_argument("--seed", type=_seed, metavar="S", help="of everything left to chance")
    parser.add_argument(
        "--speed", type=_speed, default=None, metavar="X", help="times real time, or max (default)"
    )
    parser.add_argument(
        "--live", action="store_true", help="at the running machine (simulated), in real time"
    )
    parser.add_argument(
        "--all-pictures", action="store_true", help="also those that the detector misjudges"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--data-dir", metavar="D", help="of the lab, kept; with --live of the running machine"
    )


def run(args: argparse.Namespace) -> int:
    """Play."""
    from models.world.scenario_file import ScenarioInvalid, find, read, with_visits

    if args.list or args.scenario is None:
        return _list(as_json=args.json)
    try:
        scenario = read(find(args.scenario))
        if args.items is not None:
            scenario = with_visits(scenario, args.items)
    except ScenarioInvalid as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    seed = scenario.seed if args.seed is None else args.seed
    name = Path(args.scenario).stem
    player = _Player(name, scenario, seed, args)
    with _ctrl_c(player.stop):
        summary = player.play_live() if args.live else player.play_in_lab()
    print(json.dumps(summary, indent=2) if args.json else _report(summary))
    if summary["interrupted"]:
        return EXIT_INTERRUPTED
    return EXIT_OK if summary["good"] else EXIT_BAD


def _report(summary: dict[str, Any]) -> str:
    from rvm_edge.lab.report import report

    return report(summary)


def _list(*, as_json: bool) -> int:
    from models.world.scenario_file import read, shipped

    rows = [{"name": name, **_short(read(path))} for name, path in shipped().items()]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(f"{row['name']:<10}{row['visits']:>7} items  {row['about']}")
    return EXIT_OK


def _short(scenario: Scenario) -> dict[str, Any]:
    return {"visits": scenario.visits, "about": scenario.about}


class _Player:
    """Plays one scenario once."""

    def __init__(self, name: str, scenario: Scenario, seed: int, args: argparse.Namespace) -> None:
        self._name = name
        self._scenario = scenario
        self._seed = seed
        self._args = args
        self._clock = SystemClock()
        self._is_stopped = False
        self._paced_from: tuple[float, float] | None = None

    def stop(self) -> None:
        """Come to an end soon."""
        self._is_stopped = True

    # -- the two ways ---------------------------------------------------------------------------

    def play_in_lab(self) -> dict[str, Any]:
        from config.settings import Settings
        from rvm_edge.lab.machine import Lab

        shelf = _shelf(all_pictures=self._args.all_pictures)
        with contextlib.ExitStack() as stack:
            where = self._args.data_dir or stack.enter_context(
                tempfile.TemporaryDirectory(prefix="rvm-edge-lab-")
            )
            speed = self._args.speed
            lab = Lab(
                Settings(),
                Path(where),
                seed=self._seed,
                stride_s=float("inf") if speed is None else _SMOOTH_S * speed,
                on_stride=self._pace,
            )
            with contextlib.suppress(_Interrupted):
                lab.start()
            summary = self._play(lab, shelf)
            return {**summary, **_audit(lab, summary)}

    def play_live(self) -> dict[str, Any]:
        from rvm_edge.data_dir import locate
        from rvm_edge.lab.live import LiveSite

        site = LiveSite(locate(self._args.data_dir), on_wait=self._look_for_stop)
        return {**self._play(site, _shelf(all_pictures=self._args.all_pictures)), "starts": 1}

    def _pace(self, now_s: float) -> None:
        """After each stride of the lab: keep to the speed, and hear of Ctrl-C."""
        self._look_for_stop()
        if self._args.speed is None:
            return
        real_s = self._clock.monotonic()
        if self._paced_from is None:
            self._paced_from = (real_s, now_s)
        began_real_s, began_s = self._paced_from
        ahead_s = (now_s - began_s) / self._args.speed - (real_s - began_real_s)
        if ahead_s > 0:
            self._clock.pause(min(ahead_s, 1.0))

    def _look_for_stop(self) -> None:
        if self._is_stopped:
            raise _Interrupted

    # -- the run --------------------------------------------------------------------------------

    def _play(self, site: Site, shelf: Shelf) -> dict[str, Any]:
        from models.world.scenario import visits
        from rvm_edge.lab.judge import judge
        from rvm_edge.lab.tally import Tally
        from rvm_edge.lab.visits import Visits

        tally, people = Tally(), Visits(site, shelf, self._scenario)
        began_real_s, began_s = self._clock.monotonic(), site.now
        line = _Line(self._scenario.visits, self._clock)
        try:
            for visit in visits(self._scenario, Random(self._seed)):
                facts = people.carry_out(visit)
                tally.add(facts, judge(facts))
                line.show(tally.visits, site.now - began_s)
        except _Interrupted:
            pass
        line.close()
        took_s = max(self._clock.monotonic() - began_real_s, 1e-9)
        return {
            **self._head(shelf),
            **_with_stuck(tally, people),
            **_speeds(tally, site.now - began_s, took_s),
            "fallen": people.fallen(),
            "interrupted": self._is_stopped,
            "repairs": people.technician.visits,
            "bins": people.technician.bins,
            "injected": people.injected,
        }

    def _head(self, shelf: Shelf) -> dict[str, Any]:
        return {
            "scenario": self._name,
            "about": self._scenario.about,
            "seed": self._seed,
            "planned": self._scenario.visits,
            "pictures_left_out": shelf.left_out,
        }


def _with_stuck(tally: Tally, people: Visits) -> dict[str, Any]:
    """A machine that nobody could bring back is as bad as a broken invariant."""
    tally.broken += [f"visit {number}: nobody got the machine to work" for number in people.stuck]
    return tally.summary()


def _speeds(tally: Tally, simulated_s: float, wall_s: float) -> dict[str, Any]:
    return {
        "simulated_s": round(simulated_s, 3),
        "wall_s": round(wall_s, 3),
        "speed": round(simulated_s / wall_s, 1),
        "items_per_minute": round(60 * tally.visits / max(simulated_s, 1e-9), 2),
    }


def _audit(lab: Lab, summary: dict[str, Any]) -> dict[str, Any]:
    """Close the lab and look its books and its outputs over once more."""
    broken = lab.close_and_audit()
    return {
        "starts": lab.starts,
        "gave_up": lab.gave_up,
        "broken": [*summary["broken"], *broken],
        "broken_total": summary["broken_total"] + len(broken),
        "good": summary["good"] and not broken,
    }


def _shelf(*, all_pictures: bool) -> Shelf:
    from models.world.catalogue import load_catalogue
    from rvm_edge.lab.shelf import Shelf, look_at_all

    catalogue = load_catalogue()
    return Shelf(catalogue, look_at_all(catalogue), all_pictures=all_pictures)


class _Line:
    """How far it has come: one line on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, clock: SystemClock) -> None:
        self._total = total
        self._clock = clock
        self._began_s = clock.monotonic()
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._next_s = self._began_s + (_LINE_S if self._is_terminal else _NEWS_S)

    def show(self, done: int, simulated_s: float) -> None:
        now_s = self._clock.monotonic()
        if now_s < self._next_s or sys.stderr is None:
            return
        self._next_s = now_s + (_LINE_S if self._is_terminal else _NEWS_S)
        took_s = now_s - self._began_s
        left_s = took_s / done * (self._total - done)
        text = (
            f"{done} of {self._total} items, {simulated_s / 60:.0f} min simulated, "
            f"{simulated_s / took_s:.0f} times as fast, {left_s:.0f} s left"
        )
        if self._is_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave no half line behind."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C end the run with its summary instead of in the middle of something."""
    before = signal.signal(signal.SIGINT, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    value = float(text)
    if not 0 < value <= 1e6:  # noqa: PLR2004 - nobody paces beyond that
        msg = "above 0, or max"
        raise argparse.ArgumentTypeError(msg)
    return value


def _number(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000_000:  # noqa: PLR2004 - as the scenario's own bound
        msg = "from 1 to 10000000"
        raise argparse.ArgumentTypeError(msg)
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        msg = "0 or more"
        raise argparse.ArgumentTypeError(msg)
    return value
