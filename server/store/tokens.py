"""Bearer tokens: opaque, of 256 random bits; only their hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.database import row
from server.tables import api_tokens, reverse_vending_machines, users

SECRET_BYTES = 32
OPERATOR = "operator"
"""There is one, whoever has the token."""

Kind = Literal["machine", "user", "operator"]


def new_secret() -> str:
    """Of 256 random bits: a plain hash is enough to keep it by."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def issue(
    connection: AsyncConnection,
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
    connection: AsyncConnection, token: str, now_s: float
) -> tuple[Kind, int, str] | None:
    """Whose token this is, with the name by which he is known; None: nobody's, or too old."""
    machine, user = reverse_vending_machines, users
    found = await row(
        connection,
        sa.select(
            api_tokens.c.kind,
            api_tokens.c.owner_id,
            sa.func.coalesce(machine.c.hardware_id, user.c.reference, OPERATOR).label("name"),
        )
        .outerjoin(
            machine, sa.and_(api_tokens.c.kind == "machine", machine.c.id == api_tokens.c.owner_id)
        )
        .outerjoin(user, sa.and_(api_tokens.c.kind == "user", user.c.id == api_tokens.c.owner_id))
        .where(
            api_tokens.c.token_hash == hash_of(token),
            sa.or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > now_s),
        ),
    )
    return None if found is None else (found.kind, found.owner_id, found.name)


async def revoke_all(connection: AsyncConnection, kind: Kind, owner_id: int) -> None:
    """Whoever has one must get another."""
    await connection.execute(
        sa.delete(api_tokens).where(api_tokens.c.kind == kind, api_tokens.c.owner_id == owner_id)
    )


async def forget_expired(connection: AsyncConnection, before_s: float) -> None:
    """Those that were good until then, or less."""
    await connection.execute(sa.delete(api_tokens).where(api_tokens.c.expires_at <= before_s))
