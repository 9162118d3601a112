"""A platform in this process, asked over ASGI, and machines that know their keys."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from protocol.platform import ROOT
from protocol.platform.identity import enrolment_bytes, token_bytes
from server.app import create_app
from server.settings import Settings, database_url
from tests.server.described import Described

OPERATOR_TOKEN = "an operator's token of some length"
START_S = 1_795_264_200.0

T = TypeVar("T")


def settings_for(folder: Path, url: str = "", **changes: Any) -> Settings:
    changes = {"operator_token": OPERATOR_TOKEN, "session_wait_s": 5.0, **changes}
    return Settings(data_dir=folder, database_url=url or database_url("", folder), **changes)


class Time:
    """Stands until a test moves it."""

    def __init__(self) -> None:
        self.now_s = START_S

    def wall_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


class Rings:
    """A bell that writes down what it rang."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, dict[str, Any]]] = []

    async def ring(self, channel: str, event: str, data: dict[str, Any]) -> None:
        self.heard.append((channel, event, data))


class Platform:
    """Started; `close` ends it. What it is asked runs on an event loop of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.time, self.bell = Time(), Rings()
        self.tokens_shown: list[str] = []
        self.app = create_app(
            settings,
            clock=self.time,
            bell=self.bell,
            on_operator_token=self.tokens_shown.append,
        )
        self._loop = asyncio.new_event_loop()
        self._life = self.app.router.lifespan_context(self.app)
        self.run(self._life.__aenter__())
        transport = httpx.ASGITransport(self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://platform")
        self.described = Described(self.app.openapi())
        self.operator = Asker(self, OPERATOR_TOKEN)

    def close(self) -> None:
        self.run(self.http.aclose())
        self.run(self._life.__aexit__(None, None, None))
        self.run(self._loop.shutdown_default_executor())
        self._loop.close()

    def run(self, what: Awaitable[T]) -> T:
        return self._loop.run_until_complete(what)

    def together(self, *requests: Awaitable[T]) -> list[T]:
        async def gather() -> list[T]:
            return list(await asyncio.gather(*requests))

        return self.run(gather())

    def read(self, statement: Any) -> list[Any]:
        """Look into the database."""

        async def read() -> list[Any]:
            async with self.app.state.services.database.read() as connection:
                return list((await connection.execute(statement)).all())

        return self.run(read())

    def machine(self, hardware_id: str = "rvm-1") -> Machine:
        """Enrolled, with a token."""
        machine = Machine(self, hardware_id=hardware_id)
        assert machine.enrol(self.enrolment_token(hardware_id)).status_code == 201
        machine.sign_in()
        return machine

    def enrolment_token(self, hardware_id: str = "", **more: Any) -> str:
        said = {"hardware_id": hardware_id, **more}
        return self.operator.post("/fleet/enrolment-tokens", said).json()["data"]["token"]

    def user(self, name: str = "Sari") -> Asker:
        made = self.operator.post("/fleet/users", {"name": name}).json()["data"]
        return Asker(self, made["token"], made["reference"])


@dataclass
class Asker:
    """Somebody with a token."""

    platform: Platform
    token: str = ""
    reference: str = ""

    def request(self, method: str, path: str, **more: Any) -> Awaitable[httpx.Response]:
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        address = path[1:] if path.startswith("//") else f"{ROOT}{path}"
        return self._told(self.platform.http.request(method, address, headers=headers, **more))

    async def _told(self, asked: Awaitable[httpx.Response]) -> httpx.Response:
        answer = await asked
        if self.platform.described is not None:
            self.platform.described.check(answer)
        return answer

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.platform.run(self.sending(method, path, body, **more))

    def sending(
        self, method: str, path: str, body: Any = None, **more: Any
    ) -> Awaitable[httpx.Response]:
        content = None if body is None else msgspec.json.encode(body)
        return self.request(method, path, content=content, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.ask("POST", path, body, **more)

    def put(self, path: str, body: Any = None) -> httpx.Response:
        return self.ask("PUT", path, body)


@dataclass
class Machine(Asker):
    """Somebody with a key."""

    hardware_id: str = "rvm-1"
    key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes_raw().hex()

    @property
    def rvm_id(self) -> int:
        for one in self.platform.operator.get("/fleet/machines").json()["data"]["machines"]:
            if one["hardware_id"] == self.hardware_id:
                return one["rvm_id"]
        raise LookupError(self.hardware_id)

    def enrolment(self, token: str) -> dict[str, Any]:
        message = enrolment_bytes(self.hardware_id, self.public_key, token)
        return {
            "token": token,
            "hardware_id": self.hardware_id,
            "public_key": self.public_key,
            "signature": self.key.sign(message).hex(),
        }

    def enrol(self, token: str) -> httpx.Response:
        return self.post("/edge/enrolments", self.enrolment(token))

    def challenge(self) -> str:
        said = {"hardware_id": self.hardware_id}
        return self.post("/edge/challenges", said).json()["data"]["challenge"]

    def prove(self, challenge: str) -> httpx.Response:
        signature = self.key.sign(token_bytes(self.hardware_id, challenge)).hex()
        return self.post(
            "/edge/tokens",
            {"hardware_id": self.hardware_id, "challenge": challenge, "signature": signature},
        )

    def sign_in(self) -> None:
        self.token = self.prove(self.challenge()).json()["data"]["access_token"]

    def deposit(self, number: int = 1, **changes: Any) -> dict[str, Any]:
        return {
            "key": f"{self.hardware_id}-1-{number}",
            "state": "credited",
            "session_token": f"{self.hardware_id}-s-1-1",
            "waste_type": "mineral",
            "at": START_S,
            "weight": 0.024,
            "ai_confidence": 0.95,
            **changes,
        }

    def sends_report(self, command_id: str, state: str, **more: Any) -> httpx.Response:
        said = {"state": state, "at": START_S, **more}
        return self.post(f"/edge/commands/{command_id}/reports", said)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


Start = Callable[..., Platform]
