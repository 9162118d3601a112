"""Of services beside this one: here so that a team can map its own, and written by nobody here."""

from __future__ import annotations

import sqlalchemy as sa

from server.tables.columns import json, table, text, time, to

cv_training_jobs = table(
    "cv_training_jobs",
    text("name"),
    text("state"),
    to("model_version", "ai_model_versions", nullable=True),
    json("parameters"),
    time("created_at"),
    time("finished_at", nullable=True),
)

cv_inference_logs = table(
    "cv_inference_logs",
    to("deposit_id", "deposits"),
    to("model_version", "ai_model_versions"),
    sa.Column("confidence", sa.Double),
    json("detections"),
    time("created_at"),
)

push_notifications = table(
    "push_notifications",
    to("user_id", "users"),
    text("title"),
    text("body"),
    time("created_at"),
    time("sent_at", nullable=True),
)
