"""What the camera needs of whatever gives it frames.

FrameSource (Protocol)
├─ Recording          a directory of pictures, a video file        `files`
├─ SimulatedCamera    above the simulated belt                     `simulated.camera`
└─ LiveSource         V4L2, network, GStreamer, any command        `cameras`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from actors.drivers.pictures import Frame


class Shot(NamedTuple):
    """A frame and its time.

    Attributes:
        frame: uint8 (H, W, 3) BGR; the receiver's own.
        t_mono_ns: when it was exposed, or a moment before that (monotonic clock).
    """

    frame: Frame
    t_mono_ns: int


class FrameSource(Protocol):
    """Gives frames while it is open. No call blocks for longer than a picture takes to decode."""

    @property
    def name(self) -> str:
        """What it is, for people; without user and password."""

    @property
    def node(self) -> str:
        """Under which name the system has it just now; empty where that says nothing."""

    @property
    def is_live(self) -> bool:
        """Whether frames come by themselves; else each is made when it is asked for."""

    @property
    def is_fixed(self) -> bool:
        """Whether it always looks at the same chamber, with frames of one size."""

    @property
    def is_coded(self) -> bool:
        """Whether a codec may repeat parts of the frame before."""

    def open(self) -> None:
        """Begin to look; frames of a live source come some time later.

        Raises:
            PicturesError: it is not there, or cannot be had.
        """

    def read(self, now_ns: int) -> Shot | None:
        """The newest frame that was not given yet; None: there is none.

        Args:
            now_ns: the time (monotonic).

        Raises:
            PicturesError: no frame comes any more until it is opened anew; of a source that is not
                live, this one cannot be had.
        """

    def is_there(self) -> bool:
        """Whether `open` would find it; costs next to nothing."""

    def is_stuck(self, now_ns: int) -> bool:
        """Whether a call into a driver does not return: only the end of the process helps."""

    def close(self) -> None:
        """Let go of the device; `open` gets it again."""
