"""docs/platform-contract.md, the structs and the OpenAPI document say the same."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import msgspec
import pytest

import protocol.platform
from protocol.platform import ROOT
from server.app import create_app
from server.examples import EXAMPLES
from server.settings import Settings

PAGE = Path(__file__).parents[2] / "docs/platform-contract.md"
KINDS = {kind.__name__: kind for kind in EXAMPLES}

# ``machine ── POST /edge/births  Birth ▶ Welcome``; of files and uploads the word is `form:`.
SAID = re.compile(r"^\w+ +── +(GET|POST|PUT|PATCH|HEAD|DELETE) +(/[^\s,?]*)", re.MULTILINE)


def openapi() -> dict:
    return create_app(Settings(data_dir=Path("/nowhere"))).openapi()


def blocks() -> list[tuple[str, str]]:
    if not PAGE.exists():
        pytest.skip("the installed wheel is tested, without the checkout")
    return re.findall(r"```json (\w+)\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_example_of_the_page_decodes_into_its_struct_and_nothing_is_left_over():
    for name, text in blocks():
        value = msgspec.json.decode(text.encode(), type=KINDS[name])
        assert msgspec.json.decode(text) == msgspec.json.decode(msgspec.json.encode(value)), name
        assert value == EXAMPLES[KINDS[name]], name


def test_the_page_shows_every_payload_once():
    assert sorted(name for name, _ in blocks()) == sorted(KINDS)


def test_every_path_that_the_words_name_is_an_endpoint():
    document = openapi()
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, operations in document["paths"].items()
        for method in operations
    }
    said = set()
    for module in pkgutil.iter_modules(protocol.platform.__path__, "protocol.platform."):
        words = importlib.import_module(module.name).__doc__ or ""
        said |= {
            (method, ROOT + re.sub(r"\{\w+\}", "{}", path)) for method, path in SAID.findall(words)
        }
    assert len(said) > 20
    assert said - known == set()


def test_every_reference_of_the_document_leads_somewhere():
    document = openapi()
    wanted = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert wanted - set(document["components"]["schemas"]) == set()
    assert set(KINDS) <= set(document["components"]["schemas"])


def test_every_failure_is_described_with_one_shape():
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            codes = {int(code) for code in operation["responses"] if code.isdigit()}
            assert any(code < 300 for code in codes), (method, path)
            if "/up" not in path:
                assert 401 in codes, (method, path)


def test_every_endpoint_has_a_sentence():
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
