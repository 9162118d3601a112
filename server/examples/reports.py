"""What a machine tells of its own accord."""

from __future__ import annotations

from protocol.platform import reports
from server.examples.machines import AT, KEY, PICTURE, SESSION, SHA256, TIMESTAMP

_SAMPLE = reports.Sample(
    at=AT, monotonic_s=86400.5, values={"cpu_c": 51.5, "disk_free_bytes": 9.1e9, "scale_g": None}
)
_EVENT = reports.Event(
    key="rvm-0042-e-7-88", kind="bin_full", at=AT, fields={"items": 412, "load_percent": 97.0}
)
_SESSION = reports.ClosedSession(
    key=SESSION,
    kind="guest",
    started_at=AT - 60,
    ended_at=AT,
    credited=3,
    refused=1,
    reason="finished",
)
_DETECTION = reports.Detection(
    key=KEY,
    session_token=SESSION,
    detections=(reports.Seen("mineral", 0.95, (100.0, 100.0, 200.0, 200.0)),),
    processing_time=0.5,
    timestamp=TIMESTAMP,
    image_path=PICTURE,
    deposit=KEY,
    model="detector-3",
    decision="accepted",
)
_DEPOSIT = reports.Deposit(
    key=KEY,
    state="credited",
    session_token=SESSION,
    waste_type="mineral",
    at=AT,
    weight=0.024,
    ai_confidence=0.95,
    image_path=PICTURE,
    proof="drop_beam",
    model="detector-3",
    evidence=SHA256,
    detection_data={"length_m": 0.21},
)

EXAMPLES = (
    reports.Engine(
        name="rvm-0042",
        type="tensorrt",
        server_address="172.28.93.97",
        port=8090,
        gpu_memory_limit=7.4,
        model_path="detector-3",
        processing_timeout=1.0,
        auto_failover=False,
        is_active=True,
        load=0.08,
    ),
    reports.EngineKnown(engine_id=12),
    reports.Heartbeat(
        epoch=7,
        seq=1441,
        at=AT,
        uptime_s=86400.5,
        settings_version=4,
        commands_after=18,
        waiting={"money": 0, "event": 2},
        status="serving",
    ),
    reports.Pulse(server_time=AT, settings_version=4, commands_last=18),
    reports.TelemetryBatch(key="rvm-0042-t-7-2880", samples=(_SAMPLE,)),
    reports.Taken(taken=1),
    reports.MachineStatus(
        status="active",
        at=AT,
        current_load=75.0,
        last_maintenance="2026-11-15T10:00:00Z",
        health_score=95,
        remote_access=True,
        camera_active=True,
    ),
    reports.EventBatch(items=(_EVENT,)),
    reports.SessionBatch(items=(_SESSION,)),
    reports.DetectionBatch(items=(_DETECTION,)),
    _DEPOSIT,
    reports.DepositBatch(items=(_DEPOSIT,)),
    reports.DepositKnown(key=KEY, deposit_id=55310, state="credited", reward=100),
    reports.Results(
        results=(
            reports.Result(key=KEY, status="created"),
            reports.Result(
                key="rvm-0042-7-1292",
                status="refused",
                code="key_reused",
                message="Another deposit has this key.",
            ),
        )
    ),
)
