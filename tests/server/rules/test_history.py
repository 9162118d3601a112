import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.platform.reports import Sample
from server.rules.history import CLOCK_OFF_S, NAMES_MAX, SLOTS, fold, placed_at, step_s

COUNT, STEP_S, FROM_AT = 10, 60.0, 6000.0
NAMES = st.sampled_from(["cpu_percent", "board_c", "scale_g"])
VALUES = st.dictionaries(NAMES, st.none() | st.floats(-1e6, 1e6))
PLACED = st.lists(st.tuples(st.floats(5000.0, 7500.0), VALUES))


@given(PLACED)
def test_every_measured_value_of_the_window_is_in_its_slot_and_no_other(placed):
    series, left_out = fold(placed, FROM_AT, STEP_S, COUNT)
    assert left_out == 0
    for name in ("cpu_percent", "board_c", "scale_g"):
        slots = [[] for _ in range(COUNT)]
        for at, values in placed:
            if FROM_AT <= at < FROM_AT + COUNT * STEP_S and values.get(name) is not None:
                slots[int((at - FROM_AT) // STEP_S)].append(values[name])
        if not any(slots):
            assert name not in series
            continue
        one = series[name]
        assert one.low == [min(slot) if slot else None for slot in slots]
        assert one.high == [max(slot) if slot else None for slot in slots]
        for mean, slot in zip(one.mean, slots, strict=True):
            assert (mean is None) is not slot or math.isclose(
                mean, sum(slot) / len(slot), rel_tol=1e-9, abs_tol=1e-9
            )


@given(st.permutations([(6000.0 + n, {"a": float(n)}) for n in range(8)]))
def test_the_order_in_which_samples_came_does_not_matter(placed):
    assert fold(placed, FROM_AT, STEP_S, COUNT) == fold(sorted(placed), FROM_AT, STEP_S, COUNT)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_mean_lies_between_the_lowest_and_the_highest_however_large_they_are(values):
    series, _ = fold([(6000.0, {"a": value}) for value in values], FROM_AT, STEP_S, 1)
    assert min(values) <= series["a"].mean[0] <= max(values)


def test_what_could_not_be_measured_is_not_zero():
    series, _ = fold([(6000.0, {"a": None}), (6060.0, {"a": 0.0})], FROM_AT, STEP_S, 3)
    assert series["a"].mean == [None, 0.0, None]


def test_a_machine_that_makes_up_names_does_not_fill_the_page():
    often = [(6000.0 + 60 * n, {"often": 1.0}) for n in range(3)]
    once = [(6000.0, {f"n{n:04}": 1.0 for n in range(1000)})]
    series, left_out = fold(often + once, FROM_AT, STEP_S, COUNT)
    assert len(series) == NAMES_MAX
    assert left_out == 1001 - NAMES_MAX
    assert "often" in series


def test_a_slot_is_long_enough_for_two_samples():
    assert step_s(3600.0, 30.0) == 3600.0 / SLOTS
    assert step_s(3600.0, 300.0) == 600.0
    assert step_s(86400.0, 30.0) == 86400.0 / SLOTS


def sample(at: float, monotonic_s: float = 50.0, quality="good", *, historical=False) -> Sample:
    return Sample(at, monotonic_s, {}, quality, historical)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (sample(9990.0), 9990.0),
        (sample(10_000.0 + CLOCK_OFF_S), 10_000.0 + CLOCK_OFF_S),
        (sample(3000.0, historical=True), 3000.0),  # it was offline
        (sample(3000.0), 10_000.0),  # its clock is slow, and nobody has noticed
        (sample(99_999.0), 10_000.0),
        (sample(99_999.0, historical=True), 10_000.0),
        (sample(9990.0, quality="bad"), 10_000.0),
        (sample(3000.0, quality="bad", historical=True), 10_000.0),
    ],
)
def test_a_sample_is_where_a_good_clock_says_and_else_where_it_came(told, at):
    assert placed_at(told, told, received_at=10_000.0) == at


def test_without_a_clock_the_samples_of_a_batch_keep_their_distances():
    batch = [sample(0.0, monotonic_s, "bad") for monotonic_s in (10.0, 40.0, 70.0)]
    placed = [placed_at(one, batch[-1], 10_000.0) for one in batch]
    assert placed == [9940.0, 9970.0, 10_000.0]
