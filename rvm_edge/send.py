"""`rvm-edge send ADDRESS COMMAND [key=value …]`: a command to one actor."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from protocol.control import SendCommand
from rvm_edge.client import EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("address", metavar="ADDRESS", help="of the actor, as status shows it")
    parser.add_argument("command_name", metavar="COMMAND", help="one of its commands")
    parser.add_argument("arguments", metavar="key=value", nargs="*", help="its arguments")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="seconds to wait")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "Every actor answers ping. Supervision verbs are commands too: kick (restart now), stop,\n"
        "start, suspend, resume. A wrong address, command or argument is answered with what\n"
        "exists.\n\nexit status: 0 done, 1 refused, 2 wrong usage, 3 not running, 4 no answer"
    )


def run(args: argparse.Namespace) -> int:
    """Send it and print the answer."""
    try:
        arguments = dict(_pair(text) for text in args.arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    request = SendCommand(args.address, args.command_name, arguments, args.timeout)
    try:
        value = ask(locate(args.data_dir), request, timeout_s=args.timeout + 2.0)
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(value, indent=2) if args.json else _for_people(value))
    return 0


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        msg = f"{text!r} is not key=value"
        raise ValueError(msg)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _for_people(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    shown = {key: item for key, item in value.items() if key != "type"}
    if not shown:
        return str(value.get("type", "done"))
    return "\n".join(f"{key}: {_short(item)}" for key, item in shown.items())


def _short(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
