"""The core's end of a host's socket, with the other end in the test's hands; reactor and output."""

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.envelope import MAX_FRAME_BYTES, Envelope, Kind, decode_envelope, encode_envelope
from protocol.errors import RemoteProtocolError
from supervisors import frames
from supervisors.clock import SystemClock
from supervisors.link import Link, LinkClosed
from supervisors.output import Output
from supervisors.pending import BlockingWaiter
from supervisors.reactor import Reactor
from supervisors.testing import VirtualClock, eventually

now = SystemClock().monotonic


def letter(number: int, size: int = 0, ref: int = 0) -> Envelope:
    kind = Kind.REPLY if ref else Kind.CAST
    return Envelope(number, kind, "test", "/a", "/b", bytes(size), 4, 1, ref=ref)


def packet(envelope: Envelope) -> bytes:
    return frames.ENVELOPE + encode_envelope(envelope)


class Desk:
    """A link whose other end is ours, and what came in by it."""

    def __init__(self, reactor: Reactor) -> None:
        ours, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.letters: list[int] = []
        self.frames: list[Any] = []
        self.ends: list[str] = []
        self.waiting: dict[int, BlockingWaiter] = {}
        self.link = Link(ours, reactor, self.take, self.frames.append, self.ends.append)

    def take(self, envelope: Envelope) -> None:
        waiter = self.waiting.pop(envelope.ref, None)
        if waiter is not None:
            waiter.resolve(envelope)
        self.letters.append(envelope.id)

    def expect(self, ref: int) -> BlockingWaiter:
        waiter = self.waiting[ref] = BlockingWaiter()
        return waiter

    def read(self) -> list[int]:
        """What has come out at the far end."""
        found = []
        while True:
            try:
                data = self.far.recv(frames.RECV_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            found.append(decode_envelope(data[1:]).id)


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor()
    yield reactor
    reactor.close()


@pytest.fixture
def desk(reactor: Reactor) -> Iterator[Desk]:
    desk = Desk(reactor)
    yield desk
    desk.link.close()
    desk.far.close()


def test_packets_go_both_ways(desk):
    assert desk.link.send(letter(1))
    assert desk.read() == [1]
    desk.far.send(packet(letter(2)))
    desk.far.send(frames.pack(frames.Ready()))
    eventually(lambda: desk.frames)
    assert desk.letters == [2]
    assert isinstance(desk.frames[0], frames.Ready)
    assert desk.ends == []


def test_what_is_too_large_is_refused_and_the_largest_is_not(desk):
    with pytest.raises(RemoteProtocolError):
        desk.link.send(letter(1, frames.RECV_BYTES))
    assert desk.link.send(letter(2, MAX_FRAME_BYTES))
    assert desk.read() == [2]


def test_a_full_socket_says_so_and_calls_when_there_is_room(desk):
    called = threading.Event()
    desk.link.on_writable = called.set
    sent = 0
    while desk.link.send(letter(sent, 1000)):
        sent += 1
    assert not called.is_set()
    assert desk.read() == list(range(sent))
    assert called.wait(10)
    assert desk.link.send(letter(1))


def test_it_calls_also_when_somebody_reads_for_an_answer_meanwhile(desk):
    called = threading.Event()
    desk.link.on_writable = called.set
    waiter = desk.expect(77)
    assert desk.link.claim()
    reader = threading.Thread(target=desk.link.read_for, args=(waiter, now() + 10, now))
    reader.start()
    while desk.link.send(letter(0, 1000)):
        pass
    desk.read()
    assert called.wait(10)  # while the other still reads
    assert waiter.reply is None
    while desk.link.send(letter(0, 1000)):
        pass
    desk.far.send(packet(letter(1, ref=77)))
    reader.join()
    called.clear()
    desk.link.release()  # must not forget that there is somebody who waits for room
    desk.read()
    assert called.wait(10)


def test_a_reader_takes_its_answer_and_passes_on_the_rest(desk):
    waiter, other = desk.expect(7), desk.expect(8)
    assert desk.link.claim()
    assert not desk.link.claim()  # one at a time
    for number, ref in ((1, 0), (2, 8), (3, 7), (4, 0)):
        desk.far.send(packet(letter(number, ref=ref)))
    desk.link.read_for(waiter, now() + 10, now)
    assert waiter.reply.id == 3
    assert other.reply.id == 2
    desk.link.release()
    eventually(lambda: desk.letters == [1, 2, 3, 4])  # the reactor has the rest


def test_a_reader_leaves_when_its_time_is_up(desk):
    waiter = desk.expect(7)
    assert desk.link.claim()
    desk.link.read_for(waiter, now() + 0.05, now)
    desk.link.release()
    assert waiter.reply is None
    desk.far.send(packet(letter(1)))
    eventually(lambda: desk.letters == [1])


def test_a_reader_leaves_when_the_link_is_drained_and_none_comes_after(desk):
    waiter = desk.expect(7)
    assert desk.link.claim()
    reader = threading.Thread(
        target=lambda: (desk.link.read_for(waiter, now() + 60, now), desk.link.release())
    )
    reader.start()
    desk.far.send(packet(letter(1)))
    eventually(lambda: desk.letters == [1])
    desk.link.drain()  # waits for it; a minute would be too long
    reader.join(10)
    assert not reader.is_alive()
    assert not desk.link.claim()


def test_the_end_comes_once_and_after_everything_that_was_sent(desk):
    for number in range(100):
        desk.far.send(packet(letter(number)))
    desk.far.close()
    eventually(lambda: desk.ends == [""])
    assert desk.letters == list(range(100))
    with pytest.raises(LinkClosed):
        desk.link.send(letter(1))
    desk.link.drain()
    assert desk.ends == [""]


def test_a_peer_that_dies_with_mail_unread_is_still_heard_to_its_last_word(desk):
    for number in range(20):
        desk.link.send(letter(number))
        desk.far.send(packet(letter(100 + number)))
    desk.far.close()  # the kernel now says ECONNRESET before it gives what was sent
    eventually(lambda: desk.ends == [""])
    assert desk.letters == list(range(100, 120))


@pytest.mark.parametrize("wrong", [b"", b"\x09", b"\x01", b"\x02\xc1", b"\x01" + bytes(200)])
def test_what_is_no_message_is_the_end(desk, wrong):
    desk.far.send(packet(letter(1)))
    desk.far.send(wrong)
    desk.far.send(packet(letter(2)))
    eventually(lambda: desk.ends)
    assert desk.ends[0]
    assert desk.letters == [1]
    assert len(desk.ends) == 1


def test_an_empty_packet_and_then_the_end_is_the_end(desk):
    desk.far.send(b"")
    desk.far.close()
    eventually(lambda: len(desk.ends) == 1)


def test_drain_is_bounded_however_much_a_grandchild_sends(reactor, monkeypatch):
    monkeypatch.setattr("supervisors.link._LEFT_BEHIND", 10)
    desk = Desk(reactor)
    reactor.remove(desk.link._fd)
    for number in range(30):
        desk.far.send(packet(letter(number)))
    desk.link.drain()
    assert desk.letters == list(range(10))
    desk.link.close()
    desk.far.close()


def test_many_links_come_and_go_while_all_are_read_and_sent_to(reactor):
    """Descriptor numbers are used again at once; nobody may touch another's."""
    errors: list[BaseException] = []

    def come_and_go(which: int) -> None:
        try:
            for turn in range(60):
                desk = Desk(reactor)
                for number in range(5):
                    waiter = desk.expect(number + 1)
                    claimed = desk.link.claim()
                    desk.far.send(packet(letter(number, ref=number + 1)))
                    if claimed:
                        desk.link.read_for(waiter, now() + 10, now)
                        desk.link.release()
                    assert waiter.wait(10) is not None
                    assert desk.link.send(letter(number))
                assert desk.read() == list(range(5))
                if turn % 2:
                    desk.far.close()
                desk.link.drain()
                desk.link.close()
                desk.far.close()
                assert desk.letters == list(range(5))
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(which,)) for which in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# -- reactor and output -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_fails_does_not_end_the_reactor(reactor, monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    done = threading.Event()
    reactor.call_later(0, lambda: 1 // 0)
    reactor.call_later(0.001, done.set)
    assert done.wait(10)
    assert [args.exc_type for args in seen] == [ZeroDivisionError]


def test_late_calls_come_in_order_and_none_after_the_end(reactor):
    order: list[int] = []
    done = threading.Event()
    for delay_ms in (3, 1, 2):
        reactor.call_later(delay_ms / 1000, lambda n=delay_ms: order.append(n))
    reactor.call_later(0.02, done.set)
    assert done.wait(10)
    assert order == [1, 2, 3]
    reactor.close()
    reactor.call_later(0, lambda: order.append(9))  # nobody there; and no harm
    reactor.look(0, 0)
    assert order == [1, 2, 3]


def test_output_by_line_limited_per_second_and_its_end_kept(reactor):
    logged: list[str] = []
    clock = VirtualClock()
    output = Output(reactor, logged.append, clock.monotonic)
    os.write(output.write_fd, b"".join(b"line %d\n" % number for number in range(300)))
    eventually(lambda: output.total == 300)
    assert logged == [f"line {number}" for number in range(50)]
    clock.advance(2.0)
    os.write(output.write_fd, b"x" * 5000 + b"\n\xff\nhalf")
    eventually(lambda: output.total == 302)
    assert logged[50] == "(250 more lines in that second)"
    assert len(logged[51]) == 2000
    assert output.last_words(300).split("\n")[1] == "\N{REPLACEMENT CHARACTER}"
    assert output.last_words(0).startswith("line 102\n")
    os.close(output.write_fd)
    output.close()
    output.close()
    assert output.last_words().endswith("half")
