"""Enrolment: a one-time token becomes a machine with a key."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from protocol.platform.identity import Enrol, Enrolled
from server.http.problems import Refused, invalid
from server.store import audit, tokens
from server.store.database import Connection, insert, row
from server.tables import edge_devices, enrolment_tokens, reverse_vending_machines

NEW_DEVICE: dict[str, Any] = {"versions": {}, "capabilities": [], "actors": [], "waiting": {}}


async def make_token(
    connection: Connection,
    *,
    hardware_id: str,
    issuer: str,
    now_s: float,
    good_for_s: float,
) -> tuple[int, str]:
    """A new token and its number; nobody sees the token again."""
    token = tokens.new_secret()
    statement = sa.insert(enrolment_tokens).values(
        token_hash=tokens.hash_of(token),
        hardware_id=hardware_id,
        issuer=issuer,
        created_at=now_s,
        expires_at=now_s + good_for_s,
    )
    made = await row(connection, statement.returning(enrolment_tokens.c.id))
    await audit.note(connection, now_s, issuer, "enrolment_token.made", hardware_id=hardware_id)
    return made.id, token


async def enrol(connection: Connection, said: Enrol, now_s: float) -> tuple[Enrolled, bool]:
    """Take the machine in; says whether it was not known with this key before.

    Raises:
        Refused: 403 the token is good for nothing (any more), or not for taking the place of a
            machine that is here; 422 another machine has this key.
    """
    spent = await _spend(connection, said, now_s)
    if spent is None:
        return await _known(connection, said), False
    rvm_id = await _machine(connection, said, now_s)
    if not spent.hardware_id and await _has_other_key(connection, rvm_id, said):
        raise Refused(
            403,
            "enrolment_refused",
            "There is a machine of this name with another key: a token for it by name is needed.",
        )
    await _replace_device(connection, rvm_id, said, now_s)
    await connection.execute(
        sa.update(enrolment_tokens).where(enrolment_tokens.c.id == spent.id).values(used_by=rvm_id)
    )
    await audit.note(
        connection, now_s, said.hardware_id, "machine.enrolled", rvm_id, key=said.public_key
    )
    return Enrolled(rvm_id, said.hardware_id), True


async def _spend(connection: Connection, said: Enrol, now_s: float) -> Any:
    """Use the token up; of two at once only one succeeds. Undone with the transaction."""
    token = enrolment_tokens.c
    return await row(
        connection,
        sa.update(enrolment_tokens)
        .where(
            token.token_hash == tokens.hash_of(said.token),
            token.hardware_id.in_(("", said.hardware_id)),
            token.used_at.is_(None),
            token.revoked_at.is_(None),
            token.expires_at > now_s,
        )
        .values(used_at=now_s)
        .returning(token.id, token.hardware_id),
    )


async def _known(connection: Connection, said: Enrol) -> Enrolled:
    """The answer once more, for a machine that has not heard it."""
    token, machine, device = enrolment_tokens.c, reverse_vending_machines.c, edge_devices.c
    known = await row(
        connection,
        sa.select(machine.id)
        .join(enrolment_tokens, token.used_by == machine.id)
        .join(edge_devices, device.rvm_id == machine.id)
        .where(
            token.token_hash == tokens.hash_of(said.token),
            machine.hardware_id == said.hardware_id,
            device.public_key == said.public_key,
            device.replaced_at.is_(None),
        ),
    )
    if known is None:
        raise Refused(
            403,
            "enrolment_refused",
            "This enrolment token is unknown, used, too old, or for another machine.",
        )
    return Enrolled(known.id, said.hardware_id)


async def _machine(connection: Connection, said: Enrol, now_s: float) -> int:
    statement = insert(connection, reverse_vending_machines).values(
        hardware_id=said.hardware_id, name=said.name, enrolled_at=now_s
    )
    statement = statement.on_conflict_do_update(
        index_elements=["hardware_id"], set_={"enrolled_at": now_s}
    )
    found = await row(connection, statement.returning(reverse_vending_machines.c.id))
    return int(found.id)


async def _has_other_key(connection: Connection, rvm_id: int, said: Enrol) -> bool:
    """Whether this would take a machine's place, which is asked for by name, or not at all."""
    device = edge_devices.c
    other = sa.select(device.id).where(
        device.rvm_id == rvm_id, device.public_key != said.public_key, device.replaced_at.is_(None)
    )
    return await row(connection, other) is not None


async def _replace_device(connection: Connection, rvm_id: int, said: Enrol, now_s: float) -> None:
    device = edge_devices.c
    await connection.execute(
        sa.update(edge_devices)
        .where(device.rvm_id == rvm_id, device.public_key != said.public_key)
        .where(device.replaced_at.is_(None))
        .values(replaced_at=now_s)
    )
    # What the old key has opened closes with it.
    await tokens.revoke_all(connection, "machine", rvm_id)
    statement = insert(connection, edge_devices).values(
        rvm_id=rvm_id, public_key=said.public_key, enrolled_at=now_s, **NEW_DEVICE
    )
    taken = await row(
        connection,
        statement.on_conflict_do_update(
            index_elements=["public_key"],
            set_={"enrolled_at": now_s, "replaced_at": None},
            where=device.rvm_id == rvm_id,
        ).returning(device.id),
    )
    if taken is None:
        raise invalid("public_key", "Another machine has this key.")
