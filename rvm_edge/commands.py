"""Commands, a module each: of those only the one that is wanted is imported, and knows its options.

`rvm-edge` and `bin/train` are such programs.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """Where a command lives, and what it is for.

    Attributes:
        module: name within the program's package; it has `add_arguments` and `run`.
    """

    module: str
    summary: str


def add_commands(
    parser: argparse.ArgumentParser,
    commands: Mapping[str, Entry],
    package: str,
    arguments: Sequence[str],
) -> dict[str, Any]:
    """Let the parser know the commands.

    Returns:
        The module of the one that is wanted, by its name; nothing if none is.
    """
    children = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    modules: dict[str, Any] = {}
    for name, entry in commands.items():
        child = children.add_parser(
            name,
            help=entry.summary,
            description=f"{entry.summary[0].upper()}{entry.summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:
            modules[name] = importlib.import_module(f"{package}.{entry.module}")
            modules[name].add_arguments(child)
    return modules
