"""The manifest of an exported model, and the words in it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from models.acceptance import ACCEPTED_CLASS, LIQUID_CLASS
from models.vision.manifest import (
    MANIFEST_FILE,
    Golden,
    InputContract,
    Manifest,
    Provenance,
    Weights,
)
from rvm_edge.train import runs
from rvm_edge.train.runs import RunAbout

if TYPE_CHECKING:
    from models.vision.training.thresholds import Thresholds
    from rvm_edge.train.referee import Score

WEIGHTS, CARD = "model.onnx", "card.md"
SEEN_FROM_FLOOR = 0.01
"""While thresholds are chosen: what is below this is noise in any model."""
THRESHOLD_DIGITS = 4
PADDING_LEVEL = 114  # ultralytics' grey; our own network sees it only beside a picture of odd shape
WEAK_BELOW = 0.9
"""A class that is found worse than this is named as a weakness."""
KINDS_NAMED_MAX = 4


class Job(NamedTuple):
    """What is exported, and where.

    Attributes:
        part: the directory while it is being filled; `name` is what it will be called.
        pictures: with truth, never learned from; `variants` of each are developed.
    """

    run_path: Path
    about: RunAbout
    part: Path
    name: str
    pictures: tuple[Path, ...]
    variants: int


class Choice(NamedTuple):
    """From which confidences on detections count, and exist."""

    thresholds: Mapping[str, float]
    seen_from: float

    @classmethod
    def lowest(cls) -> Choice:
        """Before anything is chosen: everything counts."""
        return cls(dict.fromkeys(_classes(), SEEN_FROM_FLOOR), SEEN_FROM_FLOOR)

    @classmethod
    def of(cls, chosen: Thresholds) -> Choice:
        """One number for the bottle, one for liquid, one for all that refuses besides."""
        own = {ACCEPTED_CLASS: chosen.mineral, LIQUID_CLASS: chosen.liquid}
        thresholds = {
            name: round(own.get(name, chosen.refusing), THRESHOLD_DIGITS) for name in _classes()
        }
        # Not above a threshold, which could not be reached; not below the floor: nobody looked.
        seen_from = min(round(chosen.present, THRESHOLD_DIGITS), *thresholds.values())
        seen_from = max(seen_from, SEEN_FROM_FLOOR)
        return cls(thresholds, seen_from)


def _classes() -> tuple[str, ...]:
    from models.vision.rendering.items import CLASSES

    return CLASSES


def describe(
    job: Job,
    choice: Choice,
    weights: bytes,
    *,
    golden: Sequence[Golden] = (),
    shown: int = 0,
    weak: Sequence[str] = (),
) -> Manifest:
    """Write the manifest.

    Args:
        shown: pictures that the thresholds were chosen on; 0 before that.
    """
    manifest = Manifest(
        schema=2,
        name=job.name,
        weights=Weights(
            file=WEIGHTS,
            format="onnx",
            size_bytes=len(weights),
            sha256=hashlib.sha256(weights).hexdigest(),
        ),
        classes=_classes(),
        input=InputContract(
            width_px=job.about.width_px,
            height_px=job.about.height_px,
            padding_level=PADDING_LEVEL,
        ),
        output="end_to_end",
        seen_from=choice.seen_from,
        thresholds=dict(choice.thresholds),
        provenance=_provenance(job, shown, weak),
        golden=tuple(golden),
        card=CARD if shown else None,
    )
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (job.part / MANIFEST_FILE).write_bytes(encoded + b"\n")
    return manifest


def _provenance(job: Job, shown: int, weak: Sequence[str]) -> Provenance:
    own = job.about.network == "centre"
    return Provenance(
        made_by=f"bin/train, {job.about.network} from random weights, {_made_with(own=own)}",
        trained_on=source_text(job.about),
        licence=(
            "the project's own code on the project's own pictures; nobody else's weights"
            if own
            else "AGPL-3.0: ultralytics claims models made with it and says so in the exported file"
        ),
        thresholds_chosen=(
            f"on {shown} developed pictures that the network never learned from; never on the"
            " referee's"
            if shown
            else "not yet"
        ),
        known_weaknesses=tuple(weak),
    )


def _made_with(*, own: bool) -> str:
    names = ("torch",) if own else ("torch", "ultralytics-opencv-headless")
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} (not installed as a package)")
    return ", ".join(found)


def source_text(about: RunAbout) -> str:
    """Say what a run learned from, so that it can be made again."""
    describe_one = _rendered_text if about.network == "centre" else _developed_text
    told = " and ".join(describe_one(Path(source)) for source in about.sources)
    developed = f"; {about.variants} developments of each" if about.variants else ""
    return f"{told}{developed}; no photograph"


def history(run: Path, about: RunAbout) -> str:
    """Say how a run of our own network came about, back to the random weights it began with."""
    from rvm_edge.train.centre import steps_done

    done = steps_done(run)
    steps = f"{done}" if done == about.steps else f"{done} of {about.steps}"
    told = f"{steps} steps of {about.batch} pictures, seed {about.seed}"
    if not about.start:
        return told
    before = Path(about.start)
    try:
        return f"{told}; on from {history(before, runs.read(before))}"
    except runs.RunInvalid:
        return f"{told}; on from a run that is not there any more ({about.start_sha256[:12]}…)"


def _rendered_text(source: Path) -> str:
    facts, samples = json.loads((source / "set.json").read_bytes()), source / "samples.json"
    low, high = json.loads(samples.read_bytes()) if samples.exists() else ("?", "?")
    pictures = len(list(source.glob("[0-9]*.json")))
    kinds = facts.get("kinds")
    mix = f"with {', '.join(kinds)} only" if kinds else "one of ten set aside"
    return (
        f"{pictures} path-traced pictures ({mix}; recipe {facts['recipe']}, seed"
        f" {facts['seed']}, {low} to {high} paths a pixel)"
    )


def _developed_text(source: Path) -> str:
    facts = json.loads((source / "develop.json").read_bytes())
    pictures = len(list((source / "train" / "images").glob("*.jpg")))
    return (
        f"{pictures} developed pictures ({facts['variants']} of each path-traced one; recipe"
        f" {facts['recipe']}, seed {facts['seed']})"
    )


def weaknesses(referee: Score) -> tuple[str, ...]:
    """Say what the referee found it bad at, and what no score can show."""
    plain = referee.plain
    found = [
        f"{name} is found with an average precision of {value:.2f} only"
        for name, value in sorted(plain.by_class.items(), key=lambda one: one[1])
        if value < WEAK_BELOW
    ]
    accepted = [
        f"{times} of the referee's pictures with {kinds} were accepted"
        for kinds, decision, _, times in plain.kinds
        if decision == "accept" and kinds != ACCEPTED_CLASS
    ]
    worst = min(referee.sittings.items(), key=lambda one: one[1].taken_right.share)
    disturbed = f"weakest under: {worst[0]} ({worst[1].taken_right.share:.0%} taken or not rightly)"
    return (
        *found,
        *accepted[:KINDS_NAMED_MAX],
        *([disturbed] if worst[1] is not plain else []),
        "clear liquid in a clear bottle is the hardest thing to see: weigh the item",
        "it has never seen a photograph: a machine in a shop needs pictures of its own",
    )
