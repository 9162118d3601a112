"""Batches: every item for itself, so that one that is bad stops no other."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Request

from protocol.platform.reports import BATCH_ITEMS_MAX, Result
from server.http.bodies import decoded, read_body
from server.http.problems import Refused

Item = TypeVar("Item", bound=msgspec.Struct)

_LENGTH = msgspec.Meta(min_length=1, max_length=BATCH_ITEMS_MAX)


class _Items(msgspec.Struct):
    items: Annotated[list[msgspec.Raw], _LENGTH]


class _Key(msgspec.Struct):
    key: str = ""


_batch = msgspec.json.Decoder(_Items)
_key = msgspec.json.Decoder(_Key)


def says_items(kind: type[Item]) -> Any:
    """A dependency of a route: the items of a batch; in place of a bad one its refusal."""
    decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(kind)

    async def read(request: Request) -> list[Item | Result]:
        raw = decoded(await read_body(request), _batch)
        return [_item(bytes(one), decoder) for one in raw.items]

    return Depends(read)


def _item(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoded(raw, decoder)
    except Refused as error:
        ((field, reasons), *_) = error.problem.errors.items()
        return Result(_key_of(raw), "refused", "validation", f"{field}: {reasons[0]}")


def _key_of(raw: bytes) -> str:
    try:
        return decoded(raw, _key).key
    except Refused:
        return ""  # the order of the results says which one it was
