"""How the empty chamber looked when it was clean, kept over restarts."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from models.vision.window import COLUMNS, ROWS, Reference

FILE = "reference.json"


def load_reference(home: str, source: str) -> Reference | None:
    """What was learned about this source; None: nothing, or it cannot be read any more.

    Args:
        home: directory of the camera; empty: nothing is kept.
        source: its name; another camera has another chamber.
    """
    if not home:
        return None
    try:
        found = msgspec.json.decode((Path(home) / FILE).read_bytes(), type=Reference)
    except (OSError, msgspec.MsgspecError):
        return None
    is_whole = len(found.cells) == COLUMNS * ROWS
    return found if is_whole and found.source == source else None


def save_reference(home: str, reference: Reference) -> None:
    """Keep it; the file is exchanged as a whole.

    Raises:
        OSError: the disk does not take it.
    """
    if not home:
        return
    directory = Path(home)
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f"{FILE}.new"
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(reference))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / FILE)
