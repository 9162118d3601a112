"""The command line of `bin/train`. Every command is a module of its own, imported when used."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from rvm_edge.commands import Entry, add_commands

EXIT_INTERRUPTED, EXIT_PIPE = 130, 141


COMMANDS = {
    "render": Entry("render", "render pictures of the chamber, with the truth about each"),
    "develop": Entry("develop", "make 8-bit pictures with labels of rendered ones"),
    "fit": Entry("fit", "train a network: centre (our own), yolo26n or yolo11n"),
    "export": Entry("export", "make a model directory of a training run"),
    "score": Entry("score", "let the referee look at models: decisions, boxes, disturbances"),
    "all": Entry("everything", "all of it in a row, from nothing to a scored model"),
}

_EPILOG = """\
the whole recipe, step by step (each can be stopped and goes on when it is run again):
  bin/train render  --out work/rendered --count 20000 --seed 1       hours: use many cores
  bin/train fit     --network centre --from work/rendered --out work/run
  bin/train export  --run work/run --out work/detector-v1
  bin/train score   --model work/detector-v1                         on the referee's pictures
or all of it:
  bin/train all     --out work           the recipe of the detector that ships
  bin/train all     --out work --short   the same as a toy, in minutes: to see that it runs here

YOLO instead of our own network needs 8-bit pictures first:
  bin/train develop --from work/rendered --out work/developed --variants 2
  bin/train fit     --network yolo26n --from work/developed --out work/run-yolo

docs/training.md says why each step is what it is. Every command has its own --help.
exit status: 0 done, 1 failed or not good enough, 2 wrong usage, 130 stopped
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    parser, modules = _parser(arguments)
    args = parser.parse_args(arguments)
    try:
        status: int = modules[args.command].run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_PIPE
    return status


def _parser(arguments: list[str]) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """The parser; of the commands only the one that is wanted knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="bin/train",
        description="Train a detector on pictures that are rendered here.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser, add_commands(parser, COMMANDS, "rvm_edge.train", arguments)
