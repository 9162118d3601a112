"""Customers and attackers: they carry out a scenario's visits at a machine.

They know no more than people do: they see whether the machine takes items, put things in, press
buttons. What really happened is taken from the world and from the ledger afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from models.world.scenario import Fault, Interrupt, Scenario, Visit
from protocol.message import Done
from protocol.service import EnterService, FinishSession, LeaveService, SessionEnded
from protocol.simulation import (
    Act,
    Acted,
    Afflict,
    DescribeWorld,
    Inserted,
    InsertItem,
    WorldDescribed,
)
from protocol.storage import DepositRecord
from rvm_edge.lab.judge import Facts
from rvm_edge.lab.shelf import Picked, Shelf
from rvm_edge.lab.site import DEPOSIT, SESSION, WORLD, CycleView, Site
from rvm_edge.lab.technician import Technician
from supervisors import RequestFailed

_LOOK_S, _LOOK_CLOSELY_S = 0.1, 0.01
_CALM_S = 0.4
"""An item cycle that rests so long has come to its end."""
_PATIENCE_S = 240.0
"""A visit that is not over by then never will be."""
_QUEUE_S = 600.0
"""How long people wait for a machine that takes nothing."""
_GOES_S = 12.0
"""After so long a customer whose item is not taken in carries it away."""
_AFTERMATH_S = 30.0
"""What was broken may show so long afterwards."""
_GONE = ("in_bin", "taken", "pulled_out")
_PASSING = ("locked_out", "too_fast", "selftest", "booting")
"""Reasons to take nothing that pass by themselves."""
_DOOR_PHASES = ("opening", "infeed", "closing", "identifying", "transporting")


class Cue(NamedTuple):
    """Something to be done at a moment, or when the item cycle gets into a phase."""

    do: Callable[[], None]
    phase: str = ""
    at_s: float = 0.0


class Visits:
    """Carries out one visit after the other.

    Attributes:
        technician: who is called when the machine does not serve.
        injected: what was broken or interrupted, by name.
        stuck: visits after which nobody got the machine to work again.
    """

    def __init__(self, site: Site, shelf: Shelf, scenario: Scenario) -> None:
        """Args: shelf: where the items are."""
        self._site = site
        self._shelf = shelf
        self._scenario = scenario
        self.technician = Technician(site)
        self.injected: dict[str, int] = {}
        self.stuck: list[int] = []
        self._cues: list[Cue] = []
        self._troubled_until = float("-inf")
        self._noticed: set[str] = set()

    def carry_out(self, visit: Visit) -> Facts:
        """Do what the visitor does, wait until it is over, and gather what came of it.

        Raises:
            RequestFailed: world or ledger do not answer any more.
        """
        self._site.wait(visit.pause_s)
        picked = self._shelf.pick(visit)
        facts = Facts(visit, picked.intention, picked.seen_as, picked.should_be)
        if not self._comes_to_turn(visit):
            return replace(facts, was_turned_away=True, is_troubled=True)
        fallen, total = self._truth().fallen, self._total()
        begins_at, repairs = self._site.wall, self.technician.visits
        is_broken, began_s = bool(self._truth().faults), self._site.now
        numbers = self._play(visit, picked)
        is_troubled = is_broken or self._troubled_until > began_s
        truth, records = self._truth(), self._records_since(total)
        fates = {item.item: item.fate for item in truth.items}
        self._leave(visit, truth)
        return replace(
            facts,
            is_troubled=is_troubled,
            fates=tuple(fates.get(number, "waiting") for number in numbers),
            fallen=truth.fallen - fallen,
            records=records,
            took_s=_took_s(records, begins_at),
            noticed=tuple(sorted(self._noticed)),
            repairs=self.technician.visits - repairs,
        )

    def fallen(self) -> int:
        """How many items have ever fallen into the bin."""
        return self._truth().fallen

    # -- before ---------------------------------------------------------------------------------

    def _comes_to_turn(self, visit: Visit) -> bool:
        """Wait until the machine takes items; somebody calls the technician if it does not."""
        began_s = closed_s = self._site.now
        while not (cycle := self._site.cycle()).is_open:
            now_s = self._site.now
            if now_s - began_s > _QUEUE_S:
                self.stuck.append(visit.number)
                return False
            if cycle.closed in _PASSING:
                closed_s = now_s
            if cycle.phase == "bin_full":
                self.technician.exchange_bin()
            elif now_s - closed_s > self._scenario.technician.comes_after_s:
                self.technician.mend()
                closed_s = self._site.now
            self._site.wait(_LOOK_S)
        return True

    # -- what visitors do -----------------------------------------------------------------------

    def _play(self, visit: Visit, picked: Picked) -> list[int]:
        """Put in what they put in, and see it through; returns the items' numbers."""
        self._cues.clear()
        self._noticed.clear()
        self._disturb(visit)
        plays = {
            "slow_taker": self._slow_taker,
            "finishes_early": self._finishes_early,
            "string_pull": self._string_pull,
            "swap": self._swap,
            "hand_in": self._hand_in,
            "nose_to_tail": self._nose_to_tail,
            "photo_of_a_bottle": self._photo,
            "door_opened": self._door_opened,
            "reinsertion": self._reinsertion,
            "service_mode": self._service_mode,
            "abandoned": self._abandoned,
        }
        play = plays.get(visit.visitor, self._ordinary)
        numbers = play(visit, picked)
        self._see_through(visit, numbers)
        return numbers

    def _ordinary(self, _visit: Visit, picked: Picked) -> list[int]:
        return self._insert(picked.insert)

    def _slow_taker(self, _visit: Visit, picked: Picked) -> list[int]:
        return self._insert(replace(picked.insert, patience_s=20.0))

    def _finishes_early(self, _visit: Visit, picked: Picked) -> list[int]:
        self._cue(self._finish, "closing")
        return self._insert(picked.insert)

    def _string_pull(self, visit: Visit, picked: Picked) -> list[int]:
        """Draw it out just before, in, or just behind the exit beam."""
        numbers = self._insert(replace(picked.insert, string=True))
        self._act(Act("pull_string", at_x_m=0.50 + 0.15 * visit.which))
        return numbers

    def _swap(self, visit: Visit, picked: Picked) -> list[int]:
        """Exchange it for something shorter or heavier, before or while the belt takes it."""
        other = self._shelf.junk
        is_early = visit.which < 0.5  # noqa: PLR2004 - one half does this, one half does that
        swap = Act(
            "swap",
            picture=str(other.picture),
            length_m=picked.insert.length_m if is_early else 0.115,
            mass_g=picked.insert.mass_g + (25.0 if is_early else 0.0),
        )
        self._cue(lambda: self._act(swap), "reserving" if is_early else "transporting")
        return self._insert(picked.insert)

    def _hand_in(self, _visit: Visit, picked: Picked) -> list[int]:
        """Hold the gate open with a hand, for longer than the machine is patient."""

        def reach_in() -> None:
            self._act(Act("hand_in"))
            self._cue(lambda: self._act(Act("hand_out")), at_s=self._site.now + _GOES_S)

        self._cue(reach_in, "closing")
        return self._insert(picked.insert)

    def _nose_to_tail(self, visit: Visit, picked: Picked) -> list[int]:
        first = self._insert(replace(picked.insert, behind_m=0.005 + 0.06 * visit.which))
        return [first[0], first[0] + 1]

    def _photo(self, _visit: Visit, picked: Picked) -> list[int]:
        return self._insert(replace(picked.insert, mass_g=5.0))

    def _door_opened(self, visit: Visit, picked: Picked) -> list[int]:
        def open_door() -> None:
            self._troubled()
            self._act(Act("door_open"))
            self._cue(lambda: self._act(Act("door_close")), at_s=self._site.now + 3.0)

        phase = _DOOR_PHASES[int(visit.which * len(_DOOR_PHASES))]
        self._cue(open_door, phase)
        return self._insert(picked.insert)

    def _reinsertion(self, visit: Visit, picked: Picked) -> list[int]:
        """Have it voided, and try it once more at once."""
        first = self._string_pull(visit, picked)
        self._see_through(visit, first)
        if not self._comes_to_turn(visit):
            return first
        return [*first, *self._insert(picked.insert)]

    def _service_mode(self, _visit: Visit, picked: Picked) -> list[int]:
        self._troubled()
        self._try_service(EnterService())
        self._site.wait(1.0)
        numbers = self._insert(picked.insert)
        self._site.wait(6.0)
        self._act(Act("take"))
        self._site.wait(1.0)
        self._try_service(LeaveService())
        return numbers

    def _abandoned(self, _visit: Visit, picked: Picked) -> list[int]:
        self._troubled()
        return self._insert(replace(picked.insert, patience_s=-1.0))

    # -- what goes wrong ------------------------------------------------------------------------

    def _disturb(self, visit: Visit) -> None:
        what = visit.disturbance
        if isinstance(what, Fault):
            self._site.ask(
                WORLD,
                Afflict(what.fault, what.of, what.value, what.after_s, what.for_s, what.at_motion),
                Acted,
            )
            self._count(what.fault)
            self._troubled(what.after_s + what.for_s)
        elif isinstance(what, Interrupt):
            is_timed = what.phase == "any"
            at_s = self._site.now + what.after_s if is_timed else 0.0
            self._cue(lambda: self._interrupt(what), "" if is_timed else what.phase, at_s)

    def _interrupt(self, what: Interrupt) -> None:
        if self._site.interrupt(what):
            self._count(what.what)
            self._troubled(what.for_s)

    def _count(self, name: str) -> None:
        self.injected[name] = self.injected.get(name, 0) + 1

    def _troubled(self, seconds: float = 0.0) -> None:
        until_s = self._site.now + seconds + _AFTERMATH_S
        self._troubled_until = max(self._troubled_until, until_s)

    # -- until it is over -----------------------------------------------------------------------

    def _see_through(self, visit: Visit, numbers: list[int]) -> None:
        """Let time pass until the items are where they belong and the machine rests."""
        until_s = self._site.now + _PATIENCE_S
        calm_s = waits_s = self._site.now
        while self._site.now < until_s:
            cycle = self._site.cycle()
            self._take_cues(cycle)
            if visit.disturbance is not None:
                self._noticed.update(self._site.troubles())
            now_s = self._site.now
            if cycle.is_dealing:
                waits_s = now_s
            if not cycle.is_resting:
                calm_s = now_s
            elif now_s - calm_s >= _CALM_S:
                if self._is_over(numbers):
                    return
                if now_s - waits_s > self._patience_s(cycle):
                    self._help(cycle)
                    waits_s = self._site.now
                calm_s = self._site.now
            self._site.wait(_LOOK_CLOSELY_S if self._cues else _LOOK_S)
        self.stuck.append(visit.number)

    def _patience_s(self, cycle: CycleView) -> float:
        return _GOES_S if cycle.phase == "idle" else self._scenario.technician.comes_after_s

    def _help(self, cycle: CycleView) -> None:
        """The owner takes the item away; else somebody who can has to come."""
        self._act(Act("take"))
        self._site.wait(1.0)
        if cycle.phase == "bin_full":
            self.technician.exchange_bin()
        elif cycle.phase != "idle" or any(
            item.fate == "in_machine" for item in self._truth().items
        ):
            self.technician.mend()

    def _is_over(self, numbers: list[int]) -> bool:
        fates = {item.item: item.fate for item in self._truth().items}
        is_over = all(fates.get(number, "taken") in _GONE for number in numbers)
        return is_over and not any(cue.at_s > self._site.now for cue in self._cues)

    def _leave(self, visit: Visit, truth: WorldDescribed) -> None:
        if truth.bin_percent >= self._scenario.technician.empties_at_percent:
            self.technician.exchange_bin()
        if visit.is_last:
            self._finish()

    def _take_cues(self, cycle: CycleView) -> None:
        for cue in tuple(self._cues):
            is_now = cue.phase == cycle.phase if cue.phase else cue.at_s <= self._site.now
            if is_now:
                self._cues.remove(cue)
                cue.do()

    def _cue(self, do: Callable[[], None], phase: str = "", at_s: float = 0.0) -> None:
        self._cues.append(Cue(do, phase, at_s))

    # -- words ----------------------------------------------------------------------------------

    def _insert(self, insert: InsertItem) -> list[int]:
        """Put it in; whatever somebody left at the inlet is pushed aside first."""
        try:
            return [self._site.ask(WORLD, insert, Inserted).item]
        except RequestFailed as refused:
            if refused.code != "occupied":
                raise
        self._act(Act("take"))
        self._site.wait(2.0)
        return [self._site.ask(WORLD, insert, Inserted).item]

    def _act(self, act: Act) -> None:
        try:
            self._site.ask(WORLD, act, Acted)
        except RequestFailed:
            pass  # there is nothing there to be taken, drawn out or exchanged any more

    def _finish(self) -> None:
        try:
            self._site.ask(SESSION, FinishSession(), SessionEnded)
        except RequestFailed:
            pass  # nobody is served

    def _try_service(self, message: EnterService | LeaveService) -> None:
        try:
            self._site.ask(DEPOSIT, message, Done)
        except RequestFailed:
            pass  # an item is being dealt with: then there is no service mode to be abused

    def _truth(self) -> WorldDescribed:
        return self._site.ask(WORLD, DescribeWorld(), WorldDescribed)

    def _total(self) -> int:
        return self._site.newest(1).total

    def _records_since(self, total: int) -> tuple[DepositRecord, ...]:
        """What the ledger has written since it held so many, oldest first."""
        new = self._total() - total
        return tuple(reversed(self._site.newest(new).records)) if new > 0 else ()


def _took_s(records: tuple[DepositRecord, ...], began_at: float) -> float | None:
    """How long it took until the credit stood in the ledger, on the machine's wall clock."""
    paid = [record.updated_at for record in records if record.state == "credited"]
    return paid[0] - began_at if paid else None
