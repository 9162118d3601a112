"""What operators and the platform say to each other; below ``/api/v1/fleet``.

operator ── GET   /machines                          ▶ Fleet
operator ── GET   /machines/{rvm_id}                 ▶ MachineDetail
operator ── GET   /machines/{rvm_id}/telemetry       ▶ Telemetry        newest first
operator ── GET   /machines/{rvm_id}/history?hours=  ▶ History          for a plot
operator ── POST  /machines/{rvm_id}/commands  Order ▶ CommandState
operator ── GET   /machines/{rvm_id}/commands        ▶ CommandStates    newest first
operator ── GET   /commands/{id}                     ▶ CommandHistory
operator ── GET   /machines/{rvm_id}/settings        ▶ Twin
operator ── PATCH /machines/{rvm_id}/settings  Desire ▶ Twin
operator ── GET   /deposits?rvm_id=                  ▶ FleetDeposits    newest first
operator ── GET   /files/{file_id}                   ▶ the file
operator ── GET   /enrolment-tokens                  ▶ EnrolmentTokens
operator ── POST  /enrolment-tokens  MakeEnrolment   ▶ EnrolmentToken   with the token, once
operator ── DELETE /enrolment-tokens/{id}            ▶ nothing
operator ── POST  /users  MakeUser                   ▶ UserMade         with the token, once
operator ── GET, PUT /rewards  Rates                 ▶ RewardTable
operator ── PUT   /maintenance  Maintenance          ▶ nothing
operator ── GET   /sessions?rvm_id=&owner=&before=   ▶ FleetSessions    newest first
operator ── GET   /audit?rvm_id=&before=             ▶ Audit            newest first

With the operator's bearer token.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from protocol.platform.reports import Sample
from protocol.platform.twin import KeyReport
from protocol.storage import DepositState

SettingKey = Annotated[str, Meta(max_length=200, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+\Z")]
WasteType = Annotated[str, Meta(min_length=1, max_length=64)]
Rate = Annotated[int, Meta(ge=0, le=10**9)]
"""What all items of a claim are worth is still a number that everybody can read."""
Name = Annotated[str, Meta(max_length=200)]
Liveness = Literal["unborn", "alive", "late", "lost", "dead"]


class Machine(Struct, frozen=True):
    """One machine as a list shows it; None: not known.

    Attributes:
        liveness: see `server.rules.liveness`.
        status: its own word; empty: it has not said any.
        waiting: records in its outbox, by class.
        open_commands: that have no final report.
    """

    rvm_id: int
    hardware_id: str
    name: str
    liveness: Liveness
    last_seen_at: float | None
    status: str = ""
    status_reason: str = ""
    health_score: int | None = None
    current_load: float | None = None
    max_capacity: float | None = None
    version: str = ""
    clock_quality: str = ""
    waiting: dict[str, int] = {}
    open_commands: int = 0
    settings_version: int = 0
    settings_in_force: int = 0
    summary: str = ""


class Fleet(Struct, frozen=True):
    """All of them."""

    server_time: float
    machines: tuple[Machine, ...]


class FleetEvent(Struct, frozen=True):
    """Something that happened at a machine."""

    key: str
    kind: str
    at: float
    received_at: float
    fields: dict[str, Any] = {}


class FleetDeposit(Struct, frozen=True):
    """One deposit; `user` is a reference, empty: nobody's yet."""

    deposit_id: int
    rvm_id: int
    key: str
    state: DepositState
    waste_type: str
    session_token: str
    at: float
    received_at: float
    weight: float | None = None
    ai_confidence: float | None = None
    reason: str = ""
    image_id: int | None = None
    user: str = ""
    reward: int | None = None


class FleetDeposits(Struct, frozen=True):
    """Newest first."""

    items: tuple[FleetDeposit, ...]


class MachineDetail(Struct, frozen=True):
    """One machine, with what it has reported last.

    Attributes:
        device: boot, epoch, versions, capabilities, actors, and since when.
        engine: as it was registered; None: it was not.
        measured: its newest sample; None: there is none.
    """

    machine: Machine
    device: dict[str, Any]
    engine: dict[str, Any] | None
    measured: Sample | None
    events: tuple[FleetEvent, ...]
    deposits: tuple[FleetDeposit, ...]


class Telemetry(Struct, frozen=True):
    """Samples, newest batch first."""

    samples: tuple[Sample, ...]


class Series(Struct, frozen=True):
    """One measured value; of every slot the lowest, the mean, the highest. None: not measured."""

    name: str
    low: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    high: tuple[float | None, ...]


class History(Struct, frozen=True):
    """What a machine has measured, in equal slots of time on the platform's clock.

    Attributes:
        from_at: when the first slot begins.
        slot_s: how long each is.
        slots: how many there are; the last one is still filling.
        left_out: values that there are besides.
    """

    from_at: float
    slot_s: float
    slots: int
    series: tuple[Series, ...]
    left_out: int = 0


class Order(Struct, frozen=True):
    """Operator: do this there."""

    type: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*\Z")]
    args: dict[str, Any] = {}
    ttl_s: Annotated[float, Meta(gt=0, le=7 * 86400)] = 60.0


class CommandState(Struct, frozen=True):
    """How a command stands; `state` is empty until the machine has said something."""

    id: str
    rvm_id: int
    seq: int
    type: str
    args: dict[str, Any]
    issued_at: float
    ttl_s: float
    issuer: str
    state: str = ""
    is_final: bool = False


class CommandStates(Struct, frozen=True):
    """Newest first."""

    items: tuple[CommandState, ...]


class CommandStep(Struct, frozen=True):
    """One report of a machine."""

    state: str
    at: float
    received_at: float
    code: str = ""
    detail: str = ""
    result: dict[str, Any] = {}
    repeated: bool = False


class CommandHistory(Struct, frozen=True):
    """A command and all its reports, oldest first."""

    command: CommandState
    reports: tuple[CommandStep, ...]


class Desire(Struct, frozen=True):
    """Operator: set these; None takes a key away, and the machine's own word counts again.

    Attributes:
        version: what was the newest when this was decided: 409 if it is not any more.
    """

    settings: Annotated[dict[SettingKey, Any], Meta(min_length=1, max_length=500)]
    version: Annotated[int, Meta(ge=0)] | None = None


class Twin(Struct, frozen=True):
    """What is desired, and what the machine has said of it last.

    Attributes:
        reported_version: of which the rest speaks; 0: it has said nothing.
    """

    version: int
    settings: dict[str, Any]
    reported_version: int = 0
    state: str = ""
    in_force: int = 0
    reason: str = ""
    keys: dict[str, KeyReport] = {}


class MakeEnrolment(Struct, frozen=True):
    """Operator: let one machine in; an empty `hardware_id` is any one."""

    hardware_id: Annotated[
        str, Meta(max_length=64, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?\Z")
    ] = ""
    good_for_s: Annotated[float, Meta(ge=60, le=30 * 86400)] = 86400.0


class EnrolmentToken(Struct, frozen=True):
    """A one-time token; `token` is only in the answer that made it."""

    id: int
    hardware_id: str
    state: Literal["open", "used", "expired", "revoked"]
    created_at: float
    expires_at: float
    issuer: str = ""
    used_by: int | None = None
    token: str = ""


class EnrolmentTokens(Struct, frozen=True):
    """Newest first."""

    items: tuple[EnrolmentToken, ...]


class MakeUser(Struct, frozen=True):
    """Operator: a new user, for platforms without a registration of their own."""

    name: Name


class UserMade(Struct, frozen=True):
    """His reference, and the token of his telephone."""

    reference: str
    token: str


class Rates(Struct, frozen=True):
    """Operator: from now on an item of this class is worth so much, in the smallest unit.

    Attributes:
        version: what was the newest when this was decided: 409 if it is not any more.
    """

    rates: Annotated[dict[WasteType, Rate], Meta(min_length=1, max_length=100)]
    version: Annotated[int, Meta(ge=0)] | None = None


class RewardTable(Struct, frozen=True):
    """The table that counts; `default` is whatever it does not name."""

    version: int
    rates: dict[str, int]
    created_at: float


class FleetSession(Struct, frozen=True):
    """Somebody was served; amounts in the smallest unit.

    Attributes:
        user: a reference; empty: nobody's yet.
        bound_by: how it became his; empty: it has not.
        started_at: None: the machine has not told of it yet.
        claimed_items: what his claim promised.
        advanced_items: of these, paid before their deposits were here, which still are not.
        worth: of the deposits that are here, by the tables that counted then.
        paid: what its user has been given for it.
    """

    session_id: int
    rvm_id: int
    session_token: str
    user: str = ""
    bound_by: Literal["", "code", "claim"] = ""
    bound_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    credited: int = 0
    refused: int = 0
    claimed_items: int = 0
    advanced_items: int = 0
    worth: int = 0
    paid: int = 0


class FleetSessions(Struct, frozen=True):
    """Newest first."""

    items: tuple[FleetSession, ...]


class Maintenance(Struct, frozen=True):
    """Operator: answer 503 to all but operators, and have them wait so long; None: open again."""

    wait_s: Annotated[float, Meta(gt=0, le=86400)] | None


class AuditEntry(Struct, frozen=True):
    """Who has changed what."""

    id: int
    at: float
    who: str
    what: str
    rvm_id: int | None
    detail: dict[str, Any]


class Audit(Struct, frozen=True):
    """Newest first."""

    items: tuple[AuditEntry, ...]
