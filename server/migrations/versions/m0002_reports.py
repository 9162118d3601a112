"""What machines tell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_processing_engines()
    _create_edge_telemetry()
    _create_edge_events()
    _create_detections()
    _create_images()
    _create_uploads()
    _create_ai_model_versions()


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("ai_model_versions")
    op.drop_table("uploads")
    op.drop_table("images")
    op.drop_table("detections")
    op.drop_table("edge_events")
    op.drop_table("edge_telemetry")
    op.drop_table("processing_engines")


def _create_processing_engines() -> None:
    op.create_table(
        "processing_engines",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("server_address", sa.Text(), server_default="", nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("gpu_memory_limit", sa.Double(), nullable=False),
        sa.Column("model_path", sa.Text(), server_default="", nullable=False),
        sa.Column("processing_timeout", sa.Double(), nullable=False),
        sa.Column("auto_failover", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("docker_gpu_passthrough", sa.Boolean(), nullable=False),
        sa.Column("load", sa.Double(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_processing_engines_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processing_engines")),
        sa.UniqueConstraint("rvm_id", name=op.f("uq_processing_engines_rvm_id")),
    )


def _create_edge_telemetry() -> None:
    op.create_table(
        "edge_telemetry",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("samples", _JSON, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_edge_telemetry_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge_telemetry")),
        sa.UniqueConstraint("rvm_id", "key", name=op.f("uq_edge_telemetry_rvm_id_key")),
    )
    op.create_index("ix_edge_telemetry_newest", "edge_telemetry", ["rvm_id", "id"], unique=False)
    op.create_index(
        op.f("ix_edge_telemetry_received_at"), "edge_telemetry", ["received_at"], unique=False
    )


def _create_edge_events() -> None:
    op.create_table(
        "edge_events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("clock_quality", sa.Text(), server_default="", nullable=False),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_edge_events_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edge_events")),
        sa.UniqueConstraint("rvm_id", "key", name=op.f("uq_edge_events_rvm_id_key")),
    )
    op.create_index("ix_edge_events_newest", "edge_events", ["rvm_id", "id"], unique=False)


def _create_detections() -> None:
    op.create_table(
        "detections",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("session_token", sa.Text(), server_default="", nullable=False),
        sa.Column("image_path", sa.Text(), nullable=True),
        sa.Column("detections", _JSON, nullable=False),
        sa.Column("processing_time", sa.Double(), nullable=False),
        sa.Column("timestamp", sa.Text(), server_default="", nullable=False),
        sa.Column("clock_quality", sa.Text(), server_default="", nullable=False),
        sa.Column("deposit", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("decision", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_detections_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detections")),
        sa.UniqueConstraint("rvm_id", "key", name=op.f("uq_detections_rvm_id_key")),
    )


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("content_type", sa.Text(), server_default="", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("timestamp", sa.Text(), server_default="", nullable=False),
        sa.Column("session_token", sa.Text(), server_default="", nullable=False),
        sa.Column("detection_id", sa.Text(), server_default="", nullable=False),
        sa.Column("more", _JSON, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_images_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("rvm_id", "key", name=op.f("uq_images_rvm_id_key")),
    )
    op.create_index(op.f("ix_images_sha256"), "images", ["sha256"], unique=False)


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rvm_id", _ID, nullable=False),
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("metadata", _JSON, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("image_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_uploads_image_id")),
        sa.ForeignKeyConstraint(
            ["rvm_id"], ["reverse_vending_machines.id"], name=op.f("fk_uploads_rvm_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("upload_id", name=op.f("uq_uploads_upload_id")),
    )


def _create_ai_model_versions() -> None:
    op.create_table(
        "ai_model_versions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column("first_seen_on", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["first_seen_on"],
            ["reverse_vending_machines.id"],
            name=op.f("fk_ai_model_versions_first_seen_on"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_model_versions")),
        sa.UniqueConstraint("name", name=op.f("uq_ai_model_versions_name")),
    )
