"""Messages between threads: tell and request."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.kit.actors import Driver, Sink
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.tree import root
from benchmarks.kit.words import AskBurst, TellBurst, Took
from benchmarks.peers.bare import BareThread
from benchmarks.peers.erlang import erlang
from benchmarks.peers.pykka_actors import StockPykka
from protocol.message import Message
from supervisors import ActorSystem, ChildSpec, MailboxSpec, Supervisor
from supervisors.recorder import DiskRecorder

_TELLS = 5_000
_ASKS = 3_000


def _pair(system: ActorSystem, stack: ExitStack, burst: int) -> Supervisor:
    sink = ChildSpec("sink", Sink, mailbox=MailboxSpec(burst + 8))
    return stack.enter_context(root(system, ChildSpec("driver", Driver), sink))


def _took(supervisor: Supervisor, order: Message) -> float:
    took: Took = supervisor.request("driver", order, timeout_s=300.0, reply=Took)
    return took.ns / 1e3


@contextmanager
def _tell(work: float) -> Iterator[Mapping[str, Contender]]:
    burst = round(_TELLS * work)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain = _pair(ActorSystem(), stack, burst)
        recorded = _pair(ActorSystem(recorder=DiskRecorder(directory)), stack, burst)
        otp = stack.enter_context(erlang())
        pykka = stack.enter_context(StockPykka.started())
        bare = stack.enter_context(BareThread.started())
        order = TellBurst(burst, "/sink")
        yield {
            "tell": lambda: _took(plain, order),
            "tell, recorded": lambda: _took(recorded, order),
            "Erlang cast, t2b": otp.contender("cast", burst),
            "Pykka tell, object": lambda: pykka.tell_us(burst),
            "bare queue + codec": lambda: bare.tell_us(burst),
        }


@contextmanager
def _request(work: float) -> Iterator[Mapping[str, Contender]]:
    burst = round(_ASKS * work)
    with ExitStack() as stack:
        ours = _pair(ActorSystem(), stack, burst)
        otp = stack.enter_context(erlang())
        pykka = stack.enter_context(StockPykka.started())
        bare = stack.enter_context(BareThread.started())
        order = AskBurst(burst, "/sink")
        yield {
            "request": lambda: _took(ours, order),
            "Erlang call, t2b": otp.contender("call", burst),
            "Pykka ask, object": lambda: pykka.ask_us(burst),
            "bare queue + codec": lambda: bare.ask_us(burst),
        }


CASES = (
    Case(
        "tell",
        "typed, encoded, validated tell between threads",
        "us",
        _tell,
        (
            Versus("tell", "Erlang cast, t2b", 0.5),
            Versus("tell", "Pykka tell, object", 1.0),
            Versus("tell", "bare queue + codec"),
            Versus("tell, recorded", "tell"),
        ),
        rounds=31,
    ),
    Case(
        "request",
        "the same as a request, with a short answer",
        "us",
        _request,
        (
            Versus("request", "Erlang call, t2b", 1.7),
            Versus("request", "Pykka ask, object", 1.0),
            Versus("request", "bare queue + codec"),
        ),
        rounds=31,
    ),
)
