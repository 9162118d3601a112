"""`rvm-edge models verify`: nothing is believed that can be checked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

from models.vision import load_manifest, read_golden, read_weights
from models.vision.errors import ModelError
from models.vision.trial import Job, Passed, TrialLimits
from rvm_edge.models_command.places import find, home
from rvm_edge.models_command.trials import rehearse


class Check(NamedTuple):
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


def run(args: argparse.Namespace) -> int:
    """Check one model; 1 if something is wrong with it."""
    where = home(args.data_dir)
    place = find(args.model, where.store)
    checks = checks_of(place, where.engines)
    is_sound = all(check.ok for check in checks)
    if args.json:
        report = {
            "directory": str(place),
            "sound": is_sound,
            "checks": [check._asdict() for check in checks],
        }
        print(json.dumps(report, indent=2))
    else:
        print(place)
        for check in checks:
            print(f"  {'ok ' if check.ok else 'BAD'}  {check.what:<8}  {check.detail}")
    return 0 if is_sound else 1


def checks_of(place: Path, engines: Path) -> list[Check]:
    """What was found, up to the first thing that is wrong: what comes after it means nothing."""
    checks: list[Check] = []
    try:
        manifest = load_manifest(place)
        checks.append(Check("manifest", True, f"{manifest.name}, {len(manifest.classes)} classes"))
        size_mb = len(read_weights(place, manifest)) / 1e6
        digest = manifest.weights.sha256
        checks.append(Check("weights", True, f"{size_mb:.1f} MB, SHA-256 {digest}"))
        for golden in manifest.golden:
            read_golden(place, golden)
    except ModelError as error:
        what = ("manifest", "weights", "golden")[len(checks)]
        return [*checks, Check(what, False, str(error))]
    count = len(manifest.golden)
    says = (
        f"{count} pictures" if count else "no pictures: it may only serve if the settings name it"
    )
    return [*checks, Check("golden", True, says), _loads(place, engines)]


def _loads(place: Path, engines: Path) -> Check:
    job = Job(str(place), cache=str(engines), needs_golden=False, rounds=1)
    answer = rehearse(job, TrialLimits())
    if isinstance(answer, Passed):
        detail = f"by {answer.backend} in {answer.load_ms:.0f} ms, and answers its pictures"
        return Check("loads", True, f"{detail}; {answer.note}" if answer.note else detail)
    return Check("loads", False, f"{answer.why} (at the step {answer.step!r})")
