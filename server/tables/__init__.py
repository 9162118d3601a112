"""Every table, for SQLite and PostgreSQL alike. Changes go through `server.migrations`.

machines   reverse_vending_machines, edge_devices, enrolment_tokens, api_tokens
reports    processing_engines, edge_telemetry, edge_events, detections, images, uploads
money      users, user_sessions, deposits, reward_tables, reward_entries
orders     commands, command_reports, session_requests, configs, config_reports
platform   audit_log, platform_values
elsewhere  cv_training_jobs, cv_inference_logs, push_notifications: of services beside this one;
           here so that a team can map its own, and written by nobody here

What has an end (`server.housekeeping`): expired tokens; samples after `telemetry_days`; events,
detections, images with their files, commands with reports and requests, old settings with their
reports, and enrolment tokens after `report_days`; uploads after a week. What has none, and why:
deposits, sessions and rewards are money; users, machines, devices, engines and model names are as
many as there are; the audit log is what says who has changed what.

Times are seconds since 1970, UTC, by the platform's clock, except `at`, which is the machine's.
"""

from __future__ import annotations

from server.tables.columns import metadata
from server.tables.elsewhere import cv_inference_logs, cv_training_jobs, push_notifications
from server.tables.machines import (
    api_tokens,
    edge_devices,
    enrolment_tokens,
    reverse_vending_machines,
)
from server.tables.money import deposits, reward_entries, reward_tables, user_sessions, users
from server.tables.orders import (
    command_reports,
    commands,
    config_reports,
    configs,
    session_requests,
)
from server.tables.platform import audit_log, platform_values
from server.tables.reports import (
    ai_model_versions,
    detections,
    edge_events,
    edge_telemetry,
    images,
    processing_engines,
    uploads,
)

__all__ = [
    "ai_model_versions",
    "api_tokens",
    "audit_log",
    "command_reports",
    "commands",
    "config_reports",
    "configs",
    "cv_inference_logs",
    "cv_training_jobs",
    "deposits",
    "detections",
    "edge_devices",
    "edge_events",
    "edge_telemetry",
    "enrolment_tokens",
    "images",
    "metadata",
    "platform_values",
    "processing_engines",
    "push_notifications",
    "reverse_vending_machines",
    "reward_entries",
    "reward_tables",
    "session_requests",
    "uploads",
    "user_sessions",
    "users",
]
