"""The two decoders of bar codes behind one interface.

They fail differently, which is what makes their agreement worth something: OpenCV's finds codes at
any angle and stands noise, zxing-cpp's stands blur and reads only along rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.vision.barcode import normalised

ZXING_CURE = "pip install 'rvm-edge[barcode]'"


class Decoder(Protocol):
    """Reads the bar codes on a picture."""

    @property
    def name(self) -> str:
        """Which decoder this is."""
        ...

    def decode(self, grey: NDArray[np.uint8]) -> frozenset[str]:
        """Read all EAN-13 and UPC-A codes: 13 digits each, whose check digit is right.

        Args:
            grey: uint8 (H, W), contiguous.
        """
        ...


class OpenCvDecoder:
    """The decoder that OpenCV brings."""

    name = "opencv"

    def __init__(self) -> None:
        self._detector = cv2.barcode.BarcodeDetector()

    def decode(self, grey: NDArray[np.uint8]) -> frozenset[str]:
        """See `Decoder.decode`."""
        try:
            _, texts, _, _ = self._detector.detectAndDecodeWithType(grey)
        except cv2.error:
            # Its own assertions, on patterns that only look like a code: nothing was read.
            return frozenset()
        return _codes(texts)


class ZxingDecoder:
    """The decoder of zxing-cpp, an extra."""

    name = "zxing"

    def __init__(self) -> None:
        """Raises ImportError where zxing-cpp is not installed."""
        # By name: a machine without the extra has nothing that could be checked here.
        zxingcpp: Any = import_module("zxingcpp")
        self._read = zxingcpp.read_barcodes
        self._formats = [zxingcpp.BarcodeFormat.EAN13, zxingcpp.BarcodeFormat.UPCA]

    def decode(self, grey: NDArray[np.uint8]) -> frozenset[str]:
        """See `Decoder.decode`."""
        # Bars are black on white; looking for the contrary doubles the time and the misreads.
        found = self._read(grey, formats=self._formats, try_invert=False)
        return _codes(code.text for code in found)


def open_decoders() -> tuple[Decoder, ...]:
    """Open all decoders that are installed: OpenCV's always, zxing-cpp's if it is there."""
    try:
        return (OpenCvDecoder(), ZxingDecoder())
    except ImportError:
        return (OpenCvDecoder(),)


def _codes(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(code for code in map(normalised, texts) if code is not None)
