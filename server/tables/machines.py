"""Machines, their computers, and who may talk."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import Id, count, flag, json, of_machine, table, text, time, to

reverse_vending_machines = table(
    "reverse_vending_machines",
    text("hardware_id", unique=True),
    text("name"),
    time("enrolled_at"),
    # The newest of each: counted here, so that a heartbeat is answered from one row.
    count("command_seq"),
    count("settings_version"),
    # Integration point 6; what is NULL is not known.
    text("status"),
    text("status_reason"),
    time("status_at", nullable=True),
    sa.Column("current_load", sa.Double),
    sa.Column("max_capacity", sa.Double),
    text("last_maintenance"),
    sa.Column("health_score", sa.Integer),
    flag("remote_access", nullable=True),
    flag("camera_active", nullable=True),
)

# The computer in a machine, by its key. One that was exchanged stays: its claims are still good.
edge_devices = table(
    "edge_devices",
    of_machine(index=True),
    text("public_key", unique=True),
    time("enrolled_at"),
    time("replaced_at", nullable=True),
    time("born_at", nullable=True),
    time("died_at", nullable=True),
    time("last_seen_at", nullable=True),
    text("death_reason"),
    text("boot_id"),
    count("epoch"),
    count("heartbeat_seq"),
    sa.Column("uptime_s", sa.Double),
    text("clock_quality"),
    text("summary"),
    count("settings_version"),
    count("commands_after"),
    json("versions"),
    json("capabilities"),
    json("actors"),
    json("waiting"),
)

enrolment_tokens = table(
    "enrolment_tokens",
    text("token_hash", unique=True),
    text("hardware_id"),  # empty: for any machine
    text("issuer"),
    time("created_at"),
    time("expires_at"),
    time("used_at", nullable=True),
    to("used_by", "reverse_vending_machines", nullable=True),
    time("revoked_at", nullable=True),
)

api_tokens = table(
    "api_tokens",
    sa.Column("kind", sa.String(16), nullable=False),  # machine, user, operator
    sa.Column("owner_id", Id, nullable=False),
    text("token_hash", unique=True),
    # A challenge that was met; unique, so that it is met once.
    sa.Column("challenge_hash", sa.Text, unique=True),
    time("created_at"),
    time("expires_at", nullable=True),
    sa.Index("ix_api_tokens_kind_owner_id", "kind", "owner_id"),
)
