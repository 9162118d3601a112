"""Kinds of channels. The name says everything: ``private-cache-rvm.1``."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME_CHARACTERS_MAX = 164
_NAME = re.compile(rf"[A-Za-z0-9_\-=@,.;]{{1,{NAME_CHARACTERS_MAX}}}")
_PRIVATE = ("private-", "presence-")
_CACHED = ("cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-")
# Encrypted channels are private ones whose data the server cannot read, so it relays no client
# event there: nobody could have encrypted it.
_RELAYING = ("private-", "presence-")
_ENCRYPTED = "private-encrypted-"


class Kind(NamedTuple):
    """What a channel does.

    Attributes:
        is_private: who subscribes shows a signature.
        is_presence: members know of each other.
        is_cached: who comes later is told the last event.
        is_relaying: clients may send events to each other.
    """

    is_private: bool
    is_presence: bool
    is_cached: bool
    is_relaying: bool


def is_channel_name(name: str) -> bool:
    """Is it one by Pusher's rules?"""
    return _NAME.fullmatch(name) is not None


def kind_of(name: str) -> Kind:
    """What kind of channel has this name?"""
    return Kind(
        is_private=name.startswith(_PRIVATE),
        is_presence=name.startswith("presence-"),
        is_cached=name.startswith(_CACHED),
        is_relaying=name.startswith(_RELAYING) and not name.startswith(_ENCRYPTED),
    )
