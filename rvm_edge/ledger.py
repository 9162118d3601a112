"""`rvm-edge ledger`: does it hold together, how does it stand, and what people decide in it."""

from __future__ import annotations

import argparse
import getpass
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from models.ledger.audit import Finding, Replay
from protocol.control import SendCommand
from rvm_edge.client import EXIT_NOT_RUNNING, EXIT_REFUSED, EXIT_USAGE, ClientError, ask
from rvm_edge.data_dir import locate
from rvm_edge.progress import Progress

_SHOWN_MAX = 20
_CURE = (
    "keep a copy of the data directory, and see docs/ledger.md: what each finding means, what to do"
)

_EPILOG = """\
rvm-edge ledger verify
    Walks the whole journal: every checksum, the chain of hashes, every transition of a deposit.
    Then compares deposits, sessions, credits and the outbox with what the journal amounts to.
    Beside a running machine, on a stopped one, or on a copy. With --store it looks at a store that
    was put aside as damaged, or at any directory with a data.mdb.

rvm-edge ledger show
    Counts, sizes, the head of the chain, what waits for the platform; of the running machine, else
    from the disk.

rvm-edge ledger review ID --credit|--void --why TEXT
    What a person decides about a deposit under review (rvm-edge deposits --state review). The
    running machine writes it; it stays in the journal with who and why, and cannot be undone.

exit status: 0 done, or the ledger holds together; 1 it does not, or the machine refused; 2 wrong
usage, or there is no ledger; 3 no machine runs there; 4 it does not answer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    form = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = commands.add_parser(
        "verify", help="walk it from end to end", epilog=_EPILOG, formatter_class=form
    )
    verify.add_argument("--store", metavar="DIR", help="another store: store.damaged-1, or a path")
    verify.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    show = commands.add_parser("show", help="how it stands", epilog=_EPILOG, formatter_class=form)
    review = commands.add_parser(
        "review", help="decide a deposit under review", epilog=_EPILOG, formatter_class=form
    )
    review.add_argument("id", metavar="ID", help="of the deposit")
    what = review.add_mutually_exclusive_group(required=True)
    what.add_argument("--credit", dest="state", action="store_const", const="credited", help="pay")
    what.add_argument("--void", dest="state", action="store_const", const="void", help="do not pay")
    review.add_argument("--why", required=True, metavar="TEXT", help="for those who ask later")
    review.add_argument("--by", metavar="NAME", help="who decides (default: you)")
    for each in (verify, show, review):
        each.add_argument("--json", action="store_true", help="for a program")
        each.add_argument("--data-dir", metavar="D", help="of the machine")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from actors.store import StoreUnusable

    directory = locate(args.data_dir)
    try:
        if args.action == "verify":
            return _verify(directory, args) if args.here else _verify_apart(directory, args)
        if args.action == "show":
            return _show(directory, args)
        return _review(directory, args)
    except FileNotFoundError:
        print(f"there is no ledger in {directory}: no machine has run there", file=sys.stderr)
        return EXIT_USAGE
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code


# ----- verify ---------------------------------------------------------------------------------


def _verify_apart(directory: Path, args: argparse.Namespace) -> int:
    """In a process of its own: a damaged page may end the one that reads it."""
    command = [sys.executable, "-m", "rvm_edge", *sys.argv[1:], "--here"]
    done = subprocess.run(command, check=False)
    if done.returncode >= 0:
        return done.returncode
    place = f"{directory / (args.store or 'store')}"
    finding = Finding(place, f"reading it ends a process (signal {-done.returncode})")
    if args.json:
        print(json.dumps(_verdict([finding], 1, Replay()), indent=2))
    else:
        _print_verdict([finding], 1, Replay())
    return EXIT_REFUSED


def _verify(directory: Path, args: argparse.Namespace) -> int:
    from actors.store import STORE
    from actors.store.audit import audit
    from actors.store.reading import opened

    findings: list[Finding] = []
    count, replay = 0, Replay()
    with (
        opened(directory, args.store or STORE) as (env, tables),
        closing(Progress("records", 0)) as bar,
    ):
        for found in audit(env, tables):
            if isinstance(found, Finding):
                count += 1
                findings += [found] if count <= _SHOWN_MAX else []
            elif isinstance(found, Replay):
                replay = found
            else:
                bar.reach(found.done, found.total)
    if args.json:
        print(json.dumps(_verdict(findings, count, replay), indent=2))
    else:
        _print_verdict(findings, count, replay)
    return EXIT_REFUSED if count else 0


def _verdict(findings: list[Finding], count: int, replay: Replay) -> dict[str, Any]:
    return {
        "ok": count == 0,
        "deposits": replay.deposits,
        "credited": replay.credited,
        "sessions": replay.sessions,
        "entries": replay.deposit_entries + replay.session_entries + replay.command_steps,
        "commands": replay.commands,
        "command_steps": replay.command_steps,
        "findings": msgspec.to_builtins(findings),
        "found": count,
    }


def _print_verdict(findings: list[Finding], count: int, replay: Replay) -> None:
    for finding in findings:
        print(f"{finding.where}: {finding.what}")
    if count > len(findings):
        print(f"and {count - len(findings)} more")
    amount = f"{replay.deposits} deposits, {replay.credited} credited, {replay.sessions} sessions"
    if count:
        print(f"the ledger does not hold together, first at {findings[0].where}: {amount}")
        print(_CURE)
    else:
        print(f"the ledger holds together: {amount}")


# ----- show -----------------------------------------------------------------------------------


def _show(directory: Path, args: argparse.Namespace) -> int:
    try:
        value: dict[str, Any] = ask(directory, SendCommand("/storage", "describe"))
    except ClientError as error:
        if error.exit_code != EXIT_NOT_RUNNING:
            print(f"from the disk, because: {error}", file=sys.stderr)
        value = _described(directory)
    if args.json:
        print(json.dumps(value, indent=2))
        return 0
    for name, text in _rows(value):
        print(f"{name:<10} {text}")
    return 0


def _described(directory: Path) -> dict[str, Any]:
    from actors.store.reading import describe
    from config.settings import StorageSettings

    most = StorageSettings().map_mb_max << 20
    found: dict[str, Any] = msgspec.to_builtins(describe(directory, most))
    return found


def _rows(value: dict[str, Any]) -> list[tuple[str, str]]:
    used, size, most = (value[key] / 2**20 for key in ("used_bytes", "map_bytes", "map_bytes_max"))
    waiting = ", ".join(f"{count} {name}" for name, count in value["outbox"].items() if count)
    dead = ", ".join(f"{count} {name}" for name, count in value["dead"].items() if count)
    rows = [
        ("deposits", f"{value['deposits']}"),
        ("sessions", f"{value['sessions']}"),
        ("journal", f"{value['journal']} entries, head {value['chain_head'][:16]}"),
        ("run", f"{value['epoch']}"),
        ("size", f"{used:.1f} MB used of a map of {size:.0f}, at most {most:.0f}"),
        ("room", _ROOM[value["room"]]),
        ("waiting", waiting or "nothing"),
        ("refused", dead or "nothing"),
    ]
    rows += [("aside", name) for name in value["damaged"]]
    if value["trouble"]:
        rows.append(("trouble", value["trouble"]))
    return rows


_ROOM = {
    "open": "there is room",
    "reserve": "only items under way are finished; nothing new is accepted",
    "edge": "nothing more can be written",
}


# ----- review ---------------------------------------------------------------------------------


def _review(directory: Path, args: argparse.Namespace) -> int:
    fields = {
        "id": args.id,
        "state": args.state,
        "why": args.why,
        "by": args.by or getpass.getuser(),
    }
    value: dict[str, Any] = ask(directory, SendCommand("/storage", "review_deposit", fields))
    print(json.dumps(value) if args.json else f"{value['id']} is {value['state']} now")
    return 0
