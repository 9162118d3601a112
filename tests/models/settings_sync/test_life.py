"""The life of a version: when it comes, when it goes, and what is said about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settings_sync import life as rule
from models.settings_sync.life import (
    FAILURES,
    LINK_LOST_S,
    SICK_LOOKS,
    UNKNOWN_S,
    Accepted,
    Applied,
    Apply,
    Confirm,
    Failed,
    Life,
    Limits,
    Looked,
    Resting,
    Revert,
    Superseded,
    Tell,
    Withdrawn,
    rest_of,
)

LIMITS = Limits(watch_s=60.0, wait_s_max=900.0)
WELL = Looked({}, {}, has_link=True)


class Told:
    """A life, and everything it has ordered."""

    def __init__(self):
        self.life = Life()
        self.now = 1000.0
        self.orders = []

    def take(self, fact, after=0.0):
        self.now += after
        self.life, orders = rule.step(self.life, fact, self.now, LIMITS)
        self.orders += orders
        return list(orders)

    def on_trial(self, version=2, has_link=True):
        self.take(Accepted(version))
        self.take(Resting("rest"))
        self.take(Applied(version, has_link=has_link))
        self.orders.clear()
        return self


# -- waiting ----------------------------------------------------------------------------------


def test_a_machine_at_rest_gets_it_at_once():
    told = Told()
    assert told.take(Accepted(2)) == []
    assert told.take(Resting("rest")) == [Apply(2)]
    assert told.take(Applied(2)) == [Tell(2, "watching")]


@pytest.mark.parametrize("rest", ["item", "session", "stopped"])
def test_one_that_waits_is_told_once(rest):
    told = Told()
    told.take(Accepted(2))
    [order] = told.take(Resting(rest))
    assert (order.version, order.state) == (2, "deferred")
    assert told.take(Resting(rest), 1.0) == []
    assert told.take(Resting("rest"), 1.0) == [Apply(2)]


def test_after_the_longest_wait_it_comes_between_two_items_and_never_with_one_inside():
    told = Told()
    told.take(Accepted(2))
    told.take(Resting("session"))
    assert told.take(Resting("item"), LIMITS.wait_s_max + 1) == []
    assert told.take(Resting("session")) == [Apply(2)]


def test_somebody_at_the_machine_is_waited_for_without_end():
    told = Told()
    told.take(Accepted(2))
    told.take(Resting("stopped"))
    assert told.take(Resting("stopped"), 10 * LIMITS.wait_s_max) == []
    assert told.take(Resting("rest")) == [Apply(2)]


def test_a_cycle_that_does_not_answer_for_long_has_nothing_in_its_hands():
    told = Told()
    told.take(Accepted(2))
    assert told.take(Resting("unknown")) == []
    assert told.take(Resting("unknown"), UNKNOWN_S - 0.1) == []
    assert told.take(Resting("unknown"), 0.2) == [Apply(2)]


def test_an_answer_in_between_begins_the_count_anew():
    told = Told()
    told.take(Accepted(2))
    told.take(Resting("unknown"))
    told.take(Resting("item"), UNKNOWN_S - 1)
    assert told.take(Resting("unknown"), 2.0) == []


def test_the_latest_version_wins_and_is_applied_once():
    told = Told()
    told.take(Accepted(2))
    told.take(Resting("item"))
    told.take(Accepted(3))
    told.take(Resting("item"))
    told.take(Resting("rest"))
    told.take(Applied(3))
    told.take(Resting("rest"))
    assert [order for order in told.orders if isinstance(order, Apply)] == [Apply(3)]


def test_what_is_not_at_hand_any_more_is_forgotten():
    told = Told()
    told.take(Accepted(2))
    told.take(Superseded(2))
    assert told.take(Resting("rest")) == []
    told.take(Accepted(3))
    told.take(Superseded(2))
    assert told.take(Resting("rest")) == [Apply(3)]
    told.take(Withdrawn())
    assert told.take(Resting("rest")) == []


@pytest.mark.parametrize(
    ("phase", "session", "rest"),
    [
        ("idle", "", "rest"),
        ("bin_full", "", "rest"),
        ("fault", "", "rest"),
        ("estop", "", "stopped"),
        ("estop", "s-1", "stopped"),
        ("idle", "s-1", "session"),
        ("service", "", "stopped"),
        ("boot", "", "unknown"),
        ("selftest", "", "unknown"),
        ("transporting", "s-1", "item"),
        ("return_wait", "", "item"),
        ("a_phase_of_tomorrow", "", "item"),
    ],
)
def test_what_the_item_cycle_says_means(phase, session, rest):
    assert rest_of(phase, session) == rest


# -- the trial --------------------------------------------------------------------------------


def test_a_machine_that_stays_well_keeps_it():
    told = Told().on_trial()
    for _ in range(59):
        assert told.take(WELL, 1.0) == []
    assert told.take(WELL, 1.0) == [Confirm(2), Tell(2, "kept")]
    assert told.take(WELL, 1.0) == []


def test_who_is_unwell_for_several_looks_takes_it_back():
    told = Told().on_trial()
    sick = Looked({"/vision/camera": "waiting: camera"}, {}, has_link=True)
    for _ in range(SICK_LOOKS - 1):
        assert told.take(sick, 1.0) == []
    revert, tell = told.take(sick, 1.0)
    assert isinstance(revert, Revert)
    assert "/vision/camera" in revert.reason
    assert tell == Tell(2, "rolled_back", revert.reason)
    assert told.take(sick, 1.0) == []


def test_a_start_that_takes_long_is_no_harm_until_the_end_of_the_watch():
    told = Told().on_trial()
    path = "/vision/inference"
    starting = Looked({path: "starting"}, {}, has_link=True, passing=frozenset([path]))
    for _ in range(50):
        assert told.take(starting, 1.0) == []
    assert isinstance(told.take(starting, 10.0)[0], Revert)


def test_a_restart_that_comes_through_is_no_harm_but_two_failures_are():
    told = Told().on_trial()
    restarting = Looked({"/health": "restarting"}, {"/health": 1}, has_link=True)
    assert told.take(restarting, 1.0) == []
    assert told.take(Looked({}, {"/health": 1}, has_link=True), 1.0) == []
    found = told.take(Looked({}, {"/health": FAILURES}, has_link=True), 1.0)
    assert isinstance(found[0], Revert)


def test_whoever_is_unwell_at_the_end_gets_no_more_time():
    told = Told().on_trial()
    told.take(WELL, 59.5)
    found = told.take(Looked({"/health": "restarting"}, {}, has_link=True), 1.0)
    assert isinstance(found[0], Revert)


def test_a_link_that_was_there_and_stays_away_takes_it_back_within_the_watch():
    told = Told().on_trial()
    lost = Looked({}, {}, has_link=False)
    assert told.take(lost, 1.0) == []
    assert told.take(lost, LINK_LOST_S - 0.1) == []
    found = told.take(lost, 0.2)
    assert isinstance(found[0], Revert)
    assert told.now - 1000.0 < LIMITS.watch_s


def test_a_link_that_comes_back_or_was_never_there_is_no_harm():
    told = Told().on_trial()
    told.take(Looked({}, {}, has_link=False), 1.0)
    told.take(WELL, LINK_LOST_S - 1)
    assert told.take(Looked({}, {}, has_link=False), 2.0) == []
    never = Told().on_trial(has_link=False)
    assert never.take(Looked({}, {}, has_link=False), LINK_LOST_S + 5) == []
    assert never.take(Looked({}, {}, has_link=False), 60.0)[0] == Confirm(2)


def test_a_trial_that_is_found_under_way_has_only_the_rest_of_its_time():
    told = Told()
    told.take(Applied(2, trial_s=50.0, has_link=True))
    assert told.take(WELL, 9.0) == []
    assert told.take(WELL, 1.0)[0] == Confirm(2)


def test_one_on_trial_is_watched_on_while_another_one_waits():
    told = Told().on_trial(2)
    told.take(Accepted(3))
    assert told.take(WELL, 60.0)[0] == Confirm(2)
    assert told.take(Resting("rest")) == [Apply(3)]


def test_one_that_comes_during_a_trial_begins_its_own_and_knows_that_the_link_was_there():
    told = Told().on_trial(2)
    told.take(WELL, 30.0)
    told.take(Accepted(3))
    told.take(Resting("rest"))
    told.take(Applied(3, has_link=False))
    assert told.take(Looked({}, {}, has_link=False), 31.0) == []
    assert isinstance(told.take(Looked({}, {}, has_link=False), LINK_LOST_S)[0], Revert)


def test_an_actor_that_does_not_start_ends_it_at_once():
    told = Told()
    told.take(Accepted(2))
    told.take(Resting("rest"))
    assert told.take(Failed(2, "camera does not start")) == [
        Tell(2, "rolled_back", "camera does not start")
    ]
    assert told.life == Life()


# -- whatever happens -------------------------------------------------------------------------

facts = st.one_of(
    st.builds(Accepted, st.integers(1, 5)),
    st.builds(Resting, st.sampled_from(["rest", "session", "item", "stopped", "unknown"])),
    st.builds(Superseded, st.integers(1, 5)),
    st.just(Withdrawn()),
    st.builds(
        Looked,
        st.dictionaries(st.sampled_from(["/a", "/b"]), st.just("restarting"), max_size=2),
        st.dictionaries(st.sampled_from(["/a", "/b"]), st.integers(1, 3), max_size=2),
        st.booleans(),
    ),
    st.sampled_from(["crash of the watcher", "an actor does not start"]),
)


class Daemon(Told):
    """The daemon's side beside the rule, as `Generations` and the keeper do it."""

    def __init__(self):
        super().__init__()
        self.kept, self.trial, self.staged = 0, None, None
        self.denied = set()
        self.fails_next = False

    def happens(self, fact):
        if fact == "crash of the watcher":
            self.life = Life()
            if self.trial is not None:
                self.obey(self.take(Applied(self.trial, trial_s=5.0, has_link=True)))
        elif fact == "an actor does not start":
            self.fails_next = True
        elif isinstance(fact, Accepted):
            if fact.version not in {*self.denied, self.kept, self.trial}:
                self.staged = fact.version
                self.obey(self.take(fact))
        else:
            self.staged = None if isinstance(fact, Withdrawn) else self.staged
            self.obey(self.take(fact))

    def obey(self, orders):
        for order in orders:
            if isinstance(order, Apply):
                self.apply(order.version)
            elif isinstance(order, Confirm):
                assert order.version == self.trial
                self.kept, self.trial = self.trial, None
            elif isinstance(order, Revert):
                assert order.version == self.trial
                self.denied.add(self.trial)
                self.trial = None

    def apply(self, version):
        assert version == self.staged, "only what was accepted last is applied"
        assert version not in self.denied
        self.staged = None
        if self.fails_next:
            self.fails_next, self.trial = False, None
            self.denied.add(version)
            self.obey(self.take(Failed(version, "it does not start")))
        else:
            self.trial = version
            self.obey(self.take(Applied(version, has_link=True)))


@given(st.lists(st.tuples(facts, st.floats(0, 200)), max_size=60))
def test_in_any_order_of_events_and_crashes_one_version_is_in_force_and_settles(history):
    daemon = Daemon()
    for fact, after in history:
        daemon.now += after
        daemon.happens(fact)
        trial = daemon.life.trial
        assert (None if trial is None else trial.version) == daemon.trial
    for _ in range(100):  # quiet days
        daemon.now += 1.0
        daemon.happens(Resting("rest"))
        daemon.happens(WELL)
    assert daemon.trial is None
    assert daemon.life == Life()
    assert daemon.kept not in daemon.denied
