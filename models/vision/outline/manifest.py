"""The manifest of a model that draws outlines: a directory like a detector's, with other words.

yolo-segment/
├─ manifest.json     this file's `OutlineManifest`
└─ model.onnx        or model.pt; for SAM2 named as its builder wants it, sam2_t.pt say
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.vision.errors import ManifestInvalid, ModelMissing
from models.vision.manifest import (
    MANIFEST_BYTES_MAX,
    MANIFEST_FILE,
    Confidence,
    InputContract,
    Provenance,
    Weights,
)


class OutlineManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model that draws outlines, described.

    Attributes:
        draws: `segment` finds things by itself, `sam2` is shown boxes.
        output: of an ONNX model: (1, N, 6 + C) rows x1, y1, x2, y2, confidence, class, C weights,
            and (1, C, h, w) mask prototypes, all in input pixels; ultralytics exports it so.
        seen_from: what a segmentation network is less sure of is not looked at.
    """

    schema: Literal[1]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    draws: Literal["segment", "sam2"]
    weights: Weights
    input: InputContract
    provenance: Provenance
    output: Literal["end_to_end_masks"] = "end_to_end_masks"
    seen_from: Confidence = 0.25


def load_outline_manifest(
    kind: Literal["segment", "sam2"], directory: Path | None
) -> tuple[Path, OutlineManifest]:
    """Read and check the manifest of a model that draws outlines; the weights are not touched.

    Raises:
        ModelMissing: no directory named, no such one, or no manifest in it.
        ManifestInvalid: not JSON, not what it must say, or of another kind of model.
    """
    if directory is None:
        raise ModelMissing(
            f'"{kind}" draws with a model: set detail.outline_model to its directory'
        )
    path = directory / MANIFEST_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(MANIFEST_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelMissing(f"there is no {path}; name the directory of a model") from error
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror}; make it readable") from error
    try:
        manifest = msgspec.json.decode(raw, type=OutlineManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"{path}: {error}; correct it or install the model again") from error
    if manifest.draws != kind:
        raise ManifestInvalid(
            f'{path} is of a model that draws by "{manifest.draws}"; set detail.outline to that'
        )
    if manifest.draws == "sam2" and manifest.weights.format != "pt":
        raise ManifestInvalid(f"{path}: SAM2 comes as .pt only; correct `weights`")
    return directory, manifest
