"""The trial of a newcomer: what it reports of itself, how long it may take, and the judgement.

    verify → install → load (→ build) → golden → bench → done

The steps run in a process of their own (`actors/inference/rehearsal.py`), which tells each one when
it begins; the old model serves meanwhile. Here are the words and the rules, without a process.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from config.settings import InferenceSettings
from models.vision.backends.faulty import Fault

Step = Literal["boot", "verify", "install", "load", "build", "golden", "bench", "done"]

BENCH_ROUNDS = 12
"""Half a second of a usual model; enough for a median that one slow round does not move."""
_BOOT_S = 20.0
"""Importing numpy, OpenCV and a run time takes seconds on a cold SD card."""
_FILES_S = 20.0
"""Reading and writing some tens of MB there."""
_PICTURE_FACTOR = 4.0
"""The first picture after loading takes longer than the others."""


class Job(msgspec.Struct, frozen=True):
    """What is to be tried.

    Attributes:
        store: directory that a newcomer from elsewhere is copied into first; empty: it is not.
        cache: of engines; empty: none are kept.
        needs_golden: whether it may go on without golden pictures.
        fault: for tests: it misbehaves so from its first picture on.
        rounds: of the bench.
        nice: how far it stands back behind what serves.
    """

    directory: str
    store: str = ""
    backend: str = "auto"
    threads: int = 1
    cache: str = ""
    needs_golden: bool = True
    fault: Fault | None = None
    rounds: int = BENCH_ROUNDS
    nice: int = 10


class Began(msgspec.Struct, frozen=True, tag="began"):
    """Rehearsal: this step begins, or its next picture.

    Attributes:
        fingerprint: of the newcomer, said once.
    """

    step: Step
    fingerprint: str = ""


class Passed(msgspec.Struct, frozen=True, tag="passed"):
    """Rehearsal: all steps are done.

    Attributes:
        directory: where the newcomer lies now.
        fingerprint: of its files there.
        picture_ms: of each round of the bench.
        rss_mb: resident memory at its highest.
    """

    directory: str
    name: str
    fingerprint: str
    model: str
    sha256: str
    backend: str
    load_ms: float
    picture_ms: tuple[float, ...]
    rss_mb: float
    golden: int
    note: str = ""


class Stumbled(msgspec.Struct, frozen=True, tag="stumbled"):
    """Rehearsal: it does not go on, for this reason."""

    step: Step
    kind: str
    why: str
    fingerprint: Annotated[str, msgspec.Meta(max_length=64)] = ""


Word = Began | Passed | Stumbled


_LACKING = frozenset(
    ("StoreError", "BackendMissing", "EngineFailed", "OutOfMemory", "MemoryError", "Unproven")
)


def is_its_own_fault(answer: Stumbled) -> bool:
    """Whether the model is to blame, rather than what this machine or its maker lacks."""
    return answer.kind not in _LACKING


class TrialLimits(msgspec.Struct, frozen=True):
    """What a newcomer may take; from the settings of the same names."""

    picture_s_max: float = 0.5
    deadline_s: float = 2.0
    load_timeout_s: float = 30.0
    build_timeout_s: float = 1200.0
    memory_mb_max: int = 2048

    def step_s(self, step: Step) -> float:
        """How long a step may be silent before it counts as hung."""
        return {
            "boot": _BOOT_S,
            "verify": _FILES_S,
            "install": _FILES_S,
            "load": self.load_timeout_s,
            "build": self.build_timeout_s,
            "golden": max(_PICTURE_FACTOR * self.picture_s_max, self.deadline_s),
            "bench": max(_PICTURE_FACTOR * self.picture_s_max, self.deadline_s),
            "done": self.deadline_s,
        }[step]


def limits_of(settings: InferenceSettings) -> TrialLimits:
    """The settings that a trial goes by."""
    return TrialLimits(
        settings.picture_s_max,
        settings.deadline_s,
        settings.load_timeout_s,
        settings.build_timeout_s,
        settings.memory_mb_max,
    )


def judged(answer: Passed | Stumbled, limits: TrialLimits) -> Passed | Stumbled:
    """What a trial has come to: one that got through all steps may still be too much."""
    why = _excess(answer, limits) if isinstance(answer, Passed) else ""
    return Stumbled("bench", "TooMuch", why, answer.fingerprint) if why else answer


def _excess(passed: Passed, limits: TrialLimits) -> str:
    median_ms = median(passed.picture_ms)
    if median_ms > 1000.0 * limits.picture_s_max:
        return (
            f"it is slow: {median_ms:.0f} ms a picture, {1000 * limits.picture_s_max:.0f} ms are"
            " allowed (inference.picture_s_max)"
        )
    if passed.rss_mb > limits.memory_mb_max:
        return (
            f"it takes {passed.rss_mb:.0f} MB, {limits.memory_mb_max} MB are allowed"
            " (inference.memory_mb_max)"
        )
    return ""


def median(values: Sequence[float]) -> float:
    """The middle one; 0 of none."""
    return statistics.median(values) if values else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    at = max(0, -int(-percent * len(ordered) // 100) - 1)
    return ordered[min(at, len(ordered) - 1)]
