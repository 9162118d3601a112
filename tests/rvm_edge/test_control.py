"""The control socket under people with bad manners."""

import contextlib
import io
import os
import socket
import threading
from random import Random

import msgpack
import msgspec
import pytest

from protocol.control import Answer, ControlAnswer, GetStatus, Refusal, SendCommand
from rvm_edge.client import ClientError, ask
from rvm_edge.control import ControlServer
from rvm_edge.data_dir import connect
from supervisors.testing import eventually

PATIENCE_S = 20.0


class Answers:
    """What a daemon would say, with a gate to keep it waiting."""

    def __init__(self):
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)

    def __call__(self, request):
        if isinstance(request, GetStatus):
            return Answer("well")
        if request.command == "wait":
            self.waiting.release()
            self.gate.wait(PATIENCE_S)
        if request.command == "fail":
            raise RuntimeError("a bug")
        if request.command == "huge":
            return Answer(1 << 80)
        return Answer(request.args)


@pytest.fixture
def answers():
    answers = Answers()
    yield answers
    answers.gate.set()


@pytest.fixture
def directory(tmp_path, answers):
    server = ControlServer(tmp_path, answers)
    yield tmp_path
    answers.gate.set()
    server.close()


def talk(directory, data: bytes) -> bytes:
    """Say something and listen to the end."""
    with connect(directory, PATIENCE_S) as link:
        try:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        heard = b""
        try:
            while more := link.recv(1 << 16):
                heard += more
        except ConnectionResetError:
            pass
    return heard


def refusal(heard: bytes) -> Refusal:
    answer = msgspec.msgpack.decode(heard, type=ControlAnswer)
    assert isinstance(answer, Refusal)
    return answer


def test_only_its_user_may_connect(directory):
    assert (directory / "control.sock").stat().st_mode & 0o777 == 0o600


def test_many_requests_on_one_connection(directory):
    encode = msgspec.msgpack.encode
    requests = [encode(SendCommand("/a", "echo", {"n": number})) for number in range(50)]
    answers = msgpack.Unpacker(io.BytesIO(talk(directory, b"".join(requests))))
    assert [answer["value"]["n"] for answer in answers] == list(range(50))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xc1",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 1000,
        msgspec.msgpack.encode({"type": "Reboot"}),
        msgspec.msgpack.encode({"type": "SendCommand", "address": 5}),
        msgspec.msgpack.encode({"type": "SendCommand", "address": "/a"}),
        msgspec.msgpack.encode([1, 2, 3]),
        b"\x91" * 3000,
    ],
    ids=["no msgpack", "http", "zeros", "unknown", "wrong type", "missing", "list", "deep"],
)
def test_garbage_is_refused_and_harmless(directory, garbage):
    heard = talk(directory, garbage)
    first = msgspec.msgpack.decode(first_object(heard), type=ControlAnswer)
    assert isinstance(first, Refusal)
    assert first.code == "invalid"
    assert ask(directory, GetStatus()) == "well"


def first_object(data: bytes) -> bytes:
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    unpacker.skip()
    return data[: unpacker.tell()]


def test_oversized_is_refused(directory):
    too_long = msgspec.msgpack.encode(SendCommand("/a", "echo", {"x": "y" * 100_000}))
    assert refusal(talk(directory, too_long)).code == "invalid"
    claims_a_gigabyte = b"\xc6\x40\x00\x00\x00" + b"x" * 200_000
    assert refusal(talk(directory, claims_a_gigabyte)).code == "invalid"
    with pytest.raises(ClientError, match="too long") as caught:
        ask(directory, SendCommand("/a", "echo", {"x": "y" * 100_000}))
    assert caught.value.exit_code == 2
    assert ask(directory, GetStatus()) == "well"


def test_truncated_is_nothing(directory):
    whole = msgspec.msgpack.encode(SendCommand("/a", "echo", {"x": "y"}))
    for length in range(len(whole)):
        assert talk(directory, whole[:length]) == b""
    assert ask(directory, GetStatus()) == "well"


def test_random_bytes(directory):
    rng = Random(7)
    for _ in range(100):
        talk(directory, rng.randbytes(rng.randrange(1, 300)))
    assert ask(directory, GetStatus()) == "well"


def test_a_bug_in_an_answer_is_the_answer(directory):
    for command in ("fail", "huge"):
        with pytest.raises(ClientError) as caught:
            ask(directory, SendCommand("/a", command))
        assert caught.value.code == "failed"
    assert ask(directory, GetStatus()) == "well"


def test_those_who_say_nothing_make_room(directory):
    """More connections than places: idle and slow ones are hung up on, the oldest first."""
    silent = [connect(directory, PATIENCE_S) for _ in range(100)]
    try:
        for link in silent[::2]:
            try:
                link.send(b"\x83")  # the first byte of something, and never another
            except OSError:
                continue
        for _ in range(20):
            assert ask(directory, GetStatus()) == "well"
    finally:
        for link in silent:
            link.close()


def test_those_who_are_being_answered_keep_their_place(directory, answers):
    asked = [connect(directory, PATIENCE_S) for _ in range(20)]
    body = msgspec.msgpack.encode(SendCommand("/a", "wait", {"n": 1}))
    for link in asked:
        link.sendall(body)
    for _ in asked:
        assert answers.waiting.acquire(timeout=PATIENCE_S)
    for _ in range(40):
        assert ask(directory, GetStatus()) == "well"
    silent = [connect(directory, PATIENCE_S) for _ in range(60)]
    answers.gate.set()
    for link in asked:
        answer = msgspec.msgpack.decode(link.recv(1000), type=ControlAnswer)
        assert answer == Answer({"n": 1})
    for link in (*asked, *silent):
        link.close()


def test_when_all_places_work_the_next_one_is_told(directory, answers):
    asked = []
    body = msgspec.msgpack.encode(SendCommand("/a", "wait"))
    for _ in range(32):
        link = connect(directory, PATIENCE_S)
        link.sendall(body)
        asked.append(link)
        assert answers.waiting.acquire(timeout=PATIENCE_S)
    with pytest.raises(ClientError) as caught:
        ask(directory, GetStatus())
    assert caught.value.code in ("busy", "")
    answers.gate.set()
    for link in asked:
        link.close()
    assert eventually(lambda: _well(directory))


def _well(directory) -> bool:
    try:
        return ask(directory, GetStatus()) == "well"
    except ClientError:
        return False


def test_a_caller_who_leaves_without_listening(directory, answers):
    body = msgspec.msgpack.encode(SendCommand("/a", "wait"))
    for _ in range(20):
        link = connect(directory, PATIENCE_S)
        link.sendall(body)
        assert answers.waiting.acquire(timeout=PATIENCE_S)
        link.close()
    answers.gate.set()
    assert ask(directory, GetStatus()) == "well"


def test_close_ends_it_and_a_stale_socket_is_replaced(tmp_path, answers):
    server = ControlServer(tmp_path, answers)
    with connect(tmp_path, PATIENCE_S) as lasting:
        server.close()
        with contextlib.suppress(ConnectionResetError):
            assert lasting.recv(10) == b""
    assert not (tmp_path / "control.sock").exists()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "control.sock"))
    stale.close()
    with pytest.raises(ClientError) as caught:
        ask(tmp_path, GetStatus())
    assert caught.value.exit_code == 3
    server = ControlServer(tmp_path, answers)
    assert ask(tmp_path, GetStatus()) == "well"
    server.close()


def test_a_daemon_that_never_answers(tmp_path):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "control.sock"))
        deaf.listen()
        with pytest.raises(ClientError, match=r"nothing within 0\.05 s") as caught:
            ask(tmp_path, GetStatus(), timeout_s=0.05)
    assert caught.value.exit_code == 4


def test_a_daemon_that_dies_in_the_middle_of_its_answer(tmp_path):
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(tmp_path / "control.sock"))
        dying.listen()

        def die() -> None:
            link, _ = dying.accept()
            link.recv(1000)
            link.send(b"\x82\xa4type")
            link.close()

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(ClientError, match="cut short") as caught:
            ask(tmp_path, GetStatus())
        thread.join()
    assert caught.value.exit_code == 4


def test_what_cannot_be_sent_is_said_before(tmp_path):
    for value in (1 << 80, "\udcff", os):
        with pytest.raises((ClientError, TypeError)) as caught:
            ask(tmp_path, SendCommand("/a", "echo", {"x": value}))
        if isinstance(caught.value, ClientError):
            assert caught.value.exit_code == 2
