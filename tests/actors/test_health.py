"""The health actor on a root of the test's own: what is measured, unknown, alarming."""

from actors.health import Health
from protocol.health import Measured, MeasureNow
from supervisors import ChildSpec
from tests.actors.runtime import tree

LIMITS = {
    "cpu_percent": (80.0, 75.0),
    "memory_percent": (85.0, 80.0),
    "disk_percent": (100.1, 100.0),
    "temperature_c": (75.0, 70.0),
}


def machine(root, *, cpu=(0, 100), available=500, temperatures=(41000,)):
    """A proc and a sys; cpu is (busy, idle) in ticks since boot."""
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/stat").write_text(f"cpu  {cpu[0]} 0 0 {cpu[1]} 0 0 0 0 0 0\n")
    (root / "proc/meminfo").write_text(f"MemTotal: 1000 kB\nMemAvailable: {available} kB\n")
    for number, value in enumerate(temperatures):
        zone = root / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True, exist_ok=True)
        (zone / "temp").write_text(f"{value}\n")


def health(root):
    args = {"directory": str(root), "period_s": 3600.0, "thresholds": LIMITS, "root": str(root)}
    return ChildSpec("health", Health, args=args)


def measure(sup) -> Measured:
    return sup.request("health", MeasureNow(), reply=Measured)


def test_values_are_measured_between_two_looks(tmp_path):
    machine(tmp_path, cpu=(100, 100))
    with tree(health(tmp_path)) as (sup, _):
        machine(tmp_path, cpu=(130, 170), available=250, temperatures=(41000, 55500))
        measured = measure(sup)
    assert measured.cpu_percent == 30.0
    assert measured.memory_percent == 75.0
    assert measured.temperature_c == 55.5
    assert measured.disk_percent is not None


def test_what_cannot_be_read_is_unknown_and_not_zero(tmp_path):
    (tmp_path / "sys/class/thermal/thermal_zone0").mkdir(parents=True)
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("asleep")
    with tree(health(tmp_path)) as (sup, _):
        measured = measure(sup)
    assert measured.cpu_percent is None
    assert measured.memory_percent is None
    assert measured.temperature_c is None
    assert measured.alarms == ()


def test_an_alarm_is_recorded_once_and_cleared_once(tmp_path):
    machine(tmp_path)
    with tree(health(tmp_path)) as (sup, events):
        for temperature in (76000, 77000, 72000, 69000, 69000):
            machine(tmp_path, temperatures=(temperature,))
            measure(sup)
        assert events.named("alarm") == [{"name": "temperature_c", "value": 76.0}]
        assert events.named("alarm_cleared") == [{"name": "temperature_c", "value": 69.0}]
