"""This machine as a processing engine: what is measured of it, and nothing that is only wished."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Literal

from msgspec.structs import replace

from config.settings import InferenceSettings, UplinkSettings
from models.uplink.payloads import model_name
from protocol.platform.reports import Engine
from protocol.vision import ModelInUse

_MB_PER_GB = 1024.0
_FAR_AWAY = ("192.0.2.1", 9)
"""Of a network that is nobody's (RFC 5737): what asks for the way there sends nothing."""


def describe_engine(
    model: ModelInUse | None,
    known: Engine | None,
    inference: InferenceSettings,
    hardware_id: str,
    limits: UplinkSettings,
) -> Engine | None:
    """The engine as it is now.

    Args:
        model: what inference says of itself; None: it does not answer.
        known: as it was last seen.

    Returns:
        None: nothing is known of it, and never was.
    """
    if model is None:
        return None if known is None else replace(known, is_active=False)
    return Engine(
        name=hardware_id,
        type=_type(model.backend),
        server_address=own_address(),
        port=limits.engine_port,
        gpu_memory_limit=round(inference.memory_mb_max / _MB_PER_GB, 2),
        model_path=model_name(model.model, model.model_sha256),
        processing_timeout=inference.deadline_s,
        auto_failover=True,
        is_active=True,
    )


def own_address() -> str:
    """The address from which this machine reaches others; its own loop if it reaches none."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as way:
        try:
            way.connect(_FAR_AWAY)
            address: str = way.getsockname()[0]
        except OSError:
            return "127.0.0.1"
    return address


def _type(backend: str) -> Literal["nvidia_cuda", "tensorrt", "cpu"]:
    name = backend.lower()
    if "tensorrt" in name:
        return "tensorrt"
    return "nvidia_cuda" if "cuda" in name else "cpu"
