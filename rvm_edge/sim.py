"""`rvm-edge sim`: put items into the simulated machine, list them, and make children misbehave."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from protocol.control import Misbehave, SendCommand
from rvm_edge.client import EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate

_FAULTS = {
    "raise": "raise an exception in a handler",
    "exit": "raise SystemExit in a handler",
    "hang": "hang in Python",
    "gil": "hang in C, holding the interpreter lock",
    "segfault": "die of a segmentation fault",
    "vanish": "leave with status 0 and no goodbye",
    "memory": "eat memory",
    "flood": "have its mailbox flooded",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    insert = actions.add_parser("insert", help="put an item into the inlet")
    insert.add_argument("item", metavar="ITEM", help="name or kind, as `sim items` lists them")
    items = actions.add_parser("items", help="list the items there are")
    fault = actions.add_parser(
        "fault",
        help="make a child misbehave",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {kind:<10}{what}" for kind, what in _FAULTS.items()),
    )
    fault.add_argument("kind", metavar="KIND", help="see below")
    fault.add_argument("address", metavar="ADDRESS", help="of the child")
    fault.add_argument(
        "--seconds", type=float, default=3600.0, metavar="S", help="how long to hang"
    )
    fault.add_argument("--megabytes", type=int, default=1024, metavar="M", help="how much to eat")
    fault.add_argument(
        "--count", type=int, default=100_000, metavar="N", help="messages of a flood"
    )
    for child in (insert, items, fault):
        child.add_argument("--json", action="store_true", help="print JSON")
        child.add_argument("--data-dir", metavar="D", help="of the machine")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.action == "items":
        return _items(args)
    try:
        value = ask(locate(args.data_dir), _request(args))
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return EXIT_USAGE
    shown = {key: item for key, item in value.items() if key != "type"}
    print(json.dumps(shown) if args.json else "  ".join(f"{k}: {v}" for k, v in shown.items()))
    return 0


def _request(args: argparse.Namespace) -> SendCommand | Misbehave:
    if args.action == "fault":
        return Misbehave(args.address, args.kind, args.seconds, args.megabytes, args.count)
    from models.world.catalogue import UnknownItem, load_catalogue

    try:
        item = load_catalogue().find(args.item)[0]
    except UnknownItem as error:
        raise LookupError(str(error)) from None
    picture = {"name": item.name, "picture": str(item.picture)}
    return SendCommand("/world", "insert", picture)


def _items(args: argparse.Namespace) -> int:
    from models.world.catalogue import load_catalogue

    items: list[dict[str, Any]] = [
        {"name": item.name, "kinds": list(item.kinds), "expected": item.expected}
        for item in load_catalogue()
    ]
    if args.json:
        print(json.dumps(items, indent=2))
        return 0
    for item in items:
        print(f"{item['name']:<12} {item['expected']:<8} {'+'.join(item['kinds']) or 'empty'}")
    return 0
