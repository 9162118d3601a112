"""The life of one incarnation: what handlers may do to themselves and not to others."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.codec import encode
from protocol.envelope import Envelope, Kind
from protocol.message import Delivery, Message
from protocol.system import InjectFault, Resume, Suspend
from supervisors import (
    IGNORE,
    Actor,
    ActorSystem,
    AsyncActor,
    ChildSpec,
    RequestFailed,
    Supervisor,
    SupervisorFailed,
    Waiting,
    handles,
)
from supervisors.exits import Crash
from supervisors.testing import Probe, VirtualClock, eventually
from supervisors.vitals import Vitals
from tests.supervisors.children import End, Ping, Pong, Urgent, Worker, end, group, lives, worker


class Tick(Message, tag="test.tick"):
    pass


class Work(Message, tag="test.work"):
    """Start a background task that ends so: "fail", "exit", "forever", "stop"."""

    how: str


class Other(Message, tag="test.unheard_of"):
    pass


class Async(AsyncActor):
    def __init__(self, journal: list[str] | None = None, start: str = "ok") -> None:
        self.journal = [] if journal is None else journal
        self.start = start

    async def on_start(self) -> Any:
        await asyncio.sleep(0)
        if self.start == "fail":
            raise RuntimeError("in on_start")
        if self.start == "waiting":
            raise Waiting("broker")
        if self.start == "exit":
            raise SystemExit
        self.journal.append("start")
        return IGNORE if self.start == "ignore" else None

    async def on_stop(self, reason: Any) -> None:
        self.journal.append(f"stop {reason}")

    @handles(Ping)
    async def ping(self, _message: Ping) -> Pong:
        await asyncio.sleep(0)
        return Pong(self.ctx.path, self.ctx.incarnation)

    @handles(End)
    async def end(self, message: End) -> None:
        if message.how == "normal":
            self.ctx.stop()
            return
        raise SystemExit if message.how == "exit" else RuntimeError(message.how)

    @handles(Tick)
    def tick(self, _message: Tick) -> None:
        self.journal.append("tick")
        self.ctx.tell("/probe", Tick())

    @handles(Work)
    def work(self, message: Work) -> None:
        if message.how == "timer":
            self.ctx.schedule_once(10.0, Tick())
        else:
            self.ctx.spawn(self._background(message.how))

    async def _background(self, how: str) -> None:
        await asyncio.sleep(0)
        if how == "fail":
            raise RuntimeError("in the background")
        if how == "stop":
            self.ctx.stop("from the background")
        if how == "ask":
            pong = await self.ctx.request("/w", Ping(), reply=Pong)
            self.ctx.tell("/probe", pong)
        try:
            await asyncio.Event().wait()
        finally:
            self.journal.append(f"cancelled {how}")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def probe() -> Probe:
    return Probe(Tick, Pong)


@pytest.fixture
def journal() -> list[str]:
    return []


@pytest.fixture
def sup(clock: VirtualClock, probe: Probe, journal: list[str]) -> Iterator[Supervisor]:
    system = ActorSystem(clock=clock, allows_faults=True)
    children = [
        worker("w", journal=journal), worker("b"), probe.spec(),
        ChildSpec("as", Async, args={"journal": journal}),
    ]  # fmt: skip
    sup = Supervisor.start(group("one_for_one", children, intensity=100), system=system)
    yield sup
    sup.stop()
    system.close()


def raw(sup: Supervisor, child: str, name: str, body: bytes, kind: Kind = Kind.CAST) -> None:
    id_ = next(sup.system.ids)
    now_ns = sup.system.clock.monotonic_ns()
    sup.system.route(
        Envelope(id_, kind, name, "", f"/{child}", body, int(Delivery.EVENT), now_ns, id_)
    )


# -- containment --------------------------------------------------------------------------------


@pytest.mark.parametrize("child", ["w", "as"])
@pytest.mark.parametrize("how", ["exit", "abnormal"])
def test_an_exit_in_a_handler_ends_one_incarnation_and_nobody_else(
    sup: Supervisor, child: str, how: str
) -> None:
    end(sup, child, how)
    eventually(lambda: lives(sup) == {"as": 1, "probe": 1, "b": 1, "w": 1, child: 2})
    last = sup.rows[child].last_exit
    assert isinstance(last, Crash)
    assert last.exception == (
        "SystemExit" if how == "exit" else type(last).__name__ and last.exception
    )
    assert "in end" in last.stack


@pytest.mark.parametrize("how", ["fail", "exit"])
def test_a_base_exception_in_on_start_is_a_failed_start(how: str) -> None:
    with pytest.raises(SupervisorFailed, match="failed_to_start_child"):
        Supervisor.start(group("one_for_one", [worker("a", how)]))
    with pytest.raises(SupervisorFailed, match="failed_to_start_child"):
        Supervisor.start(group("one_for_one", [ChildSpec("a", Async, args={"start": how})]))


def test_ignore_and_waiting_of_async_actors() -> None:
    children = [ChildSpec(how, Async, args={"start": how}) for how in ("ignore", "waiting")]
    with Supervisor.start(group("one_for_one", children)) as sup:
        assert [info.child for info in sup.which_children()] == ["restarting", None]


def test_an_exception_in_on_stop_of_a_normal_end_is_a_crash() -> None:
    class Clumsy(Worker):
        def on_stop(self, reason: Any) -> None:
            raise ValueError("cannot let go")

    with Supervisor.start(
        group("one_for_one", [ChildSpec("a", Clumsy, restart="transient")])
    ) as sup:  # type: ignore[arg-type]
        end(sup, "a", "normal")
        eventually(lambda: sup.ref("a"))
        assert "cannot let go" in str(sup.rows["a"].last_exit)
        sup.tell("a", End("abnormal"))
        eventually(lambda: "Boom" in str(sup.rows["a"].last_exit))


def test_on_stop_hears_how_it_ended(sup: Supervisor, journal: list[str]) -> None:
    end(sup, "w", "normal")
    eventually(lambda: sup.ref("w"))
    sup.terminate_child("w")
    assert journal[-3:] == ["stop w Normal", "start w", "stop w Shutdown"]


# -- messages it cannot handle --------------------------------------------------------------------


@pytest.mark.parametrize("child", ["w", "as"])
def test_an_unknown_message_is_answered_and_the_actor_lives(sup: Supervisor, child: str) -> None:
    with pytest.raises(RequestFailed, match=r"unknown_message.*it understands") as failed:
        sup.request(child, Other())
    assert failed.value.code == "unknown_message"
    sup.tell(child, Other())
    assert sup.request(child, Ping(), reply=Pong).incarnation == 1
    assert sup.system.dead_letters.by_cause["unknown_message"] == 2


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x91" * 50_000, encode(End("x"))[:-1], b"\x81\xa3how\x05"]
)
def test_an_invalid_body_is_counted_and_the_actor_lives(sup: Supervisor, body: bytes) -> None:
    raw(sup, "w", "test.end", body)
    assert sup.request("w", Ping(), reply=Pong).incarnation == 1
    assert sup.system.dead_letters.by_cause == {"invalid": 1}


@pytest.mark.parametrize("name", ["sys.stop", "sys.suspend", "sys.fault"])
def test_the_runtimes_own_words_do_not_work_for_others(sup: Supervisor, name: str) -> None:
    raw(sup, "w", name, b"\x80")
    assert sup.request("w", Ping(), reply=Pong).incarnation == 1
    assert sup.system.dead_letters.by_cause == {"unknown_message": 1}


def test_a_fault_is_only_obeyed_where_it_is_allowed(sup: Supervisor) -> None:
    sup.tell("w", InjectFault("exit"))
    eventually(lambda: lives(sup)["w"] == 2)
    with Supervisor.start(group("one_for_one", [worker("a")])) as other:
        other.tell("a", InjectFault("exit"))
        assert other.request("a", Ping(), reply=Pong).incarnation == 1


def test_a_class_with_two_messages_of_one_name_is_a_mistake() -> None:
    class Twin(Message, tag="test.ping"):
        pass

    with pytest.raises(TypeError, match=r"test\.ping"):

        class Both(Worker):
            @handles(Twin)
            def twin(self, _message: Twin) -> None: ...


# -- suspend and resume ---------------------------------------------------------------------------


@pytest.mark.parametrize("child", ["w", "as"])
def test_a_suspended_actor_leaves_messages_waiting_and_can_be_stopped(
    sup: Supervisor, child: str
) -> None:
    sup.request(child, Suspend())
    with pytest.raises(RequestFailed, match="timeout"):
        sup.request(child, Ping(), timeout_s=0.02)
    sup.request(child, Resume())
    assert sup.request(child, Ping(), reply=Pong).incarnation == 1
    sup.request(child, Suspend())
    assert sup.terminate_child(child).is_ok


def test_a_suspended_actor_still_serves_the_fast_lane(sup: Supervisor, journal: list[str]) -> None:
    sup.request("w", Suspend())
    sup.tell("w", Urgent())
    eventually(lambda: "urgent w" in journal)


@pytest.mark.parametrize("is_async", [False, True])
def test_timers_wait_while_suspended_and_the_loop_rests(
    is_async: bool, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[None] = []
    monkeypatch.setattr(Vitals, "beat", lambda _vitals: rounds.append(None))

    class Sync(Actor):
        @handles(Work)
        def work(self, _message: Work) -> None:
            self.ctx.schedule_once(10.0, Tick())

        @handles(Tick)
        def tick(self, _message: Tick) -> None:
            self.ctx.tell("/probe", Tick())

    probe, system = Probe(Tick), ActorSystem(clock=clock)
    children = [ChildSpec("a", Async if is_async else Sync), probe.spec()]
    with Supervisor.start(group("one_for_one", children), system=system) as sup:
        sup.request("a", Work("timer"))
        sup.request("a", Suspend())
        clock.advance(11.0)
        sup.request("probe", Tick())
        rounds.clear()
        threading.Event().wait(0.02)
        assert len(rounds) < 10, "a due timer that has to wait keeps nobody busy"
        assert len(probe.heard) == 1
        sup.request("a", Resume())
        eventually(lambda: len(probe.heard) == 2)
    system.close()


# -- async actors -------------------------------------------------------------------------------


def test_async_handlers_run_one_at_a_time_and_are_answered(sup: Supervisor) -> None:
    assert [sup.request("as", Ping(), reply=Pong).path for _ in range(50)] == ["/as"] * 50


def test_a_background_task_that_fails_is_the_actors_failure(sup: Supervisor) -> None:
    sup.tell("as", Work("fail"))
    eventually(lambda: lives(sup)["as"] == 2)
    assert "in the background" in str(sup.rows["as"].last_exit)


def test_background_tasks_die_with_the_actor(sup: Supervisor, journal: list[str]) -> None:
    sup.request("as", Work("forever"))
    sup.request("as", Ping())
    end(sup, "as", "abnormal")
    eventually(lambda: lives(sup)["as"] == 2)
    assert journal[2:4] == ["cancelled forever", "stop Crash(RuntimeError: abnormal)"]


def test_a_background_task_may_end_the_actor(sup: Supervisor) -> None:
    sup.tell("as", Work("stop"))
    eventually(lambda: str(sup.rows["as"].last_exit) == "Shutdown(from the background)")


def test_an_async_actor_asks_without_blocking(sup: Supervisor, probe: Probe) -> None:
    sup.tell("as", Work("ask"))
    assert probe.expect(Pong).path == "/w"
    sup.tell("as", Work("ask"))
    assert sup.request("as", Ping(), reply=Pong).path == "/as"


def test_timers_of_async_actors(sup: Supervisor, clock: VirtualClock, probe: Probe) -> None:
    sup.request("as", Work("timer"))
    clock.advance(9.0)
    sup.request("as", Ping())
    assert probe.heard == []
    clock.advance(1.1)
    probe.expect(Tick)


def test_a_message_to_an_async_actor_that_is_ending_never_raises_in_the_sender(
    sup: Supervisor,
) -> None:
    errors: list[BaseException] = []
    is_over = threading.Event()

    def send() -> None:
        try:
            while not is_over.is_set():
                sup.tell("as", Ping())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for _ in range(10):
        sup.kick("as")
        eventually(lambda: sup.ref("as"))
    is_over.set()
    sender.join(5.0)
    assert errors == []


def test_a_background_task_that_swallows_its_cancellation_is_told_again(
    monkeypatch: pytest.MonkeyPatch, journal: list[str]
) -> None:
    monkeypatch.setattr("supervisors.loop._CANCEL_AGAIN_S", 0.01)

    class Stubborn(Async):
        async def _background(self, how: str) -> None:
            for attempt in range(3):
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
                self.journal.append(f"{how} {attempt}")

    child = ChildSpec("a", Stubborn, args={"journal": journal})
    with Supervisor.start(group("one_for_one", [child])) as sup:
        sup.request("a", Work("told"))
        sup.request("a", Ping())
    assert journal == ["start", "told 0", "told 1", "told 2", "stop Shutdown"]
