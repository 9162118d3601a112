"""Everything the guard's inputs say together, and what is wrong with them."""

from __future__ import annotations

from config.settings import MotorSettings
from models.guard.senses import Contact, Current, Encoder
from models.guard.terms import MOTORS, Order, Seen, Why
from protocol.machine import MotorName

_BOOT_S = 1.0
"""A sensor that has not said anything by then does not speak."""


class View:
    """What is known of door, stop, gate, belt and currents.

    Attributes:
        seen: the last look at the lines.
        current: by motor.
        unsafe_s: when a contact was last open or unknown.
    """

    def __init__(self, limits: MotorSettings, now_s: float, *, has_current: bool) -> None:
        """Args: has_current: there are current sensors, so that a silent one is a fault."""
        self.seen = Seen(None, None, None, None, None, None)
        self.door, self.estop, self.encoder = Contact(), Contact(), Encoder()
        self.current: dict[MotorName, Current] = {
            "belt": Current(limits.belt_stall_a, limits.off_current_a),
            "gate": Current(limits.gate_stall_a, limits.off_current_a),
        }
        self.unsafe_s = now_s
        self._limits = limits
        self._has_current = has_current
        self._born_s = now_s
        self._supply_v: float | None = None
        self._beam_free_s = now_s
        self._flags: set[str] = set()

    def look(self, seen: Seen, now_s: float) -> None:
        """Take a look at the lines in."""
        self.seen = seen
        release_s = self._limits.contact_release_s
        self.door.look(seen.door_closed, now_s, release_s)
        self.estop.look(seen.estop_released, now_s, release_s)
        self.encoder.look(seen.encoder, now_s)
        if not self.is_safe:
            self.unsafe_s = now_s
        if not seen.beam_gate:
            self._beam_free_s = now_s

    def measure(self, motor: MotorName, value_a: float | None, now_s: float) -> None:
        """Take a reading of a motor's current in; None: it failed."""
        self.current[motor].take(value_a, now_s)

    def supply(self, value_v: float | None) -> None:
        """Take a reading of the supply in; None: nobody knows."""
        self._supply_v = value_v

    @property
    def is_safe(self) -> bool:
        """Whether door and stop are known to be all right."""
        return bool(self.door.believed and self.estop.believed)

    def flag(self, sentence: str, *, on: bool = True) -> None:
        """Remember, or forget, that something is broken."""
        if on:
            self._flags.add(sentence)
        else:
            self._flags.discard(sentence)

    # -- judgements -----------------------------------------------------------------------------

    def contact_fault(self, order: Order | None) -> Why | None:
        """Whether a contact forbids this order, or any."""
        if not self.estop.believed:
            return Why("estop", _contact(self.estop, "the emergency stop is pressed"))
        if not self.door.believed and not (order is not None and order.is_held):
            return Why("door", _contact(self.door, "the door is open"))
        return None

    def gate_fault(self, order: Order) -> Why | None:
        """Whether limits or beam forbid this movement of the gate."""
        if order.motor != "gate":
            return None
        if self.seen.gate == "unknown":
            both = self.seen.gate_is_open and self.seen.gate_is_closed
            what = "both limits are closed at once" if both else "a limit cannot be read"
            return Why("limit", what)
        is_closing = order.direction == "close" and not self.is_at_limit(order)
        if is_closing and self.seen.beam_gate is not False:
            what = "cannot be read" if self.seen.beam_gate is None else "is covered"
            return Why("obstacle", f"the beam in the gate {what}")
        return None

    def is_at_limit(self, order: Order) -> bool:
        """Whether the limit switch of its direction is closed."""
        wanted = {"open": self.seen.gate_is_open, "close": self.seen.gate_is_closed}
        return bool(wanted.get(order.direction))

    def stall_fault(self, order: Order, start_s: float, now_s: float) -> Why | None:
        """Whether a motor that has run since ``start_s`` stalls, or does not run at all."""
        stall_s = self._limits.stall_s
        since_s = start_s + self._limits.inrush_s
        current = self.current[order.motor]
        if current.stalls(since_s, now_s, stall_s):
            return Why("jam", "the motor has drawn its stall current")
        draws_a = current.amps(now_s)
        if now_s - since_s < stall_s:
            return None
        return self._silence_fault(start_s, now_s, draws_a) if order.motor == "belt" else None

    def _silence_fault(self, start_s: float, now_s: float, draws_a: float | None) -> Why | None:
        """Tell a dead encoder from a belt that does not move: the current knows."""
        limits = self._limits
        began_s = now_s - start_s - limits.inrush_s
        if min(self.encoder.quiet_s(now_s), began_s) < limits.stall_s:
            self.flag(
                "belt_current_a: nothing although the belt moves",
                on=draws_a is not None and draws_a < limits.off_current_a / 2,
            )
            return None
        if draws_a is None:
            return Why("no_motion", "the encoder is silent, and no current sensor tells more")
        if draws_a < limits.off_current_a:
            return Why("no_motion", "the encoder is silent and the motor draws no current")
        if draws_a >= limits.belt_stall_a / 2:
            return Why("jam", "the encoder is silent and the motor draws too much")
        if self.is_supply_low:
            return Why("no_motion", "the encoder is silent and the supply is too low to tell")
        self.encoder.is_dead = True
        return None

    def uncommanded(self, motor: MotorName, off_s: float, now_s: float) -> str:
        """What shows that a motor that is off since ``off_s`` is not off; empty: nothing."""
        since_s = max(off_s, self.unsafe_s) + self._limits.settle_s
        if self.current[motor].is_on(since_s, now_s, self._limits.stall_s):
            return f"the {motor} draws current although it is off"
        is_over = now_s - max(off_s, self.unsafe_s) >= self._limits.run_down_s
        if motor == "belt" and is_over and self.encoder.moves(now_s):
            return "the belt moves although it is off"
        return ""

    @property
    def is_supply_low(self) -> bool:
        """Only with closed contacts: open, they cut the supply."""
        low = self._supply_v is not None and self._supply_v < self._limits.supply_v_min
        return low and self.is_safe

    def trouble(self, now_s: float) -> tuple[str, ...]:
        """What is broken, a sentence each; the same as long as it is the same."""
        seen = self.seen
        found = [
            f"{line}: cannot be read"
            for line, level in zip(seen._fields, seen, strict=True)
            if level is None
        ]
        if seen.gate_is_open and seen.gate_is_closed:
            found.append("gate limits: both are closed at once")
        if self.encoder.is_dead:
            found.append("encoder: silent although the belt's motor runs")
        if now_s - self._beam_free_s >= self._limits.gate_beam_stuck_s:
            found.append("beam_gate: covered for too long: dirty, blind or blocked")
        if self.is_supply_low:
            found.append("supply_v: too low for the motors")
        if self._has_current and now_s - self._born_s >= _BOOT_S:
            found += self._current_trouble(now_s)
        return (*found, *sorted(self._flags))

    def _current_trouble(self, now_s: float) -> list[str]:
        found = []
        for motor in MOTORS:
            if self.current[motor].is_frozen:
                found.append(f"{motor}_current_a: always the same value")
            elif self.current[motor].amps(now_s) is None:
                found.append(f"{motor}_current_a: cannot be read")
        return found


def _contact(contact: Contact, what: str) -> str:
    return "its contact cannot be read" if contact.believed is None else what
