"""The daemon: from settings to a running tree, and back to nothing in the right order.

The main thread owns the signals. The first SIGTERM or SIGINT stops the machine in order, motors
first; a second one hurries; after a hard deadline the process ends whatever hangs. When the root
supervisor gives up, the process ends with 70 and systemd starts it again.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from actors import tree
from actors.tree import Drivers
from config.settings import Settings
from models.vision.frames import format_ring
from protocol.machine import MakeSafe
from rvm_edge import version
from rvm_edge.control import ControlServer
from rvm_edge.data_dir import DataDir
from rvm_edge.logs import Log
from rvm_edge.operator import Operator
from supervisors import ActorSystem, Supervisor, SupervisorFailed, SystemClock
from supervisors.notify import Notifier
from supervisors.recorder import DiskRecorder
from supervisors.spec import ChildSpec
from supervisors.zygote import Zygote

EXIT_OK, EXIT_FAILED, EXIT_GAVE_UP = 0, 1, 70
_STOP_S = 8.0
"""An orderly stop may take that long; systemd's patience is longer."""
_HURRY_S = 1.5
_FROZEN_S = 20.0
"""The interpreter itself has been stuck for that long: nothing in it can help any more."""
_MAX_LEAKS = 3
_MOTOR = "/machine/motor"


class Daemon:
    """One run of the machine."""

    def __init__(self, settings: Settings, data: DataDir) -> None:
        """Start the zygote before there is any thread, then prepare the rest."""
        self._settings = settings
        self._data = data
        self._zygote = Zygote(tree.PRELOAD)
        self._clock = SystemClock()
        options = settings.logging
        self._log = Log(
            data.path / "logs", self._clock, options.level, options.rotate_mb, options.files
        )
        self._notifier = Notifier(self._clock)
        self._wake = threading.Event()
        self._signals = 0
        self._gave_up = False
        self._hardware_id = data.hardware_id(settings.machine.hardware_id)
        self._system = self._make_system()

    def _make_system(self) -> ActorSystem:
        area, slots, slot_bytes = tree.frame_ring(self._settings)
        recorder = DiskRecorder(self._data.path, self._clock, self._log.event)
        system = ActorSystem(
            clock=self._clock,
            recorder=recorder,
            shares=(area,),
            allows_faults=self._settings.machine.profile == "simulated",
            preload=tree.PRELOAD,
            zygote=self._zygote,
            max_leaks=_MAX_LEAKS,
            on_too_many_leaks=self._give_up,
            on_log=self._log.write,
        )
        with mmap.mmap(system.shares.fd(area.name), 0) as ring:
            format_ring(ring, slots=slots, slot_bytes=slot_bytes)
        return system

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> int:
        """Serve until told to stop. Returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        began = self._clock.monotonic()
        self._system.emit("/", "machine_starts", self._facts())
        try:
            root = self._start_tree()
        except SupervisorFailed as error:
            self._log.write("/", "critical", "not_started", {"reason": str(error)})
            self._end_processes()
            return EXIT_FAILED
        operator = Operator(self._system, root, self._facts())
        operator.on_stop = self._ask_stop
        control = ControlServer(self._data.path, operator.answer)
        self._system.monitor.on_tick.append(self._tick)
        took_s = self._clock.monotonic() - began
        self._system.emit("/", "machine_ready", {"after_s": round(took_s, 3)})
        self._notifier.ready(f"ready after {took_s:.1f} s")
        self._serve(root)
        return self._stop(root, control)

    def _start_tree(self) -> Supervisor:
        drivers = choose_drivers(self._settings, self._data.path)
        spec = tree.machine(self._settings, drivers, self._data.path, self._hardware_id)
        return Supervisor.start(spec, system=self._system)

    def _facts(self) -> dict[str, Any]:
        return {
            "version": version(),
            "machine": self._hardware_id,
            "profile": self._settings.machine.profile,
            "data_dir": str(self._data.path),
        }

    def _tick(self, is_healthy: bool) -> None:
        self._notifier.tick(is_healthy)
        faulthandler.dump_traceback_later(_FROZEN_S, exit=True)

    def _serve(self, root: Supervisor) -> None:
        threading.Thread(
            target=self._await_end, args=(root,), name="root watch", daemon=True
        ).start()
        while not (self._signals or self._gave_up or self._wake.is_set()):
            self._wake.wait()

    def _await_end(self, root: Supervisor) -> None:
        root.join()
        if not self._wake.is_set():
            self._give_up()

    def _give_up(self) -> None:
        self._gave_up = True
        self._wake.set()

    def _ask_stop(self) -> None:
        self._wake.set()

    def _on_signal(self, number: int, _frame: object) -> None:
        del number
        self._signals += 1
        self._wake.set()

    # -- the end ------------------------------------------------------------------------------

    def _stop(self, root: Supervisor, control: ControlServer) -> int:
        """Motors first, then the tree in reverse order; then whatever is left, by force."""
        self._notifier.stopping()
        status = EXIT_GAVE_UP if self._gave_up else EXIT_OK
        self._system.emit("/", "machine_stops", {"gave_up": self._gave_up})
        self._system.tell(_MOTOR, MakeSafe("the machine stops"))
        done = threading.Event()
        threading.Thread(target=_stop_tree, args=(root, done), name="stop", daemon=True).start()
        self._await_stop(root, done)
        faulthandler.cancel_dump_traceback_later()
        self._system.emit("/", "machine_stopped", {"orderly": done.is_set()})
        control.close()
        self._end_processes()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # a leaked thread must not keep the process

    def _await_stop(self, root: Supervisor, done: threading.Event) -> None:
        until = self._clock.monotonic() + _STOP_S
        heard = self._signals
        while not done.is_set() and self._clock.monotonic() < until:
            done.wait(0.05)
            if self._signals > max(heard, 1):
                self._log.write("/", "warning", "hurried", {})
                break
        if not done.is_set():
            root.kill("hurried")
            done.wait(_HURRY_S)

    def _end_processes(self) -> None:
        self._system.close()
        self._log.close()
        self._data.release()


def _stop_tree(root: Supervisor, done: threading.Event) -> None:
    root.stop()
    done.set()


def choose_drivers(settings: Settings, data_dir: Path) -> Drivers:
    """What stands for the hardware on this profile."""
    sim = str(data_dir / "sim")
    source, where = _camera(settings, sim)
    if settings.machine.profile != "simulated":
        return Drivers(source=source, source_where=where)
    simulated = "actors.drivers.simulated"
    from actors.drivers.simulated import World

    world = ChildSpec("world", World, args={"directory": sim})
    return Drivers(f"{simulated}:SimulatedPins", source, sim, where, world)


def _camera(settings: Settings, sim: str) -> tuple[str, str]:
    source = settings.camera.source
    if source == "chamber":
        is_simulated = settings.machine.profile == "simulated"
        return ("actors.drivers.simulated:SceneSource", sim) if is_simulated else ("", "")
    kind = "PictureDirectory" if Path(source).is_dir() else "VideoFile"
    return f"actors.drivers.pictures:{kind}", source
