"""Rehearsals for the command line: the same that a newcomer goes through, waited for here."""

from __future__ import annotations

from contextlib import closing

from actors.inference.rehearsal import Rehearsal
from models.vision.trial import Job, Passed, Stumbled, TrialLimits
from supervisors.clock import SystemClock

_PAUSE_S = 0.02


def rehearse(job: Job, limits: TrialLimits) -> Passed | Stumbled:
    """Try a model in a process of its own and wait for its end; Ctrl-C ends both."""
    clock = SystemClock()
    with closing(Rehearsal(job, limits, clock)) as rehearsal:
        while (answer := rehearsal.poll()) is None:
            clock.pause(_PAUSE_S)
    return answer
