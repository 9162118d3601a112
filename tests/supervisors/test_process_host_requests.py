"""Asking process hosts, from many threads and from each other; who waits reads the socket."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from supervisors import MailboxSpec, RequestFailed, Supervisor
from supervisors.clock import SystemClock
from supervisors.testing import Probe, eventually
from tests.supervisors.hosted import HostedAsync
from tests.supervisors.trees import answers, ask, do, hosted, last_exit, successor, tree
from tests.supervisors.words import Answer, Ask, Do, Hang, Load, Loaded, Note, Said

THREADS = 8


def in_threads(work: Callable[[int], None], number: int = THREADS) -> None:
    """Run something in several threads at once; an error of any is the test's."""
    errors: list[BaseException] = []
    together = threading.Barrier(number)

    def run(which: int) -> None:
        try:
            together.wait(10)
            work(which)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


@pytest.mark.slow
def test_no_answer_is_lost_or_mixed_up_over_20_000_requests_from_8_threads():
    children = [
        hosted("a", mailbox=MailboxSpec(1000)),
        hosted("b", kind=HostedAsync, mailbox=MailboxSpec(1000)),
        hosted("c", "thread", mailbox=MailboxSpec(1000)),
    ]

    def one(sup: Supervisor, rng: Random, number: int) -> None:
        what, child = rng.random(), rng.choice("aabbc")
        if what < 0.90:
            assert ask(sup, child, number, 20.0).number == number
        elif what < 0.93:
            size = rng.randrange(60_000)
            loaded = sup.request(child, Load(size), reply=Loaded, timeout_s=20.0)
            assert len(loaded.load) == size
        elif what < 0.95:
            asker, asked = rng.sample("abc", 2)
            sup.request(asker, Do("relay", f"/{asked}"), timeout_s=20.0) if asker < asked else None
        elif what < 0.97:
            sup.tell(child, Note(number, bytes(rng.randrange(5000))))
        else:
            with pytest.raises(RequestFailed) as caught:
                sup.request(child, Answer(1, 2, 3), timeout_s=20.0)
            assert caught.value.code == "unknown_message"

    with tree(*children) as sup:

        def work(which: int) -> None:
            rng = Random(which)
            for number in range(20_000 // THREADS):
                one(sup, rng, which * 1_000_000 + number)

        in_threads(work)
        assert sup.system._pending == {}
        assert sum(sup.rows[child].restarts for child in "abc") == 0
        assert Counter(sup.system.dead_letters.by_cause).keys() == {"unknown_message"}


def test_a_slow_answer_does_not_hold_up_the_others_behind_the_same_reader(tmp_path):
    """Who reads the socket for a late answer passes everybody else's on."""
    gate = tmp_path / "gate"
    with tree(hosted("a"), hosted("b"), hosted("c", "thread")) as sup:
        late = threading.Thread(target=lambda: do(sup, "a", "until", str(gate)))
        late.start()
        running: Any = sup.rows["a"].running
        eventually(lambda: running.vitals.current)
        # The reader of a's socket sleeps in recv; b's and c's answers do not come by it.
        in_threads(lambda which: [ask(sup, "bc"[which % 2], n) for n in range(50)] and None)
        waiting = [
            threading.Thread(target=lambda: sup.request("a", Ask(1), timeout_s=20))
            for _ in range(4)
        ]
        for thread in waiting:
            thread.start()
        gate.touch()
        for thread in (late, *waiting):
            thread.join(20)
            assert not thread.is_alive()


def test_the_reactor_takes_over_when_the_reader_has_run_out_of_time(tmp_path):
    probe, gate = Probe(Said), tmp_path / "gate"
    with tree(probe.spec(), hosted("a", probe="/probe")) as sup:
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Do("until", str(gate)), timeout_s=0.2)
        assert caught.value.code == "timeout"
        gate.touch()
        sup.tell("a", Note(1))
        eventually(lambda: probe.heard[-1].what == "note 1")
        assert sup.system.dead_letters.by_cause["late_reply"] == 1
        assert ask(sup, "a", 9).number == 9


def test_a_timeout_is_kept_while_the_host_talks_all_the_time():
    clock = SystemClock()
    with tree(hosted("a"), hosted("b", "thread")) as sup:
        began = clock.monotonic()
        with pytest.raises(RequestFailed, match="timeout"):
            sup.request("a", Hang("chatter", "/b"), timeout_s=0.2)
        assert clock.monotonic() - began < 5
        successor(sup, "a", 1)
        assert "in do_chatter" in last_exit(sup, "a").stack  # type: ignore[union-attr]


def test_a_host_that_dies_while_somebody_reads_its_socket():
    with tree(hosted("a"), hosted("b"), intensity=None) as sup:
        outcomes: Counter[str] = Counter()
        over = threading.Event()

        def keep_asking(which: int) -> None:
            if which == 0:
                for life in range(1, 16):
                    successor(sup, "a", life - 1)
                    eventually(lambda: outcomes["ok"] > life * 20)  # noqa: B023 - called at once
                    running: Any = sup.rows["a"].running
                    os.kill(running.pid, signal.SIGKILL)
                    successor(sup, "a", life)
                over.set()
                return
            while not over.is_set():
                try:
                    ask(sup, "a", which, 10.0)
                    outcomes["ok"] += 1
                except RequestFailed as failed:
                    outcomes[failed.code] += 1

        in_threads(keep_asking)
        assert outcomes.keys() <= {"ok", "crashed", "restarting"}
        assert ask(sup, "b").incarnation == 1
        assert sup.system._pending == {}


@pytest.mark.parametrize("hosts", [("process", "process"), ("process", "thread")])
def test_of_two_that_ask_each_other_one_gives_up_and_the_report_names_both(hosts):
    with tree(hosted("a", hosts[0]), hosted("b", hosts[1])) as sup:
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Do("ask_back", "/b 0.5"), timeout_s=10)
        assert caught.value.code == "crashed"
        eventually(
            lambda: any(
                f"{asked} did not answer {asker} within 0.5 s" in str(row.last_exit)
                for row in sup.rows.values()
                for asked, asker in (("/a", "/b"), ("/b", "/a"))
            )
        )
        eventually(lambda: answers(sup, "a") and answers(sup, "b"))


def test_a_chain_of_hosts_and_threads_answers_through_all_of_them():
    children = [
        hosted(id_, host, kind=kind)
        for id_, host, kind in (
            ("a", "process", hosted("x").start),
            ("b", "thread", hosted("x").start),
            ("c", "process", hosted("x").start),
            ("d", "process", hosted("x").start),
            ("e", "thread", hosted("x").start),
        )
    ]
    with tree(*children) as sup:
        in_threads(lambda _: do(sup, "a", "relay", "/b /c /d /e") and None, 4)


def test_questions_without_end_do_not_starve_a_neighbour():
    with tree(hosted("a"), hosted("b"), hosted("c", "thread")) as sup:
        sup.tell("a", Hang("chatter", "/c"))
        for number in range(200):
            assert ask(sup, "b", number).number == number


def test_a_jump_of_the_wall_clock_changes_nothing(monkeypatch):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe"), hosted("c", "thread")) as sup:
        real = sup.system.clock.wall
        for jump in (-1e9, 1e9, 0.0):
            monkeypatch.setattr(sup.system.clock, "wall", lambda: real() + jump)  # noqa: B023
            assert ask(sup, "a", 1).incarnation == ask(sup, "c", 1).incarnation == 1
            sup.tell("a", Note(1), ttl_s=60)
            eventually(lambda: probe.heard[-1].what == "note 1")
            probe.heard.append(Said("jump"))
        assert sup.system.hangs == 0
