"""`rvm-edge commands`: what the platform has asked of this machine, and what became of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from protocol.control import SendCommand
from rvm_edge.client import EXIT_NOT_RUNNING, EXIT_REFUSED, EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate

_LIMIT = 50
_EPILOG = """\
rvm-edge commands
    The newest remote commands, newest first: of the running machine, else from the disk. What may
    be asked, and what each state means: docs/remote-commands.md.

rvm-edge commands verify
    Walks the journal: every checksum, the chain of hashes, and of each command the steps that led
    to where it stands. It is the ledger's own journal, so this is `rvm-edge ledger verify`.

exit status: 0 done; 1 the journal does not hold together, or the machine refused; 2 wrong usage, or
there is none; 4 the machine does not answer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("action", nargs="?", choices=("list", "verify"), default="list")
    parser.add_argument("--limit", type=int, default=_LIMIT, metavar="N", help="how many to show")
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from actors.store import StoreUnusable

    directory = locate(args.data_dir)
    if args.limit < 1:
        print("--limit is at least 1", file=sys.stderr)
        return EXIT_USAGE
    try:
        return _verify(directory, args) if args.action == "verify" else _list(directory, args)
    except FileNotFoundError:
        print(f"there is no journal in {directory}: no machine has run there", file=sys.stderr)
        return EXIT_USAGE
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code


# ----- list -----------------------------------------------------------------------------------


def _list(directory: Path, args: argparse.Namespace) -> int:
    listed = _listed(directory, args.limit)
    if args.json:
        print(json.dumps(listed, indent=2))
        return 0
    for record in listed["records"]:
        print(_line(record))
    shown = len(listed["records"])
    print(f"{shown} of {listed['total']} commands; taken down up to {listed['cursor']}")
    return 0


def _listed(directory: Path, limit: int) -> dict[str, Any]:
    from actors.store.commands import newest_commands
    from actors.store.reading import opened

    request = SendCommand("/storage", "list_commands", {"limit": limit})
    try:
        listed: dict[str, Any] = ask(directory, request)
    except ClientError as error:
        if error.exit_code != EXIT_NOT_RUNNING:
            raise
        with opened(directory) as (env, tables), env.begin() as txn:
            listed = msgspec.to_builtins(newest_commands(txn, tables, limit))
    return {
        "records": [_record(each) for each in listed["records"]],
        "total": listed["total"],
        "cursor": listed["cursor"],
    }


def _record(record: dict[str, Any]) -> dict[str, Any]:
    """As people and programs see it: without what only the machine needs."""
    args = record["args"]
    hidden = ("boot", "due_s", "run", "reports", "repeats", "digest")
    shown = {name: value for name, value in record.items() if name not in hidden}
    shown["args"] = json.loads(_text(args) or "{}")
    shown["waiting_reports"] = len(record["reports"]) + record["repeats"]
    return shown


def _text(args: bytes | str) -> str:
    """The control socket carries bytes, plain values carry them as base64."""
    if isinstance(args, bytes):
        return args.decode()
    return msgspec.convert(args, bytes, strict=False).decode()


def _line(record: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(record["received_at"], timezone.utc).astimezone()
    why = " ".join(part for part in (record["code"], record["detail"]) if part)
    who = f"  by {record['issuer']}" if record["issuer"] else ""
    untold = "" if not record["waiting_reports"] else "  (not told yet)"
    line = (
        f"{at:%Y-%m-%d %H:%M:%S}  {record['id']:<26} {record['type']:<18} "
        f"{record['state']:<10} {why}{who}{untold}"
    )
    # Somebody far away has chosen these words; they are not to command this terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in line).rstrip()


# ----- verify ---------------------------------------------------------------------------------


def _verify(directory: Path, args: argparse.Namespace) -> int:
    """In a process of its own: a damaged page may end the one that reads it."""
    command = [sys.executable, "-m", "rvm_edge", "ledger", "verify", "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(directory)], stdout=subprocess.PIPE, text=True, check=False
    )
    try:
        verdict = json.loads(done.stdout)
    except ValueError:
        return done.returncode or EXIT_REFUSED
    if args.json:
        print(json.dumps(verdict, indent=2))
        return done.returncode
    for finding in verdict["findings"]:
        print(f"{finding['where']}: {finding['what']}")
    count = f"{verdict['commands']} commands in {verdict['command_steps']} steps"
    print(f"{count}: {'the journal holds together' if verdict['ok'] else 'it does not hold'}")
    return done.returncode
