"""What a machine tells of its own accord: `protocol.platform.reports`, but for deposits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Response

from protocol.platform.reports import (
    ClosedSession,
    Detection,
    DetectionBatch,
    Engine,
    EngineKnown,
    Event,
    EventBatch,
    Heartbeat,
    MachineStatus,
    Pulse,
    Result,
    Results,
    SessionBatch,
    Taken,
    TelemetryBatch,
)
from server.http.answers import answer, nothing
from server.http.batches import says_items
from server.http.bodies import says
from server.http.callers import AsMachine
from server.http.described import talk
from server.services import Here
from server.store import machines, reports, sessions
from server.store.database import Connection

router = APIRouter(tags=["reports"])


@router.put("/edge/engine", **talk(Engine, EngineKnown))
async def register_engine(
    here: Here, machine: AsMachine, said: Annotated[Engine, says(Engine)]
) -> Response:
    """The machine as a processing engine; the same again changes nothing."""
    now_s = here.clock.wall_s()
    engine_id = await here.gathered.write(
        lambda connection: machines.computes(connection, machine.id, said, now_s)
    )
    return answer(EngineKnown(engine_id))


@router.post("/edge/heartbeats", **talk(Heartbeat, Pulse))
async def beat(
    here: Here, machine: AsMachine, said: Annotated[Heartbeat, says(Heartbeat)]
) -> Response:
    """Still here."""
    now_s = here.clock.wall_s()
    pulse = await here.gathered.write(
        lambda connection: machines.heard(connection, machine.id, said, now_s)
    )
    return answer(pulse)


@router.post("/edge/telemetry", **talk(TelemetryBatch, Taken))
async def measure(
    here: Here, machine: AsMachine, said: Annotated[TelemetryBatch, says(TelemetryBatch)]
) -> Response:
    """Samples; the same batch again is taken once."""
    now_s = here.clock.wall_s()
    taken = await here.gathered.write(
        lambda connection: reports.take_telemetry(connection, machine.id, said, now_s)
    )
    return answer(Taken(taken))


@router.put("/edge/status", **talk(MachineStatus))
async def tell_status(
    here: Here, machine: AsMachine, said: Annotated[MachineStatus, says(MachineStatus)]
) -> Response:
    """How the machine stands; an older word than the last changes nothing."""
    now_s = here.clock.wall_s()
    await here.gathered.write(
        lambda connection: machines.stands(connection, machine.id, said, now_s)
    )
    return nothing()


@router.post("/edge/events", **talk(EventBatch, Results))
async def tell_events(
    here: Here, machine: AsMachine, items: Annotated[list[Event | Result], says_items(Event)]
) -> Response:
    """What has happened."""
    good = [item for item in items if isinstance(item, Event)]
    now_s = here.clock.wall_s()
    new = await here.gathered.write(
        lambda connection: reports.take_events(connection, machine.id, good, now_s)
    )
    return _results(items, new)


@router.post("/detections", **talk(DetectionBatch, Results))
async def tell_detections(
    here: Here,
    machine: AsMachine,
    items: Annotated[list[Detection | Result], says_items(Detection)],
) -> Response:
    """What the detector has seen."""
    good = [item for item in items if isinstance(item, Detection)]
    now_s = here.clock.wall_s()
    new = await here.gathered.write(
        lambda connection: reports.take_detections(connection, machine.id, good, now_s)
    )
    return _results(items, new)


@router.post("/edge/sessions", **talk(SessionBatch, Results))
async def tell_sessions(
    here: Here,
    machine: AsMachine,
    items: Annotated[list[ClosedSession | Result], says_items(ClosedSession)],
) -> Response:
    """Sessions that are over."""

    async def close(connection: Connection) -> set[str]:
        return {
            item.key
            for item in items
            if isinstance(item, ClosedSession)
            and await sessions.close(connection, machine.id, item)
        }

    return _results(items, await here.gathered.write(close))


def _results(items: Sequence[Any], new: set[str]) -> Response:
    """One for each, in order; a key that stands twice in a batch is created once."""
    results = []
    left = set(new)
    for item in items:
        if isinstance(item, Result):
            results.append(item)
            continue
        results.append(Result(item.key, "created" if item.key in left else "duplicate"))
        left.discard(item.key)
    return answer(Results(tuple(results)))
