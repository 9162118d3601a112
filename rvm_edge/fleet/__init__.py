"""`rvm-edge fleet-sim N`: the uplinks of N machines in one process, to load a platform.

tally      counts what happens, and how long a fleet takes to be back
line       the way to the platform, measured
bell       one doorbell, by the same rule as a machine's
backlog    what a machine owes the platform: samples and deposits
errands    remote commands: fetched when rung, answered
machine    one machine: a link, a doorbell, and what it has to tell
office     enrolment tokens, from the platform's operator or from a file
crowd      all of them, from the first enrolment to the last goodbye
showing    the line of progress, and the summary
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.client import EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE

if TYPE_CHECKING:
    from rvm_edge.fleet.crowd import Plan

OPERATOR_TOKEN = "RVM_SERVER_OPERATOR_TOKEN"  # noqa: S105 - the variable's name
_INTERRUPTED = 130
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MACHINES_MAX = 100_000
_EVERY_S_MIN = 0.1

_EPILOG = f"""\
Every machine is what a real one is to its platform: a key, a token, births, heartbeats, telemetry,
a doorbell; and it comes back after an outage by the same rules. It answers `ping` and rejects
every other command. What it does not do: settings, events, sessions, files.

The platform has to let them in. With the operator's token (in {OPERATOR_TOKEN}, or in
a file: --operator-token-file) the program makes the enrolment tokens that are missing. Without it,
--enrolment-tokens names a file with a token in each line, the first for the first machine.
The keys follow from --seed: the same seed is the same fleet again, and enrols no second time.
Anybody who knows the seed can pass for these machines, so keep them off a platform that pays.

examples:
  rvm-edge fleet-sim 300 --server http://127.0.0.1:8000 --for 10m
  rvm-edge fleet-sim 1000 --server https://rvm.example.com --deposits-per-hour 20 --json
  rvm-edge fleet-sim 50 --server http://127.0.0.1:8000 --no-doorbell --seed 7

To see how a fleet comes back, end the platform in the middle (kill -9), and start it again.

exit status: 0 all machines were there in the end, 1 some were not or the platform refuses them,
2 wrong usage or too few file descriptors, 4 the platform does not answer, 130 Ctrl-C (the summary
is shown all the same)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("machines", metavar="N", type=_count, help="how many machines")
    parser.add_argument("--server", metavar="URL", required=True, help="of the platform")
    parser.add_argument(
        "--for", metavar="TIME", dest="for_s", type=_duration_s, default=600.0,
        help="how long: 30s, 10m, 2h (default: 10m)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of keys and chances (default: 1)")
    parser.add_argument(
        "--ramp", metavar="TIME", dest="ramp_s", type=_duration_s,
        help="over how long the machines are switched on (default: 50 in a second)",
    )  # fmt: skip
    parser.add_argument("--no-doorbell", action="store_true", help="no WebSockets: only ask")
    parser.add_argument(
        "--deposits-per-hour", metavar="X", type=_rate, default=0.0,
        help="of each machine, at random moments (default: 0)",
    )  # fmt: skip
    parser.add_argument("--operator-token-file", metavar="F", type=Path, help="chmod 600")
    parser.add_argument(
        "--enrolment-tokens", metavar="F", type=Path, help="one in each line; chmod 600"
    )
    parser.add_argument("--ca-file", metavar="F", help="authorities of the platform's certificate")
    parser.add_argument(
        "--every", metavar="TIME", dest="every_s", type=_duration_s, default=5.0,
        help="between two lines of progress (default: 5s)",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="progress and summary as JSON, an object in each line"
    )
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from rvm_edge.fleet.crowd import Interrupted, Unusable, conduct, make_room
    from rvm_edge.fleet.office import NotLetIn

    try:
        plan = _plan(args)
        make_room(args.machines, has_doorbell=not args.no_doorbell)
        missing = asyncio.run(conduct(plan))
    except Unusable as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except NotLetIn as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED if error.is_refused else EXIT_UNREACHABLE
    except Interrupted:
        return _INTERRUPTED
    return EXIT_REFUSED if missing else 0


def _plan(args: argparse.Namespace) -> Plan:
    """What was asked for.

    Raises:
        Unusable: it cannot be done like that; the message names the cure.
    """
    from actors.uplink.secret_files import SecretUnusable, read_secret
    from rvm_edge.fleet.crowd import Plan, Unusable
    from rvm_edge.fleet.office import read_tokens

    try:
        file = args.operator_token_file
        operator = os.environ.get(OPERATOR_TOKEN, "") if file is None else read_secret(file)
        tokens = None if args.enrolment_tokens is None else read_tokens(args.enrolment_tokens)
    except SecretUnusable as error:
        raise Unusable(str(error)) from None
    if not operator.isascii() or not operator.isprintable():
        raise Unusable(f"{OPERATOR_TOKEN} holds no token: one line of letters and digits")
    if tokens is None and not operator:
        raise Unusable(
            f"who lets the machines in? Set {OPERATOR_TOKEN}, or name --operator-token-file or "
            "--enrolment-tokens"
        )
    if tokens is not None and len(tokens) < args.machines:
        raise Unusable(f"{args.enrolment_tokens} holds {len(tokens)} tokens, not {args.machines}")
    return Plan(
        machines=args.machines,
        url=_url(args.server),
        for_s=args.for_s,
        seed=args.seed,
        ramp_s=args.ramp_s,
        has_doorbell=not args.no_doorbell,
        deposits_per_h=args.deposits_per_hour,
        operator=operator,
        tokens=tokens,
        ca_file=args.ca_file,
        every_s=max(args.every_s, _EVERY_S_MIN),
        as_json=args.json,
    )


def _url(given: str) -> str:
    from config.keys import NotAllowed, allowed, checked, keys
    from rvm_edge.fleet.crowd import Unusable

    key = keys()["uplink.server_url"]
    try:
        return str(checked(key, given))
    except NotAllowed:
        raise Unusable(f"--server is {allowed(key.kind)}") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _MACHINES_MAX:
        msg = f"{text!r}: a number of machines from 1 to {_MACHINES_MAX}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 3600.0:  # noqa: PLR2004 - one a second is more than any machine takes
        msg = f"{text!r}: a number from 0 to 3600"
        raise argparse.ArgumentTypeError(msg)
    return value


def _duration_s(text: str) -> float:
    try:
        value = float(text[:-1]) * _UNITS_S[text[-1:]]
    except (ValueError, KeyError):
        value = -1.0
    if not 0.0 <= value < float("inf"):
        msg = f"{text!r}: use 30s, 10m or 2h"
        raise argparse.ArgumentTypeError(msg)
    return value
