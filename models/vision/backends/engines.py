"""The cache of TensorRT engines that this machine has built for itself.

    <cache>/
    ├─ 19e0fc4444679c42-5d3c….engine         the plan
    └─ 19e0fc4444679c42-5d3c….engine.json    its `Label`: what it was made of, by what, its SHA-256

An engine is machine code for one GPU and one TensorRT. It is made here from verified weights,
never shipped and never taken from elsewhere: a file is used only if its label says exactly what is
wanted, its bytes have the label's digest, and nobody but us could have written it. Everything else
counts as absent, and the engine is built again. The digest finds damage; against somebody who can
write into our own directory, only its permissions help.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

import msgspec

# The one that serves, the one before it, the one that ships and one that is being tried.
ENGINES_MAX = 4
SUFFIX = ".engine"
LABEL_SUFFIX = ".engine.json"
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
DIGEST_CHARACTERS = 16


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine depends on.

    Attributes:
        onnx_sha256: of the weights that it was made of.
        tensorrt: version of the library.
        gpu: name of the GPU.
        precision: `fp16` or `fp32`.
    """

    onnx_sha256: str
    tensorrt: str
    gpu: str
    precision: str

    @property
    def stem(self) -> str:
        """File name without ending: the model first, so that a person finds it."""
        digest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()
        return f"{self.onnx_sha256[:DIGEST_CHARACTERS]}-{digest[:DIGEST_CHARACTERS]}"


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside an engine."""

    key: Key
    sha256: str


def read_engine(cache: Path, key: Key) -> bytes | None:
    """Give the engine that was built for this key, None if there is none that can be trusted."""
    try:
        label = msgspec.json.decode(_read_own(cache / (key.stem + LABEL_SUFFIX)), type=Label)
        plan = _read_own(cache / (key.stem + SUFFIX))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if label.key != key or label.sha256 != hashlib.sha256(plan).hexdigest():
        return None
    return plan


def write_engine(cache: Path, key: Key, plan: bytes) -> None:
    """Keep an engine; the oldest ones beyond `ENGINES_MAX` go.

    Raises:
        OSError: it cannot be kept. A file that is there is whole all the same.
    """
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    label = Label(key, hashlib.sha256(plan).hexdigest())
    _write_whole(cache / (key.stem + SUFFIX), plan)
    _write_whole(cache / (key.stem + LABEL_SUFFIX), msgspec.json.encode(label))
    _drop_oldest(cache, key.stem + SUFFIX)


def forget_engine(cache: Path, key: Key) -> None:
    """Remove an engine that the library does not take."""
    try:
        (cache / (key.stem + LABEL_SUFFIX)).unlink(missing_ok=True)
        (cache / (key.stem + SUFFIX)).unlink(missing_ok=True)
    except OSError:
        pass  # it stays, and is refused again


def _read_own(path: Path) -> bytes:
    """Read a file that only we could have written."""
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.geteuid() or about.st_mode & OTHERS_MAY_WRITE:
            raise PermissionError(f"{path} could have been written by others")
        return file.read()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there completely or not at all, also after a power cut."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _drop_oldest(cache: Path, newest: str) -> None:
    engines = [path for path in cache.glob(f"*{SUFFIX}") if path.name != newest]
    engines.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in engines[ENGINES_MAX - 1 :]:
        path.with_name(path.name + ".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    for part in cache.glob(".*.part"):
        part.unlink(missing_ok=True)  # of a writer that was killed; there is one at a time
