"""`rvm-edge stop`: stop a running machine and wait until it has."""

from __future__ import annotations

import argparse
import sys

from protocol.control import StopMachine
from rvm_edge.client import EXIT_UNREACHABLE, ClientError, ask
from rvm_edge.data_dir import holder, locate
from supervisors.clock import SystemClock

_PATIENCE_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data-dir", metavar="D", help="of the machine to stop")
    parser.epilog = "exit status: 0 stopped, 3 not running, 4 no answer, or not stopped in time"


def run(args: argparse.Namespace) -> int:
    """Ask it to stop and wait for its lock."""
    directory = locate(args.data_dir)
    try:
        ask(directory, StopMachine())
    except ClientError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    clock = SystemClock()
    until = clock.monotonic() + _PATIENCE_S
    while (pid := holder(directory)) is not None:
        if clock.monotonic() > until:
            msg = f"pid {pid} has not stopped within {_PATIENCE_S:g} s; hurry it with: kill {pid}"
            print(msg, file=sys.stderr)
            return EXIT_UNREACHABLE
        clock.pause(0.02)
    print("stopped")
    return 0
