"""What can go wrong with seeing, split by whose fault it is.

    VisionError
    ├─ ModelError              the model that was delivered
    │  ├─ ModelMissing            no such directory, or no manifest in it
    │  ├─ ManifestInvalid         the manifest does not say what it must say
    │  ├─ WeightsMissing          the manifest names a file that is not there
    │  ├─ DigestMismatch          the weights are not the ones that the manifest describes
    │  ├─ WeightsUnreadable       the right file, but the back end cannot make a network of it
    │  ├─ ContractBroken          a network of another shape or meaning than the manifest promises
    │  └─ BackendMissing          the library that runs such weights is not installed
    ├─ FrameInvalid            the caller's picture is not uint8 (H, W, 3)
    └─ RingError               the shared memory between camera and reader
       ├─ RingInvalid             a wrong, foreign or short buffer
       ├─ FrameTooLarge           a picture does not fit into a slot
       └─ FrameGone               the slot was written again: ask for a newer frame

Every message ends with what to do about it.
"""


class VisionError(Exception):
    """Seeing failed; the message names the cure."""


class ModelError(VisionError):
    """A model directory cannot be used."""


class ModelMissing(ModelError):
    """There is no model where one was expected."""


class ManifestInvalid(ModelError):
    """The manifest does not say what it must say."""


class WeightsMissing(ModelError):
    """The weights named by the manifest are not there."""


class DigestMismatch(ModelError):
    """The weights are not the ones that the manifest describes."""


class WeightsUnreadable(ModelError):
    """The weights are authentic, but the back end cannot load them."""


class ContractBroken(ModelError):
    """The network's inputs or outputs are not what the manifest promises."""


class BackendMissing(ModelError):
    """The library that runs this kind of weights is not installed."""


class FrameInvalid(VisionError):
    """A picture is not uint8 (H, W, 3) with at least one pixel."""


class RingError(VisionError):
    """The frame ring cannot do what was asked."""


class RingInvalid(RingError):
    """The buffer is no frame ring of this version, or too short for what it says."""


class FrameTooLarge(RingError):
    """A picture needs more bytes than a slot of the ring has."""


class FrameGone(RingError):
    """The frame was overwritten, or is being overwritten, since the reference was made."""
