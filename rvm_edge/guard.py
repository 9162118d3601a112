"""`rvm-edge guard`: the motor's guard as a service of its own, which outlives the daemon."""

from __future__ import annotations

import argparse
import faulthandler
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvm_edge.data_dir import locate
from rvm_edge.start import load_settings

if TYPE_CHECKING:
    from config.settings import Settings

EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--socket", metavar="S", help="where the daemon finds it "
                        "(default: motor.guard_socket of the settings)")  # fmt: skip
    parser.add_argument(
        "--profile", choices=("simulated", "jetson"), help="hardware to run on (default: simulated)"
    )
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.add_argument("--config", metavar="F", help="settings file (TOML)")
    parser.epilog = (
        'The daemon uses it with motor.guard = "unit" in its settings; deploy/README.md installs\n'
        "both. Stops on SIGTERM or Ctrl-C with all motors off.\n"
        "exit status: 0 stopped, 1 failed or a line is not to be had, 2 wrong settings"
    )


def run(args: argparse.Namespace) -> int:
    """Guard until told to stop."""
    from config.errors import SettingsError

    directory = locate(args.data_dir)
    try:
        settings, _ = load_settings(args, directory)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    return _serve(settings, directory, Path(args.socket or settings.motor.guard_socket))


def _serve(settings: Settings, directory: Path, path: Path) -> int:
    from actors.motor.unit import GuardSocket, serve
    from supervisors.clock import SystemClock
    from supervisors.notify import Notifier

    faulthandler.register(signal.SIGUSR1, all_threads=True)
    link = GuardSocket(path, Notifier(SystemClock()))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: link.stop())
    problem = serve(link, _arguments(settings, directory))
    if problem:
        print(f"the guard has ended: {problem}", file=sys.stderr)
    return EXIT_FAILED if problem else 0


def _arguments(settings: Settings, directory: Path) -> dict[str, Any]:
    from rvm_edge.drivers import choose_drivers

    drivers = choose_drivers(settings, directory)
    return {
        "gpio": drivers.guard_gpio.target,
        "gpio_args": dict(drivers.guard_gpio.args),
        "analog": drivers.analog.target,
        "analog_args": dict(drivers.analog.args),
        "limits": settings.motor,
        "tell": "/service/deposit",
    }
