"""`rvm-edge start`: run the machine in the foreground."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rvm_edge.data_dir import DataDir, Held, locate

if TYPE_CHECKING:
    from config.in_force import Layers
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
        "70 gave up, 75 has to start anew with other settings (a service manager does both;\n"
        "without one it does the second itself)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the machine until it is stopped."""
    from config.errors import SettingsError

    path = locate(args.data_dir)
    layers = layers_of(args, path)
    try:
        local = layers(server=None)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    try:
        data = DataDir(path, local.settings.machine.hardware_id)
    except Held as error:
        print(error, file=sys.stderr)
        return EXIT_HELD
    from actors.preload import PRELOAD
    from supervisors.zygote import Zygote

    zygote = Zygote(PRELOAD)  # it imports its modules while we import ours

    from rvm_edge.daemon import Daemon

    return Daemon(layers, data, zygote).run()


def load_settings(args: argparse.Namespace, directory: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings that ``--profile``, ``--config`` and all other layers give, and notes on them.

    Raises:
        SettingsError: something in them is wrong.
    """
    from config.generations import FOLDER, Generations
    from config.in_force import in_force

    found = in_force(Generations(directory / FOLDER), layers_of(args, directory))
    return found.loaded.settings, (*found.loaded.notes, *found.troubles)


def layers_of(args: argparse.Namespace, directory: Path) -> Layers:
    """How to load all layers of this machine, with or without a word of the platform's."""
    from config.load import load

    return partial(
        load,
        profile=args.profile,
        file=Path(args.config) if args.config else None,
        environment=dict(os.environ),
        data_directory=directory,
        working_directory=_working_directory(directory),
    )


def _working_directory(otherwise: Path) -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # removed under our feet
        return otherwise
