"""Inside the process of a rehearsal: every step of the trial, told before it is taken.

What comes of each is a line of JSON on a pipe; whatever libraries print goes elsewhere. What ends
this process ends nothing else (`rehearsal.py`).
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.vision.errors import VisionError
from models.vision.trial import Began, Job, Passed, Step, Stumbled, Word
from supervisors.clock import SystemClock
from supervisors.zygote_main import die_with_parent

if TYPE_CHECKING:
    from actors.inference.serving import Serving


class _Reporter:
    """What the process says, a line of JSON a word."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.step: Step = "boot"

    def say(self, word: Word) -> None:
        os.write(self._fd, msgspec.json.encode(word) + b"\n")

    def begin(self, step: Step, fingerprint: str = "") -> None:
        self.step = step
        self.say(Began(step, fingerprint))


def main(argv: list[str]) -> int:
    """Try one model; arguments: the job, the descriptor to report to, the parent's pid."""
    die_with_parent(int(argv[2]))
    job = msgspec.json.decode(argv[0], type=Job)
    os.nice(job.nice)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        pass  # a container may forbid it; the parent watches all the same
    reporter = _Reporter(int(argv[1]))
    try:
        reporter.say(_rehearse(job, reporter))
    except (VisionError, MemoryError) as error:
        why = str(error) or "there is too little memory"
        reporter.say(Stumbled(reporter.step, type(error).__name__, why))
    return 0


def _rehearse(job: Job, reporter: _Reporter) -> Passed:
    from models.vision import load_manifest, read_weights
    from models.vision.golden import load_golden
    from models.vision.store import ModelStore, fingerprint

    directory = Path(job.directory)
    reporter.begin("verify", fingerprint(directory))
    manifest = load_manifest(directory)
    read_weights(directory, manifest)
    load_golden(directory, manifest)
    name = directory.name
    if job.store:
        reporter.begin("install")
        store = ModelStore(Path(job.store))
        name = store.install(directory)
        directory = store.directory / name
    return _perform(job, reporter, directory, name)


def _perform(job: Job, reporter: _Reporter, directory: Path, name: str) -> Passed:
    from actors.inference.serving import Way, load, may_build

    clock = SystemClock()
    cache = Path(job.cache) if job.cache else None
    way = Way(job.backend, job.threads, cache, build=True, fault=job.fault)
    began_s = clock.monotonic()
    reporter.begin("build" if may_build(directory, way) else "load")
    serving = load(directory, way, needs_golden=job.needs_golden)
    load_ms = (clock.monotonic() - began_s) * 1000
    for number in range(len(serving.canaries)):
        reporter.begin("golden")
        serving.prove(number)
    times_ms = _bench(serving, job.rounds, reporter, clock)
    info = serving.detector.info
    return Passed(
        directory=str(directory),
        name=name,
        fingerprint=serving.fingerprint,
        model=info.name,
        sha256=info.sha256,
        backend=info.backend,
        load_ms=load_ms,
        picture_ms=times_ms,
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        golden=len(serving.canaries) if serving.is_proven else 0,
        note=info.note,
    )


def _bench(
    serving: Serving, rounds: int, reporter: _Reporter, clock: SystemClock
) -> tuple[float, ...]:
    times_ms = []
    for number in range(rounds):
        reporter.begin("bench")
        frame = serving.canaries[number % len(serving.canaries)].frame
        began_s = clock.monotonic()
        serving.detector.detect(frame)
        times_ms.append((clock.monotonic() - began_s) * 1000)
    return tuple(times_ms)
