"""Signatures and challenges: who has the key that he says he has?

A challenge is not stored: it says by itself until when it is good and for whom, under a seal. That
it is met only once is the database's word (`api_tokens.challenge_hash`).
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

CHALLENGE_S = 60
"""As the contract says: good for a minute."""


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether Ed25519 (RFC 8032) says so; key and signature in hexadecimal."""
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def challenge(sealing_key: bytes, hardware_id: str, now_s: float, nonce: str) -> str:
    """A text that only we could have written, good for this machine for a minute."""
    expires = str(int(now_s) + CHALLENGE_S)
    return f"{expires}.{nonce}.{_seal(sealing_key, hardware_id, expires, nonce)}"


def is_challenge(sealing_key: bytes, hardware_id: str, text: str, now_s: float) -> bool:
    """Whether we wrote it, for this machine, less than a minute ago."""
    expires, _, rest = text.partition(".")
    nonce, _, seal = rest.partition(".")
    ours = _seal(sealing_key, hardware_id, expires, nonce)
    return hmac.compare_digest(seal.encode(), ours.encode()) and now_s < int(expires)


def _seal(sealing_key: bytes, *words: str) -> str:
    text = "\0".join(("rvm-server challenge", *words))
    return hmac.new(sealing_key, text.encode(), hashlib.sha256).hexdigest()
