"""The store: models that were installed on this machine, and which of them serves.

    <data_dir>/models/
    ├─ shelf.json        `swap.Shelf`: current, previous, what is being tried, what is denied
    └─ detector-v1/      one directory a model, as it was delivered

A model gets in as a copy of bytes that were checked against its manifest, under a name of its own,
whole or not at all; what was tried is what serves, whatever becomes of the place it came from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from models.vision.errors import ModelError
from models.vision.manifest import (
    MANIFEST_FILE,
    load_manifest,
    read_golden,
    read_weights,
)
from models.vision.swap import Shelf

SHELF_FILE = "shelf.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_UNFINISHED = ".new-"
_CARD_BYTES_MAX = 16 << 20
_CHUNK_BYTES = 1 << 20
_FILE_BYTES_MAX = 1 << 30
"""No detector is larger; what is gets its size for a fingerprint, and its trial reads it."""


class StoreError(ModelError):
    """The store cannot be read or written."""


class ModelStore:
    """See the module.

    Attributes:
        directory: where it lies; made when something is put into it.
        damaged: why the shelf could not be read and was put aside, empty if it was not.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.damaged = ""

    # -- the shelf ------------------------------------------------------------------------------

    def read(self, *, put_aside: bool = True) -> Shelf:
        """What the machine knows of its models.

        Args:
            put_aside: what nobody can read; a mere onlooker leaves it.

        Raises:
            StoreError: the disk does not give it.
        """
        path = self.directory / SHELF_FILE
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return Shelf()
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}; make it readable") from error
        try:
            return msgspec.json.decode(raw, type=Shelf)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            aside = path.with_suffix(".damaged")
            self.damaged = f"{path} says nothing sensible ({error}); it is kept as {aside.name}"
            if put_aside:
                _rename(path, aside)
            return Shelf()

    def write(self, shelf: Shelf, *, durable: bool = True) -> None:
        """Keep it, whole or not at all.

        Args:
            durable: also over a power cut; a mark for the case that a process dies need not be.

        Raises:
            StoreError: the disk does not take it.
        """
        path = self.directory / SHELF_FILE
        beside = path.with_suffix(".new")
        content = msgspec.json.format(msgspec.json.encode(shelf)) + b"\n"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            _write(beside, content, durable=durable)
            beside.replace(path)
            if durable:
                _sync(self.directory)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}; make room, or make it writable"
            ) from error

    # -- its models -----------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Names of the models in it, sorted; a directory without a manifest is none."""
        try:
            entries = sorted(self.directory.iterdir())
        except OSError:
            return ()
        return tuple(
            entry.name
            for entry in entries
            if _NAME.match(entry.name) and (entry / MANIFEST_FILE).is_file()
        )

    def directory_of(self, name: str) -> Path | None:
        """Where a model of this name lies; None: there is none."""
        return self.directory / name if name in self.names() else None

    def name_of(self, directory: Path) -> str:
        """Name of the model that lies in a directory; empty if that is none of the store."""
        inside = directory.parent == self.directory and directory.name in self.names()
        return directory.name if inside else ""

    def install(self, source: Path) -> str:
        """Copy a model into the store; one that is there already is not copied again.

        Returns:
            Its name: that of its directory, with a part of its fingerprint where another model
            has that name.

        Raises:
            ModelError: it does not verify, or the disk does not take it.
        """
        files = dict(_verified_files(source))
        mark = _digest_of(files)
        name = source.name if _NAME.match(source.name) else f"model-{mark[:8]}"
        for candidate in (name, f"{name[:90]}-{mark[:8]}"):
            there = self.directory / candidate
            if not there.exists():
                self._put(there, {**files, **_card(source)})
                return candidate
            if fingerprint(there) == mark:
                return candidate
        raise StoreError(f"{self.directory / name} is damaged; remove it and add the model again")

    def _put(self, there: Path, files: dict[str, bytes]) -> None:
        self.sweep()
        unfinished = self.directory / f"{_UNFINISHED}{there.name}-{os.getpid()}"
        try:
            for name, content in files.items():
                path = unfinished / name
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, content, durable=True)
                _sync(path.parent)
            _sync(unfinished)
            unfinished.rename(there)
            _sync(self.directory)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise StoreError(
                f"cannot copy the model to {there}: {error.strerror}; make room, or make it"
                " writable"
            ) from error

    def sweep(self) -> None:
        """Remove what an installation has left behind that was cut off; its process is gone."""
        for entry in self.directory.glob(f"{_UNFINISHED}*"):
            pid = entry.name.rpartition("-")[2]
            if not Path("/proc", pid).exists():
                shutil.rmtree(entry, ignore_errors=True)


# ----- Fingerprints ----------------------------------------------------------------------------


def fingerprint(directory: Path) -> str:
    """SHA-256, in hex, over the files of a model as they really are; empty if nobody can tell.

    Not the digest of the weights in its manifest: a damaged copy is denied under its own
    fingerprint, and the sound one is another model.
    """
    path = directory / MANIFEST_FILE
    if not path.is_file():
        return ""
    try:
        digests = {MANIFEST_FILE: _digest_of_file(path)}
        try:
            manifest = load_manifest(directory)
        except ModelError:
            return _combined(digests)  # where its manifest is none, that alone
        for name in (manifest.weights.file, *(golden.file for golden in manifest.golden)):
            if (directory / name).is_file():
                digests[name] = _digest_of_file(directory / name)
    except OSError:
        return ""
    return _combined(digests)


def _digest_of_file(path: Path) -> bytes:
    """Of a file of any size: whoever asks may be busy deciding."""
    digest = hashlib.sha256()
    if path.stat().st_size > _FILE_BYTES_MAX:
        return hashlib.sha256(f"{path.stat().st_size} bytes".encode()).digest()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _digest_of(files: dict[str, bytes]) -> str:
    return _combined({name: hashlib.sha256(content).digest() for name, content in files.items()})


def _combined(digests: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(digests):
        digest.update(name.encode() + b"\0" + digests[name])
    return digest.hexdigest()


def _verified_files(directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a model, each as its manifest describes it."""
    manifest = load_manifest(directory)
    yield MANIFEST_FILE, (directory / MANIFEST_FILE).read_bytes()
    yield manifest.weights.file, read_weights(directory, manifest)
    for golden in manifest.golden:
        yield golden.file, read_golden(directory, golden)


def _card(directory: Path) -> dict[str, bytes]:
    """Words about a model, which change nothing about it: no part of its fingerprint."""
    name = load_manifest(directory).card
    path = directory / name if name is not None else None
    if name is None or path is None or not path.is_file():
        return {}
    return {name: path.read_bytes()} if path.stat().st_size <= _CARD_BYTES_MAX else {}


# ----- Files -----------------------------------------------------------------------------------


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _rename(path: Path, to: Path) -> None:
    try:
        path.replace(to)
    except OSError:
        pass  # it stays, and is put aside again by the next one that reads it
