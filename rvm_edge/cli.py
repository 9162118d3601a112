"""The command line. Every command lives in a module of its own and is imported when it is used."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from typing import Any

from rvm_edge import version
from rvm_edge.commands import Entry, add_commands

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_PIPE = 1, 2, 130, 141
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that does not take our output; of files by name it says which."""


COMMANDS = {
    "start": Entry("start", "run the machine (simulated unless told otherwise)"),
    "stop": Entry("stop", "stop a running machine, motors first"),
    "status": Entry("status", "show the supervision tree of a running machine"),
    "send": Entry("send", "send a command to an actor"),
    "events": Entry("events", "show what happened: restarts, quarantines, alarms"),
    "deposits": Entry("deposits", "show or export the ledger's deposits, newest first"),
    "ledger": Entry("ledger", "verify the ledger, show how it stands, decide a review"),
    "commands": Entry("remote_commands", "show what the platform has asked for, or verify it"),
    "diagnostics": Entry("diagnostics", "put all that helps into one file, without secrets"),
    "claim": Entry("claim", "show the machine's public key, or check a claim token"),
    "enrol": Entry("enrol", "give the platform this machine's public key, once"),
    "classify": Entry("classify", "say what the machine would make of picture files"),
    "camera": Entry("camera_command", "check the camera, or save what it sees"),
    "config": Entry("config_command", "show, explain or check settings"),
    "doctor": Entry("doctor", "say what is here, what is missing, and what to do about it"),
    "models": Entry("models_command", "say which detectors there are, try them, let one serve"),
    "guard": Entry("guard", "run the motor's guard as a service of its own"),
    "sim": Entry("sim", "put items into the simulated machine, or break it"),
    "fleet-sim": Entry("fleet", "load a platform with the uplinks of many machines"),
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

exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no machine runs there, 4 it does not
answer, 130 Ctrl-C, 141 nobody reads the output; start and status have more, see their --help
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    _hold_standard_streams()
    _speak_to_anybody()
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        _flush()
    except KeyboardInterrupt:
        # A second Ctrl-C while the interpreter ends would cost us the status.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return EXIT_PIPE
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _forget_output()
        print(f"the output cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED
    return status


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _run(arguments: list[str]) -> int:
    parser, modules = _parser(arguments)
    args = parser.parse_args(arguments)
    try:
        status: int = modules[args.command].run(args)
    except _data_dir_error() as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    return status


def _data_dir_error() -> type[Exception]:
    """Imported when it is wanted: `doctor` has to run where the packages for it are missing."""
    from rvm_edge.data_dir import DataDirError

    return DataDirError


def _parser(arguments: list[str]) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """The parser; of the commands only the one that is wanted knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="rvm-edge",
        description="The daemon of a reverse vending machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rvm-edge {version()}")
    return parser, add_commands(parser, COMMANDS, "rvm_edge", arguments)


def _hold_standard_streams() -> None:
    """Where one was closed before us, the next file we open would take its number, and its output.

    Nothing of ours is open yet that could have.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _speak_to_anybody() -> None:
    """A terminal without our letters gets others instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """What could not be written must not be tried again at the interpreter's end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
