"""The model card: what a model is, what it was trained on, how it does, what it is bad at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from models.vision.manifest import Manifest
from models.vision.training.thresholds import Thresholds
from rvm_edge.train import plots
from rvm_edge.train.answers import Answer
from rvm_edge.train.describing import CARD, history
from rvm_edge.train.referee import Counted, Score, Sitting, sit
from rvm_edge.train.runs import RunAbout
from rvm_edge.train.shown import Shown
from rvm_edge.train.sweeping import Step, sweep

FOLDER = "plots"
SWEEP_ROWS = 10


class Facts(NamedTuple):
    """All that the card is made of.

    Attributes:
        answers: to the unseen pictures, which the thresholds were chosen on.
        referee: on pictures by another renderer, which nothing was chosen on.
    """

    manifest: Manifest
    run_path: Path
    about: RunAbout
    answers: tuple[Answer, ...]
    chosen: Thresholds
    referee: Score


def write_card(directory: Path, facts: Facts, pictures: Iterable[Shown]) -> None:
    """Write the card and its plots into the model's directory."""
    (directory / FOLDER).mkdir(exist_ok=True)
    thresholds = facts.manifest.thresholds
    own = sit(facts.answers, thresholds)
    steps = sweep(facts.answers, thresholds)
    folder = directory / FOLDER
    plots.draw_precision_and_recall(folder / "precision_recall.png", facts.answers, thresholds)
    plots.draw_confusion(folder / "confusion.png", own.classes, facts.manifest.classes)
    plots.draw_sweep(folder / "thresholds.png", steps, thresholds["mineral"])
    plots.draw_examples(folder / "examples.png", facts.answers, thresholds, pictures)
    has_log = plots.draw_training(folder / "training.png", facts.run_path)
    text = "\n".join(_lines(facts, own, steps, has_log=has_log))
    (directory / CARD).write_text(text + "\n")


def _lines(facts: Facts, own: Sitting, steps: tuple[Step, ...], *, has_log: bool) -> Iterator[str]:
    manifest = facts.manifest
    yield f"# {manifest.name}"
    yield ""
    yield (
        "Looks into the chamber of a reverse vending machine and says what lies there. Its answers"
        " go through the acceptance rule: exactly one empty clear bottle is accepted."
    )
    yield from _what(facts, has_log=has_log)
    yield from _scores(facts, own)
    yield from _thresholds(facts, steps)
    yield from _weak(facts)


def _what(facts: Facts, *, has_log: bool) -> Iterator[str]:
    manifest, about = facts.manifest, facts.about
    told = manifest.provenance
    work = (
        f"{about.epochs} epochs of {about.batch} pictures, seed {about.seed}"
        if about.epochs
        else history(facts.run_path, about)
    )
    rows = {
        "weights": f"`{manifest.weights.file}`, {manifest.weights.size_bytes / 1e6:.1f} MB,"
        f" SHA-256 `{manifest.weights.sha256[:16]}…`",
        "input": f"{manifest.input.width_px} x {manifest.input.height_px}, RGB, letterboxed",
        "classes": ", ".join(manifest.classes),
        "made by": told.made_by,
        "learned from": told.trained_on,
        "the run": work,
        "licence": told.licence,
        "golden pictures": str(len(manifest.golden)),
    }
    yield from ("", "## What it is", "", "| | |", "| --- | --- |")
    yield from (f"| {name} | {value} |" for name, value in rows.items())
    if has_log:
        yield from ("", f"![how the run went]({FOLDER}/training.png)")


def _scores(facts: Facts, own: Sitting) -> Iterator[str]:
    yield from ("", "## How it does", "")
    yield (
        "*Referee*: the pictures by another renderer that ship with the project; nothing was"
        " learned from them and nothing chosen on them. *Unseen*: pictures of our own renderer,"
        " developed anew, never learned from; the thresholds were chosen on them, so their rates"
        " are a little too good. In brackets where the true rate lies with 95 % confidence."
    )
    yield from ("", "| pictures | right | taken or not | false accepts | false rejects | mAP50 |")
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, sitting in facts.referee.sittings.items():
        yield _row(f"referee, {name}", sitting)
    yield _row("unseen", own)
    yield ""
    yield (
        "*Right*: accept, reject or empty as it should be. *Taken or not*: accepted or not as it"
        " should be. *False accepts*: of what must not be accepted. *False rejects*: of what must."
    )
    yield from ("", "Average precision per class:", "", "| class | referee | unseen |")
    yield "| --- | --- | --- |"
    for name in facts.manifest.classes:
        cells = (_cell(side, name) for side in (facts.referee.plain, own))
        yield f"| {name} | {' | '.join(cells)} |"
    yield from ("", f"![precision and recall]({FOLDER}/precision_recall.png)")
    yield from ("", f"![what was taken for what]({FOLDER}/confusion.png)")
    yield from ("", f"![examples]({FOLDER}/examples.png)")
    yield from ("", "Examples: wrong decisions first (red). Blue: truth. Green: seen.")
    yield from ("", "What became of each kind of item on the referee's pictures:", "")
    yield from ("| put in | decided | reason | times |", "| --- | --- | --- | --- |")
    for kinds, decision, reason, times in facts.referee.plain.kinds:
        yield f"| {kinds} | {decision} | {reason} | {times} |"


def _thresholds(facts: Facts, steps: tuple[Step, ...]) -> Iterator[str]:
    manifest = facts.manifest
    yield from ("", "## Thresholds", "")
    each = ", ".join(f"{name} {value:.3f}" for name, value in manifest.thresholds.items())
    yield f"Chosen {manifest.provenance.thresholds_chosen}: {each}."
    yield f"Below {manifest.seen_from:.3f} nothing is reported at all."
    yield from ("", "With another threshold of `mineral`, on the unseen pictures:", "")
    yield from ("| threshold | false accepts | false rejects |", "| --- | --- | --- |")
    for step in steps[:: max(1, len(steps) // SWEEP_ROWS)]:
        rates = (step.decisions.false_accepts, step.decisions.false_rejects)
        cells = " | ".join(f"{rate.share:.1%}" for rate in rates)
        yield f"| {step.threshold:.2f} | {cells} |"
    yield from ("", f"![thresholds]({FOLDER}/thresholds.png)")


def _weak(facts: Facts) -> Iterator[str]:
    yield from ("", "## What it is bad at", "")
    yield from (f"- {weakness}" for weakness in facts.manifest.provenance.known_weaknesses)


def _row(name: str, sitting: Sitting) -> str:
    rates = (sitting.right, sitting.taken_right, sitting.false_accepts, sitting.false_rejects)
    cells = " | ".join(_rate(rate) for rate in rates)
    return f"| {name} | {cells} | {sitting.map50:.3f} |"


def _rate(rate: Counted) -> str:
    return f"{rate.share:.1%} of {rate.of} ({rate.low:.1%}–{rate.high:.1%})"


def _cell(sitting: Sitting, name: str) -> str:
    value = sitting.by_class.get(name)
    return "–" if value is None else f"{value:.3f}"
