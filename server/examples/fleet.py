"""Operators."""

from __future__ import annotations

from protocol.platform.reports import Sample
from protocol.platform.twin import KeyReport
from server.examples.machines import AT, COMMAND_ID, HARDWARE_ID, KEY, SECRET, SESSION
from server.payloads import fleet as words

_MACHINE = words.Machine(
    rvm_id=42,
    hardware_id=HARDWARE_ID,
    name="Supermarket, entrance",
    liveness="alive",
    last_seen_at=AT - 12,
    status="active",
    health_score=95,
    current_load=75.0,
    max_capacity=100.0,
    version="0.1.0",
    clock_quality="good",
    waiting={"money": 0, "event": 2},
    settings_version=4,
    settings_in_force=4,
    summary="serving",
)
_COMMAND = words.CommandState(
    id=COMMAND_ID,
    rvm_id=42,
    seq=18,
    type="ping",
    args={},
    issued_at=AT,
    ttl_s=60.0,
    issuer="operator",
    state="succeeded",
    is_final=True,
)
_DEPOSIT = words.FleetDeposit(
    deposit_id=55310,
    rvm_id=42,
    key=KEY,
    state="credited",
    waste_type="mineral",
    session_token=SESSION,
    at=AT,
    received_at=AT + 1,
    weight=0.024,
    ai_confidence=0.95,
    image_id=905,
    user="u-9c1185a5c5e9fc54",
    reward=100,
)
_EVENT = words.FleetEvent(key="rvm-0042-e-7-88", kind="bin_full", at=AT, received_at=AT + 1)
_SAMPLE = Sample(at=AT, monotonic_s=86400.5, values={"cpu_c": 51.5})
_SERIES = words.Series(
    name="cpu_percent", low=(11.0, None, 9.5), mean=(14.5, None, 9.5), high=(18.0, None, 9.5)
)
_SERVED = words.FleetSession(
    session_id=2204,
    rvm_id=42,
    session_token=SESSION,
    user="u-9c1185a5c5e9fc54",
    bound_by="claim",
    bound_at=AT + 600,
    started_at=AT - 60,
    ended_at=AT + 30,
    reason="finished",
    credited=3,
    refused=1,
    claimed_items=3,
    advanced_items=1,
    worth=300,
    paid=400,
)
_TOKEN = words.EnrolmentToken(
    id=7,
    hardware_id=HARDWARE_ID,
    state="open",
    created_at=AT,
    expires_at=AT + 86400,
    issuer="operator",
    token=SECRET,
)
_ENTRY = words.AuditEntry(
    id=311, at=AT, who="operator", what="command.sent", rvm_id=42, detail={"type": "ping"}
)

EXAMPLES = (
    words.Fleet(server_time=AT, machines=(_MACHINE,)),
    words.MachineDetail(
        machine=_MACHINE,
        device={"boot_id": "3f6c1d0a9b7e", "epoch": 7, "versions": {"rvm-edge": "0.1.0"}},
        engine={"type": "tensorrt", "is_active": True, "load": 0.08},
        measured=_SAMPLE,
        events=(_EVENT,),
        deposits=(_DEPOSIT,),
    ),
    words.Telemetry(samples=(_SAMPLE,)),
    _SERIES,
    words.History(from_at=AT - 180, slot_s=60.0, slots=3, series=(_SERIES,)),
    words.FleetDeposits(items=(_DEPOSIT,)),
    words.Order(type="restart_actor", args={"address": "/vision/camera"}, ttl_s=60.0),
    _COMMAND,
    words.CommandStates(items=(_COMMAND,)),
    words.CommandHistory(
        command=_COMMAND,
        reports=(
            words.CommandStep(state="received", at=AT, received_at=AT),
            words.CommandStep(state="succeeded", at=AT + 1, received_at=AT + 1),
        ),
    ),
    words.Desire(settings={"session.guests": "button", "session.idle_timeout_s": None}, version=4),
    words.Twin(
        version=5,
        settings={"session.guests": "button"},
        reported_version=5,
        state="kept",
        in_force=5,
        keys={"session.guests": KeyReport("button", 5, 200)},
    ),
    words.MakeEnrolment(hardware_id=HARDWARE_ID, good_for_s=86400.0),
    _TOKEN,
    words.EnrolmentTokens(items=(_TOKEN,)),
    words.MakeUser(name="Sari"),
    words.UserMade(reference="u-9c1185a5c5e9fc54", token=SECRET),
    words.Rates(rates={"default": 100, "mineral": 150}, version=1),
    words.RewardTable(version=2, rates={"default": 100, "mineral": 150}, created_at=AT),
    _SERVED,
    words.FleetSessions(items=(_SERVED,)),
    words.Maintenance(wait_s=300.0),
    words.Audit(items=(_ENTRY,)),
)
