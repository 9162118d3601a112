"""`rvm-edge sim`: play the world around a simulated machine, and make its children misbehave."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from protocol.control import Misbehave
from rvm_edge import play, sim_world
from rvm_edge.client import EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate

if TYPE_CHECKING:
    from models.world.catalogue import Item

FAULTS = {
    "raise": "raise an exception in a handler",
    "exit": "raise SystemExit in a handler",
    "hang": "hang in Python",
    "gil": "hang in C, holding the interpreter lock",
    "segfault": "die of a segmentation fault",
    "vanish": "leave with status 0 and no goodbye",
    "memory": "eat memory",
    "flood": "have its mailbox flooded",
}
_SECONDS_MAX, _MEGABYTES_MAX, _COUNT_MAX = 86_400.0, 1 << 20, 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    insert = _add_insert(actions)
    items = actions.add_parser("items", help="list the items there are")
    fault = _add_fault(actions)
    for child in (insert, items, *sim_world.add_actions(actions), fault):
        child.add_argument("--json", action="store_true", help="print JSON")
        child.add_argument("--data-dir", metavar="D", help="of the machine")
    play.add_arguments(
        actions.add_parser("play", help="play a scenario of customers, attacks and faults")
    )


def _add_insert(actions: Any) -> argparse.ArgumentParser:
    insert: argparse.ArgumentParser = actions.add_parser("insert", help="put an item to the inlet")
    insert.add_argument(
        "item", metavar="ITEM", help="a name or a kind, as `sim items` lists them; of a kind its "
        "first is taken"
    )  # fmt: skip
    insert.add_argument("--mass-g", type=float, default=0.0, metavar="G",
                        help="its mass (default: what is usual for its kind)")  # fmt: skip
    insert.add_argument("--length-m", type=float, default=0.0, metavar="M", help="its length")
    insert.add_argument("--string", action="store_true",
                        help="it hangs on a string: sim do pull_string")  # fmt: skip
    insert.add_argument("--behind", type=float, default=-1.0, dest="behind_m", metavar="M",
                        help="a second one follows nose to tail, so far behind")  # fmt: skip
    insert.add_argument("--never-taken", action="store_true",
                        help="the customer leaves it there if it comes back")  # fmt: skip
    return insert


def _add_fault(actions: Any) -> argparse.ArgumentParser:
    fault: argparse.ArgumentParser = actions.add_parser(
        "fault",
        help="make a child misbehave",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {kind:<10}{what}" for kind, what in FAULTS.items()),
    )
    fault.add_argument("kind", metavar="KIND", help="see below")
    fault.add_argument("address", metavar="ADDRESS", help="of the child")
    fault.add_argument(
        "--seconds", type=_up_to(_SECONDS_MAX), default=3600.0, metavar="S", help="how long to hang"
    )
    fault.add_argument(
        "--megabytes", type=_whole(_MEGABYTES_MAX), default=1024, metavar="M",
        help="how much to eat",
    )  # fmt: skip
    fault.add_argument(
        "--count", type=_whole(_COUNT_MAX), default=100_000, metavar="N",
        help="messages of a flood",
    )  # fmt: skip
    return fault


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from models.world.catalogue import UnknownItem

    actions = {
        "items": _items,
        "insert": _insert,
        "do": sim_world.do,
        "break": sim_world.break_,
        "heal": sim_world.heal,
        "world": sim_world.world,
        "pins": sim_world.pins,
        "fault": _fault,
        "play": play.run,
    }
    try:
        return actions[args.action](args)
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except UnknownItem as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE


def _insert(args: argparse.Namespace) -> int:
    from models.world.catalogue import load_catalogue

    found = load_catalogue().find(args.item)
    item = found[0]
    wanted = {
        "name": item.name,
        "picture": str(item.picture),
        "mass_g": args.mass_g,
        "length_m": args.length_m,
        "behind_m": args.behind_m,
        "string": args.string,
        **({"patience_s": -1.0} if args.never_taken else {}),
    }
    sim_world.ask_world(args.data_dir, "insert", **wanted)
    shown = {"item": item.name, "kinds": list(item.kinds), "picture": str(item.picture)}
    print(json.dumps(shown) if args.json else _inserted(item, len(found)))
    return 0


def _inserted(item: Item, choice: int) -> str:
    kinds = "+".join(item.kinds) or "nothing in it"
    of_many = f", the first of {choice}" if choice > 1 else ""
    right = {"accept": "taken", "reject": "given back", "empty": "found empty"}[item.expected]
    return (
        f"put in: {item.name} ({kinds}{of_many}). A machine that makes no mistake would say: "
        f"{right}. What this one says: rvm-edge deposits"
    )


def _fault(args: argparse.Namespace) -> int:
    request = Misbehave(args.address, args.kind, args.seconds, args.megabytes, args.count)
    value: dict[str, Any] = ask(locate(args.data_dir), request, timeout_s=30.0)
    print(json.dumps(value) if args.json else "  ".join(f"{k}: {v}" for k, v in value.items()))
    return 0


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


def _up_to(most: float) -> Any:
    def number(text: str) -> float:
        value = float(text)
        if not 0 < value <= most:
            msg = f"above 0 and up to {most:g}"
            raise argparse.ArgumentTypeError(msg)
        return value

    return number


def _whole(most: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not 0 < value <= most:
            msg = f"from 1 to {most}"
            raise argparse.ArgumentTypeError(msg)
        return value

    return number
