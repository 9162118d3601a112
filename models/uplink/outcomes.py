"""What becomes of records after the platform's answer to a batch of them.

result ``created``, ``duplicate``    it has them: they are done
result ``refused``                   never again, with the platform's words
result ``later``, or none            this one waits, the others do not
400, 413, 422 to one record          as ``refused``
the same to a batch                  each half by itself, until the one is found
anything else                        not about these records: the whole class waits; so does 409,
                                     with which platforms say that the same is still in progress
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from models.uplink.answers import words_of
from models.uplink.payloads import Batch
from protocol.platform.reports import Result, Results

_TAKEN = range(200, 300)
_ABOUT_CONTENT = frozenset((400, 413, 422))


class Outcome(NamedTuple):
    """By sequence of the outbox.

    Attributes:
        done: the platform has them for good.
        refused: with its words.
        later: this one, not now, with its words.
        splits: send each half by itself.
        pause: why nothing of this class goes out for a while; empty: it does.
    """

    done: tuple[int, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()
    later: tuple[tuple[int, str], ...] = ()
    splits: bool = False
    pause: str = ""


def judge(batch: Batch, status: int, body: bytes) -> Outcome:
    """What an answer means for the records of a batch."""
    sequences = tuple(part.record.sequence for part in batch.parts)
    if status in _TAKEN:
        return _taken(batch, body) if batch.answers else Outcome(done=sequences)
    words = words_of(status, body)
    if status not in _ABOUT_CONTENT:
        return Outcome(later=_all(sequences, words.text), pause=words.text)
    if len(sequences) > 1:
        return Outcome(splits=True)
    return Outcome(refused=_all(sequences, f"{words.code}: {words.text}"))


def _taken(batch: Batch, body: bytes) -> Outcome:
    try:
        results = {one.key: one for one in msgspec.json.decode(body, type=Results).results}
    except msgspec.MsgspecError:
        why = "the platform's answer is no list of results"
        sequences = tuple(part.record.sequence for part in batch.parts)
        return Outcome(later=_all(sequences, why), pause=why)
    done: list[int] = []
    refused: list[tuple[int, str]] = []
    later: list[tuple[int, str]] = []
    for part in batch.parts:
        sequence, result = part.record.sequence, results.get(part.key)
        if result is None:
            later.append((sequence, "the platform's answer does not name it"))
        elif result.status in ("created", "duplicate"):
            done.append(sequence)
        elif result.status == "refused":
            refused.append((sequence, _words(result)))
        else:
            later.append((sequence, _words(result)))
    return Outcome(tuple(done), tuple(refused), tuple(later))


def _words(result: Result) -> str:
    return f"{result.code}: {result.message}".strip(": ") or result.status


def _all(sequences: tuple[int, ...], why: str) -> tuple[tuple[int, str], ...]:
    return tuple((sequence, why) for sequence in sequences)
