"""Which camera the words in ``camera.source`` mean."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING

from actors.drivers.cameras.live import LiveSource
from actors.drivers.pictures import SourceMissing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.drivers.cameras.live import Stream
    from config.settings import CameraSettings
    from supervisors.clock import Clock

_CAMERA = re.compile(r"(v4l2|gst|pipe):.|(rtsps?|https?)://.|/dev/video[0-9]+\Z")


def is_camera(source: str) -> bool:
    """Whether these words mean a camera, and no file."""
    return _CAMERA.match(source) is not None


def open_camera(source: str, limits: CameraSettings, clock: Clock | None = None) -> LiveSource:
    """A camera as a source of frames; nothing is opened yet.

    Raises:
        SourceMissing: these words mean no camera.
    """
    scheme, _, rest = source.partition(":")
    if scheme == "v4l2" or source.startswith("/dev/video"):
        return _v4l2(source, limits, clock)
    if scheme == "gst":
        return _gst(rest, limits, clock)
    if scheme == "pipe":
        return _pipe(rest, limits, clock)
    if is_camera(source):
        return _network(source, limits, clock)
    raise SourceMissing(f"{source} is no camera; docs/camera.md lists what camera.source takes")


def _v4l2(source: str, limits: CameraSettings, clock: Clock | None) -> LiveSource:
    from actors.drivers.cameras.v4l2 import find_node, open_v4l2

    name = source.removeprefix("v4l2:")
    return LiveSource(
        f"V4L2 {name}", partial(find_node, name), partial(open_v4l2, limits=limits), limits, clock
    )


def _network(address: str, limits: CameraSettings, clock: Clock | None) -> LiveSource:
    from actors.drivers.cameras.network import open_network, without_secrets

    shown = without_secrets(address)
    return LiveSource(
        shown,
        lambda: shown,
        lambda _: open_network(address, limits),
        limits,
        clock,
        is_coded=True,
    )


def _gst(pipeline: str, limits: CameraSettings, clock: Clock | None) -> LiveSource:
    from actors.drivers.cameras.pipe import gst_command

    return _command(f"GStreamer {pipeline}", gst_command(pipeline, limits), limits, clock)


def _pipe(words: str, limits: CameraSettings, clock: Clock | None) -> LiveSource:
    try:
        command = shlex.split(words)
    except ValueError as error:
        raise SourceMissing(f"pipe:{words} cannot be read: {error}; check its quotes") from error
    return _command(f"command {words}", command, limits, clock)


def _command(
    name: str, command: Sequence[str], limits: CameraSettings, clock: Clock | None
) -> LiveSource:
    from actors.drivers.cameras.pipe import PipeStream, find_command

    def connect(_: str) -> Stream:
        return PipeStream(command, limits)

    return LiveSource(name, partial(find_command, command), connect, limits, clock)
