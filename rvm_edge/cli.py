"""The command line. Every command lives in a module of its own and is imported when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import NamedTuple

from rvm_edge import version

EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 2, 130, 141


class _Entry(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "start": _Entry("start", "run the machine (simulated unless told otherwise)"),
    "stop": _Entry("stop", "stop a running machine, motors first"),
    "status": _Entry("status", "show the supervision tree of a running machine"),
    "send": _Entry("send", "send a command to an actor"),
    "events": _Entry("events", "show what happened: restarts, quarantines, alarms"),
    "deposits": _Entry("deposits", "show the ledger's newest deposits"),
    "classify": _Entry("classify", "say what the machine would make of picture files"),
    "config": _Entry("config_command", "show, explain or check settings"),
    "sim": _Entry("sim", "put items into the simulated machine, or break it"),
}

_EPILOG = """\
examples:
  rvm-edge start                       run a simulated machine in the foreground
  rvm-edge status                      its supervision tree, from another terminal
  rvm-edge sim insert mineral          put a bottle in, then look at: rvm-edge deposits
  rvm-edge send /machine/motor ping    ask an actor whether it is there
  rvm-edge sim fault segfault /vision/camera

The machine keeps everything in its data directory: --data-dir, else RVM_EDGE_DATA_DIR, else
~/.local/state/rvm-edge. Every command has its own --help.
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="rvm-edge",
        description="The daemon of a reverse vending machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rvm-edge {version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    modules = {}
    for name, entry in COMMANDS.items():
        child = commands.add_parser(
            name,
            help=entry.summary,
            description=f"{entry.summary[0].upper()}{entry.summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:
            modules[name] = importlib.import_module(f"rvm_edge.{entry.module}")
            modules[name].add_arguments(child)
    args = parser.parse_args(arguments)
    try:
        status: int = modules[args.command].run(args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_PIPE
    return status
