"""`rvm-edge send ADDRESS COMMAND [key=value …]`: a command to one actor."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from protocol.control import SendCommand
from rvm_edge.client import EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate

_PATIENCE_S_MAX = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("address", metavar="ADDRESS", help="of the actor, as status shows it")
    parser.add_argument("command_name", metavar="COMMAND", help="one of its commands")
    parser.add_argument("arguments", metavar="key=value", nargs="*", help="its arguments")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument(
        "--timeout", type=_patience, default=5.0, metavar="S", help="seconds to wait (default: 5)"
    )
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "Every actor answers ping. Supervision verbs are commands too: kick (restart now), stop,\n"
        "start, suspend, resume. A wrong address, command or argument is answered with what\n"
        "exists. A value is taken as text, number or true/false as its command wants it; one that\n"
        'begins with { [ or " is JSON.\n\n'
        "exit status: 0 done, 1 refused, 2 wrong usage, 3 not running, 4 no answer"
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
    """One argument. Plain text is converted by the daemon, which knows what the command wants."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        msg = f"{text!r} is not key=value"
        raise ValueError(msg)
    if not value.startswith(("{", "[", '"')):
        return key, value
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError) as error:
        msg = f"{key}: {value[:60]} begins like JSON and is none: {error}"
        raise ValueError(msg) from None


def _patience(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _PATIENCE_S_MAX:
        msg = f"seconds, up to {_PATIENCE_S_MAX:g}"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def _for_people(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    shown = {key: item for key, item in value.items() if key != "type"}
    if not shown:
        return str(value.get("type", "done"))
    return "\n".join(f"{key}: {_short(item)}" for key, item in shown.items())


def _short(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
