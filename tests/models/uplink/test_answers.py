"""What an answer means, whoever gave it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.uplink.answers import WORDS_MAX, Read, Strange, read, words_of

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        (200, b'{"success": true, "data": {"a": 1}}', Read(200, b'{"a": 1}')),
        (201, b'{"data": null}', Read(201, b"null")),
        (200, b'{"status": "up"}', Read(200, b'{"status": "up"}')),
        (200, b" [1] ", Read(200, b" [1] ")),
        (204, b"", Read(204, b"")),
        (304, b"", Read(304, b"")),
        (422, b'{"message": "no"}', Read(422, b'{"message": "no"}')),
        (
            200,
            b'{"success": false, "message": "no"}',
            Read(422, b'{"success": false, "message": "no"}'),
        ),
    ],
)
def test_the_platforms_words(status, body, means):
    assert read(status, JSON, body) == means


@pytest.mark.parametrize("kind", ["application/problem+json", "APPLICATION/JSON"])
def test_kinds_of_json(kind):
    assert read(400, kind, b"{}") == Read(400, b"{}")


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", b"<html>"),
        (200, "", b"{}"),
        (404, "text/html", b"<html>"),
        (200, JSON, b"{"),
        (500, JSON, b"{"),
        (200, JSON, b"\xff"),
        (200, JSON, b"[" * 100_000),
        (301, JSON, b"{}"),
        (302, "text/html", b""),
    ],
)
def test_somebody_elses(status, kind, body):
    with pytest.raises(Strange):
        read(status, kind, body)


@pytest.mark.parametrize(
    "body",
    [b'{"data": {}}', b'{"success": true}', b'{"data": null}', b'{"auth": "key:0f"}'],
)
def test_in_an_envelope(body):
    assert read(200, JSON, body, in_envelope=True).status == 200


@pytest.mark.parametrize("body", [b"{}", b'{"status": "ok"}', b'{"results": []}', b"[]", b'"ok"'])
def test_who_says_ok_to_everything_is_not_the_platform(body):
    assert read(200, JSON, body).status == 200
    with pytest.raises(Strange):
        read(200, JSON, body, in_envelope=True)


def test_a_proxy_that_says_in_html_that_the_platform_is_not_there():
    assert read(502, "text/html", b"<html>") == Read(502, b"")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"message": "no", "code": "key_reused"}, "key_reused", "no"),
        (
            {"message": "wrong", "errors": {"weight": ["too heavy"]}},
            "422",
            "wrong (weight: too heavy)",
        ),
        ({"type": "https://x.example/p/quota", "title": "t", "detail": "d"}, "quota", "d"),
        ({}, "422", "HTTP 422"),
        ([], "422", "HTTP 422"),
        ({"message": 5, "errors": [1]}, "422", "HTTP 422"),
    ],
)
def test_the_words_of_a_failure(body, code, text):
    assert words_of(422, json.dumps(body).encode()) == (code, text)


@given(st.integers(100, 599), st.text(max_size=30), st.binary(max_size=60))
def test_anything_is_read_or_strange(status, kind, body):
    try:
        found = read(status, kind, body)
    except Strange:
        return
    assert found.body == b"" or json.loads(found.body) is not ...


FIELDS = st.sampled_from(["message", "code", "errors", "type", "detail", "x"])
BODIES = st.recursive(
    st.none() | st.text(max_size=20) | st.integers(),
    lambda kids: st.dictionaries(FIELDS, kids | st.lists(kids, max_size=2), max_size=4),
    max_leaves=8,
)


@given(BODIES)
@settings(max_examples=60)
def test_words_are_found_in_anything_and_are_short(body):
    words = words_of(500, json.dumps(body).encode())
    assert words.text
    assert len(words.text) <= WORDS_MAX


def test_one_thing_too_deep_in_a_page_does_not_spoil_the_page():
    deep = b"[" * 5000 + b"]" * 5000
    page = b'{"success": true, "data": {"commands": [' + deep + b', {"id": 1}], "last": 2}}'
    found = read(200, "application/json", page)
    assert found.status == 200
    assert found.body.startswith(b'{"commands": [[[')
    assert found.body.endswith(b'"last": 2}')
    refused = b'{"success": false, "data": ' + deep + b"}"
    assert read(200, "application/json", refused).status == 422
