"""`rvm-edge models list`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from models.vision import default_detector_directory, load_manifest
from models.vision.backends import available_backends
from models.vision.errors import ModelError
from models.vision.store import ModelStore, fingerprint
from models.vision.swap import Shelf
from rvm_edge.models_command.places import SHIPPED, facts_of_inference, home, name_of

_MB = 1e6


class Row(msgspec.Struct, frozen=True):
    """One model.

    Attributes:
        role: ``serves`` in the machine that runs; else ``current`` or ``previous`` as the store
            has them; else empty.
        sha256: of the weights, as its manifest has it.
        golden: number of golden pictures.
        backends: that are here and run such weights, best first.
        denied: why it was refused, empty if it was not.
        problem: why its manifest cannot be read, empty if it can.
    """

    name: str
    directory: str
    role: str
    model: str = ""
    sha256: str = ""
    weights_mb: float = 0.0
    input: str = ""
    golden: int = 0
    backends: tuple[str, ...] = ()
    denied: str = ""
    problem: str = ""


def run(args: argparse.Namespace) -> int:
    """Print it; 1 if a model cannot be read."""
    where = home(args.data_dir)
    facts = facts_of_inference(where.directory)
    shelf = where.store.read(put_aside=False)
    serving = str((facts or {}).get("directory") or "")
    places = [default_detector_directory()]
    places += [where.store.directory / name for name in where.store.names()]
    if serving and Path(serving) not in places:
        places.append(Path(serving))  # one that the settings name
    rows = [
        _row(place, where.store, shelf, serving, is_running=facts is not None) for place in places
    ]
    if args.json:
        print(json.dumps(_as_json(rows, facts, shelf), indent=2))
    else:
        print("\n".join(_table(rows, facts, shelf)))
    return 1 if any(row.problem for row in rows) else 0


def _row(place: Path, store: ModelStore, shelf: Shelf, serving: str, *, is_running: bool) -> Row:
    name = name_of(place, store)
    own = "" if name == SHIPPED else name
    role = ""
    if is_running and str(place) == serving:
        role = "serves"
    elif own == shelf.current:
        role = "current"
    elif own == shelf.previous:
        role = "previous"
    denial = shelf.denied.get(fingerprint(place))
    denied = "" if denial is None else denial.why
    try:
        manifest = load_manifest(place)
    except ModelError as error:
        return Row(name, str(place), role, denied=denied, problem=str(error))
    weights, wanted = manifest.weights, manifest.input
    return Row(
        name,
        str(place),
        role,
        model=manifest.name,
        sha256=weights.sha256,
        weights_mb=round(weights.size_bytes / _MB, 1),
        input=f"{wanted.width_px}x{wanted.height_px}",
        golden=len(manifest.golden),
        backends=tuple(
            one.name for one in available_backends() if one.usable and weights.format in one.formats
        ),
        denied=denied,
    )


def _as_json(rows: list[Row], facts: dict[str, Any] | None, shelf: Shelf) -> dict[str, Any]:
    running = facts or {}
    return {
        "running": facts is not None,
        "backend": running.get("backend", ""),
        "proof": running.get("proof", ""),
        "newcomer": running.get("newcomer", ""),
        "refusal": shelf.refusal,
        "models": msgspec.to_builtins(rows),
    }


def _table(rows: list[Row], facts: dict[str, Any] | None, shelf: Shelf) -> list[str]:
    names = max(len(row.name) for row in rows)
    lines = [f"{'':8}  {'NAME':<{names}}  SHA256        MB     INPUT    GOLDEN  BACK ENDS"]
    for row in rows:
        lead = f"{row.role:<8}  {row.name:<{names}}"
        if row.problem:
            lines.append(f"{lead}  unusable: {row.problem}")
            continue
        golden = str(row.golden) if row.golden else "none"
        lines.append(
            f"{lead}  {row.sha256[:12]}  {row.weights_mb:>5.1f}  {row.input:>8}  {golden:>6}"
            f"  {', '.join(row.backends) or 'none here'}"
        )
        if row.denied:
            lines.append(f"{'':8}  {'':{names}}  refused: {row.denied}")
    if facts is None:
        lines.append("no machine is running here")
    elif facts.get("newcomer"):
        lines.append(f"newcomer: {facts['newcomer']}")
    if shelf.refusal:
        lines.append(f"last refusal: {shelf.refusal}")
    return lines
