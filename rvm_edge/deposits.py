"""`rvm-edge deposits`: the newest records of the ledger, from the running machine or from disk."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from protocol.control import SendCommand
from rvm_edge.client import EXIT_NOT_RUNNING, EXIT_REFUSED, EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--limit", type=_limit, default=50, metavar="N", help="how many, newest (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array, newest first")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.epilog = (
        "states: reserved (on the belt), confirmed (credited), rejected (given back), review (a\n"
        "person decides), void (nothing owed)\n\n"
        "Without a running machine, or when its storage does not answer, the ledger is read from\n"
        "the disk."
    )


def _limit(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = "at least 1"
        raise argparse.ArgumentTypeError(msg)
    return number


def run(args: argparse.Namespace) -> int:
    """Print them."""
    try:
        found = _read(locate(args.data_dir), args.limit)
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if args.json:
        print(json.dumps(found["records"], indent=2, ensure_ascii=False))
        return 0
    for record in found["records"]:
        print(_line(record))
    print(f"{len(found['records'])} of {found['total']}")
    return 0


def _read(directory: Path, limit: int) -> dict[str, Any]:
    request = SendCommand("/storage", "list_deposits", {"limit": limit})
    try:
        value: dict[str, Any] = ask(directory, request)
    except ClientError as error:
        if error.exit_code != EXIT_NOT_RUNNING:
            print(f"from the disk, because: {error}", file=sys.stderr)
        return _from_disk(directory, limit)
    return value


def _from_disk(directory: Path, limit: int) -> dict[str, Any]:
    from actors.storage import read_deposits
    from actors.store import StoreUnusable

    try:
        deposits: dict[str, Any] = msgspec.to_builtins(read_deposits(directory, limit))
    except FileNotFoundError:
        msg = f"there is no ledger in {directory}: no machine has run there"
        raise ClientError(msg, EXIT_USAGE) from None
    except StoreUnusable as error:
        raise ClientError(str(error), EXIT_REFUSED) from None
    return deposits


def _line(record: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(record["started_at"], timezone.utc).astimezone()
    sure = "" if record["confidence"] is None else f"{record['confidence']:.2f}"
    return (
        f"{at:%Y-%m-%d %H:%M:%S}  {record['id']:<22} {record['state']:<10} "
        f"{record['reason']:<22} {sure:<5} {record['item']}"
    )
