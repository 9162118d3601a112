"""The numbers of a backoff, and the configurations that are refused because they cannot work."""

from random import Random

import pytest

from supervisors import Actor, ChildSpec, MailboxSpec, SpecError, SupervisorSpec, dynamic
from supervisors.manual import FAIL, Manual
from supervisors.spec import Backoff

PLAIN = Backoff(jitter=0.0)


@pytest.mark.parametrize(
    ("failures", "delay_s"),
    [(0, 0.2), (1, 0.4), (2, 0.8), (3, 1.6), (4, 3.2), (5, 6.4), (6, 12.8), (7, 25.6), (8, 30.0),
     (9, 30.0), (63, 30.0), (64, 30.0), (10_000, 30.0)],
)  # fmt: skip
def test_delays_double_up_to_the_cap(failures: int, delay_s: float) -> None:
    assert PLAIN.base(failures) == pytest.approx(delay_s)
    assert PLAIN.delay(failures, Random(1)) == pytest.approx(delay_s)


def test_it_is_exponential_and_not_linear() -> None:
    backoff = Backoff(initial_s=1.0, factor=3.0, maximum_s=1e6, jitter=0.0, reset_after_s=2e6)
    assert [backoff.base(n) for n in range(6)] == [1, 3, 9, 27, 81, 243]


@pytest.mark.parametrize("factor", [1.0, 2.0, 1000.0])
def test_no_streak_is_too_long_to_compute(factor: float) -> None:
    assert Backoff(factor=factor, jitter=0.0).base(10**9) <= 30.0


@pytest.mark.parametrize("jitter", [0.0, 0.2, 1.0])
def test_jitter_only_shortens(jitter: float) -> None:
    backoff, rng = Backoff(jitter=jitter), Random(7)
    for failures in range(12):
        base = backoff.base(failures)
        delays = [backoff.delay(failures, rng) for _ in range(500)]
        assert max(delays) <= base
        assert min(delays) >= base * (1 - jitter)
        assert jitter == 0 or max(delays) - min(delays) > 0.8 * jitter * base, "also at the cap"


def test_no_backoff_is_no_delay() -> None:
    assert {Backoff.NONE.delay(n, Random(3)) for n in range(100)} == {0.0}


@pytest.mark.parametrize(
    "numbers",
    [
        {"initial_s": -0.1}, {"initial_s": 31.0}, {"maximum_s": 0.1}, {"factor": 0.9},
        {"factor": 1e6}, {"jitter": -0.1}, {"jitter": 1.1},
        {"reset_after_s": 30.0}, {"reset_after_s": 0.0},
        {"initial_s": float("nan")}, {"maximum_s": float("inf"), "reset_after_s": float("inf")},
        {"reset_after_s": float("nan")}, {"factor": float("nan")}, {"jitter": float("nan")},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_together_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        Backoff(**numbers)


@pytest.mark.parametrize(
    ("intensity", "period_s", "is_refused"),
    [(5, 60.0, False), (5, 6.2, True), (5, 6.3, False), (10, 60.0, True), (None, 60.0, False),
     (0, 0.001, False)],
)  # fmt: skip
def test_a_limit_that_can_never_fire_is_refused(
    intensity: int | None, period_s: float, is_refused: bool
) -> None:
    child = ChildSpec("a", Actor, backoff=PLAIN)
    if is_refused:
        with pytest.raises(SpecError, match="never"):
            SupervisorSpec((child,), intensity=intensity, period_s=period_s)
    else:
        SupervisorSpec((child,), intensity=intensity, period_s=period_s)


def test_a_temporary_child_has_no_limit_to_fire() -> None:
    SupervisorSpec((ChildSpec("a", Actor, restart="temporary"),), period_s=0.1)  # type: ignore[arg-type]


def test_the_template_of_dynamic_children_is_checked_too() -> None:
    with pytest.raises(SpecError, match="never"):
        dynamic(ChildSpec("a", Actor), period_s=1.0)


def test_mailboxes_that_hold_nothing_or_do_something_else_are_refused() -> None:
    for wrong in ({"capacity": 0}, {"on_restart": "burn"}):
        with pytest.raises(SpecError):
            MailboxSpec(**wrong)  # type: ignore[arg-type]


# -- the streak, in a supervisor ----------------------------------------------------------------


def crashing(backoff: Backoff, **flags: object) -> Manual:
    child = ChildSpec("a", Actor, backoff=backoff)
    return Manual(SupervisorSpec((child,), intensity=None, **flags)).begin()  # type: ignore[arg-type]


def delays(sup: Manual) -> list[float]:
    return [report.delay_s or 0.0 for report in sup.reports if report.what == "restarting"]


def test_a_streak_of_quick_crashes_backs_off() -> None:
    sup = crashing(PLAIN)
    for _ in range(10):
        sup.exit("a").advance(31.0)
    assert delays(sup) == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])


@pytest.mark.parametrize(("ran_s", "is_reset"), [(59.9, False), (60.0, True), (1e6, True)])
def test_running_long_enough_ends_the_streak(ran_s: float, is_reset: bool) -> None:
    sup = crashing(PLAIN)
    sup.exit("a").advance(0.2)
    sup.advance(ran_s).exit("a")
    assert delays(sup)[-1] == pytest.approx(0.2 if is_reset else 0.4)


def test_failed_starts_belong_to_the_streak_and_time_in_delay_is_not_running() -> None:
    sup = crashing(PLAIN)
    sup.script.starts["a"].extend([FAIL] * 3)
    sup.exit("a").advance(1000)
    assert delays(sup) == pytest.approx([0.2, 0.4, 0.8, 1.6])
    sup.exit("a")
    assert delays(sup)[-1] == pytest.approx(0.2), "it had run for 997 s"


def test_the_streak_is_each_childs_own() -> None:
    children = tuple(ChildSpec(id_, Actor, backoff=PLAIN) for id_ in "ab")
    sup = Manual(SupervisorSpec(children, intensity=None)).begin()
    for _ in range(4):
        sup.exit("a").advance(10)
    sup.exit("b")
    assert delays(sup)[-1] == pytest.approx(0.2)


def test_a_child_without_a_backoff_of_its_own_has_its_supervisors() -> None:
    spec = SupervisorSpec(
        (ChildSpec("a", Actor),),
        backoff=Backoff(initial_s=7.0, factor=1.0, jitter=0.0),
        intensity=None,
    )
    sup = Manual(spec).begin()
    sup.exit("a")
    assert delays(sup) == [7.0]
    assert sup.core.children["a"].next_at == sup.now + 7.0


def test_jitter_comes_from_the_given_chance() -> None:
    runs = []
    for seed in (1, 1, 2):
        sup = Manual(SupervisorSpec((ChildSpec("a", Actor),), intensity=None), seed=seed).begin()
        for _ in range(5):
            sup.exit("a").advance(40)
        runs.append(delays(sup))
    assert runs[0] == runs[1] != runs[2]
