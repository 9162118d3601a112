"""`rvm-edge events`: what happened to the machine, from disk; works when nothing runs."""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rvm_edge.client import EXIT_USAGE
from rvm_edge.data_dir import locate
from supervisors.clock import SystemClock
from supervisors.recorder import EVENTS_FILE, read_events

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--since", metavar="WHEN", help="10m, 2h, 3d, or a time such as 2026-11-21T14:00"
    )
    parser.add_argument("--follow", action="store_true", help="go on printing until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object per line, with stacks")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")


def run(args: argparse.Namespace) -> int:
    """Print them."""
    clock = SystemClock()
    try:
        since = _when(args.since, clock.wall()) if args.since else 0.0
    except ValueError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    directory = locate(args.data_dir)
    if not args.follow and not (directory / EVENTS_FILE).exists():
        print(f"no events in {directory}: no machine has run there", file=sys.stderr)
        return EXIT_USAGE
    place = (directory / EVENTS_FILE).stat().st_size if (directory / EVENTS_FILE).exists() else 0
    for record in read_events(directory, since):
        print(_line(record, as_json=args.json))
    while args.follow:
        sys.stdout.flush()
        clock.pause(_POLL_S)
        place = _print_new(directory, place, as_json=args.json)
    return 0


def _print_new(directory: Path, place: int, *, as_json: bool) -> int:
    """Print complete lines behind ``place``; a rotated file is read from its beginning."""
    file = directory / EVENTS_FILE
    if not file.exists():
        return 0
    place = place if file.stat().st_size >= place else 0
    with file.open("rb") as lines:
        lines.seek(place)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            place += len(line)
            print(_line(json.loads(line), as_json=as_json))
    return place


def _when(text: str, now: float) -> float:
    ago = _AGO.match(text)
    if ago is not None:
        return now - float(ago[1]) * _UNITS_S[ago[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        msg = f"--since {text!r}: use 30s, 10m, 2h, 3d, or a time such as 2026-11-21T14:00"
        raise ValueError(msg) from None


def _line(record: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(record, ensure_ascii=False)
    at = datetime.fromtimestamp(record.get("at", 0.0), timezone.utc).astimezone()
    hidden = ("at", "path", "event", "stack")
    rest = "  ".join(f"{key}={value}" for key, value in record.items() if key not in hidden)
    return (
        f"{at:%Y-%m-%d %H:%M:%S}  {record.get('path', ''):<22} {record.get('event', ''):<17} {rest}"
    )
