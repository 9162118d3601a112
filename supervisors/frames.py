"""What passes between the core, the zygote and a process host, besides envelopes.

All three sockets are SEQPACKET: one packet is one frame, so garbage in one cannot shift the next.
The first byte of a packet between core and host says which it is.

    core ── Init ─────────────────▶ host     who it is and what it gets
    core ◀─ Ready | NotStarted ─── host
    core ◀═ envelopes ═══════════▶ host
    core ◀─ Credit, Watch, Unwatch, Announce, Emit, Log, Refused ─ host
    core ◀─ Bye ───────────────── host     the last word; an end without it is a crash

    core ── Spawn | Run | Signal | Beat ─▶ zygote
    core ◀─ Booted | Spawned | Reaped | Beat ─ zygote
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from protocol.envelope import MAX_FRAME_BYTES
from protocol.errors import RemoteProtocolError
from supervisors.exits import ExitReason

ENVELOPE = b"\x01"
CONTROL = b"\x02"
BEGUN = b"\x00"
"""What a `Run` says first through its pipe; what comes later is its complaint."""
RECV_BYTES = MAX_FRAME_BYTES + 64


class _Frame(msgspec.Struct, array_like=True, tag=True):
    pass


class Init(_Frame):
    """Core: who the host is."""

    path: str
    incarnation: int
    actor: str
    args: msgspec.Raw
    shares: list[str]
    beat_s: float
    allows_faults: bool
    open_files: int
    nice: int
    oom_score_adj: int
    import_path: list[str]
    outlives_core_s: float = 0.0


class Ready(_Frame):
    """Host: ``on_start`` has returned."""


class NotStarted(_Frame):
    """Host: it has not come to run."""

    how: Literal["ignored", "missing", "failed"]
    what: str = ""
    reason: ExitReason | None = None


class Credit(_Frame):
    """Host: so many messages are disposed of; send more."""

    disposed: int


class Watch(_Frame):
    """Host: tell me when that actor ends."""

    path: str


class Unwatch(_Frame):
    """Host: no more."""

    path: str


class Announce(_Frame):
    """Host: something came back."""

    topic: str


class Emit(_Frame):
    """Host: an event for the record."""

    event: str
    fields: dict[str, Any]


class Log(_Frame):
    """Host: a line for the log."""

    level: str
    event: str
    fields: dict[str, Any]


class Refused(_Frame):
    """Host: a message that nobody handled, or that it could not send; for the dead letters."""

    code: str
    name: str
    source: str
    destination: str
    sent_ns: int


class Bye(_Frame):
    """Host: my end, and why."""

    reason: ExitReason


class Spawn(_Frame):
    """Core: start a host; descriptors come along: socket, page, output, shares."""

    key: int
    title: str
    python: str | None = None
    outlives_core_s: float = 0.0


class Run(_Frame):
    """Core: call ``module:callable`` in a child; a pipe for its complaint comes along."""

    key: int
    target: str
    args: dict[str, Any]
    import_path: list[str]


class Signal(_Frame):
    """Core: send a signal to a host and, for SIGKILL, to all it has started."""

    key: int
    number: int


class Beat(_Frame):
    """Core: are you there? Zygote: yes."""


class Booted(_Frame):
    """Zygote: warm, and with how many threads."""

    pid: int
    threads: int


class Spawned(_Frame):
    """Zygote: it runs (pid > 0) or could not be started."""

    key: int
    pid: int
    error: str = ""


class Reaped(_Frame):
    """Zygote: that child has ended with this status (negative: signal)."""

    key: int
    status: int


FromHost = Ready | NotStarted | Credit | Watch | Unwatch | Announce | Emit | Log | Refused | Bye
ToZygote = Spawn | Run | Signal | Beat
FromZygote = Booted | Spawned | Reaped | Beat

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_from_host = msgspec.msgpack.Decoder(FromHost)
_init = msgspec.msgpack.Decoder(Init)
_to_zygote = msgspec.msgpack.Decoder(ToZygote)
_from_zygote = msgspec.msgpack.Decoder(FromZygote)


def pack(frame: _Frame) -> bytes:
    """A control frame as a packet between core and host."""
    return CONTROL + _encode(frame)


def encode(frame: _Frame) -> bytes:
    """A frame as a packet between core and zygote."""
    return _encode(frame)


def read_from_host(packet: memoryview) -> FromHost:
    """Read a control frame of a host.

    Raises:
        RemoteProtocolError: it is none.
    """
    try:
        frame: FromHost = _from_host.decode(packet)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not a control frame: {error}"
        raise RemoteProtocolError(msg) from None
    return frame


def read_init(packet: memoryview) -> Init:
    """Read the first packet of the core."""
    return _init.decode(packet)


def read_to_zygote(packet: bytes) -> ToZygote:
    """Read an order to the zygote."""
    order: ToZygote = _to_zygote.decode(packet)
    return order


def read_from_zygote(packet: bytes) -> FromZygote:
    """Read a report of the zygote."""
    report: FromZygote = _from_zygote.decode(packet)
    return report
