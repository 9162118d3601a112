"""Who a machine is: enrolment once, then a short bearer token for every few hours.

machine ── POST /edge/enrolments  Enrol      ▶ Enrolled     with a one-time token, once
machine ── POST /edge/challenges  AskToken   ▶ Challenge    good once, for a minute
machine ── POST /edge/tokens      ProveKey   ▶ Token        signed with the device key
machine ── POST /edge/births      Birth      ▶ Welcome      at every start
machine ── POST /edge/deaths      Death      ▶ nothing      at an orderly end

The device key is Ed25519 (RFC 8032) and never leaves the machine. What is signed begins with its
purpose, so that no signature made for anything else passes; no clock is needed on either side.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

HardwareId = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")
]
"""Chosen by whoever builds the machine; the platform never changes it."""
PublicKey = Annotated[str, Meta(min_length=64, max_length=64, pattern=r"^[0-9a-f]+\Z")]
"""32 bytes in hexadecimal."""
Signature = Annotated[str, Meta(min_length=128, max_length=128, pattern=r"^[0-9a-f]+\Z")]
"""64 bytes in hexadecimal."""
Secret = Annotated[str, Meta(min_length=16, max_length=256)]
ClockQuality = Literal["good", "bad"]
"""``bad``: the wall clock has not been set since the machine started."""


class Enrol(Struct, frozen=True):
    """Machine: I am this one, and this is my key.

    Attributes:
        token: given out by an operator for one machine, good once.
        signature: of `enrolment_bytes` with the key, which proves that it is there.
    """

    token: Secret
    hardware_id: HardwareId
    public_key: PublicKey
    signature: Signature
    name: Annotated[str, Meta(max_length=200)] = ""


class Enrolled(Struct, frozen=True):
    """Platform: welcome; `rvm_id` is your number here. The same key gets the same number again."""

    rvm_id: int
    hardware_id: HardwareId


class AskToken(Struct, frozen=True):
    """Machine: let me prove who I am."""

    hardware_id: HardwareId


class Challenge(Struct, frozen=True):
    """Platform: sign this. Unknown machines get one too; nobody learns who is enrolled."""

    challenge: Secret
    expires_in_s: float


class ProveKey(Struct, frozen=True):
    """Machine: here is the signature of `token_bytes`."""

    hardware_id: HardwareId
    challenge: Secret
    signature: Signature


class Token(Struct, frozen=True):
    """Platform: go about with this.

    Attributes:
        access_token: for ``Authorization: Bearer``; opaque.
        expires_in_s: from the answer on, by the reader's own monotonic clock.
    """

    access_token: Secret
    expires_in_s: float
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name


def enrolment_bytes(hardware_id: str, public_key: str, token: str) -> bytes:
    """What `Enrol.signature` signs."""
    return b"\0".join(
        (b"rvm-edge enrolment", hardware_id.encode(), public_key.encode(), token.encode())
    )


def token_bytes(hardware_id: str, challenge: str) -> bytes:
    """What `ProveKey.signature` signs."""
    return b"\0".join((b"rvm-edge token", hardware_id.encode(), challenge.encode()))


class Birth(Struct, frozen=True):
    """Machine: I have started. Sent before anything else of a run; twice is once.

    Attributes:
        boot_id: of this run of the program.
        epoch: of the ledger (`storage.epoch`); a death names it.
        versions: of what is installed: ``rvm-edge``, ``python``, ``model`` …
        capabilities: what it can do: ``camera``, ``scale``, ``barcode``, ``media.resumable`` …
        settings_version: of the platform's settings that are in force; 0: none.
        commands_after: the newest command that it has taken down for good.
        actors: addresses of its actors.
    """

    boot_id: Annotated[str, Meta(min_length=1, max_length=64)]
    epoch: int
    at: float
    clock_quality: ClockQuality = "good"
    versions: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    settings_version: int = 0
    commands_after: int = 0
    actors: tuple[str, ...] = ()


class Doorbell(Struct, frozen=True):
    """Where the platform's WebSocket speaks the Pusher protocol, version 7.

    Attributes:
        url: ``wss://host[:port][/path]``, without ``/app/…``.
        key: of the app; public.
        channel: of this machine, ``private-rvm.<rvm_id>``.
        auth_path: where to have subscriptions signed.
    """

    url: str
    key: str
    channel: str
    auth_path: str = "/broadcasting/auth"


class Welcome(Struct, frozen=True):
    """Platform: you are machine `rvm_id`.

    Attributes:
        server_time: seconds since 1970.
        uploads: ``multipart``, ``resumable``.
        doorbell: None: there is none; ask.
        spread_s: when everybody comes back at once, wait at random up to so long.
    """

    rvm_id: int
    server_time: float
    heartbeat_s: float | None = None
    telemetry_s: float | None = None
    uploads: tuple[str, ...] = ("multipart",)
    doorbell: Doorbell | None = None
    spread_s: float = 0.0
    settings_version: int = 0


class Death(Struct, frozen=True):
    """Machine: I end in order; the platform need not wait for heartbeats that will be missing."""

    epoch: int
    boot_id: str
    reason: str = ""


class Problem(Struct, frozen=True):
    """Any failure's body.

    Attributes:
        code: for programs: ``unauthenticated``, ``validation``, ``key_reused``, ``not_found`` …
        errors: per field, as Laravel says it.
    """

    message: str
    code: str = ""
    errors: dict[str, list[str]] = {}


class Answer(Struct, frozen=True):
    """Any success."""

    data: Any
    success: Literal[True] = True
