"""Machines, their computers, and who may talk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_users()
    _create_reverse_vending_machines()
    _create_edge_devices()
    _create_enrolment_tokens()
    _create_api_tokens()
    _create_platform_values()
    _create_audit_log()


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("audit_log")
    op.drop_table("platform_values")
    op.drop_table("api_tokens")
    op.drop_table("enrolment_tokens")
    op.drop_table("edge_devices")
    op.drop_table("reverse_vending_machines")
    op.drop_table("users")


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ID, nullable=False),
        sa.Column("reference", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("reference", name=op.f("uq_users_reference")),
    )


def _create_reverse_vending_machines() -> None:
    op.create_table(
        "reverse_vending_machines",
        sa.Column("id", _ID, nullable=False),
        sa.Column("hardware_id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("enrolled_at", sa.Double(), nullable=False),
        sa.Column("command_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("settings_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), server_default="", nullable=False),
        sa.Column("status_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("status_at", sa.Double(), nullable=True),
        sa.Column("current_load", sa.Double(), nullable=True),
        sa.Column("max_capacity", sa.Double(), nullable=True),
        sa.Column("last_maintenance", sa.Text(), server_default="", nullable=False),
        sa.Column("health_score", sa.Integer(), nullable=True),
        sa.Column("remote_access", sa.Boolean(), nullable=True),
        sa.Column("camera_active", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reverse_vending_machines")),
        sa.UniqueConstraint("hardware_id", name=op.f("uq_reverse_vending_machines_hardware_id")),
    )


def _create_edge_devices() -> None:
    op.create_table(
        "edge_devices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("public_key", sa.Text(), server_default="", nullable=False),
        sa.Column("enrolled_at", sa.Double(), nullable=False),
        sa.Column("replaced_at", sa.Double(), nullable=True),
        sa.Column("born_at", sa.Double(), nullable=True),
        sa.Column("died_at", sa.Double(), nullable=True),
        sa.Column("last_seen_at", sa.Double(), nullable=True),
        sa.Column("death_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("boot_id", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("heartbeat_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("uptime_s", sa.Double(), nullable=True),
        sa.Column("clock_quality", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("settings_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("commands_after", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("versions", _JSON, nullable=False),
        sa.Column("capabilities", _JSON, nullable=False),
        sa.Column("actors", _JSON, nullable=False),
        sa.Column("waiting", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_edge_devices_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge_devices")),
        sa.UniqueConstraint("public_key", name=op.f("uq_edge_devices_public_key")),
    )
    op.create_index(op.f("ix_edge_devices_rvm_id"), "edge_devices", ["rvm_id"], unique=False)


def _create_enrolment_tokens() -> None:
    op.create_table(
        "enrolment_tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("token_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("hardware_id", sa.Text(), server_default="", nullable=False),
        sa.Column("issuer", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("used_by", _ID, nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["used_by"], ["reverse_vending_machines.id"], name=op.f("fk_enrolment_tokens_used_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_enrolment_tokens_token_hash")),
    )


def _create_api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("token_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("challenge_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("challenge_hash", name=op.f("uq_api_tokens_challenge_hash")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index("ix_api_tokens_kind_owner_id", "api_tokens", ["kind", "owner_id"], unique=False)


def _create_platform_values() -> None:
    op.create_table(
        "platform_values",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform_values")),
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("rvm_id", _ID, nullable=True),
        sa.Column("detail", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_audit_log_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
