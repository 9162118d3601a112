"""The storage actor on a real LMDB: what it answers, what it refuses, what it owes to whom."""

import os

import lmdb
import msgspec
import pytest

from actors.storage import Storage
from actors.store import EPOCH_FILE, STORE, files
from actors.store.audit import audit
from actors.store.reading import newest_first, opened
from actors.store.tables import rows
from config.settings import StorageSettings
from models.ledger.audit import Finding
from protocol.message import Done
from protocol.storage import (
    AckOutbox,
    DepositRecord,
    Deposits,
    DescribeStore,
    Epoch,
    ListDeposits,
    ListSessions,
    OpenEpoch,
    OpenSessions,
    Outbox,
    OutboxAcked,
    PeekOutbox,
    PutOutbox,
    RefuseOutbox,
    ResendRefused,
    Resent,
    ReviewDeposit,
    SessionRecord,
    Sessions,
    SessionStored,
    Stored,
    StoreDeposit,
    StoreDescribed,
    StoreSession,
)
from protocol.system import Resume, Suspend
from supervisors import ChildSpec, RequestFailed
from supervisors.testing import VirtualClock, eventually
from tests.actors.runtime import tree

GOOD = ("reserved", "transporting", "confirmed", "credited")


def record(number: int, state: str, **more: object) -> DepositRecord:
    return DepositRecord(f"m-1-{number}", state, "accepted", 1.0 * number, 2.0, **more)


def storage(tmp_path, **limits) -> ChildSpec:
    limits = StorageSettings(**{"map_mb": 2, "map_mb_max": 64, **limits})
    return ChildSpec("storage", Storage, args={"directory": str(tmp_path), "limits": limits})


def ask(sup, message, reply):
    return sup.request("storage", message, reply=reply)


def store(sup, number, *states, **more) -> None:
    for state in states:
        answer = ask(sup, StoreDeposit(record(number, state, **more)), Stored)
        assert answer == Stored(f"m-1-{number}", state)


def session(sup, id_="s1", state="open", **more) -> SessionRecord:
    message = StoreSession(SessionRecord(id_, "guest", state, 1.0, 2.0, **more))
    return ask(sup, message, SessionStored).record


def refusal(sup, message) -> str:
    with pytest.raises(RequestFailed) as failure:
        sup.request("storage", message)
    return failure.value.code


def findings(tmp_path) -> list[Finding]:
    with opened(tmp_path) as (env, tables):
        return [each for each in audit(env, tables) if isinstance(each, Finding)]


# ----- Deposits -------------------------------------------------------------------------------


def test_records_come_back_newest_first_and_survive_the_actor(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        for number in range(5):
            store(sup, number, "rejected")
        found = ask(sup, ListDeposits(limit=2), Deposits)
        assert [each.id for each in found.records] == ["m-1-4", "m-1-3"]
        assert found.total == 5
        sup.kick("storage")
        eventually(lambda: (ref := sup.ref("storage")) is not None and ref.incarnation == 2)
        assert ask(sup, ListDeposits(), Deposits).total == 5
    assert findings(tmp_path) == []


def test_a_good_deposit_is_credited_once_to_its_session_and_owed_to_the_platform(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        session(sup)
        for number in range(3):
            store(sup, number, *GOOD, "credited", session="s1")
        assert session(sup, state="closed", credited=99).credited == 3
        owed = ask(sup, PeekOutbox("money"), Outbox)
        assert [each.key for each in owed.records] == ["m-1-0", "m-1-1", "m-1-2"]
        told = msgspec.msgpack.decode(owed.records[0].body, type=DepositRecord)
        assert told == record(0, "credited", session="s1")
        (closed,) = ask(sup, PeekOutbox("event"), Outbox).records
        assert (closed.kind, closed.key) == ("session", "s1")
        assert msgspec.msgpack.decode(closed.body, type=SessionRecord).credited == 3
    assert findings(tmp_path) == []


def test_an_illegal_state_is_refused_and_changes_nothing(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        assert refusal(sup, StoreDeposit(record(1, "credited"))) == "illegal_transition"
        store(sup, 1, "reserved", "transporting", "review")
        for state in ("credited", "void", "confirmed", "reserved"):
            assert refusal(sup, StoreDeposit(record(1, state))) == "illegal_transition"
        assert [each.state for each in ask(sup, ListDeposits(), Deposits).records] == ["review"]
        assert ask(sup, PeekOutbox("money"), Outbox).waiting == 0
    assert findings(tmp_path) == []


def test_a_person_decides_a_review_and_the_journal_keeps_who(tmp_path):
    with tree(storage(tmp_path)) as (sup, events):
        store(sup, 1, "review")
        store(sup, 2, "review")
        store(sup, 3, "rejected")
        decide = ReviewDeposit("m-1-1", "credited", "seen on the video", "anna")
        for _ in range(2):
            assert ask(sup, decide, Stored).state == "credited"
        assert ask(sup, ReviewDeposit("m-1-2", "void", "empty bin"), Stored).state == "void"
        again = ReviewDeposit("m-1-1", "void", "no")
        assert refusal(sup, again) == "illegal_transition"
        assert refusal(sup, ReviewDeposit("m-1-3", "credited", "x")) == "illegal_transition"
        assert refusal(sup, ReviewDeposit("m-1-9", "credited", "x")) == "unknown"
        assert refusal(sup, ReviewDeposit("m-1-2", "credited", "")) == "invalid"
        decided = ask(sup, ListDeposits(), Deposits).records[-1]
        assert decided.decision == "anna: seen on the video"
        assert ask(sup, PeekOutbox("money"), Outbox).waiting == 1
        assert events.named("deposit_decided")[0]["by"] == "anna"
    assert findings(tmp_path) == []


def test_what_the_last_run_left_undecided_is_told_to_the_next(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        assert ask(sup, OpenEpoch(), Epoch) == Epoch(1)
        for number, count in enumerate((1, 2, 3, 4)):
            store(sup, number, *GOOD[:count])
        store(sup, 9, "review")
    with tree(storage(tmp_path)) as (sup, _):
        epoch = ask(sup, OpenEpoch(), Epoch)
        assert epoch.number == 2
        assert [each.state for each in epoch.open] == ["reserved", "transporting", "confirmed"]
        store(sup, 2, "credited")
        assert len(ask(sup, OpenEpoch(), Epoch).open) == 2
    assert findings(tmp_path) == []


def test_one_that_is_refused_does_not_hinder_the_others_of_its_group(tmp_path):
    """All of them wait in the mailbox while the actor is held, and are committed together."""
    states = ["reserved", "credited", "reserved", "confirmed", "rejected"]
    with tree(storage(tmp_path)) as (sup, _):
        store(sup, 0, "rejected")
    before = last_transaction(tmp_path)
    with tree(storage(tmp_path)) as (sup, _):
        sup.request("storage", Suspend())
        for number, state in enumerate(states, 1):
            sup.tell("storage", StoreDeposit(record(number, state)))
        sup.request("storage", Resume())
        eventually(lambda: ask(sup, ListDeposits(), Deposits).total == 4)
        kept = {each.id for each in ask(sup, ListDeposits(), Deposits).records}
        assert kept == {"m-1-0", "m-1-1", "m-1-3", "m-1-5"}
    assert last_transaction(tmp_path) == before + 1
    assert findings(tmp_path) == []


def last_transaction(tmp_path) -> int:
    with lmdb.open(str(tmp_path / "store"), readonly=True, max_dbs=32) as env:
        return env.info()["last_txnid"]


@pytest.mark.parametrize("id_", ["", "x" * 501, "ü" * 300])
def test_an_id_that_cannot_be_a_key_is_refused(tmp_path, id_):
    with tree(storage(tmp_path)) as (sup, _):
        odd = DepositRecord(id_, "rejected", "soda", 1.0, 2.0)
        assert refusal(sup, StoreDeposit(odd)) == "invalid"
        odd = SessionRecord(id_, "guest", "open", 1.0, 2.0)
        assert refusal(sup, StoreSession(odd)) == "invalid"
        store(sup, 1, "rejected")


# ----- Sessions -------------------------------------------------------------------------------


def test_a_session_is_closed_once_and_counted_by_the_ledger(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        session(sup, "s1")
        session(sup, "s2")
        assert [each.id for each in ask(sup, OpenSessions(), Sessions).records] == ["s1", "s2"]
        assert session(sup, "s1", "closed", refused=2).refused == 2
        assert session(sup, "s1", "closed", refused=9).refused == 2
        late = StoreSession(SessionRecord("s1", "guest", "open", 1.0, 2.0))
        assert refusal(sup, late) == "illegal_transition"
        assert [each.id for each in ask(sup, OpenSessions(), Sessions).records] == ["s2"]
        found = ask(sup, ListSessions(limit=1), Sessions)
        assert ([each.id for each in found.records], found.total) == (["s2"], 2)
        store(sup, 1, *GOOD, session="s1")
        assert ask(sup, ListSessions(), Sessions).records[1].credited == 1
    assert findings(tmp_path) == []


# ----- The outbox -----------------------------------------------------------------------------


def put(sup, outbox, key, size=10):
    return ask(sup, PutOutbox(outbox, key, "thing", b"x" * size), Done)


def test_a_sequence_is_never_given_twice_also_over_an_emptied_queue(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        put(sup, "status", "a")
        put(sup, "status", "b")
        assert ask(sup, AckOutbox("status", (1, 2, 3, 0, 1 << 62)), OutboxAcked) == OutboxAcked(
            2, 0
        )
    with tree(storage(tmp_path)) as (sup, _):
        put(sup, "status", "c")
        found = ask(sup, PeekOutbox("status"), Outbox).records
        assert [(each.sequence, each.key) for each in found] == [(3, "c")]
        assert ask(sup, PeekOutbox("status", after=3), Outbox) == Outbox((), 1)
        assert ask(sup, PeekOutbox("status", after=(1 << 63) - 1), Outbox).records == ()


def test_one_that_is_refused_for_good_does_not_block_those_behind_it(tmp_path):
    with tree(storage(tmp_path)) as (sup, events):
        for number in range(3):
            store(sup, number, *GOOD)
        assert ask(sup, RefuseOutbox("money", 1, "422: no such machine"), OutboxAcked).waiting == 2
        assert ask(sup, PeekOutbox("money"), Outbox).records[0].sequence == 2
        described = ask(sup, DescribeStore(), StoreDescribed)
        assert described.dead["money"] == 1
        assert ask(sup, AckOutbox("money", (2,)), OutboxAcked).waiting == 1
        assert events.named("outbox_refused")[0]["why"] == "422: no such machine"
    assert findings(tmp_path) == []


def test_the_platform_hears_of_a_review_and_of_what_was_decided(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        for number, state in enumerate(("void", "credited"), 1):
            store(sup, number, "review")
            ask(sup, ReviewDeposit(f"m-1-{number}", state, "looked at it"), Stored)
        found = ask(sup, PeekOutbox("event"), Outbox).records
        told = [msgspec.msgpack.decode(each.body, type=DepositRecord) for each in found]
        assert [(each.id, each.state) for each in told] == [
            ("m-1-1", "review"),
            ("m-1-1", "void"),
            ("m-1-2", "review"),
        ]
        assert [each.key for each in ask(sup, PeekOutbox("money"), Outbox).records] == ["m-1-2"]
    assert findings(tmp_path) == []


def test_over_its_quota_the_oldest_of_a_class_give_way(tmp_path):
    with tree(storage(tmp_path, map_mb=4, map_mb_max=4, status_quota_percent=5)) as (sup, _):
        for number in range(60):
            put(sup, "status", f"{number}", 10_000)
        found = ask(sup, PeekOutbox("status"), Outbox).records
        assert 10 < len(found) < 25
        assert found[-1].key == "59"
        too_large = PutOutbox("status", "k", "thing", b"x" * 300_000)
        assert refusal(sup, too_large) == "quota"
    assert findings(tmp_path) == []


# ----- Room -----------------------------------------------------------------------------------


def fill(sup, size=1500) -> int:
    """New items until none is taken; each is void at once, so nothing is under way."""
    for number in range(10_000):
        try:
            store(sup, number, "reserved", item="x" * size)
        except RequestFailed as error:
            return number if error.code == "store_full" else -1
    raise AssertionError


def test_a_full_store_takes_nothing_new_but_finishes_what_has_begun(tmp_path):
    with tree(storage(tmp_path, map_mb=1, map_mb_max=2)) as (sup, events):
        session(sup)
        count = fill(sup)
        assert count > 50
        assert ask(sup, DescribeStore(), StoreDescribed).room == "reserve"
        store(sup, 0, *GOOD[1:], item="x" * 1500, session="s1")
        store(sup, 1, "void", item="x" * 1500)
        assert session(sup, state="closed").credited == 1
        late = StoreSession(SessionRecord("s2", "guest", "open", 1.0, 2.0))
        assert refusal(sup, late) == "store_full"
        assert ask(sup, AckOutbox("money", (1,)), OutboxAcked).gone == 1
        assert "store_full" in sup.rows["storage"].running.vitals.facts["trouble"]
        assert events.named("storage_trouble")
    assert findings(tmp_path) == []


def put_for_ever(sup, message) -> None:
    while True:
        ask(sup, message, Done)


def test_a_store_without_any_room_can_still_forget(tmp_path):
    with tree(storage(tmp_path, map_mb=1, map_mb_max=1)) as (sup, _):
        voucher = PutOutbox("money", "k", "voucher", b"x" * 3000)
        with pytest.raises(RequestFailed, match="quota"):
            put_for_ever(sup, voucher)
        waiting = ask(sup, PeekOutbox("money"), Outbox).waiting
        assert waiting > 20
        everything = tuple(range(1, waiting + 1))
        assert ask(sup, AckOutbox("money", everything), OutboxAcked) == OutboxAcked(waiting, 0)
        ask(sup, voucher, Done)
    assert findings(tmp_path) == []


def test_what_was_refused_can_be_offered_again_under_its_own_key(tmp_path):
    """A platform that says 422 to everything for an hour has cost nobody a credit."""
    with tree(storage(tmp_path)) as (sup, events):
        for number in range(1, 4):
            store(sup, number, *GOOD)
            ask(sup, RefuseOutbox("money", number, "422: trouble"), OutboxAcked)
        assert ask(sup, PeekOutbox("money"), Outbox).records == ()
        assert ask(sup, ResendRefused(), Resent) == Resent(3, 0)
        waiting = ask(sup, PeekOutbox("money"), Outbox).records
        assert [(one.sequence, one.key, one.kind) for one in waiting] == [
            (number + 3, f"m-1-{number}", "deposit") for number in (1, 2, 3)
        ]
        assert ask(sup, ResendRefused(), Resent) == Resent(0, 0)
        assert ask(sup, DescribeStore(), StoreDescribed).dead["money"] == 0
        assert events.named("outbox_resent")
    assert findings(tmp_path) == []


def test_of_dead_letters_only_those_of_money_are_kept_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("actors.store.outbox.DEAD_MAX", 3)
    with tree(storage(tmp_path)) as (sup, _):
        for number in range(1, 7):
            for outbox in ("event", "media", "money", "status"):
                put(sup, outbox, f"{outbox}-{number}", 10)
                ask(sup, RefuseOutbox(outbox, number, "422"), OutboxAcked)
        dead = ask(sup, DescribeStore(), StoreDescribed).dead
        assert dead == {"money": 6, "event": 3, "media": 3, "status": 3, "telemetry": 0}
    with opened(tmp_path) as (env, tables), env.begin() as txn:
        keys = [key for key, _ in rows(txn, tables["dead"]) if key.startswith(b"media/")]
    assert [key[-1] for key in keys] == [4, 5, 6], "the newest"
    assert findings(tmp_path) == []


def test_other_classes_make_room_for_money(tmp_path):
    quotas = {"media_quota_percent": 90, "telemetry_quota_percent": 90}
    with tree(storage(tmp_path, map_mb=2, map_mb_max=2, **quotas)) as (sup, _):
        for number in range(400):
            put(sup, "media", f"{number}", 8000)
        before = ask(sup, PeekOutbox("media"), Outbox).waiting
        count = fill(sup)
        assert count > 50
        assert ask(sup, PeekOutbox("media"), Outbox).waiting < before // 2
    assert findings(tmp_path) == []


def test_the_map_grows_by_itself(tmp_path):
    with tree(storage(tmp_path, map_mb=1, map_mb_max=16)) as (sup, _):
        for number in range(700):
            store(sup, number, "rejected", item="x" * 1500)
        described = ask(sup, DescribeStore(), StoreDescribed)
        assert described.map_bytes >= 4 << 20
        assert described.room == "open"
    with tree(storage(tmp_path, map_mb=1, map_mb_max=16)) as (sup, _):
        assert ask(sup, ListDeposits(), Deposits).total == 700
    assert findings(tmp_path) == []


# ----- The files ------------------------------------------------------------------------------


def test_a_store_of_another_schema_is_left_alone(tmp_path):
    with tree(storage(tmp_path)):
        pass
    with lmdb.open(str(tmp_path / STORE), max_dbs=32) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(b"schema", b"99", db=meta)
            txn.put(b"release", b"7.3.0", db=meta)
    with tree(storage(tmp_path)) as (sup, _):
        row = sup.rows["storage"]
        assert row.state.value == "waiting"
        assert "schema 99" in row.waiting_for
        assert "install the release 7.3.0 or a later one" in row.waiting_for
    assert files.damaged_stores(tmp_path) == {}


def test_a_damaged_store_is_put_aside_and_the_run_after_it_has_a_new_number(tmp_path):
    for number in (1, 2):
        with tree(storage(tmp_path)) as (sup, _):
            assert ask(sup, OpenEpoch(), Epoch).number == number
            store(sup, number, "reserved")
        with (tmp_path / STORE / "data.mdb").open("r+b") as file:
            file.truncate(8192)
        with tree(storage(tmp_path)) as (sup, events):
            assert ask(sup, ListDeposits(), Deposits).total == 0
            (told,) = events.named("store_damaged")
            assert told["kept"] == f"store.damaged-{number}"
            assert "damaged" in sup.rows["storage"].running.vitals.facts["trouble"]
        (tmp_path / f"store.damaged-{number}" / "data.mdb").stat()
    with tree(storage(tmp_path)) as (sup, _):
        assert ask(sup, OpenEpoch(), Epoch).number == 3
        assert ask(sup, DescribeStore(), StoreDescribed).damaged == (
            "store.damaged-1",
            "store.damaged-2",
        )


def test_a_number_does_not_repeat_where_store_and_file_are_lost(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        ask(sup, OpenEpoch(), Epoch)
    (tmp_path / STORE / "data.mdb").write_bytes(b"nothing of ours" * 1000)
    (tmp_path / EPOCH_FILE).write_bytes(b"nor this")
    with tree(storage(tmp_path)) as (sup, _):
        assert ask(sup, OpenEpoch(), Epoch).number > 1_000_000


def test_the_number_of_a_run_is_counted_from_the_larger_of_its_two_homes(tmp_path):
    files.write_epoch(tmp_path, 41)
    with tree(storage(tmp_path)) as (sup, _):
        assert ask(sup, OpenEpoch(), Epoch).number == 42
    (tmp_path / EPOCH_FILE).unlink()
    with tree(storage(tmp_path)) as (sup, _):
        assert ask(sup, OpenEpoch(), Epoch).number == 43
    assert files.read_epoch(tmp_path) == 43


def test_a_damaged_record_is_told_and_hides_no_other(tmp_path):
    with tree(storage(tmp_path)) as (sup, _):
        for number in range(3):
            store(sup, number, "reserved")
    with lmdb.open(str(tmp_path / STORE), max_dbs=32) as env:
        table = env.open_db(b"deposits")
        with env.begin(write=True, db=table) as txn:
            value = bytearray(txn.get((2).to_bytes(8, "big")))
            value[20] ^= 1
            txn.put((2).to_bytes(8, "big"), bytes(value))
    assert findings(tmp_path)[0].where == "deposit number 2"
    with tree(storage(tmp_path)) as (sup, _):
        assert [each.id for each in ask(sup, OpenEpoch(), Epoch).open] == ["m-1-0", "m-1-2"]
        assert refusal(sup, StoreDeposit(record(1, "void"))) == "store_failed"
        store(sup, 2, "void")
        assert sup.rows["storage"].incarnation == 1
    with opened(tmp_path) as (env, tables):
        assert [each.id for each in newest_first(env, tables)] == ["m-1-2", "m-1-0"]


def test_the_runs_that_end_badly_are_counted_until_one_works_for_a_minute(tmp_path):
    """See `actors.store.ends`: what a damaged page does to a process is tried with real ones."""
    from actors.store import ends

    with tree(storage(tmp_path)):
        pass
    assert not (tmp_path / ends.IN_USE).exists()
    for before in range(ends.ENDS_MAX):
        assert ends.begin(tmp_path) == before
    clock = VirtualClock()
    with tree(storage(tmp_path), clock=clock) as (sup, _):
        store(sup, 1, "rejected")
        clock.advance(61.0)
        eventually(lambda: ends._read(tmp_path) == 1)
    assert not (tmp_path / ends.IN_USE).exists()


def test_no_descriptor_of_the_store_reaches_a_child(tmp_path):
    with tree(storage(tmp_path)):
        for fd in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{fd}")
            except OSError:
                continue
            if "/store/" in target:
                assert not os.get_inheritable(int(fd)), target
