"""A model in service: loaded by the first back end that can, proven, and watched.

serving = open_serving(directory, way)    verified, loaded, golden test passed
serving.show_canary(3)                    what is wrong with its answer, empty if nothing is
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.vision import load_manifest, open_detector
from models.vision.errors import OutOfMemory
from models.vision.golden import GoldenPicture, Unproven, load_golden, mistake, prove
from models.vision.ladder import Rung, rungs
from models.vision.manifest import Golden, GoldenBox, Manifest
from models.vision.store import fingerprint

if TYPE_CHECKING:
    from models.vision import Detection, Detector
    from models.vision.backends.faulty import Fault
    from models.vision.detector import Frame

_NOBODYS_SHA256 = "0" * 64
_DRAWN_PX = (240, 320)
_DRAWN_TOLERANCE = 0.05


@dataclass(frozen=True)
class Way:
    """How models are loaded on this machine.

    Attributes:
        cache: where engines are kept that were built on this device; None: none are.
        build: whether one may be built now, which takes minutes.
        cautious: not with the back end of the first choice, under which processes have died.
        tell: called with each step down the memory ladder.
        fault: for tests: what is loaded misbehaves so.
    """

    backend: str = "auto"
    threads: int = 1
    cache: Path | None = None
    build: bool = False
    cautious: bool = False
    tell: Callable[[str], None] = lambda _step: None
    fault: Fault | None = None


@dataclass(frozen=True)
class Serving:
    """See the module.

    Attributes:
        directory: where it was loaded from.
        fingerprint: of its files.
        canaries: golden pictures, or, for a model without any, a drawn one with the model's own
            first answer.
        is_proven: whether they are golden.
        rung: how it is loaded.
    """

    detector: Detector
    directory: Path
    fingerprint: str
    canaries: tuple[GoldenPicture, ...]
    is_proven: bool
    rung: Rung

    def show_canary(self, number: int) -> str:
        """Show it one of its pictures; what is wrong with the answer, empty if nothing is.

        Raises:
            VisionError: it cannot answer.
        """
        picture = self.canaries[number % len(self.canaries)]
        seen = self.detector.detect(picture.frame)
        return mistake(picture.expected, seen, self.detector.info.thresholds)

    def spoiled(self, fault: Fault) -> Serving:
        """The same, misbehaving from now on."""
        from models.vision.backends.faulty import spoil

        return replace(self, detector=spoil(self.detector, fault))

    def prove(self, number: int | None = None) -> None:
        """Show it all of them, or one.

        Raises:
            GoldenFailed: an answer is wrong.
            VisionError: it cannot answer.
        """
        prove(self.detector, self.canaries if number is None else self.canaries[number:][:1])


def open_serving(directory: Path, way: Way, *, needs_golden: bool = True) -> Serving:
    """Verify, load and prove a model.

    Args:
        needs_golden: False: one without golden pictures will do.

    Raises:
        ModelError: what is wrong with it; `OutOfMemory` where the machine has too little.
        VisionError: it cannot look at a picture.
    """
    serving = load(directory, way, needs_golden=needs_golden)
    try:
        serving.prove()
    except BaseException:
        serving.detector.close()
        raise
    return serving


def load(directory: Path, way: Way, *, needs_golden: bool = True) -> Serving:
    """Verify and load a model; raises as `open_serving` does, and proves nothing yet."""
    mark = fingerprint(directory)
    manifest = load_manifest(directory)
    if needs_golden and not manifest.golden:
        raise Unproven(
            f"{directory} has no golden pictures, so nobody knows whether it sees; export it with"
            " bin/train, or name it in inference.model"
        )
    golden = load_golden(directory, manifest)
    detector, rung = climb(directory, manifest, way)
    canaries = golden or (_own_answer(detector),)
    serving = Serving(detector, directory, mark, canaries, bool(golden), rung)
    return serving.spoiled(way.fault) if way.fault is not None else serving


def may_build(directory: Path, way: Way) -> bool:
    """Whether an engine for a GPU here can be made of a model.

    Raises:
        ModelError: it is none.
    """
    fits = way.backend in ("auto", "tensorrt")
    return fits and "tensorrt" in usable_backends(load_manifest(directory))


def climb(directory: Path, manifest: Manifest, way: Way) -> tuple[Detector, Rung]:
    """Load a model on the first rung of the memory ladder that holds it.

    Raises:
        OutOfMemory: none does.
        ModelError: it cannot be loaded, for another reason than memory.
    """
    ladder = rungs(way.backend, way.threads, usable_backends(manifest), cautious=way.cautious)
    short: Exception = OutOfMemory(f"{directory} cannot be loaded")
    for rung in ladder:
        try:
            return _open(directory, rung, way), rung
        except (MemoryError, OutOfMemory) as error:
            short = error
            way.tell(f"too little memory with {rung.text}")
    raise OutOfMemory(
        f"{directory} needs more memory than there is ({short}); stop something else, or take a"
        " smaller model"
    ) from short


def _open(directory: Path, rung: Rung, way: Way) -> Detector:
    return open_detector(
        directory,
        threads=rung.threads,
        backend=rung.backend,
        cache=way.cache,
        build=way.build,
        lean=rung.lean,
    )


def usable_backends(manifest: Manifest) -> tuple[str, ...]:
    """Names of the back ends here that can run this kind of weights, best first."""
    from models.vision.backends import available_backends

    return tuple(
        report.name
        for report in available_backends()
        if report.usable and manifest.weights.format in report.formats
    )


def _own_answer(detector: Detector) -> GoldenPicture:
    """A drawn picture, with what this detector makes of it while it is fresh."""
    from models.acceptance import judge

    frame = _drawn()
    seen = detector.detect(frame)
    thresholds = detector.info.thresholds
    expected = Golden(
        file="drawn.png",
        sha256=_NOBODYS_SHA256,
        decision=judge(seen, thresholds).decision.value,
        boxes=tuple(
            _as_expected(one) for one in seen if one.confidence >= thresholds[one.class_name]
        ),
        confidence_tolerance=_DRAWN_TOLERANCE,
    )
    return GoldenPicture(expected, frame)


def _as_expected(seen: Detection) -> GoldenBox:
    return GoldenBox(seen.class_name, seen.confidence, seen.box)


def _drawn() -> Frame:
    """A grey ramp with a light bar across: nothing that is for sale."""
    import numpy as np

    height, width = _DRAWN_PX
    ramp = np.linspace(60, 140, width, dtype=np.uint8)
    frame: Frame = np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()
    frame[height // 3 : height // 2, width // 5 : 4 * width // 5] = 210
    return frame
