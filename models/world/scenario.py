"""A scenario: who comes to the machine with what, and what goes wrong meanwhile.

    Scenario   as a file says it: weights, rates, ranges (`models.world.scenario_file` reads it)
    Visit      one item's visit as it was drawn: what is put in, by whom, what breaks
    visits     from the first to the second; the same seed gives the same visits

Nothing here runs anything: `rvm_edge.lab` carries the visits out on a machine in virtual time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar, get_args

from msgspec import Meta, Struct, field

from protocol.simulation import FaultName

if TYPE_CHECKING:
    from random import Random

Habit: TypeAlias = Literal[
    "ordinary",  # takes back what comes back, within a second
    "slow_taker",  # takes it only when it has been offered a second time
    "finishes_early",  # presses "finish" while the item is still in the machine
]
Attack: TypeAlias = Literal[
    "string_pull",  # a good bottle on a string, drawn out again behind the exit beam
    "swap",  # another item takes the bottle's place once it has been looked at
    "hand_in",  # a hand in the gate while it closes
    "nose_to_tail",  # two bottles close behind each other
    "photo_of_a_bottle",  # a picture of a good bottle, on paper
    "door_opened",  # somebody opens the door in the middle of it
    "reinsertion",  # what was just voided comes a second time
    "service_mode",  # a good bottle while the machine is in service
    "abandoned",  # what is given back is never taken
]
Visitor: TypeAlias = Literal[Habit, Attack]
GOOD = "mineral"
"""The kind of item that the machine is there for."""
REFUSED = "soda_pet"
"""One that it gives back."""
HABITS: tuple[Habit, ...] = get_args(Habit)
ATTACKS: tuple[Attack, ...] = get_args(Attack)

Interruption: TypeAlias = Literal[
    "guard_kill",
    "guard_freeze",
    "sensors_kill",
    "camera_kill",
    "camera_freeze",
    "inference_kill",
    "inference_freeze",
    "storage_kill",
    "storage_freeze",
    "storage_full",  # the store takes no more, until it is mended
    "deposit_kill",
    "core_kill",  # the whole program dies and is started again
    "power_cut",  # the same, and everything stands still at once
]
INTERRUPTIONS: tuple[Interruption, ...] = get_args(Interruption)
FREEZES = ("guard_freeze", "camera_freeze", "inference_freeze", "storage_freeze")

Phase: TypeAlias = Literal[
    "any",
    "opening",
    "infeed",
    "closing",
    "identifying",
    "reserving",
    "transporting",
    "confirming",
    "crediting",
    "rejecting",
    "return_wait",
]
"""Of the item cycle; ``any``: at a moment drawn from ``after_s``."""

Weight = Annotated[float, Meta(ge=0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Range = tuple[Seconds, Seconds]
"""From, to: drawn evenly between the two."""

T = TypeVar("T")


class FaultPlan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fault of the body, and how often.

    Attributes:
        per_thousand: of visits that it happens in, by chance.
        times: or so often in the whole run, in visits drawn by chance.
        of: which beam, limit, channel or motor: one of these.
        value: see `protocol.simulation.FaultName`, drawn from this range.
        after_s: after the item was put in.
        for_s: until it heals by itself; 0: until the technician comes.
        at_motion: not at a time but when this motor next starts.
    """

    fault: FaultName
    per_thousand: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    times: Annotated[int, Meta(ge=0, le=100_000)] = 0
    of: tuple[str, ...] = ()
    value: tuple[float, float] = (0.0, 0.0)
    after_s: Range = (0.0, 2.0)
    for_s: Range = (1.0, 5.0)
    at_motion: Literal["", "belt", "gate"] = ""


class InterruptionPlan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something of the program dies or stands still, and how often.

    Attributes:
        per_thousand, times: see `FaultPlan`.
        phases: when the item cycle gets into one of these; ``any``: at a time.
        after_s: after the item was put in, for ``any``.
        for_s: of a freeze, and of the store being full.
    """

    what: Interruption
    per_thousand: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    times: Annotated[int, Meta(ge=0, le=100_000)] = 0
    phases: Annotated[tuple[Phase, ...], Meta(min_length=1)] = ("any",)
    after_s: Range = (0.0, 3.0)
    for_s: Range = (0.5, 10.0)


class TechnicianPlan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who looks after the machine.

    Attributes:
        comes_after_s: how long the machine takes nothing before somebody comes, repairs what is
            broken, and resets it.
        empties_at_percent: how full the bin is when it is exchanged.
    """

    comes_after_s: Annotated[float, Meta(gt=0, le=86_400)] = 120.0
    empties_at_percent: Annotated[float, Meta(gt=0, le=100)] = 85.0


class Scenario(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says.

    Attributes:
        about: one sentence.
        seed: of everything that is left to chance.
        visits: how many items are put in.
        pause_s: between two visitors.
        between_s: between two items of one visitor.
        items_each: how many items a visitor brings.
        items: what visitors bring: weight by kind (`rvm-edge sim items`).
        visitors: what they do: weight by `Habit` and `Attack`.
    """

    about: str
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1
    visits: Annotated[int, Meta(ge=1, le=10_000_000)]
    pause_s: Range = (5.0, 60.0)
    between_s: Range = (0.5, 3.0)
    items_each: tuple[Annotated[int, Meta(ge=1, le=1000)], Annotated[int, Meta(ge=1, le=1000)]] = (
        1,
        6,
    )
    items: Annotated[dict[str, Weight], Meta(min_length=1)]
    visitors: Annotated[dict[Visitor, Weight], Meta(min_length=1)] = field(
        default_factory=lambda: {"ordinary": 1.0}
    )
    faults: tuple[FaultPlan, ...] = ()
    interruptions: tuple[InterruptionPlan, ...] = ()
    technician: TechnicianPlan = TechnicianPlan()


class Fault(Struct, frozen=True):
    """A fault of the body as it was drawn; see `FaultPlan`."""

    fault: FaultName
    of: str
    value: float
    after_s: float
    for_s: float
    at_motion: str


class Interrupt(Struct, frozen=True):
    """An interruption as it was drawn; see `InterruptionPlan`."""

    what: Interruption
    phase: Phase
    after_s: float
    for_s: float


class Visit(Struct, frozen=True):
    """One item's visit.

    Attributes:
        number: from 1.
        pause_s: since the item before it.
        kind: what is put in.
        which: 0 to 1: which one of that kind.
        size: 0 to 1: how long and heavy it is, within what is usual.
        visitor: what its owner does.
        is_last: the last item of this visitor, who then presses "finish".
        disturbance: what goes wrong meanwhile, if anything.
    """

    number: int
    pause_s: float
    kind: str
    which: float
    size: float
    visitor: Visitor
    is_last: bool
    disturbance: Fault | Interrupt | None = None

    @property
    def is_attack(self) -> bool:
        """Whether somebody tries to get paid for nothing, or just makes trouble."""
        return self.visitor in ATTACKS


def visits(scenario: Scenario, rng: Random) -> Iterator[Visit]:
    """Draw the visits, one after the other.

    Attackers come alone, with one good item: nobody cheats with an item that is refused anyway.
    Only what is given back can be abandoned.
    """
    fixed = _fixed(scenario, rng)
    left, visitor = 0, _drawn(rng, scenario.visitors)
    for number in range(1, scenario.visits + 1):
        is_new = left == 0
        if is_new:
            visitor = _drawn(rng, scenario.visitors)
            left = 1 if visitor in ATTACKS else rng.randint(*scenario.items_each)
        plan = fixed.get(number) or _by_chance(scenario, rng)
        left -= 1
        yield Visit(
            number=number,
            pause_s=rng.uniform(*(scenario.pause_s if is_new else scenario.between_s)),
            kind=_brought(visitor) or _drawn(rng, scenario.items),
            which=rng.random(),
            size=rng.random(),
            visitor=visitor,
            is_last=left == 0 or number == scenario.visits,
            disturbance=None if plan is None else _disturbance(plan, rng),
        )


def _brought(visitor: Visitor) -> str:
    """The kind that this visitor brings; empty: any."""
    if visitor == "abandoned":
        return REFUSED
    return GOOD if visitor in ATTACKS else ""


Plan: TypeAlias = FaultPlan | InterruptionPlan


def _plans(scenario: Scenario) -> Sequence[Plan]:
    return (*scenario.faults, *scenario.interruptions)


def _fixed(scenario: Scenario, rng: Random) -> dict[int, Plan]:
    """Give what happens a fixed number of times its visits, no two in one."""
    plans = [plan for plan in _plans(scenario) for _ in range(plan.times)]
    return dict(zip(rng.sample(range(1, scenario.visits + 1), len(plans)), plans, strict=True))


def _by_chance(scenario: Scenario, rng: Random) -> Plan | None:
    at = rng.random() * 1000.0
    for plan in _plans(scenario):
        at -= plan.per_thousand
        if at < 0:
            return plan
    return None


def _disturbance(plan: Plan, rng: Random) -> Fault | Interrupt:
    after_s, for_s = rng.uniform(*plan.after_s), rng.uniform(*plan.for_s)
    if isinstance(plan, InterruptionPlan):
        return Interrupt(plan.what, rng.choice(plan.phases), after_s, for_s)
    of = rng.choice(plan.of) if plan.of else ""
    value = rng.uniform(*plan.value)
    return Fault(plan.fault, of, value, after_s, for_s, plan.at_motion)


def _drawn(rng: Random, weights: Mapping[T, float]) -> T:
    """Draw one by weight; by hand, so that every Python draws the same."""
    at = rng.random() * sum(weights.values())
    for name, weight in weights.items():
        at -= weight
        if at < 0:
            return name
    return next(reversed(list(weights)))
