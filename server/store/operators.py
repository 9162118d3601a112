"""Operators' own matters: enrolment tokens, reward tables, the audit log, their bearer token."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from server.http.problems import Refused
from server.payloads.fleet import AuditEntry, EnrolmentToken, RewardTable
from server.rules.rewards import FIRST_RATES
from server.store import audit, tokens
from server.store.database import Connection, row, rows
from server.tables import api_tokens, audit_log, enrolment_tokens, reward_tables

OPERATOR_ID = 1
_LISTED = 200


async def settle_operator(connection: Connection, wanted: str, now_s: float) -> str:
    """See that there is an operator's token: the one that is set, else one that is made once.

    Returns:
        The new token, to be shown once; empty if there was one, or it is the one that was set.
    """
    mine = sa.select(api_tokens).where(api_tokens.c.kind == tokens.OPERATOR)
    found = await row(connection, mine)
    if not wanted:
        if found is not None:
            return ""
        return await tokens.issue(connection, "operator", OPERATOR_ID, now_s)
    if found is None or found.token_hash != tokens.hash_of(wanted):
        await tokens.revoke_all(connection, "operator", OPERATOR_ID)
        await tokens.issue(connection, "operator", OPERATOR_ID, now_s, token=wanted)
    return ""


async def enrolments(connection: Connection, now_s: float) -> tuple[EnrolmentToken, ...]:
    """The newest tokens, newest first."""
    statement = sa.select(enrolment_tokens).order_by(enrolment_tokens.c.id.desc()).limit(_LISTED)
    return tuple(
        EnrolmentToken(
            id=one.id,
            hardware_id=one.hardware_id,
            state=_state(one, now_s),
            created_at=one.created_at,
            expires_at=one.expires_at,
            issuer=one.issuer,
            used_by=one.used_by,
        )
        for one in await rows(connection, statement)
    )


def _state(one: Any, now_s: float) -> Literal["open", "used", "expired", "revoked"]:
    if one.used_at is not None:
        return "used"
    if one.revoked_at is not None:
        return "revoked"
    return "expired" if one.expires_at <= now_s else "open"


async def revoke_enrolment(connection: Connection, token_id: int, who: str, now_s: float) -> bool:
    """It lets nobody in any more; whether there is such a token."""
    token = enrolment_tokens.c
    revoked = await row(
        connection,
        sa.update(enrolment_tokens)
        .where(token.id == token_id)
        .values(revoked_at=sa.func.coalesce(token.revoked_at, now_s))
        .returning(token.id),
    )
    if revoked is not None:
        await audit.note(connection, now_s, who, "enrolment_token.revoked", id=token_id)
    return revoked is not None


async def settle_rewards(connection: Connection, now_s: float) -> None:
    """See that there is a table to count by."""
    if await row(connection, sa.select(reward_tables.c.id).limit(1)) is None:
        await add_rewards(connection, FIRST_RATES, "rvm-server", now_s)


async def add_rewards(
    connection: Connection, rates: dict[str, int], who: str, now_s: float
) -> None:
    """From now on it counts so; what was counted stays."""
    await connection.execute(
        sa.insert(reward_tables).values(rates=rates, issuer=who, created_at=now_s)
    )
    await audit.note(connection, now_s, who, "rewards.changed", rates=rates)


async def check_rewards(connection: Connection, version: int) -> None:
    """Raises: Refused: 409, there is a newer table than this."""
    # Whoever else has seen this version waits here; what he has written is seen behind it.
    mine = sa.select(reward_tables.c.id).where(reward_tables.c.id == version).with_for_update()
    await row(connection, mine)
    newest = (await rewards(connection)).version
    if newest != version:
        raise Refused(409, "version", f"The newest version is {newest}, not {version}.")


async def rewards(connection: Connection) -> RewardTable:
    """The table that counts."""
    newest = sa.select(reward_tables).order_by(reward_tables.c.id.desc()).limit(1)
    found = await row(connection, newest)
    return RewardTable(found.id, found.rates, found.created_at)


async def log(
    connection: Connection, limit: int, before: int | None, rvm_id: int | None = None
) -> tuple[AuditEntry, ...]:
    """The audit log, newest first; of one machine, if one is named."""
    statement = sa.select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit_log.c.id < before)
    if rvm_id is not None:
        statement = statement.where(audit_log.c.rvm_id == rvm_id)
    return tuple(
        AuditEntry(one.id, one.at, one.who, one.what, one.rvm_id, one.detail)
        for one in await rows(connection, statement)
    )
