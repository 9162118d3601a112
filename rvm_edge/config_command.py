"""`rvm-edge config show | explain KEY | check FILE`: what is set, who set it, is this file right.

Reads the same layers as `start` does, in its own process, with or without a daemon beside it.
Exit codes: 0 all right, 2 the settings or the question are wrong, 141 nobody reads the output.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rvm_edge.data_dir import locate

if TYPE_CHECKING:
    from config.load import Explanation, Loaded, Statement

EXIT_OK, EXIT_WRONG, EXIT_PIPE = 0, 2, 141
SCHEMA = 1  # of what --json prints
VALUE_COLUMNS_MAX = 32  # a longer value pushes its own line only
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which arguments `config` takes."""
    commands = parser.add_subparsers(dest="config_command", metavar="COMMAND", required=True)

    show = commands.add_parser("show", help="all settings, and which layer set each")
    _add_layers(show)

    explain = commands.add_parser("explain", help="who set KEY, and what the other layers say")
    explain.add_argument("key", metavar="KEY", help="motor.lease_s, or a section such as motor")
    _add_layers(explain)

    check = commands.add_parser("check", help="is FILE right? Nothing is started or changed")
    check.add_argument("file", metavar="FILE", type=Path)
    _add_common(check)


def _add_layers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="F", type=Path, help="a TOML file with settings")
    parser.add_argument(
        "--data-dir", metavar="D", help="whose .env, override.toml and server settings count"
    )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="NAME", help="simulated or jetson")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Answer; give the exit code."""
    from config.errors import SettingsError

    try:
        if args.config_command == "check":
            return _check(args)
        loaded = _load(args)
        text = _show(args, loaded) if args.config_command == "show" else _explain(args, loaded)
        _tell(loaded.notes)
        return _print(text, EXIT_OK)
    except SettingsError as error:
        print(f"rvm-edge config: {error}", file=sys.stderr)
        return EXIT_WRONG


def _load(args: argparse.Namespace) -> Loaded:
    from config.generations import FOLDER, Generations
    from config.in_force import in_force
    from config.load import load

    directory = locate(args.data_dir)
    layers = partial(
        load,
        profile=args.profile,
        file=args.config,
        environment=os.environ,
        data_directory=directory,
        working_directory=Path.cwd(),
    )
    found = in_force(Generations(directory / FOLDER), layers)
    _tell(found.troubles)
    return found.loaded


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


# ----- The three questions --------------------------------------------------------------------


def _show(args: argparse.Namespace, loaded: Loaded) -> str:
    from config.settings import section_args

    all_of_them = loaded.explain_all()
    if args.json:
        answer = {
            "schema": SCHEMA,
            "settings": section_args(loaded.settings),
            "winners": {one.key: one.winner for one in all_of_them},
            "notes": loaded.notes,
        }
        return _json(answer)
    return "\n".join(_table(all_of_them, _Paint(on=_coloured())))


def _table(explanations: Iterable[Explanation], paint: _Paint) -> Iterator[str]:
    from config.keys import shown

    section = ""
    for one in explanations:
        table, _, name = one.key.rpartition(".")
        if table != section:
            yield paint.bold(f"[{table}]") if not section else "\n" + paint.bold(f"[{table}]")
            section = table
        line = f"  {name:<20} {shown(one.value):<{VALUE_COLUMNS_MAX}} "
        is_default = one.winner == "defaults"
        yield line + (paint.dim("default") if is_default else paint.bold(one.origin))


def _explain(args: argparse.Namespace, loaded: Loaded) -> str:
    section = f"{args.key}."
    chosen = [one for one in loaded.explain_all() if one.key.startswith(section)]
    if not chosen:
        chosen = [loaded.explain(args.key)]
    if args.json:
        return _json({"schema": SCHEMA, "keys": chosen})
    paint = _Paint(on=_coloured())
    return "\n\n".join("\n".join(_explanation(one, paint)) for one in chosen)


def _explanation(one: Explanation, paint: _Paint) -> Iterator[str]:
    from config.keys import shown

    yield paint.bold(f"{one.key} = {shown(one.value)}")
    yield f"  takes {one.takes}"
    yield f"  also set by {one.variable}"
    for statement in reversed(one.layers):
        wins = statement.layer == one.winner and statement.origin == one.origin
        yield _statement(statement, wins=wins, paint=paint)


def _statement(statement: Statement, *, wins: bool, paint: _Paint) -> str:
    from config.keys import shown

    value = shown(statement.value) if statement.speaks else "–"
    line = f"  {'>' if wins else ' '} {statement.layer:<12}  {value:<{VALUE_COLUMNS_MAX}}"
    # Where the origin has no more to say than the layer's name, it is left out.
    origin = statement.origin if statement.origin != statement.layer else ""
    line = f"{line}  {origin}".rstrip()
    return paint.bold(line) if wins else paint.dim(line)


def _check(args: argparse.Namespace) -> int:
    from config.errors import SettingsError
    from config.load import load

    problems: tuple[Any, ...] = ()
    count = 0
    try:
        # The file on its own: what this shell's environment says is not the file's fault.
        loaded = load(profile=args.profile, file=args.file)
        count = sum(len(layer.says) for layer in loaded.layers if layer.name == "file")
    except SettingsError as error:
        problems = error.problems
        if not args.json:
            raise
    if args.json:
        answer = {"schema": SCHEMA, "file": str(args.file), "good": not problems}
        return _print(_json({**answer, "problems": problems}), EXIT_WRONG if problems else EXIT_OK)
    return _print(f"{args.file}: good, {count} setting{'' if count == 1 else 's'}", EXIT_OK)


# ----- Printing -------------------------------------------------------------------------------


class _Paint:
    """Weight for terminals; nothing at all elsewhere."""

    def __init__(self, *, on: bool) -> None:
        self._on = on

    def bold(self, text: str) -> str:
        return f"{BOLD}{text}{PLAIN}" if self._on else text

    def dim(self, text: str) -> str:
        return f"{DIM}{text}{PLAIN}" if self._on else text


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _json(answer: object) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(answer)).decode()


def _print(text: str, code: int) -> int:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is still buffered has nowhere to go; the interpreter must not try at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    return code
