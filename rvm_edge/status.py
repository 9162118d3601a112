"""`rvm-edge status`: the supervision tree of a running machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from protocol.control import GetStacks, GetStatus
from rvm_edge.client import EXIT_NOT_RUNNING, EXIT_UNREACHABLE, ClientError, ask
from rvm_edge.data_dir import locate
from rvm_edge.status_view import render
from supervisors.clock import SystemClock

_EXIT = {"ok": 0, "degraded": 1, "critical": 2}
_PERIOD_S = 1.0
_CLEAR = "\x1b[H\x1b[J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="everything, as JSON (docs/status.md)")
    parser.add_argument("--watch", action="store_true", help="once a second until Ctrl-C")
    parser.add_argument("--stacks", action="store_true", help="where every actor stands")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "No actor is asked: this answers while everything hangs.\n"
        "exit status: 0 ok, 1 degraded, 2 critical, 3 not running, 4 no answer"
    )


def run(args: argparse.Namespace) -> int:
    """Print it, once or again and again."""
    try:
        if args.stacks:
            return _stacks(args)
        if args.watch:
            return _watch(args)
        value = ask(locate(args.data_dir), GetStatus())
    except ClientError as error:
        print(error, file=sys.stderr)
        # 1 and 2 say how the machine is, and that is not known.
        return EXIT_NOT_RUNNING if error.exit_code == EXIT_NOT_RUNNING else EXIT_UNREACHABLE
    _print(value, args)
    return _EXIT[value["state"]]


def _print(value: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(value, indent=None if args.watch else 2))
    else:
        print(render(value, colour=_has_colour(), letters=_can_draw()))


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _has_colour() -> bool:
    is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return _is_terminal() and not is_plain


def _can_draw() -> bool:
    """Whether the output knows the letters of a drawn tree."""
    try:
        "├─└│".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _watch(args: argparse.Namespace) -> int:
    clock = SystemClock()
    while True:
        value = ask(locate(args.data_dir), GetStatus())
        if _is_terminal() and not args.json:
            print(_CLEAR, end="")
        _print(value, args)
        print(end="", flush=True)
        clock.pause(_PERIOD_S)


def _stacks(args: argparse.Namespace) -> int:
    found: dict[str, str] = ask(locate(args.data_dir), GetStacks(), timeout_s=30.0)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for path, stack in found.items():
        print(f"{path}\n{stack.rstrip() or '  (gives no stack: frozen, or gone)'}\n")
    return 0
