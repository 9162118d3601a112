"""Processes that work off a list of numbers: any of them may die, the list gets done.

Each worker is a program of its own (nothing of ours is forked into it) and hears of its next number
through a pipe. A worker that is killed is replaced and its number given out again; when this
process dies, the pipes close and the workers end after what they have in hand.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from typing import NamedTuple, final

TRIES = 3
"""A number whose worker died so often is left out: it would kill the next one too."""
DEATHS_IN_A_ROW_MAX = 6
"""So many deaths without one number done are no accident, but something that is wrong here."""
WAIT_S = 0.5  # how late a wish to stop may be seen
END_S = 10.0  # for a worker that was told to end


class CrewLost(Exception):
    """The workers die without doing anything; their own words stand above."""


class Done(NamedTuple):
    """A number that was worked off, or given up."""

    number: int
    is_good: bool


def serve(fd: int, work: Callable[[int], None]) -> None:
    """Be a worker: do `work` for each number, until nobody wants more.

    Args:
        fd: this worker's end of the pipe, the last argument of its command.
    """
    with Connection(fd) as link, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            number = link.recv()
            work(number)
            link.send(number)


class _Hand:
    """One worker, and what it has in hand."""

    def __init__(self, command: Sequence[str]) -> None:
        self.link, theirs = Pipe()
        self.number: int | None = None
        # -m finds our packages where this process does, unless it was told to be isolated.
        isolated = ["-I"] if sys.flags.isolated else []
        self._process = subprocess.Popen(
            [sys.executable, *isolated, "-m", *command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the one who gives out the numbers
        )
        theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, number: int) -> None:
        self.number = number
        with suppress(OSError):  # it is dead, and that will be found
            self.link.send(number)

    def take(self) -> int | None:
        """What it has done; None if it is dead."""
        try:
            done = self.link.recv()
        except (EOFError, OSError):
            return None
        self.number = None
        return int(done)

    def end(self, *, at_once: bool) -> None:
        self.link.close()
        if at_once:
            self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@final
class Crew:
    """Workers of one kind; a context, at whose end all of them are gone."""

    def __init__(self, workers: int, *command: str) -> None:
        """Args: command: module and arguments; the module calls `serve`."""
        self._command = command
        self._hands = [_Hand(command) for _ in range(workers)]
        self._is_done = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for hand in self._hands:
            hand.end(at_once=not self._is_done)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers."""
        return tuple(hand.pid for hand in self._hands)

    def work_off(
        self, numbers: Iterable[int], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Done]:
        """Give out the numbers and tell which are done, in no order.

        Args:
            should_stop: no more is given out from then on; what is in hand is finished.

        Raises:
            CrewLost: nobody survives.
        """
        waiting, deaths, in_a_row = deque(numbers), Counter[int](), 0
        while True:
            self._give_out(waiting, stopping=should_stop())
            busy = {hand.link: hand for hand in self._hands if hand.number is not None}
            if not busy:
                break
            for link in wait(list(busy), WAIT_S):
                assert isinstance(link, Connection)
                hand = busy[link]
                number, done = hand.number, hand.take()
                if done is not None:
                    in_a_row = 0
                    yield Done(done, is_good=True)
                    continue
                assert number is not None
                in_a_row += 1
                self._replace(hand, in_a_row)
                deaths[number] += 1
                if deaths[number] < TRIES:
                    waiting.appendleft(number)
                else:
                    yield Done(number, is_good=False)
        self._is_done = True

    def _give_out(self, waiting: deque[int], *, stopping: bool) -> None:
        for hand in self._hands:
            if hand.number is None and waiting and not stopping:
                hand.give(waiting.popleft())

    def _replace(self, hand: _Hand, deaths_in_a_row: int) -> None:
        if deaths_in_a_row >= DEATHS_IN_A_ROW_MAX:
            raise CrewLost(f"{deaths_in_a_row} workers died one after the other and did nothing")
        hand.end(at_once=True)
        self._hands[self._hands.index(hand)] = _Hand(self._command)
