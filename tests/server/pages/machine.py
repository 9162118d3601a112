"""A machine's side of the conversation, as short as it can be: to have something to look at."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocol.platform import ROOT
from protocol.platform.identity import enrolment_bytes, token_bytes


def _client(url: str) -> httpx.Client:
    """A client that leaves no connection open behind a test."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, trust_env=False, limits=limits)


class Operator:
    """Asks the fleet API."""

    def __init__(self, url: str, token: str) -> None:
        self.http = _client(url + ROOT)
        self.http.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, f"/fleet{path}", json=body or None)
        answer.raise_for_status()
        return answer.json()["data"] if answer.content else None


class Machine:
    """Enrolled, born, with a token.

    Attributes:
        welcome: the platform's answer to its birth.
    """

    def __init__(self, operator: Operator, hardware_id: str, name: str, now_s: float) -> None:
        self.http = _client(str(operator.http.base_url))
        self.now_s = now_s
        self.rvm_id = self._enrol(operator, hardware_id, name)
        birth = {
            "boot_id": "boot-1",
            "epoch": 3,
            "at": now_s,
            "versions": {"rvm-edge": "0.1.0", "python": "3.11.7", "model": "shipped"},
            "capabilities": ["camera", "scale"],
            "actors": ["/daemon", "/machine/deposit"],
        }
        self.welcome = self.say("POST", "/edge/births", birth)

    def say(self, method: str, path: str, body: Any) -> Any:
        answer = self.http.request(method, path, content=msgspec.json.encode(body))
        assert answer.status_code < 300, answer.text
        return answer.json()["data"] if answer.content else None

    def beat(self, **more: Any) -> None:
        beat = {"epoch": 3, "seq": 1, "at": self.now_s, "uptime_s": 60.0}
        self.say("POST", "/edge/heartbeats", {**beat, **more})

    def stand(self, status: str, **more: Any) -> None:
        self.say("PUT", "/edge/status", {"status": status, "at": self.now_s, **more})

    def deposit(self, key: str, state: str = "credited", **more: Any) -> None:
        item = {
            "key": key,
            "state": state,
            "session_token": "s-1",
            "waste_type": "pet_bottle",
            "at": self.now_s - 30,
            "ai_confidence": 0.93,
        }
        self.say("POST", "/deposits", {**item, **more})

    def send_picture(self, key: str, body: bytes) -> None:
        about = {
            "key": key,
            "name": f"{key}.png",
            "content_type": "image/png",
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "timestamp": "2026-01-01T00:00:00Z",
        }
        form = {"metadata": msgspec.json.encode(about).decode()}
        answer = self.http.post("/files", data=form, files={"file": (f"{key}.png", body)})
        assert answer.status_code < 300, answer.text

    def happen(self, kind: str, **fields: Any) -> None:
        event = {"key": f"{kind}-1", "kind": kind, "at": self.now_s - 90, "fields": fields}
        self.say("POST", "/edge/events", {"items": [event]})

    def measure(self, minutes_ago: float, **values: float | None) -> None:
        at = self.now_s - 60 * minutes_ago
        sample = {"at": at, "monotonic_s": 1.0, "values": values, "historical": True}
        self.say("POST", "/edge/telemetry", {"key": f"t-{minutes_ago}", "samples": [sample]})

    def close(self, session: str, **more: Any) -> None:
        began = {"started_at": self.now_s - 90, "ended_at": self.now_s - 20}
        item = {"key": session, "kind": "guest", **began, "credited": 0, "refused": 0, **more}
        self.say("POST", "/edge/sessions", {"items": [item]})

    def orders(self) -> list[dict[str, Any]]:
        answer = self.http.get("/edge/commands", params={"after": 0})
        return list(answer.json()["data"]["commands"])

    def report(self, command: str, state: str, **more: Any) -> None:
        said = {"state": state, "at": self.now_s, **more}
        self.say("POST", f"/edge/commands/{command}/reports", said)

    def _enrol(self, operator: Operator, hardware_id: str, name: str) -> int:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
        token = operator.ask("POST", "/enrolment-tokens", hardware_id=hardware_id)["token"]
        who = {"hardware_id": hardware_id, "name": name, "public_key": public, "token": token}
        proof = key.sign(enrolment_bytes(hardware_id, public, token)).hex()
        rvm_id = self.say("POST", "/edge/enrolments", {**who, "signature": proof})["rvm_id"]
        asked = self.say("POST", "/edge/challenges", {"hardware_id": hardware_id})
        proof = key.sign(token_bytes(hardware_id, asked["challenge"])).hex()
        proven = {"hardware_id": hardware_id, "challenge": asked["challenge"], "signature": proof}
        bearer = self.say("POST", "/edge/tokens", proven)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {bearer}"
        return int(rvm_id)
