"""`rvm-edge start`: run the machine in the foreground."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rvm_edge.data_dir import DataDir, DataDirError, Held, locate

EXIT_USAGE, EXIT_HELD = 2, 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--profile", choices=("simulated", "jetson"), help="hardware to run on (default: simulated)"
    )
    parser.add_argument("--data-dir", metavar="D", help="where the machine keeps everything")
    parser.add_argument("--config", metavar="F", help="settings file (TOML)")
    parser.epilog = (
        "Stops in order on SIGTERM or Ctrl-C, motors first; a second signal hurries.\n"
        "exit status: 0 stopped, 1 not started, 2 wrong settings, 5 already running there,\n"
        "70 gave up (a service manager should start it again)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the machine until it is stopped."""
    from config.errors import SettingsError
    from config.load import load

    path = locate(args.data_dir)
    try:
        config = Path(args.config) if args.config else None
        settings = load(
            profile=args.profile,
            file=config,
            environment=os.environ,
            data_directory=path,
            working_directory=Path.cwd(),
        ).settings
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    try:
        data = DataDir(path)
    except Held as error:
        print(error, file=sys.stderr)
        return EXIT_HELD
    except DataDirError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    from rvm_edge.daemon import Daemon

    return Daemon(settings, data).run()
