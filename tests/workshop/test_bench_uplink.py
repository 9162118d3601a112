"""`bin/bench uplink`: with the platform, and where its extra is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kit import platform_rig
from benchmarks.kit.contest import Absent, rows
from benchmarks.uplink import SUITE

ROOT = Path(__file__).parents[2]
needs_platform = pytest.mark.skipif(
    platform_rig.absent() is not None, reason="bin/setup server test: not here"
)


@pytest.mark.parametrize("case", SUITE.cases, ids=lambda case: case.name)
def test_without_the_platform_every_row_says_that_it_was_not_measured(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with case.setup(1.0) as contenders:
        absent = {name: one.why for name, one in contenders.items() if isinstance(one, Absent)}
        assert absent.keys() == contenders.keys()
    for row in rows(case, "two", {}, absent):
        assert row.met is row.ratio is None
        assert "not measured: no fastapi (bin/setup server)" in row.note


@needs_platform
def test_a_machine_and_a_client_that_is_not_ours_speak_to_the_platform_of_the_benchmark():
    with platform_rig.platform() as (here, directory):
        machine = here.machine("rvm-tried")
        assert here.ask("GET", "/edge/settings", token=here.token(machine))["version"] == 0
        assert machine.key_file.is_relative_to(directory)
    assert here.process.returncode == 0
    assert not directory.exists()


@pytest.mark.slow
@needs_platform
def test_rings_are_measured_beside_their_echo():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.uplink", "--json", "--quick", "--only", "ring"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    found = json.loads(done.stdout)
    assert {row["cpus"] for row in found} == {"one", "two"}
    for row in found:
        assert row["ours_value"] > 0, row
        assert row["peer_value"] > 0, row
        assert not row["note"], row
    assert done.returncode == int(any(row["met"] is False for row in found))
