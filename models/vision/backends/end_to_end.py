"""An end-to-end detector: letterbox, network, rows, boxes. Only the network differs by back end.

    picture ─ Letterbox ─▶ (1, 3, height, width) ─ Network ─▶ (1, N, 6) ─ rows_seen ─▶ detections

What a network says is not trusted: rows of another shape, numbers that are none and classes that
the manifest does not name are refused, never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from models.vision.detector import Detection, DetectorInfo
from models.vision.errors import ContractBroken, InferenceFailed, WeightsUnreadable
from models.vision.letterbox import COLOUR_CHANNELS, Letterbox, boxes_in_picture, check_frame
from models.vision.manifest import InputContract, Manifest

ROW = 6  # x1, y1, x2, y2, confidence, class
CONFIDENCE = 4
CLASS = 5
OUTPUT_DIMENSIONS = 3


class Network(Protocol):
    """A loaded network: all that a back end has to bring."""

    @property
    def backend(self) -> str:
        """The library that runs it, with its version."""
        ...

    @property
    def note(self) -> str:
        """What went wrong without stopping it, empty if nothing did."""
        ...

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network once; the answer is good until the next run.

        Args:
            tensor: float32 (1, 3, height, width), contiguous.

        Raises:
            InferenceFailed: the back end broke.
        """
        ...

    def close(self) -> None:
        """Free what it holds; called once."""
        ...


class EndToEndDetector:
    """A `Detector` around a network of one of the back ends."""

    def __init__(self, network: Network, manifest: Manifest, *, note: str = "") -> None:
        """Look at a grey picture once: the contract holds, and the first customer does not wait.

        Args:
            network: owned from now on, also if this fails.
            note: for `info`.

        Raises:
            ContractBroken: what it gives is not what the manifest promises.
            WeightsUnreadable: it does not run at all.
        """
        wanted = manifest.input
        self._manifest = manifest
        self._letterbox = Letterbox(wanted.width_px, wanted.height_px, wanted.padding_level)
        self._network: Network | None = network
        self.info = DetectorInfo(
            name=manifest.name,
            backend=network.backend,
            sha256=manifest.weights.sha256,
            classes=manifest.classes,
            width_px=wanted.width_px,
            height_px=wanted.height_px,
            thresholds=dict(manifest.thresholds),
            note=note,
        )
        try:
            rows_seen(network.run(self._letterbox.tensor), manifest)
        except InferenceFailed as error:
            self.close()
            raise WeightsUnreadable(
                f"{manifest.name} loads in {network.backend}, but does not run on a picture of"
                f" {wanted.width_px}×{wanted.height_px} pixels: {error.__cause__ or error};"
                " correct `input` or export with that size"
            ) from error
        except BaseException:
            self.close()
            raise

    def detect(self, frame: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Find things on a uint8 (H, W, 3) BGR picture, most confident first."""
        check_frame(frame)
        if self._network is None:
            raise InferenceFailed("the detector is closed; open it again")
        where = self._letterbox.fill(frame)
        rows = rows_seen(self._network.run(self._letterbox.tensor), self._manifest)
        boxes = boxes_in_picture(rows[:, :CONFIDENCE], where, frame.shape[0], frame.shape[1])
        classes = self._manifest.classes
        return tuple(
            Detection(classes[int(row[CLASS])], row[CONFIDENCE], (box[0], box[1], box[2], box[3]))
            for row, box in zip(rows.tolist(), boxes.tolist(), strict=True)
        )

    def close(self) -> None:
        """Free the network."""
        network, self._network = self._network, None
        if network is not None:
            network.close()


def check_ends(
    inputs: Sequence[tuple[Any, Sequence[Any]]],
    outputs: Sequence[Sequence[Any]],
    manifest: Manifest,
) -> None:
    """Compare what a network says of its ends with the manifest.

    Args:
        inputs: type (`float` is right) and shape of each.
        outputs: shape of each; what is not known in advance is no number or negative.

    Raises:
        ContractBroken: they differ.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise ContractBroken(
            f"{manifest.name} has {len(inputs)} inputs and {len(outputs)} outputs, a detector has"
            " one of each; export a plain detector (no masks, no key points)"
        )
    kind, shape = inputs[0]
    wanted = input_shape(manifest.input)
    if list(shape) != wanted or kind != "float":
        raise ContractBroken(
            f"{manifest.name} wants {kind} {list(shape)}, its manifest says float {wanted};"
            " correct `input` or export with that size"
        )
    check_output_shape(outputs[0], manifest)


def input_shape(wanted: InputContract) -> list[int]:
    """Shape of the network's input: picture, colour, row, column."""
    return [1, COLOUR_CHANNELS, wanted.height_px, wanted.width_px]


def check_output_shape(given: Sequence[Any], manifest: Manifest) -> None:
    """Refuse what is not (1, N, 6); a raw head is called by its name."""
    shape = list(given)
    if len(shape) == OUTPUT_DIMENSIONS and shape[0] == 1 and shape[2] == ROW:
        return
    raw_head = len(shape) == OUTPUT_DIMENSIONS and shape[1] == CONFIDENCE + len(manifest.classes)
    raise ContractBroken(
        f"{manifest.name} gives {shape}, an end-to-end detector gives [1, N, {ROW}]; "
        + (
            "this is a raw head that leaves the suppression of doubles to its caller;"
            " export it end to end (ultralytics: nms=False on YOLO26, nms=True on others)"
            if raw_head
            else "export it end to end"
        )
    )


def rows_seen(output: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float32]:
    """Keep the rows (N, 6) that are no noise, most confident first; trust nothing in them.

    Returns:
        A copy: the network may use its output again.
    """
    check_output_shape(output.shape, manifest)
    rows = cast("NDArray[np.float32]", output[0])
    if not np.isfinite(rows).all():
        raise ContractBroken(f"{manifest.name} gives numbers that are none; install it again")
    rows = rows[rows[:, CONFIDENCE] >= manifest.seen_from]
    numbers = rows[:, CLASS]
    if ((numbers < 0) | (numbers >= len(manifest.classes)) | (numbers % 1 != 0)).any():
        raise ContractBroken(
            f"{manifest.name} gives classes that its manifest does not name; correct `classes`"
        )
    order = np.argsort(-rows[:, CONFIDENCE], kind="stable")
    return rows[order]
