"""Claim tokens, read and checked: docs/sessions.md has the layout, byte by byte.

A guest carries one from the machine to the platform. Whoever has the machine's public key can
check it, without asking the machine. That it pays once is not written in it: the session's id is
the key for that.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from server.rules.proofs import is_signed

VERSION = 1
PURPOSE = b"rvm-edge claim\0"
"""Goes before what is signed, so that no signature made for anything else passes here."""

CLAIM_S = 30 * 86400.0
"""For how long a machine's claims are good, and so a key that it had (`session.claim_days`)."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOK_ALIKES = str.maketrans("ILO", "110", "- ")
_LETTERS_MAX = 1024  # the longest claim has 995
_FIXED = struct.Struct(">BBIIHH8s")
_SIGNATURE, _HEAD = 64, 32
_CLOCK_GOOD, _HAS_HEAD = 1, 2

Fault = Literal["malformed", "unknown_version", "bad_signature", "expired"]


class BadClaim(Exception):
    """A token that is worth nothing; `code` says why."""

    def __init__(self, code: Fault) -> None:
        """Args: code: as docs/sessions.md lists them."""
        super().__init__(code)
        self.code = code


class Claim(msgspec.Struct, frozen=True):
    """What a machine owes the bearer.

    Attributes:
        session: the machine's id of it; the key by which it is paid once.
        expires_at: seconds since 1970; means nothing where `is_clock_good` is not.
        signed: what the signature is over.
        signature: in hexadecimal.
    """

    hardware_id: str
    session: str
    credited: int
    in_review: int
    expires_at: int
    is_clock_good: bool
    signed: bytes
    signature: str


def read(text: str) -> Claim:
    """What a token says, checked by nobody: to find out whose public key it needs.

    Raises:
        BadClaim: malformed, or of a later version.
    """
    data = _from_base32(text)
    body, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if not body:
        raise BadClaim("malformed")
    if body[0] != VERSION:
        raise BadClaim("unknown_version")
    try:
        _, flags, _, expires_at, credited, in_review, _ = _FIXED.unpack_from(body)
        hardware_id, at = _name(body, _FIXED.size)
        rest, at = _name(body, at)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise BadClaim("malformed") from None
    # Nothing may be left over, or a claim could be written in two ways.
    if flags & ~(_CLOCK_GOOD | _HAS_HEAD) or len(body) - at != _HEAD * bool(flags & _HAS_HEAD):
        raise BadClaim("malformed")
    return Claim(
        hardware_id=hardware_id,
        session=hardware_id + rest,
        credited=credited,
        in_review=in_review,
        expires_at=expires_at,
        is_clock_good=bool(flags & _CLOCK_GOOD),
        signed=PURPOSE + body,
        signature=signature.hex(),
    )


def check(claim: Claim, public_keys: list[str], now_s: float) -> None:
    """Whether one of the machine's keys has signed it, and it is not too old.

    Raises:
        BadClaim: it is not, or it is.
    """
    if not any(is_signed(key, claim.signature, claim.signed) for key in public_keys):
        raise BadClaim("bad_signature")
    if claim.is_clock_good and now_s >= claim.expires_at:
        raise BadClaim("expired")


def _name(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    name = body[at + 1 : end]
    if len(name) != body[at]:
        raise IndexError(at)
    return name.decode("ascii"), end


def _from_base32(text: str) -> bytes:
    """Crockford's, which forgives what people confuse: https://www.crockford.com/base32.html."""
    letters = text.strip().upper().translate(_LOOK_ALIKES) if text.isascii() else ""
    if not 0 < len(letters) <= _LETTERS_MAX or not set(letters) <= set(_ALPHABET):
        raise BadClaim("malformed")
    number = 0
    for letter in letters:
        number = number << 5 | _ALPHABET.index(letter)
    size, padding = divmod(len(letters) * 5, 8)
    if padding >= 5 or number & ((1 << padding) - 1):  # noqa: PLR2004 - bits of a letter
        raise BadClaim("malformed")
    return (number >> padding).to_bytes(size, "big")
