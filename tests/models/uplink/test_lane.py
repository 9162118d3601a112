"""One class of the outbox on its way out, against any behaviour of platform and storage."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.uplink.lane import PUT_OFF_MAX, Lane

FATES = st.sampled_from(["done", "later", "refused"])


class World:
    """An outbox, and a lane that empties it."""

    def __init__(self, backlog: int) -> None:
        self.waiting = list(range(1, backlog + 1))
        self.last = backlog
        self.lane = Lane()
        self.lane.open(backlog)
        self.now_s = 0.0
        self.sent: list[int] = []
        self.flying: list[int] = []

    def put(self) -> None:
        self.last += 1
        self.waiting.append(self.last)
        self.lane.grew(self.last)

    def fetch(self, limit: int) -> bool:
        fetch = self.lane.next(self.now_s, limit)
        if fetch is None:
            return False
        found = [one for one in self.waiting if one > fetch.after][: fetch.limit]
        chosen = self.lane.fetched(fetch, found, self.now_s)
        assert not set(chosen) & set(self.flying), "on its way already"
        assert chosen == sorted(set(chosen))
        self.sent += chosen
        self.flying += chosen
        return True

    def land(self, fate: str) -> None:
        sequence = self.flying.pop(0)
        if fate == "later":
            self.lane.put_off(sequence, self.now_s + 1.0)
            return
        self.waiting = [one for one in self.waiting if one != sequence]
        self.lane.settled((sequence,))


def drained(world: World, limit: int = 3) -> None:
    """Let everything that is left succeed."""
    for _ in range(10_000):
        while world.fetch(limit):
            pass
        if not world.flying:
            if not world.waiting and not world.lane.waiting:
                return
            world.now_s += 1.0
        while world.flying:
            world.land("done")
    raise AssertionError(f"never sent: {world.waiting}")


@given(
    st.integers(0, 30),
    st.integers(1, 7),
    st.lists(st.one_of(FATES, st.sampled_from(["put", "fetch", "tick", "evict"]))),
)
@settings(max_examples=100)
def test_everything_is_sent_and_nothing_is_on_its_way_twice(backlog, limit, steps):
    world = World(backlog)
    for step in steps:
        if step == "put":
            world.put()
        elif step == "fetch":
            world.fetch(limit)
        elif step == "tick":
            world.now_s += 1.0
        elif step == "evict":
            world.waiting = world.waiting[1:]
        elif world.flying:
            world.land(step)
    drained(world, limit)


def test_what_is_new_goes_first_then_what_was_put_off_then_the_backlog():
    world = World(9)
    world.fetch(3)
    for fate in ("later", "done", "done"):
        world.land(fate)
    world.now_s = 5.0
    world.put()
    for _ in range(3):
        world.fetch(3)
    assert world.sent == [1, 2, 3, 10, 1, 4, 5, 6]


def test_what_is_new_has_a_limit_of_its_own():
    lane = Lane()
    lane.open(5)
    assert lane.next(0.0, 10, 0) is None
    assert lane.next(0.0, 10, 2)[:3] == ("backlog", 0, 2)
    lane.grew(6)
    assert lane.next(0.0, 10, 0)[:3] == ("live", 5, 10)


def test_of_a_backlog_the_newest_go_first():
    world = World(9)
    world.lane.open(9, newest=2)
    for _ in range(4):
        world.fetch(3)
    assert world.sent == [8, 9, 1, 2, 3, 4, 5, 6, 7]


def test_what_comes_while_nothing_is_found_is_not_passed_over():
    """What was announced has been dropped, and before that is known there is more."""
    lane = Lane()
    lane.open(10)
    lane.grew(11)
    fetch = lane.next(0.0, 3)
    lane.grew(12)
    assert lane.fetched(fetch, [], 0.0) == []
    assert lane.next(0.0, 3)[:2] == ("live", 11)


def test_an_answer_from_before_an_opening_passes_nothing_over():
    lane = Lane()
    lane.open(9)
    lane.fetched(lane.next(0.0, 3), [1, 2, 3], 0.0)
    asked = lane.next(0.0, 3)
    for one in (1, 2, 3):
        lane.put_off(one, 5.0)
    lane.open(9)
    assert lane.fetched(asked, [4, 5, 6], 0.0) == [4, 5, 6]
    assert lane.fetched(lane.next(0.0, 9), range(1, 10), 0.0) == [1, 2, 3, 7, 8, 9]


def test_an_outbox_that_counts_anew_is_begun_with_anew():
    """The store was damaged and put aside, and the way stayed open."""
    lane = Lane()
    lane.open(5000)
    lane.grew(2)
    assert lane.fetched(lane.next(0.0, 9), [1, 2], 0.0) == [1, 2]
    lane.grew(3)
    assert lane.next(0.0, 9)[:2] == ("live", 2)


def test_what_was_put_off_is_not_forgotten_when_only_some_of_it_comes():
    """An answer of the storage is limited in bytes too."""
    lane = Lane()
    lane.open(3)
    lane.fetched(lane.next(0.0, 9), [1, 2, 3], 0.0)
    for one in (1, 2, 3):
        lane.put_off(one, 1.0)
    assert lane.fetched(lane.next(1.0, 9), [1, 2], 1.0) == [1, 2]
    assert lane.waiting == 3
    assert lane.fetched(lane.next(1.0, 9), [3], 1.0) == [3]


def test_a_pause_holds_all_of_it():
    lane = Lane()
    lane.open(5)
    lane.paused_until_s = 10.0
    assert lane.next(9.9, 10) is None
    assert lane.next_s(9.9) == 10.0
    assert lane.next(10.0, 10).source == "backlog"


def test_a_backlog_that_only_ever_waits_takes_no_memory():
    world = World(3 * PUT_OFF_MAX)
    while world.fetch(100):
        while world.flying:
            world.land("later")
    assert world.lane.waiting == PUT_OFF_MAX
    world.put()
    assert world.fetch(100)
    assert world.sent[-1] == world.last


def test_the_way_opens_again_while_something_is_on_its_way():
    world = World(4)
    world.fetch(2)
    world.lane.open(4)
    world.fetch(10)
    assert world.sent == [1, 2, 3, 4]
