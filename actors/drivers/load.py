"""Loading a driver by name, in the process that uses it.

A driver is named ``"module:Class"`` because a child spec crosses into another process, and because
``import actors`` must work on a laptop without any vendor's library.
"""

from __future__ import annotations

import importlib
from typing import Any


def make(target: str, *args: Any, **kwargs: Any) -> Any:
    """Make the driver named ``module:Class`` with these arguments.

    Raises:
        actors.drivers.ports.DriverMissing: what the driver needs is not on this machine.
        ImportError, AttributeError: no such module or class; a mistake of the caller.
    """
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)(*args, **kwargs)
