"""Which state may follow which, and the journal's chain."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ledger.audit import Replay
from models.ledger.chain import (
    GENESIS,
    Break,
    Damaged,
    Entry,
    digest,
    follow,
    pack,
    seal,
    unpack,
    unseal,
)
from models.ledger.room import PAGE_BYTES, Room, grown, room
from models.ledger.transitions import DECIDED, FIRST, NEXT, STATES, UNDECIDED, judge, judge_session
from protocol.storage import DepositRecord

state = st.sampled_from(STATES)


@given(st.lists(st.tuples(state, st.booleans()), max_size=30))
def test_whatever_is_tried_a_credit_comes_once_and_only_after_proof_or_a_decision(tried):
    now, path = None, []
    for after, decided in tried:
        if judge(now, after, decided=decided) == "write":
            path.append((now, after, decided))
            now = after
    paid = [step for step in path if step[1] == "credited"]
    assert len(paid) <= 1
    for before, _, decided in paid:
        assert (before == "confirmed" and not decided) or (before == "review" and decided)
    assert all(step[0] not in ("credited", "void", "rejected") for step in path)


@given(state, st.booleans())
def test_the_same_state_again_is_a_repetition(now, decided):
    assert judge(now, now, decided=decided) == "same"


def test_nothing_begins_as_a_credit():
    assert not FIRST & {"confirmed", "credited", "transporting"}
    assert all(judge(None, each, decided=True) == "illegal" for each in STATES)


def test_every_undecided_state_can_be_left_and_every_other_is_an_end():
    for each in STATES:
        assert bool(NEXT[each]) == (each in UNDECIDED)
    assert dict(DECIDED) == {"review": {"credited", "void"}}


def test_a_session_is_closed_once():
    assert judge_session(None, "open") == judge_session("open", "closed") == "write"
    assert judge_session("open", "open") == "write"
    assert judge_session("closed", "closed") == "same"
    assert judge_session("closed", "open") == "illegal"


# ----- The chain ------------------------------------------------------------------------------

entries = st.builds(
    Entry,
    sequence=st.integers(0, 2**64 - 1),
    before=st.integers(0, 2**64 - 1),
    previous=st.binary(min_size=32, max_size=32),
    at=st.floats(allow_nan=False),
    kind=st.sampled_from(("deposit", "session", "epoch")),
    body=st.binary(max_size=300),
)


def chain(bodies):
    previous = GENESIS
    for sequence, body in enumerate(bodies, 1):
        packed = pack(Entry(sequence, 0, previous, 1.0, "deposit", body))
        previous = digest(packed)
        yield sequence, seal(packed)


@given(entries)
def test_an_entry_comes_back_as_it_was(entry):
    assert unpack(pack(entry)) == entry


@given(st.binary(max_size=200))
def test_other_bytes_are_no_entry(data):
    try:
        assert pack(unpack(data)) == data
    except Damaged:
        pass


@given(st.binary(max_size=100), st.data())
def test_a_changed_bit_is_seen(value, data):
    stored = bytearray(seal(value))
    at = data.draw(st.integers(0, len(stored) * 8 - 1))
    stored[at // 8] ^= 1 << at % 8
    with pytest.raises(Damaged):
        unseal(bytes(stored))


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_a_whole_chain_has_no_break(bodies):
    found = list(follow(chain(bodies)))
    assert [entry.body for entry in found] == bodies


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=20), st.data())
def test_an_entry_that_is_changed_removed_or_forged_breaks_it(bodies, data):
    stored = list(chain(bodies))
    at = data.draw(st.integers(0, len(stored) - 2))
    how = data.draw(st.sampled_from(("removed", "forged", "swapped")))
    if how == "removed":
        del stored[at]
    elif how == "forged":
        entry = unpack(unseal(stored[at][1]))
        forged = msgspec.structs.replace(entry, body=entry.body + b"!")
        stored[at] = (stored[at][0], seal(pack(forged)))
    else:
        first, second = stored[at], stored[at + 1]
        stored[at : at + 2] = [(first[0], second[1]), (second[0], first[1])]
    breaks = [found for found in follow(stored) if isinstance(found, Break)]
    assert breaks
    assert breaks[0].sequence in (at + 1, at + 2)


def test_a_walk_goes_on_behind_a_break():
    stored = list(chain([b"%d" % number for number in range(9)]))
    stored[4] = (5, b"garbage")
    found = list(follow(stored))
    assert [each.sequence for each in found if isinstance(each, Break)] == [5]
    assert len([each for each in found if isinstance(each, Entry)]) == 8


# ----- The replay -----------------------------------------------------------------------------


def entry(kind="deposit"):
    return Entry(1, 0, GENESIS, 1.0, kind, b"")


def record(state, id_="m-1-1", session="s"):
    return DepositRecord(id_, state, "accepted", 1.0, 2.0, session=session)


def test_a_replay_tells_what_was_never_legal():
    replay = Replay()
    assert replay.deposit(entry(), record("reserved"), None) is None
    assert "to credited" in replay.deposit(entry(), record("credited"), record("reserved"))
    assert "from review" in replay.deposit(entry(), record("credited"), record("review"))
    assert replay.deposit(entry("decision"), record("credited"), record("review")) is None
    assert "m-1-2" in replay.deposit(entry(), record("void", "m-1-2"), record("reserved"))
    assert replay.opened(3) is None
    assert "run 3 follows run 3" in replay.opened(3)


@given(st.lists(st.text(max_size=8)), st.randoms(use_true_random=False))
def test_what_is_settled_in_any_order_is_not_owed(keys, rng):
    replay = Replay()
    for key in keys:
        replay.owe(key)
    assert bool(replay.owed) == bool(keys)
    rng.shuffle(keys)
    for key in keys:
        replay.settle(key)
    assert replay.owed == 0


# ----- Room -----------------------------------------------------------------------------------

sizes = st.integers(0, 1 << 36)


@given(sizes, sizes, st.floats(1, 50))
def test_money_can_always_write_where_others_can_and_deletes_after_it(capacity, used, percent):
    there_is = Room(capacity, used, percent)
    assert 0 <= there_is.line_bytes <= there_is.edge_bytes <= capacity
    level = there_is.level()
    assert level == ("open" if used <= there_is.line_bytes else level)
    if capacity >= 400 * PAGE_BYTES:
        assert there_is.edge_bytes - there_is.line_bytes >= int(capacity * percent / 100) - 1 or (
            there_is.line_bytes == 0
        )


def test_what_the_disk_does_not_have_is_no_room():
    there_is = room(
        map_bytes_max=1 << 30, file_bytes=10 << 20, disk_free_bytes=0, used_bytes=10 << 20,
        percent=10.0,
    )  # fmt: skip
    assert there_is.capacity_bytes == 10 << 20
    assert there_is.level() == "edge"


@given(st.integers(1, 1 << 40), sizes, st.integers(1, 1 << 40))
def test_the_map_only_grows_and_never_over_its_end(size, used, most):
    after = grown(size, used, max(most, size))
    assert size <= after <= max(most, size)
    assert used <= after // 2 or after == max(most, size)
