"""What people do to the machine: bring items, reach in, pull strings, open doors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, get_args

from models.world.items import Body, Item, LaneNews, Motion
from models.world.machine import Machine
from models.world.parameters import Parameters
from protocol.simulation import Act, Deed, InsertItem, ItemTruth

PET_600_ML = Body(length_m=0.23, diameter_m=0.066, mass_g=20.0)
KEPT = 1000
_LENGTH_M, _DIAMETER_M, _MASS_G = (0.02, 1.0), (0.01, 0.3), (0.1, 5000.0)
_BEHIND_M_MAX, PATIENCE_S_MAX = 0.5, 3600.0
_CONTACTS: dict[Deed, tuple[str, bool]] = {
    "door_open": ("door_closed", False),
    "door_close": ("door_closed", True),
    "estop_press": ("estop_released", False),
    "estop_release": ("estop_released", True),
}


class Impossible(Exception):
    """Somebody wants something that cannot be done here.

    Attributes:
        code: ``occupied``, ``invalid`` or ``impossible``.
        detail: a sentence that names the cure.
    """

    def __init__(self, code: str, detail: str) -> None:
        """Args: code: one word. detail: a sentence."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class People:
    """Everybody around one machine, and the items they brought."""

    def __init__(self, parameters: Parameters, machine: Machine, say: Callable[..., None]) -> None:
        """Args: machine: theirs. say: told the name of an event and its fields."""
        self._parameters = parameters
        self._machine = machine
        self._say = say
        self._count = 0
        self._items: deque[Item] = deque(maxlen=KEPT)
        self._deeds: dict[Deed, Callable[[Act, int], None]] = {
            "hand_in": self._hand_in,
            "hand_out": self._hand_out,
            "pull_string": self._pull_string,
            "swap": self._swap,
            "take": self._take,
            "empty_bin": self._empty_bin,
            "clear": self._clear,
            **dict.fromkeys(_CONTACTS, self._contact),
        }
        assert set(self._deeds) == set(get_args(Deed)), "every deed can be done"

    def items(self) -> tuple[ItemTruth, ...]:
        """What became of the newest items."""
        return tuple(
            ItemTruth(item.number, item.name, item.fate, item.mass_g, item.x_m)
            for item in self._items
        )

    # -- items ----------------------------------------------------------------------------------

    def insert(self, wanted: InsertItem) -> int:
        """Put an item, or two, to the inlet.

        Raises:
            Impossible: one is there already, or nothing is like that.
        """
        body = _body(wanted)
        if not wanted.behind_m <= _BEHIND_M_MAX:
            raise Impossible("invalid", f"a second item is at most {_BEHIND_M_MAX:g} m behind")
        if not wanted.patience_s <= PATIENCE_S_MAX:
            raise Impossible("invalid", f"nobody waits longer than {PATIENCE_S_MAX:g} s")
        lane, people = self._machine.lane, self._parameters.people
        at_inlet = next((item for item in lane.items if item.x_m < 0), None)
        if at_inlet is not None:
            raise Impossible("occupied", f"{at_inlet.name} is at the inlet: wait, or `do take`")
        front_m = people.approach_m
        first = self._bring(wanted, body, front_m)
        first.has_string = wanted.string
        if wanted.behind_m >= 0:
            second = self._bring(wanted, body, first.x_m - wanted.behind_m)
            second.gap_m = wanted.behind_m
        return first.number

    def _bring(self, wanted: InsertItem, body: Body, front_m: float) -> Item:
        item = self._new(wanted.name, wanted.picture, body)
        item.patience_s = wanted.patience_s
        self._machine.lane.put(item, front_m)
        return item

    def _new(self, name: str, picture: str, body: Body) -> Item:
        self._count += 1
        item = Item(self._count, name, picture, body)
        self._items.append(item)
        return item

    def take_back(self, item: Item) -> None:
        """Its owner takes what has come back, if it still lies there."""
        if item.is_returned and item.motion is Motion.FREE and item.end is None:
            item.motion = Motion.TAKEN
            self._machine.lane.is_moving = True

    def leaves(self, news: LaneNews) -> None:
        """An item has been drawn or carried away."""
        item = news.item
        is_taken = item.motion is not Motion.PULLED
        self._machine.lane.remove(item, "taken" if is_taken else "pulled_out")
        event = "item_taken" if is_taken else "item_pulled_out"
        self._say(event, item=item.number, name=item.name)

    # -- deeds ----------------------------------------------------------------------------------

    def do(self, act: Act, step: int) -> None:
        """Do it now.

        Raises:
            Impossible: there is nothing to do it with.
        """
        self._deeds[act.deed](act, step)
        self._say("deed", deed=act.deed)

    def check(self, act: Act) -> None:
        """Refuse what could never be done.

        Raises:
            Impossible: it says which word is wrong.
        """
        if act.deed == "swap":
            _body(_other(act))

    def _hand_in(self, act: Act, step: int) -> None:
        self._machine.reach_in()

    def _hand_out(self, act: Act, step: int) -> None:
        self._machine.hand = ""

    def _empty_bin(self, act: Act, step: int) -> None:
        self._machine.bin.empty()

    def _clear(self, act: Act, step: int) -> None:
        if self._machine.bridges.door_closed:
            raise Impossible("impossible", "the door is closed: open it first")
        for item in tuple(self._machine.lane.items):
            self._machine.lane.remove(item, "taken")

    def _contact(self, act: Act, step: int) -> None:
        which, is_safe = _CONTACTS[act.deed]
        setattr(self._machine.bridges, which, is_safe)
        self._machine.bridges.refresh(step)

    def _pull_string(self, act: Act, step: int) -> None:
        item = next((item for item in self._machine.lane.items if item.has_string), None)
        if item is None:
            raise Impossible("impossible", "nothing hangs on a string: insert it with --string")
        item.motion = Motion.PULLED
        self._machine.lane.is_moving = True

    def _take(self, act: Act, step: int) -> None:
        """The outermost item, if a hand can grip it."""
        grip_m = self._parameters.people.grip_m
        item = next((i for i in reversed(self._machine.lane.items) if i.x_m < grip_m), None)
        if item is None:
            raise Impossible("impossible", "nothing lies where a hand could take it")
        item.motion = Motion.TAKEN
        self._machine.lane.is_moving = True

    def _swap(self, act: Act, step: int) -> None:
        item = next((item for item in self._machine.lane.items if item.front_m > 0), None)
        if item is None:
            raise Impossible("impossible", "no item is in the machine that could be exchanged")
        wanted = _other(act)
        body = Body(wanted.length_m or item.length_m, item.diameter_m, wanted.mass_g or item.mass_g)
        other = self._new(f"{item.name}-swap", act.picture or item.picture, body)
        other.patience_s = item.patience_s
        self._machine.lane.exchange(item, other)
        item.end = "pulled_out"
        self._say("item_pulled_out", item=item.number, name=item.name)


def _other(act: Act) -> InsertItem:
    return InsertItem("swap", act.picture, length_m=act.length_m, mass_g=act.mass_g)


def _body(wanted: InsertItem) -> Body:
    """The body somebody describes; 0 is what a bottle of 600 ml has."""
    named: dict[str, tuple[float, float, tuple[float, float]]] = {
        "length_m": (wanted.length_m, PET_600_ML.length_m, _LENGTH_M),
        "diameter_m": (wanted.diameter_m, PET_600_ML.diameter_m, _DIAMETER_M),
        "mass_g": (wanted.mass_g, PET_600_ML.mass_g, _MASS_G),
    }
    values: dict[str, Any] = {}
    for name, (value, usual, (low, high)) in named.items():
        values[name] = value if value != 0 else usual
        if not low <= values[name] <= high:
            raise Impossible("invalid", f"{name} is from {low:g} to {high:g}, not {value:g}")
    return Body(**values)
