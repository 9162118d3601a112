"""Commands and settings: what is asked of machines, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import count, flag, json, of_machine, table, text, time, to

commands = table(
    "commands",
    of_machine(),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("command_id", sa.String(64), nullable=False, unique=True),
    text("type"),
    json("args"),
    sa.Column("ttl_s", sa.Double, nullable=False),
    text("issuer"),
    time("issued_at"),
    text("state"),  # what was reported last; empty: nothing yet
    flag("is_final"),
    sa.UniqueConstraint("rvm_id", "seq"),
    sa.Index("ix_commands_open", "is_final", "rvm_id"),
)

command_reports = table(
    "command_reports",
    to("command", "commands"),
    text("state"),
    time("at"),
    text("code"),
    text("detail"),
    json("result"),
    flag("repeated"),
    time("received_at"),
    sa.UniqueConstraint("command", "state", "at", "repeated"),
)

# A telephone has scanned a code and waits for the machine's word.
session_requests = table(
    "session_requests",
    to("user_id", "users"),
    of_machine(),
    to("command", "commands"),
    time("created_at"),
)

configs = table(
    "configs",
    of_machine(),
    sa.Column("version", sa.BigInteger, nullable=False),
    json("settings"),
    text("issuer"),
    time("created_at"),
    sa.UniqueConstraint("rvm_id", "version"),
)

config_reports = table(
    "config_reports",
    of_machine(),
    sa.Column("version", sa.BigInteger, nullable=False),
    text("state"),
    count("in_force"),
    time("at"),
    text("reason"),
    json("keys"),
    time("received_at"),
    sa.UniqueConstraint("rvm_id", "version", "state", "at"),
)
