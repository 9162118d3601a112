"""What a machine in a lab has other than one in a shop: a few parts, each for a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace as replace_fields

from actors.drivers.simulated import SimulatedGpio
from actors.inference import Inference
from actors.storage import Storage
from actors.store.store import Store
from config.settings import StorageSettings
from models.ledger.room import Room
from supervisors import Actor
from supervisors.spec import ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from models.vision import Detection, Detector, DetectorInfo
    from models.vision.detector import Frame

GPIO = "rvm_edge.lab.parts:LabGpio"
FULL = "disk-full"
_EDGE_PERCENT = 2.0
_KEPT = ("storage", "machine", "vision", "service")
"""What takes part in a deposit; a lab has no network, no screen and no temperatures."""

COSTS_S: Mapping[str, float] = {
    "vision.capture": 0.033,  # the next frame of a camera with 30 a second
    "vision.classify": 0.06,  # the detector that ships, on one core
    "storage.flush": 0.004,  # a synced commit on an NVMe disk
}
"""How long handling takes in virtual time, where it is not next to nothing."""


class LabGpio(SimulatedGpio):
    """Lines whose claims end with the actor that made them, as they would with its process."""

    def __del__(self) -> None:
        """Let go."""
        self.close()


class LabInference(Inference):
    """Inference that remembers: the same weights and the same pixels give the same answer."""

    def on_start(self) -> None:
        """See `Inference`."""
        super().on_start()
        self._eyes = replace(self._eyes, detector=Remembering(self._eyes.detector))


class Remembering:
    """A detector that looks at every distinct picture once."""

    def __init__(self, detector: Detector) -> None:
        """Args: detector: who looks."""
        self._detector = detector
        self._known: dict[bytes, tuple[Detection, ...]] = {}

    @property
    def info(self) -> DetectorInfo:
        """See `Detector`."""
        return self._detector.info

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """See `Detector`."""
        key = hashlib.sha256(frame.data).digest()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._detector.detect(frame)
        return known

    def close(self) -> None:
        """See `Detector`."""
        self._detector.close()


class LabStore(Store):
    """A store whose disk is full while the file `FULL` lies in the data directory."""

    def room(self) -> Room:
        """See `Store`. Full is: nothing is left but what is kept for money."""
        there_is = super().room()
        if not (self.data_dir / FULL).exists():
            return there_is
        percent = 100.0 - _EDGE_PERCENT - there_is.reserve_percent / 2
        capacity = int(there_is.used_bytes * 100.0 / percent)
        return replace_fields(there_is, capacity_bytes=capacity)


class LabStorage(Storage):
    """Storage on such a disk."""

    def __init__(self, directory: str, limits: StorageSettings) -> None:
        """See `Storage`."""
        super().__init__(directory, limits)
        self._store = LabStore(Path(directory), limits)


_REPLACED: Mapping[type[Actor], type[Actor]] = {Inference: LabInference, Storage: LabStorage}


def trimmed(spec: SupervisorSpec) -> SupervisorSpec:
    """The machine's tree with what takes part in a deposit, and with the lab's parts."""
    kept = [child for child in spec.children if child.id in _KEPT]
    return replace(spec, children=tuple(_with_lab_parts(kept)))


def _with_lab_parts(children: Iterable[ChildSpec]) -> Iterator[ChildSpec]:
    for child in children:
        if isinstance(child.start, SupervisorSpec):
            below = tuple(_with_lab_parts(child.start.children))
            yield replace(child, start=replace(child.start, children=below))
        else:
            yield replace(child, start=_REPLACED.get(child.start, child.start))
