"""Path-traced light without its noise: Intel's Open Image Denoise, a network made for that.

A few samples a pixel leave clear plastic full of sparks in which nobody sees whether there is water
behind it; a hundred times the samples would cost a hundred times the hours. The library and its
weights are Apache-2.0 (https://www.openimagedenoise.org); the package ``oidn`` brings the binary
for x86-64, and this module speaks to it by its C interface, because the package's own does not say
that light is linear.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.vision.rendering.development import Light

_CPU, _FLOAT3 = 1, 3
_HANDLE, _NAME, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_INTERFACE: dict[str, tuple[Any, ...]] = {
    "oidnNewDevice": (_HANDLE, ctypes.c_int),
    "oidnSetDevice1i": (None, _HANDLE, _NAME, ctypes.c_int),
    "oidnSetDevice1b": (None, _HANDLE, _NAME, ctypes.c_bool),
    "oidnCommitDevice": (None, _HANDLE),
    "oidnGetDeviceError": (ctypes.c_int, _HANDLE, ctypes.POINTER(_NAME)),
    "oidnNewFilter": (_HANDLE, _HANDLE, _NAME),
    "oidnSetSharedFilterImage": (
        *(None, _HANDLE, _NAME, _HANDLE, ctypes.c_int),
        *([_SIZE] * 5),  # width, height, first byte, bytes of a pixel, bytes of a row
    ),
    "oidnSetFilter1b": (None, _HANDLE, _NAME, ctypes.c_bool),
    "oidnCommitFilter": (None, _HANDLE),
    "oidnExecuteFilter": (None, _HANDLE),
    "oidnReleaseFilter": (None, _HANDLE),
}
"""What each function gives and takes: the library's C interface, as far as it is used here."""
SPARK = 1.3
"""A pixel this much brighter than its second brightest neighbour is a spark, not a highlight."""
CALM_SHARE, GRAIN_MAX = 0.4, 0.8
"""How many photographs have no grain, and how much of it the others have at most."""


class DenoiserMissing(Exception):
    """The library cannot be loaded; the message names the cure."""


def start_denoiser() -> None:
    """Load the library, so that what is missing is said before anything is rendered.

    Raises:
        DenoiserMissing: it is not here.
    """
    _library()


def denoise(light: Light) -> Light:
    """Remove the noise of a path-traced picture, 448 × 336 in a fifth of a second.

    Args:
        light: linear float32 (H, W, 3) as it was traced, each pixel by itself: what neighbours
            share is taken for a pattern and stays.

    Raises:
        DenoiserMissing: the library is not here.
    """
    library, device = _library()
    height, width = light.shape[:2]
    noisy = np.ascontiguousarray(light, np.float32)
    calm = np.empty_like(noisy)
    work = library.oidnNewFilter(device, b"RT")
    try:
        for name, image in ((b"color", noisy), (b"output", calm)):
            library.oidnSetSharedFilterImage(
                work, name, image.ctypes.data, _FLOAT3, width, height, 0, 0, 0
            )
        library.oidnSetFilter1b(work, b"hdr", True)
        library.oidnCommitFilter(work)
        library.oidnExecuteFilter(work)
        _check(library, device)
    finally:
        library.oidnReleaseFilter(work)
    return calm


def dimmed(light: Light) -> Light:
    """Take the brightest sparks away and leave the rest of the noise: what a longer trace gives."""
    brightness = light.mean(axis=2)
    padded = cv2.copyMakeBorder(brightness, 1, 1, 1, 1, cv2.BORDER_REFLECT)
    height, width = brightness.shape
    around = [
        padded[y : y + height, x : x + width]
        for y in range(3)
        for x in range(3)
        if (y, x) != (1, 1)
    ]
    second = np.partition(np.stack(around), -2, axis=0)[-2]
    most = np.maximum(second * SPARK, np.float32(1e-6))
    share = np.minimum(1, most / np.maximum(brightness, np.float32(1e-6)))
    return np.asarray(light * share[..., None], np.float32)


def grained(light: Light, calm: Light, rng: np.random.Generator) -> Light:
    """Leave some of the tracing's noise, or none: a camera's picture has its own way of both."""
    if rng.random() < CALM_SHARE:
        return calm
    return np.asarray(calm + np.float32(rng.uniform(0, GRAIN_MAX)) * (dimmed(light) - calm))


def _check(library: Any, device: Any) -> None:
    why = ctypes.c_char_p()
    if library.oidnGetDeviceError(device, ctypes.byref(why)):
        raise DenoiserMissing(f"Open Image Denoise: {(why.value or b'').decode(errors='replace')}")


@functools.cache
def _library() -> tuple[Any, Any]:
    """The library, and a device of one thread: the crew has a process for every core."""
    package = importlib.util.find_spec("oidn")
    folders = [] if package is None else list(package.submodule_search_locations or ())
    found = {
        name: [file for folder in folders for file in sorted(Path(folder).glob(f"**/{name}.so*"))]
        for name in ("libtbb", "libOpenImageDenoise")
    }
    try:
        # The package's own files; the second asks for the first by another name than it has.
        ctypes.CDLL(str(found["libtbb"][0]), mode=ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL(str(found["libOpenImageDenoise"][0]))
    except (IndexError, OSError) as error:
        text = f"Open Image Denoise cannot be loaded ({error}); bin/setup train installs it"
        raise DenoiserMissing(text) from error
    for name, (result, *arguments) in _INTERFACE.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    device = library.oidnNewDevice(_CPU)
    library.oidnSetDevice1i(device, b"numThreads", 1)
    library.oidnSetDevice1b(device, b"setAffinity", False)
    library.oidnCommitDevice(device)
    _check(library, device)
    return library, device
