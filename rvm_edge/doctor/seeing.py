"""The eyes: libraries in native code, back ends, the model, the second look, the training tools.

Native libraries are tried in a process of their own: one that was built for another processor ends
it with a signal, and a driver may hang.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rvm_edge.doctor.findings import Finding, Patient
from rvm_edge.doctor.host import llvm_libraries
from rvm_edge.doctor.probe import PROBE_S, STEPS

_PATIENCE_S = 1.4
"""The probe ends itself, but not where it hangs in a driver: so long it is waited for."""
_TOO_LONG = f"took longer than {PROBE_S:g} s"
_LLVM_MIN = 19  # older ones crash Mitsuba


class Probe:
    """The process that tries libraries, started early and asked late."""

    def __init__(self, python: str = sys.executable) -> None:
        """Args: python: whose libraries are tried."""
        home = str(Path(__file__).resolve().parents[2])
        self._process = subprocess.Popen(
            [python, "-m", "rvm_edge.doctor.probe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=home,
        )

    def results(self) -> tuple[dict[str, Any], Finding | None]:
        """What each step said, and what ended it before its end."""
        try:
            said, complaint = self._process.communicate(timeout=_PATIENCE_S)
            how = _ending(self._process.returncode, complaint)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = self._process.communicate()
            how = _TOO_LONG
        found = _steps(said)
        missing = [step for step in STEPS if step not in found]
        if not missing:
            return found, None
        is_slow = how == _TOO_LONG
        cure = "try again on a quiet machine" if is_slow else "run bin/setup, then rvm-edge doctor"
        return found, Finding(missing[0], "note" if is_slow else "broken", how, cure)

    def close(self) -> None:
        """End it, however the rest went."""
        if self._process.poll() is None:
            self._process.kill()
        with self._process:
            pass


def _ending(code: int, complaint: str) -> str:
    if code == -signal.SIGALRM:
        return _TOO_LONG
    if code < 0:
        return f"importing it ends a process by signal {-code}: it was built for another processor"
    last = complaint.strip().rpartition("\n")[2]
    return last or f"ended with {code}"


def _steps(said: str) -> dict[str, Any]:
    """The lines of the probe; the last one may be cut."""
    found = {}
    for line in said.splitlines():
        try:
            step, value = json.loads(line)
        except (ValueError, TypeError):
            continue
        found[str(step)] = value
    return found


def check_libraries(probe: Probe, patient: Patient) -> Iterator[Finding]:
    """Native libraries can be imported; which back end would run the model."""
    found, fault = probe.results()
    versions = [f"{step} {found[step]}" for step in STEPS if isinstance(found.get(step), str)]
    if versions:
        yield Finding("libraries", "ok", ", ".join(versions))
    if fault is not None:
        yield fault
    if "back ends" in found:
        yield from _backends(found["back ends"], patient)


def _backends(reports: list[Mapping[str, Any]], patient: Patient) -> Iterator[Finding]:
    """All of them, and the one that is to run the model."""
    from models.vision.manifest import load_manifest

    for report in reports:
        if report["usable"]:
            yield Finding("back end", "ok", f"{report['name']} {report['version']}".strip())
        else:
            said = f"{report['name']}: {report['why']}"
            yield Finding("back end", "note", said, str(report["cure"]))
    wanted = patient.settings.inference.backend
    kind = load_manifest(_model(patient)).weights.format
    fitting = [one for one in reports if kind in one["formats"] and wanted in ("auto", one["name"])]
    usable = [one["name"] for one in fitting if one["usable"]]
    if usable:
        yield Finding("back end", "ok", f"{usable[0]} would run the model")
    else:
        cure = next((str(one["cure"]) for one in fitting), "set inference.backend to auto")
        yield Finding("back end", "broken", f"nothing here runs .{kind} by {wanted}", cure)


def check_model(patient: Patient) -> Iterator[Finding]:
    """The model is what its manifest says, to the last bit. It is not loaded."""
    from models.vision.errors import ModelError
    from models.vision.manifest import load_manifest, read_golden, read_weights

    directory = _model(patient)
    try:
        manifest = load_manifest(directory)
        read_weights(directory, manifest)
        for golden in manifest.golden:
            read_golden(directory, golden)
    except ModelError as error:
        yield _with_cure("model", error)
        return
    said = f"{manifest.name}, SHA-256 {manifest.weights.sha256[:12]}"
    if manifest.golden:
        yield Finding("model", "ok", f"{said}, {len(manifest.golden)} golden pictures")
    else:
        cure = "take one that has some: without them nothing proves that it sees right"
        yield Finding("model", "note", f"{said}, no golden pictures", cure)


def _model(patient: Patient) -> Path:
    """The directory of the model that the settings name, or that was put into use here."""
    from models.vision import default_detector_directory

    given = patient.settings.inference.model
    if given is not None:
        return Path(given)
    used = _model_in_use(patient.data_dir / "models") if patient.data_dir is not None else None
    return used or default_detector_directory()


def _model_in_use(store: Path) -> Path | None:
    """The store's current model. Only a look: the store itself puts a damaged shelf aside."""
    import msgspec

    from models.vision.store import SHELF_FILE
    from models.vision.swap import Shelf

    try:
        shelf = msgspec.json.decode((store / SHELF_FILE).read_bytes(), type=Shelf)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return store / shelf.current if shelf.current else None


def check_second_look(patient: Patient) -> Iterator[Finding]:
    """What is switched on of outline and bar code has what it needs."""
    from models.vision.articles import chamber_articles_file, load_articles
    from models.vision.errors import VisionError
    from models.vision.manifest import read_weights
    from models.vision.outline.manifest import load_outline_manifest

    detail = patient.settings.detail
    if detail.outline == "none" and not detail.barcode:
        yield Finding("second look", "ok", "switched off")
        return
    try:
        if detail.outline in ("segment", "sam2"):
            model = Path(detail.outline_model) if detail.outline_model else None
            directory, manifest = load_outline_manifest(detail.outline, model)
            read_weights(directory, manifest)
            if manifest.weights.format == "pt" and find_spec("ultralytics") is None:
                cure = "pip install 'rvm-edge[ultralytics]', or take an ONNX model"
                yield Finding("second look", "broken", "ultralytics is not installed", cure)
        if detail.articles is not None:
            is_ours = detail.articles == "chamber"
            path = chamber_articles_file() if is_ours else Path(detail.articles)
            yield Finding("articles", "ok", f"{len(load_articles(path))} in {path}")
    except VisionError as error:
        yield _with_cure("second look", error)
        return
    if detail.barcode and find_spec("zxingcpp") is None:
        said = "zxing-cpp is not installed: only codes of the article list count"
        yield Finding("second look", "note", said, "pip install 'rvm-edge[barcode]'")
    yield Finding("second look", "ok", f"outline {detail.outline}, bar code {detail.barcode}")


def check_training(patient: Patient) -> Iterator[Finding]:
    """Where the renderer is installed: whether it has the LLVM that it needs."""
    if find_spec("mitsuba") is None:
        return
    named = patient.environ.get("DRJIT_LIBLLVM_PATH", "")
    found = [Path(named)] if named else sorted(llvm_libraries(patient.root))
    versions = [
        int(match[1]) for path in found if (match := re.search(r"LLVM[-.so]*(\d+)", path.name))
    ]
    if versions and max(versions) >= _LLVM_MIN:
        yield Finding("training", "ok", f"the renderer has LLVM {max(versions)}")
    else:
        said = f"the renderer needs LLVM {_LLVM_MIN} or newer"
        yield Finding("training", "note", said, f"sudo apt install libllvm{_LLVM_MIN}")


def _with_cure(check: str, error: Exception) -> Finding:
    """Errors of the eyes end with what to do, after the last semicolon."""
    what, _, cure = str(error).rpartition("; ")
    return Finding(check, "broken", what or cure, cure if what else "")
