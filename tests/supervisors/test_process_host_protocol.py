"""A host that sends what is no message is ended as such and replaced; the core is unharmed."""

import random
import threading
from typing import Any

import msgspec
import pytest

from protocol.envelope import MAX_FRAME_BYTES, Envelope, Kind, encode_envelope
from supervisors import ActorSystem, Put, RequestFailed, frames
from supervisors.exits import Normal, ProtocolError, Shutdown
from supervisors.recorder import DiskRecorder, read_events
from supervisors.testing import Probe, eventually
from tests.supervisors.hosted import HostedAsync
from tests.supervisors.trees import ask, do, hosted, last_exit, successor, tree
from tests.supervisors.words import Answer, Do, Load, Loaded, Note, Said


def envelope(**fields: Any) -> bytes:
    """A packet with an envelope from a host to its neighbour ``/b``."""
    values: dict[str, Any] = {
        "id": 77,
        "kind": Kind.CAST,
        "name": "hosted.note",
        "source": "/a",
        "destination": "/b",
        "body": msgspec.msgpack.encode(Note(1)),
        "delivery": 4,
        "sent_ns": 1,
        **fields,
    }
    return frames.ENVELOPE + encode_envelope(Envelope(**values))


WHOLE = envelope()
GARBAGE = {
    "noise": random.Random(1).randbytes(400),
    "envelope-noise": frames.ENVELOPE + random.Random(2).randbytes(400),
    "control-noise": frames.CONTROL + random.Random(3).randbytes(400),
    "only-a-kind": frames.ENVELOPE,
    "unknown-kind": b"\x07" + WHOLE[1:],
    "truncated": WHOLE[: len(WHOLE) // 2],
    "too-long-by-a-byte": WHOLE + b"\0",
    "wrong-version": envelope(v=2),
    "order-to-the-zygote": frames.pack(frames.Signal(1, 9)),
    "deep": frames.CONTROL + b"\x91" * 5000,
    "bad-text": frames.CONTROL + b"\x92\xa5Watch\xa2\xff\xfe",
    "unhashable": frames.CONTROL + b"\x93\xa4Emit\xa1e\x81\x80\x01",
}


def raw(sup: Any, packet: bytes) -> None:
    sup.tell("a", Do("raw", packet.hex()))


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_the_end_of_the_host_and_of_nothing_else(garbage):
    with tree(hosted("a"), hosted("b")) as sup:
        raw(sup, GARBAGE[garbage])
        assert successor(sup, "a", 1) == 2
        assert isinstance(last_exit(sup, "a"), ProtocolError)
        assert ask(sup, "a", 1).number == 1
        assert ask(sup, "b").incarnation == 1


@pytest.mark.parametrize("size", [frames.RECV_BYTES + 1, frames.RECV_BYTES + 5000])
def test_an_oversized_packet_too(size):
    with tree(hosted("a")) as sup:
        sup.tell("a", Do("raw_zeros", str(size)))
        successor(sup, "a", 1)
        assert last_exit(sup, "a") == ProtocolError(f"packet longer than {frames.RECV_BYTES} bytes")


def test_an_empty_packet_too():
    with tree(hosted("a")) as sup:
        raw(sup, b"")
        successor(sup, "a", 1)
        assert last_exit(sup, "a") == ProtocolError("empty packet")


def test_garbage_before_it_has_started_too():
    with tree(init_failure="restart") as sup:
        answer: Any = sup.start_child(hosted("a", start=f"raw:{GARBAGE['noise'].hex()}"))
        assert isinstance(answer.reason, ProtocolError)


def test_who_reads_for_an_answer_meets_the_garbage_and_hears_of_it():
    with tree(hosted("a")) as sup:
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Do("raw_and_hang", GARBAGE["noise"].hex()), timeout_s=10)
        assert caught.value.code == "crashed"
        assert "ProtocolError" in caught.value.detail


def test_an_answer_that_is_no_answer_fails_the_request_and_nobody_else():
    with tree(hosted("a"), hosted("b", "thread")) as sup:
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", Load(3), reply=Answer)
        assert caught.value.code == "invalid"
        assert ask(sup, "a").incarnation == ask(sup, "b").incarnation == 1


STRANGE = {
    "negative-id": {"id": -1},
    "huge-id": {"id": 2**64 - 1},
    "unknown-delivery": {"delivery": 99},
    "negative-delivery": {"delivery": -99},
    "negative-time": {"sent_ns": -(2**63)},
    "late": {"sent_ns": 2**64 - 1},
    "no-time": {"ttl_s": float("nan")},
    "reply-to-nobody": {"ref": 12345, "kind": Kind.REPLY},
    "cast-that-is-a-reply": {"ref": 12345},
    "other-body": {"body": b"\xc1\xff"},
    "nobody": {"destination": "/nobody"},
    "long-name": {"name": "x" * 1000},
    "odd-path": {"destination": "\0/../\n" * 50},
}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("receiver", ["process", "thread"])
def test_a_strange_but_valid_envelope_harms_neither_the_core_nor_a_neighbour(
    strange, receiver, tmp_path
):
    system = ActorSystem(recorder=DiskRecorder(tmp_path))
    with tree(hosted("a"), hosted("b", receiver), system=system) as sup:
        raw(sup, envelope(**STRANGE[strange]))
        raw(sup, envelope(**STRANGE[strange], source="/somebody/else"))
        assert ask(sup, "a").incarnation == 1
        assert ask(sup, "b").incarnation == 1


def test_odd_control_frames_are_obeyed_or_ignored_once(tmp_path):
    system = ActorSystem(recorder=DiskRecorder(tmp_path))
    with tree(hosted("a", restart="transient"), system=system) as sup:
        for frame in (
            frames.Ready(),
            frames.NotStarted("ignored"),
            frames.Credit(-5),
            frames.Credit(10**18),
            frames.Unwatch("/nobody"),
            frames.Watch("/a"),
            frames.Emit("odd", {"at": 3, "path": None, "": {"x": [b"\xff", float("nan")]}}),
            frames.Log("no such level", "odd", {}),
            frames.Bye(Shutdown("not really")),
        ):
            raw(sup, frames.pack(frame))
        assert ask(sup, "a").incarnation == 1
        assert sup.rows["a"].state.value == "running"
        do(sup, "a", "stop")
        eventually(lambda: last_exit(sup, "a") in (Normal(), Shutdown("not really")))
        eventually(lambda: any(e["event"] == "odd" for e in read_events(tmp_path)))


@pytest.mark.parametrize("home", [{}, {"kind": HostedAsync}])
def test_too_large_a_message_is_refused_on_both_sides(home):
    probe = Probe(Said)
    with tree(probe.spec(), hosted("a", probe="/probe", **home), hosted("b")) as sup:
        big = Note(1, b"x" * (MAX_FRAME_BYTES + 100))
        assert sup.tell("a", big) is Put.TOO_LARGE
        assert sup.system.dead_letters.by_cause["too_large"] == 1
        with pytest.raises(RequestFailed) as caught:
            sup.request("a", big)
        assert caught.value.code == "too_large"
        with pytest.raises(RequestFailed) as caught:  # the answer is
            sup.request("a", Load(MAX_FRAME_BYTES + 100))
        assert caught.value.code == "too_large"
        assert len(sup.request("a", Load(MAX_FRAME_BYTES - 200), reply=Loaded).load) > 130_000
        sup.tell("a", Do("tell_large", "/b"))  # what it sends is; that is counted in the core
        eventually(lambda: sup.system.dead_letters.by_cause["too_large"] == 3)
        assert ask(sup, "a").incarnation == 1


def test_too_large_an_answer_of_a_thread_to_a_host_is_refused():
    with tree(hosted("a"), hosted("b", "thread")) as sup:
        sup.tell("a", Do("ask_large", "/b"))
        successor(sup, "a", 1)
        assert "RequestFailed: too_large" in str(last_exit(sup, "a"))
        assert ask(sup, "b").incarnation == 1


def test_arguments_that_are_too_large_are_a_failed_start():
    with tree(init_failure="restart") as sup:
        answer: Any = sup.start_child(hosted("a", probe="x" * MAX_FRAME_BYTES))
        assert "its arguments make" in str(answer.reason)


def test_arguments_that_do_not_fit_the_class_are_a_failed_start():
    with tree(init_failure="restart") as sup:
        wrong: Any = sup.start_child(hosted("a", probe=3))
        assert "ValidationError" in str(wrong.reason)
        unsendable: Any = sup.start_child(hosted("b", probe=threading.Lock()))
        assert "TypeError" in str(unsendable.reason)


def test_an_error_of_the_core_over_a_frame_costs_the_host_and_not_the_reactor(monkeypatch):
    with tree(hosted("a"), hosted("b")) as sup:

        def fail(*_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(sup.system, "log", fail)
        sup.tell("a", Do("emit", "x"))
        assert last_exit(sup, "a") == ProtocolError("ZeroDivisionError: ")
        assert ask(sup, "b", 2).number == 2
