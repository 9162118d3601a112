"""A real daemon and a small platform that desires settings of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from actors.session.keys import device_key
from actors.uplink.identity import Mark, write_mark
from models.claims import public_key
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.uplink.peer import Platform, Seen, serving
from tests.rvm_edge.machine import PATIENCE_S, Machine, is_alive

HARDWARE_ID = "rvm-1"


class Desires:
    """What the platform desires, and what it has been told of it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.version = 0
        self.settings: dict[str, Any] = {}
        platform.answers["/edge/settings"] = self._answer
        platform.answers["/edge/settings/reports"] = lambda _seen: (200, {})

    def desire(self, version: int, **settings: Any) -> None:
        """Dots are written as double underscores."""
        self.settings = {key.replace("__", "."): value for key, value in settings.items()}
        self.version = version

    def _answer(self, seen: Seen) -> web.Response:
        etag = f'"{self.version}"'
        if seen.headers.get("if-none-match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        data = {"version": self.version, "settings": self.settings}
        return web.json_response({"success": True, "data": data}, headers={"ETag": etag})

    def reports(self, version: int) -> list[dict[str, Any]]:
        """Everything that was said about a version, in order."""
        asked = self.platform.asked("/edge/settings/reports")
        return [one.json for one in asked if one.json["version"] == version]

    def states(self, version: int) -> list[str]:
        return [one["state"] for one in self.reports(version)]


@contextmanager
def platform() -> Iterator[Desires]:
    with serving(Platform(is_token_used=True)) as one:
        yield Desires(one)


def enrolled(directory: Path, desires: Desires) -> Path:
    """A data directory whose machine the platform knows."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "keys" / "device.key"
    desires.platform.public_key = public_key(device_key(file).key).hex()
    write_mark(file, Mark(HARDWARE_ID, 7))
    return directory


def start(directory: Path, desires: Desires | None, **environ: str | None) -> Machine:
    """A daemon there; the watch and the poll are short."""
    url = {} if desires is None else {"RVM_SERVER_URL": desires.platform.url}
    settings = {"HARDWARE_ID": HARDWARE_ID, **POLLS, **environ}
    return Machine(directory, environ={**url, **settings})


POLLS = {
    "RVM_EDGE_UPLINK_SETTINGS_POLL_S": "1",
    "RVM_EDGE_UPLINK_SETTINGS_WATCH_S": "3",
    "RVM_EDGE_UPLINK_PROBE_S": "0.5",
}


def version_of(machine: Machine) -> int:
    version: int = machine.status()["settings"]["version"]
    return version


_ANY = ("none", "watching", "kept")


def await_version(machine: Machine, version: int, *states: str) -> dict[str, Any]:
    """Wait until it is in force, in one of these states, and everybody is made of it."""

    def look() -> dict[str, Any] | None:
        told: dict[str, Any] = machine.status()["settings"]
        is_it = told["version"] == version and told["state"] in (states or _ANY)
        return told if is_it and not told["behind"] else None

    found: dict[str, Any] = machine.until(look)
    return found


def kill_when(
    machine: Machine, is_time: Callable[[], bool], clock: SystemClock, later_s: float
) -> None:
    """Let it go on until then, and a moment longer."""
    pids = machine.processes()
    machine.until(is_time)
    clock.pause(later_s)
    machine.process.kill()
    machine.process.wait()
    eventually(lambda: not any(is_alive(pid) for pid in pids.values()), PATIENCE_S)
