"""The envelope: everything the runtime may know about a message without opening it.

Between processes of one build the envelope is a msgpack array (positions are its schema, so fields
are only ever appended); the body inside it is the message's own msgpack map, untouched by routing.
"""

from __future__ import annotations

import enum
import itertools
import os

import msgspec

from protocol.errors import RemoteProtocolError, UnsupportedVersion

VERSION = 1
"""Major version of the envelope; another one is refused."""

MAX_FRAME_BYTES = 128 * 1024
"""Longest frame between processes: below a SEQPACKET socket's default buffer. Pictures go by
memory, not by message, so a larger message is a mistake."""


class Kind(enum.IntEnum):
    """What the sender expects: nothing (cast, event), an answer (request), or this is one."""

    CAST = 0
    REQUEST = 1
    REPLY = 2
    ERROR = 3
    EVENT = 4


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """One message on its way.

    Attributes:
        id: unique over all processes of this run.
        kind: see `Kind`.
        name: the body's tag, so that routing need not decode it.
        source: path of the sender, ``""`` for one that is not an actor.
        destination: path of the receiver.
        body: the message as msgpack.
        delivery: its delivery class as a number, see `protocol.message.Delivery`.
        sent_ns: monotonic clock when it was sent.
        trace: id of the first message of the chain this one belongs to.
        ref: for a reply, the id of its request; else 0.
        ttl_s: seconds after ``sent_ns`` at which it is worthless; 0 means never.
        sent_at: wall clock when it was sent (seconds since 1970), for people only.
        v: major version.
    """

    id: int
    kind: Kind
    name: str
    source: str
    destination: str
    body: bytes
    delivery: int
    sent_ns: int
    trace: int = 0
    ref: int = 0
    ttl_s: float = 0.0
    sent_at: float = 0.0
    v: int = VERSION

    def expired(self, now_ns: int) -> bool:
        """Whether its time to live has passed on the monotonic clock."""
        return self.ttl_s > 0.0 and now_ns - self.sent_ns > self.ttl_s * 1e9


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as bytes for another process."""
    return _encoder.encode(envelope)


def decode_envelope(frame: bytes | memoryview) -> Envelope:
    """Read an envelope that another process sent.

    Raises:
        RemoteProtocolError: it is not an envelope.
        UnsupportedVersion: it is one of another major version.
    """
    try:
        envelope = _decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"not an envelope: {error}"
        raise RemoteProtocolError(msg) from None
    if envelope.v != VERSION:
        msg = f"envelope version {envelope.v}, this build speaks {VERSION}"
        raise UnsupportedVersion(msg)
    return envelope


def id_source() -> itertools.count[int]:
    """A fresh sequence of message ids: 32 random bits for the process, then a counter.

    A forked process must take its own sequence.
    """
    return itertools.count(int.from_bytes(os.urandom(4), "big") << 31 | 1)
