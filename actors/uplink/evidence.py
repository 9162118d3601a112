"""The files behind one decision, as records of the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from models.uplink.evidence import TYPES, metadata_of
from models.uplink.uploads import KIND, WaitingFile
from protocol.platform.media import FILE_BYTES_MAX
from protocol.storage import DepositRecord, PutOutbox


def files_of(record: DepositRecord, directory: Path) -> Iterator[PutOutbox]:
    """What is there of a deposit: first the words, which are small, then the pictures.

    Raises:
        OSError: it cannot be read, or the quota has thrown it out already.
    """
    order = list(TYPES)
    found = [path for path in directory.iterdir() if path.suffix in TYPES and path.name[0] != "."]
    for path in sorted(found, key=lambda one: (-order.index(one.suffix), one.name)):
        with path.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            continue  # no camera makes such a picture
        digest = hashlib.sha256(content).hexdigest()
        metadata = metadata_of(record, path.name, TYPES[path.suffix], len(content), digest)
        body = msgspec.msgpack.encode(WaitingFile(str(path), metadata))
        yield PutOutbox("media", metadata.key, KIND, body)
