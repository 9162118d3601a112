"""`rvm-edge models bench`: what a model costs by each back end, each in a process of its own.

Time of a picture is letterboxing, network and decoding, from the second picture on; memory is the
highest resident size of the process, with Python, numpy, OpenCV and the back end in it.
"""

from __future__ import annotations

import argparse
import json

import msgspec

from models.vision import load_manifest
from models.vision.backends import BackendReport, available_backends
from models.vision.trial import Job, Passed, TrialLimits, percentile
from rvm_edge.models_command.places import find, home
from rvm_edge.models_command.trials import rehearse

_PATIENT = TrialLimits(picture_s_max=15.0, deadline_s=60.0, load_timeout_s=300.0)


class Result(msgspec.Struct, frozen=True):
    """One back end; without times it could not run the model, and `why` says why."""

    backend: str
    version: str
    load_ms: float | None = None
    first_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rss_mb: float | None = None
    why: str = ""


def run(args: argparse.Namespace) -> int:
    """Measure; 1 if nothing here runs the model."""
    where = home(args.data_dir)
    place = find(args.model, where.store)
    manifest = load_manifest(place)
    results = []
    for report in available_backends():
        if manifest.weights.format not in report.formats:
            continue
        job = Job(
            str(place),
            backend=report.name,
            threads=args.threads,
            cache=str(where.engines),
            needs_golden=False,
            rounds=args.rounds + 1,
            nice=0,
        )
        results.append(_measure(report, job))
        if not args.json:
            print(_line(results[-1]), flush=True)
    if args.json:
        report_ = {"directory": str(place), "threads": args.threads, "rounds": args.rounds}
        print(json.dumps({**report_, "backends": msgspec.to_builtins(results)}, indent=2))
    return 0 if any(result.p50_ms is not None for result in results) else 1


def _measure(report: BackendReport, job: Job) -> Result:
    if not report.usable:
        return Result(report.name, report.version, why=f"{report.why}; {report.cure}")
    answer = rehearse(job, _PATIENT)
    if not isinstance(answer, Passed):
        return Result(report.name, report.version, why=answer.why)
    first_ms, *rest_ms = answer.picture_ms
    return Result(
        report.name,
        report.version,
        round(answer.load_ms, 1),
        round(first_ms, 2),
        round(percentile(rest_ms, 50), 2),
        round(percentile(rest_ms, 99), 2),
        round(answer.rss_mb, 1),
    )


def _line(result: Result) -> str:
    name = f"{result.backend} {result.version}".strip()
    if result.p50_ms is None:
        return f"{name:<22}  {result.why}"
    return (
        f"{name:<22}  p50 {result.p50_ms:>7.2f} ms  p99 {result.p99_ms:>7.2f} ms"
        f"  first {result.first_ms:>7.1f} ms  load {result.load_ms:>7.0f} ms"
        f"  {result.rss_mb:>6.0f} MB"
    )
