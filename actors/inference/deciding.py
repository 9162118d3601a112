"""A decision: what a burst of pictures shows, in time or not at all.

Pure in its inputs: the ring, the detector and the clock are handed in. The clock that counts is the
customer's: it runs from the moment at which the question was asked, not from the one at which
somebody had time for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from models.acceptance import Verdict, judge_all
from models.vision.errors import VisionError
from models.vision.evidence import Look, Picture

if TYPE_CHECKING:
    from actors.inference.serving import Serving
    from models.vision import Detection
    from models.vision.detector import Frame
    from models.vision.ring import RingReader
    from protocol.vision import Classify, FrameRef
    from supervisors.clock import Clock

_MS = 1e6


class NoAnswer(VisionError):
    """There is no decision; the message says why."""


class TooLate(NoAnswer):
    """The time is over: a late answer decides nothing."""


class _Seen(NamedTuple):
    """One picture that was looked at."""

    ref: FrameRef
    frame: Frame
    detections: tuple[Detection, ...]
    took_ms: float


class Decided(NamedTuple):
    """A decision and what it rests on.

    Attributes:
        shown: number of the picture that stands for the burst: the newest with the verdict.
        worked_ms: reading the ring, detection and rule, for all pictures.
    """

    look: Look
    frames: tuple[Frame, ...]
    shown: int
    worked_ms: float


def decide(
    question: Classify, asked_ns: int, until_ns: int, ring: RingReader, eyes: Serving, clock: Clock
) -> Decided:
    """Look at a burst and judge it.

    Args:
        asked_ns, until_ns: when the question was asked, and when an answer is worth nothing.

    Raises:
        NoAnswer: stale or missing pictures.
        TooLate: the time is over, or would be before the next picture has been looked at.
        VisionError: a picture is gone from the ring, or the detector failed.
    """
    _check(question)
    seen: list[_Seen] = []
    for ref in question.frames:
        began_ns = clock.monotonic_ns()
        needs_ms = max((one.took_ms for one in seen), default=0.0)
        if began_ns + needs_ms * _MS >= until_ns:
            raise TooLate(_late(len(seen), len(question.frames), began_ns - asked_ns))
        frame = ring.read(ref)
        detections = eyes.detector.detect(frame)
        seen.append(_Seen(ref, frame, detections, (clock.monotonic_ns() - began_ns) / _MS))
    ended_ns = clock.monotonic_ns()
    if ended_ns >= until_ns:
        raise TooLate(_late(len(seen), len(question.frames), ended_ns - asked_ns))
    return _judged(question, asked_ns, ended_ns, seen, eyes, clock.wall())


def _check(question: Classify) -> None:
    """A picture from before the burst was asked for may show a hand, or another item."""
    if not question.frames:
        raise NoAnswer("there is no picture to look at")
    oldest_ns = min(ref.t_mono_ns for ref in question.frames)
    if oldest_ns < question.newer_than_ns:
        early_ms = (question.newer_than_ns - oldest_ns) / _MS
        raise NoAnswer(f"a picture is stale: exposed {early_ms:.0f} ms before it was asked for")


def _late(done: int, wanted: int, spent_ns: int) -> str:
    return f"too slow: {done} of {wanted} pictures after {spent_ns / _MS:.0f} ms"


def _judged(
    question: Classify,
    asked_ns: int,
    ended_ns: int,
    seen: list[_Seen],
    eyes: Serving,
    at_s: float,
) -> Decided:
    info = eyes.detector.info
    verdict, votes = judge_all([one.detections for one in seen], info.thresholds)
    agreeing = [number for number, vote in enumerate(votes) if vote == verdict]
    pictures = tuple(_told(one, vote, asked_ns) for one, vote in zip(seen, votes, strict=True))
    look = Look(
        deposit=question.deposit,
        number=1,
        at_s=at_s,
        model=info.name,
        model_sha256=info.sha256,
        fingerprint=eyes.fingerprint,
        backend=info.backend,
        thresholds=dict(info.thresholds),
        decision=verdict.decision.value,
        reason=verdict.reason.value,
        elapsed_ms=(ended_ns - asked_ns) / _MS,
        pictures=pictures,
    )
    shown = agreeing[-1] if agreeing else len(seen) - 1
    frames = tuple(one.frame for one in seen)
    return Decided(look, frames, shown, sum(one.took_ms for one in seen))


def _told(one: _Seen, vote: Verdict, asked_ns: int) -> Picture:
    """One picture in the words of the evidence; its file is named when it is written."""
    return Picture(
        file="",
        sha256="",
        width_px=one.ref.width,
        height_px=one.ref.height,
        sequence=one.ref.sequence,
        exposed_ms=(asked_ns - one.ref.t_mono_ns) / _MS,
        took_ms=one.took_ms,
        vote=vote.decision.value,
        reason=vote.reason.value,
        detections=one.detections,
    )
