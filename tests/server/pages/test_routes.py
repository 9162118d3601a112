import asyncio
import re
from importlib.resources import files

import httpx
import pytest

pytest.importorskip("fastapi", reason="needs the extra [server]")

from fastapi import FastAPI

from server.pages.routes import page_routes

STATIC = files("server.pages") / "static"


class Client:
    """Asks the routes without a network."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.app.include_router(page_routes())

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                return await http.get(path, headers=headers)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def client():
    return Client()


def test_everything_that_the_page_names_is_there(client):
    named = set(re.findall(r'(?:href|src)="(/fleet/[^"]+)"', client.get("/fleet").text))
    for module in [entry for entry in STATIC.iterdir() if entry.name.endswith(".js")]:
        text = module.read_text()
        named |= {f"/fleet/{name}" for name in re.findall(r'from "\./([^"]+)"', text)}
        named |= set(re.findall(r'"(/fleet/[^"]+)"', text))
    assert len(named) > 10
    assert {path: client.get(path).status_code for path in named} == dict.fromkeys(named, 200)


def test_the_policy_lets_no_foreign_and_no_inline_script_in(client):
    for path in ("/fleet", "/fleet/main.js", "/fleet/fleet.css"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    page = client.get("/fleet").text
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|javascript:", page)


def test_what_has_not_changed_is_not_sent_again(client):
    etag = client.get("/fleet/main.js").headers["etag"]
    again = client.get("/fleet/main.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["..%2froutes.py", "routes.py", "%2e%2e/live.py", "x" * 5000])
def test_nothing_else_is_served(client, name):
    assert client.get(f"/fleet/{name}").status_code == 404


def test_text_is_never_taken_for_markup():
    for module in [entry for entry in STATIC.iterdir() if entry.name.endswith(".js")]:
        text = module.read_text()
        assert not re.search(
            r"innerHTML\s*=[^=]|outerHTML|insertAdjacent|document\.write|eval\(", text
        )
