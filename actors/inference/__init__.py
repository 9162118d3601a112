"""Inference: the process that decides what is on a picture.

actor.py        the actor: what it hears and says
watching.py     the half of it that looks after the detector
deciding.py     a burst of pictures, in time or not at all
serving.py      a model in service: loaded and proven
succession.py   which model serves, and how another one takes over
rehearsal.py    the trial of a newcomer in a process of its own; rehearsing.py is that process
archive.py      the evidence behind each decision, on the disk
facts.py        what status shows
"""

from actors.inference.actor import Inference

__all__ = ["Inference"]
