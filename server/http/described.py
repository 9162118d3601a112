"""OpenAPI from the same structs that decode: what is described is what is accepted."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from protocol.platform.identity import Problem
from server.examples import EXAMPLES

_REF = "#/components/schemas/{name}"
_FAILURES = {
    401: "No token, or none that is good (any more).",
    403: "A token of somebody else's kind.",
    413: "The body is too large.",
    422: "A field is wrong; `errors` names it.",
    429: "Too often; `Retry-After` says when.",
    503: "In maintenance; `Retry-After` says when.",
}


def talk(
    hears: type[msgspec.Struct] | None = None,
    says: type[msgspec.Struct] | None = None,
    *,
    status: int = 200,
    form: dict[str, Any] | None = None,
    is_wrapped: bool = True,
    **more: str,
) -> dict[str, Any]:
    """What a route's decorator is given: its body, its answer and its failures.

    Args:
        hears: the body.
        says: what stands in `data`; None: 204.
        form: the schema's properties, if the body is a form.
        is_wrapped: the answer stands in `data`, as it does but where another protocol decides.
        more: other answers, by status: ``s409="the machine refuses"``; what is below 300 has the
            same body, 304 none.
    """
    ok = {"description": "Taken."} if says is None else _success(says, is_wrapped=is_wrapped)
    others = {**_FAILURES, **{int(key[1:]): text for key, text in more.items()}}
    described: dict[str, Any] = {
        "status_code": status if says is not None else 204,
        "responses": {
            (status if says is not None else 204): ok,
            **{code: _other(code, text, ok) for code, text in others.items()},
        },
    }
    if hears is not None:
        described["openapi_extra"] = {"requestBody": _body(hears)}
    elif form is not None:
        described["openapi_extra"] = {"requestBody": _form(form)}
    return described


def file(**more: str) -> dict[str, Any]:
    """The same for an answer that is a file, and may fail as everything does."""
    failures = {**_FAILURES, **{int(key[1:]): text for key, text in more.items()}}
    return {"responses": {code: _other(code, text, {}) for code, text in failures.items()}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_schemas(document))
        app.openapi_schema = document
    return app.openapi_schema


def _schemas(document: dict[str, Any]) -> dict[str, Any]:
    """The components that the document refers to."""
    wanted = str(document)
    kinds = [kind for kind in EXAMPLES if _REF.format(name=kind.__name__) in wanted]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    for kind in kinds:
        components[kind.__name__]["example"] = msgspec.to_builtins(EXAMPLES[kind])
    return components


def _ref(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _body(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"required": True, "content": _json(_ref(kind))}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    is_file = any(field.get("format") == "binary" for field in properties.values())
    media = "multipart/form-data" if is_file else "application/x-www-form-urlencoded"
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"required": True, "content": {media: {"schema": schema}}}


def _success(kind: type[msgspec.Struct], *, is_wrapped: bool) -> dict[str, Any]:
    if not is_wrapped:
        return {"description": "Done.", "content": _json(_ref(kind))}
    schema = {
        "type": "object",
        "properties": {"success": {"const": True}, "data": _ref(kind)},
        "required": ["success", "data"],
    }
    return {"description": "Done.", "content": _json(schema)}


def _other(status: int, description: str, ok: dict[str, Any]) -> dict[str, Any]:
    if status < 300:  # noqa: PLR2004 - of HTTP
        return {**ok, "description": description}
    if status == 304:  # noqa: PLR2004 - of HTTP
        return {"description": description}
    return {"description": description, "content": _json(_ref(Problem))}
