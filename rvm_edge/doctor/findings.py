"""What the doctor says: findings, each with a cure where there is something to do.

Nothing here needs a package of ours or of anybody: a doctor is called when something is missing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

State: TypeAlias = Literal["ok", "note", "broken"]


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        check: which one, a word or two.
        state: `ok`; `note`: it works without, but somebody should know; `broken`.
        cure: what to do about it, empty if nothing.
    """

    check: str
    state: State
    text: str
    cure: str = ""


class Patient(NamedTuple):
    """Whom the doctor looks at.

    Attributes:
        root: of the file system; another one in tests.
        environ: the environment.
        args: of the command line: `data_dir`, `config`, `profile`.
        data_dir: None: it could not be located.
        settings: `config.settings.Settings`; the defaults where they could not be read; None where
            not even those can be had.
        now_s: seconds since 1970, as the machine believes; None: nobody could be asked.
    """

    root: Path
    environ: Mapping[str, str]
    args: argparse.Namespace
    data_dir: Path | None
    settings: Any
    now_s: float | None

    @property
    def is_jetson(self) -> bool:
        """Whether the settings are those of a machine in a shop."""
        return self.settings is not None and self.settings.machine.profile == "jetson"


Check: TypeAlias = Callable[[Patient], Iterable[Finding]]


def guarded(name: str, check: Check, patient: Patient) -> Iterator[Finding]:
    """Run a check; that it fails itself is a finding too, and no reason to stop."""
    try:
        yield from check(patient)
    except Exception as error:  # noqa: BLE001 - whatever is broken here, the rest is to be told
        yield failed(name, error)


def failed(name: str, error: BaseException) -> Finding:
    """What is to be said of something that broke with an error nobody expected there."""
    said = f"{type(error).__name__}: {error}"
    cure = "run bin/setup" if isinstance(error, ImportError) else "run bin/setup, then report this"
    return Finding(name, "broken", said, cure)


def read_text(path: Path) -> str:
    """The text of a small file, empty if it cannot be had."""
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode(errors="replace").strip("\x00\n ")
    except OSError:
        return ""
