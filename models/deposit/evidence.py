"""A digest of what a decision about an item rested on, for the ledger."""

from __future__ import annotations

import hashlib

import msgspec

from models.deposit.state import Item
from models.passage import Passage


def evidence(item: Item, passage: Passage) -> str:
    """SHA-256, in hex, over model, detections, weights, length and the times of the beams.

    The times are those of the monotonic clock, so that the digest names this very passage.
    """
    record = item.record
    weights = (record.mass_g, item.mass_again_g)
    told = (record.id, record.model_sha256, item.decision, weights, record.length_m, passage)
    return hashlib.sha256(msgspec.msgpack.encode(told) + item.detections).hexdigest()
