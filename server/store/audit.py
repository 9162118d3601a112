"""The audit log: who has changed what, never taken back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from server.store.database import Connection
from server.tables import audit_log


async def note(
    connection: Connection,
    now_s: float,
    who: str,
    what: str,
    rvm_id: int | None = None,
    **detail: Any,
) -> None:
    """Write it down, in the transaction of what is noted. Secrets do not belong here."""
    await connection.execute(
        sa.insert(audit_log).values(at=now_s, who=who, what=what, rvm_id=rvm_id, detail=detail)
    )
