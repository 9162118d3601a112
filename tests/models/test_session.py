"""Sessions: exact moments, and what holds over any history."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from config.settings import SessionSettings
from models.session import rule as sut
from models.session.rule import LASTING, REFUSALS, USED_KEPT, Service

LIMITS = SessionSettings()
READY = sut.cycled(Service(), 0.0, busy=False, closed="")


def served(now_s: float = 0.0) -> Service:
    return sut.started(READY, "s1", "guest", "", now_s)


def offered(code: str = "ABCD", now_s: float = 0.0) -> Service:
    return sut.offered(READY, code, now_s, LIMITS)


def refused(service: Service, code: str, now_s: float = 1.0, user: str = "u") -> str | None:
    return sut.refusal(service, "user", user, code, now_s, LIMITS)


def test_a_fresh_service_serves_nobody_until_the_machine_has_started():
    assert sut.may_open(Service()) == "closed"
    assert sut.may_open(READY) is None


def test_a_code_is_good_until_it_expires():
    assert refused(offered(), "abcd", 299.9) is None
    assert refused(offered(), "ABCD", 300.0) == "code_expired"


def test_without_an_offer_no_code_is_good():
    assert refused(READY, "") == "code_unknown"
    assert refused(READY, "ABCD") == "code_unknown"


def test_a_guest_who_starts_uses_the_code_on_the_screen_up():
    guest = sut.closed(sut.started(offered(), "s1", "guest", "", 1.0))
    assert refused(guest, "ABCD") == "code_used"


def test_used_codes_are_forgotten_in_time():
    known = READY
    for number in range(USED_KEPT + 1):
        known = sut.offered(known, f"C{number}", 0.0, LIMITS)
        known = sut.closed(sut.started(known, f"s{number}", "user", "u", 0.0))
    assert refused(known, "C0") == "code_unknown"
    assert refused(known, "C1") == "code_used"


def test_the_warning_comes_before_either_end():
    assert not sut.outlook(served(), 39.9, LIMITS).warns
    assert sut.outlook(served(), 40.0, LIMITS).warns
    long_there = sut.more_time(served(), 279.0)
    assert sut.outlook(long_there, 280.0, LIMITS) == sut.Outlook(300.0, "expired", warns=True)


def test_the_next_look_is_at_the_warning_and_then_at_the_end():
    assert sut.next_look_s(served(), 0.0, LIMITS) == 40.0
    assert sut.next_look_s(served(), 40.0, LIMITS) == 60.0
    assert sut.next_look_s(READY, 0.0, LIMITS) is None


def test_the_first_reason_of_an_end_stands():
    ending = sut.ended(sut.ended(served(), "finished"), "revoked")
    assert ending.open.ending == "finished"


def test_an_item_of_another_session_is_not_counted():
    known = sut.refused(sut.credited(served(), "s0", 1.0), "", 1.0)
    assert (known.open.credited, known.open.refused) == (0, 0)


def test_a_session_outlives_a_machine_that_pauses_and_not_one_that_waits_for_somebody():
    pausing = sut.cycled(served(), 1.0, busy=False, closed="locked_out")
    assert not sut.may_close(pausing)
    for reason in LASTING:
        assert sut.may_close(sut.cycled(served(), 1.0, busy=False, closed=reason.value))


def test_every_refusal_has_its_sentence():
    assert set(REFUSALS) == set(sut.Refusal.__args__)


class Histories(RuleBasedStateMachine):
    """Anything may happen at any time; the books of the test tell what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.service = READY
        self.sessions = 0
        self.by_code: dict[str, int] = {}
        self.codes: list[str] = []
        self.item_of = ""  # the session of the item in the machine
        self.paid: list[tuple[str, bool]] = []

    def live(self) -> None:
        self.service = sut.timed(self.service, self.now_s, LIMITS)
        if sut.may_close(self.service):
            assert not self.item_of
            self.service = sut.closed(self.service)

    @rule(seconds=st.floats(0, 120))
    def wait(self, seconds):
        self.now_s += seconds
        self.live()

    @rule()
    def offer(self):
        if sut.may_open(self.service) is None:
            self.codes.append(f"C{len(self.codes)}")
            self.service = sut.offered(self.service, self.codes[-1], self.now_s, LIMITS)

    @precondition(lambda self: self.codes)
    @rule(back=st.integers(1, 3))
    def scan(self, back):
        code = self.codes[-min(back, len(self.codes))]
        if sut.refusal(self.service, "user", "u", code, self.now_s, LIMITS) is None:
            self.by_code[code] = self.by_code.get(code, 0) + 1
            self.begin("user")

    @rule()
    def guest(self):
        if sut.refusal(self.service, "guest", "", "", self.now_s, LIMITS) is None:
            self.begin("guest")

    def begin(self, kind):
        assert self.service.open is None
        self.sessions += 1
        id_ = f"s{self.sessions}"
        self.service = sut.started(self.service, id_, kind, "u", self.now_s)

    @precondition(lambda self: not self.item_of)
    @rule()
    def item_comes(self):
        if self.service.open is not None and not self.service.closed:
            self.item_of = self.service.open.id
            self.service = sut.cycled(self.service, self.now_s, busy=True, closed="")
            self.live()

    @precondition(lambda self: self.item_of)
    @rule(is_paid=st.booleans())
    def item_goes(self, is_paid):
        was_open = self.service.open is not None and self.service.open.id == self.item_of
        tell = sut.credited if is_paid else sut.refused
        self.service = tell(self.service, self.item_of, self.now_s)
        self.paid.append((self.item_of, was_open))
        self.item_of = ""
        closed = self.service.closed
        self.service = sut.cycled(self.service, self.now_s, busy=False, closed=closed)
        self.live()

    @rule(closed=st.sampled_from(["", "no_session", "door_open", "locked_out", "fault"]))
    def machine_changes(self, closed):
        busy = bool(self.item_of)
        self.service = sut.cycled(self.service, self.now_s, busy=busy, closed=closed)
        self.live()

    @rule(reason=st.sampled_from(["finished", "revoked"]))
    def finish(self, reason):
        self.service = sut.ended(self.service, reason)
        self.live()

    @rule()
    def more_time(self):
        self.service = sut.more_time(self.service, self.now_s)
        self.live()

    @invariant()
    def a_code_starts_at_most_one_session(self):
        assert all(count == 1 for count in self.by_code.values())

    @invariant()
    def no_item_is_dealt_with_outside_its_session(self):
        assert all(was_open for _, was_open in self.paid)

    @invariant()
    def an_end_never_loses_the_item_in_the_machine(self):
        if self.item_of:
            assert self.service.open is not None
            assert self.service.open.id == self.item_of

    def teardown(self):
        """A session always ends, if only nothing is in the machine: by time alone."""
        if self.item_of:
            self.item_goes(is_paid=True)
        for _ in range(4):
            look_s = sut.next_look_s(self.service, self.now_s, LIMITS)
            if look_s is not None:
                self.now_s = max(self.now_s, look_s)
            self.live()
        assert self.service.open is None


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@given(st.lists(st.floats(0.1, 59.9), max_size=200))
def test_asking_for_more_time_never_holds_a_session_beyond_its_expiry(pauses_s):
    known, now_s = served(), 0.0
    for pause_s in pauses_s:
        now_s += pause_s
        known = sut.timed(known, now_s, LIMITS)
        known = sut.more_time(known, now_s)
    assert bool(known.open.ending) == (now_s >= LIMITS.expiry_s)
