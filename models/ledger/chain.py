"""The journal's entries as bytes: chained by SHA-256, each stored value guarded by a CRC-32.

An entry is, all numbers big-endian:

    8  sequence, from 1, without a gap
    8  before: sequence of the last entry about the same deposit or session, 0 for none
    32 previous: SHA-256 of the entry before, `GENESIS` for the first
    8  at: wall clock, IEEE 754 double, seconds since 1970
    1  length of kind      4  length of body
    n  kind, ASCII         m  body, msgpack

The chain's head is the SHA-256 of the newest entry. A value in the store is a CRC-32 (4 bytes)
and then what it guards: LMDB has no checksums of its own.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator

import msgspec

GENESIS = bytes(32)
_FIXED = struct.Struct(">QQ32sdBI")
_CRC = struct.Struct(">I")


class Damaged(Exception):
    """Stored bytes are not those that were written."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of the journal; see the module."""

    sequence: int
    before: int
    previous: bytes
    at: float
    kind: str
    body: bytes


class Break(msgspec.Struct, frozen=True):
    """A place where the chain does not hold, and what is wrong there."""

    sequence: int
    why: str


def pack(entry: Entry) -> bytes:
    """An entry's canonical bytes."""
    kind = entry.kind.encode("ascii")
    head = _FIXED.pack(
        entry.sequence, entry.before, entry.previous, entry.at, len(kind), len(entry.body)
    )
    return head + kind + entry.body


def unpack(data: bytes) -> Entry:
    """Read an entry's canonical bytes.

    Raises:
        Damaged: they are not an entry's.
    """
    try:
        sequence, before, previous, at, kind_length, body_length = _FIXED.unpack_from(data)
        kind_end = _FIXED.size + kind_length
        kind = data[_FIXED.size : kind_end].decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise Damaged(f"no entry of the journal: {error}") from None
    if len(data) != kind_end + body_length:
        raise Damaged(f"an entry of {len(data)} bytes says that it has {kind_end + body_length}")
    return Entry(sequence, before, previous, at, kind, data[kind_end:])


def digest(packed: bytes) -> bytes:
    """What the next entry chains itself to."""
    return hashlib.sha256(packed).digest()


def seal(data: bytes) -> bytes:
    """A value as it is stored."""
    return _CRC.pack(zlib.crc32(data)) + data


def unseal(stored: bytes) -> bytes:
    """What a stored value guards.

    Raises:
        Damaged: the checksum does not fit.
    """
    data = stored[_CRC.size :]
    if len(stored) < _CRC.size or _CRC.unpack_from(stored)[0] != zlib.crc32(data):
        raise Damaged(f"{len(stored)} bytes with a wrong checksum")
    return data


def follow(
    stored: Iterable[tuple[int, bytes]], sequence: int = 1, previous: bytes | None = GENESIS
) -> Iterator[Entry | Break]:
    """Walk a chain; keeps nothing, however long it is.

    Args:
        stored: sequence number and stored value of each entry, in order.
        sequence: of the first.
        previous: what the first one chains itself to; None: whatever it says.

    Yields:
        Every entry that can be read, and a `Break` before or instead of one that does not follow.
        After a break the chain is taken up again from what is there.
    """
    for key, value in stored:
        if key != sequence:
            yield Break(sequence, f"entries {sequence} to {key - 1} are missing")
            previous = None
        sequence = key + 1
        try:
            packed = unseal(value)
            entry = unpack(packed)
        except Damaged as error:
            yield Break(key, str(error))
            previous = None
            continue
        if entry.sequence != key:
            yield Break(key, f"the entry in this place says that it is number {entry.sequence}")
        if previous is not None and entry.previous != previous:
            yield Break(key, "it is not chained to the entry before it")
        yield entry
        previous = digest(packed)
