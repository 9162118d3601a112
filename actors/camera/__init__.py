"""The camera: pictures that can be trusted, in the frame ring.

actor.py       the conversation
burst.py       what those who wait have got so far
lookout.py     the source: awake, asleep, stalled
eye.py         one look: a frame, what was measured on it, what is wrong with it
board.py       what it shows of itself
report.py      how it stands, for who asks
reference.py   how the empty chamber looked when it was clean
"""

from actors.camera.actor import FRAMES, Camera

__all__ = ["FRAMES", "Camera"]
