"""What an ONNX file says of its network's ends, read without a library.

For back ends that load a network and do not tell what it wants. Only the few fields are read that
say it; everything else in the file is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

# Numbers of the fields, from onnx.proto.
MODEL_GRAPH = 7
GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 5, 11, 12
INITIALIZER_NAME = 8
VALUE_NAME, VALUE_TYPE = 1, 2
TYPE_TENSOR = 1
TENSOR_ELEMENT, TENSOR_SHAPE = 1, 2
SHAPE_DIMENSION = 1
DIMENSION_VALUE = 1
FLOAT = 1

# How a field lies in the file, from the encoding of protocol buffers.
VARINT, EIGHT_BYTES, COUNTED, FOUR_BYTES = 0, 1, 2, 5
WIRE_BITS = 3
VARINT_BITS = 7
VARINT_GOES_ON = 0x80
VARINT_BITS_MAX = 64

Field: TypeAlias = "tuple[int, int | memoryview]"


class OnnxEnds(NamedTuple):
    """Inputs as type (`float` or another word) and shape, outputs as shape; -1 is not known."""

    inputs: list[tuple[str, list[int]]]
    outputs: list[list[int]]


class NotOnnx(Exception):
    """The bytes are no ONNX file."""


def read_ends(weights: bytes) -> OnnxEnds:
    """Read the ends of a network.

    Raises:
        NotOnnx: the file is damaged, or something else.
    """
    graph = memoryview(b"")
    for number, value in _fields(memoryview(weights)):
        if number == MODEL_GRAPH:
            graph = _counted(value)
    constants: set[bytes] = set()
    inputs: list[tuple[bytes, str, list[int]]] = []
    outputs: list[list[int]] = []
    for number, value in _fields(graph):
        if number == GRAPH_INITIALIZER:
            constants.update(
                bytes(_counted(name))
                for inner, name in _fields(_counted(value))
                if inner == INITIALIZER_NAME
            )
        elif number == GRAPH_INPUT:
            inputs.append(_end(_counted(value)))
        elif number == GRAPH_OUTPUT:
            outputs.append(_end(_counted(value))[2])
    if not inputs or not outputs:
        raise NotOnnx("it has no network in it")
    # Old files list their constants among the inputs, too.
    return OnnxEnds(
        [(kind, shape) for name, kind, shape in inputs if name not in constants], outputs
    )


def _end(value: memoryview) -> tuple[bytes, str, list[int]]:
    """Name, type and shape of one end."""
    name, kind = b"", "nothing"
    shape: list[int] = []
    for number, field in _fields(value):
        if number == VALUE_NAME:
            name = bytes(_counted(field))
        elif number == VALUE_TYPE:
            for inner, tensor in _fields(_counted(field)):
                if inner == TYPE_TENSOR:
                    kind, shape = _tensor(_counted(tensor))
    return name, kind, shape


def _tensor(tensor: memoryview) -> tuple[str, list[int]]:
    kind = "nothing"
    shape: list[int] = []
    for number, field in _fields(tensor):
        if number == TENSOR_ELEMENT:
            kind = "float" if field == FLOAT else f"type {field!r}"
        elif number == TENSOR_SHAPE:
            for inner, dimension in _fields(_counted(field)):
                if inner == SHAPE_DIMENSION:
                    shape.append(_size(_counted(dimension)))
    return kind, shape


def _size(dimension: memoryview) -> int:
    for number, value in _fields(dimension):
        if number == DIMENSION_VALUE and isinstance(value, int):
            return value
    return -1


def _counted(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise NotOnnx("a number stands where something larger belongs")
    return value


def _fields(message: memoryview) -> Iterator[Field]:
    """Every field of a message: its number and what it holds."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & ((1 << WIRE_BITS) - 1)
        if wire == VARINT:
            number, at = _varint(message, at)
            yield key >> WIRE_BITS, number
            continue
        if wire == COUNTED:
            size, at = _varint(message, at)
        elif wire in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if wire == EIGHT_BYTES else 4
        else:
            raise NotOnnx("it has fields of an unknown kind")
        if at + size > len(message):
            raise NotOnnx("it ends too early")
        yield key >> WIRE_BITS, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in as few bytes as it needs, and where it ends."""
    number = 0
    for shift in range(0, VARINT_BITS_MAX, VARINT_BITS):
        if at >= len(message):
            raise NotOnnx("it ends too early")
        byte = message[at]
        at += 1
        number |= (byte & ~VARINT_GOES_ON) << shift
        if not byte & VARINT_GOES_ON:
            return number, at
    raise NotOnnx("a number in it is too long")
