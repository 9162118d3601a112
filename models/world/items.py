"""The items in the chute: pushed by hands, carried by the belt, stopped by the gate, drawn back."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Literal, NamedTuple

from msgspec import Struct

from models.world.parameters import GRAVITY_M_S2, STEP_S, Parameters
from protocol.simulation import Fate

News = Literal["passed", "returned", "fell", "left"]
"""``passed``: its front has gone by the place that is watched; ``returned``: it came back and lies
where its owner can take it; ``fell``: over the edge; ``left``: drawn or carried away."""


class Body(Struct, frozen=True):
    """What the machine can feel of an item."""

    length_m: float
    diameter_m: float
    mass_g: float


class Motion(Enum):
    """What moves an item."""

    PUSHED = "pushed"  # a hand, inward
    FREE = "free"  # the belt, or nothing
    PULLED = "pulled"  # its string
    TAKEN = "taken"  # its owner, outward


_PUSHED, _FREE, _PULLED = Motion.PUSHED, Motion.FREE, Motion.PULLED


class Item:
    """One item.

    Attributes:
        number: from 1, in the order in which they came.
        x_m: where its rear is.
        gap_m: a hand keeps it at this distance behind the one ahead; negative: it does not.
        is_coming_back: it last moved outward.
        is_returned: and stopped where it can be taken.
        end: what became of it in the end; None while it is in the chute.
    """

    __slots__ = (
        "body",
        "diameter_m",
        "end",
        "gap_m",
        "has_string",
        "is_coming_back",
        "is_returned",
        "length_m",
        "mass_g",
        "motion",
        "name",
        "number",
        "patience_s",
        "picture",
        "speed_m_s",
        "x_m",
    )

    def __init__(self, number: int, name: str, picture: str, body: Body) -> None:
        """In somebody's hand, somewhere before the gate."""
        self.number = number
        self.name = name
        self.picture = picture
        self.body = body
        self.length_m = body.length_m
        self.diameter_m = body.diameter_m
        self.mass_g = body.mass_g
        self.x_m = self.speed_m_s = 0.0
        self.motion = Motion.PUSHED
        self.has_string = False
        self.patience_s = 1.0
        self.gap_m = -1.0
        self.is_coming_back = self.is_returned = False
        self.end: Fate | None = None

    @property
    def front_m(self) -> float:
        """Where its inner end is."""
        return self.x_m + self.length_m

    @property
    def fate(self) -> Fate:
        """What has become of it so far."""
        if self.end is not None:
            return self.end
        if self.is_returned:
            return "returned"
        return "in_machine" if self.front_m > 0 else "waiting"


class LaneNews(NamedTuple):
    """Something that happened to an item in a step; ``x_m`` is the place that was passed."""

    what: News
    item: Item
    x_m: float = 0.0


class Lane:
    """The chute with what lies in it.

    Attributes:
        items: the innermost first.
        news: what the last steps brought; whoever reads it clears it.
        watched_m: ``passed`` is news for these places.
        is_moving: something moved in the last step, or may in the next.
        reaction_n: how hard the belt had to pull in the last step, inward positive.
        load_g: what lay on the weighing bed.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Empty."""
        belt, people, scale = parameters.belt, parameters.people, parameters.scale
        self._begin_m, self._end_m = belt.begin_m, belt.end_m
        self._grip_m_s = belt.friction * GRAVITY_M_S2 * STEP_S
        self._leaf_m = parameters.gate.half_leaf_m
        self._people = people
        self._bed_m = (scale.begin_m, scale.end_m)
        self.items: list[Item] = []
        self.news: list[LaneNews] = []
        self.watched_m: tuple[float, ...] = ()
        self.is_moving = False
        self.reaction_n = self.load_g = 0.0

    def put(self, item: Item, front_m: float) -> None:
        """Somebody holds an item before the gate and begins to push."""
        item.x_m = front_m - item.length_m
        self.items.append(item)
        self.is_moving = True

    def remove(self, item: Item, end: Fate | None) -> None:
        """It is no longer in the chute; None: it is still in the machine, falling."""
        item.end = end
        self.items.remove(item)
        if not self.items:
            self.load_g = self.reaction_n = 0.0
        self.is_moving = True

    def exchange(self, item: Item, other: Item) -> None:
        """Put another item where one lies, middle on middle."""
        other.x_m = item.x_m + (item.length_m - other.length_m) / 2
        other.motion, other.speed_m_s = item.motion, item.speed_m_s
        other.is_coming_back, other.is_returned = item.is_coming_back, item.is_returned
        self.items[self.items.index(item)] = other
        self.is_moving = True

    def height_at_gate_m(self) -> float:
        """How high what lies in the gate's plane is."""
        inside = (item.diameter_m for item in self.items if item.x_m < 0 < item.front_m)
        return max(inside, default=0.0)

    # -- a step ---------------------------------------------------------------------------------

    def step(self, belt_m_s: float, opening_m: float) -> float:
        """Let a millisecond pass.

        Args:
            belt_m_s: speed of the belt, inward positive.
            opening_m: how high the gate stands open.

        Returns:
            What lies on the weighing bed, g.
        """
        is_moving, self.reaction_n, load_g, ahead_m = False, 0.0, 0.0, inf
        bed_begin, bed_end = self._bed_m
        for item in self.items:
            before, length = item.x_m, item.length_m
            speed = self._speed(item, belt_m_s)
            if item.gap_m >= 0.0 and item.motion is _PUSHED and ahead_m < inf:
                speed = max(0.0, ahead_m - item.gap_m - length - before) / STEP_S
            x = wanted = before + speed * STEP_S
            if opening_m < item.diameter_m:
                x = self._stopped_by_gate(before, x, length)
            if x + length > ahead_m:
                x = ahead_m - length
            if x != wanted:
                speed = (x - before) / STEP_S
            ahead_m = item.x_m = x
            item.speed_m_s = speed
            if x != before:
                is_moving = True
            front = x + length
            if x >= bed_begin and front <= bed_end:
                load_g += item.mass_g
            elif front > bed_begin and x < bed_end:
                load_g += item.mass_g * (min(front, bed_end) - max(x, bed_begin)) / length
            if self.watched_m:
                self._watch(item, before + length, front)
            self._look(item, front)
        self.is_moving = is_moving
        self.load_g = load_g
        return load_g

    def _speed(self, item: Item, belt_m_s: float) -> float:
        motion = item.motion
        if motion is _FREE:
            if item.x_m + item.length_m <= self._begin_m:
                return 0.0  # before the belt a brush holds it
            change, grip = belt_m_s - item.speed_m_s, self._grip_m_s
            if change > grip:
                change = grip
            elif change < -grip:
                change = -grip
            self.reaction_n += item.mass_g * change  # g·m/s a step of a millisecond: N
            return item.speed_m_s + change
        return self._people.push_m_s if motion is _PUSHED else -self._people.pull_m_s

    def _stopped_by_gate(self, before: float, x: float, length: float) -> float:
        """Where something gets to that is too high for the gate; below it already, it is free."""
        leaf, tolerance = self._leaf_m, 1e-9
        if before + length <= -leaf + tolerance:
            return min(x, -leaf - length)
        if before >= leaf - tolerance:
            return max(x, leaf)
        return x

    def _watch(self, item: Item, front_before: float, front: float) -> None:
        for x_m in self.watched_m:
            if front_before < x_m <= front:
                self.news.append(LaneNews("passed", item, x_m))

    def _look(self, item: Item, front: float) -> None:
        """See what the step has brought for an item."""
        if item.motion is _FREE:
            speed = item.speed_m_s
            if speed > 0.0:
                item.is_coming_back = item.is_returned = False
                if item.x_m >= self._end_m:
                    self.news.append(LaneNews("fell", item))
            elif speed < 0.0:
                item.is_coming_back = True
            elif item.is_coming_back and not item.is_returned and item.x_m < self._people.grip_m:
                item.is_returned = True
                self.news.append(LaneNews("returned", item))
        elif item.motion is _PUSHED:
            if front >= self._people.let_go_m:
                item.motion = _FREE
        elif front < self._people.gone_m:
            self.news.append(LaneNews("left", item))
