"""Users, their sessions, and what they have been given."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import count, json, of_machine, table, text, time, to

users = table(
    "users",
    text("reference", unique=True),  # what machines are told; says nothing about anybody
    text("name"),
    time("created_at"),
)

# A session as the machine has told it, and whose it is: by a scanned code or by a claim.
user_sessions = table(
    "user_sessions",
    of_machine(),
    text("session_token"),
    to("user_id", "users", nullable=True, index=True),
    text("bound_by"),  # code, claim
    time("bound_at", nullable=True),
    time("started_at", nullable=True),
    time("ended_at", nullable=True),
    text("reason"),
    count("credited"),
    count("refused"),
    count("claimed_items"),
    # Items that a claim has paid before their deposits were here.
    count("advanced_items"),
    count("advance_rate"),
    sa.UniqueConstraint("rvm_id", "session_token"),
)

deposits = table(
    "deposits",
    of_machine(),
    text("key"),
    text("state"),
    text("session_token"),
    to("user_id", "users", nullable=True, index=True),
    text("waste_type"),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("weight", sa.Double),
    sa.Column("ai_confidence", sa.Double),
    sa.Column("cv_confidence", sa.Double),
    text("image_path"),
    json("detection_data"),
    text("model"),
    text("evidence"),
    text("proof"),
    text("reason"),
    time("at"),
    text("clock_quality"),
    sa.Column("reward", sa.BigInteger),  # in the smallest unit; NULL until it is credited
    sa.Column("reward_version", sa.Integer),
    sa.Column("item_hash", sa.String(64), nullable=False),
    sa.Column("body_hash", sa.String(64), nullable=False),
    time("received_at"),
    time("updated_at"),
    sa.UniqueConstraint("rvm_id", "key"),
    sa.Index("ix_deposits_rvm_id_session_token", "rvm_id", "session_token"),
    sa.Index("ix_deposits_key", "key"),
    sa.Index("ix_deposits_newest", "rvm_id", "id"),
)

# `id` is the version. A deposit keeps the version by which it was counted.
reward_tables = table("reward_tables", json("rates"), text("issuer"), time("created_at"))

# Append only: the sum of a user's entries is what he has.
reward_entries = table(
    "reward_entries",
    to("user_id", "users", index=True),
    sa.Column("kind", sa.String(16), nullable=False),  # deposit, advance, settled
    to("deposit_id", "deposits", nullable=True),
    to("session_id", "user_sessions", nullable=True),
    count("amount"),
    time("created_at"),
    sa.UniqueConstraint("deposit_id", "kind"),
)
