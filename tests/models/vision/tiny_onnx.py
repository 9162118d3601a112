"""Small real networks for tests of back ends, written as ONNX files byte by byte.

    picture ─ mean of each colour ─ × weights + bias ─ [an operation] ─▶ (1, rows, columns)

The answer depends on the picture in a way that can be worked out by hand, and every back end runs
such a network in microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

FLOAT, INT64, FLOAT16 = 1, 7, 10
VARINT, BYTES = 0, 2


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def end(name: str, shape: Sequence[int | str], kind: int = FLOAT) -> bytes:
    """A graph's input or output; a size that is a word is not known in advance."""
    sizes = b"".join(
        field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape
    )
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


def floats(name: str, shape: Sequence[int], values: Iterable[float]) -> bytes:
    content = struct.pack(f"<{len(values := list(values))}f", *values)
    return (
        b"".join(field(1, size) for size in shape)
        + field(2, FLOAT)
        + field(8, name)
        + field(9, content)
    )


def integers(name: str, values: Sequence[int]) -> bytes:
    content = struct.pack(f"<{len(values)}q", *values)
    return field(1, len(values)) + field(2, INT64) + field(8, name) + field(9, content)


def node(operation: str, inputs: Sequence[str], output: str, **integer_attributes: int) -> bytes:
    attributes = b"".join(
        field(5, field(1, name) + field(3, value) + field(20, 2))
        for name, value in integer_attributes.items()
    )
    return (
        b"".join(field(1, name) for name in inputs)
        + field(2, output)
        + field(4, operation)
        + attributes
    )


def network(
    bias: Sequence[Sequence[float]],
    weights: Sequence[Sequence[float]] | None = None,
    *,
    height: int | str = 64,
    width: int | str = 96,
    operation: str | None = None,
    kind: int = FLOAT,
    outputs: int = 1,
) -> bytes:
    """An ONNX file.

    Args:
        bias: the rows that a black picture gives.
        weights: added per mean of red, green and blue: three times as many numbers as `bias` has.
        operation: applied to everything at the end, Log for instance.
        kind: of the input; the rest always calculates in FLOAT.
    """
    rows, columns = len(bias), len(bias[0])
    plain = [value for row in bias for value in row]
    slopes = [value for row in weights for value in row] if weights else [0.0] * 3 * len(plain)
    picture = ["as_float"] if kind != FLOAT else ["images"]
    nodes = [node("Cast", ["images"], "as_float", to=FLOAT)] if kind != FLOAT else []
    nodes += [
        node("GlobalAveragePool", picture, "means"),
        node("Flatten", ["means"], "colours"),
        node("Gemm", ["colours", "slopes", "bias"], "numbers"),
        node("Reshape", ["numbers", "shape"], "rows" if operation else "output0"),
    ]
    if operation:
        nodes.append(node(operation, ["rows"], "output0"))
    names = ["output0"]
    for index in range(1, outputs):
        names.append(f"output{index}")
        nodes.append(node("Neg", ["output0"], names[-1]))
    graph = (
        b"".join(field(1, one) for one in nodes)
        + field(2, "tiny")
        + field(5, floats("slopes", [3, len(plain)], slopes))
        + field(5, floats("bias", [len(plain)], plain))
        + field(5, integers("shape", [1, rows, columns]))
        + field(11, end("images", [1, 3, height, width], kind))
        + b"".join(field(12, end(name, [1, rows, columns])) for name in names)
    )
    return field(1, 8) + field(8, field(2, 13)) + field(7, graph)
