"""What the zygote imports, so that a process host starts in milliseconds.

A module of its own: the zygote is started before the rest of the machine is even imported, so that
both happen at the same time. Not ``onnxruntime`` itself but our module around it, which keeps its
import from starting a thread: a process with threads must not be forked.
"""

PRELOAD = (
    "numpy",
    "cv2",
    "models.vision.backends.onnx",
    "models.vision.ring",
    "actors.camera.lookout",
    "models.vision.window",
    "actors.inference",
    "actors.motor.actor",
    "actors.drivers.simulated",
)
