"""A request to a process host and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from benchmarks.kit.actors import Driver, Sink
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.tree import root
from benchmarks.kit.words import AskBurst, Took
from benchmarks.peers.bare import BareSocket
from benchmarks.peers.erlang import erlang
from benchmarks.peers.pipe import Pipe
from supervisors import ActorSystem, ChildSpec, Host

_ASKS = 3_000


@contextmanager
def _request(work: float) -> Iterator[Mapping[str, Contender]]:
    burst = round(_ASKS * work)
    with ExitStack() as stack:
        sink = ChildSpec("sink", Sink, host=Host.PROCESS)
        ours = stack.enter_context(root(ActorSystem(), ChildSpec("driver", Driver), sink))
        otp = stack.enter_context(erlang())
        pipe = stack.enter_context(Pipe.started())
        bare = stack.enter_context(BareSocket.started())
        order = AskBurst(burst, "/sink")

        def ask() -> float:
            took: Took = ours.request("driver", order, timeout_s=300.0, reply=Took)
            return took.ns / 1e3

        yield {
            "process request": ask,
            "Erlang port, bytes": otp.contender("port", burst),
            "mp.Pipe, bytes": lambda: pipe.ask_us(burst),
            "bare socket + codec": lambda: bare.ask_us(burst),
        }


CASES = (
    Case(
        "process",
        "request to a process host and back; the peers carry bytes and decode nothing",
        "us",
        _request,
        (
            Versus("process request", "Erlang port, bytes", 1.5),
            Versus("process request", "mp.Pipe, bytes", 1.0),
            Versus("process request", "bare socket + codec"),
        ),
        rounds=31,
    ),
)
