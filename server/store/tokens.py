"""Bearer tokens: opaque, of 256 random bits; only their hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

import sqlalchemy as sa

from server.store.database import Connection, row
from server.tables import api_tokens, reverse_vending_machines, users

SECRET_BYTES = 32
OPERATOR = "operator"
"""There is one, whoever has the token."""

Kind = Literal["machine", "user", "operator"]

_token = api_tokens.c
_machine, _user = reverse_vending_machines.c, users.c

_OWNER = (
    sa.select(
        _token.kind,
        _token.owner_id,
        sa.func.coalesce(_machine.hardware_id, _user.reference, OPERATOR).label("name"),
    )
    .outerjoin(
        reverse_vending_machines,
        sa.and_(_token.kind == "machine", _machine.id == _token.owner_id),
    )
    .outerjoin(users, sa.and_(_token.kind == "user", _user.id == _token.owner_id))
    .where(
        _token.token_hash == sa.bindparam("hash"),
        sa.or_(_token.expires_at.is_(None), _token.expires_at > sa.bindparam("now_s")),
    )
)


def new_secret() -> str:
    """Of 256 random bits: a plain hash is enough to keep it by."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def issue(
    connection: Connection,
    kind: Kind,
    owner_id: int,
    now_s: float,
    *,
    expires_at: float | None = None,
    challenge_hash: str | None = None,
    token: str = "",
) -> str:
    """Write a token; returns it, which is the only time that anybody sees it."""
    token = token or new_secret()
    await connection.execute(
        sa.insert(api_tokens).values(
            kind=kind,
            owner_id=owner_id,
            token_hash=hash_of(token),
            challenge_hash=challenge_hash,
            created_at=now_s,
            expires_at=expires_at,
        )
    )
    return token


async def owner_of(
    connection: Connection, token: str, now_s: float
) -> tuple[Kind, int, str] | None:
    """Whose token this is, with the name by which he is known; None: nobody's, or too old."""
    found = await row(connection, _OWNER, {"hash": hash_of(token), "now_s": now_s})
    return None if found is None else (found.kind, found.owner_id, found.name)


async def revoke_all(connection: Connection, kind: Kind, owner_id: int) -> None:
    """Whoever has one must get another."""
    await connection.execute(
        sa.delete(api_tokens).where(api_tokens.c.kind == kind, api_tokens.c.owner_id == owner_id)
    )
