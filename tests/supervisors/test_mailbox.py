"""The mailbox: who is served first, who is refused when it is full, and that nothing gets lost."""

import itertools
import sys
import threading
from collections.abc import Iterator
from random import Random

import pytest

from protocol.envelope import Envelope, Kind
from protocol.message import Delivery
from supervisors.mailbox import Mailbox, Put
from supervisors.testing import eventually


def letter(
    id_: int, delivery: Delivery = Delivery.EVENT, name: str = "n", source: str = "/s",
    kind: Kind = Kind.CAST,
) -> Envelope:  # fmt: skip
    return Envelope(id_, kind, name, source, "/d", b"\x80", int(delivery), id_)


def drain(mailbox: Mailbox) -> list[int]:
    found = []
    while (envelope := mailbox.get(0)) is not None:
        found.append(envelope.id)
    return found


def full(capacity: int, delivery: Delivery, **more: object) -> Mailbox:
    mailbox = Mailbox(capacity)
    for id_ in range(capacity):
        assert mailbox.put(letter(id_, delivery, **more)) is Put.OK  # type: ignore[arg-type]
    return mailbox


# -- lanes --------------------------------------------------------------------------------------


def test_first_in_first_out() -> None:
    mailbox = Mailbox(10)
    for id_ in range(5):
        mailbox.put(letter(id_))
    assert drain(mailbox) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("urgent", [Delivery.SYSTEM, Delivery.SAFETY])
def test_system_and_safety_overtake_the_backlog_even_in_the_middle_of_it(urgent: Delivery) -> None:
    mailbox = full(5, Delivery.EVENT)
    first = mailbox.get(0)
    mailbox.put(letter(100, urgent))
    assert first is not None
    assert first.id == 0
    assert drain(mailbox) == [100, 1, 2, 3, 4]


def test_the_fast_lane_refuses_nothing() -> None:
    mailbox = full(3, Delivery.EVENT)
    for id_ in range(1000):
        assert mailbox.put(letter(id_, Delivery.SAFETY)) is Put.OK


def test_only_fast_leaves_the_rest_waiting() -> None:
    mailbox = full(2, Delivery.EVENT)
    mailbox.put(letter(9, Delivery.SYSTEM))
    assert mailbox.get(0, only_fast=True).id == 9  # type: ignore[union-attr]
    assert mailbox.get(0, only_fast=True) is None
    assert drain(mailbox) == [0, 1]


# -- policies of a full mailbox -----------------------------------------------------------------


@pytest.mark.parametrize("delivery", [Delivery.COMMAND, Delivery.EVENT])
def test_commands_and_events_are_refused_when_it_is_full_of_their_like(delivery: Delivery) -> None:
    mailbox = full(3, delivery)
    assert mailbox.put(letter(9, delivery)) is Put.FULL
    assert mailbox.dropped == 1
    assert drain(mailbox) == [0, 1, 2]


def test_what_the_consumer_has_taken_in_a_batch_still_counts() -> None:
    mailbox = full(3, Delivery.COMMAND)
    mailbox.get(0)
    assert mailbox.put(letter(8, Delivery.COMMAND)) is Put.OK
    assert mailbox.put(letter(9, Delivery.COMMAND)) is Put.FULL


def test_an_event_pushes_out_the_oldest_telemetry() -> None:
    dropped: list[int] = []
    mailbox = Mailbox(3, lambda envelope: dropped.append(envelope.id))
    mailbox.put(letter(0, Delivery.TELEMETRY, "a"))
    mailbox.put(letter(1, Delivery.EVENT))
    mailbox.put(letter(2, Delivery.TELEMETRY, "b"))
    assert mailbox.put(letter(3, Delivery.EVENT)) is Put.OK
    assert dropped == [0]
    assert drain(mailbox) == [1, 2, 3]


def test_a_command_pushes_nobody_out() -> None:
    mailbox = Mailbox(1)
    mailbox.put(letter(0, Delivery.TELEMETRY))
    assert mailbox.put(letter(1, Delivery.COMMAND)) is Put.FULL


@pytest.mark.parametrize("others", [Delivery.COMMAND, Delivery.EVENT, Delivery.MONEY])
def test_money_always_comes_in(others: Delivery) -> None:
    mailbox = full(3, others)
    for id_ in range(10, 20):
        assert mailbox.put(letter(id_, Delivery.MONEY)) is Put.OK
    assert [id_ for id_ in drain(mailbox) if id_ >= 10] == list(range(10, 20))


def test_a_waiting_question_is_never_pushed_out() -> None:
    mailbox = full(2, Delivery.EVENT, kind=Kind.REQUEST)
    mailbox.put(letter(9, Delivery.MONEY))
    assert drain(mailbox) == [0, 1, 9]


# -- telemetry ----------------------------------------------------------------------------------


def test_telemetry_is_latest_wins_in_its_place_and_per_source_and_name() -> None:
    mailbox = Mailbox(10)
    mailbox.put(letter(0, Delivery.TELEMETRY, "mass", "/a"))
    mailbox.put(letter(1, Delivery.EVENT))
    mailbox.put(letter(2, Delivery.TELEMETRY, "mass", "/b"))
    mailbox.put(letter(3, Delivery.TELEMETRY, "temp", "/a"))
    mailbox.put(letter(4, Delivery.TELEMETRY, "mass", "/a"))
    assert drain(mailbox) == [4, 1, 2, 3]
    assert mailbox.dropped == 1


def test_telemetry_is_replaced_even_in_a_full_mailbox_and_after_it_was_taken_into_a_batch() -> None:
    mailbox = Mailbox(2)
    mailbox.put(letter(0, Delivery.EVENT))
    mailbox.put(letter(1, Delivery.TELEMETRY))
    assert mailbox.get(0).id == 0  # type: ignore[union-attr]
    mailbox.put(letter(2, Delivery.EVENT))
    assert mailbox.put(letter(3, Delivery.TELEMETRY)) is Put.OK
    assert mailbox.put(letter(4, Delivery.TELEMETRY, "other")) is Put.FULL
    assert drain(mailbox) == [3, 2]


def test_telemetry_after_it_has_been_read_is_new() -> None:
    mailbox = Mailbox(5)
    for id_ in range(3):
        mailbox.put(letter(id_, Delivery.TELEMETRY))
        assert drain(mailbox) == [id_]


def test_a_question_of_a_telemetry_type_is_neither_replaced_nor_replaces() -> None:
    mailbox = Mailbox(5)
    mailbox.put(letter(0, Delivery.TELEMETRY, kind=Kind.REQUEST))
    mailbox.put(letter(1, Delivery.TELEMETRY))
    mailbox.put(letter(2, Delivery.TELEMETRY, kind=Kind.REQUEST))
    mailbox.put(letter(3, Delivery.TELEMETRY))
    assert drain(mailbox) == [0, 3, 2]


# -- the end, and what is inherited ---------------------------------------------------------------


def test_close_returns_everything_and_refuses_everything() -> None:
    mailbox = full(3, Delivery.EVENT)
    mailbox.get(0)
    mailbox.put(letter(7))
    mailbox.put(letter(9, Delivery.SYSTEM))
    assert [envelope.id for envelope in mailbox.close()] == [9, 1, 2, 7]
    assert mailbox.put(letter(10)) is Put.NO_ACTOR
    assert mailbox.put(letter(11, Delivery.SYSTEM)) is Put.NO_ACTOR
    assert mailbox.close() == []
    assert mailbox.get() is None, "and nobody waits at a closed mailbox"


def test_inherited_messages_come_first() -> None:
    mailbox = Mailbox(5)
    mailbox.put(letter(5))
    mailbox.push_front([letter(1), letter(2, Delivery.TELEMETRY)])
    mailbox.put(letter(6, Delivery.TELEMETRY))
    assert drain(mailbox) == [1, 6, 5]


def test_what_status_shows() -> None:
    mailbox = full(4, Delivery.EVENT)
    mailbox.put(letter(50, Delivery.SYSTEM))
    assert mailbox.depth == 5
    assert mailbox.oldest_ns() == 0
    drain(mailbox)
    assert (mailbox.depth, mailbox.high_water, mailbox.oldest_ns()) == (0, 4, None)


# -- threads ------------------------------------------------------------------------------------


def test_get_waits_for_a_message_and_for_its_time() -> None:
    mailbox = Mailbox(5)
    assert mailbox.get(0.001) is None
    poster = threading.Timer(0.01, lambda: mailbox.put(letter(1)))
    poster.start()
    assert mailbox.get(10.0).id == 1  # type: ignore[union-attr]
    poster.join()


def test_a_poke_before_the_wait_is_not_lost() -> None:
    mailbox = Mailbox(5)
    mailbox.poke()
    assert mailbox.get() is None
    mailbox.poke()
    mailbox.put(letter(1))
    assert drain(mailbox) == [1]


def test_close_wakes_a_waiting_consumer() -> None:
    mailbox = Mailbox(5)
    got: list[object] = []
    consumer = threading.Thread(target=lambda: got.append(mailbox.get()), daemon=True)
    consumer.start()
    eventually(lambda: mailbox._parked)
    mailbox.close()
    consumer.join(5.0)
    assert got == [None]


@pytest.fixture
def restless() -> Iterator[None]:
    """Let threads take turns thousands of times more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("round_", range(5))
def test_nothing_is_lost_between_producers_pokes_timeouts_and_parks(round_: int) -> None:
    mailbox, producers, each = Mailbox(1_000_000), 4, 2000
    is_over = threading.Event()

    def produce(number: int) -> None:
        rng = Random(f"{round_}/{number}")
        for at in range(each):
            urgent = rng.random() < 0.2
            mailbox.put(letter(number * each + at, Delivery.SAFETY if urgent else Delivery.EVENT))

    def poke() -> None:
        while not is_over.wait(0.0002):
            mailbox.poke()

    threads = [threading.Thread(target=produce, args=(n,), daemon=True) for n in range(producers)]
    poker = threading.Thread(target=poke, daemon=True)
    for thread in (*threads, poker):
        thread.start()
    rng, got = Random(round_), set()
    while len(got) < producers * each:
        envelope = mailbox.get(rng.choice([None, 0, 0.0001, 0.01]))
        if envelope is not None:
            assert envelope.id not in got
            got.add(envelope.id)
    is_over.set()
    for thread in (*threads, poker):
        thread.join(5.0)
    assert mailbox.depth == 0


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("round_", range(5))
def test_every_message_is_handled_or_handed_back_or_refused_at_a_close_in_the_middle(
    round_: int,
) -> None:
    for attempt in range(20):
        mailbox = Mailbox(1_000_000)
        accepted: list[list[int]] = [[], [], []]
        handled: list[int] = []

        def produce(number: int, mailbox: Mailbox = mailbox, accepted: list = accepted) -> None:
            for id_ in range(number * 200, number * 200 + 200):
                if mailbox.put(letter(id_)) is Put.OK:
                    accepted[number].append(id_)

        def consume(mailbox: Mailbox = mailbox, handled: list = handled) -> None:
            while not mailbox._is_closed:
                if (envelope := mailbox.get(0.001)) is not None:
                    handled.append(envelope.id)

        threads = [threading.Thread(target=produce, args=(n,), daemon=True) for n in range(3)]
        threads.append(threading.Thread(target=consume, daemon=True))
        for thread in threads:
            thread.start()
        wait = Random(f"{round_}/{attempt}").randint(0, 300)
        eventually(lambda handled=handled, wait=wait: len(handled) >= wait)
        rest = [envelope.id for envelope in mailbox.close()]
        for thread in threads:
            thread.join(5.0)
        late = [envelope.id for envelope in mailbox.close()]
        assert late == []
        assert sorted(handled + rest) == sorted(itertools.chain(*accepted))
