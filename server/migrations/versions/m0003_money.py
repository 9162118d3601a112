"""Sessions, deposits and what was given for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_user_sessions()
    _create_deposits()
    _create_reward_tables()
    _create_reward_entries()


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("reward_entries")
    op.drop_table("reward_tables")
    op.drop_table("deposits")
    op.drop_table("user_sessions")


def _create_user_sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("session_token", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", _ID, nullable=True),
        sa.Column("bound_by", sa.Text(), server_default="", nullable=False),
        sa.Column("bound_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("credited", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("claimed_items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("advanced_items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("advance_rate", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_user_sessions_rvm_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint(
            "rvm_id", "session_token", name=op.f("uq_user_sessions_rvm_id_session_token")
        ),
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"], unique=False)


def _create_deposits() -> None:
    op.create_table(
        "deposits",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("session_token", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", _ID, nullable=True),
        sa.Column("waste_type", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=True),
        sa.Column("ai_confidence", sa.Double(), nullable=True),
        sa.Column("cv_confidence", sa.Double(), nullable=True),
        sa.Column("image_path", sa.Text(), server_default="", nullable=False),
        sa.Column("detection_data", _JSON, nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("evidence", sa.Text(), server_default="", nullable=False),
        sa.Column("proof", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("clock_quality", sa.Text(), server_default="", nullable=False),
        sa.Column("reward", sa.BigInteger(), nullable=True),
        sa.Column("reward_version", sa.Integer(), nullable=True),
        sa.Column("item_hash", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_deposits_rvm_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_deposits_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposits")),
        sa.UniqueConstraint("rvm_id", "key", name=op.f("uq_deposits_rvm_id_key")),
    )
    op.create_index("ix_deposits_key", "deposits", ["key"], unique=False)
    op.create_index("ix_deposits_newest", "deposits", ["rvm_id", "id"], unique=False)
    op.create_index(
        "ix_deposits_rvm_id_session_token", "deposits", ["rvm_id", "session_token"], unique=False
    )
    op.create_index(op.f("ix_deposits_user_id"), "deposits", ["user_id"], unique=False)


def _create_reward_tables() -> None:
    op.create_table(
        "reward_tables",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rates", _JSON, nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_tables")),
    )


def _create_reward_entries() -> None:
    op.create_table(
        "reward_entries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("deposit_id", _ID, nullable=True),
        sa.Column("session_id", _ID, nullable=True),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deposit_id"], ["deposits.id"], name=op.f("fk_reward_entries_deposit_id")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["user_sessions.id"], name=op.f("fk_reward_entries_session_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reward_entries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_entries")),
        sa.UniqueConstraint("deposit_id", "kind", name=op.f("uq_reward_entries_deposit_id_kind")),
    )
    op.create_index(op.f("ix_reward_entries_user_id"), "reward_entries", ["user_id"], unique=False)
