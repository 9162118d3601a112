"""Whether the process that decides grows: its memory over very many frames.

All pictures of the chamber in turn, each put into the ring and judged by the actor in its process.
Ctrl-C shows what is known by then.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing

from benchmarks.kit.eyes import Eyes, eyes
from benchmarks.kit.memory import Memory
from benchmarks.kit.survey import Cells, Survey
from models.vision import default_detector_directory
from models.world.catalogue import load_catalogue
from rvm_edge.train.arguments import natural
from rvm_edge.train.meter import Meter

_FRAMES, _FRAMES_QUICK = 100_000, 2_000
_CHECKPOINTS = 10
_AT_ONCE = 100
_WARM = 160
"""Each picture twice: what is made on first use is not growth."""
_LIMIT_S = 4 * 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say how many frames."""
    parser.add_argument(
        "--frames",
        metavar="N",
        type=natural,
        help=f"frames-memory: so many (default: {_FRAMES}; with --quick {_FRAMES_QUICK})",
    )


def _take(args: argparse.Namespace) -> Iterator[Cells]:
    total = args.frames or (_FRAMES_QUICK if args.quick else _FRAMES)
    pictures = [item.picture for item in load_catalogue()]
    with (
        eyes(default_detector_directory(), pictures) as ours,
        closing(Meter("frames", total)) as meter,
    ):
        ours.look_ms(_WARM)
        start = ours.memory()
        yield _cells(0, start, start)
        yield from _watch(ours, start, total, meter)


def _watch(ours: Eyes, start: Memory, total: int, meter: Meter) -> Iterator[Cells]:
    done, told, now = 0, 0, start
    try:
        while done < total:
            count = min(_AT_ONCE, total - done)
            ours.look_ms(count)
            done, now = done + count, ours.memory()
            meter.reach(done, f"{now.rss_mb:.1f} MB")
            if done == total or done - told >= total / _CHECKPOINTS:
                told = done
                yield _cells(done, now, start)
    except KeyboardInterrupt:
        if told < done:
            yield _cells(done, now, start)
        raise


def _cells(done: int, now: Memory, start: Memory) -> Cells:
    growth_kb = (now.rss_mb - start.rss_mb) * 1e3
    per_1000 = f"{growth_kb / done * 1000:+.1f}" if done else ""
    return (done, f"{now.rss_mb:.2f}", f"{now.pss_mb:.2f}", now.descriptors, per_1000)


SURVEY = Survey(
    "frames-memory",
    "resident memory of the inference process over many frames",
    ("frames", "RSS MB", "PSS MB", "descriptors", "growth, kB per 1000 frames"),
    _take,
    limit_s=_LIMIT_S,
)
