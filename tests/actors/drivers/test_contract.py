"""Every driver of lines keeps the same contract."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actors.drivers import make, ports
from actors.drivers.simulated import SimulatedBoard
from supervisors.boot import isolated
from tests.actors.drivers import contract
from tests.actors.drivers.fake_cdev import BCM_OFFSETS, FakeChip, run_fresh

LINES = {
    ports.BELT_IN: 17, ports.BELT_OUT: 27, ports.GATE_OPEN: 5, ports.GATE_CLOSE: 6,
    ports.HEARTBEAT: 4, ports.BEAM_ENTRY: 25, ports.BEAM_DROP: 24,
}  # fmt: skip


class SimulatedBench:
    """The simulated pins; the other process is a real one."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.gpio = self.another()
        self._board = SimulatedBoard(directory)
        self._occupants: list[subprocess.Popen[str]] = []

    def another(self):
        return make("actors.drivers.simulated:SimulatedGpio", directory=self._directory)

    def occupy(self, line):
        argv = isolated(sys.executable, __name__, [self._directory, line])
        occupant = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._occupants.append(occupant)
        assert occupant.stdout.readline() == "mine\n"
        # Its own claim has driven the line; what counts comes after.
        self._before = len(self._board.trace())

    def set(self, line, level):
        self._board.set(line, level)

    def level(self, line):
        return self._board.level(line)

    def driven(self, line):
        return [one.level for one in self._board.trace(self._before) if one.line == line]

    _before = 0

    def close(self):
        for occupant in self._occupants:
            occupant.communicate(timeout=10)
        self.gpio.close()
        self._board.close()


def main(argv):
    """Be another process that has a line, until nobody wants it any more."""
    directory, line = argv
    gpio = make("actors.drivers.simulated:SimulatedGpio", directory=directory)
    gpio.claim_output(line)
    os.write(1, b"mine\n")
    sys.stdin.read()
    gpio.close()


class JetsonBench:
    """Unmodified Jetson.GPIO on a chip in memory."""

    def __init__(self, chip: FakeChip) -> None:
        self._chip = chip
        self.gpio = self.another()

    def another(self):
        return make("actors.drivers.jetson:JetsonGpio", lines=LINES)

    def occupy(self, line):
        self._chip.foreign.add(self._offset(line))

    def set(self, line, level):
        self._chip.set(self._offset(line), int(level))

    def level(self, line):
        return bool(self._chip.levels[self._offset(line)])

    def driven(self, line):
        offset = self._offset(line)
        return [bool(one.level) for one in self._chip.trace if one.offset == offset]

    def _offset(self, line):
        return BCM_OFFSETS[LINES[line]]


def check_on_jetson(chip, name):
    bench = JetsonBench(chip)
    getattr(contract, name)(bench)
    bench.gpio.close()
    assert chip.owned() == set()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_simulated_pins(tmp_path, check):
    bench = SimulatedBench(str(tmp_path))
    try:
        check(bench)
    finally:
        bench.close()


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_jetson_gpio(check):
    pytest.importorskip("Jetson", reason="Jetson.GPIO is Linux only")
    run_fresh(check_on_jetson, check.__name__)
