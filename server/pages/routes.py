"""The page's files."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_HEADERS = {
    # No script but ours, none inline, and nobody to talk to but this platform. blob: is a machine's
    # picture, which is fetched with the token and so cannot be an address.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # ask whether it is still the same
}


class _File(NamedTuple):
    body: bytes
    kind: str
    etag: str


def page_routes() -> APIRouter:
    """``/fleet`` and what belongs to it; read once, when the platform starts."""
    routes = APIRouter(include_in_schema=False)
    folder = (files(__package__) / "static").iterdir()
    known = {
        entry.name: _read(entry.name, entry.read_bytes())
        for entry in folder
        if _suffix(entry.name) in _KINDS
    }

    @routes.get("/fleet")
    async def page(request: Request) -> Response:
        return _answer(request, known["fleet.html"])

    @routes.get("/fleet/{name}")
    async def part(request: Request, name: str) -> Response:
        found = known.get(name)
        return Response(status_code=404) if found is None else _answer(request, found)

    return routes


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


def _read(name: str, body: bytes) -> _File:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return _File(body, _KINDS[_suffix(name)], etag)


def _answer(request: Request, found: _File) -> Response:
    headers = {**_HEADERS, "ETag": found.etag}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.kind)
