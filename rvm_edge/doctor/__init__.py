"""`rvm-edge doctor`: what is here, what is missing, and what to do about it.

    findings.py   what is said, and who is looked at
    host.py       the computer: interpreter, packages, board, clock, service
    machine.py    settings, data directory, daemon, camera, pins
    seeing.py     native libraries, back ends, the model, the second look
    probe.py      what is imported in a process of its own, because it may not survive it

Looks only: it starts nothing, changes nothing, and opens no camera. It must outlive everything it
may find, so at their heads these files import the standard library and each other, nothing else.
Exit codes: 0 all well, 1 something is broken, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rvm_edge import version
from rvm_edge.doctor import host, machine, seeing
from rvm_edge.doctor.findings import Check, Finding, Patient, State, failed, guarded

EXIT_OK, EXIT_BROKEN = 0, 1
SCHEMA = 1  # of what --json prints
_MARKS: dict[State, str] = {"ok": "ok", "note": "note", "broken": "BROKEN"}
_COLOURS: dict[State, str] = {"ok": "\x1b[32m", "note": "\x1b[33m", "broken": "\x1b[1;31m"}
_PLAIN = "\x1b[0m"
_MARK_COLUMNS, _CHECK_COLUMNS = 6, 14


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--data-dir", metavar="D", help="of the machine")
    parser.add_argument("--config", metavar="F", help="settings file (TOML)")
    parser.add_argument("--profile", choices=("simulated", "jetson"), help="as for start")
    parser.epilog = (
        "It starts nothing, changes nothing, and opens no camera.\n"
        "exit status: 0 all well (notes may be there), 1 something is broken"
    )


def run(args: argparse.Namespace) -> int:
    """Look at everything and say it."""
    findings = tuple(examine(args, Path("/")))
    if args.json:
        print(json.dumps(_as_json(findings), indent=2))
    else:
        _print(findings)
    return EXIT_BROKEN if any(one.state == "broken" for one in findings) else EXIT_OK


def examine(args: argparse.Namespace, root: Path) -> Iterator[Finding]:
    """Find out how everything stands, one after the other.

    Args:
        args: of the command line.
        root: of the file system.
    """
    probe = seeing.Probe()
    try:
        patient, faults = _admit(args, root)
        yield from faults
        for name, check in _checks(probe, patient):
            yield from guarded(name, check, patient)
    finally:
        probe.close()


def _checks(probe: seeing.Probe, patient: Patient) -> Iterator[tuple[str, Check]]:
    """What is looked at, in the order in which it is said."""
    yield "interpreter", host.check_interpreter
    yield "packages", host.check_packages
    yield "board", host.check_board
    yield "clock", host.check_clock
    yield "service", host.check_service
    yield "data directory", machine.check_data_dir
    yield "daemon", machine.check_daemon
    if patient.settings is not None:
        yield "camera", machine.check_camera
        yield "pins", machine.check_pins
        yield "model", seeing.check_model
        yield "second look", seeing.check_second_look
    yield "training", seeing.check_training
    yield "libraries", partial(seeing.check_libraries, probe)


def _admit(args: argparse.Namespace, root: Path) -> tuple[Patient, list[Finding]]:
    """Find the data directory and read the settings, as `start` would."""
    try:
        data_dir, now_s, faults = _locate(args)
    except ImportError as error:
        data_dir, now_s, faults = None, None, [failed("packages", error)]
    patient = Patient(root, os.environ, args, data_dir, None, now_s)
    try:
        settings, found = _settings(args, data_dir)
        return patient._replace(settings=settings), [*faults, *found]
    except Exception as error:  # noqa: BLE001 - see findings.guarded
        return patient, [*faults, failed("settings", error)]


def _locate(args: argparse.Namespace) -> tuple[Path | None, float, list[Finding]]:
    from rvm_edge.data_dir import DataDirError, locate
    from supervisors.clock import SystemClock

    now_s = SystemClock().wall()
    try:
        return locate(args.data_dir), now_s, []
    except DataDirError as error:
        cure = "name it with --data-dir or RVM_EDGE_DATA_DIR"
        return None, now_s, [Finding("data directory", "broken", str(error), cure)]


def _settings(args: argparse.Namespace, data_dir: Path | None) -> tuple[Any, list[Finding]]:
    """The settings; where they are wrong, the defaults, so that the rest can be looked at."""
    from config.errors import SettingsError
    from config.settings import Settings
    from rvm_edge.start import load_settings

    cure = "correct it; rvm-edge config explain KEY says what is allowed"
    try:
        settings, notes = load_settings(args, data_dir or Path("/nonexistent"))
    except SettingsError as error:
        return Settings(), [
            Finding("settings", "broken", str(problem), cure) for problem in error.problems
        ]
    said = f"profile {settings.machine.profile}"
    return settings, [
        Finding("settings", "ok", said),
        *(Finding("settings", "note", note) for note in notes),
    ]


# ----- saying it ------------------------------------------------------------------------------


def _as_json(findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": version(),
        "ok": not any(one.state == "broken" for one in findings),
        "findings": [one._asdict() for one in findings],
    }


def _print(findings: tuple[Finding, ...]) -> None:
    colourful = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for one in findings:
        mark = f"{_MARKS[one.state]:<{_MARK_COLUMNS}}"
        if colourful:
            mark = f"{_COLOURS[one.state]}{mark}{_PLAIN}"
        print(f"{mark}  {one.check:<{_CHECK_COLUMNS}}  {_printable(one.text)}")
        if one.cure:
            print(f"{'':<{_MARK_COLUMNS}}  {'':<{_CHECK_COLUMNS}}  -> {_printable(one.cure)}")
    broken = sum(one.state == "broken" for one in findings)
    notes = sum(one.state == "note" for one in findings)
    print(f"\n{broken} broken, {notes} to know, {len(findings) - broken - notes} well")


def _printable(text: str) -> str:
    """One line without anything that moves a cursor: some of it comes from files of others."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
