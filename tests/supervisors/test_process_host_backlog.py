"""What waits for a slow process host: credit, policies, order, poison, and what is kept."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from protocol.envelope import MAX_FRAME_BYTES
from supervisors import MailboxSpec, Put, RequestFailed, Supervisor
from supervisors.exits import Shutdown
from supervisors.plan import State
from supervisors.process_host import WINDOW
from supervisors.testing import Probe, eventually
from tests.supervisors.hosted import Hosted, HostedAsync
from tests.supervisors.trees import ask, do, hosted, is_alive, last_exit, successor, tree
from tests.supervisors.words import Ask, Do, Halt, Measured, Note, Pay, Said, Turn

BIG = MailboxSpec(capacity=20_000)
KEEP = MailboxSpec(capacity=4096, on_restart="preserve")
KINDS = pytest.mark.parametrize("kind", [Hosted, HostedAsync])


def said(probe: Probe, word: str) -> list[int]:
    """The numbers that came with a word."""
    pairs = [message.what.split() for message in probe.heard]
    return [int(pair[1]) for pair in pairs if pair[0] == word and len(pair) > 1]


def hold(sup: Supervisor, probe: Probe, gate: Path) -> None:
    """Keep its handler busy until the gate is there."""
    before = held(probe)
    sup.tell("a", Do("until", str(gate)))
    eventually(lambda: held(probe) > before)


def held(probe: Probe) -> int:
    """How often it has begun to hold."""
    return [message.what for message in probe.heard].count("holding")


def kill(sup: Supervisor) -> None:
    """Kill its process, once its supervisor has shown which it is."""

    def pid() -> int:
        running: Any = sup.rows["a"].running
        return running.pid if running is not None and is_alive(running.pid or -1) else 0

    os.kill(eventually(pid), signal.SIGKILL)


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@KINDS
def test_everything_arrives_once_and_in_order(kind):
    probe = Probe(Said)
    spec = hosted("a", kind=kind, probe="/probe", mailbox=MailboxSpec(10_000))
    with tree(probe.spec(mailbox=BIG), spec) as sup:
        for number in range(5000):
            assert sup.tell("a", Note(number)) is Put.OK
        eventually(lambda: len(said(probe, "note")) == 5000, 30)
        assert said(probe, "note") == list(range(5000))
        running: Any = sup.rows["a"].running
        ask(sup, "a")
        eventually(lambda: running.vitals.disposed == running._sent == 5001)


@KINDS
def test_a_slow_host_gets_a_window_and_the_rest_waits_in_the_core(kind, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(mailbox=BIG), hosted("a", kind=kind, probe="/probe")) as sup:
        hold(sup, probe, gate)
        puts = [sup.tell("a", Note(number)) for number in range(1000)]
        running: Any = sup.rows["a"].running
        assert running._sent == WINDOW
        assert running.mailbox.depth == running.mailbox.capacity == 256
        assert puts.count(Put.OK) == WINDOW - 1 + 256
        assert sup.system.dead_letters.by_cause["full"] == 1000 - puts.count(Put.OK)
        gate.touch()
        eventually(lambda: len(said(probe, "note")) == puts.count(Put.OK))
        assert said(probe, "note") == list(range(puts.count(Put.OK)))


def test_a_flood_of_200_000_costs_no_memory_and_the_sender_no_time_to_wait(tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(mailbox=BIG), hosted("a", probe="/probe")) as sup:
        hold(sup, probe, gate)
        note = Note(1, b"x" * 200)
        for _ in range(1000):
            sup.tell("a", note)
        before = rss_mb()
        for _ in range(200_000):
            sup.tell("a", note)
        assert rss_mb() - before < 20
        gate.touch()
        eventually(lambda: len(said(probe, "note")) == WINDOW - 1 + 256)
        assert ask(sup, "a").incarnation == 1


@KINDS
def test_a_full_mailbox_keeps_each_class_its_promise(kind, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    spec = hosted("a", kind=kind, probe="/probe", mailbox=MailboxSpec(10))
    with tree(probe.spec(mailbox=BIG), spec) as sup:
        hold(sup, probe, gate)
        for _ in range(WINDOW - 1):
            assert sup.tell("a", Note(0)) is Put.OK
        for number in range(1, 4):
            assert sup.tell("a", Measured(number)) is Put.OK  # one place, latest wins
        for number in range(1, 10):
            assert sup.tell("a", Note(number)) is Put.OK
        assert sup.tell("a", Turn(1)) is Put.FULL
        assert sup.tell("a", Note(10)) is Put.OK  # pushes the telemetry out
        assert sup.tell("a", Note(11)) is Put.FULL
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Ask(1))
        assert caught.value.code == "full"
        for number in range(50):
            assert sup.tell("a", Pay(number)) is Put.OK
            assert sup.tell("a", Halt(number)) is Put.OK
        gate.touch()
        eventually(lambda: len(said(probe, "pay")) == 50)
        assert said(probe, "pay") == said(probe, "halt") == list(range(50))
        assert said(probe, "measured") == said(probe, "turn") == []
        assert [number for number in said(probe, "note") if number] == []  # pushed out by money


@KINDS
def test_stop_overtakes_the_backlog_in_socket_and_mailbox(kind, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(mailbox=BIG), hosted("a", kind=kind, probe="/probe", shutdown=20)) as sup:
        hold(sup, probe, gate)
        for number in range(200):
            sup.tell("a", Note(number, bytes(20_000)))
        running: Any = sup.rows["a"].running
        assert running.link._wants_room  # the socket is full, too
        stopping = threading.Thread(target=sup.terminate_child, args=("a",))
        stopping.start()
        eventually(lambda: running.mailbox.has_fast)
        gate.touch()
        stopping.join()
        assert last_exit(sup, "a") == Shutdown()
        assert len(said(probe, "note")) < 64


@KINDS
def test_a_full_socket_empties_into_a_host_that_has_time_again(kind, tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    spec = hosted("a", kind=kind, probe="/probe")
    with tree(probe.spec(mailbox=BIG), spec) as sup:
        for round_ in range(3):
            gate = tmp_path / f"gate{round_}"
            hold(sup, probe, gate)
            sizes = [MAX_FRAME_BYTES - 200] * 4 + [10, 90_000, 50_000] * 4
            for number, size in enumerate(sizes):
                assert sup.tell("a", Note(number, bytes(size))) is Put.OK
            running: Any = sup.rows["a"].running
            assert running._sent < WINDOW
            assert running.mailbox.depth
            gate.touch()
            expected = list(range(len(sizes))) * (round_ + 1)
            eventually(lambda: said(probe, "note") == expected)  # noqa: B023 - called at once
        assert ask(sup, "a").incarnation == 1


def test_answers_reach_a_host_whose_socket_is_full():
    probe = Probe(Said)
    children = [
        hosted("a", probe="/probe", mailbox=MailboxSpec(1000)),
        hosted("b", "thread"),
        probe.spec(mailbox=BIG),
    ]
    with tree(*children) as sup:
        for number in range(50):
            sup.tell("a", Do("ask", "/b"))
            for _ in range(3):
                sup.tell("a", Note(number, bytes(70_000)))
        eventually(lambda: len(said(probe, "asked")) == 50, 30)
        eventually(lambda: len(said(probe, "note")) == 150, 30)
        assert ask(sup, "a").incarnation == 1


@KINDS
def test_poison_is_parked_at_the_second_death_and_the_rest_is_handled_in_order(kind):
    probe = Probe(Said)
    spec = hosted("a", kind=kind, probe="/probe", mailbox=KEEP)
    with tree(probe.spec(mailbox=BIG), spec) as sup:
        for number in (1, 2, -1, 3, 4):
            sup.tell("a", Note(number))
        eventually(lambda: said(probe, "note") == [1, 2, 3, 4], 20)
        assert sup.rows["a"].restarts == 2
        slot = sup.system.slots["/a"]
        assert [envelope.name for envelope in slot.parked] == ["hosted.note"]
        assert sup.system.dead_letters.by_cause["poisoned"] == 1


def test_a_fast_message_that_kills_does_not_confuse_what_was_sent_before_it(tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(mailbox=BIG), hosted("a", probe="/probe", mailbox=KEEP)) as sup:
        hold(sup, probe, gate)
        for number in range(5):
            sup.tell("a", Note(number))
        sup.tell("a", Halt(1))
        sup.tell("a", Note(-1))
        sup.tell("a", Note(6))
        gate.touch()
        eventually(lambda: said(probe, "note") == [0, 1, 2, 3, 4, 6], 20)
        assert said(probe, "halt") == [1]
        assert [envelope.name for envelope in sup.system.slots["/a"].parked] == ["hosted.note"]


@pytest.mark.parametrize("restarts", [1, 5])
def test_what_is_preserved_keeps_its_order_and_orders_are_not_replayed(restarts, tmp_path):
    probe = Probe(Said)
    with tree(probe.spec(mailbox=BIG), hosted("a", probe="/probe", mailbox=KEEP)) as sup:
        sent = 0
        for life in range(restarts):
            hold(sup, probe, tmp_path / "never")
            times = held(probe)
            for _ in range(200):
                sup.tell("a", Pay(sent))
                sent += 1
            sup.tell("a", Turn(life))
            kill(sup)
            for _ in range(50):  # while it is dead
                assert sup.tell("a", Pay(sent)) is Put.OK
                sent += 1
            eventually(lambda: held(probe) > times)  # noqa: B023 - called at once
            kill(sup)  # the second death over the same message, which is now parked
            eventually(lambda: said(probe, "pay") == list(range(sent)), 30)  # noqa: B023
        assert said(probe, "turn") == []


def test_what_waits_outlives_a_start_that_fails(tmp_path):
    probe, how = Probe(Said), tmp_path / "how"
    how.write_text("ok")
    spec = hosted("a", start=f"file:{how}", probe="/probe", mailbox=KEEP)
    with tree(probe.spec(mailbox=BIG), spec) as sup:
        how.write_text("crash")
        os.kill(ask(sup, "a").pid, signal.SIGKILL)
        eventually(lambda: sup.rows["a"].restarts > 2)
        for number in range(20):
            assert sup.tell("a", Note(number)) is Put.OK
        eventually(lambda: sup.rows["a"].restarts > 20)
        how.write_text("ok")
        eventually(lambda: said(probe, "note") == list(range(20)))


def test_what_waits_outlives_a_zygote_that_cannot_be_had(monkeypatch):
    probe = Probe(Said)
    with tree(probe.spec(mailbox=BIG), hosted("a", probe="/probe", mailbox=KEEP)) as sup:
        pid = ask(sup, "a").pid
        zygote = sup.system.zygote

        def refuse(*_: Any) -> int:
            raise OSError(11, "no process to be had")

        monkeypatch.setattr(zygote, "spawn", refuse)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: sup.rows["a"].restarts > 2)
        for number in range(20):
            assert sup.tell("a", Note(number)) is Put.OK
        eventually(lambda: sup.rows["a"].restarts > 20)
        monkeypatch.undo()
        eventually(lambda: said(probe, "note") == list(range(20)))
        assert ask(sup, "a").pid != pid


def test_discarded_requests_are_answered_and_casts_counted(tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(mailbox=BIG), hosted("a", probe="/probe")) as sup:
        hold(sup, probe, gate)
        for number in range(100):
            sup.tell("a", Note(number))
        kill(sup)
        successor(sup, "a", 1)
        eventually(lambda: sup.rows["a"].state is State.RUNNING)
        counted = sup.system.dead_letters.by_cause
        assert (counted["crashed"], counted["restarting"]) == (1, 100)
        do(sup, "a", "emit", "x")
        assert said(probe, "note") == []
