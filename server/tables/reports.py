"""What machines tell."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import (
    Id,
    Time,
    count,
    flag,
    json,
    of_machine,
    table,
    text,
    time,
    to,
)

processing_engines = table(
    "processing_engines",
    sa.Column(
        "rvm_id", Id, sa.ForeignKey("reverse_vending_machines.id"), nullable=False, unique=True
    ),
    text("name"),
    text("type"),
    text("server_address"),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("gpu_memory_limit", sa.Double, nullable=False),
    text("model_path"),
    sa.Column("processing_timeout", sa.Double, nullable=False),
    flag("auto_failover"),
    flag("is_active"),
    flag("docker_gpu_passthrough"),
    sa.Column("load", sa.Double),
    time("updated_at"),
)

edge_telemetry = table(
    "edge_telemetry",
    of_machine(),
    text("key"),
    json("samples"),
    sa.Column("received_at", Time, nullable=False, index=True),
    sa.UniqueConstraint("rvm_id", "key"),
    sa.Index("ix_edge_telemetry_newest", "rvm_id", "id"),
)

edge_events = table(
    "edge_events",
    of_machine(),
    text("key"),
    text("kind"),
    time("at"),
    text("clock_quality"),
    json("fields"),
    time("received_at"),
    sa.UniqueConstraint("rvm_id", "key"),
    sa.Index("ix_edge_events_newest", "rvm_id", "id"),
)

detections = table(
    "detections",
    of_machine(),
    text("key"),
    text("session_token"),
    sa.Column("image_path", sa.Text),
    json("detections"),
    sa.Column("processing_time", sa.Double, nullable=False),
    text("timestamp"),
    text("clock_quality"),
    text("deposit"),
    text("model"),
    text("decision"),
    text("reason"),
    time("received_at"),
    sa.UniqueConstraint("rvm_id", "key"),
)

images = table(
    "images",
    of_machine(),
    text("key"),
    text("name"),
    text("content_type"),
    count("size"),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    text("timestamp"),
    text("session_token"),
    text("detection_id"),
    json("more"),
    time("received_at"),
    sa.UniqueConstraint("rvm_id", "key"),
)

uploads = table(
    "uploads",
    of_machine(),
    sa.Column("upload_id", sa.String(32), nullable=False, unique=True),
    text("key"),
    json("metadata"),
    time("created_at"),
    to("image_id", "images", nullable=True),
)

ai_model_versions = table(
    "ai_model_versions",
    text("name", unique=True),
    time("first_seen_at"),
    to("first_seen_on", "reverse_vending_machines"),
)
