"""What goes wrong, in Laravel's shape: ``{"message", "code", "errors": {field: […]}}``."""

from __future__ import annotations

import logging
import math

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from protocol.platform.identity import Problem
from server.store.database import AWAY

MESSAGES = {
    401: ("Unauthenticated.", "unauthenticated"),
    403: ("This action is unauthorized.", "unauthorized"),
    404: ("Not Found.", "not_found"),
    405: ("The method is not allowed for this path.", "method_not_allowed"),
    413: ("The body is too large.", "too_large"),
    429: ("Too Many Attempts.", "too_many"),
    500: ("Server Error", "server_error"),
    503: ("Service Unavailable", "maintenance"),
}
"""Laravel's words, and ours for programs."""


_AWAY_S = 5.0
_log = logging.getLogger("rvm-server")


class Refused(Exception):
    """The answer is a failure.

    Attributes:
        status: of HTTP.
        problem: the body.
        headers: more of them.
    """

    def __init__(
        self,
        status: int,
        code: str = "",
        message: str = "",
        *,
        errors: dict[str, list[str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Args: code, message: of the status, if they are left out."""
        usual_message, usual_code = MESSAGES.get(status, ("", ""))
        super().__init__(message or usual_message)
        self.status = status
        self.headers = headers or {}
        self.problem = Problem(message or usual_message, code or usual_code, errors or {})


def invalid(field: str, message: str, code: str = "validation") -> Refused:
    """422: this field is wrong."""
    return Refused(422, code, message, errors={field: [message]})


def ask_later(status: int, wait_s: float) -> Refused:
    """429 or 503, with the time to wait in whole seconds."""
    return Refused(status, headers={"Retry-After": str(max(1, math.ceil(wait_s)))})


def problem_response(status: int, problem: Problem, headers: dict[str, str]) -> Response:
    """The failure as it is sent."""
    body = msgspec.json.encode(problem)
    return Response(body, status, headers=headers, media_type="application/json")


def add_handlers(app: FastAPI) -> None:
    """Every failure of the app leaves it in this shape."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _http_exception)
    for error in AWAY:
        app.add_exception_handler(error, _database_away)
    app.add_exception_handler(500, _server_error)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem_response(error.status, error.problem, error.headers)


async def _bad_parameter(_: Request, error: Exception) -> Response:
    """In the path, the query or a header: bodies are read by `server.http.bodies`."""
    assert isinstance(error, RequestValidationError)
    errors = {str(one["loc"][-1]): [str(one["msg"])] for one in error.errors()}
    message = next(iter(errors.values()))[0]
    return problem_response(422, Problem(message, "validation", errors), {})


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, code = MESSAGES.get(error.status_code, (str(error.detail), ""))
    return problem_response(error.status_code, Problem(message, code), dict(error.headers or {}))


async def _database_away(request: Request, error: Exception) -> Response:
    """503: what was asked for may well be done, only not now."""
    _log.error("the database does not answer: %s", type(error).__name__)
    return await _refused(request, ask_later(503, _AWAY_S))


async def _server_error(_: Request, _error: Exception) -> Response:
    return problem_response(500, Problem(*MESSAGES[500]), {})
