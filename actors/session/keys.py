"""The device key: 32 bytes that only this machine has, in a file of its own.

    keys/device.key             rvm-edge device key 1: <the key and a check sum, in base32>
    keys/device.key.damaged-1   what could not be read; kept, never overwritten

The file is made at the first start, readable by its owner only, all of it or nothing, and synced.
A damaged one is moved aside and a new one made: the machine goes on, its old claims stay as good
as they were, and status says that the platform needs the new public key.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from models.base32 import from_base32, to_base32
from models.claims import KEY_BYTES

_LEAD = "rvm-edge device key 1: "
_SUM_BYTES = 4
_FILE_BYTES_MAX = 4096


class KeyUnusable(Exception):
    """There is no key in that file; the message names it, and the cure."""


class DeviceKey(NamedTuple):
    """A machine's key.

    Attributes:
        key: the private half, never shown.
        damaged: earlier key files that could not be read, by name.
    """

    key: bytes
    damaged: tuple[str, ...] = ()


def device_key(file: Path) -> DeviceKey:
    """The machine's key; made if there is none, replaced if it is damaged.

    Raises:
        OSError: it can be neither read nor made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        key = read_key(file)
    except FileNotFoundError:
        key = _make(file)
    except KeyUnusable:
        _put_aside(file)
        key = _make(file)
    return DeviceKey(key, _damaged(file))


def read_key(file: Path) -> bytes:
    """The key in a file.

    Raises:
        FileNotFoundError: no such file.
        KeyUnusable: it holds no whole key.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(_FILE_BYTES_MAX)
    try:
        lead, key = content[: len(_LEAD)].decode("ascii"), content[len(_LEAD) :].decode("ascii")
        data = from_base32(key.strip())
    except ValueError:
        lead, data = "", b""
    key_bytes, check = data[:KEY_BYTES], data[KEY_BYTES:]
    if lead != _LEAD or len(key_bytes) != KEY_BYTES or check != _check_sum(key_bytes):
        msg = f"{file} is damaged and holds no key: put the machine's own back, or start it"
        raise KeyUnusable(msg)
    return key_bytes


def _make(file: Path) -> bytes:
    key = os.urandom(KEY_BYTES)
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "w", encoding="ascii") as new:
        new.write(f"{_LEAD}{to_base32(key + _check_sum(key))}\n")
        new.flush()
        os.fsync(new.fileno())
    beside.replace(file)
    _sync(file.parent)
    _sync(file.parent.parent)
    return key


def _put_aside(file: Path) -> None:
    """Under a name that is free; `link` never overwrites, as `rename` would."""
    number = 1
    while True:
        try:
            os.link(file, file.with_name(f"{file.name}.damaged-{number}"))
        except FileExistsError:
            number += 1
        else:
            break
    file.unlink()
    _sync(file.parent)


def _damaged(file: Path) -> tuple[str, ...]:
    return tuple(sorted(found.name for found in file.parent.glob(f"{file.name}.damaged-*")))


def _check_sum(key: bytes) -> bytes:
    return hashlib.sha256(_LEAD.encode() + key).digest()[:_SUM_BYTES]


def _sync(directory: Path) -> None:
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
