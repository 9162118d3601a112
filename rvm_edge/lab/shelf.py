"""Where visitors get their items from, and what is to be expected of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from models.world.catalogue import Catalogue, Item
from models.world.scenario import GOOD, REFUSED, Visit
from protocol.simulation import InsertItem
from rvm_edge.lab.judge import Intention

_LENGTH_M = (0.19, 0.31)
_MASS_G = (14.0, 34.0)
"""Empty PET bottles of 0.33 to 1.5 l: the longer the heavier, each a bit its own."""
_MASS_SPREAD_G = 4.0


class Picked(NamedTuple):
    """An item taken from the shelf, ready to be put in.

    Attributes:
        intention: what is to come of it.
        seen_as: what the detector makes of its picture.
        should_be: what one without mistakes would.
    """

    insert: InsertItem
    intention: Intention
    seen_as: str
    should_be: str


class Shelf:
    """The items of a scenario by kind.

    Attributes:
        junk: what is put in place of something good.
        left_out: pictures that are not used, because the detector is wrong about them.
    """

    def __init__(
        self, catalogue: Catalogue, seen_as: Mapping[str, str], *, all_pictures: bool = False
    ) -> None:
        """Fill it.

        Args:
            seen_as: what the detector makes of each item, by name.
            all_pictures: also those about which the detector is wrong.
        """
        self._catalogue = catalogue
        self._seen_as = seen_as
        right = {item.name for item in catalogue if seen_as[item.name] == item.expected}
        self._usable = set(catalogue.names) if all_pictures else right
        self.left_out = len(catalogue) - len(self._usable)
        self.junk: Item = self._of(REFUSED)[0]

    def pick(self, visit: Visit) -> Picked:
        """Take the item of a visit."""
        items = self._of(visit.kind)
        item = items[int(visit.which * len(items))]
        is_good = item.expected == "accept" and not visit.is_attack
        length_m, mass_g = _size(visit) if visit.kind == GOOD else (0.0, 0.0)
        insert = InsertItem(item.name, str(item.picture), length_m=length_m, mass_g=mass_g)
        intention: Intention = "credit" if is_good else "refuse"
        return Picked(insert, intention, self._seen_as[item.name], item.expected)

    def _of(self, kind: str) -> list[Item]:
        """The items of a kind that may be used; all of them where the detector is always wrong."""
        items = self._catalogue.of_kind(kind)
        return [item for item in items if item.name in self._usable] or list(items)


def _size(visit: Visit) -> tuple[float, float]:
    """Length and mass of a bottle."""
    low_m, high_m = _LENGTH_M
    low_g, high_g = _MASS_G
    spread_g = _MASS_SPREAD_G * (visit.which - 0.5)
    return low_m + (high_m - low_m) * visit.size, low_g + (high_g - low_g) * visit.size + spread_g


def look_at_all(catalogue: Catalogue) -> dict[str, str]:
    """What the detector that ships makes of every picture: ``accept``, ``reject``, ``empty``."""
    from actors.drivers.pictures import read_picture
    from models.acceptance import judge
    from models.vision import default_detector_directory, open_detector

    detector = open_detector(default_detector_directory())
    thresholds = detector.info.thresholds
    try:
        return {
            item.name: judge(detector.detect(read_picture(item.picture)), thresholds).decision.value
            for item in catalogue
        }
    finally:
        detector.close()
