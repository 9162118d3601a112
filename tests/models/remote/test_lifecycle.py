"""The life of a command: any order of steps, repetitions, acknowledgements and restarts."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.remote import lifecycle
from models.remote.catalogue import CATALOGUE, NotTaken, look_up
from models.remote.lifecycle import IllegalStep, Moment
from models.remote.page import Wrong
from models.remote.turn import Bucket, may_begin
from protocol.message import Message
from protocol.platform.remote import FINAL, Command
from protocol.storage import CommandRecord

MOMENT = Moment(1.7e9, 1000.0, "boot-1", "run-1")
ARGS = {
    "restart_actor": {"address": "/vision/camera"},
    "revoke_session": {"session": "m-s-1-1"},
    "decide_review": {"deposit": "m-1-1", "state": "void", "why": "a stone"},
    "update_model": {"model": "detector-v3"},
}


def command(type_: str = "ping", **more: object) -> Command:
    known = {"seq": 1, "id": "cmd-0001", "type": type_, "ttl_s": 60.0}
    return Command(**{**known, "args": ARGS.get(type_, {}), **more})


def later(seconds: float, **more: str) -> Moment:
    return MOMENT._replace(at=MOMENT.at + seconds, now_s=MOMENT.now_s + seconds, **more)


def begun(type_: str = "ping") -> CommandRecord:
    record = lifecycle.received(command(type_), MOMENT)
    return lifecycle.step(lifecycle.step(record, "accepted", MOMENT), "running", MOMENT)


def states(record: CommandRecord) -> list[str]:
    return [report.state for report in record.reports]


def test_every_step_is_reported_in_order():
    record = lifecycle.step(begun(), "succeeded", later(1), result={"path": "/daemon"})
    assert states(record) == ["received", "accepted", "running", "succeeded"]
    assert lifecycle.next_report(record).state == "received"
    for report in record.reports:
        record = lifecycle.told(record, report)
    assert lifecycle.is_over(record)


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "received", "duplicate"])
def test_a_step_that_is_not_in_the_drawing_is_a_mistake(state):
    with pytest.raises(IllegalStep):
        lifecycle.step(lifecycle.received(command(), MOMENT), state, MOMENT)


def test_its_time_counts_from_its_receipt_less_what_the_platform_has_had_it():
    record = lifecycle.received(command(ttl_s=60.0, age_s=50.0), MOMENT)
    assert lifecycle.expired(record, later(9.9)) is None
    assert lifecycle.expired(record, later(10.0)).state == "expired"
    assert lifecycle.received(command(ttl_s=60.0, age_s=60.0), MOMENT).state == "expired"


def test_a_wall_clock_that_jumps_ends_no_commands_time():
    record = lifecycle.received(command(), MOMENT)
    assert lifecycle.expired(record, MOMENT._replace(at=MOMENT.at + 1e9)) is None


def test_after_a_reboot_nobody_knows_how_long_it_waited_so_it_never_begins():
    record = lifecycle.received(command(), MOMENT)
    after = lifecycle.after_restart(record, Moment(MOMENT.at + 1, 5.0, "boot-2", "run-2"))
    assert (after.state, after.code) == ("expired", "restarted")


def test_one_that_had_not_begun_may_still_begin_in_the_next_run_while_its_time_lasts():
    record = lifecycle.received(command(), MOMENT)
    assert lifecycle.after_restart(record, later(30, run="run-2")).state == "received"
    assert lifecycle.after_restart(record, later(60, run="run-2")).state == "expired"


@pytest.mark.parametrize("type_", sorted(CATALOGUE))
def test_one_that_had_begun_is_interrupted_unless_it_only_reads(type_):
    after = lifecycle.after_restart(begun(type_), later(5, run="run-2"))
    entry = CATALOGUE[type_]
    if entry.way == "end_run":
        assert (after.state, after.result) == ("succeeded", {"computer_restarted": False})
    elif entry.safety == "read":
        assert after.state == "running"
    else:
        assert (after.state, after.code) == ("failed", "interrupted")


def test_a_reboot_that_did_not_end_the_run_has_not_succeeded():
    after = lifecycle.after_restart(begun("reboot"), later(5))
    assert (after.state, after.code) == ("failed", "interrupted")


def test_one_that_this_release_does_not_know_any_more_is_interrupted():
    record = msgspec.structs.replace(begun(), type="of_old")
    assert lifecycle.after_restart(record, later(5)).state == "failed"


def test_a_repetition_is_told_the_same_as_often_as_it_came():
    record = lifecycle.step(begun(), "succeeded", later(1), result={"a": 1})
    for report in record.reports:
        record = lifecycle.told(record, report)
    for _ in range(100):
        record = lifecycle.again(record, command(), later(9))
    answers = []
    while (report := lifecycle.next_report(record)) is not None:
        answers.append(report)
        record = lifecycle.told(record, report)
    assert len(answers) == 100
    assert len({msgspec.json.encode(answer) for answer in answers}) == 1
    assert (answers[0].state, answers[0].result, answers[0].repeated) == (
        "succeeded",
        {"a": 1},
        True,
    )


def test_another_command_under_a_known_id_is_not_taken_and_hides_nothing():
    record = begun()
    for _ in range(100):
        record = lifecycle.again(record, command("reboot"), MOMENT)
    reused = [report for report in record.reports if report.code == "id_reused"]
    assert 0 < len(reused) <= lifecycle.REUSES_MAX
    assert {report.state for report in reused} == {"duplicate"}
    assert (record.state, record.type) == ("running", "ping")


def test_the_order_of_its_arguments_makes_no_other_command():
    first = command("start_session", args={"user": "u", "code": "c"})
    second = command("start_session", args={"code": "c", "user": "u"})
    record = lifecycle.again(lifecycle.received(first, MOMENT), second, MOMENT)
    assert record.repeats == 1


def test_a_result_that_is_too_large_is_left_out_and_says_so():
    record = lifecycle.step(begun(), "succeeded", MOMENT, result={"a": "x" * 20_000})
    assert "left_out" in record.result


def test_a_wrong_one_is_rejected_with_its_code_at_once():
    record = lifecycle.received(Wrong(3, "cmd-0001", "x", "too_deep", "deep"), MOMENT)
    assert (record.state, record.code, states(record)) == (
        "rejected",
        "too_deep",
        ["received", "rejected"],
    )


STEPS = st.lists(
    st.sampled_from(["accepted", "running", "succeeded", "failed", "timed_out", "rejected",
                     "expired", "again", "other", "tell", "restart", "reboot", "wait"]),
    max_size=40,
)  # fmt: skip


class History:
    """A command that things happen to."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.moment = MOMENT
        self.record = lifecycle.received(command(type_), MOMENT)
        self.journal = list(lifecycle.written(None, self.record).steps)
        self.told: list[str] = []
        self.begins = 0

    def tell(self) -> None:
        report = lifecycle.next_report(self.record)
        if report is not None:
            self.record = lifecycle.told(self.record, report)
            self.told += [] if report.repeated else [report.state]

    def restart(self, *, reboots: bool) -> None:
        boot = self.moment.boot + ("'" if reboots else "")
        self.moment = self.moment._replace(run=self.moment.run + "'", boot=boot)
        self.record = lifecycle.after_restart(self.record, self.moment)

    def step(self, state: str) -> None:
        try:
            self.record = lifecycle.step(self.record, state, self.moment)
        except IllegalStep:
            return
        self.begins += state == "running"

    def happens(self, what: str) -> None:
        before = self.record
        if what in ("wait", "restart", "reboot"):
            self.moment = self.moment._replace(now_s=self.moment.now_s + 20)
        if what == "tell":
            self.tell()
            return
        if what == "again":
            self.record = lifecycle.again(before, command(self.type), self.moment)
        elif what == "other":
            self.record = lifecycle.again(before, command("status", seq=9), self.moment)
        elif what in ("restart", "reboot"):
            self.restart(reboots=what == "reboot")
        elif what != "wait":
            self.step(what)
        self.journal += lifecycle.written(before, self.record).steps
        assert before.state not in FINAL or self.record.state == before.state


@given(st.sampled_from(sorted(set(CATALOGUE) - {"status"})), STEPS)
@settings(max_examples=300)
def test_in_any_history_it_ends_once_runs_once_and_is_told_in_order(type_, happenings):
    history = History(type_)
    for what in happenings:
        history.happens(what)
    assert history.begins <= 1
    steps = [report.state for report in history.journal if report.state != "duplicate"]
    assert len(steps) == len(set(steps))
    assert sum(state in FINAL for state in steps) <= 1
    waiting = [report.state for report in history.record.reports if not report.repeated]
    assert history.told + waiting == steps


# ----- The closed list ------------------------------------------------------------------------


@pytest.mark.parametrize("type_", sorted(CATALOGUE))
def test_every_command_of_the_list_becomes_a_message(type_):
    from models.remote.catalogue import Around

    entry, args = look_up(type_, json.dumps(ARGS.get(type_, {})).encode())
    assert isinstance(entry.message(args, Around("cmd-0001", "ops", "/models")), Message)


@pytest.mark.parametrize("type_", sorted(CATALOGUE))
def test_an_argument_that_is_not_known_is_refused(type_):
    args = {**ARGS.get(type_, {}), "shell": "reboot"}
    with pytest.raises(NotTaken) as refused:
        look_up(type_, json.dumps(args).encode())
    assert refused.value.code == "invalid"


@pytest.mark.parametrize(
    ("type_", "args"),
    [
        ("restart_actor", {"address": "vision/camera"}),
        ("restart_actor", {"address": "/"}),
        ("restart_actor", {}),
        ("update_model", {"model": "../../../etc"}),
        ("update_model", {"model": "/tmp/model"}),
        ("update_model", {"model": ".."}),
        ("decide_review", {"deposit": "d", "state": "credited", "why": ""}),
        ("decide_review", {"deposit": "d", "state": "reserved", "why": "x"}),
        ("ping", {"address": "/a\n"}),
    ],
)
def test_arguments_that_are_wrong_are_refused(type_, args):
    with pytest.raises(NotTaken):
        look_up(type_, json.dumps(args).encode())


def test_nothing_that_wants_a_person_at_the_machine_is_in_the_list():
    from models.remote.catalogue import Around
    from protocol import machine, service, vision

    local = (service.EnterService, service.LeaveService, service.ResetMachine, machine.Jog,
             machine.ResetGuard, machine.Tare, vision.LearnChamber)  # fmt: skip
    for type_ in CATALOGUE:
        entry, args = look_up(type_, json.dumps(ARGS.get(type_, {})).encode())
        assert not isinstance(entry.message(args, Around("cmd-0001", "", "")), local)


def test_what_moves_wants_all_there_is():
    for entry in CATALOGUE.values():
        if entry.safety == "motion":
            assert {"maintenance", "body_known", "no_item", "no_session"} <= set(entry.needs)


# ----- Whose turn it is -----------------------------------------------------------------------


def waiting(type_: str, seq: int) -> CommandRecord:
    return lifecycle.received(command(type_, seq=seq, id=f"cmd-{seq:04}"), MOMENT)


def turns(wanted: list[CommandRecord], running: list[CommandRecord]) -> list[str]:
    return [turn.record.type for turn in may_begin(wanted, running)]


def test_commands_take_their_turns_in_the_order_in_which_they_came():
    wanted = [waiting("reboot", 3), waiting("ping", 1), waiting("start_session", 2)]
    assert turns(wanted, []) == ["ping", "start_session", "reboot"]


def test_one_address_does_one_thing_at_a_time_but_reading_goes_on():
    wanted = [waiting("revoke_session", 2), waiting("status", 3), waiting("bin_emptied", 4)]
    assert turns(wanted, [waiting("start_session", 1)]) == ["status", "bin_emptied"]


def test_a_movement_has_all_to_itself():
    wanted = [waiting("bin_emptied", 2), waiting("gate_close", 3), waiting("ping", 4)]
    assert turns(wanted, [waiting("gate_open", 1)]) == ["ping"]
    assert turns([waiting("gate_open", 2)], [waiting("rotate_logs", 1)]) == []


def test_only_so_many_read_at_once():
    running = [waiting("ping", number) for number in range(1, 5)]
    assert turns([waiting("ping", 9)], running) == []


@given(st.lists(st.floats(0, 10), max_size=200))
def test_no_more_come_through_than_a_burst_and_the_rate(gaps):
    bucket, now_s, taken = Bucket(20.0, 2.0, 20.0, 0.0), 0.0, 0
    for gap_s in gaps:
        now_s += gap_s
        after = bucket.taken(now_s)
        taken += after is not None
        bucket = after or bucket
    assert taken <= 20 + 2 * now_s + 1e-6
