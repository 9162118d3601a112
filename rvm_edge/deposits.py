"""`rvm-edge deposits`: the ledger's records, newest first, read from the disk.

The machine may run, stand still, or be a copy on read-only media: a reader disturbs nobody.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import msgspec

from models.ledger.transitions import STATES
from protocol.storage import DepositRecord
from rvm_edge.client import EXIT_REFUSED, EXIT_USAGE, ClientError
from rvm_edge.data_dir import locate
from rvm_edge.deposits_export import FORMATS, ExportError, export
from supervisors.clock import SystemClock

_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT = 50

_EPILOG = """\
states:
  reserved      on its way in; nothing has moved for it yet
  transporting  the belt has begun to take it
  confirmed     it was seen to fall: the durable proof, the credit is about to be booked
  credited      paid for: booked to its session and owed to the platform. A good deposit ends here
  rejected      given back
  review        undecided, for example after a power cut: a person decides (ledger review)
  void          taken out, pulled back or interrupted: nothing is owed

examples:
  rvm-edge deposits --state review                   what waits for a decision
  rvm-edge deposits --since 2h --json                the last two hours, for a program
  rvm-edge deposits --export csv today.csv --since 24h
  rvm-edge deposits --export sqlite ledger.sqlite    all of them, for questions in SQL

An export has every record that fits unless --limit says otherwise; the file is there when it is
complete. exit status: 0 done, 1 the ledger cannot be read or the file not written, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--limit", type=_limit, metavar="N", help=f"how many, newest (default: {_LIMIT})"
    )
    parser.add_argument("--state", choices=STATES, metavar="S", help="only those in this state")
    parser.add_argument("--session", metavar="X", help="only those of this session")
    parser.add_argument(
        "--since",
        type=_since,
        metavar="T",
        help="started since: 30m, 2h, 7d, or 2026-11-21[T09:30]",
    )
    parser.add_argument("--json", action="store_true", help="as a JSON array, newest first")
    parser.add_argument(
        "--export", nargs=2, metavar=("FORMAT", "FILE"), help="write csv or sqlite into a file"
    )
    parser.add_argument("--force", action="store_true", help="let the export replace its file")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.add_argument("--store", metavar="NAME", help="another store in there, store.damaged-1")
    parser.epilog = _EPILOG


def _limit(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = "at least 1"
        raise argparse.ArgumentTypeError(msg)
    return number


def _since(text: str) -> float:
    span = _SPAN.fullmatch(text)
    if span is not None:
        return SystemClock().wall() - float(span[1]) * _SECONDS[span[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        msg = f"{text!r} is neither a span (30m, 2h, 7d) nor a time (2026-11-21T09:30)"
        raise argparse.ArgumentTypeError(msg) from None


def run(args: argparse.Namespace) -> int:
    """Print or export them."""
    from actors.store import STORE, StoreUnusable
    from actors.store.reading import newest_first, opened
    from actors.store.tables import entries

    directory = locate(args.data_dir)
    try:
        with opened(directory, args.store or STORE) as (env, tables):
            with env.begin() as txn:
                total = entries(txn, tables["deposits"])
            records = (each for each in newest_first(env, tables) if _is_wanted(each, args))
            return _show(records, total, args)
    except FileNotFoundError:
        print(f"there is no ledger in {directory}: no machine has run there", file=sys.stderr)
        return EXIT_USAGE
    except (StoreUnusable, ExportError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _is_wanted(record: DepositRecord, args: argparse.Namespace) -> bool:
    return (
        (args.state is None or record.state == args.state)
        and (args.session is None or record.session == args.session)
        and (args.since is None or record.started_at >= args.since)
    )


def _show(records: Iterator[DepositRecord], total: int, args: argparse.Namespace) -> int:
    if args.export:
        return _export(records, total, args)
    chosen = islice(records, args.limit or _LIMIT)
    if args.json:
        _print_json(chosen)
        return 0
    count = 0
    for record in chosen:
        print(_line(record))
        count += 1
    print(f"{count} of {total}")
    return 0


def _export(records: Iterator[DepositRecord], total: int, args: argparse.Namespace) -> int:
    kind, file = args.export
    if kind not in FORMATS:
        msg = f"cannot export {kind!r}; there are: {', '.join(FORMATS)}"
        raise ClientError(msg, EXIT_USAGE)
    chosen = records if args.limit is None else islice(records, args.limit)
    count = export(kind, Path(file), chosen, total, replace=args.force)
    print(f"{count} of {total} deposits in {file}")
    return 0


def _print_json(records: Iterator[DepositRecord]) -> None:
    """One record after the other: an array of a million needs no memory."""
    separator = "["
    for record in records:
        text = json.dumps(msgspec.to_builtins(record), indent=2, ensure_ascii=False)
        print(separator, text.replace("\n", "\n  "), sep="\n  ", end="")
        separator = ","
    print("[]" if separator == "[" else "\n]")


def _line(record: DepositRecord) -> str:
    at = datetime.fromtimestamp(record.started_at, timezone.utc).astimezone()
    sure = "" if record.confidence is None else f"{record.confidence:.2f}"
    doubt = "" if record.clock_quality == "good" else "  (clock not set)"
    return (
        f"{at:%Y-%m-%d %H:%M:%S}  {record.id:<22} {record.state:<12} "
        f"{record.reason:<22} {sure:<5} {record.item}{doubt}"
    )
