"""What heals by itself brings the machine back by itself: nobody comes, nobody resets anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from models.world.catalogue import load_catalogue
from protocol.simulation import Acted, Afflict, FaultName, Inserted, InsertItem
from rvm_edge.lab.machine import Lab
from rvm_edge.lab.site import WORLD

_BOOT_S = 20.0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(Settings(), tmp_path, seed=5)
    lab.start()
    lab.wait(_BOOT_S)
    assert lab.cycle().is_open
    yield lab
    assert lab.close_and_audit() == []


def picture() -> str:
    return str(next(iter(load_catalogue())).picture)


def comes_to(lab: Lab, seconds: float, *, is_open: bool) -> bool:
    """Wait until the machine takes items, or takes none any more; whether it came to that."""
    until_s = lab.now + seconds
    while lab.now < until_s:
        if lab.cycle().is_open == is_open:
            return True
        lab.wait(0.25)
    return False


@pytest.mark.parametrize("g_per_min", [60.0, 200.0])
def test_a_zero_that_has_run_away_is_found_again(lab: Lab, g_per_min: float) -> None:
    """The first stays within what a tare may bridge, the second is far beyond it until it heals."""
    lab.ask(WORLD, Afflict("loadcell_drift", value=g_per_min, for_s=40.0), Acted)
    assert comes_to(lab, 40.0, is_open=False)
    assert comes_to(lab, 150.0, is_open=True), lab.troubles()
    lab.wait(60.0)
    assert lab.cycle().is_open, lab.troubles()


@pytest.mark.parametrize("fault", ["belt_jam", "gate_jam"])
def test_a_motor_that_was_stuck_is_tried_until_it_runs(lab: Lab, fault: FaultName) -> None:
    lab.ask(WORLD, Afflict(fault, for_s=20.0), Acted)
    lab.ask(WORLD, InsertItem("a bottle", picture(), patience_s=1.0), Inserted)
    assert comes_to(lab, 20.0, is_open=False)
    assert comes_to(lab, 150.0, is_open=True), lab.troubles()
