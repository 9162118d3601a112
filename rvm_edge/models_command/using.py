"""`rvm-edge models use` and `add`.

A machine that runs tries the newcomer itself, beside the model that serves; this program only asks
and watches, so that the end of it is told even if the machine's process dies over it. Where none
runs, or where it runs and has no eyes, the same trial is made here, and the store says the rest.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.vision import default_detector_directory, swap
from models.vision.store import ModelStore, fingerprint
from models.vision.swap import Shelf
from models.vision.trial import Job, Stumbled, is_its_own_fault, judged, limits_of
from protocol.control import SendCommand, Supervise
from rvm_edge.client import EXIT_REFUSED, EXIT_UNREACHABLE, ClientError, ask
from rvm_edge.models_command.places import INFERENCE, Home, facts_of_inference, find, home
from rvm_edge.models_command.trials import rehearse
from supervisors.clock import SystemClock

if TYPE_CHECKING:
    from config.settings import InferenceSettings

_ANSWER_S = 2.0
"""Longer than a refusal takes; whoever is being tried takes longer, and is watched."""
_PAUSE_S = 0.2
_WAKE_S = 5.0
"""A model that has just passed its trial is loaded in a second."""
_FORGOTTEN_LOOKS = 5
_GOES_ON = ("timeout", "crashed", "restarting", "no_actor")


def run(args: argparse.Namespace) -> int:
    """Do one of the two."""
    where = home(args.data_dir)
    place = find(args.model, where.store)
    if args.verb == "add":
        return _add(args, where, place)
    facts = facts_of_inference(where.directory)
    if facts is None or facts["state"] not in ("running", "busy", "restarting", "starting"):
        told = _use_here(where, place, args, is_running=facts is not None)
    else:
        told = _use_there(where, place, args)
    return _tell(told, args)


def _add(args: argparse.Namespace, where: Home, place: Path) -> int:
    name = where.store.install(place)
    there = where.store.directory / name
    if args.json:
        print(json.dumps({"name": name, "directory": str(there)}, indent=2))
    else:
        print(f"{name} is in the store; let it serve with: rvm-edge models use {name}")
    return 0


def _tell(told: dict[str, Any], args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps(told, indent=2))
    elif told["refused"]:
        print(f"refused: {told['refused']}\n{told['model']} goes on")
    else:
        how = f"serves by {told['backend']}, on probation" if told["backend"] else "serves from"
        print(f"{told['model']} {how}{'' if told['backend'] else ' the next start on'}")
    return EXIT_REFUSED if told["refused"] else 0


# ----- A machine that runs ---------------------------------------------------------------------


def _use_there(where: Home, place: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Ask it, then watch until the newcomer serves or is refused."""
    more = {"again": args.again, "fault": args.fault, "when": args.when}
    wish = SendCommand(INFERENCE, "use_model", {"directory": str(place), **more}, _ANSWER_S)
    try:
        answer = ask(where.directory, wish, timeout_s=_ANSWER_S + 2.0)
    except ClientError as error:
        if error.code not in _GOES_ON:
            raise
        return _watch(where, fingerprint(place), args.timeout)
    return {key: answer[key] for key in ("model", "directory", "backend", "refused")}


def _watch(where: Home, wanted: str, timeout_s: float) -> dict[str, Any]:
    """Raises: ClientError: it is not decided, or nobody knows of the wish any more."""
    clock = SystemClock()
    until_s = clock.monotonic() + timeout_s
    facts: dict[str, Any] = {}
    forgotten = 0
    while clock.monotonic() < until_s and forgotten < _FORGOTTEN_LOOKS:
        clock.pause(_PAUSE_S)
        facts = facts_of_inference(where.directory) or {}
        newcomer = str(facts.get("newcomer") or "")
        if "model" not in facts or newcomer.startswith("tried") or "waits" in newcomer:
            continue
        refusal = where.store.read(put_aside=False).refusal
        serves = fingerprint(Path(str(facts["directory"]))) == wanted
        if serves or refusal:
            return _outcome(facts, "" if serves else refusal)
        forgotten += 1
    if forgotten:
        msg = "inference was restarted for another reason and has forgotten the wish; try again"
        raise ClientError(msg, EXIT_REFUSED)
    goes_on = str(facts.get("newcomer") or "nothing is known of it")
    msg = f"not decided within {timeout_s:g} s: {goes_on}; it goes on, see: rvm-edge status"
    raise ClientError(msg, EXIT_UNREACHABLE)


def _outcome(facts: dict[str, Any], refused: str) -> dict[str, Any]:
    told = {key: str(facts.get(key) or "") for key in ("model", "directory", "backend")}
    return {**told, "refused": refused}


# ----- No machine, or one without eyes ---------------------------------------------------------


def _use_here(
    where: Home, place: Path, args: argparse.Namespace, *, is_running: bool
) -> dict[str, Any]:
    """Try it here, and write down that it shall serve."""
    limits = _limits(where.directory)
    _check(where.store, place, limits, again=args.again)
    is_shipped = place == default_detector_directory()
    job = Job(
        str(place),
        store="" if is_shipped or where.store.name_of(place) else str(where.store.directory),
        backend=limits.backend,
        threads=limits.threads,
        cache=str(where.engines),
        needs_golden=not is_shipped,
        fault=args.fault or None,
    )
    answer = judged(rehearse(job, limits_of(limits)), limits_of(limits))
    shelf = where.store.read()
    if isinstance(answer, Stumbled):
        why = f"{place.name}: {answer.why}"
        where.store.write(_turned_away(shelf, place.name, answer, why))
        old = shelf.current or "the shipped model"
        return {"model": old, "directory": "", "backend": "", "refused": why}
    name = where.store.name_of(Path(answer.directory))
    where.store.write(swap.chosen(swap.forgiven(shelf, answer.fingerprint), name))
    refused = _wake(where) if is_running else ""
    return {
        "model": answer.model,
        "directory": answer.directory,
        "backend": "",
        "refused": refused,
    }


def _wake(where: Home) -> str:
    """Have a machine without eyes try again; why it still has none, empty if it has."""
    ask(where.directory, Supervise(INFERENCE, "kick"))
    clock = SystemClock()
    until_s = clock.monotonic() + _WAKE_S
    facts: dict[str, Any] = {}
    while clock.monotonic() < until_s:
        clock.pause(_PAUSE_S)
        facts = facts_of_inference(where.directory) or {}
        if facts.get("state") in ("running", "busy"):
            return ""
    return f"the machine still waits: {facts.get('waiting_for') or 'see rvm-edge status'}"


def _turned_away(shelf: Shelf, name: str, answer: Stumbled, why: str) -> Shelf:
    if not is_its_own_fault(answer):
        return swap.turned_away(shelf, why)
    return swap.denied(shelf, name, answer.fingerprint, why, SystemClock().wall())


def _check(store: ModelStore, place: Path, limits: InferenceSettings, *, again: bool) -> None:
    """Raises: ClientError: it cannot be tried."""
    if limits.model:
        msg = f"inference.model in the settings names {limits.model}; change it there"
        raise ClientError(msg, EXIT_REFUSED)
    denial = store.read(put_aside=False).denied.get(fingerprint(place))
    if denial is not None and not again:
        msg = f"{place.name} was refused before: {denial.why}; to try it all the same: --again"
        raise ClientError(msg, EXIT_REFUSED)


def _limits(directory: Path) -> InferenceSettings:
    """The settings that the machine would start with."""
    from config.errors import SettingsError
    from config.load import load

    try:
        loaded = load(
            environment=os.environ, data_directory=directory, working_directory=Path.cwd()
        )
    except SettingsError as error:
        raise ClientError(str(error), EXIT_REFUSED) from error
    return loaded.settings.inference
