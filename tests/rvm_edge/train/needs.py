"""What some of these tests need, and how to get it."""

from __future__ import annotations

import importlib.util

import pytest


def _lacks(name: str) -> bool:
    return importlib.util.find_spec(name) is None


needs_mitsuba = pytest.mark.skipif(
    _lacks("mitsuba"), reason="Mitsuba is not installed; bin/setup train installs it"
)
needs_torch = pytest.mark.skipif(
    _lacks("torch") or _lacks("onnx") or _lacks("matplotlib"),
    reason="torch, onnx or matplotlib is not installed; bin/setup train installs them",
)
needs_ultralytics = pytest.mark.skipif(
    _lacks("ultralytics"), reason="ultralytics is not installed; bin/setup train installs it"
)
