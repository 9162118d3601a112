"""Crockford's base32: what people can read out to each other, and a QR code packs tightly.

Its letters and digits belong to the alphanumeric mode of QR codes (5.5 bits a character instead
of 8). Reading forgives what people confuse: small letters, I and L for 1, O for 0, and hyphens or
spaces between groups. See https://www.crockford.com/base32.html; there is no check character here.
"""

from __future__ import annotations

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LOOK_ALIKES = str.maketrans("ILO", "110", "- ")
_BITS = 5
_BYTE = 8


def to_base32(data: bytes) -> str:
    """The characters for these bytes; the last one is filled up with zero bits."""
    padding = -len(data) * _BYTE % _BITS
    number = int.from_bytes(data, "big") << padding
    length = (len(data) * _BYTE + padding) // _BITS
    return "".join(_ALPHABET[number >> _BITS * place & 31] for place in reversed(range(length)))


def canonical(text: str) -> str:
    """The same with what people confuse put right; other characters stay what they are."""
    # Not `upper` of everything: it makes ASCII letters out of others, of a dotless i an I.
    return text.upper().translate(_LOOK_ALIKES) if text.isascii() else text


def from_base32(text: str) -> bytes:
    """The bytes that `to_base32` was given.

    Raises:
        ValueError: a character that is none of ours, or a text that no bytes are written as.
    """
    number = 0
    letters = canonical(text)
    for letter in letters:
        value = _VALUES.get(letter)
        if value is None:
            msg = f"{letter!r} is no character of base32"
            raise ValueError(msg)
        number = number << _BITS | value
    size, padding = divmod(len(letters) * _BITS, _BYTE)
    if padding >= _BITS or number & ((1 << padding) - 1):
        msg = "the last character belongs to no byte"
        raise ValueError(msg)
    return (number >> padding).to_bytes(size, "big")
