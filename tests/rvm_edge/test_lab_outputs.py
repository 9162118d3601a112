"""What must never be on the output lines is seen on their trace."""

from typing import NamedTuple

from rvm_edge.lab.outputs import OutputWatch


class Write(NamedTuple):
    number: int
    t_mono_ns: int
    line: str
    level: bool


def broken(*changes: tuple[float, str, bool]) -> list[str]:
    watch = OutputWatch(0.02)
    watch.look(
        Write(number, round(at_s * 1e9), line, level)
        for number, (at_s, line, level) in enumerate(changes, 1)
    )
    return watch.broken


def test_a_run_in_each_direction_with_a_pause_between_is_fine() -> None:
    assert not broken(
        (0.0, "belt_in", False),
        (0.0, "belt_in", True),
        (0.1, "heartbeat", True),
        (1.0, "belt_in", False),
        (1.3, "belt_out", True),
        (2.0, "belt_out", False),
        (2.1, "gate_open", True),
    )


def test_both_inputs_of_a_bridge_high_is_seen() -> None:
    assert broken((0.0, "gate_open", True), (1.0, "gate_close", True)) == [
        "outputs: gate_close and gate_open were high together"
    ]


def test_a_reversal_without_a_pause_is_seen() -> None:
    assert broken((0.0, "belt_in", True), (1.0, "belt_in", False), (1.005, "belt_out", True)) == [
        "outputs: belt_out only 0.005 s after belt_in"
    ]


def test_two_motors_at_once_are_seen() -> None:
    assert "two motors at once" in broken((0.0, "belt_in", True), (0.1, "gate_open", True))[0]


def test_what_the_ring_has_lost_is_not_passed_over_in_silence() -> None:
    watch = OutputWatch(0.02)
    watch.look([Write(1, 0, "belt_in", True), Write(5, 1, "belt_in", False)])
    assert watch.broken == ["outputs: writes 2 to 4 missed"]
    assert watch.seen == 5
