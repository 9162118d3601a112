"""What the machine can know: levels of its inputs and readings of its channels, faults included."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from models.world import pins
from models.world.machine import Machine
from models.world.parameters import STEPS_PER_S, Parameters

if TYPE_CHECKING:
    from models.world.broken import Broken
    from models.world.noise import Noise

_STREAM = {name: number for number, name in enumerate((*pins.CHANNELS, *pins.BEAMS), start=1)}
_BUS_STREAM, _ECHO_STREAM, _CHATTER_STREAM = 100, 200, 300


class Sample(NamedTuple):
    """One reading of a channel; value None: it could not be had."""

    value: float | None
    step: int

    @property
    def at_s(self) -> float:
        """When it was measured, in the world's time."""
        return self.step / STEPS_PER_S


class Senses:
    """Inputs and channels of one machine.

    Current sensors, scale and echo sounder measure at fixed moments: `hold` has to be called at
    each, or later if nothing has changed since.
    """

    def __init__(
        self, parameters: Parameters, machine: Machine, broken: Broken, noise: Noise
    ) -> None:
        """Args: machine: whose. broken: its faults. noise: where chance comes from."""
        self._parameters = parameters
        self._period = parameters.sensors
        self._machine = machine
        self._broken = broken
        self._noise = noise
        self._held = dict.fromkeys(pins.CHANNELS, 0.0)
        self._numbers = {"current": -1, "scale": -1, "echo": -1}
        self._samples: dict[str, tuple[int, int, Sample]] = {}
        self._newest: dict[str, Sample] = {}
        self._fresh_until, self._version = 0, -1
        beams = parameters.beams
        self._beam_m = (
            (pins.BEAM_ENTRY, beams.entry_m),
            (pins.BEAM_GATE, beams.gate_m),
            (pins.BEAM_INSIDE, beams.inside_m),
            (pins.BEAM_EXIT, beams.exit_m),
        )
        self._changed: dict[str, tuple[bool, int]] = {}
        self.hold(0)

    # -- measuring ------------------------------------------------------------------------------

    def next_step(self, step: int) -> int:
        """When something is measured next; the slow channels measure together with a fast one."""
        current = self._period.current_steps
        halves = self._period.scale_half_steps
        scale_step = -((2 * step // halves + 1) * halves // -2)
        return min(step - step % current + current, scale_step)

    def hold(self, step: int) -> None:
        """Measure what is to be measured at this step."""
        number = step // self._period.current_steps
        if number != self._numbers["current"]:
            self._numbers["current"] = number
            self._held[pins.BELT_CURRENT_A] = abs(self._machine.belt.motor.current_a)
            self._held[pins.GATE_CURRENT_A] = abs(self._machine.gate.motor.current_a)
            self._held[pins.SUPPLY_V] = self._machine.bus_v
        number = 2 * step // self._period.scale_half_steps
        if number != self._numbers["scale"]:
            self._numbers["scale"] = number
            self._machine.scale.settle()
            self._held[pins.WEIGHT_G] = self._machine.scale.shown_g
        number = step // self._period.echo_steps
        if number != self._numbers["echo"]:
            self._numbers["echo"] = number
            self._held[pins.BIN_DISTANCE_M] = self._machine.bin.distance_m

    def watch_bounce(self, step: int) -> None:
        """Remember when beams have changed; needed while one of them bounces."""
        levels: dict[str, bool] = {}
        self._cover(levels, step)
        for beam, covered in levels.items():
            known = self._changed.get(beam)
            if known is None or known[0] != covered:
                self._changed[beam] = (covered, step if known is not None else -STEPS_PER_S)

    # -- channels -------------------------------------------------------------------------------

    def channels(self, step: int) -> dict[str, Sample]:
        """The newest reading of every channel; the same object until one of them is newer."""
        if step >= self._fresh_until or self._version != self._broken.version:
            self._newest = {name: self._sample(name, step) for name in pins.CHANNELS}
            self._fresh_until, self._version = self.next_step(step), self._broken.version
        return self._newest

    def _sample(self, name: str, step: int) -> Sample:
        number, at = self._measured(name, step)
        known = self._samples.get(name)
        if known is not None and known[:2] == (number, self._broken.version):
            return known[2]
        sample = Sample(self._value(name, number, at), at)
        self._samples[name] = (number, self._broken.version, sample)
        return sample

    def _measured(self, name: str, step: int) -> tuple[int, int]:
        """Number of a channel's newest measurement, and its step."""
        if name == pins.WEIGHT_G:
            number = 2 * step // self._period.scale_half_steps
            return number, -(number * self._period.scale_half_steps // -2)
        if name == pins.BIN_DISTANCE_M:
            every = self._period.echo_steps
        elif name in (pins.TEMPERATURE_C, pins.HUMIDITY_PERCENT):
            every = self._period.climate_steps
        else:
            every = self._period.current_steps
        return step // every, step - step % every

    def _value(self, name: str, number: int, step: int) -> float | None:
        broken, stream = self._broken, _STREAM[name]
        share = broken.value("bus_error")
        if share and self._noise.uniform(_BUS_STREAM + stream, number) < share:
            return None
        frozen = broken.get("sensor_freeze", name)
        if frozen is not None:
            return frozen.held
        factor = broken.value("noise", usual=1.0)
        noise = factor * self._noise.normal(stream, number)
        if name == pins.BIN_DISTANCE_M:
            return self._echo(noise, number)
        if name == pins.WEIGHT_G:
            return self._weight(noise, step)
        sensors, climate = self._parameters.sensors, self._machine.climate
        if name == pins.SUPPLY_V:
            return self._held[name] + sensors.supply_noise_v * noise
        now_s = step / STEPS_PER_S
        if name == pins.TEMPERATURE_C:
            return climate.temperature_c(now_s) + self._parameters.climate.noise_c * noise
        if name == pins.HUMIDITY_PERCENT:
            spread = self._parameters.climate.noise_rh_percent
            return climate.humidity_percent(now_s) + spread * noise
        return self._held[name] + sensors.current_noise_a * noise

    def _weight(self, noise: float, step: int) -> float:
        if self._broken.get("loadcell_dead") is not None:
            return 0.0
        scale, now_s = self._parameters.scale, step / STEPS_PER_S
        warmer_c = self._machine.climate.temperature_c(now_s) - self._parameters.climate.ambient_c
        zero_g = scale.zero_g + scale.drift_g_per_c * warmer_c
        drift = self._broken.get("loadcell_drift")
        if drift is not None:
            zero_g += drift.value * max(0, step - drift.since_step) / (60 * STEPS_PER_S)
        return zero_g + self._held[pins.WEIGHT_G] + scale.noise_g * noise

    def _echo(self, noise: float, number: int) -> float | None:
        bin_ = self._parameters.bin
        is_lost = self._noise.uniform(_ECHO_STREAM, number) < bin_.lost_echoes
        if is_lost or self._broken.get("bin_echo_lost") is not None:
            return None
        distance_m = self._held[pins.BIN_DISTANCE_M] + bin_.noise_m * noise
        return max(bin_.dead_zone_m, distance_m)

    # -- inputs ---------------------------------------------------------------------------------

    def inputs(self, step: int) -> dict[str, bool]:
        """The level of every input."""
        machine, broken = self._machine, self._broken
        levels = {
            pins.DOOR_CLOSED: machine.bridges.door_closed,
            pins.ESTOP_RELEASED: machine.bridges.estop_released,
            pins.GATE_IS_OPEN: machine.gate.is_open,
            pins.GATE_IS_CLOSED: machine.gate.is_closed,
            pins.ENCODER: machine.belt.encoder,
        }
        self._cover(levels, step)
        return self._falsified(levels, step) if broken.has_lines else levels

    def _cover(self, levels: dict[str, bool], step: int) -> None:
        """Put down which beams are interrupted."""
        machine = self._machine
        levels[pins.BEAM_ENTRY] = machine.hand != ""
        levels[pins.BEAM_GATE] = machine.hand == "inside"
        levels[pins.BEAM_INSIDE] = levels[pins.BEAM_EXIT] = False
        for item in machine.lane.items:
            rear_m, front_m = item.x_m, item.x_m + item.length_m
            for beam, at_m in self._beam_m:
                if rear_m <= at_m <= front_m:
                    levels[beam] = True
        falls = machine.falls
        levels[pins.BEAM_DROP] = any(f.covers_from <= step < f.covers_until for f in falls)

    def _falsified(self, levels: dict[str, bool], step: int) -> dict[str, bool]:
        broken = self._broken
        for beam in pins.BEAMS:
            levels[beam] = self._beam(beam, levels[beam], step)
        for limit in pins.LIMITS:
            stuck = broken.get("limit_stuck", limit)
            if broken.get("limit_both") is not None:
                levels[limit] = True
            elif stuck is not None:
                levels[limit] = bool(stuck.value)
        for contact in pins.CONTACTS:
            if broken.get("contact_broken", contact) is not None:
                levels[contact] = False
        dead = broken.get("encoder_dead")
        if dead is not None:
            levels[pins.ENCODER] = bool(dead.held)
        return levels

    def _beam(self, beam: str, covered: bool, step: int) -> bool:
        broken, stream = self._broken, _STREAM[beam]
        stuck = broken.get("beam_stuck", beam)
        if stuck is not None:
            return bool(stuck.value)
        dropout = broken.value("beam_dropout", beam)
        if covered and dropout and self._noise.uniform(stream, step) < dropout:
            return False
        bounce_ms = broken.value("beam_bounce", beam)
        since = self._changed[beam][1] if bounce_ms and beam in self._changed else -STEPS_PER_S
        if step - since < bounce_ms and self._noise.uniform(_CHATTER_STREAM + stream, step) < 0.5:
            return not covered
        return covered
