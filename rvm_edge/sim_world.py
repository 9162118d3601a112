"""`rvm-edge sim do | break | heal | world | pins`: people, faults, the truth, and the pins."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, get_args

from protocol.control import SendCommand
from protocol.simulation import Deed
from rvm_edge.client import EXIT_NOT_RUNNING, ClientError, ask
from rvm_edge.data_dir import locate

if TYPE_CHECKING:
    from actors.drivers.simulated import OutputWrite, SimulatedBoard

WORLD = "/world"
_WATCH_S = 0.02
_LISTED = 5
"""So many choices of --of fit into a line of the help."""
_DEEDS: dict[Deed, str] = {
    "hand_in": "a hand reaches into the gate",
    "hand_out": "and is drawn back",
    "pull_string": "the item that hangs on a string goes back",
    "swap": "another item takes the place of the one in the machine",
    "take": "the customer takes what lies at the inlet",
    "door_open": "the service door is opened",
    "door_close": "and closed",
    "estop_press": "the emergency stop is pressed",
    "estop_release": "and released",
    "empty_bin": "the bin is exchanged for an empty one",
    "clear": "a technician takes out whatever lies in the machine; the door must be open",
}


def ask_world(data_dir: str | None, command: str, **arguments: Any) -> Any:
    """Send a command to the simulated world.

    Raises:
        ClientError: it refused, or there is none: this machine is real.
    """
    try:
        return ask(locate(data_dir), SendCommand(WORLD, command, arguments))
    except ClientError as error:
        if error.code == "unknown_address":
            msg = "this machine is real: use your hands (`sim` is for --profile simulated)"
            raise ClientError(msg, error.exit_code) from None
        raise


# -- options --------------------------------------------------------------------------------------


def add_actions(actions: Any) -> list[argparse.ArgumentParser]:
    """Declare the actions; returns their parsers."""
    return [
        _add_do(actions),
        _add_break(actions),
        _add_heal(actions),
        actions.add_parser("world", help="show what is really the case"),
        _add_pins(actions),
    ]


def _add_do(actions: Any) -> argparse.ArgumentParser:
    do: argparse.ArgumentParser = actions.add_parser(
        "do",
        help="let somebody do something",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {deed:<15}{what}" for deed, what in _DEEDS.items()),
    )
    assert set(_DEEDS) == set(get_args(Deed)), "every deed is explained"
    do.add_argument("deed", metavar="DEED", choices=list(_DEEDS), help="see below")
    _add_moment(do)
    do.add_argument("--item", metavar="ITEM", help="of a swap: what comes in its place")
    do.add_argument("--mass-g", type=float, default=0.0, metavar="G", help="its mass")
    do.add_argument("--length-m", type=float, default=0.0, metavar="M", help="its length")
    return do


def _add_break(actions: Any) -> argparse.ArgumentParser:
    from models.world.faults import FAULTS

    lines = []
    for name, kind in FAULTS.items():
        value = f"; --value {kind.unit} (usual {kind.usual:g})" if kind.unit else ""
        which = ", ".join(kind.of) if len(kind.of) <= _LISTED else "one of those in `sim pins`"
        of = f"; --of {which}" if kind.of else ""
        lines.append(f"  {name:<16}{kind.help}{of}{value}")
    parser: argparse.ArgumentParser = actions.add_parser(
        "break",
        help="break something in the machine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(lines),
    )
    parser.add_argument("fault", metavar="FAULT", choices=list(FAULTS), help="see below")
    parser.add_argument("--of", default="", metavar="X", help="which one, where there are several")
    parser.add_argument("--value", type=float, metavar="V", help="how bad; see below")
    parser.add_argument("--for", type=float, default=0.0, dest="for_s", metavar="S",
                        help="heals by itself after so many seconds")  # fmt: skip
    _add_moment(parser)
    return parser


def _add_moment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=float, default=0.0, dest="after_s", metavar="S",
                        help="seconds from now, or from the moment named below")  # fmt: skip
    parser.add_argument("--at-motion", default="", choices=("belt", "gate"),
                        help="when this motor next starts")  # fmt: skip
    parser.add_argument("--at-x", type=float, default=-1.0, dest="at_x_m", metavar="M",
                        help="when the front of an item gets so far in (0: the gate)")  # fmt: skip


def _add_heal(actions: Any) -> argparse.ArgumentParser:
    heal: argparse.ArgumentParser = actions.add_parser("heal", help="repair what is broken")
    heal.add_argument("fault", metavar="FAULT", nargs="?", default="", help="only this sort")
    return heal


def _add_pins(actions: Any) -> argparse.ArgumentParser:
    pins: argparse.ArgumentParser = actions.add_parser(
        "pins", help="show lines and channels, also of a machine that hangs or has ended"
    )
    pins.add_argument("--watch", action="store_true", help="go on with what changes")
    pins.add_argument("--trace", action="store_true", help="the last writes to outputs, with times")
    return pins


# -- people, faults, the truth --------------------------------------------------------------------


def do(args: argparse.Namespace) -> int:
    """Let somebody do something."""
    picture = ""
    if args.item:
        from models.world.catalogue import load_catalogue

        picture = str(load_catalogue().find(args.item)[0].picture)
    return _done(
        args,
        ask_world(
            args.data_dir, "act", deed=args.deed, at_x_m=args.at_x_m, at_motion=args.at_motion,
            after_s=args.after_s, picture=picture, mass_g=args.mass_g, length_m=args.length_m,
        ),
    )  # fmt: skip


def break_(args: argparse.Namespace) -> int:
    """Break something."""
    from models.world.faults import FAULTS

    value = FAULTS[args.fault].usual if args.value is None else args.value
    return _done(
        args,
        ask_world(
            args.data_dir, "afflict", fault=args.fault, of=args.of, value=value,
            after_s=args.after_s, for_s=args.for_s, at_motion=args.at_motion, at_x_m=args.at_x_m,
        ),
    )  # fmt: skip


def heal(args: argparse.Namespace) -> int:
    """Repair it."""
    return _done(args, ask_world(args.data_dir, "heal", fault=args.fault))


def _done(args: argparse.Namespace, value: Any) -> int:
    print(json.dumps(value) if args.json else value["what"])
    return 0


def world(args: argparse.Namespace) -> int:
    """Show the truth."""
    truth: dict[str, Any] = ask_world(args.data_dir, "describe")
    if args.json:
        print(json.dumps(truth, indent=2))
        return 0
    items = truth.pop("items")
    del truth["type"]
    truth["faults"] = ", ".join(truth["faults"]) or "none"
    width = max(map(len, truth))
    for name, value in truth.items():
        print(f"{name:<{width}}  {_text(value)}")
    if items:
        print(f"\n{'ITEM':>5}  {'NAME':<16}{'FATE':<12}{'MASS g':>8}{'REAR m':>9}")
    for item in items[-20:]:
        print(
            f"{item['item']:>5}  {item['name']:<16}{item['fate']:<12}"
            f"{item['mass_g']:>8.1f}{item['x_m']:>9.3f}"
        )
    return 0


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value) or "-"


# -- the pins -------------------------------------------------------------------------------------


def pins(args: argparse.Namespace) -> int:
    """Show the pins, straight from their file."""
    from actors.drivers.simulated import SimulatedBoard

    directory = locate(args.data_dir) / "sim"
    if not (directory / "pins").exists():
        print(
            f"there are no pins in {directory}: start a simulated machine (rvm-edge start)",
            file=sys.stderr,
        )
        return EXIT_NOT_RUNNING
    board = SimulatedBoard(str(directory))
    try:
        _show_pins(args, board)
    except KeyboardInterrupt:
        return 0  # the usual way to end watching
    finally:
        board.close()
    return 0


def _show_pins(args: argparse.Namespace, board: SimulatedBoard) -> None:
    if args.json and not args.watch:
        print(json.dumps(_pins_as_data(args, board), indent=2))
        return
    if args.trace:
        for write in board.trace():
            print(_line_of(write))
    elif not args.json:
        for name, level in _levels(board).items():
            print(f"{name:<18}{level}")
        for name, reading in _channels(board).items():
            print(f"{name:<18}{reading}")
    if args.watch:
        _watch(args, board)


def _pins_as_data(args: argparse.Namespace, board: SimulatedBoard) -> Any:
    if args.trace:
        return [write._asdict() for write in board.trace()]
    return {
        "lines": {line: board.level(line) for line in board.levels()},
        "unreadable": [line for line in board.levels() if board.pins.is_lost(line)],
        "channels": {name: value._asdict() for name, value in board.readings().items()},
    }


def _levels(board: SimulatedBoard) -> dict[str, str]:
    return {
        line: ("high" if level else "low") + (", unreadable" if board.pins.is_lost(line) else "")
        for line, level in board.levels().items()
    }


def _channels(board: SimulatedBoard) -> dict[str, str]:
    return {
        name: f"{'-' if reading.value is None else format(reading.value, '.3f')} {reading.quality}"
        for name, reading in board.readings().items()
    }


def _watch(args: argparse.Namespace, board: SimulatedBoard) -> None:
    """Print every write to an output, and every change of an input as far as it is seen."""
    from supervisors.clock import SystemClock

    clock, seen, known = SystemClock(), board.pins.writes, _levels(board)
    while True:
        writes = board.trace(seen)
        for write in writes:
            seen = write.number
            if write.line != "heartbeat" or args.trace:
                print(json.dumps(write._asdict()) if args.json else _line_of(write), flush=True)
        levels = _levels(board)
        for line in levels:
            if levels[line] != known[line] and not _is_output(line):
                now = {"line": line, "level": levels[line]}
                print(json.dumps(now) if args.json else f"{'':>16}  {line:<18}{levels[line]}",
                      flush=True)  # fmt: skip
        known = levels
        clock.pause(_WATCH_S)


def _is_output(line: str) -> bool:
    from actors.drivers.ports import GUARD_OUTPUTS

    return line in GUARD_OUTPUTS


def _line_of(write: OutputWrite) -> str:
    return f"{write.t_mono_ns / 1e9:>16.6f}  {write.line:<18}{'high' if write.level else 'low'}"
