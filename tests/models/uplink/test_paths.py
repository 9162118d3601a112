"""Which path is taken: any history of probes, and what must hold after each of them."""

from hypothesis import given
from hypothesis import strategies as st

from models.uplink.paths import SETTLE_S, STRIKES, begin, chosen, told

BACK_S = 60.0
NAMES = ("tunnel", "direct", "local")
HISTORIES = st.lists(
    st.tuples(st.floats(0.0, 40.0), st.sampled_from(NAMES), st.booleans()), max_size=60
)


def after(*history, names=NAMES):
    paths, now_s = begin(names, 0.0), 0.0
    for wait_s, name, good in history:
        now_s += wait_s
        paths = told(paths, name, now_s, BACK_S, good=good)
    return paths


def test_the_preferred_path_is_taken_although_another_answers_a_moment_earlier():
    paths = after((0.1, "local", True))
    assert paths.current == ""
    assert told(paths, "tunnel", 0.3, BACK_S, good=True).current == "tunnel"
    assert chosen(paths, SETTLE_S, BACK_S).current == "local"


def test_a_path_that_fails_is_left_at_once_for_a_good_one():
    good = after((3.0, "tunnel", True), (0.1, "direct", True))
    assert good.current == "tunnel"
    assert told(good, "tunnel", 4.0, BACK_S, good=False).current == "direct"


def test_the_only_path_may_fail_once():
    paths = after((3.0, "direct", True), (1.0, "direct", False), names=("direct",))
    assert paths.current == "direct"
    assert told(paths, "direct", 5.0, BACK_S, good=False).current == ""


def test_the_preferred_path_comes_back_after_a_minute_without_a_break():
    paths = after((3.0, "direct", True), (1.0, "tunnel", True))
    assert told(paths, "tunnel", 4.0 + BACK_S - 0.1, BACK_S, good=True).current == "direct"
    assert told(paths, "tunnel", 4.0 + BACK_S, BACK_S, good=True).current == "tunnel"


@given(HISTORIES)
def test_no_flapping(history):
    """A path that still works is left only for a better one that has been good for a minute."""
    paths, now_s = begin(NAMES, 0.0), 0.0
    for wait_s, name, good in history:
        now_s += wait_s
        before, paths = paths, told(paths, name, now_s, BACK_S, good=good)
        if paths.current == before.current or not before.current:
            continue
        left = paths.find(before.current)
        if left.good_since_s is None:
            assert left.strikes
        else:
            taken = paths.find(paths.current)
            assert NAMES.index(taken.name) < NAMES.index(left.name)
            assert now_s - taken.good_since_s >= BACK_S


@given(HISTORIES)
def test_whoever_is_taken_is_good_or_the_only_one_and_has_failed_too_few_times(history):
    paths = after(*history)
    good = [path.name for path in paths.paths if path.state == "good"]
    if paths.current and paths.current not in good:
        assert good == []
        assert 0 < paths.find(paths.current).strikes < STRIKES
    if not paths.current and history and sum(step[0] for step in history) >= SETTLE_S:
        assert chosen(paths, 1e9, BACK_S).current == (good[0] if good else "")


@given(HISTORIES)
def test_returns_to_the_preferred_are_a_minute_apart(history):
    """However wildly the tunnel comes and goes while the other one works."""
    paths, now_s, returned_s = after((3.0, "direct", True)), 3.0, []
    for wait_s, _, good in history:
        now_s += wait_s
        before, paths = paths.current, told(paths, "tunnel", now_s, BACK_S, good=good)
        if before == "direct" and paths.current == "tunnel":
            returned_s.append(now_s)
    assert all(b - a >= BACK_S for a, b in zip(returned_s, returned_s[1:]))  # noqa: B905, RUF007
