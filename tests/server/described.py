"""Is what a platform answers what its OpenAPI document says? Asked of the answers of all tests."""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec

from server.examples import EXAMPLES

KINDS = {kind.__name__: kind for kind in EXAMPLES}


class Described:
    """The document, to look answers up in."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._operations = [
            (method.upper(), _pattern(path), operation)
            for path, operations in sorted(document["paths"].items())
            for method, operation in operations.items()
        ]

    def check(self, answer: httpx.Response) -> None:
        """Of an endpoint that there is: its status is described, and so is what it says."""
        method, path = answer.request.method, answer.request.url.path
        for known, pattern, operation in self._operations:
            if known == method and pattern.fullmatch(path):
                responses = operation["responses"]
                assert str(answer.status_code) in responses, (method, path, answer.status_code)
                _check_body(responses[str(answer.status_code)], answer)
                return


def _pattern(path: str) -> re.Pattern[str]:
    last = r"/\{key\}$"  # a deposit's key may have a slash in it
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", re.sub(last, "/.+", path)))


def _check_body(described: dict[str, Any], answer: httpx.Response) -> None:
    schema = described.get("content", {}).get("application/json", {}).get("schema", {})
    data = schema.get("properties", {}).get("data", {})
    if "$ref" in data:
        kind = KINDS[data["$ref"].rpartition("/")[2]]
        msgspec.convert(msgspec.json.decode(answer.content)["data"], kind)
    elif "$ref" in schema and answer.request.method != "HEAD":
        name = schema["$ref"].rpartition("/")[2]
        msgspec.json.decode(answer.content, type=KINDS[name])
