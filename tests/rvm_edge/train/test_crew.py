"""Real processes that die in every way, and the list gets done."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from rvm_edge.train.crew import Crew, CrewLost
from supervisors.testing import eventually
from tests.rvm_edge.train.workers import MODULE


def files(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir() if file.name.isdecimal()}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_number_is_done_once(tmp_path):
    with Crew(2, MODULE, "obedient", str(tmp_path)) as crew:
        done = list(crew.work_off(range(20)))
    assert sorted(one.number for one in done) == list(range(20))
    assert all(one.is_good for one in done)
    assert files(tmp_path) == set(range(20))


def test_workers_that_are_killed_are_replaced_and_their_numbers_done(tmp_path):
    with Crew(2, MODULE, "mortal", str(tmp_path)) as crew:
        done = list(crew.work_off([1, 2, 3]))
    assert sorted(one.number for one in done if one.is_good) == [1, 2, 3]


def test_a_number_that_kills_whoever_takes_it_is_left_out_and_named(tmp_path):
    for number in (1, 2):
        (tmp_path / f"seen-{number}").touch()
    with Crew(1, MODULE, "mortal", str(tmp_path)) as crew:
        done = list(crew.work_off([1, 13, 2]))
    assert [one.number for one in done if not one.is_good] == [13]
    assert files(tmp_path) == {1, 2}


def test_a_crew_that_cannot_even_begin_is_given_up(tmp_path):
    with (
        Crew(2, MODULE, "stillborn", str(tmp_path)) as crew,
        pytest.raises(CrewLost, match="one after the other"),
    ):
        list(crew.work_off(range(100)))


def test_kill_9_from_outside_costs_nothing(tmp_path):
    with Crew(1, MODULE, "patient", str(tmp_path)) as crew:
        numbers: list[int] = []
        worker = threading.Thread(
            target=lambda: numbers.extend(one.number for one in crew.work_off([5, 6]))
        )
        worker.start()
        eventually((tmp_path / "pid").exists)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        worker.join(30)
    assert sorted(numbers) == [5, 6]
    assert files(tmp_path) == {5, 6}


def test_who_asks_to_stop_gets_what_is_in_hand_and_no_more(tmp_path):
    done: list[int] = []
    with Crew(1, MODULE, "obedient", str(tmp_path)) as crew:
        done.extend(one.number for one in crew.work_off(range(1000), lambda: bool(files(tmp_path))))
    assert 1 <= len(done) < 1000
    assert files(tmp_path) == set(done)


def test_a_crew_that_is_left_early_leaves_no_process(tmp_path):
    with Crew(2, MODULE, "obedient", str(tmp_path)) as crew:
        pids = crew.pids
        next(crew.work_off(range(1000)))
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)
