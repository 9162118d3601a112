"""Channels from sysfs, on a tree of files laid out as the kernel does it."""

from pathlib import Path

import msgspec
import pytest

from actors.drivers import make, ports
from actors.drivers.sysfs import SOURCES, ChannelSource, calibrated
from supervisors.testing import VirtualClock

SYSFS = "actors.drivers.sysfs:SysfsAnalog"


def device(root: Path, subsystem: str, number: int, name: str, address: str = "", **files: str):
    """One device of a subsystem."""
    home, name_file = {
        "iio": (root / "bus/iio/devices" / f"iio:device{number}", "name"),
        "hwmon": (root / "class/hwmon" / f"hwmon{number}", "name"),
        "thermal": (root / "class/thermal" / f"thermal_zone{number}", "type"),
    }[subsystem]
    home.mkdir(parents=True)
    for file, content in {name_file: name, **files}.items():
        (home / file).write_text(f"{content}\n")
    if address:
        (home / "device").symlink_to(f"../../../7-{address}")
    return home


@pytest.fixture
def root(tmp_path):
    """A machine with all its sensors; numbers as no one would guess them."""
    device(tmp_path, "hwmon", 0, "nvme", temp1_input="41000")
    device(tmp_path, "hwmon", 3, "ina219", "0041", curr1_input="720", in1_input="11900")
    device(tmp_path, "hwmon", 5, "ina219", "0040", curr1_input="-270", in1_input="12040")
    device(tmp_path, "hwmon", 6, "sht4x", temp1_input="24310", humidity1_input="61250")
    device(tmp_path, "iio", 2, "nau7802", in_voltage0_raw="8400", in_voltage_scale="0.5")
    device(tmp_path, "iio", 1, "vl53l0x", in_distance_raw="412", in_distance_scale="0.001")
    return tmp_path


def test_every_channel_of_the_machine_is_found_by_the_name_of_its_device(root):
    clock = VirtualClock(monotonic_s=5.0)
    analog = make(SYSFS, root=str(root), clock=clock)
    expected = {
        ports.BELT_CURRENT_A: -0.27,
        ports.GATE_CURRENT_A: 0.72,
        ports.SUPPLY_V: 12.04,
        ports.WEIGHT_G: 19.992,
        ports.BIN_DISTANCE_M: 0.412,
        ports.TEMPERATURE_C: 24.31,
        ports.HUMIDITY_PERCENT: 61.25,
    }
    assert set(expected) == set(ports.CHANNELS) == set(SOURCES)
    for channel, value in expected.items():
        reading = analog.read(channel)
        assert reading.value == pytest.approx(value)
        assert (reading.quality, reading.t_mono_ns) == ("ok", 5_000_000_000)


def test_a_device_that_comes_back_under_another_number_is_found_again(root):
    analog = make(SYSFS, root=str(root))
    assert analog.read(ports.BIN_DISTANCE_M).quality == "ok"
    gone = root / "bus/iio/devices/iio:device1"
    gone.rename(root / "elsewhere")
    assert analog.read(ports.BIN_DISTANCE_M)[:2] == (None, "error")
    device(root, "iio", 1, "some-adc", in_distance_raw="9999", in_distance_scale="0.001")
    assert analog.read(ports.BIN_DISTANCE_M)[:2] == (None, "error")
    device(root, "iio", 9, "vl53l0x", in_distance_raw="300", in_distance_scale="0.001")
    assert analog.read(ports.BIN_DISTANCE_M)[:2] == (pytest.approx(0.3), "ok")


def test_numbers_that_swap_do_not_swap_the_channels(root):
    analog = make(SYSFS, root=str(root))
    assert analog.read(ports.BELT_CURRENT_A).value == pytest.approx(-0.27)
    hwmon = root / "class/hwmon"
    (hwmon / "hwmon3").rename(root / "gate")
    (hwmon / "hwmon5").rename(hwmon / "hwmon3")
    (root / "gate").rename(hwmon / "hwmon5")
    assert analog.read(ports.BELT_CURRENT_A).value == pytest.approx(-0.27)
    assert analog.read(ports.GATE_CURRENT_A).value == pytest.approx(0.72)


@pytest.mark.parametrize("content", ["", "no number", "nan", "inf", None])
def test_what_cannot_be_read_is_an_error_and_never_a_zero(root, content):
    file = root / "bus/iio/devices/iio:device2/in_voltage0_raw"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert make(SYSFS, root=str(root)).read(ports.WEIGHT_G)[:2] == (None, "error")


def test_a_file_that_the_kernel_refuses_to_read_is_an_error(root):
    file = root / "bus/iio/devices/iio:device2/in_voltage0_raw"
    file.unlink()
    file.mkdir()  # reading it is an OSError, as ETIMEDOUT is on a bus without an answer
    assert make(SYSFS, root=str(root)).read(ports.WEIGHT_G)[:2] == (None, "error")


def test_a_raw_distance_without_its_scale_is_an_error(root):
    (root / "bus/iio/devices/iio:device1/in_distance_scale").unlink()
    assert make(SYSFS, root=str(root)).read(ports.BIN_DISTANCE_M)[:2] == (None, "error")


def test_the_devices_own_offset_counts_before_its_scale(root):
    (root / "bus/iio/devices/iio:device1/in_distance_offset").write_text("-12\n")
    reading = make(SYSFS, root=str(root)).read(ports.BIN_DISTANCE_M)
    assert reading.value == pytest.approx(0.4)


def test_the_last_good_value_is_stale_for_a_while_and_then_an_error(root):
    clock = VirtualClock(monotonic_s=100.0)
    analog = make(SYSFS, root=str(root), clock=clock)
    good = analog.read(ports.TEMPERATURE_C)
    (root / "class/hwmon/hwmon6/temp1_input").unlink()
    clock.advance(30.0)
    assert analog.read(ports.TEMPERATURE_C) == good._replace(quality="stale")
    clock.advance(0.001)
    assert analog.read(ports.TEMPERATURE_C)[:2] == (None, "error")
    (root / "class/hwmon/hwmon6/temp1_input").write_text("25000\n")
    assert analog.read(ports.TEMPERATURE_C)[:2] == (pytest.approx(25.0), "ok")


def test_the_first_name_that_is_there_counts(root):
    device(root, "iio", 0, "srf04", in_distance_raw="700", in_distance_scale="0.001")
    assert make(SYSFS, root=str(root)).read(ports.BIN_DISTANCE_M).value == pytest.approx(0.412)
    (root / "bus/iio/devices/iio:device1").rename(root / "elsewhere")
    assert make(SYSFS, root=str(root)).read(ports.BIN_DISTANCE_M).value == pytest.approx(0.7)


def test_a_load_cell_is_calibrated_by_two_numbers_that_cross_into_another_process(root):
    channels = msgspec.to_builtins(calibrated(g_per_count=0.005, zero_counts=400))
    analog = make(SYSFS, root=str(root), channels=channels)
    assert analog.read(ports.WEIGHT_G).value == pytest.approx(40.0)
    assert analog.read(ports.BIN_DISTANCE_M).quality == "ok"


def test_a_thermal_zone_is_found_by_its_type(root):
    device(root, "thermal", 0, "cpu-thermal", temp="51000")
    device(root, "thermal", 4, "tj-thermal", temp="55500")
    hottest = ChannelSource("thermal", ("tj-thermal",), "temp", factor=1e-3)
    analog = make(SYSFS, root=str(root), channels={"module_c": hottest})
    assert analog.read("module_c").value == pytest.approx(55.5)


def test_without_any_sensor_every_channel_is_an_error(tmp_path):
    analog = make(SYSFS, root=str(tmp_path))
    for channel in (*ports.CHANNELS, "no_such_channel"):
        assert analog.read(channel)[:2] == (None, "error")
    analog.close()
