"""Words of progress."""

from __future__ import annotations

import pytest

from rvm_edge.train.meter import LOG_PERIOD_S, Meter, duration_text, rate_text
from supervisors.testing import VirtualClock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3540, "59 min"),
        (3599, "60 min"),
        (11_100, "3 h 05 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("per_s", "text"), [(2.34, "2.3/s"), (0.5, "30.0/min")])
def test_a_slow_rate_is_said_by_the_minute(per_s, text):
    assert rate_text(per_s) == text


def test_what_was_done_before_counts_as_done_and_not_for_the_rate():
    clock = VirtualClock()
    meter = Meter("pictures", 100, done=40, clock=clock)
    clock.advance(10)
    meter.reach(60)
    assert meter.text() == "60 of 100 pictures, 2.0/s, 20 s left"


def test_before_the_first_step_nothing_is_promised():
    assert Meter("pictures", 5, clock=VirtualClock()).text() == "0 of 5 pictures"


def test_a_log_gets_a_line_a_minute(capsys):
    clock = VirtualClock()
    meter = Meter("steps", 1000, clock=clock)
    for _ in range(130):
        clock.advance(LOG_PERIOD_S / 60)
        meter.step("loss 1.0")
    meter.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("loss 1.0")
    assert "\r" not in "".join(lines)
