"""What can go wrong with seeing, split by whose fault it is.

    VisionError
    ├─ ModelError              the model that was delivered
    │  ├─ ModelMissing            no such directory, or no manifest in it
    │  ├─ ManifestInvalid         the manifest does not say what it must say
    │  ├─ WeightsMissing          the manifest names a file that is not there
    │  ├─ DigestMismatch          the weights are not the ones that the manifest describes
    │  ├─ GoldenMissing           the manifest names a golden picture that is not there
    │  ├─ PickleRefused           the weights are a program that would do more than hold numbers
    │  ├─ WeightsUnreadable       the right file, but the back end cannot make a network of it
    │  ├─ EngineFailed            the GPU's own form of it could not be built, or does not run
    │  ├─ OutOfMemory             there is too little memory to load it
    │  ├─ ContractBroken          a network of another shape or meaning than the manifest promises
    │  └─ BackendMissing          what runs such weights is not installed, or cannot run them
    ├─ InferenceFailed         the back end broke while it looked; let the process be replaced
    ├─ ArticlesInvalid         the list of articles says something it must not
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


class GoldenMissing(ModelError):
    """A golden picture named by the manifest is not there."""


class PickleRefused(ModelError):
    """The weights are a pickle that names something else than parts of a network."""


class WeightsUnreadable(ModelError):
    """The weights are authentic, but the back end cannot load them."""


class EngineFailed(ModelError):
    """TensorRT cannot build, load or run an engine of the weights on this device."""


class OutOfMemory(ModelError):
    """There is too little memory, on the processor or on the GPU, to load the weights."""


class ContractBroken(ModelError):
    """The network's inputs or outputs are not what the manifest promises."""


class BackendMissing(ModelError):
    """The library that runs this kind of weights is not installed, or not for this kind."""


class InferenceFailed(VisionError):
    """The back end broke while it looked at a picture; nothing it says later is to be trusted."""


class ArticlesInvalid(VisionError):
    """The list of articles cannot be read, or says something it must not."""


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
