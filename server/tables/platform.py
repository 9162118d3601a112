"""The platform's own."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import Time, json, metadata, table, text, to

audit_log = table(
    "audit_log",
    sa.Column("at", Time, nullable=False, index=True),
    text("who"),
    text("what"),
    to("rvm_id", "reverse_vending_machines", nullable=True),
    json("detail"),
)

# Secrets that were made at the first start, and switches that survive a restart.
platform_values = sa.Table(
    "platform_values",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
