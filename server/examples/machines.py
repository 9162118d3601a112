"""Identity, commands, settings and files."""

from __future__ import annotations

from protocol.platform import identity, media, remote, twin

AT = 1_795_264_200.0
"""2026-11-21T12:30:00Z."""
TIMESTAMP = "2026-11-21T12:30:00Z"
HARDWARE_ID = "rvm-0042"
KEY = "rvm-0042-7-1291"
PICTURE = "rvm-0042-7-1291.jpg"
SESSION = "rvm-0042-s-7-318"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SECRET = "Jx0cZ4mVhH1S1uW6yYb7Tq3nRk9dPfLaE2gC5vXoMwI"  # noqa: S105 - an example
CHALLENGE = f"{int(AT) + 60}.5d41402abc4b2a76b9719d911017c592.{SHA256}"
COMMAND_ID = "0f8fad5bd9cb469fa16570867728950e"

EXAMPLES = (
    identity.Enrol(
        token=SECRET,
        hardware_id=HARDWARE_ID,
        public_key="d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        signature="e5564300c360ac729086e2cc806e828a" * 4,
        name="Supermarket, entrance",
    ),
    identity.Enrolled(rvm_id=42, hardware_id=HARDWARE_ID),
    identity.AskToken(hardware_id=HARDWARE_ID),
    identity.Challenge(challenge=CHALLENGE, expires_in_s=60.0),
    identity.ProveKey(
        hardware_id=HARDWARE_ID,
        challenge=CHALLENGE,
        signature="92a009a9f0d4cab8720e820b5f642540" * 4,
    ),
    identity.Token(access_token=SECRET, expires_in_s=3600.0),
    identity.Birth(
        boot_id="3f6c1d0a9b7e",
        epoch=7,
        at=AT,
        versions={"rvm-edge": "0.1.0", "python": "3.10.12", "model": "detector-3"},
        capabilities=("camera", "scale", "media.resumable"),
        settings_version=3,
        commands_after=17,
        actors=("/storage", "/machine/motor", "/uplink/link"),
    ),
    identity.Welcome(
        rvm_id=42,
        server_time=AT,
        heartbeat_s=60.0,
        telemetry_s=30.0,
        uploads=("multipart", "resumable"),
        doorbell=identity.Doorbell(
            url="wss://platform.example.org", key="278d525bdf162c739803", channel="private-rvm.42"
        ),
        spread_s=20.0,
        settings_version=3,
    ),
    identity.Death(epoch=7, boot_id="3f6c1d0a9b7e", reason="stopped by the operator"),
    identity.Problem(
        message="Another deposit has this key.",
        code="key_reused",
        errors={"key": ["Another deposit has this key."]},
    ),
    remote.Commands(
        commands=(
            remote.Command(
                seq=18,
                id=COMMAND_ID,
                type="restart_actor",
                ttl_s=60.0,
                args={"address": "/vision/camera"},
                issued_at=AT,
                age_s=0.4,
                issuer="operator",
            ),
        ),
        last=18,
    ),
    remote.CommandReport(state="succeeded", at=AT, result={"took_s": 0.8}),
    twin.Desired(version=4, settings={"session.idle_timeout_s": 45.0, "session.guests": "button"}),
    twin.Reported(
        version=4,
        state="applied",
        in_force=4,
        at=AT,
        keys={
            "session.idle_timeout_s": twin.KeyReport(45.0, 4, 200),
            "session.guests": twin.KeyReport("automatic", 4, 409, "set on the machine"),
        },
    ),
    media.FileMetadata(
        key=PICTURE,
        name="1291.jpg",
        content_type="image/jpeg",
        size=48213,
        sha256=SHA256,
        timestamp=TIMESTAMP,
        session_token=SESSION,
        detection_id=KEY,
    ),
    media.FileKnown(file_id=905, key=PICTURE, sha256=SHA256, size=48213),
    media.Upload(upload_id="6fa459ea0ee8a3ca4bc2b1a1d4f3e1ab", offset=0, size=48213),
)
