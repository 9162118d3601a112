"""The manifest of a model: what the weights in a directory are, and how they want to be used.

    detector-v0/
    ├─ manifest.json     this file's `Manifest`
    └─ model.onnx        the weights; their size and SHA-256 stand in the manifest

`load_manifest` reads and checks the words, `read_weights` gives the bytes only if they are the
ones that the manifest describes. The bytes that were checked are the bytes that get loaded.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.vision.errors import DigestMismatch, ManifestInvalid, ModelMissing, WeightsMissing

SCHEMA = 1
MANIFEST_FILE = "manifest.json"

Confidence = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
ClassName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that holds the network, and how to know it.

    Attributes:
        file: a plain file name inside the model's directory.
    """

    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    format: Literal["onnx"]
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    sha256: Sha256


class InputContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the network eats: float32 (1, 3, side, side) RGB 0–1, letterboxed."""

    side_px: Annotated[int, msgspec.Meta(ge=32, le=4096)]
    padding_level: Annotated[int, msgspec.Meta(ge=0, le=255)]
    colour: Literal["rgb"] = "rgb"
    scale: Literal["unit"] = "unit"


class Provenance(msgspec.Struct, frozen=True):
    """Where the weights come from, and what is known to be wrong with them."""

    made_by: str
    trained_on: str
    licence: str
    thresholds_chosen: str
    known_weaknesses: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model, described.

    Attributes:
        classes: names in the order of the network's class numbers.
        output: `end_to_end` is (1, N, 6) rows x1, y1, x2, y2, confidence, class in input pixels.
        seen_from: detections below this confidence are noise and are not reported at all.
        thresholds: per class, from which confidence on a detection counts in a decision.
    """

    schema: Literal[1]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    weights: Weights
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(min_length=1)]
    input: InputContract
    output: Literal["end_to_end"]
    seen_from: Confidence
    thresholds: dict[str, Confidence]
    provenance: Provenance


def load_manifest(directory: Path) -> Manifest:
    """Read and check the manifest in a model's directory; the weights are not touched.

    Raises:
        ModelMissing: no such directory, or no manifest in it.
        ManifestInvalid: not JSON, or not what a manifest must say.
    """
    path = directory / MANIFEST_FILE
    if not directory.is_dir():
        raise ModelMissing(f"{directory} is no directory; name one that holds {MANIFEST_FILE}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelMissing(f"{directory} holds no {MANIFEST_FILE}; is it a model?") from error
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror}; make it readable") from error
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}; correct it or install the model again") from error
    _check_classes(path, manifest)
    return manifest


def _check_classes(path: Path, manifest: Manifest) -> None:
    """Every class once, every class with a threshold, no threshold below the noise."""
    names = set(manifest.classes)
    if len(names) != len(manifest.classes):
        raise ManifestInvalid(f"{path}: `classes` names a class twice; the order is the contract")
    without = sorted(names - manifest.thresholds.keys())
    if without:
        raise ManifestInvalid(f"{path}: `thresholds` lacks {', '.join(without)}; add them")
    unknown = sorted(manifest.thresholds.keys() - names)
    if unknown:
        raise ManifestInvalid(f"{path}: `thresholds` names {', '.join(unknown)}, no such class")
    noisy = sorted(name for name in names if manifest.thresholds[name] < manifest.seen_from)
    if noisy:
        raise ManifestInvalid(
            f"{path}: thresholds of {', '.join(noisy)} are below `seen_from` and could never be"
            f" reached from there; lower `seen_from`"
        )


def read_weights(directory: Path, manifest: Manifest) -> bytes:
    """Read the weights and prove that they are the ones that the manifest describes.

    Raises:
        WeightsMissing: the file is not there or cannot be read.
        DigestMismatch: another size or another SHA-256.
    """
    weights = manifest.weights
    path = directory / weights.file
    try:
        size_bytes = path.stat().st_size
        if size_bytes != weights.size_bytes:
            raise DigestMismatch(
                f"{path} has {size_bytes} bytes, the manifest says {weights.size_bytes};"
                " install the model again"
            )
        content = path.read_bytes()
    except OSError as error:
        raise WeightsMissing(
            f"cannot read {path}: {error.strerror}; install the model again"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != weights.sha256:
        raise DigestMismatch(
            f"{path} has SHA-256 {digest}, the manifest says {weights.sha256};"
            " install the model again"
        )
    return content
