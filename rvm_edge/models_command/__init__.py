"""`rvm-edge models`: which models there are, whether they are sound, and which of them serves.

list     those that shipped and those in the store, and which one serves
verify   one: manifest, digests, does it load?
test     one: its golden pictures by every back end, and pictures with labels
bench    one: time and memory by every back end, each in a process of its own
add      copy a directory into the store
use      let another one serve, if it proves itself
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from rvm_edge.client import ClientError
from rvm_edge.models_command.places import EXIT_USAGE, Unusable

EXIT_INTERRUPTED = 130
_ROUNDS, _ROUNDS_MAX = 100, 100_000
_THREADS_MAX = 16
_TIMEOUT_S, _TIMEOUT_S_MAX = 120.0, 7200.0

_EPILOG = """\
A model is a directory with manifest.json, the weights, and golden pictures whose answers are
known. MODEL is the name of one in the store, or "shipped", or a directory; without it, verify, test
and bench take the current one.

examples:
  rvm-edge models list                        what there is, and what serves
  rvm-edge models verify ./detector-v3        before it is copied anywhere
  rvm-edge models test detector-v3 --pictures chamber/
  rvm-edge models use detector-v3             tried in a process of its own; the old one serves
                                              meanwhile, and goes on if the new one fails
  rvm-edge models use shipped                 back to the one that came with the program

What was refused is remembered by its files and not tried again without --again; the reason stands
in: rvm-edge status. A model that inference.model in the settings names is exchanged there.

exit status: 0 done, 1 refused or unsound, 2 wrong usage or no such model, 4 the machine does not
answer, 130 Ctrl-C
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _verb(verbs, "list", "what there is, and what serves")
    _add_model(_verb(verbs, "verify", "manifest, digests, and whether it loads"))
    test = _verb(
        verbs, "test", "its golden pictures by every back end here; exit 1 if one is wrong"
    )
    _add_model(test)
    test.add_argument(
        "--pictures", metavar="DIR", type=Path, help="and images/ with labels/ and items.csv"
    )
    bench = _verb(verbs, "bench", "time and memory by every back end here")
    _add_model(bench)
    bench.add_argument("--rounds", metavar="N", type=_rounds, default=_ROUNDS, help="pictures each")
    bench.add_argument("--threads", metavar="N", type=_threads, default=1, help="for one picture")
    add = _verb(verbs, "add", "copy a model into the store, verified; it does not serve yet")
    add.add_argument("model", metavar="DIR", help="its directory")
    use = _verb(verbs, "use", "let a model serve, if it proves itself")
    use.add_argument("model", metavar="MODEL", help="its name, its directory, or shipped")
    use.add_argument("--again", action="store_true", help="although it was refused before")
    use.add_argument(
        "--timeout", metavar="S", type=_seconds, default=_TIMEOUT_S, help="patience (default: 120)"
    )
    use.add_argument("--fault", metavar="KIND", default="", help=argparse.SUPPRESS)
    use.add_argument("--when", metavar="STAGE", default="trial", help=argparse.SUPPRESS)


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    what = "its name, its directory, or shipped (default: the current one)"
    parser.add_argument("model", metavar="MODEL", nargs="?", default="", help=what)


def _rounds(text: str) -> int:
    return _within(int(text), 1, _ROUNDS_MAX)


def _threads(text: str) -> int:
    return _within(int(text), 1, _THREADS_MAX)


def _within(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        msg = f"{number} is not between {least} and {most}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _TIMEOUT_S_MAX:
        msg = f"seconds, up to {_TIMEOUT_S_MAX:g}"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from models.vision.errors import VisionError

    try:
        return _runner(args.verb)(args)
    except Unusable as error:
        print(f"rvm-edge models: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except VisionError as error:
        print(f"rvm-edge models: {error}", file=sys.stderr)
        return 1


def _runner(verb: str) -> Callable[[argparse.Namespace], int]:
    """The verb's own module is imported only when it is wanted."""
    if verb == "list":
        from rvm_edge.models_command.listing import run as chosen
    elif verb == "verify":
        from rvm_edge.models_command.verifying import run as chosen
    elif verb == "test":
        from rvm_edge.models_command.testing import run as chosen
    elif verb == "bench":
        from rvm_edge.models_command.benching import run as chosen
    else:
        from rvm_edge.models_command.using import run as chosen
    return chosen
