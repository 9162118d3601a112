"""Analogue channels that the kernel measures, read from sysfs: IIO, hwmon and thermal devices.

A device is found by the name that its driver gives it, never by its number, which changes from boot
to boot. Which channel comes from which device stands in `SOURCES`; docs/hardware.md has it for
people. A device that went away and came back under another number is found again.

What cannot be read is an error, never a zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from actors.drivers import ports
from actors.drivers.ports import Reading
from supervisors.clock import Clock, SystemClock

Subsystem = Literal["iio", "hwmon", "thermal"]


class _Home(NamedTuple):
    """Where the devices of a subsystem are, and which file of theirs has the name."""

    directory: str
    pattern: str
    name: str


_HOMES: Mapping[Subsystem, _Home] = MappingProxyType(
    {
        "iio": _Home("bus/iio/devices", "iio:device*", "name"),
        "hwmon": _Home("class/hwmon", "hwmon*", "name"),
        "thermal": _Home("class/thermal", "thermal_zone*", "type"),
    }
)


class ChannelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attribute of one device, and what its number means.

        value = number × factor + shift, or (number + offset) × scale × factor + shift if ``scaled``

    Attributes:
        subsystem: ``iio``, ``hwmon`` or ``thermal``.
        device: names that its driver may give it; the first that is there counts.
        attribute: file with the number.
        address: where several devices have that name: on the I²C bus, ``0040``.
        scaled: add the device's own ``…_offset`` if it has one and multiply by its ``…_scale``, as
            the kernel documents the raw attributes of IIO.
        factor: to the channel's unit.
        shift: in the channel's unit.
        stale_s: a last good value so old is given once more, as ``stale``, where there is no new
            one; 0: never.
    """

    subsystem: Subsystem
    device: tuple[str, ...]
    attribute: str
    address: str = ""
    scaled: bool = False
    factor: float = 1.0
    shift: float = 0.0
    stale_s: float = 0.0


_CURRENTS = ("ina219", "ina226")
_LOAD_CELLS = ("nau7802", "hx711")
_DISTANCES = ("vl53l0x", "srf04")
_CLIMATE = ("sht4x", "sht3x")
_MILLI = 1e-3
"""hwmon counts in mA, mV, m°C and thousandths of a percent."""

SOURCES: Mapping[str, ChannelSource] = MappingProxyType(
    {
        # Two of a kind on one bus: their addresses are soldered, docs/hardware.md says which.
        ports.BELT_CURRENT_A: ChannelSource(
            "hwmon", _CURRENTS, "curr1_input", address="0040", factor=_MILLI
        ),
        ports.GATE_CURRENT_A: ChannelSource(
            "hwmon", _CURRENTS, "curr1_input", address="0041", factor=_MILLI
        ),
        ports.SUPPLY_V: ChannelSource(
            "hwmon", _CURRENTS, "in1_input", address="0040", factor=_MILLI
        ),
        # In counts; every load cell is another one: `calibrated`.
        ports.WEIGHT_G: ChannelSource("iio", _LOAD_CELLS, "in_voltage0_raw", factor=0.00238),
        # Both count in mm and say so in their scale.
        ports.BIN_DISTANCE_M: ChannelSource("iio", _DISTANCES, "in_distance_raw", scaled=True),
        ports.TEMPERATURE_C: ChannelSource(
            "hwmon", _CLIMATE, "temp1_input", factor=_MILLI, stale_s=30.0
        ),
        ports.HUMIDITY_PERCENT: ChannelSource(
            "hwmon", _CLIMATE, "humidity1_input", factor=_MILLI, stale_s=30.0
        ),
    }
)


def calibrated(g_per_count: float, zero_counts: float) -> dict[str, ChannelSource]:
    """The scale's source with the calibration of this very load cell.

    Args:
        g_per_count: from a known weight.
        zero_counts: with nothing on it, at its installation.
    """
    source = msgspec.structs.replace(
        SOURCES[ports.WEIGHT_G], factor=g_per_count, shift=-zero_counts * g_per_count
    )
    return {ports.WEIGHT_G: source}


class SysfsAnalog:
    """See `ports.Analog`.

    Example:
        >>> analog = make("actors.drivers.sysfs:SysfsAnalog", root="/sys")
    """

    def __init__(
        self,
        root: str = "/sys",
        channels: Mapping[str, ChannelSource] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make it; nothing is opened before it is read.

        Args:
            root: where sysfs is; another place in tests.
            channels: other sources than `SOURCES`, by channel.
            clock: for the times of readings.
        """
        self._root = Path(root)
        self._sources = dict(SOURCES)
        # Through msgpack they come as plain values.
        self._sources.update(msgspec.convert(channels or {}, dict[str, ChannelSource]))
        self._now_ns = (clock or SystemClock()).monotonic_ns
        self._devices: dict[str, Path] = {}
        self._last: dict[str, Reading] = {}

    def read(self, channel: str) -> Reading:
        """See `ports.Analog`."""
        source = self._sources.get(channel)
        value = None if source is None else self._value(channel, source)
        now_ns = self._now_ns()
        if value is not None:
            reading = self._last[channel] = Reading(value, "ok", now_ns)
            return reading
        last = self._last.get(channel)
        if source is None or last is None or now_ns - last.t_mono_ns > source.stale_s * 1e9:
            return Reading(None, "error", now_ns)
        return last._replace(quality="stale")

    def close(self) -> None:
        """Forget the devices; no file stays open between two readings."""
        self._devices.clear()

    # -- private --------------------------------------------------------------------------------

    def _value(self, channel: str, source: ChannelSource) -> float | None:
        device = self._devices.get(channel)
        if device is None or not _is_it(device, source):
            device = self._find(source)
            if device is None:
                self._devices.pop(channel, None)
                return None
            self._devices[channel] = device
        number = _number(device / source.attribute)
        if number is None:
            return None
        if source.scaled:
            # The scale last: a device that has just gone has no offset either, but no scale.
            stem = source.attribute.rpartition("_")[0]
            offset = _number(device / f"{stem}_offset") or 0.0
            scale = _number(device / f"{stem}_scale")
            if scale is None:
                return None
            number = (number + offset) * scale
        return number * source.factor + source.shift

    def _find(self, source: ChannelSource) -> Path | None:
        home = _HOMES[source.subsystem]
        candidates = sorted((self._root / home.directory).glob(home.pattern))
        for name in source.device:
            for device in candidates:
                if _text(device / home.name) == name and _is_it(device, source):
                    return device
        return None


def _is_it(device: Path, source: ChannelSource) -> bool:
    """Whether there is, still, a device of that name and address under that path."""
    if _text(device / _HOMES[source.subsystem].name) not in source.device:
        return False
    return not source.address or _address(device) == source.address


def _address(device: Path) -> str | None:
    """Of an I²C device: the last part of ``7-0040``, to which its link ``device`` leads."""
    try:
        return (device / "device").readlink().name.rpartition("-")[2]
    except OSError:
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):  # a device that has no such file, or has just gone
        return None


def _number(file: Path) -> float | None:
    """Content of a file as a number; None where it cannot be read or is none."""
    try:
        number = float(_text(file) or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
