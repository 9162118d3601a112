"""Which model serves: every way through the rules ends with one that has not failed."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.vision import swap
from models.vision.swap import SHIPPED, Shelf

DAY = 1.0


def on_its_way(shelf, name="new", boot="boot-1"):
    return swap.begun(shelf, name, f"print-{name}", boot)


def test_a_newcomer_that_stands_its_probation_serves():
    shelf = swap.settled(swap.adopted(on_its_way(Shelf()), "/models/new"))
    assert (shelf.current, shelf.previous, shelf.trying) == ("new", SHIPPED, None)
    assert shelf.served == "/models/new"


def test_a_process_that_died_while_it_was_put_into_service_leaves_the_old_one():
    shelf = swap.recovered(on_its_way(Shelf()), "boot-1", DAY)
    assert (shelf.current, shelf.trying) == (SHIPPED, None)
    assert shelf.denied["print-new"].name == "new"
    assert "put into service" in shelf.refusal


def test_a_process_that_died_on_probation_brings_the_old_one_back():
    shelf = swap.recovered(swap.adopted(on_its_way(Shelf()), "/models/new"), "boot-1", DAY)
    assert (shelf.current, shelf.previous) == (SHIPPED, None)
    assert "print-new" in shelf.denied


def test_a_power_cut_brings_the_old_one_back_and_blames_nobody():
    for shelf in (on_its_way(Shelf()), swap.adopted(on_its_way(Shelf()), "/models/new")):
        after = swap.recovered(shelf, "boot-2", DAY)
        assert after.current == SHIPPED
        assert after.denied == {}
        assert "may be tried again" in after.refusal


def test_a_stop_in_order_goes_on_with_the_probation():
    shelf = swap.paused(swap.adopted(on_its_way(Shelf()), "/models/new"))
    again = swap.recovered(shelf, "boot-2", DAY)
    assert again.current == "new"
    assert again.trying is not None
    assert (again.trying.step, again.trying.boot) == ("probation", "boot-2")
    assert swap.recovered(again, "boot-2", DAY).current == SHIPPED


def test_only_a_probation_is_paused():
    begun = on_its_way(Shelf())
    assert swap.paused(begun) == begun
    assert swap.paused(Shelf()) == Shelf()


def test_forgiven_means_forgotten():
    shelf = swap.denied(Shelf(), "new", "print-new", "it hangs", DAY)
    assert swap.forgiven(shelf, "print-new").denied == {}
    assert swap.forgiven(shelf, "another").denied == shelf.denied


def test_what_never_existed_is_not_denied():
    shelf = swap.denied(Shelf(), "new", "", "there is no such directory", DAY)
    assert (shelf.denied, shelf.refusal) == ({}, "there is no such directory")


def test_starts_that_came_to_nothing_are_counted_for_each_model():
    shelf = Shelf()
    for tries in (1, 2, 3):
        shelf = swap.starting(shelf, "a", "boot-1")
        assert swap.tries(shelf, "a", "boot-1") == tries
    shelf = swap.starting(shelf, "b", "boot-1")
    assert swap.tries(shelf, "b", "boot-1") == 1
    assert swap.tries(shelf, "a", "boot-1") == 3
    assert swap.tries(shelf, "a", "boot-2") == 0
    assert swap.tries(swap.survived(shelf, "a"), "a", "boot-1") == 0
    assert swap.tries(swap.started(shelf, "b", "/models/b"), "a", "boot-1") == 3
    assert swap.tries(swap.started(shelf, "a", "/models/a"), "a", "boot-1") == 0


def test_the_order_in_which_models_are_asked():
    def places(shelf, pinned=""):
        return swap.candidates(shelf, pinned, "/shipped", "/models")

    assert places(Shelf()) == ("/shipped",)
    assert places(Shelf(current="b", previous="a")) == ("/models/b", "/models/a", "/shipped")
    assert places(Shelf(current="b", previous=SHIPPED)) == ("/models/b", "/shipped")
    assert places(Shelf(current=SHIPPED, previous="b")) == ("/shipped", "/models/b")
    assert places(Shelf(current="b"), "/pinned") == ("/pinned",)
    assert places(Shelf(served="/models/b"), "/pinned") == ("/pinned", "/models/b")
    assert places(Shelf(served="/pinned"), "/pinned") == ("/pinned",)


class History:
    """A machine that goes through swaps, failures and ends."""

    def __init__(self):
        self.shelf, self.boots = Shelf(), 0

    @property
    def boot(self):
        return f"boot-{self.boots}"

    def is_at(self, *steps):
        return self.shelf.trying is not None and self.shelf.trying.step in steps

    def begin(self, name):
        is_new = name != self.shelf.current and f"print-{name}" not in self.shelf.denied
        if self.shelf.trying is None and is_new:
            self.shelf = on_its_way(self.shelf, name, self.boot)

    def adopt(self):
        if self.is_at("adopt"):
            self.shelf = swap.adopted(self.shelf, "/models/it")

    def settle(self):
        if self.is_at("probation"):
            self.shelf = swap.settled(self.shelf)

    def fail(self):
        if self.is_at("adopt", "probation"):
            self.shelf = swap.refused(self.shelf, "it failed", DAY)

    def restart(self):
        self.shelf = swap.recovered(swap.paused(self.shelf), self.boot, DAY)

    def die(self):
        self.shelf = swap.recovered(self.shelf, self.boot, DAY)

    def cut_power(self):
        self.boots += 1
        self.die()

    def forgive(self):
        self.shelf = swap.forgiven(self.shelf, "print-a")


PLAIN = ("adopt", "settle", "fail", "restart", "die", "cut_power", "forgive")
steps = st.lists(
    st.one_of(
        st.sampled_from(PLAIN).map(lambda name: (name,)),
        st.sampled_from("ab").map(lambda name: ("begin", name)),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_happens_a_failed_model_is_not_the_current_one(taken):
    history = History()
    for name, *arguments in taken:
        getattr(history, name)(*arguments)
        shelf = history.shelf
        assert f"print-{shelf.current}" not in shelf.denied
        assert shelf.previous != shelf.current
        if history.is_at("probation", "paused"):
            assert shelf.trying.name == shelf.current
        assert msgspec.json.decode(msgspec.json.encode(shelf), type=Shelf) == shelf
