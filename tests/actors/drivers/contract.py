"""What every `ports.Gpio` has to keep. Each check gets a bench: the driver and its other end.

`test_contract.py` runs all of them on the simulated pins, and on Jetson.GPIO over a chip in memory.
"""

from __future__ import annotations

import threading
from typing import Protocol

import pytest

from actors.drivers import ports
from actors.drivers.ports import Edge, Gpio, LineBusy, LineError, LineUnknown
from supervisors.testing import eventually

OUTPUT, OTHER_OUTPUT = ports.BELT_IN, ports.BELT_OUT
INPUT, OTHER_INPUT = ports.BEAM_ENTRY, ports.BEAM_DROP


class Bench(Protocol):
    """A driver on a bench."""

    gpio: Gpio

    def another(self) -> Gpio:
        """One more driver for the same lines, in this process."""

    def occupy(self, line: str) -> None:
        """Let another process have this line."""

    def set(self, line: str, level: bool) -> None:
        """Drive an input from outside."""

    def level(self, line: str) -> bool:
        """What a voltmeter says."""

    def driven(self, line: str) -> list[bool]:
        """All levels that an output has been driven to."""


def a_line_is_claimed_once(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.claim_input(INPUT)
    with pytest.raises(LineBusy, match=OUTPUT):
        bench.gpio.claim_output(OUTPUT)
    with pytest.raises(LineBusy, match=INPUT):
        bench.gpio.claim_input(INPUT)
    bench.gpio.write(OUTPUT, True)  # a refused claim has changed nothing
    assert bench.level(OUTPUT)
    assert bench.gpio.read(INPUT) is False


def a_second_owner_is_refused(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.write(OUTPUT, True)
    second = bench.another()
    with pytest.raises(LineBusy, match=OUTPUT):
        second.claim_output(OUTPUT)
    second.close()
    assert bench.driven(OUTPUT) == [False, True]
    bench.gpio.write(OUTPUT, False)
    assert bench.driven(OUTPUT) == [False, True, False]


def a_line_of_another_process_is_refused(bench: Bench) -> None:
    bench.occupy(OUTPUT)
    with pytest.raises(LineBusy, match=OUTPUT):
        bench.gpio.claim_output(OUTPUT)
    assert bench.driven(OUTPUT) == []


def an_output_is_low_before_any_other_level_is_seen(bench: Bench) -> None:
    for line in ports.GUARD_OUTPUTS:
        bench.gpio.claim_output(line)
        assert bench.driven(line) == [False]
        assert bench.gpio.read(line) is False


def an_output_may_begin_high(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT, initial=True)
    assert bench.driven(OUTPUT) == [True]


def nothing_changes_between_claim_and_first_write(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.claim_output(OTHER_OUTPUT)
    bench.gpio.claim_input(INPUT)
    bench.gpio.read(OUTPUT)
    bench.gpio.write(OTHER_OUTPUT, True)
    assert bench.driven(OUTPUT) == [False]
    bench.gpio.write(OUTPUT, True)
    assert bench.driven(OUTPUT) == [False, True]


def what_is_written_is_read_back(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.claim_output(OTHER_OUTPUT)
    for level in (True, False, True):
        bench.gpio.write(OUTPUT, level)
        assert bench.gpio.read(OUTPUT) is level
        assert bench.level(OUTPUT) is level
        assert bench.gpio.read(OTHER_OUTPUT) is False


def an_input_reads_what_is_there(bench: Bench) -> None:
    bench.set(INPUT, True)
    bench.gpio.claim_input(INPUT)
    bench.gpio.claim_input(OTHER_INPUT)
    assert bench.gpio.read(INPUT) is True
    assert bench.gpio.read(OTHER_INPUT) is False
    bench.set(INPUT, False)
    assert bench.gpio.read(INPUT) is False


def unknown_and_unclaimed_lines_are_refused(bench: Bench) -> None:
    with pytest.raises(LineUnknown, match="no_such_line"):
        bench.gpio.claim_output("no_such_line")
    with pytest.raises(LineUnknown, match=INPUT):
        bench.gpio.read(INPUT)
    bench.gpio.claim_input(INPUT)
    with pytest.raises(LineError, match=INPUT):
        bench.gpio.write(INPUT, True)
    with pytest.raises(LineError, match=OUTPUT):
        bench.gpio.write(OUTPUT, True)
    with pytest.raises(LineError):
        bench.gpio.on_edge(OTHER_INPUT, lambda edge: None)
    assert bench.driven(OUTPUT) == []


def close_gives_every_line_up_and_outputs_keep_their_level(bench: Bench) -> None:
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.claim_input(INPUT)
    bench.gpio.write(OUTPUT, True)
    bench.gpio.close()
    assert bench.level(OUTPUT) is True
    with pytest.raises(LineError):
        bench.gpio.write(OUTPUT, False)
    assert bench.driven(OUTPUT) == [False, True]
    next_owner = bench.another()
    next_owner.claim_output(OUTPUT)
    next_owner.claim_input(INPUT)
    assert bench.driven(OUTPUT) == [False, True, False]
    bench.set(INPUT, True)
    assert next_owner.read(INPUT) is True
    next_owner.close()


def close_takes_nothing_from_another_driver(bench: Bench) -> None:
    other = bench.another()
    other.claim_output(OTHER_OUTPUT)
    other.claim_input(OTHER_INPUT)
    bench.gpio.claim_output(OUTPUT)
    bench.gpio.close()
    bench.set(OTHER_INPUT, True)
    assert other.read(OTHER_INPUT) is True
    other.write(OTHER_OUTPUT, True)
    assert bench.level(OTHER_OUTPUT) is True
    other.claim_output(ports.GATE_OPEN)
    other.close()


def an_edge_is_told(bench: Bench) -> None:
    told: list[Edge] = []
    news = threading.Event()

    def tell(edge: Edge) -> None:
        told.append(edge)
        news.set()

    bench.gpio.claim_input(INPUT)
    bench.gpio.on_edge(INPUT, tell)
    bench.set(INPUT, True)
    assert news.wait(10.0)
    assert (told[0].line, told[0].level) == (INPUT, True)
    assert told[0].t_mono_ns > 0
    assert bench.gpio.read(INPUT) is True


def the_level_is_right_after_many_fast_edges(bench: Bench) -> None:
    told: list[Edge] = []
    bench.gpio.claim_input(INPUT)
    bench.gpio.on_edge(INPUT, told.append)
    for number in range(41):
        bench.set(INPUT, number % 2 == 0)
    assert bench.gpio.read(INPUT) is True
    eventually(lambda: told)
    bench.set(INPUT, False)
    assert bench.gpio.read(INPUT) is False


def a_listener_that_fails_does_not_end_the_hints(bench: Bench) -> None:
    calls: list[Edge] = []

    def fail(edge: Edge) -> None:
        calls.append(edge)
        raise RuntimeError("the listener's own mistake")

    bench.gpio.claim_input(INPUT)
    bench.gpio.on_edge(INPUT, fail)
    bench.set(INPUT, True)
    eventually(lambda: len(calls) == 1)
    bench.set(INPUT, False)
    eventually(lambda: len(calls) == 2)


CHECKS = (
    a_line_is_claimed_once,
    a_second_owner_is_refused,
    a_line_of_another_process_is_refused,
    an_output_is_low_before_any_other_level_is_seen,
    an_output_may_begin_high,
    nothing_changes_between_claim_and_first_write,
    what_is_written_is_read_back,
    an_input_reads_what_is_there,
    unknown_and_unclaimed_lines_are_refused,
    close_gives_every_line_up_and_outputs_keep_their_level,
    close_takes_nothing_from_another_driver,
    an_edge_is_told,
    the_level_is_right_after_many_fast_edges,
    a_listener_that_fails_does_not_end_the_hints,
)
