"""What is said to the simulated world.

    operator ── InsertItem, Act, Afflict, Heal ─▶ world
    operator ◀─ Inserted | Acted | Failed ─────── world
    operator ── DescribeWorld ─▶ world
    operator ◀─ WorldDescribed ─ world      the truth, which the machine itself never hears

The machine learns nothing from here: it has pins, channels and pictures only.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from protocol.message import Message

Fate = Literal["waiting", "in_machine", "in_bin", "returned", "pulled_out", "taken"]
"""Of an item: at the inlet and not yet in; between gate and drop edge; fallen into the bin; given
back and still at the inlet; drawn out by a string; carried away by its owner."""

Deed = Literal[
    "hand_in",  # a hand reaches into the gate
    "hand_out",
    "pull_string",  # the item that hangs on a string goes back
    "swap",  # another item takes the place of the one on the belt
    "take",  # the customer takes what was given back
    "door_open",
    "door_close",
    "estop_press",
    "estop_release",
    "empty_bin",
    "clear",  # a technician takes out whatever lies in the machine; the door must be open
]

FaultName = Literal[
    "belt_jam",
    "belt_slip",  # the motor turns, the belt does not carry
    "gate_jam",
    "gate_slow",  # value: factor
    "encoder_dead",
    "beam_stuck",  # of: a beam's line; value: 0 or 1
    "beam_bounce",  # of; value: ms
    "beam_dropout",  # of; value: probability per ms that a covered beam reads free
    "noise",  # value: factor on every analogue channel
    "limit_stuck",  # of: gate_is_open or gate_is_closed; value: 0 or 1
    "limit_both",
    "contact_broken",  # of: door_closed or estop_released: reads as tripped
    "supply_sag",  # value: volts
    "motor_weld",  # of: belt or gate: the bridge stays on with the command off
    "loadcell_drift",  # value: g a minute
    "loadcell_dead",
    "bin_echo_lost",
    "bin_full",
    "bus_error",  # value: share of analogue readings that fail
    "sensor_freeze",  # of: a channel
    "line_lost",  # of: a line: it cannot be read at all
    "climate_heat",  # value: ambient °C
    "camera_stall",
    "camera_frozen",  # repeats one picture
    "camera_black",
    "camera_white",
    "camera_blur",  # value: σ in pixels
    "camera_dirt",  # value: percent of the window
    "camera_torn",  # value: share of frames
    "camera_delay",  # value: seconds that each frame is late
    "camera_vanish",
    "camera_renamed",  # it comes back under another node
]


class InsertItem(Message, frozen=True, tag="sim.insert"):
    """Operator: put an item to the inlet and push it.

    Attributes:
        name: of the item, for the record.
        picture: file the camera will see while it lies under it.
        length_m, diameter_m, mass_g: 0 takes what is usual for its kind.
        behind_m: nose to tail: a second one with the same body follows at this distance; negative
            for none.
        string: it hangs on a string, for ``pull_string``.
        patience_s: the customer takes what comes back after so long; negative: never.
    """

    name: str
    picture: str
    length_m: float = 0.0
    diameter_m: float = 0.0
    mass_g: float = 0.0
    behind_m: float = -1.0
    string: bool = False
    patience_s: float = 1.0


class Inserted(Message, frozen=True, tag="sim.inserted"):
    """World: it is at the inlet, under this number."""

    name: str
    item: int


class Act(Message, frozen=True, tag="sim.act"):
    """Operator: let somebody do something, now or when the item on the belt gets that far.

    Attributes:
        at_x_m: when the front of the item has passed this place on its way inward; negative: now.
        at_motion: or when this motor next starts: ``belt`` or ``gate``; empty: do not wait for it.
        after_s: and that much later.
        picture, mass_g, length_m: of the other item of a ``swap``.
    """

    deed: Deed
    at_x_m: float = -1.0
    at_motion: str = ""
    after_s: float = 0.0
    picture: str = ""
    mass_g: float = 0.0
    length_m: float = 0.0


class Afflict(Message, frozen=True, tag="sim.afflict"):
    """Operator: break something.

    Attributes:
        of: which beam, limit, channel or motor, where the fault has several.
        value: see `FaultName`.
        after_s: from now.
        for_s: it heals by itself after so long; 0: never.
        at_motion: begin when this motor next starts, ``belt`` or ``gate``.
        at_x_m: or when the front of an item has passed this place on its way inward.
    """

    fault: FaultName
    of: str = ""
    value: float = 0.0
    after_s: float = 0.0
    for_s: float = 0.0
    at_motion: str = ""
    at_x_m: float = -1.0


class Heal(Message, frozen=True, tag="sim.heal"):
    """Operator: repair this fault, or with an empty name all of them."""

    fault: str = ""


class Acted(Message, frozen=True, tag="sim.acted"):
    """World: done, or waiting for its moment."""

    what: str


class DescribeWorld(Message, frozen=True, tag="sim.describe"):
    """Operator: what is really the case?"""


class ItemTruth(msgspec.Struct, frozen=True):
    """What became of one item.

    Attributes:
        item: its number, from 1.
        mass_g: its true mass.
    """

    item: int
    name: str
    fate: Fate
    mass_g: float
    x_m: float


class WorldDescribed(Message, frozen=True, tag="sim.described"):
    """World: the truth.

    Attributes:
        now_s: age of this world.
        items: the newest thousand.
        fallen: how many items have ever fallen into the bin.
        both_high: how often two inputs of one bridge were high together: must stay 0.
        motion_while_unsafe_s: how long a motor turned by its own current with the door open or the
            emergency stop pressed: must stay 0.
        asked_while_unsafe_s: how long outputs asked for motion meanwhile: the guard's reaction.
        hand: of somebody: ``before`` the gate, ``inside`` it, or empty.
    """

    now_s: float
    items: tuple[ItemTruth, ...]
    fallen: int
    gate: float
    belt_m_per_s: float
    bin_percent: float
    faults: tuple[str, ...]
    both_high: int
    motion_while_unsafe_s: float
    asked_while_unsafe_s: float = 0.0
    door_closed: bool = True
    estop_released: bool = True
    hand: str = ""


SimulationMessage = (
    InsertItem | Inserted | Act | Acted | Afflict | Heal | DescribeWorld | WorldDescribed
)
