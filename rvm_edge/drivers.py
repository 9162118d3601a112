"""Which drivers stand for the hardware on a profile. The only place that chooses simulated ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.drivers import ports
from actors.drivers.cameras import is_camera
from actors.drivers.sysfs import calibrated
from actors.tree import Driver, Drivers
from config.settings import MotorSettings, SensorsSettings, Settings
from supervisors.spec import ChildSpec, Host

_SIMULATED = "actors.drivers.simulated"


def choose_drivers(settings: Settings, data_dir: Path) -> Drivers:
    """What stands for the hardware on the profile of these settings."""
    if settings.machine.profile == "simulated":
        return simulated_drivers(settings, data_dir)
    source, where = _camera(settings)
    return Drivers(
        Driver("actors.drivers.jetson:JetsonGpio", {"lines": guard_lines(settings.motor)}),
        Driver("actors.drivers.jetson:JetsonGpio", {"lines": sensor_lines(settings.sensors)}),
        Driver("actors.drivers.sysfs:SysfsAnalog", _sysfs(settings.sensors)),
        source,
        where,
    )


def _sysfs(sensors: SensorsSettings) -> Mapping[str, Any]:
    scale = calibrated(sensors.load_cell_g_per_count, sensors.load_cell_zero_counts)
    return {"root": sensors.sysfs_root, "channels": msgspec.to_builtins(scale)}


def simulated_drivers(settings: Settings, data_dir: Path) -> Drivers:
    """A machine whose body is the physics of `models.world`, at pin level."""
    from actors.drivers.simulated import World

    directory = str(data_dir / "sim")
    gpio = Driver(f"{_SIMULATED}:SimulatedGpio", {"directory": directory})
    analog = Driver(f"{_SIMULATED}:SimulatedAnalog", {"directory": directory})
    source, where = f"{_SIMULATED}:SimulatedCamera", directory
    if settings.camera.source != "chamber":
        source, where = _camera(settings)
    world = ChildSpec("world", World, host=Host.PROCESS, args={"directory": directory})
    return Drivers(gpio, gpio, analog, source, where, world)


def _camera(settings: Settings) -> tuple[str, str]:
    """A camera, or files in its place; the chamber is for the simulated machine only."""
    source = settings.camera.source
    if source == "chamber":
        return "", ""
    if is_camera(source):
        return "actors.drivers.cameras:open_camera", source
    return "actors.drivers.files:open_files", source


def guard_lines(motor: MotorSettings) -> Mapping[str, int]:
    """BCM numbers of the guard's lines."""
    belt_in, belt_out = motor.gpio_lines
    gate_open, gate_close = motor.gate_gpio_lines
    return {
        ports.BELT_IN: belt_in,
        ports.BELT_OUT: belt_out,
        ports.GATE_OPEN: gate_open,
        ports.GATE_CLOSE: gate_close,
        ports.HEARTBEAT: motor.heartbeat_gpio_line,
        ports.DOOR_CLOSED: motor.door_gpio_line,
        ports.ESTOP_RELEASED: motor.estop_gpio_line,
        ports.GATE_IS_OPEN: motor.gate_open_gpio_line,
        ports.GATE_IS_CLOSED: motor.gate_closed_gpio_line,
        ports.BEAM_GATE: motor.gate_beam_gpio_line,
        ports.ENCODER: motor.encoder_gpio_line,
    }


def sensor_lines(sensors: SensorsSettings) -> Mapping[str, int]:
    """BCM numbers of the sensors' lines."""
    lines = sensors.gpio_lines
    return {
        ports.BEAM_ENTRY: lines.entry,
        ports.BEAM_INSIDE: lines.inside,
        ports.BEAM_EXIT: lines.exit,
        ports.BEAM_DROP: lines.drop,
    }
