"""What is thrown away by itself, and what is not."""

from __future__ import annotations

import sqlalchemy as sa

from server.housekeeping import sweep
from server.tables import api_tokens, edge_telemetry, uploads
from tests.server.platform import Platform, sha256

DAY_S = 86400.0
SAMPLE = {"at": 1.0, "monotonic_s": 1.0, "values": {"cpu_c": 50.0}}


def test_old_samples_tokens_and_uploads_go_and_new_ones_stay(either: Platform):
    machine = either.machine()
    said = {
        "key": "f",
        "name": "f",
        "content_type": "image/jpeg",
        "size": 1,
        "sha256": sha256(b"x"),
        "timestamp": "2026-11-21T12:30:00Z",
    }
    machine.post("/edge/telemetry", {"key": "old", "samples": [SAMPLE]})
    upload = machine.post("/uploads", said).json()["data"]["upload_id"]
    part = either.settings.files_dir / "parts" / upload
    assert part.exists()
    either.time.now_s += 31 * DAY_S
    machine.sign_in()
    machine.post("/edge/telemetry", {"key": "new", "samples": [SAMPLE]})
    newer = machine.post("/uploads", {**said, "key": "g"}).json()["data"]["upload_id"]
    either.run(sweep(either.app.state.services))
    assert either.read(sa.select(edge_telemetry.c.key)) == [("new",)]
    assert either.read(sa.select(uploads.c.upload_id)) == [(newer,)]
    kinds = either.read(sa.select(api_tokens.c.kind).order_by(api_tokens.c.kind))
    assert kinds == [("machine",), ("operator",)]
    assert not part.exists()
    assert machine.get("/edge/commands").status_code == 200
