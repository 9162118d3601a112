"""Long random histories of the core: whatever the children, the operators and time do.

`Manual` checks in every step what must always hold. Here it is also checked that nothing is ever
forgotten: whoever waits has a timer, whoever calls gets an answer, whoever is stopped ends.
"""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisors import Actor, ChildSpec, SupervisorSpec
from supervisors import plan as p
from supervisors.exits import Crash, ExitReason, Normal, Shutdown, Unsafe
from supervisors.manual import BOOM, Chaotic, Manual, Scripted
from supervisors.plan import State
from supervisors.spec import Backoff, Restart, Strategy

QUICK = Backoff(initial_s=0.1, maximum_s=1.0, reset_after_s=5.0)
REASONS: tuple[ExitReason, ...] = (BOOM, Crash("Other"), Normal(), Shutdown("bye"), BOOM)


def random_spec(rng: Random) -> SupervisorSpec:
    strategy = rng.choice(list(Strategy))
    simple = strategy is Strategy.SIMPLE_ONE_FOR_ONE
    auto = rng.choice(["never", "any_significant", "all_significant"])
    intensity = rng.choice([0, 1, 3, 10, None])
    return SupervisorSpec(
        tuple(random_child(rng, f"c{n}", auto) for n in range(1 if simple else rng.randint(0, 5))),
        strategy=strategy,
        intensity=intensity,
        period_s=rng.choice([12.0, 60.0]),
        auto_shutdown=auto,  # type: ignore[arg-type]
        on_exhausted=rng.choice(["escalate", "quarantine", "quarantine"]),  # type: ignore[arg-type]
        init_failure=rng.choice(["abort", "restart", "restart"]),  # type: ignore[arg-type]
        backoff=rng.choice([Backoff.NONE, QUICK]),
    )


def another_spec(rng: Random, spec: SupervisorSpec) -> SupervisorSpec:
    """Some children of the old one, some others, in another order."""
    if spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        return spec
    auto = spec.auto_shutdown.value
    children = [one for one in spec.children if rng.random() < 0.7]
    taken = {one.id for one in children}
    more = [f"c{n}" for n in range(6) if f"c{n}" not in taken and rng.random() < 0.3]
    children += [random_child(rng, id_, auto) for id_ in more]
    rng.shuffle(children)
    children = [
        one if rng.random() < 0.7 else replace(one, args={"n": rng.randint(0, 9)})
        for one in children
    ]
    return replace(spec, children=tuple(children))


def random_child(rng: Random, id_: str, auto: str = "never") -> ChildSpec:
    restart = rng.choice(list(Restart))
    return ChildSpec(
        id_,
        Actor,
        restart=restart,
        shutdown=rng.choice([0.5, 5.0, "kill"]),  # type: ignore[arg-type]
        start_timeout_s=3.0,
        backoff=rng.choice([None, Backoff.NONE, QUICK]),
        significant=auto != "never" and restart is not Restart.PERMANENT and rng.random() < 0.2,
        rearm_on=rng.choice([(), ("device",)]),
    )


def random_request(rng: Random, sup: Manual) -> p.Request:
    known = [*sup.core.children, "c0", "c1", "x", "c0-1"]
    if rng.random() < 0.25:
        simple = sup.core.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE
        return p.StartChild({} if simple else random_child(rng, rng.choice(["x", "y", "z", "c1"])))
    if rng.random() < 0.1:
        return p.Change(another_spec(rng, sup.core.spec))
    if rng.random() < 0.2:
        return rng.choice([p.WhichChildren(), p.CountChildren(), p.Rearm("device")])
    make = rng.choice([p.TerminateChild, p.RestartChild, p.DeleteChild, p.GetChildspec, p.Kick])
    return make(rng.choice(known))


def random_step(rng: Random, sup: Manual) -> None:
    dice = rng.random()
    if dice < 0.45:
        sup.deliver(rng)
    elif dice < 0.65 and sup.running():
        reason = Unsafe("x", "y") if rng.random() < 0.02 else rng.choice(REASONS)
        sup.post_exit(rng.choice(sup.running()), reason)
    elif dice < 0.85:
        sup.call(random_request(rng, sup))
    else:
        sup.advance(rng.choice([0.0, 0.05, 0.3, 1.0, 7.0]))


def check_nobody_is_forgotten(sup: Manual) -> None:
    """Whoever waits for something has a timer that will see to it."""
    if sup.ended is not None:
        return
    timeouts = [timer[2] for timer in sup._timers]
    timeouts += [event for event in sup.core._deferred if isinstance(event, p.Timeout)]
    armed = {(timeout.id, timeout.token) for timeout in timeouts}
    for id_, child in sup.core.children.items():
        plan = sup.core._plan
        is_next = plan is not None and (id_ in plan.starts or plan.mode is p.Mode.END)
        if child.is_pending and not is_next:
            assert (id_, child.timer) in armed, f"{id_} is {child.state} without a timer"
            assert child.next_at is not None
        if child.state is State.STOPPING and child.spec.shutdown not in ("kill", "infinity"):
            assert child.timed_out or (id_, child.timer) in armed
        if child.state is State.STARTING:
            assert child.timed_out or (id_, child.timer) in armed
        if child.is_live:
            assert sup.alive.get(id_) == child.incarnation
        if child.state is State.DOWN:
            assert sup.core.is_busy, f"{id_} is down and nobody cares"


def check_it_ends_well(sup: Manual) -> None:
    """With obedient children: all calls are answered, all children settle, a stop stops."""
    sup.policy = Scripted()
    sup.settle().advance(200.0)
    sup.check_answered()
    check_nobody_is_forgotten(sup)
    if sup.ended is None:
        states = {child.state for child in sup.core.children.values()}
        assert states <= {State.RUNNING, State.STOPPED}, states
        sup.stop().advance(10.0)
    assert sup.ended is not None
    assert not sup.alive


@pytest.mark.parametrize("trouble", [0.0, 0.2, 0.6])
def test_tens_of_thousands_of_random_steps(trouble: float) -> None:
    steps = 0
    for seed in range(400):
        rng = Random(f"{trouble}/{seed}")
        sup = Manual(random_spec(rng), Chaotic(rng, trouble), seed=seed)
        sup.feed(p.Begin())
        for _ in range(230):
            random_step(rng, sup)
            check_nobody_is_forgotten(sup)
            steps += 1
            if sup.ended is not None:
                break
        check_it_ends_well(sup)
    assert steps > 20_000


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_stop_at_any_moment_ends_everything(seed: int, moment: int) -> None:
    rng = Random(seed)
    sup = Manual(random_spec(rng), Chaotic(rng), seed=seed)
    sup.feed(p.Begin())
    for _ in range(moment):
        random_step(rng, sup)
    sup.stop()
    for _ in range(20):
        sup.call(random_request(rng, sup))
        sup.advance(5.0)
    assert sup.ended is not None
    assert not sup.alive
    sup.settle().check_answered()


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_the_same_history_gives_the_same_actions(seed: int) -> None:
    logs = []
    for _ in range(2):
        rng = Random(seed)
        sup = Manual(random_spec(rng), Chaotic(rng), seed=seed)
        sup.feed(p.Begin())
        for _ in range(80):
            random_step(rng, sup)
        logs.append((sup.log, sup.reports, sup.answers))
    assert logs[0] == logs[1]


class Histories(RuleBasedStateMachine):
    """The same, so that hypothesis can look for a short history that breaks."""

    @initialize(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.3, 0.7]))
    def begin(self, seed: int, trouble: float) -> None:
        self.rng = Random(seed)
        self.sup = Manual(random_spec(self.rng), Chaotic(self.rng, trouble), seed=seed)
        self.sup.feed(p.Begin())

    @rule()
    def deliver(self) -> None:
        self.sup.deliver(self.rng)

    @precondition(lambda self: self.sup.running())
    @rule(at=st.integers(0, 9), reason=st.sampled_from(REASONS))
    def a_child_ends(self, at: int, reason: ExitReason) -> None:
        running = self.sup.running()
        self.sup.post_exit(running[at % len(running)], reason)

    @rule(seed=st.integers(0, 1000))
    def somebody_calls(self, seed: int) -> None:
        self.sup.call(random_request(Random(seed), self.sup))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 6.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.sup.advance(seconds)

    @rule(is_meant=st.integers(0, 19))
    def it_is_stopped(self, is_meant: int) -> None:
        if is_meant == 0:
            self.sup.feed(p.Stop(Shutdown()))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        check_nobody_is_forgotten(self.sup)

    def teardown(self) -> None:
        if hasattr(self, "sup"):
            check_it_ends_well(self.sup)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=60)
