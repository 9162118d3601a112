"""Words in an ONNX file by which ultralytics knows one of its own exports.

Without them it would take the size of the input and the names of the classes for others. They are
appended: a protobuf field that is repeated may stand at the end of its message, so nothing but
bytes is needed for that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.vision import Manifest

_STRIDE_MAX = 32
_METADATA_PROPS = 14  # its number in ModelProto
_KEY, _VALUE = 1, 2  # in StringStringEntryProto
_BYTES = 2  # a field's kind: a length, and so many bytes


def labelled(weights: bytes, manifest: Manifest) -> bytes:
    """The same network with those words in it, unless it has them."""
    if b"end2end" in weights:
        return weights
    wanted = manifest.input
    words = {
        "task": "detect",
        "batch": "1",
        "imgsz": str([wanted.height_px, wanted.width_px]),
        "stride": str(math.gcd(_STRIDE_MAX, wanted.height_px, wanted.width_px)),
        "names": str(dict(enumerate(manifest.classes))),
        "end2end": "True",
    }
    return weights + b"".join(_property(key, value) for key, value in words.items())


def _property(key: str, value: str) -> bytes:
    return _field(_METADATA_PROPS, _field(_KEY, key.encode()) + _field(_VALUE, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | _BYTES]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth set."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
