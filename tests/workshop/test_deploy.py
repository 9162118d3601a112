"""What is installed beside the program: units that systemd understands, and that say what we do."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = ("rvm-edge-guard.service", "rvm-edge.service")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / name, encoding="utf-8")
    return parser


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    """On copies whose program exists here: that it lies in /opt is not what is checked."""
    for name in UNITS:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/opt/rvm-edge/.venv/bin/rvm-edge", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "rvm-edge" in line]
    assert ours == []


def test_the_guard_does_not_go_with_the_daemon_and_starts_for_ever():
    guard, daemon = unit(UNITS[0]), unit(UNITS[1])
    assert guard["Service"]["Restart"] == "always"
    assert guard["Unit"]["StartLimitIntervalSec"] == "0"
    for word in ("PartOf", "BindsTo", "Requires"):
        assert word not in guard["Unit"]
        assert word not in daemon["Unit"]
    assert daemon["Unit"]["Wants"] == UNITS[0]
    assert daemon["Service"]["KillMode"] == "mixed"


@pytest.mark.parametrize("name", UNITS)
def test_nothing_hides_the_pins(name):
    service = unit(name)["Service"]
    assert "PrivateDevices" not in service
    assert "ProtectKernelTunables" not in service
    assert "gpio" in service["SupplementaryGroups"].split()
