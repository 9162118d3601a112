"""Detail: looks at an item once more, outside the decision: its outline and its bar code.

Owns the reading side of the frame ring, what draws outlines, and the decoders of bar codes.
Hears `Examine`; of several that wait, only the newest.
Says `Examined` to whoever asked, unless the frame is gone by then.

Nobody waits for it. It runs in a process of its own, behind all others, and what it does or fails
to do changes no decision.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from actors.camera import FRAMES
from config.settings import DetailSettings
from models.vision.articles import Article, chamber_articles_file, load_articles
from models.vision.barcode import Reading, settle
from models.vision.errors import ArticlesInvalid, FrameInvalid, ModelError, RingError
from models.vision.outline import open_outliner
from models.vision.second_look import items_on
from protocol.message import Message
from protocol.vision import Barcode, Detection, Examine, Examined, Outline
from supervisors import Actor, Waiting, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.vision.barcode.reader import BarcodeReader
    from models.vision.outline import Outliner
    from models.vision.outline.polygon import Polygon
    from models.vision.ring import RingReader

HANG_S = 2.0
"""So much longer than its time limit a look may take before it counts as hung: the limit is looked
at between two steps, and one step can take a second."""
GATHER_S = 0.02
"""What is waiting already is read within that time, so that the newest of it is known."""
WHOLE = ""
"""Class of the place that stands for a picture on which nothing was seen."""


class Look(Message, frozen=True, tag="detail.look"):
    """To itself: all that was waiting has been read, look now."""


class Detail(Actor):
    """See the module."""

    def __init__(self, limits: DetailSettings, threads: int) -> None:
        """Args: limits: its section of the settings; threads: for one picture."""
        self._limits = limits
        self._threads = threads
        self._articles: Mapping[str, Article] = {}
        self._outliner: Outliner | None = None
        self._reader: BarcodeReader | None = None
        self._ring: RingReader
        self._next: tuple[str, Examine] | None = None  # who asked, and what
        self._began_ns = 0
        self._dropped = 0

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Load what is switched on; what is missing or broken is waited for, with its cure."""
        from models.vision.ring import RingReader

        _limit_threads(self._threads)
        try:
            self._open_outliner()
            self._open_reader()
        except (ModelError, ArticlesInvalid) as error:
            raise Waiting(str(error)) from error
        self._ring = RingReader(mmap.mmap(self.ctx.shares[FRAMES], 0, prot=mmap.PROT_READ))

    def on_stop(self, reason: ExitReason) -> None:
        """Free the model."""
        if self._outliner is not None:
            self._outliner.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Examine)
    def examine(self, message: Examine) -> None:
        """Note it; of several that came while one was looked at, only the newest stays."""
        if self._next is None:
            self.ctx.schedule_once(GATHER_S, Look())
        else:
            self._drop(self._next[1].deposit, "there is a newer one")
        self._next = (self.ctx.sender, message)

    @handles(Look)
    def look(self, message: Look) -> None:
        """Look at one picture."""
        if self._next is None:
            return
        (asker, wanted), self._next = self._next, None
        self._began_ns = self.ctx.clock.monotonic_ns()
        self.ctx.extend(self._limits.timeout_s + HANG_S)
        try:
            self.ctx.tell(asker, self._look(self._ring.read(wanted.frame), wanted))
        except (RingError, FrameInvalid) as error:
            # The camera never waits for a reader: behind by a ring's length, there is nothing left.
            self._drop(wanted.deposit, str(error))

    # -- private --------------------------------------------------------------------------------

    def _look(self, frame: NDArray[np.uint8], message: Examine) -> Examined:
        from models.vision.letterbox import check_frame

        check_frame(frame)
        height, width = frame.shape[:2]
        items = items_on(
            message.detections, width=width, height=height, items_max=self._limits.items_max
        )
        polygons = self._outlines(frame, items)
        barcodes = self._barcodes(frame, items, polygons)
        drawn = zip(items, polygons, strict=True)
        return Examined(
            deposit=message.deposit,
            outlines=tuple(Outline(item.class_name, line) for item, line in drawn if line),
            barcodes=barcodes,
            elapsed_ms=self._elapsed_ns() / 1e6,
        )

    def _outlines(
        self, frame: NDArray[np.uint8], items: tuple[Detection, ...]
    ) -> tuple[Polygon | None, ...]:
        """One for each item; all at once, because a network looks once for all of them."""
        if self._outliner is None:
            return tuple(None for _ in items)
        return self._outliner.outlines(frame, items)

    def _barcodes(
        self,
        frame: NDArray[np.uint8],
        items: tuple[Detection, ...],
        polygons: tuple[Polygon | None, ...],
    ) -> tuple[Barcode, ...]:
        if self._reader is None:
            return ()
        from models.vision.outline.polygon import axis_deg

        height, width = frame.shape[:2]
        whole = Detection(WHOLE, 0.0, (0.0, 0.0, float(width), float(height)))
        readings: list[Reading] = []
        for place, item in enumerate(items or (whole,)):
            polygon = polygons[place] if items else None
            readings += self._reader.read(
                frame,
                item.box,
                place,
                axis_deg=None if polygon is None else axis_deg(polygon),
                may_go_on=self._may_go_on,
            )
        return settle(readings, self._articles)

    def _drop(self, deposit: str, why: str) -> None:
        self._dropped += 1
        self.ctx.note(dropped=self._dropped)
        self.ctx.log("examine_dropped", deposit=deposit, why=why)

    def _elapsed_ns(self) -> int:
        return self.ctx.clock.monotonic_ns() - self._began_ns

    def _may_go_on(self) -> bool:
        return self._elapsed_ns() < self._limits.timeout_s * 1e9

    def _open_outliner(self) -> None:
        limits = self._limits
        if limits.outline == "none":
            return
        model = Path(limits.outline_model) if limits.outline_model else None
        self._outliner = open_outliner(limits.outline, model, threads=self._threads)
        self.ctx.note(outline=self._outliner.name)

    def _open_reader(self) -> None:
        if not self._limits.barcode:
            return
        from models.vision.barcode.decoders import ZXING_CURE, ZxingDecoder, open_decoders
        from models.vision.barcode.reader import BarcodeReader

        self._reader = BarcodeReader(open_decoders())
        names = self._reader.names
        self.ctx.note(barcode=" and ".join(names))
        if ZxingDecoder.name not in names:
            self.ctx.note(barcode_limit=f"only codes of the list count; {ZXING_CURE}")
        given = self._limits.articles
        if given is not None:
            path = chamber_articles_file() if given == "chamber" else Path(given)
            self._articles = load_articles(path)
            self.ctx.note(articles=len(self._articles))


def _limit_threads(threads: int) -> None:
    """OpenCV takes all cores by default; the decision needs them."""
    import cv2

    cv2.setNumThreads(threads)
