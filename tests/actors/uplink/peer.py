"""A small platform on loopback, in a thread of its own, that can be told to misbehave."""

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.platform import ROOT
from protocol.platform.identity import enrolment_bytes, token_bytes

CHALLENGE = "a-challenge-of-some-length"
Handler = Callable[["Seen"], Any]


@dataclass
class Seen:
    """One request, with its body read."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Platform:
    """What it knows, what it was asked, and how it answers.

    `answers` takes a path below ROOT and gives a status, `(status, data)`, an aiohttp response, or
    a coroutine of one; what is not in it is answered with 200 and nothing.
    """

    port: int = 0
    enrolment_token: str = "enrol-me-once-and-for-all"
    public_key: str = ""
    is_token_used: bool = False
    tokens: list[str] = field(default_factory=list)
    is_token_good: Callable[[str], bool] = lambda _token: True
    expires_in_s: float = 3600.0
    welcome: dict[str, Any] = field(default_factory=lambda: {"rvm_id": 7, "server_time": 0.0})
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, Handler] = field(default_factory=dict)
    up: Handler = lambda _seen: (200, {"status": "up"})
    everything: Handler | None = None
    scheme: str = "http"
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in list(self.seen) if seen.path == ROOT + path]

    # -- the conversation of identity -------------------------------------------------------------

    def enrolments(self, seen: Seen) -> Any:
        asked = seen.json
        if asked["token"] != self.enrolment_token or (
            self.is_token_used and asked["public_key"] != self.public_key
        ):
            problem = {"message": "This token is not good.", "code": "token_unknown"}
            return web.json_response(problem, status=422)
        signed = enrolment_bytes(asked["hardware_id"], asked["public_key"], asked["token"])
        if not is_signed(asked["public_key"], asked["signature"], signed):
            return web.json_response({"message": "bad signature"}, status=422)
        self.public_key, self.is_token_used = asked["public_key"], True
        return 201, {"rvm_id": 7, "hardware_id": asked["hardware_id"]}

    def challenges(self, seen: Seen) -> Any:
        return 200, {"challenge": CHALLENGE, "expires_in_s": 60.0}

    def tokens_(self, seen: Seen) -> Any:
        asked = seen.json
        signed = token_bytes(asked["hardware_id"], asked["challenge"])
        if not self.public_key or not is_signed(self.public_key, asked["signature"], signed):
            problem = {"message": "Unauthenticated.", "code": "unauthenticated"}
            return web.json_response(problem, status=401)
        token = f"token-number-{len(self.tokens):08d}"
        self.tokens.append(token)
        return 200, {"access_token": token, "expires_in_s": self.expires_in_s}

    # -- answering --------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.StreamResponse:
        with contextlib.suppress(ConnectionError):
            body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        seen = Seen(request.method, request.path, request.query_string, headers, body)
        self.seen.append(seen)
        handler = self.everything or self._handler(seen)
        said = handler(seen)
        if isinstance(said, Awaitable):
            said = await said
        if isinstance(said, web.StreamResponse):
            return said
        status, data = said if isinstance(said, tuple) else (said, None)
        if status >= 400:
            return web.json_response(data or {"message": f"status {status}"}, status=status)
        return web.json_response({"success": True, "data": data}, status=status)

    def _handler(self, seen: Seen) -> Handler:
        if seen.path == "/up":
            return self.up
        path = seen.path.removeprefix(ROOT)
        known = {
            "/edge/enrolments": self.enrolments,
            "/edge/challenges": self.challenges,
            "/edge/tokens": self.tokens_,
        }
        if path in known and path not in self.answers:
            return known[path]
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.is_token_good(token):
            return lambda _seen: (401, {"message": "Unauthenticated."})
        if path == "/edge/births" and path not in self.answers:
            return lambda _seen: (200, self.welcome)
        return self.answers.get(path, lambda _seen: (200, {}))


def is_signed(public: str, signature: str, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature), content
        )
    except InvalidSignature:
        return False
    return True


@contextmanager
def serving(platform: Platform, context: ssl.SSLContext | None = None) -> Iterator[Platform]:
    """Let it listen; on the same port as before, if it did."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="platform", daemon=True)
    thread.start()

    async def begin() -> web.AppRunner:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{any:.*}", platform.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, platform.host, platform.port, ssl_context=context)
        await site.start()
        platform.port = site._server.sockets[0].getsockname()[1]
        platform.scheme = "https" if context else "http"
        return runner

    async def end(runner: web.AppRunner) -> None:
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    runner = do(begin())
    try:
        yield platform
    finally:
        do(end(runner))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
