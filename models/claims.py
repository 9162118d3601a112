"""Claim tokens: what a guest carries from the machine to the platform, signed and used once.

    sign    a claim and the machine's key  -> the text of a QR code
    verify  that text and the machine's public key -> the claim, or exactly why not
    redeem  what the platform pays for a claim, given those that it has seen

A token works without a network on either side: whoever has the machine's public key can check it.
That it is used once is the platform's to enforce, and the session's id is the key for that: every
session has at most one amount that is right, and a token shown twice is the same session twice.

The layout stands in docs/sessions.md, byte by byte. There is one way to write a claim and no other
text passes: what decodes is written again and compared. The signature is Ed25519 (RFC 8032);
its library is imported when something is signed or checked, not before.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from models.base32 import from_base32, to_base32

VERSION = 1
KEY_BYTES = 32
SIGNATURE_BYTES = 64
HEAD_BYTES = 32
NONCE_BYTES = 8
EARLIEST_CLOCK_S = 1_767_225_600
"""2026-01-01T00:00:00Z: a clock before this program was written has not been set."""

# Says what the signature is for, so that none made for anything else passes here.
_PURPOSE = b"rvm-edge claim\0"
_FIXED = struct.Struct(f">BBIIHH{NONCE_BYTES}s")
_CLOCK_GOOD, _HAS_HEAD = 1, 2

Refusal = Literal["malformed", "unknown_version", "bad_signature", "expired"]


class ClaimError(Exception):
    """A token that is not accepted.

    Attributes:
        code: ``malformed``: no token, or one that was cut or misread. ``unknown_version``: of a
            later program. ``bad_signature``: changed, or of another machine. ``expired``.
        claim: what it says, if the signature is right.
    """

    def __init__(self, code: Refusal, detail: str, claim: Claim | None = None) -> None:
        """Args: code: for programs; detail: for people; claim: if the signature is right."""
        super().__init__(detail)
        self.code = code
        self.claim = claim


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine owes the bearer.

    Attributes:
        hardware_id: of the machine; says whose public key checks the signature.
        session: id of the session; begins with ``hardware_id``. The idempotency key.
        credited: items that the ledger has credited.
        in_review: items a person still decides about; the bearer's, if they are credited.
        issued_at, expires_at: seconds since 1970 by the machine's wall clock.
        clock_quality: ``bad`` if that clock was not set; the times then mean nothing.
        nonce: at random, 16 hexadecimal digits.
        chain_head: SHA-256 of the ledger's newest entry, in hexadecimal; empty: not given. It
            binds the machine to the ledger it had when it made the promise.
    """

    hardware_id: str
    session: str
    credited: int
    issued_at: int
    expires_at: int
    nonce: str
    in_review: int = 0
    clock_quality: Literal["good", "bad"] = "good"
    chain_head: str = ""


def public_key(key: bytes) -> bytes:
    """The public half of a key, 32 bytes.

    Raises:
        ValueError: a key has 32 bytes.
    """
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see the module

    private = ed25519.Ed25519PrivateKey.from_private_bytes(key)
    return private.public_key().public_bytes_raw()


def sign(claim: Claim, key: bytes) -> str:
    """Write a claim as a token.

    Raises:
        ValueError: a claim that no token can say, or a key that is none.
    """
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see the module

    body = _written(claim)
    private = ed25519.Ed25519PrivateKey.from_private_bytes(key)
    return to_base32(body + private.sign(_PURPOSE + body))


def verify(text: str, public: bytes, now_s: float | None = None) -> Claim:
    """Read a token and check that this machine has signed it.

    Args:
        text: as scanned or typed.
        public: the machine's public key, 32 bytes.
        now_s: wall clock; None: an old claim is as good as a new one. Claims of a machine whose
            clock was not set do not expire by it.

    Raises:
        ClaimError: see there.
        ValueError: a public key has 32 bytes.
    """
    body, signature = _split(text)
    claim = _read(body)
    _check(body, signature, public)
    if now_s is not None and claim.clock_quality == "good" and now_s >= claim.expires_at:
        raise ClaimError("expired", "the time to redeem this claim is over", claim)
    return claim


def peek(text: str) -> Claim:
    """What a token says, checked by nobody: to find out whose public key it needs.

    Raises:
        ClaimError: malformed, or of an unknown version.
    """
    return _read(_split(text)[0])


def clock_quality(wall_s: float) -> Literal["good", "bad"]:
    """Whether a wall clock can have been set."""
    return "good" if wall_s >= EARLIEST_CLOCK_S else "bad"


# -- the bytes --------------------------------------------------------------------------------


def _written(claim: Claim) -> bytes:
    if not claim.session.startswith(claim.hardware_id):
        msg = f"session {claim.session} is not one of {claim.hardware_id}"
        raise ValueError(msg)
    head = bytes.fromhex(claim.chain_head)
    nonce = bytes.fromhex(claim.nonce)
    if len(head) not in {0, HEAD_BYTES} or len(nonce) != NONCE_BYTES:
        msg = f"a chain head has {HEAD_BYTES} bytes and a nonce {NONCE_BYTES}"
        raise ValueError(msg)
    flags = _CLOCK_GOOD * (claim.clock_quality == "good") | _HAS_HEAD * bool(head)
    times = claim.issued_at, claim.expires_at
    try:
        fixed = _FIXED.pack(VERSION, flags, *times, claim.credited, claim.in_review, nonce)
        names = _name(claim.hardware_id) + _name(claim.session[len(claim.hardware_id) :])
    except (struct.error, UnicodeEncodeError) as error:
        raise ValueError(str(error)) from None
    return fixed + names + head


def _name(text: str) -> bytes:
    name = text.encode("ascii")
    return struct.pack("B", len(name)) + name


def _split(text: str) -> tuple[bytes, bytes]:
    try:
        data = from_base32(text.strip())
    except ValueError as error:
        raise ClaimError("malformed", str(error)) from None
    if len(data) <= SIGNATURE_BYTES:
        raise _malformed()
    if data[0] != VERSION:
        detail = f"version {data[0]}; this program reads {VERSION}"
        raise ClaimError("unknown_version", detail)
    return data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]


def _read(body: bytes) -> Claim:
    try:
        claim = _claim(body)
        is_canonical = _written(claim) == body
    except (struct.error, ValueError, IndexError):
        raise _malformed() from None
    if not is_canonical:
        raise _malformed()
    return claim


def _malformed() -> ClaimError:
    return ClaimError("malformed", "this is no whole claim: scan it once more")


def _claim(body: bytes) -> Claim:
    _, flags, issued, expires, credited, in_review, nonce = _FIXED.unpack_from(body)
    hardware_id, at = _named(body, _FIXED.size)
    rest, at = _named(body, at)
    return Claim(
        hardware_id=hardware_id,
        session=hardware_id + rest,
        credited=credited,
        in_review=in_review,
        issued_at=issued,
        expires_at=expires,
        clock_quality="good" if flags & _CLOCK_GOOD else "bad",
        nonce=nonce.hex(),
        chain_head=body[at:].hex(),
    )


def _named(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + body[at]
    return body[at + 1 : end].decode("ascii"), end


def _check(body: bytes, signature: bytes, public: bytes) -> None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - see the module

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, _PURPOSE + body)
    except InvalidSignature:
        msg = "the signature is not this machine's: changed, misread, or of another machine"
        raise ClaimError("bad_signature", msg) from None


# -- the platform's part ----------------------------------------------------------------------


class Redeemed(msgspec.Struct, frozen=True):
    """The sessions whose claims were redeemed.

    The reference of what a platform does in one transaction: a unique index on the session's id.
    """

    sessions: frozenset[str] = frozenset()


def redeem(redeemed: Redeemed, claim: Claim) -> tuple[Redeemed, int]:
    """Pay a verified claim: how many items are credited by it now, 0 if it was redeemed before."""
    if claim.session in redeemed.sessions:
        return redeemed, 0
    return Redeemed(redeemed.sessions | {claim.session}), claim.credited
