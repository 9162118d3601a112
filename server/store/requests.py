"""Telephones that have scanned a code: the machine's word makes the session theirs."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from protocol.platform.remote import CommandReport
from server.store import commands, sessions
from server.store.database import Connection, row
from server.tables import session_requests

START_SESSION = "start_session"
START_TTL_S = 30.0
"""Whoever waits longer at a machine has scanned another code."""

GIVE_UP_S = 60.0
"""Until then a machine that was in time has said so; if it does so later, the session is his."""

_request = session_requests.c


async def make(
    connection: Connection, *, user_id: int, user: str, rvm_id: int, code: str, now_s: float
) -> tuple[int, commands.Issued]:
    """Ask the machine to serve this user; returns the request's number."""
    issued = await commands.issue(
        connection,
        rvm_id,
        START_SESSION,
        {"user": user, "code": code},
        ttl_s=START_TTL_S,
        issuer=user,
        now_s=now_s,
    )
    statement = sa.insert(session_requests).values(
        user_id=user_id, rvm_id=rvm_id, command=issued.row_id, created_at=now_s
    )
    made = await row(connection, statement.returning(_request.id))
    return made.id, issued


async def follow(connection: Connection, command: Any, said: CommandReport, now_s: float) -> None:
    """If a machine has begun the session that was asked for, it is the user's."""
    token = said.result.get("session")
    if command.type != START_SESSION or said.state != "succeeded" or not isinstance(token, str):
        return
    asked = await row(connection, sa.select(_request.user_id).where(_request.command == command.id))
    if asked is not None and token:
        await sessions.bind(
            connection, command.rvm_id, token, asked.user_id, bound_by="code", now_s=now_s
        )


async def find(connection: Connection, request_id: int, user_id: int) -> Any:
    """A user's own request."""
    return await row(
        connection,
        sa.select(session_requests).where(_request.id == request_id, _request.user_id == user_id),
    )
