"""Commands and settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_commands()
    _create_command_reports()
    _create_session_requests()
    _create_configs()
    _create_config_reports()


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("config_reports")
    op.drop_table("configs")
    op.drop_table("session_requests")
    op.drop_table("command_reports")
    op.drop_table("commands")


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("args", _JSON, nullable=False),
        sa.Column("ttl_s", sa.Double(), nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("issued_at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_commands_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint("command_id", name=op.f("uq_commands_command_id")),
        sa.UniqueConstraint("rvm_id", "seq", name=op.f("uq_commands_rvm_id_seq")),
    )
    op.create_index("ix_commands_open", "commands", ["is_final", "rvm_id"], unique=False)


def _create_command_reports() -> None:
    op.create_table(
        "command_reports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("command", _ID, nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("result", _JSON, nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["command"], ["commands.id"], name=op.f("fk_command_reports_command")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command_reports")),
        sa.UniqueConstraint(
            "command",
            "state",
            "at",
            "repeated",
            name=op.f("uq_command_reports_command_state_at_repeated"),
        ),
    )


def _create_session_requests() -> None:
    op.create_table(
        "session_requests",
        sa.Column("id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("command", _ID, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["command"], ["commands.id"], name=op.f("fk_session_requests_command")
        ),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_session_requests_rvm_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_session_requests_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_requests")),
    )


def _create_configs() -> None:
    op.create_table(
        "configs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("settings", _JSON, nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_configs_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configs")),
        sa.UniqueConstraint("rvm_id", "version", name=op.f("uq_configs_rvm_id_version")),
    )


def _create_config_reports() -> None:
    op.create_table(
        "config_reports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("in_force", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("keys", _JSON, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_config_reports_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config_reports")),
        sa.UniqueConstraint(
            "rvm_id",
            "version",
            "state",
            "at",
            name=op.f("uq_config_reports_rvm_id_version_state_at"),
        ),
    )
