"""The manifest of a model: what the weights in a directory are, and how they want to be used.

    detector-v1/
    ├─ manifest.json     this file's `Manifest`
    ├─ model.onnx        the weights; their size and SHA-256 stand in the manifest
    ├─ golden/*.png      pictures with known answers, digests in the manifest (optional)
    └─ card.md           the model card, for people (optional)

`load_manifest` reads and checks the words, `read_weights` and `read_golden` give bytes only if they
are the ones that the manifest describes. The bytes that were checked are the bytes that get loaded.

Schema 1 had square inputs (`side_px`) and no golden pictures. It is not read any more; what to
write instead stands in the error.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec

from models.vision.errors import (
    DigestMismatch,
    GoldenMissing,
    ManifestInvalid,
    ModelMissing,
    WeightsMissing,
)

SCHEMA = 2
MANIFEST_FILE = "manifest.json"

# A manifest is some kilobytes; what is larger by a thousand times is none.
MANIFEST_BYTES_MAX = 4 << 20

Confidence = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
ClassName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=255)]
# A file of the model, or one in a folder of it; never above it, never hidden.
GoldenFile = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=255
    ),
]
SidePx = Annotated[int, msgspec.Meta(ge=32, le=4096)]
Edge = Annotated[float, msgspec.Meta(ge=0.0, le=65_535.0)]


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that holds the network, and how to know it.

    Attributes:
        file: a plain file name inside the model's directory.
        format: `onnx`, or `pt` for a file of ultralytics, which is a program and not only numbers.
    """

    file: FileName
    format: Literal["onnx", "pt"]
    size_bytes: Annotated[int, msgspec.Meta(gt=0)]
    sha256: Sha256


class InputContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the network eats: float32 (1, 3, height, width) RGB 0–1, letterboxed."""

    width_px: SidePx
    height_px: SidePx
    padding_level: Annotated[int, msgspec.Meta(ge=0, le=255)]
    colour: Literal["rgb"] = "rgb"
    scale: Literal["unit"] = "unit"


class GoldenBox(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that the model must see on a golden picture.

    Attributes:
        class_name: one of the model's classes; `class` in JSON.
        box: x1, y1, x2, y2 in pixels of the picture.
    """

    class_name: ClassName = msgspec.field(name="class")
    confidence: Confidence
    box: tuple[Edge, Edge, Edge, Edge]


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture whose answer is known.

    Attributes:
        file: inside the model's directory; PNG, because no two decoders read a JPEG alike.
        decision: of the acceptance rule, by the model's own thresholds.
        boxes: what is seen on it at or above its class's threshold, no more and no less.
        confidence_tolerance: a confidence may be off by so much; half precision costs 0.01.
        iou_min: a box must overlap the expected one by at least so much of their union.
    """

    file: GoldenFile
    sha256: Sha256
    decision: Literal["accept", "reject", "empty"]
    boxes: tuple[GoldenBox, ...] = ()
    confidence_tolerance: Confidence = 0.05
    iou_min: Confidence = 0.9


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
        golden: pictures that it has to answer before it serves; without one it is unproven.
        card: file name of the model card, if there is one.
    """

    schema: Literal[2]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    weights: Weights
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(min_length=1)]
    input: InputContract
    output: Literal["end_to_end"]
    seen_from: Confidence
    thresholds: dict[str, Confidence]
    provenance: Provenance
    golden: tuple[Golden, ...] = ()
    card: FileName | None = None


class _AnySchema(msgspec.Struct):
    """The one field that every manifest has had, to tell an old one from a wrong one."""

    schema: int


def load_manifest(directory: Path) -> Manifest:
    """Read and check the manifest in a model's directory; no other file is touched.

    Raises:
        ModelMissing: no such directory, or no manifest in it.
        ManifestInvalid: not JSON, or not what a manifest must say.
    """
    path = directory / MANIFEST_FILE
    if not directory.is_dir():
        raise ModelMissing(f"{directory} is no directory; name one that holds {MANIFEST_FILE}")
    try:
        with path.open("rb") as file:
            raw = file.read(MANIFEST_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ModelMissing(f"{directory} holds no {MANIFEST_FILE}; is it a model?") from error
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror}; make it readable") from error
    if len(raw) > MANIFEST_BYTES_MAX:
        raise ManifestInvalid(
            f"{path} is larger than {MANIFEST_BYTES_MAX} bytes; install the model again"
        )
    try:
        _check_schema(path, msgspec.json.decode(raw, type=_AnySchema).schema)
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}; correct it or install the model again") from error
    _check_classes(path, manifest)
    _check_golden(path, manifest)
    return manifest


def _check_schema(path: Path, schema: int) -> None:
    if schema < SCHEMA:
        raise ManifestInvalid(
            f'{path} has schema {schema}, this program reads {SCHEMA}: write "schema": {SCHEMA},'
            " and in `input` width_px and height_px instead of side_px"
        )
    if schema > SCHEMA:
        raise ManifestInvalid(
            f"{path} has schema {schema}, this program reads {SCHEMA}; update rvm-edge first"
        )


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


def _check_golden(path: Path, manifest: Manifest) -> None:
    """Every picture once, and nothing expected that the model could never say."""
    files = [golden.file for golden in manifest.golden]
    if len(set(files)) != len(files):
        raise ManifestInvalid(f"{path}: `golden` names a file twice; name each picture once")
    for golden in manifest.golden:
        for seen in golden.boxes:
            _check_golden_box(f"{path}: golden picture {golden.file}", manifest, seen)


def _check_golden_box(where: str, manifest: Manifest, seen: GoldenBox) -> None:
    threshold = manifest.thresholds.get(seen.class_name)
    if threshold is None:
        raise ManifestInvalid(
            f"{where} expects {seen.class_name}, which is none of `classes`; correct it"
        )
    if seen.confidence < threshold:
        raise ManifestInvalid(
            f"{where} expects {seen.class_name} at {seen.confidence}, below its threshold"
            f" {threshold}; list only what counts"
        )
    x1, y1, x2, y2 = seen.box
    if not (x1 < x2 and y1 < y2):
        raise ManifestInvalid(f"{where} has an empty box {seen.box}; write x1, y1, x2, y2")


class DescribesWeights(Protocol):
    """Any manifest that has weights: a detector's, or that of a model that draws outlines."""

    @property
    def weights(self) -> Weights:
        """The file that holds the network."""
        ...


def read_weights(directory: Path, manifest: DescribesWeights) -> bytes:
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
    _check_digest(path, content, weights.sha256)
    return content


def read_golden(directory: Path, golden: Golden) -> bytes:
    """Read a golden picture's file and prove that it is the one that the manifest describes.

    Raises:
        GoldenMissing: the file is not there or cannot be read.
        DigestMismatch: another SHA-256.
    """
    path = directory / golden.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GoldenMissing(
            f"cannot read {path}: {error.strerror}; install the model again"
        ) from error
    _check_digest(path, content, golden.sha256)
    return content


def _check_digest(path: Path, content: bytes, sha256: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise DigestMismatch(
            f"{path} has SHA-256 {digest}, the manifest says {sha256}; install the model again"
        )
