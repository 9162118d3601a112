"""Small ONNX files by hand: what a test's network needs of protobuf, without the library onnx."""

from __future__ import annotations

import numpy as np

FLOAT, INTS = 1, 7
IR_VERSION, OPSET = 8, 17


def brightness_segmenter(side_px: int, rows: np.ndarray, *, stride: int = 4) -> bytes:
    """A segmentation network whose one prototype is the picture's brightness minus a half.

    Args:
        rows: float32 (1, N, 7): x1, y1, x2, y2, confidence, class, weight of the prototype.
    """
    kernel = np.full((1, 3, 1, 1), 1 / 3, np.float32)
    small = side_px // stride
    return model(
        nodes=[
            node("Conv", ["picture", "kernel", "bias"], ["prototypes"], strides=[stride, stride]),
            node("Identity", ["rows"], ["output"]),
        ],
        constants={"kernel": kernel, "bias": np.array([-0.5], np.float32), "rows": rows},
        inputs={"picture": (1, 3, side_px, side_px)},
        outputs={"output": rows.shape, "prototypes": (1, 1, small, small)},
    )


def model(nodes, constants, inputs, outputs) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, b"test")
    graph += b"".join(field(5, tensor(name, value)) for name, value in constants.items())
    graph += b"".join(field(11, value_info(name, shape)) for name, shape in inputs.items())
    graph += b"".join(field(12, value_info(name, shape)) for name, shape in outputs.items())
    return number(1, IR_VERSION) + field(8, number(2, OPSET)) + field(7, graph)


def node(kind: str, inputs, outputs, **ints) -> bytes:
    said = b"".join(field(1, name.encode()) for name in inputs)
    said += b"".join(field(2, name.encode()) for name in outputs) + field(4, kind.encode())
    for name, values in ints.items():
        attribute = field(1, name.encode()) + number(20, INTS)
        said += field(5, attribute + b"".join(number(8, value) for value in values))
    return said


def tensor(name: str, value: np.ndarray) -> bytes:
    dims = b"".join(number(1, size) for size in value.shape)
    return dims + number(2, FLOAT) + field(8, name.encode()) + field(9, value.tobytes())


def value_info(name: str, shape) -> bytes:
    dims = b"".join(field(1, number(1, size)) for size in shape)
    kind = field(1, number(1, FLOAT) + field(2, dims))
    return field(1, name.encode()) + field(2, kind)


def field(tag: int, content: bytes) -> bytes:
    return varint(tag << 3 | 2) + varint(len(content)) + content


def number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def varint(value: int) -> bytes:
    said = b""
    while value > 127:
        said += bytes([value & 127 | 128])
        value >>= 7
    return said + bytes([value])
