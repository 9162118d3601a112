"""Successes: ``{"success": true, "data": …}``."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from protocol.platform.identity import Answer

JSON = "application/json"


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Say this."""
    body = msgspec.json.encode(Answer(data))
    return Response(body, status, headers=headers, media_type=JSON)


def nothing(headers: dict[str, str] | None = None) -> Response:
    """204: taken, and nothing to say."""
    return Response(status_code=204, headers=headers)
