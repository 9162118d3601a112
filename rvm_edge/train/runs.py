"""A training run's folder: what it trains, on what, and how; written once, checked ever after."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

RUN_FILE = "run.json"
Network: TypeAlias = Literal["centre", "yolo26n", "yolo11n"]
NETWORKS: tuple[Network, ...] = ("centre", "yolo26n", "yolo11n")


class RunInvalid(Exception):
    """The folder holds no run, or another one; the message names the cure."""


class RunAbout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run is.

    Attributes:
        sources: folders of the pictures, absolute: rendered for `centre`, one developed for YOLO.
        epochs: passes over the pictures (YOLO); `steps`: batches in all (centre).
        variants: how often each rendered picture is developed (centre).
        rate: of learning, at its highest (centre).
        start: the run whose weights it learns on from, as they were when it began (centre).
    """

    network: Network
    sources: tuple[str, ...]
    width_px: int
    height_px: int
    batch: int
    seed: int
    steps: int = 0
    variants: int = 0
    epochs: int = 0
    rate: float = 0.0
    start: str = ""
    start_sha256: str = ""


def claim(path: Path, about: RunAbout) -> None:
    """Make the folder this run's, or go on with it if it is.

    Raises:
        RunInvalid: it holds another run.
    """
    path.mkdir(parents=True, exist_ok=True)
    if (path / RUN_FILE).exists():
        was = read(path)
        if was != about:
            raise RunInvalid(f"{path} holds {was}, wanted {about}; name another folder")
        return
    part = path / f".{RUN_FILE}.{os.getpid()}"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(about)))
    part.replace(path / RUN_FILE)


def read(path: Path) -> RunAbout:
    """Read what a run is.

    Raises:
        RunInvalid: the folder holds none.
    """
    try:
        return msgspec.json.decode((path / RUN_FILE).read_bytes(), type=RunAbout)
    except (OSError, msgspec.DecodeError) as error:
        raise RunInvalid(f"{path} holds no training run; begin one with bin/train fit") from error
