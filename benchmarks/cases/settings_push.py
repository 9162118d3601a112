"""Settings that an operator pushes, from his request until every actor runs with them.

A whole machine on the simulated profile, at rest, and the reference platform in a process of its
own. The stages are those of the machine's record, by the wall clock, which is one for both. What is
pushed restarts one actor, or the eyes: two processes and all that depends on them.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cases.machine import Machine
from benchmarks.kit.contest import Case, Contender, Versus
from benchmarks.kit.platform_rig import Platform, absent, nobody, platform
from supervisors.recorder import EVENTS_FILE

_PUSHES, _PUSHES_MIN = 8, 3
_PATIENCE_S = 60.0
_PROMISE_MS = 2000.0
"""The seeds': every actor has it within two seconds."""
_PROMISED = "the seeds' 2 s"
_IN_FORCE, _TOLD = "settings_applied", "settings_notified"
_STAGES = {
    "rung for and fetched": "settings_updated",
    "checked, on the disk": "settings_validated",
    "actors started anew": _IN_FORCE,
    "the platform knows": _TOLD,
}
"""What the machine does, and the event that ends it."""
_APPLIED, _WORST = "push to applied", "push to applied, the worst"
_CHANGES: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "settings-push": lambda number: {"health.period_s": 5.0 + number % 2},
    "settings-push-eyes": lambda number: {
        "camera.stall_timeout_s": 0.6 + 0.1 * (number % 2),
        "inference.picture_s_max": 0.6 + 0.1 * (number % 2),
    },
}


class _Pushing:
    """An operator, and the record of the machine.

    Attributes:
        taken_ms: of every push, by stage.
    """

    def __init__(self, here: Platform, rvm_id: int, data: Path) -> None:
        self._here, self._rvm_id, self._record = here, rvm_id, data / EVENTS_FILE
        self.taken_ms: list[dict[str, float]] = []

    def push(self, settings: dict[str, Any]) -> None:
        """One, until the machine has kept it."""
        began_s = time.time()
        told = self._here.ask(
            "PATCH", f"/fleet/machines/{self._rvm_id}/settings", {"settings": settings}
        )
        at_s = self._moments(int(told["version"]))
        ends_s = [at_s[event] for event in _STAGES.values()]
        stages = zip(_STAGES, ends_s, (began_s, *ends_s[:-1]), strict=True)
        taken_ms = {stage: (end_s - start_s) * 1e3 for stage, end_s, start_s in stages}
        applied_ms = (at_s[_IN_FORCE] - began_s) * 1e3
        self.taken_ms.append({**taken_ms, _APPLIED: applied_ms})

    def _moments(self, version: int) -> dict[str, float]:
        """When each stage of a version was over; waits for its end, when it has been kept."""
        limit_s = time.monotonic() + _PATIENCE_S
        while True:
            found: dict[str, float] = {}
            for line in self._record.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                is_early = one["event"] == _TOLD and _IN_FORCE not in found
                if one.get("version") == version and not is_early:
                    found.setdefault(one["event"], one["at"])
            if "settings_kept" in found:
                return found
            assert time.monotonic() < limit_s, found
            time.sleep(0.05)


class _Figures:
    """All pushes, made when the first figure of them is asked for."""

    def __init__(self, pushing: _Pushing, change: Callable[[int], dict[str, Any]], n: int) -> None:
        self._pushing, self._change, self._pushes = pushing, change, n

    def of(self, stage: str, choose: Callable[[list[float]], float]) -> float:
        if not self._pushing.taken_ms:
            for number in range(self._pushes + 1):
                self._pushing.push(self._change(number))
            del self._pushing.taken_ms[0]  # it warms up
        return choose([one[stage] for one in self._pushing.taken_ms])


@contextmanager
def _pushes(
    change: Callable[[int], dict[str, Any]], scale: float
) -> Iterator[Mapping[str, Contender]]:
    why = absent()
    if why is not None:
        yield nobody((*_STAGES, _APPLIED, _WORST, _PROMISED), why)
        return
    with platform() as (here, _):
        known = here.machine("rvm-pushed")
        environ = {
            "RVM_SERVER_URL": here.url,
            "HARDWARE_ID": known.hardware_id,
            "RVM_EDGE_UPLINK_SETTINGS_WATCH_S": "1",  # the next push waits for its end
        }
        machine = Machine(known.data, environ)
        try:
            pushing = _Pushing(here, known.rvm_id, known.data)
            machine.settle()
            figures = _Figures(pushing, change, max(round(_PUSHES * scale), _PUSHES_MIN))
            yield {
                **{stage: partial(figures.of, stage, statistics.median) for stage in _STAGES},
                _APPLIED: partial(figures.of, _APPLIED, statistics.median),
                _WORST: partial(figures.of, _APPLIED, max),
                _PROMISED: lambda: _PROMISE_MS,
            }
        finally:
            machine.stop()


def _case(name: str, title: str) -> Case:
    shares = (Versus(stage, _APPLIED) for stage in _STAGES)
    whole = (Versus(one, _PROMISED, 1.0) for one in (_APPLIED, _WORST))
    setup = partial(_pushes, _CHANGES[name])
    return Case(name, title, "ms", setup, (*shares, *whole), rounds=1, placements=("two",))


CASES = (
    _case("settings-push", "pushed settings in force: one actor starts anew"),
    _case("settings-push-eyes", "pushed settings in force: camera and inference start anew"),
)
