"""How the runtime starts other Python interpreters.

Isolated (``-I``): a file called ``config.py`` in somebody's working directory must not stand in for
one of our packages. So the place where this package lies is handed over explicitly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent)
_CODE = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from importlib import import_module; "
    "sys.exit(import_module(sys.argv.pop(1)).main(sys.argv[1:]))"
)


def extend_path(entries: Iterable[str]) -> None:
    """Look for modules where the core does, too; behind our own packages and this interpreter's."""
    sys.path += [entry for entry in entries if entry not in sys.path]


def isolated(python: str, module: str, argv: list[str]) -> list[str]:
    """The command line that runs ``module.main(argv)`` in a fresh, isolated interpreter."""
    return [python, "-I", "-c", _CODE, _ROOT, module, *argv]
