"""The form of ``/broadcasting/auth``: which socket wants to listen to which channel."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

_SOCKET_ID = re.compile(r"\d{1,20}\.\d{1,20}", re.ASCII)


class Wish(NamedTuple):
    """A socket that wants to subscribe."""

    socket_id: str
    channel: str


def read_form(body: bytes) -> Wish | None:
    """The form's fields; None if it is not this form.

    A socket id is digits and a dot, whoever has made it. What else it contained would be signed
    as well: a colon would let a signature for one channel pass for another.
    """
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
    except ValueError:
        return None
    socket_id, channel = (fields.get(name, [""])[0] for name in ("socket_id", "channel_name"))
    if not _SOCKET_ID.fullmatch(socket_id) or not channel:
        return None
    return Wish(socket_id, channel)
