"""Tables of services beside this one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _create_cv_training_jobs()
    _create_cv_inference_logs()
    _create_push_notifications()


def downgrade() -> None:
    """Drop them, with all that is in them."""
    op.drop_table("push_notifications")
    op.drop_table("cv_inference_logs")
    op.drop_table("cv_training_jobs")


def _create_cv_training_jobs() -> None:
    op.create_table(
        "cv_training_jobs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("model_version", _ID, nullable=True),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_version"],
            ["ai_model_versions.id"],
            name=op.f("fk_cv_training_jobs_model_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cv_training_jobs")),
    )


def _create_cv_inference_logs() -> None:
    op.create_table(
        "cv_inference_logs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("deposit_id", _ID, nullable=False),
        sa.Column("model_version", _ID, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("detections", _JSON, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deposit_id"], ["deposits.id"], name=op.f("fk_cv_inference_logs_deposit_id")
        ),
        sa.ForeignKeyConstraint(
            ["model_version"],
            ["ai_model_versions.id"],
            name=op.f("fk_cv_inference_logs_model_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cv_inference_logs")),
    )


def _create_push_notifications() -> None:
    op.create_table(
        "push_notifications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_push_notifications_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_notifications")),
    )
