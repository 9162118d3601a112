"""The simulated machine at pin level: what stands where the hardware would.

<directory>/pins      lines, channels and the trace of outputs, mapped (`pinfile`)
<directory>/claims/   who owns which line (`claims`)
<directory>/scene     the picture that the camera sees, and what ails it (`scene`)

SimulatedGpio, SimulatedAnalog    the machine's side (`ports.Gpio`, `ports.Analog`)
SimulatedBoard, read_trace        the world's side, and that of whoever looks on
SimulatedCamera                   the camera (`camera`), `SceneSource` what lies under it
World                             the actor in which the physics of `models.world` runs
"""

from actors.drivers.simulated.camera import SimulatedCamera
from actors.drivers.simulated.gpio import SimulatedAnalog, SimulatedBoard, SimulatedGpio
from actors.drivers.simulated.pinfile import RING_WRITES, OutputWrite, PinFile, read_trace
from actors.drivers.simulated.scene import SceneSource
from actors.drivers.simulated.world import World

__all__ = [
    "RING_WRITES",
    "OutputWrite",
    "PinFile",
    "SceneSource",
    "SimulatedAnalog",
    "SimulatedBoard",
    "SimulatedCamera",
    "SimulatedGpio",
    "World",
    "read_trace",
]
