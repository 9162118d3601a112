"""Bad behaviour on demand, for tests of whoever talks to a platform.

    PUT    /api/v1/faults  {"kind": "500", "path": "/api/v1/deposits", "count": 3}
    DELETE /api/v1/faults  all is well again

Only there with RVM_SERVER_FAULTS=1, and open to anybody then: never on a platform that counts.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from msgspec import Meta, Struct
from starlette.types import Message, Receive, Scope, Send

from protocol.platform import ROOT
from server.http.answers import nothing
from server.http.bodies import says
from server.http.problems import MESSAGES
from server.services import Here

PATH = f"{ROOT}/faults"
_CHUNK = b" " * 65536

Kind = Literal[
    "500", "502", "503", "429", "html", "slow", "huge", "drop", "drop_after_commit", "redeliver"
]


class Fault(Struct, frozen=True):
    """Do this to requests.

    Attributes:
        kind: a status; ``html``: 200 with a page, as a captive portal; ``slow``: answer after
            `wait_s`; ``huge``: 200 with `bytes` of JSON that never ends; ``drop``: end the
            connection before anything is done; ``drop_after_commit``: behind it;
            ``redeliver``: every command again at every question, until the faults are deleted.
        path: where the request's path has to begin.
        count: so many times.
        wait_s: also the Retry-After of 429 and 503.
    """

    kind: Kind
    path: str = ROOT
    method: str = ""
    count: Annotated[int, Meta(ge=1)] = 1
    wait_s: Annotated[float, Meta(ge=0, le=600)] = 1.0
    bytes: Annotated[int, Meta(ge=0)] = 1 << 30


class Faulty(FastAPI):
    """A platform that does not always do what it should."""

    def __init__(self, **options: Any) -> None:
        """All is well at first."""
        super().__init__(**options)
        self._faults: list[Fault] = []
        self.include_router(router)

    def add_fault(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear_faults(self) -> None:
        self._faults.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._take(scope) if scope["type"] == "http" else None
        if fault is None:
            await super().__call__(scope, receive, send)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.wait_s)
            await super().__call__(scope, receive, send)
        elif fault.kind == "drop":
            _drop(send)
        elif fault.kind == "drop_after_commit":
            await super().__call__(scope, receive, _unheard)
            _drop(send)
        else:
            await _misbehave(fault, send)

    def _take(self, scope: Scope) -> Fault | None:
        if scope["path"] == PATH:
            return None
        for index, fault in enumerate(self._faults):
            if scope["path"].startswith(fault.path) and fault.method in {"", scope["method"]}:
                left = fault.count - 1
                self._faults[index : index + 1] = (
                    [msgspec.structs.replace(fault, count=left)] if left else []
                )
                return fault
        return None


router = APIRouter(include_in_schema=False)


@router.put(PATH)
async def add_fault(request: Request, here: Here, fault: Annotated[Fault, says(Fault)]) -> Response:
    """Misbehave."""
    if fault.kind == "redeliver":
        here.redelivers = True
    else:
        request.app.add_fault(fault)
    return nothing()


@router.delete(PATH)
async def clear_faults(request: Request, here: Here) -> Response:
    """Behave."""
    here.redelivers = False
    request.app.clear_faults()
    return nothing()


async def _unheard(message: Message) -> None:
    """Whatever the platform answers."""


def _drop(send: Send) -> None:
    """End the connection as a network does: uvicorn's transport is behind its `send`."""
    cycle = getattr(send, "__self__", None)
    if cycle is None:  # not uvicorn: an exception is the nearest
        raise ConnectionAbortedError
    cycle.transport.abort()
    cycle.response_complete = True  # so that nothing else is sent in our place


async def _misbehave(fault: Fault, send: Send) -> None:
    status, headers, chunks = _answer(fault)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    for index, chunk in enumerate(chunks, 1):
        is_last = index == len(chunks)
        await send({"type": "http.response.body", "body": chunk, "more_body": not is_last})


def _answer(fault: Fault) -> tuple[int, list[tuple[bytes, bytes]], list[bytes]]:
    json = (b"content-type", b"application/json")
    if fault.kind == "html":
        page = b"<!doctype html><title>Welcome</title><p>Please sign in to use this network."
        return 200, [(b"content-type", b"text/html; charset=utf-8")], [page]
    if fault.kind == "huge":
        whole, rest = divmod(fault.bytes, len(_CHUNK))
        return 200, [json], [b'{"data": "', *[_CHUNK] * whole, _CHUNK[:rest]]
    status = int(fault.kind)
    message = MESSAGES.get(status, ("Bad Gateway", ""))[0]
    wait = (b"retry-after", str(max(1, round(fault.wait_s))).encode())
    return status, [json, wait], [msgspec.json.encode({"message": message})]
