"""What the sensors' readings mean, and which sensor cannot be trusted: pure rules.

    line      a debounced level
    beams     the order in which items interrupt the beams, and beams that lie
    channel   one analogue channel: dead, frozen, implausible
    scale     a weight at rest, zero
    level     how full the bin is, from echoes

A fault is found from what is physically possible, comes only after it has shown more than once,
and goes by itself when the sensor has been well for a while. Unknown is never zero.
"""

from models.sensing.fault import Fault

__all__ = ["Fault"]
