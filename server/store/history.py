"""What a machine has measured over some hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from protocol.platform.reports import Sample
from server.payloads.fleet import History, Series
from server.rules.history import fold, placed_at, step_s
from server.store.database import Connection, rows
from server.tables import edge_telemetry

_samples = msgspec.json.Decoder(list[Sample])


async def history(
    connection: Connection, rvm_id: int, now_s: float, window_s: float, telemetry_s: float
) -> History:
    """Of the last `window_s` seconds.

    Args:
        telemetry_s: between two samples, as machines are asked to.
    """
    slot_s = step_s(window_s, telemetry_s)
    count = math.ceil(window_s / slot_s)
    # Slots begin where they began when this was asked last: a plot moves on by whole slots.
    from_at = (math.floor(now_s / slot_s) + 1 - count) * slot_s
    batches = edge_telemetry.c
    found = await rows(
        connection,
        # As text: most of the time goes into reading it, and this reader is three times as quick.
        sa.select(sa.cast(batches.samples, sa.Text).label("samples"), batches.received_at).where(
            batches.rvm_id == rvm_id, batches.received_at >= from_at
        ),
    )
    by_name, left_out = fold(_placed(found), from_at, slot_s, count)
    series = (
        Series(name, tuple(one.low), tuple(one.mean), tuple(one.high))
        for name, one in by_name.items()
    )
    return History(from_at, slot_s, count, tuple(series), left_out)


def _placed(found: list[Any]) -> Iterator[tuple[float, dict[str, float | None]]]:
    for text, received_at in found:
        batch = _samples.decode(text)
        for sample in batch:
            yield placed_at(sample, batch[-1], received_at), sample.values
