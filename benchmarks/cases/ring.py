"""A ring of the platform: from its hub to the actor that handles it, beside a bare WebSocket echo.

Ours is one way: the hub in the platform's process, the socket, the channel actor with its rule, the
mailbox of the actor that hears. The echo is there and back, between two bare aiohttp ends with as
large a message. The ring is timed by the monotonic clock, which is the same in all processes.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Any

import aiohttp
import msgspec

from actors.storage import Storage
from actors.uplink import Link
from actors.uplink.channel import Channel
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.platform_rig import Machine, Platform, absent, nobody, platform
from benchmarks.kit.tree import root
from config.settings import StorageSettings
from models.uplink.doorbell_terms import Limits
from protocol.platform.reports import Sample, TelemetryBatch
from protocol.uplink import Call, Called, Rung
from supervisors import Actor, ActorSystem, ChildSpec, Supervisor, handles

_RINGS, _RINGS_MIN = 500, 200
_TELEMETRY_PER_S = 20.0
"""A machine has one sample in 30 s; this is a platform with six hundred of them."""
_PATIENCE_S = 30.0
_PROMISE_MS = 100.0
"""The seeds': at p99, with telemetry running."""
_SHARES = {"p50": 0.5, "p99": 0.99}
_PROMISED = "the seeds' 100 ms"


class Hearing(Actor):
    """Notes when it handles a ring."""

    def __init__(self, heard: SimpleQueue[tuple[int, str]]) -> None:
        self._heard = heard

    @handles(Rung)
    def rung(self, message: Rung) -> None:
        self._heard.put((time.monotonic_ns(), message.event))


def _share(taken: list[float], of: float) -> float:
    return sorted(taken)[max(0, math.ceil(of * len(taken)) - 1)]


class _Pushes:
    """The platform, a machine's link and channel, and the actor that hears."""

    def __init__(
        self, here: Platform, machine: Machine, sup: Supervisor, heard: SimpleQueue[Any]
    ) -> None:
        self._here, self._machine, self._sup, self._heard = here, machine, sup, heard
        self._keys = count()
        heard.get(timeout=_PATIENCE_S)  # it is subscribed

    def taken_ms(self, rings: int) -> list[float]:
        """One ring after the other, each when the last has been handled."""
        said, asked = self._here.process.stdout, self._here.process.stdin
        assert said is not None
        assert asked is not None
        ended_ns = []
        for _ in range(rings):
            asked.write(f"{self._machine.rvm_id}\n")
            at_ns, event = self._heard.get(timeout=_PATIENCE_S)
            assert event == "commands"
            ended_ns.append(at_ns)
        asked.write("\n")
        began_ns = map(int, said.readline().split())
        return [(end - start) / 1e6 for start, end in zip(began_ns, ended_ns, strict=True)]

    def beside_telemetry_ms(self, rings: int) -> list[float]:
        """The same while samples go up over the same link."""
        is_over = threading.Event()
        thread = threading.Thread(target=self._send_samples, args=(is_over,))
        thread.start()
        try:
            return self.taken_ms(rings)
        finally:
            is_over.set()
            thread.join()

    def _send_samples(self, is_over: threading.Event) -> None:
        while not is_over.wait(1 / _TELEMETRY_PER_S):
            sample = Sample(time.time(), time.monotonic(), {"cpu_c": 51.5, "memory_percent": 40.0})
            batch = TelemetryBatch(f"bench-{next(self._keys)}", (sample,))
            call = Call("POST", "/edge/telemetry", msgspec.json.encode(batch))
            answer = self._sup.request("link", call, reply=Called, timeout_s=_PATIENCE_S)
            assert answer.status in range(200, 300), answer


@contextmanager
def _pushes(here: Platform) -> Iterator[_Pushes]:
    machine = here.machine("rvm-rung")
    heard: SimpleQueue[tuple[int, str]] = SimpleQueue()
    limits = here.limits()
    link = {
        "limits": limits,
        "hardware_id": machine.hardware_id,
        "key_file": str(machine.key_file),
        "listeners": ("/channel",),
    }
    channel = {
        "limits": limits,
        "link": "/link",
        "listeners": ("/hearing",),
        "numbers": Limits(rings_max=1_000_000, rings_per_s=1e6),  # none of them is a flood
    }
    store = {"directory": str(machine.data), "limits": StorageSettings()}
    children = (
        ChildSpec("storage", Storage, args=store),
        ChildSpec("hearing", Hearing, args={"heard": heard}),
        ChildSpec("channel", Channel, args=channel),
        ChildSpec("link", Link, args=link),
    )
    with root(ActorSystem(), *children) as sup:
        yield _Pushes(here, machine, sup, heard)


class _Echo:
    """A bare client of a bare server in a process of its own."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/"

    def taken_ms(self, times: int) -> list[float]:
        return asyncio.run(self._taken_ms(times))

    async def _taken_ms(self, times: int) -> list[float]:
        text = '{"event":"commands","channel":"private-rvm.1","data":"{}"}'
        taken = []
        async with aiohttp.ClientSession() as http, http.ws_connect(self._url) as socket:
            for _ in range(times):
                began_ns = time.perf_counter_ns()
                await socket.send_str(text)
                await socket.receive_str()
                taken.append((time.perf_counter_ns() - began_ns) / 1e6)
        return taken


@contextmanager
def _echo() -> Iterator[_Echo]:
    command = [sys.executable, "-m", "benchmarks.peers.echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield _Echo(int(process.stdout.readline()))
        finally:
            process.terminate()


class _Sample:
    """So many times, once a round: asked for the first share, it measures anew."""

    def __init__(self, take: Callable[[int], list[float]], times: int) -> None:
        self._take, self._times = take, times
        self._taken: list[float] = []

    def share(self, of: float) -> float:
        if of == min(_SHARES.values()):
            self._taken = self._take(self._times)
        return _share(self._taken, of)

    def named(self, name: str) -> dict[str, Contender]:
        return {f"{name}, {share}": partial(self.share, of) for share, of in _SHARES.items()}


_COMPARISONS = (
    *(Versus(f"ring, {share}", f"echo, {share}", 3.0) for share in _SHARES),
    Versus("ring beside telemetry, p50", _PROMISED),
    Versus("ring beside telemetry, p99", _PROMISED, 1.0),
)
_COMMAND = ("-m", "benchmarks.peers.ringing_platform")


@contextmanager
def _rings(scale: float) -> Iterator[Mapping[str, Contender]]:
    why = absent()
    if why is not None:
        names = [name for versus in _COMPARISONS for name in (versus.ours, versus.peer)]
        yield nobody(names, why)
        return
    times = max(round(_RINGS * scale), _RINGS_MIN)
    with platform(_COMMAND) as (here, _), _pushes(here) as pushes, _echo() as echo:
        yield {
            **_Sample(pushes.taken_ms, times).named("ring"),
            **_Sample(echo.taken_ms, times).named("echo"),
            **_Sample(pushes.beside_telemetry_ms, times).named("ring beside telemetry"),
            _PROMISED: lambda: _PROMISE_MS,
        }


CASES = (
    Case(
        "ring",
        "from the platform's hub to the handling actor",
        "ms",
        _rings,
        _COMPARISONS,
        rounds=7,
    ),
)
