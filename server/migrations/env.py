"""Alembic's entry: run by `server.migrations`, with a connection that is open."""

from __future__ import annotations

from alembic import context

from server.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
    compare_type=False,  # JSON and JSONB, INTEGER and BIGINT are the same column on two databases
)
with context.begin_transaction():
    context.run_migrations()
