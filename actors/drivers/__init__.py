"""Ports to hardware, and what implements them. `make` loads one by name when its actor starts."""

from actors.drivers.load import make

__all__ = ["make"]
