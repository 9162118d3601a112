"""The session between a real ledger and a deposit that the test speaks for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from actors.session.actor import ITEM_WAITS_S, PATIENCE_S, SETTLE_S, Session
from actors.session.keys import read_key
from actors.storage import Storage
from config.settings import SessionSettings, StorageSettings
from models.claims import public_key, verify
from protocol.message import Failed
from protocol.service import (
    CycleChanged,
    CycleDescribed,
    DescribeCycle,
    DescribeSession,
    FinishSession,
    ItemCredited,
    ItemRefused,
    ItemWaiting,
    MoreTime,
    OfferSession,
    RevokeSession,
    SessionChanged,
    SessionDescribed,
    SessionEnded,
    SessionOffered,
    SessionStarted,
    StartSession,
)
from protocol.storage import (
    DepositRecord,
    DescribeStore,
    ListDeposits,
    ListSessions,
    OpenSessions,
    SessionRecord,
    Sessions,
    SessionStored,
    Stored,
    StoreDeposit,
    StoreDescribed,
    StoreSession,
)
from protocol.system import InjectFault
from supervisors import Actor, ChildSpec, handles
from supervisors.context import RequestFailed
from supervisors.testing import Probe, VirtualClock, eventually
from tests.actors.runtime import tree

WALL_S = 1_800_000_000.0
STORE = StorageSettings(map_mb=8)
IDLE = CycleDescribed("idle", "", 0)
STORE_QUESTIONS = (DescribeStore, ListSessions, OpenSessions, ListDeposits, StoreSession)


class Place:
    """A session actor in its neighbourhood; the deposit is the test."""

    def __init__(
        self,
        directory: Path,
        storage: ChildSpec | None = None,
        deposit: ChildSpec | None = None,
        cycle: CycleDescribed = IDLE,
        **limits: object,
    ) -> None:
        self.clock = VirtualClock(wall_s=WALL_S)
        self.key_file = directory / "keys" / "device.key"
        self.deposit = Probe(SessionChanged, DescribeCycle, answers={DescribeCycle: cycle})
        store = {"directory": str(directory), "limits": STORE}
        session = {
            "hardware_id": "m",
            "addresses": {"storage": "/storage", "deposit": "/deposit"},
            "limits": SessionSettings(**limits),
            "key_file": str(self.key_file),
        }
        self.children = (
            storage or ChildSpec("storage", Storage, args=store),
            deposit or self.deposit.spec("deposit"),
            ChildSpec("session", Session, args=session),
        )

    def tell(self, *messages):
        for message in messages:
            assert self.sup.tell("session", message)

    def ask(self, message, reply):
        return self.sup.request("session", message, reply=reply)

    def described(self) -> SessionDescribed:
        return self.ask(DescribeSession(), SessionDescribed)

    def opened(self) -> str:
        """A guest's session, opened by an item at the inlet."""
        self.tell(CycleChanged(busy=False), ItemWaiting(1))
        eventually(lambda: self.described().is_open)
        return self.described().session

    def credit(self, number: int, session: str, state: str = "credited") -> None:
        """An item, through the ledger as the deposit writes it."""
        path = ["reserved", "transporting", "confirmed", "credited"]
        states = path[: path.index(state) + 1] if state in path else ["reserved", state]
        for step in states:
            record = DepositRecord(
                f"m-1-{number}", step, "accepted", WALL_S, WALL_S, session=session
            )
            self.sup.request("storage", StoreDeposit(record), reply=Stored)
        if state == "credited":
            self.tell(ItemCredited(f"m-1-{number}", session))

    def ledger(self) -> tuple[SessionRecord, ...]:
        return self.sup.request("storage", ListSessions(), reply=Sessions).records

    def claim(self, token: str):
        return verify(token, public_key(read_key(self.key_file)), self.clock.wall())

    def advance(self, seconds: float) -> None:
        """Let time pass while nobody works: a handler in whose middle it jumps would hang."""
        for _ in range(2):
            self.sup.request("storage", ListSessions())
            self.described()
        self.clock.advance(seconds)

    def leaving(self) -> None:
        """Wait until the session has tried to close once."""
        eventually(lambda: self.deposit.heard.count(DescribeCycle()) == 2)
        self.described()  # may have been asked before it told itself to close
        self.described()

    def last(self) -> SessionEnded:
        eventually(lambda: self.described().last)
        return self.described().last


@contextmanager
def place(directory: Path, **more) -> Iterator[Place]:
    made = Place(directory, **more)
    with ExitStack() as stack:
        made.sup, made.events = stack.enter_context(
            tree(*made.children, clock=made.clock, faults=True)
        )
        yield made


def refusal(at: Place, message) -> str:
    with pytest.raises(RequestFailed) as caught:
        at.ask(message, None)
    return caught.value.code


# -- opening ----------------------------------------------------------------------------------


def test_the_first_item_opens_a_guests_session_that_is_on_the_disk_before_anybody_hears(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        assert session == "m-s-0-1"
        eventually(lambda: SessionChanged(session, "guest") in at.deposit.heard)
        changes = [heard for heard in at.deposit.heard if isinstance(heard, SessionChanged)]
        assert changes == [SessionChanged(""), SessionChanged(session, "guest")]
        assert [(record.id, record.state) for record in at.ledger()] == [(session, "open")]
        assert at.events.named("session_opened") == [{"session": session, "kind": "guest"}]


def test_nobody_is_served_before_the_deposit_says_that_it_takes_items(tmp_path):
    with place(tmp_path, cycle=CycleDescribed("boot", "", 0, closed="booting")) as at:
        at.tell(ItemWaiting(1))
        assert at.described().closed == "booting"
        assert not at.described().is_open
        assert refusal(at, StartSession()) == "closed"
        at.tell(CycleChanged(busy=False))
        assert at.ask(StartSession(), SessionStarted).kind == "guest"


def test_a_machine_without_a_session_is_not_closed_for_one(tmp_path):
    with place(tmp_path, cycle=CycleDescribed("idle", "", 0, closed="no_session")) as at:
        assert at.ask(StartSession(), SessionStarted).session == "m-s-0-1"


def test_guests_who_have_to_ask_are_not_served_by_an_item_alone(tmp_path):
    with place(tmp_path, guests="button") as at:
        at.tell(ItemWaiting(1))
        assert not at.described().is_open
        assert at.ask(StartSession(), SessionStarted).session


def test_a_machine_for_users_only_refuses_guests(tmp_path):
    with place(tmp_path, guests="off") as at:
        at.tell(ItemWaiting(1))
        assert not at.described().is_open
        assert refusal(at, StartSession()) == "guests_not_served"


def test_a_code_starts_one_users_session_and_a_second_telephone_none(tmp_path):
    with place(tmp_path) as at:
        code = at.ask(OfferSession(), SessionOffered).code
        assert at.ask(StartSession("user", "u1", code.lower()), SessionStarted).kind == "user"
        assert refusal(at, StartSession("user", "u2", code)) == "code_used"
        assert refusal(at, OfferSession()) == "busy"
        at.ask(FinishSession(), SessionEnded)
        assert refusal(at, StartSession("user", "u2", code)) == "code_used"


def test_a_new_code_voids_the_old_one_and_a_code_expires(tmp_path):
    with place(tmp_path) as at:
        old = at.ask(OfferSession(), SessionOffered)
        new = at.ask(OfferSession(), SessionOffered)
        assert len({old.code, new.code}) == 2
        assert refusal(at, StartSession("user", "u", old.code)) == "code_unknown"
        at.advance(new.expires_in_s)
        assert refusal(at, StartSession("user", "u", new.code)) == "code_expired"
        assert refusal(at, StartSession("user", "", new.code)) == "invalid"


def test_session_numbers_go_on_where_the_last_run_stopped(tmp_path):
    with place(tmp_path) as at:
        at.opened()
        at.ask(FinishSession(), SessionEnded)
    with place(tmp_path) as at:
        assert at.opened() == "m-s-0-2"


# -- closing ----------------------------------------------------------------------------------


def test_a_guest_gets_a_claim_for_what_the_ledger_has_credited(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session)
        at.credit(2, session)
        at.tell(ItemRefused("m-1-3", "not_empty", session))
        ended = at.ask(FinishSession(), SessionEnded)
        assert (ended.credited, ended.refused, ended.reason) == (2, 1, "finished")
        claim = at.claim(ended.claim)
        assert (claim.session, claim.credited, claim.in_review) == (session, 2, 0)
        assert claim.expires_at - claim.issued_at == 30 * 86_400
        assert claim.clock_quality == "good"
        assert len(claim.chain_head) == 64
        (record,) = at.ledger()
        assert (record.state, record.credited, record.refused) == ("closed", 2, 1)
        assert record.claim == ended.claim
        assert at.described().last == ended


def test_the_events_do_not_hold_what_a_thief_could_redeem(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session)
        claim = at.ask(FinishSession(), SessionEnded).claim
        assert claim
        assert at.events.named("session_closed")[0]["credited"] == 1
        assert claim not in str(at.events.kept)


def test_counts_that_are_told_pay_nothing_that_the_ledger_does_not_know(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.tell(*(ItemCredited(f"m-1-{number}", session) for number in range(9)))
        assert at.described().credited == 9
        ended = at.ask(FinishSession(), SessionEnded)
        assert (ended.credited, ended.claim) == (0, "")


def test_a_known_user_needs_no_claim(tmp_path):
    with place(tmp_path) as at:
        code = at.ask(OfferSession(), SessionOffered).code
        session = at.ask(StartSession("user", "u1", code), SessionStarted).session
        at.credit(1, session)
        ended = at.ask(FinishSession(), SessionEnded)
        assert (ended.credited, ended.claim) == (1, "")
        assert at.ledger()[0].user == "u1"


def test_a_guest_whose_item_waits_for_a_person_gets_a_claim_for_it(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session, state="review")
        claim = at.claim(at.ask(FinishSession(), SessionEnded).claim)
        assert (claim.credited, claim.in_review) == (0, 1)


def test_an_item_in_the_machine_is_finished_first_and_counts(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.tell(CycleChanged(busy=True), RevokeSession(session))
        assert at.described().is_open
        assert refusal(at, StartSession()) == "busy"
        at.credit(1, session)
        at.tell(CycleChanged(busy=False))
        assert at.last().reason == "revoked"
        assert at.last().credited == 1


class SlipsIn(Actor):
    """A deposit that has begun an item just before it hears that nobody is served."""

    def __init__(self, asked: list[DescribeCycle]) -> None:
        self.asked = asked

    @handles(SessionChanged)
    def session_changed(self, message: SessionChanged) -> None:
        """As it comes."""

    @handles(DescribeCycle)
    def describe(self, message: DescribeCycle) -> CycleDescribed:
        self.asked.append(message)
        if len(self.asked) == 2:
            self.ctx.tell("/session", CycleChanged(busy=True))
        return IDLE


def test_an_item_that_slips_in_while_the_session_ends_is_finished_first_too(tmp_path):
    asked: list[DescribeCycle] = []
    with place(tmp_path, deposit=ChildSpec("deposit", SlipsIn, args={"asked": asked})) as at:
        session = at.opened()
        at.tell(RevokeSession(session))
        eventually(lambda: len(asked) == 2)
        at.described()
        assert at.described().is_open
        assert at.ledger()[0].state == "open"
        at.credit(1, session)
        at.tell(CycleChanged(busy=False))
        assert at.last().credited == 1


def test_whoever_holds_an_item_while_the_session_before_them_is_closed_is_served(tmp_path):
    with place(tmp_path) as at:
        first = at.opened()
        at.tell(CycleChanged(busy=True), RevokeSession(first), ItemWaiting(2))
        assert at.described().session == first
        at.tell(CycleChanged(busy=False))
        eventually(lambda: at.described().session not in {first, ""})


def test_an_item_that_was_there_long_before_opens_no_session(tmp_path):
    with place(tmp_path) as at:
        first = at.opened()
        at.tell(CycleChanged(busy=True), RevokeSession(first), ItemWaiting(2))
        assert at.described().session == first
        at.advance(ITEM_WAITS_S)
        at.tell(CycleChanged(busy=False))
        assert at.last().session == first
        assert not at.described().is_open


def test_the_deposit_hears_that_nobody_is_served_before_the_session_is_closed(tmp_path):
    with place(tmp_path) as at:
        at.opened()
        at.ask(FinishSession(), SessionEnded)
        assert at.deposit.heard[-2:] == [SessionChanged(""), DescribeCycle()]


def test_an_item_that_the_ledger_has_not_decided_is_waited_for(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session, state="confirmed")
        at.tell(RevokeSession(session, "late"))
        at.leaving()
        assert at.described().is_open
        record = DepositRecord("m-1-1", "credited", "accepted", WALL_S, WALL_S, session=session)
        at.sup.request("storage", StoreDeposit(record), reply=Stored)
        at.advance(1.0)
        assert at.last().credited == 1


def test_an_item_that_stays_undecided_is_claimed_as_one_in_review(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session, state="transporting")
        at.tell(RevokeSession(session))
        at.leaving()
        assert at.described().is_open
        at.advance(PATIENCE_S)
        claim = at.claim(at.last().claim)
        assert (claim.credited, claim.in_review) == (0, 1)


@pytest.mark.parametrize("closed", ["door_open", "estop", "service", "bin_full", "abandoned"])
def test_a_machine_that_closes_for_long_ends_the_session_after_the_item(tmp_path, closed):
    with place(tmp_path) as at:
        session = at.opened()
        at.tell(CycleChanged(busy=True, closed=closed))
        assert at.described().is_open
        at.credit(1, session)
        at.tell(CycleChanged(busy=False, closed=closed))
        assert at.last().reason == closed
        assert at.last().credited == 1
        assert at.described().closed == closed


def test_there_is_nothing_to_finish_where_nobody_is_served(tmp_path):
    with place(tmp_path) as at:
        for message in (FinishSession(), MoreTime(), RevokeSession("m-s-0-1"), RevokeSession("")):
            assert refusal(at, message) == "no_session"


# -- time -------------------------------------------------------------------------------------


def test_a_customer_who_has_gone_is_warned_and_then_not_served_any_more(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        assert at.described().ends_in_s == 60.0
        at.advance(39.0)
        assert not at.described().warns
        at.advance(1.0)
        eventually(lambda: at.events.named("session_warns"))
        assert at.described().warns
        assert at.events.named("session_warns") == [{"session": session, "ends_in_s": 20.0}]
        at.advance(20.0)
        assert at.last().reason == "idle"


def test_whoever_asks_for_more_time_gets_it_but_not_for_ever(tmp_path):
    with place(tmp_path) as at:
        at.opened()
        for _ in range(5):
            at.advance(50.0)
            described = at.ask(MoreTime(), SessionDescribed)
            assert not described.warns or described.ends_in_s == 50.0
        at.advance(50.0)
        assert at.last().reason == "expired"


def test_a_credited_item_renews_the_session(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        for number in range(8):
            at.advance(50.0)
            at.credit(number, session)
            assert at.described().ends_in_s == 60.0
        assert at.described().credited == 8


def test_time_stands_still_while_an_item_is_in_the_machine(tmp_path):
    with place(tmp_path) as at:
        at.opened()
        at.tell(CycleChanged(busy=True))
        assert at.described().ends_in_s is None
        at.advance(400.0)
        assert at.described().is_open
        at.tell(CycleChanged(busy=False))
        assert at.last().reason == "expired"


# -- what goes wrong --------------------------------------------------------------------------


def test_what_the_last_run_left_open_is_closed_with_a_claim(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session)
    with place(tmp_path) as at:
        at.advance(0.0)
        ended = at.last()
        assert (ended.session, ended.reason, ended.credited) == (session, "interrupted", 1)
        assert at.claim(ended.claim).credited == 1
        assert not at.described().is_open


def test_what_was_left_open_waits_for_what_the_deposit_makes_of_its_item(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session, state="confirmed")
    with place(tmp_path) as at:
        at.advance(1.0)
        assert at.described().last is None
        record = DepositRecord("m-1-1", "credited", "accepted", WALL_S, WALL_S, session=session)
        at.sup.request("storage", StoreDeposit(record), reply=Stored)
        at.advance(1.0)
        assert at.last().credited == 1


def test_what_was_left_open_does_not_wait_for_ever(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session, state="confirmed")
    with place(tmp_path) as at:
        assert at.described().last is None
        at.advance(SETTLE_S)
        assert at.claim(at.last().claim).in_review == 1


def test_a_session_actor_that_crashes_closes_its_session_and_serves_the_next(tmp_path):
    with place(tmp_path) as at:
        session = at.opened()
        at.credit(1, session)
        at.tell(InjectFault("raise"))
        eventually(lambda: at.ledger()[0].state == "closed")
        assert at.ledger()[0].reason == "interrupted"
        assert at.opened() == "m-s-0-2"


def test_no_session_opens_that_cannot_be_written(tmp_path):
    answers = {**store_answers(), StoreSession: Failed("store_full", "no room")}
    with place(tmp_path, storage=Probe(*STORE_QUESTIONS, answers=answers).spec("storage")) as at:
        assert refusal(at, StartSession()) == "store_failed"
        assert at.described().closed == "storage_failed"
        assert not at.described().is_open
        assert at.events.named("session_trouble")[0]["reason"] == "storage_failed"
        told = [heard for heard in at.deposit.heard if isinstance(heard, SessionChanged)]
        assert told == [SessionChanged("")]


def test_a_customer_gets_their_claim_even_if_the_ledger_stops_listening(tmp_path):
    storage = Probe(*STORE_QUESTIONS, answers=store_answers())
    with place(tmp_path, storage=storage.spec("storage")) as at:
        session = at.opened()
        at.tell(ItemCredited("m-1-1", session))
        storage._answers.update({kind: Failed("store_failed", "EIO") for kind in STORE_QUESTIONS})
        at.tell(RevokeSession(session))
        eventually(lambda: at.events.named("session_trouble"))
        assert at.described().is_open
        at.clock.advance(PATIENCE_S)
        claim = at.claim(at.last().claim)
        assert (claim.session, claim.credited, claim.chain_head) == (session, 1, "")
        assert at.events.named("session_not_stored") == [{"session": session, "credited": 1}]


def store_answers() -> dict:
    record = SessionRecord("m-s-1-1", "guest", "open", WALL_S, WALL_S)
    return {
        DescribeStore: StoreDescribed(0, 0, 0, 1, "", 0, 0, 0, {}, {}),
        ListSessions: Sessions((), 0),
        OpenSessions: Sessions((), 0),
        ListDeposits: Failed("store_failed", ""),
        StoreSession: SessionStored(record),
    }


def test_a_damaged_key_is_put_aside_and_named_and_claims_go_on(tmp_path):
    file = tmp_path / "keys" / "device.key"
    file.parent.mkdir()
    file.write_bytes(b"\0" * 100)
    with place(tmp_path) as at:
        assert at.events.named("device_key_replaced") == [{"damaged": ["device.key.damaged-1"]}]
        session = at.opened()
        at.credit(1, session)
        assert at.claim(at.ask(FinishSession(), SessionEnded).claim).credited == 1
