"""`rvm-edge start`: run the machine in the foreground."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.data_dir import DataDir, Held, locate

if TYPE_CHECKING:
    from config.settings import Settings

EXIT_USAGE, EXIT_HELD = 2, 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--profile", choices=("simulated", "jetson"), help="hardware to run on (default: simulated)"
    )
    parser.add_argument("--data-dir", metavar="D", help="where the machine keeps everything")
    parser.add_argument("--config", metavar="F", help="settings file (TOML)")
    parser.epilog = (
        "Stops in order on SIGTERM or Ctrl-C, motors first; a second one hurries.\n"
        "exit status: 0 stopped, 1 not started, 2 wrong settings, 5 already running there,\n"
        "70 gave up (a service manager should start it again)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the machine until it is stopped."""
    from config.errors import SettingsError

    path = locate(args.data_dir)
    try:
        settings, notes = load_settings(args, path)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    try:
        data = DataDir(path, settings.machine.hardware_id)
    except Held as error:
        print(error, file=sys.stderr)
        return EXIT_HELD
    from actors.preload import PRELOAD
    from supervisors.zygote import Zygote

    zygote = Zygote(PRELOAD)  # it imports its modules while we import ours

    from rvm_edge.daemon import Daemon

    return Daemon(settings, data, zygote, notes).run()


def load_settings(args: argparse.Namespace, directory: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings that ``--profile``, ``--config`` and all other layers give, and notes on them.

    Raises:
        SettingsError: something in them is wrong.
    """
    from config.load import load

    loaded = load(
        profile=args.profile,
        file=Path(args.config) if args.config else None,
        environment=os.environ,
        data_directory=directory,
        working_directory=_working_directory(directory),
    )
    return loaded.settings, loaded.notes


def _working_directory(otherwise: Path) -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # removed under our feet
        return otherwise
