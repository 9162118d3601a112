"""The daemon: from settings to a running tree, and back to nothing in the right order.

The main thread takes one thing after the other from an inbox: signals, what the root supervisor
reports, the operator's wish to stop. The first demand to stop ends the machine in order, motors
first; a second one hurries; after a hard deadline the process ends whatever hangs. When the root
supervisor gives up, the process ends with 70 and systemd starts it again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any, Literal, NoReturn

from actors import tree
from actors.preload import PRELOAD
from config.generations import FOLDER, Generations
from config.in_force import InForce, Layers, in_force
from config.settings import Settings
from models.vision.frames import format_ring
from protocol import settings as words
from protocol.machine import MakeSafe
from protocol.message import Done
from rvm_edge import version
from rvm_edge.control import ControlServer
from rvm_edge.data_dir import DataDir
from rvm_edge.drivers import choose_drivers
from rvm_edge.errands import Errands
from rvm_edge.incidents import Incidents
from rvm_edge.keeper import Keeper, Plant
from rvm_edge.keeper_desk import KeeperDesk
from rvm_edge.logs import Log
from rvm_edge.operator import Operator
from rvm_edge.safety import fail_safes, run_all
from supervisors import ActorSystem, RequestFailed, Supervisor, SystemClock
from supervisors import plan as p
from supervisors.notify import Notifier
from supervisors.recorder import DiskRecorder
from supervisors.spec import SupervisorSpec
from supervisors.zygote import Zygote

EXIT_OK, EXIT_FAILED, EXIT_GAVE_UP, EXIT_ANEW = 0, 1, 70, 75
_STOP_S = 8.0
"""An orderly stop may take that long; systemd's patience is longer."""
_HURRY_S = 1.0
_SAFE_S, _SAFE_HURRY_S = 2.0, 0.7
"""How long bringing the motors to rest from outside may take; in a hurry, together with
``_HURRY_S``, less than the two seconds in which a second signal ends everything."""
_MOTOR_S = 0.3
"""A motor that has not answered by then is brought to rest from outside."""
_ONE_DEMAND_S = 0.1
"""Two signals closer than this are one demand: ``timeout`` and process groups send two."""
_FROZEN_S = 20.0
"""The interpreter itself has been stuck for that long: nothing in it can help any more."""
_REARM_S = 2.0
"""How often the timer behind ``_FROZEN_S`` is set anew."""
_LOOK_S = 2.0
"""How often the line for ``systemctl status`` is looked at."""
_MAX_LEAKS = 3
_MOTOR = "/machine/motor"

_Demand = Literal["signal", "stop", "give up", "start anew"]


class Daemon:
    """One run of the machine."""

    def __init__(self, layers: Layers, data: DataDir, zygote: Zygote) -> None:
        """Hear signals from now on, and prepare the rest.

        Args:
            layers: where the settings come from; the machine's own are right.
        """
        self._inbox: queue.SimpleQueue[_Demand | p.Event] = queue.SimpleQueue()
        self._clock = SystemClock()
        self._signalled_at = float("-inf")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._layers = layers
        self._data = data
        self._zygote = zygote
        self._generations = Generations(data.path / FOLDER)
        self._found, self._notes = _begin(self._generations, layers)
        self._settings = self._found.loaded.settings
        options = self._settings.logging
        self._log = Log(
            data.path / "logs", self._clock, options.level, options.rotate_mb, options.files
        )
        threading.excepthook = self._log.thread_died
        for note in (*self._found.loaded.notes, *self._found.troubles):
            self._log.write("/", "warning", "settings", {"note": note})
        self._notifier = Notifier(self._clock)
        self._demands = 0
        self._is_up = False
        self._ended: p.Event | None = None
        self._gave_up = False
        self._starts_anew = False
        self._said = ""
        self._rearmed_at = float("-inf")
        self._system = self._make_system()
        hardware_id = data.hardware_id
        self._incidents = Incidents(self._system, hardware_id, lambda: self._settings)
        self._spec = self._make_spec(self._settings)
        self._facts = self._make_facts()

    def _make_system(self) -> ActorSystem:
        area, slots, slot_bytes = tree.frame_ring(self._settings)
        recorder = DiskRecorder(self._data.path, self._clock, self._recorded)
        system = ActorSystem(
            clock=self._clock,
            recorder=recorder,
            shares=(area,),
            allows_faults=self._settings.machine.profile == "simulated",
            preload=PRELOAD,
            zygote=self._zygote,
            max_leaks=_MAX_LEAKS,
            on_too_many_leaks=lambda: self._inbox.put("give up"),
            on_log=self._log.write,
        )
        with mmap.mmap(system.shares.fd(area.name), 0) as ring:
            format_ring(ring, slots=slots, slot_bytes=slot_bytes)
        return system

    def _recorded(self, record: dict[str, Any]) -> None:
        """Something was put into the machine's record, by whatever thread."""
        self._log.event(record)
        self._incidents.heard(record)

    def _make_spec(self, settings: Settings) -> SupervisorSpec:
        drivers = choose_drivers(settings, self._data.path)
        return tree.machine(settings, drivers, self._data.path, self._data.hardware_id)

    # -- settings of the platform ---------------------------------------------------------------

    def _make_keeper(self, root: Supervisor) -> Keeper:
        plant = Plant(
            self._make_spec,
            root.change,
            _needs_start,
            self._run_with,
            self._start_anew,
            self._give_up,
            lambda: self._is_ending,
        )
        return Keeper(self._system, self._generations, self._layers, self._found, plant)

    def _run_with(self, settings: Settings, spec: SupervisorSpec) -> None:
        """Other settings are in force; the tree follows."""
        self._settings, self._spec = settings, spec
        options = settings.logging
        self._log.adjust(options.level, options.rotate_mb, options.files)

    def _start_anew(self, why: str) -> None:
        self._log.write("/", "warning", "starts_anew", {"why": why})
        self._inbox.put("start anew")

    def _give_up(self, why: str) -> None:
        self._log.write("/", "critical", "gives_up", {"why": why})
        self._inbox.put("give up")

    def _make_facts(self) -> dict[str, Any]:
        return {
            "phase": "starting",
            "version": version(),
            "machine": self._data.hardware_id,
            "profile": self._settings.machine.profile,
            "data_dir": str(self._data.path),
        }

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> NoReturn:
        """Serve until told to stop; the process ends with it."""
        began = self._clock.monotonic()
        facts = {key: value for key, value in self._facts.items() if key != "phase"}
        self._system.emit("/", "machine_starts", facts)
        for event, detail in self._notes:
            self._system.emit(words.ADDRESS, event, {"reason": detail})
        root = Supervisor(self._system, "", self._spec, self._inbox.put)
        operator = Operator(self._system, root, self._facts)
        operator.on_stop = lambda: self._inbox.put("stop")
        Errands(
            self._system,
            operator,
            self._log,
            self._data.path,
            lambda: self._settings,
            self._start_anew,
        )
        keeper = self._make_keeper(root)
        operator.settings = keeper.summary
        control = ControlServer(self._data.path, operator.answer)
        desk = KeeperDesk(self._system, keeper, lambda: self._give_up("the keeper has died"))
        root.launch()
        while not (self._is_up or self._is_ending):
            self._take(self._inbox.get())
        if not self._is_ending:
            self._be_ready(operator, self._clock.monotonic() - began)
        self._stop(root, control, desk)

    def _be_ready(self, operator: Operator, took_s: float) -> None:
        self._facts["phase"] = "running"
        self._system.emit("/", "machine_ready", {"after_s": round(took_s, 3)})
        self._said = operator.summary()
        self._notifier.ready(self._said)
        self._system.monitor.on_tick.append(self._tick)
        while not self._is_ending:
            try:
                self._take(self._inbox.get(timeout=_LOOK_S))
            except queue.Empty:
                self._tell_manager(operator.summary())

    def _tell_manager(self, said: str) -> None:
        if said != self._said:
            self._said = said
            self._notifier.status(said)

    def _tick(self, is_healthy: bool) -> None:
        self._notifier.tick(is_healthy)
        self._incidents.tick()
        now = self._clock.monotonic()
        if now - self._rearmed_at >= _REARM_S:  # each time costs a thread
            self._rearmed_at = now
            faulthandler.dump_traceback_later(_FROZEN_S, exit=True, file=2)  # stderr may be none

    # -- what reaches the main thread ---------------------------------------------------------

    @property
    def _is_ending(self) -> bool:
        is_told = bool(self._demands) or self._starts_anew
        return is_told or self._gave_up or self._ended is not None

    def _on_signal(self, _number: int, _frame: object) -> None:
        """A queue may be filled from a signal handler; an event or a lock may not."""
        now = self._clock.monotonic()
        if now - self._signalled_at > _ONE_DEMAND_S:
            self._signalled_at = now
            self._inbox.put("signal")

    def _take(self, item: _Demand | p.Event) -> None:
        if isinstance(item, p.Ready):
            self._is_up = True
        elif isinstance(item, (p.Exited, p.StartError)):
            self._ended = item
            if not (self._demands or self._starts_anew):
                self._gave_up = self._is_up
                self._system.emit("/", "gave_up", {"reason": str(item.reason)})
        elif item == "give up":
            self._gave_up = True
        elif item == "start anew":
            self._starts_anew = True
        else:
            self._demands += 1

    # -- the end ------------------------------------------------------------------------------

    def _stop(self, root: Supervisor, control: ControlServer, desk: KeeperDesk) -> NoReturn:
        """Motors first, then the tree in reverse order; then whatever is left, by force."""
        status = EXIT_FAILED
        try:
            status = self._stop_tree(root)
            control.close()
            desk.close()
            if status in (EXIT_OK, EXIT_ANEW):
                with contextlib.suppress(OSError):  # one start more is counted than there was
                    self._generations.end()
            self._system.close()
            self._log.close()
            self._data.release()
        except Exception:  # noqa: BLE001 - whatever goes wrong on the way out, it is the way out
            traceback.print_exc()
        finally:
            _leave(status)

    def _stop_tree(self, root: Supervisor) -> int:
        self._facts["phase"] = "stopping"
        self._notifier.stopping()
        has_failed = self._ended is not None and not self._is_up
        self._system.emit("/", "machine_stops", {"gave_up": self._gave_up})
        if self._ended is None:
            self._still_motors()
            root.ask_stop()
            self._await_end(self._clock.monotonic() + _STOP_S, demands=max(2, self._demands))
        is_orderly = self._ended is not None
        if not is_orderly:
            self._hurry(root)
        faulthandler.cancel_dump_traceback_later()
        self._system.emit("/", "machine_stopped", {"orderly": is_orderly})
        if self._gave_up:
            return EXIT_GAVE_UP
        status = EXIT_ANEW if self._starts_anew and not self._demands else EXIT_OK
        return EXIT_FAILED if has_failed else status

    def _still_motors(self) -> None:
        """What moves stands before anything else is done; asked, and if need be made to.

        Asked by another thread: signals that keep coming in would keep this one waiting.
        """
        answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

        def ask() -> None:
            safe = MakeSafe("the machine stops")
            try:
                self._system.request(_MOTOR, safe, timeout_s=_MOTOR_S, reply=Done)
            except RequestFailed:
                answers.put(False)
            else:
                answers.put(True)

        threading.Thread(target=ask, name="still motors", daemon=True).start()
        try:
            stands = answers.get(timeout=2 * _MOTOR_S)
        except queue.Empty:
            stands = False
        if not stands:
            self._make_safe(_SAFE_S)

    def _make_safe(self, timeout_s: float) -> None:
        for trouble in run_all(self._system, fail_safes(self._spec), timeout_s):
            self._log.write("/", "critical", "fail_safe_failed", {"detail": trouble})

    def _await_end(self, until: float, demands: float) -> None:
        """Until the tree has ended, time is up, or there have been so many demands."""
        while self._ended is None and self._demands < demands:
            try:
                self._take(self._inbox.get(timeout=max(0.0, until - self._clock.monotonic())))
            except queue.Empty:
                return

    def _hurry(self, root: Supervisor) -> None:
        self._log.write("/", "warning", "hurried", {})
        root.kill("hurried")
        self._await_end(self._clock.monotonic() + _HURRY_S, demands=float("inf"))
        self._make_safe(_SAFE_HURRY_S)


def _begin(generations: Generations, layers: Layers) -> tuple[InForce, tuple[tuple[str, str], ...]]:
    """The settings to start with, and what has happened to those that were on trial, as events."""
    try:
        why = generations.begin()
    except OSError as error:  # a disk that cannot be written must not keep a machine from starting
        return in_force(generations, layers), (("settings_not_stored", str(error)),)
    return in_force(generations, layers), (("settings_rolled_back", why),) if why else ()


def _needs_start(old: Settings, new: Settings) -> bool:
    """The frame ring's memory is there before any actor is, and as long as the daemon."""
    return tree.frame_ring(old) != tree.frame_ring(new)


def _leave(status: int) -> NoReturn:
    """End now: a leaked thread must not keep the process.

    To start anew is the service manager's business; where there is none, it is ours.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # closed before us, or never there
            pass
    if status == EXIT_ANEW and not ("INVOCATION_ID" in os.environ or "NOTIFY_SOCKET" in os.environ):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    os._exit(status)
