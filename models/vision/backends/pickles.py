"""What a `.pt` file would do while it is loaded, found out without loading it.

A `.pt` is a zip with a pickle in it, and a pickle is a program: it can call anything that it can
name. Ours and ultralytics' name parts of networks and nothing else; what names more is refused,
with the name. The operations are read one by one, none is carried out.

This is the second lock. The first one is the digest: only the file that a trusted manifest
describes gets here at all.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO

from models.vision.errors import PickleRefused, WeightsUnreadable

# Names that hold numbers and put tensors together; each was seen in a file of ultralytics.
PLAIN = frozenset(
    {
        "__builtin__.set",
        "builtins.set",
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        "torch.BoolStorage",
        "torch.BFloat16Storage",
        "torch.FloatStorage",
        "torch.HalfStorage",
        "torch.LongStorage",
        "torch.Size",
        "ultralytics.nn.tasks.DetectionModel",
        "ultralytics.nn.tasks.SegmentationModel",
        "ultralytics.utils.IterableSimpleNamespace",
    }
)
# Layers. Class names only: a module also holds functions, and other modules, by their own names.
LAYERS = re.compile(
    r"(torch\.nn\.modules\.(activation|batchnorm|container|conv|dropout|linear|normalization|"
    r"padding|pooling|upsampling)|ultralytics\.nn\.modules\.(block|conv|head|transformer))"
    r"\.[A-Z][A-Za-z0-9_]*"
)
# A program of a few hundred kilobytes describes a network; the numbers lie beside it in the zip.
PICKLE_BYTES_MAX = 64 << 20
# Operations that put a string on the stack, where a name may be taken from.
STRINGS = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
MEMO = frozenset({"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "FRAME", "PROTO"})
UNNAMED = "something whose name is worked out while it runs"


def check_pickle(weights: bytes, name: str) -> None:
    """Refuse a `.pt` that would call anything but parts of a network.

    Args:
        name: of the file, for the error.

    Raises:
        PickleRefused: it names something else, or hides what it names.
        WeightsUnreadable: it is no zip of PyTorch's.
    """
    for found in _globals(_program(weights, name), name):
        if found not in PLAIN and not LAYERS.fullmatch(found):
            raise PickleRefused(
                f"{name} would call {found} while it is loaded, which is no part of a network;"
                " do not use it, and ask where it comes from"
            )


def _program(weights: bytes, name: str) -> bytes:
    """The pickle in the zip."""
    try:
        with zipfile.ZipFile(BytesIO(weights)) as archive:
            members = archive.infolist()
            programs = [one for one in members if one.filename.endswith(".pkl")]
            # Two of one name: this reader and PyTorch's could each take another one. Another
            # pickle than data.pkl belongs to TorchScript, which is code through and through.
            names = [one.filename for one in members]
            if (
                len(set(names)) != len(names)
                or len(programs) != 1
                or not re.fullmatch(r"[^/]+/data\.pkl", programs[0].filename)
                or programs[0].file_size > PICKLE_BYTES_MAX
            ):
                raise PickleRefused(
                    f"{name} is a zip, but not one that torch.save makes; save the model again"
                )
            return archive.read(programs[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        if weights[:1] == b"\x80":
            return weights  # a bare pickle, as before PyTorch 1.6: say what it would call
        raise WeightsUnreadable(
            f"{name} is no file of torch.save ({error}); save the model again"
        ) from error


def _globals(program: bytes, name: str) -> Iterator[str]:
    """Every name that the program looks up, in order."""
    strings: list[str] = []  # put on the stack by the operations just before this one
    try:
        for operation, argument, _ in pickletools.genops(program):
            if operation.name in {"GLOBAL", "INST"}:
                yield ".".join(str(argument).split(" ", 1))
            elif operation.name == "STACK_GLOBAL":
                yield ".".join(strings[-2:]) if len(strings) > 1 else UNNAMED
            elif operation.name.startswith("EXT"):
                yield UNNAMED
            if operation.name in STRINGS:
                strings.append(str(argument))
            elif operation.name not in MEMO:
                strings.clear()
    except (ValueError, UnicodeDecodeError) as error:
        raise WeightsUnreadable(
            f"{name} holds no whole pickle ({error}); save the model again"
        ) from error
