"""What can break: its name, what it may concern, and which values make sense.

line    value of a fault that concerns a pin        channel   one of a measured value
motor   belt or gate
"""

from __future__ import annotations

from typing import get_args

from msgspec import Struct

from models.world.pins import BEAMS, CHANNELS, CONTACTS, LIMITS, LINES, MOTORS
from protocol.simulation import FaultName


class FaultKind(Struct, frozen=True):
    """One sort of fault.

    Attributes:
        help: what happens, for people.
        of: what it may concern; nothing where there is only one of it.
        usual: its value if none is said.
        low, high: which values are taken; equal: it has none.
        unit: of the value.
    """

    help: str
    of: tuple[str, ...] = ()
    usual: float = 0.0
    low: float = 0.0
    high: float = 0.0
    unit: str = ""


FAULTS: dict[FaultName, FaultKind] = {
    "belt_jam": FaultKind("the belt's motor cannot turn"),
    "belt_slip": FaultKind("the motor turns, the belt stands"),
    "gate_jam": FaultKind("the gate's motor cannot turn"),
    "gate_slow": FaultKind("the gate moves so many times slower", (), 2.0, 1.0, 100.0, "times"),
    "encoder_dead": FaultKind("the belt's encoder keeps its level"),
    "beam_stuck": FaultKind("a beam reads free (0) or covered (1)", BEAMS, 1.0, 0.0, 1.0, "level"),
    "beam_bounce": FaultKind("a beam chatters when it changes", BEAMS, 15.0, 1.0, 1000.0, "ms"),
    "beam_dropout": FaultKind(
        "a covered beam reads free now and then", BEAMS, 0.05, 0.0, 1.0, "share of ms"
    ),
    "noise": FaultKind("the noise of all channels grows", (), 5.0, 0.0, 1000.0, "times"),
    "limit_stuck": FaultKind("a limit switch stays (0 or 1)", LIMITS, 1.0, 0.0, 1.0, "level"),
    "limit_both": FaultKind("both limit switches are pressed"),
    "contact_broken": FaultKind("the wire of a contact is broken", CONTACTS),
    "supply_sag": FaultKind("the motors' supply is weak", (), 8.0, 0.0, 15.0, "V"),
    "motor_weld": FaultKind("a bridge stays on when it is told off", MOTORS),
    "loadcell_drift": FaultKind(
        "the scale's zero runs away", (), 20.0, -10_000.0, 10_000.0, "g/min"
    ),
    "loadcell_dead": FaultKind("the load cell's wire is broken: 0 for ever"),
    "bin_echo_lost": FaultKind("the bin's sensor hears nothing"),
    "bin_full": FaultKind("something stands under the bin's sensor"),
    "bus_error": FaultKind("readings of channels fail", (), 0.2, 0.0, 1.0, "share"),
    "sensor_freeze": FaultKind("a channel repeats its last value", CHANNELS),
    "line_lost": FaultKind("a line cannot be read", LINES),
    "climate_heat": FaultKind("it is hot in the shop", (), 45.0, -40.0, 80.0, "°C"),
    "camera_stall": FaultKind("the camera gives no frames"),
    "camera_frozen": FaultKind("the camera repeats one picture, with new timestamps"),
    "camera_black": FaultKind("the lamp is off"),
    "camera_white": FaultKind("something shines into the lens"),
    "camera_blur": FaultKind("the window is fogged", (), 3.0, 0.5, 30.0, "px"),
    "camera_dirt": FaultKind("there are spots on the window", (), 10.0, 0.5, 90.0, "% of it"),
    "camera_torn": FaultKind("frames are half the frame before", (), 1.0, 0.0, 1.0, "share"),
    "camera_delay": FaultKind("frames come out of a queue, late", (), 0.5, 0.0, 10.0, "s"),
    "camera_vanish": FaultKind("the camera is unplugged"),
    "camera_renamed": FaultKind("it comes back under another node"),
}
assert set(FAULTS) == set(get_args(FaultName)), "every fault has its kind"


class Fault(Struct, frozen=True):
    """One fault that is.

    Attributes:
        since_step: when it began.
        held: what was there when it began, for those that keep it.
    """

    name: FaultName
    of: str
    value: float
    since_step: int = 0
    held: float = 0.0

    @property
    def label(self) -> str:
        """For people: ``beam_stuck beam_exit 1``."""
        value = f"{self.value:g}" if FAULTS[self.name].unit else ""
        return " ".join(part for part in (self.name, self.of, value) if part)


def check_fault(name: str, of: str, value: float) -> str:
    """Say what is wrong with a fault somebody wants; empty: nothing."""
    kind = FAULTS.get(name)  # type: ignore[call-overload]
    if kind is None:
        return f"there is no fault {name!r}; there are {', '.join(FAULTS)}"
    if kind.of and of not in kind.of:
        return f"{name} wants one of {', '.join(kind.of)}, not {of!r}"
    if of and not kind.of:
        return f"{name} concerns nothing in particular; leave {of!r} out"
    if not kind.low <= value <= kind.high:
        if kind.unit:
            return f"{name} takes {kind.low:g} to {kind.high:g} {kind.unit}, not {value:g}"
        return f"{name} has no value; leave {value:g} out"
    return ""
