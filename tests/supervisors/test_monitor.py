"""The monitor: one look finds who hangs, once, and says whether the machine may be called well."""

import threading
from collections.abc import Iterator

import pytest

from supervisors import ActorSystem
from supervisors.monitor import stack_of_thread
from supervisors.testing import VirtualClock, eventually


class Suspect:
    def __init__(
        self, since_s: float | None, deadline_s: float = 1.0, *, critical: bool = False
    ) -> None:
        self.is_critical = critical
        self.due_ns = None if since_s is None else int((since_s + deadline_s) * 1e9)
        self.contained: list[str] = []
        self.threads: list[str] = []

    def overdue(self, now_ns: int) -> str:
        return "too long" if self.due_ns is not None and now_ns > self.due_ns else ""

    def contain(self, why: str) -> None:
        self.threads.append(threading.current_thread().name)
        self.contained.append(why)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def system(clock: VirtualClock) -> Iterator[ActorSystem]:
    system = ActorSystem(clock=clock)
    yield system
    system.close()


def test_nobody_is_contained_in_time(system: ActorSystem, clock: VirtualClock) -> None:
    idle, busy = Suspect(None), Suspect(clock.monotonic())
    system.monitor.add(idle)
    system.monitor.add(busy)
    clock.advance(1.0)
    system.monitor.tick()
    assert (idle.contained, busy.contained, system.hangs) == ([], [], 0)
    assert system.monitor.is_healthy


def test_who_is_over_its_time_is_contained_once_in_a_thread_of_its_own(
    system: ActorSystem, clock: VirtualClock
) -> None:
    hung = Suspect(clock.monotonic())
    system.monitor.add(hung)
    clock.advance(1.01)
    for _ in range(5):
        system.monitor.tick()
    eventually(lambda: hung.contained)
    assert hung.contained == ["too long"]
    assert hung.threads == ["containment"]
    assert system.hangs == 1


def test_moving_the_clock_wakes_it(system: ActorSystem, clock: VirtualClock) -> None:
    hung = Suspect(clock.monotonic())
    system.monitor.add(hung)
    clock.advance(1.01)
    eventually(lambda: hung.contained)


def test_a_containment_that_hangs_stops_nobody(system: ActorSystem, clock: VirtualClock) -> None:
    gate = threading.Event()
    stuck, hung = Suspect(clock.monotonic()), Suspect(clock.monotonic())
    stuck.contain = lambda _why: gate.wait(30)  # type: ignore[method-assign,assignment]
    system.monitor.add(stuck)
    system.monitor.add(hung)
    clock.advance(1.01)
    eventually(lambda: hung.contained)
    gate.set()


@pytest.mark.parametrize("critical", [True, False])
def test_only_critical_ones_withhold_the_watchdog(
    system: ActorSystem, clock: VirtualClock, critical: bool
) -> None:
    told: list[bool] = []
    system.monitor.on_tick.append(told.append)
    hung = Suspect(clock.monotonic(), critical=critical)
    system.monitor.add(hung)
    clock.advance(1.01)
    system.monitor.tick()
    assert system.monitor.is_healthy is not critical
    assert told[-1] is not critical
    system.monitor.remove(hung)
    system.monitor.tick()
    assert system.monitor.is_healthy
    assert system.monitor.last_tick_ns == clock.monotonic_ns()


def test_who_has_ended_is_not_looked_at(system: ActorSystem, clock: VirtualClock) -> None:
    hung = Suspect(clock.monotonic())
    system.monitor.add(hung)
    system.monitor.remove(hung)
    system.monitor.remove(hung)
    clock.advance(100.0)
    system.monitor.tick()
    assert hung.contained == []


def test_close_ends_its_thread_and_may_be_repeated(clock: VirtualClock) -> None:
    system = ActorSystem(clock=clock)
    system.monitor.add(Suspect(None))
    assert any(thread.name == "monitor" for thread in threading.enumerate())
    system.close()
    system.close()
    assert not any(thread.name == "monitor" for thread in threading.enumerate())


def test_the_stack_of_a_thread_says_where_it_stands() -> None:
    gate = threading.Event()

    def stand_here() -> None:
        gate.wait(30)

    thread = threading.Thread(target=stand_here, daemon=True)
    assert stack_of_thread(thread) == "", "not started"
    thread.start()
    eventually(lambda: "stand_here" in stack_of_thread(thread))
    gate.set()
    thread.join(5.0)
    assert stack_of_thread(thread) == "", "ended"
