"""Which beam lies: found from what an item can and cannot do."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import SensorsSettings
from models.sensing.beams import BEAMS, Passages, beam_fault
from models.sensing.fault import Fault
from models.sensing.line import Line

LIMITS = SensorsSettings()
NAMES = {"n": "entry", "i": "inside", "x": "exit", "d": "drop"}
FREE = Line(level=False, since_s=0.0, is_known=True)


def covered(since_s):
    return Line(level=True, since_s=since_s, is_known=True)


def passages(tape):
    now = Passages()
    for letter in tape:
        now = now.covered(NAMES[letter])
    return now


def fault(line, now_s=1000.0, *, beam="inside", past="", standing=None, idle_since_s=0.0):
    return beam_fault(beam, line, passages(past), standing, idle_since_s, now_s, LIMITS)


def blind(past):
    """Beams that items went by unseen."""
    found = {beam: fault(FREE, beam=beam, past=past) for beam in BEAMS}
    assert all(one is None or one.what == "stuck" for one in found.values())
    return {beam for beam, one in found.items() if one}


def test_a_beam_that_works_has_no_fault():
    assert fault(FREE) is None
    assert fault(covered(999.0)) is None
    assert fault(Line()) is None  # not yet looked at


def test_a_beam_that_cannot_be_read_is_dead():
    assert fault(Line(level=None, is_known=True)).what == "dead"


def test_a_beam_that_stays_covered_while_nobody_is_dealt_with_is_stuck():
    assert fault(covered(980.1)) is None
    assert fault(covered(980.0)).what == "stuck"


def test_the_time_begins_when_the_last_item_was_done_with():
    assert fault(covered(900.0), 930.0, idle_since_s=915.0) is None
    assert fault(covered(900.0), 935.0, idle_since_s=915.0).what == "stuck"


def test_while_an_item_is_dealt_with_it_may_stand_in_a_beam_but_not_for_ever():
    assert fault(covered(900.0), 959.9, idle_since_s=None) is None
    assert fault(covered(900.0), 960.0, idle_since_s=None).what == "stuck"


def test_a_stuck_beam_stays_so_until_it_is_free_though_an_item_comes():
    stuck = Fault("stuck", "")
    assert fault(covered(999.0), standing=stuck, idle_since_s=None).what == "stuck"
    assert fault(FREE, standing=stuck) is None


def test_short_interruptions_again_and_again_are_noise_until_they_are_rare():
    def with_blips(count):
        at = tuple(999.0 - 0.1 * number for number in range(count))
        return msgspec.structs.replace(FREE, blips=at)

    noisy = Fault("noisy", "")
    assert fault(with_blips(19)) is None
    assert fault(with_blips(20)).what == "noisy"
    assert fault(with_blips(5), standing=noisy).what == "noisy"
    assert fault(with_blips(4), standing=noisy) is None
    assert fault(with_blips(20), 1010.0) is None  # long ago


def test_items_that_pass_well_accuse_nobody():
    assert blind("nixd" * 20) == set()


@pytest.mark.parametrize(
    ("letter", "beam"), [("n", "entry"), ("i", "inside"), ("x", "exit"), ("d", "drop")]
)
def test_a_blind_beam_is_found_by_the_second_item_and_cleared_when_it_sees(letter, beam):
    unseen = "nixd".replace(letter, "")
    assert blind(unseen) == set()
    # That the drop was not seen shows only when the next item has come as far.
    twice = unseen * (3 if letter == "d" else 2)
    assert blind(twice) == {beam}
    assert blind(twice + "nixd") == set()


def test_one_item_that_lay_inside_at_the_start_accuses_nobody():
    assert blind("xd" + "nixd") == set()
    assert blind("xxxd") == set()  # nor if it went to the edge and back


def test_an_item_that_comes_back_accuses_nobody():
    returned = "ni" + "in"
    assert blind(returned * 10 + "nixd") == set()


def test_a_string_that_pulls_items_back_again_and_again_does_not_accuse_the_drop_beam():
    pulled = "nix" + "xin"
    assert blind(pulled * 10) == set()


def test_a_belt_that_goes_back_and_forth_at_the_edge_accuses_nobody():
    assert blind(("ni" + "xxxx" + "d") * 10) == set()


@given(st.text(alphabet="nixd", max_size=300))
def test_its_memory_is_bounded(tape):
    now = passages(tape)
    assert len(now.tape) <= 24
    assert set(now.misses) <= set(BEAMS)


@given(st.text(alphabet="nixd", max_size=100), st.sampled_from("nixd"))
def test_a_beam_that_has_just_seen_something_is_not_blind(tape, last):
    assert NAMES[last] not in blind(tape + last)
