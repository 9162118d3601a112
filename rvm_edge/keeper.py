"""Keeps the platform's settings: checks them, puts them into force on trial, takes them back.

Answers at `protocol.settings.ADDRESS`, in a thread of its own: a change of the tree waits for
actors to stop and start, and one of them may be whoever has asked. A version is promoted on the
disk before the tree is changed, so that a daemon that dies of it knows at its next start of what.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from config.errors import SettingsError
from config.generations import Generation, Generations, digest_of
from config.in_force import InForce, Layers, in_force
from config.load import Loaded
from config.platform import ServerWord
from config.settings import Settings
from models.settings_sync import verdict
from protocol import settings as words
from protocol.message import Done, Failed, Message
from protocol.platform.twin import KeyReport
from rvm_edge import tree_health
from supervisors import ActorSystem
from supervisors.results import Answer, Changed, StartFailed
from supervisors.spec import SupervisorSpec

GRACE_S = 30.0
"""Longer than the watch takes, a watcher who was restarted in the middle of it may need."""


class Plant(NamedTuple):
    """What the daemon lets a keeper do.

    Attributes:
        spec_of: the tree that these settings make.
        change: make the running tree into this one.
        needs_start: whether the daemon itself has to start anew to get from one to the other.
        took: told of the settings that are in force now, with their tree.
        start_anew: end the daemon in order, to be started again; why.
        give_up: end it, because the tree cannot be brought back; why.
        is_ending: whether it is being stopped, and the tree with it.
    """

    spec_of: Callable[[Settings], SupervisorSpec]
    change: Callable[[SupervisorSpec], Answer]
    needs_start: Callable[[Settings, Settings], bool]
    took: Callable[[Settings, SupervisorSpec], None]
    start_anew: Callable[[str], None]
    give_up: Callable[[str], None]
    is_ending: Callable[[], bool]


class _Trial(NamedTuple):
    since_s: float
    confirm_s: float
    unwell: tuple[str, ...]
    failures: Mapping[str, int]
    had_link: bool
    is_confirmed: bool = False


class Keeper:
    """See the module; `serve` gives it its thread."""

    def __init__(
        self,
        system: ActorSystem,
        generations: Generations,
        layers: Layers,
        found: InForce,
        plant: Plant,
    ) -> None:
        """Args: found: what the daemon has been made with."""
        self._system = system
        self._generations = generations
        self._layers = layers
        self._plant = plant
        self._loaded: Loaded = found.loaded
        self._generation: Generation | None = found.generation
        self._spec = plant.spec_of(found.loaded.settings)
        self._troubles = found.troubles
        self._trial: _Trial | None = None
        self._kept: InForce | None = found
        generation = found.generation
        if generation is not None and generation.state == "watching":
            self._kept = None
            watch_s = found.loaded.settings.uplink.settings_watch_s
            self._begin_trial(watch_s + GRACE_S, generation.unwell, had_link=False)

    # -- answers --------------------------------------------------------------------------------

    def answer(self, request: words.SettingsRequest) -> Message:
        """Do it."""
        try:
            if isinstance(request, words.StageSettings):
                return self._stage(request)
            if isinstance(request, words.ApplySettings):
                return self._apply(request)
            if isinstance(request, words.ConfirmSettings):
                return self._confirm(request)
            if isinstance(request, words.RevertSettings):
                return self._revert(request)
        except OSError as error:
            self._emit("settings_not_stored", detail=str(error))
            return Failed("storage", f"the disk does not take it: {error}")
        return self.describe()

    def _stage(self, request: words.StageSettings) -> words.SettingsStaged:
        version = request.version
        settings = _object(request.settings)
        if settings is None:
            return words.SettingsStaged(version, "", "what is desired is no JSON object")
        word, digest = ServerWord(version, settings), digest_of(settings)
        generation = self._generation
        if generation is not None and (generation.version, generation.digest) == (version, digest):
            keys = verdict.accepted(word, self._loaded)
            return words.SettingsStaged(version, digest, keys=keys, in_force=True)
        denial = self._generations.denial(version, digest)
        if denial is not None:
            keys = verdict.rolled_back(word, denial.reason, self._loaded)
            return words.SettingsStaged(version, digest, denial.reason, keys, denied=True)
        self._emit("settings_updated", version=version, keys=len(settings))
        objection = verdict.objection(word)
        if objection:
            self._emit("settings_refused", version=version, detail=objection)
            return words.SettingsStaged(version, digest, objection)
        try:
            loaded = self._layers(server=word)
        except SettingsError as error:
            keys = verdict.refused(word, error.problems, self._loaded)
            self._emit("settings_refused", version=version, detail=str(error)[:1000])
            return words.SettingsStaged(version, digest, str(error)[:1000], keys)
        self._generations.stage(word, self._system.clock.wall(), self._unwell_before())
        self._emit("settings_validated", version=version)
        return words.SettingsStaged(version, digest, keys=verdict.accepted(word, loaded))

    def _apply(self, request: words.ApplySettings) -> Message:
        staged = self._generations.staged
        if staged is None or staged.version != request.version:
            return Failed("stale", f"version {request.version} is not staged")
        began_s = self._system.clock.monotonic()
        try:
            loaded = self._layers(server=staged.word)
        except SettingsError as error:  # a file has changed since
            return Failed("wrong", str(error)[:1000])
        before, unwell = self._loaded.settings, self._unwell_before()
        if unwell != staged.unwell:  # while it waited somebody fell ill, or got well
            staged = self._generations.stage(staged.word, staged.at, unwell)
        self._generations.promote()
        if self._plant.needs_start(before, loaded.settings):
            why = f"version {staged.version} of the settings needs a start"
            self._emit("settings_need_start", version=staged.version)
            self._plant.start_anew(why)
            return words.SettingsApplied(staged.version, needs_start=True)
        self._begin_trial(request.confirm_s, staged.unwell, had_link=request.had_link)
        changed = self._change(loaded, staged)
        if not isinstance(changed, Changed):
            if self._plant.is_ending():  # it is not the version's fault, and is on trial at a start
                return Failed("stopping", "the machine stops")
            why = _why(changed)
            self._take_back(why)
            return Failed("start", why)
        touched = (*changed.stopped, *changed.started, *changed.restarted)
        took_s = round(self._system.clock.monotonic() - began_s, 3)
        self._emit("settings_applied", version=staged.version, touched=touched, took_s=took_s)
        self._system.announce("config")
        return words.SettingsApplied(staged.version, touched, took_s)

    def _confirm(self, request: words.ConfirmSettings) -> Message:
        generation = self._generation
        if generation is None or generation.version != request.version:
            return Failed("stale", f"version {request.version} is not in force")
        if self._trial is not None:
            self._trial = self._trial._replace(is_confirmed=True)
            self.tick()
        return Done()

    def _revert(self, request: words.RevertSettings) -> Message:
        generation = self._generation
        is_it = generation is not None and generation.version == request.version
        if not is_it or self._trial is None:
            return Failed("stale", f"version {request.version} is not on trial")
        self._take_back(request.reason)
        now = self._generation
        return words.SettingsApplied(now.version if now is not None else 0)

    def describe(self) -> words.SettingsDescribed:
        """What is in force, and how the machine is with it."""
        generation, trial = self._generation, self._trial
        now_s = self._system.clock.monotonic()
        denied = self._generations.denied
        is_watched = trial is not None and not trial.is_confirmed
        state: Any = "none" if generation is None else "watching" if is_watched else "kept"
        return words.SettingsDescribed(
            version=generation.version if generation is not None else 0,
            digest=generation.digest if generation is not None else "",
            state=state,
            keys=self._keys(),
            trial_s=now_s - trial.since_s if trial is not None else 0.0,
            confirm_in_s=trial.since_s + trial.confirm_s - now_s if trial is not None else None,
            baseline=self._baseline,
            had_link=trial is not None and trial.had_link,
            unwell=tree_health.unwell(self._system),
            passing=tree_health.passing(self._system),
            failures=self._failures_since(),
            behind=tree_health.behind(self._system, self._spec),
            rolled_back=words.RolledBack(*msgspec.structs.astuple(denied[-1])) if denied else None,
            troubles=self._troubles,
        )

    def _keys(self) -> dict[str, KeyReport]:
        generation = self._generation
        return {} if generation is None else verdict.accepted(generation.word, self._loaded)

    def summary(self) -> dict[str, Any]:
        """The same in short, for the machine's status; any thread may ask."""
        told = self.describe()
        return {
            "version": told.version,
            "state": told.state,
            "behind": list(told.behind),
            "rolled_back": None if told.rolled_back is None else told.rolled_back.version,
            "troubles": list(told.troubles),
        }

    # -- trial ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take back what nobody has confirmed in time; write down late what a disk refused."""
        trial = self._trial
        if trial is None:
            return
        if trial.is_confirmed:
            with contextlib.suppress(OSError):  # the next tick tries again
                self._keep()
        elif self._system.clock.monotonic() - trial.since_s >= trial.confirm_s:
            self._take_back("nobody has confirmed it in time")

    def _keep(self) -> None:
        self._generations.keep()
        self._generation = self._generations.current
        self._kept = InForce(self._loaded, self._generation, self._troubles)
        self._trial = None
        self._emit("settings_kept", version=self._generation.version if self._generation else 0)

    def _begin_trial(self, confirm_s: float, unwell: tuple[str, ...], *, had_link: bool) -> None:
        """What comes while another version is on trial is measured by how it was before that."""
        if self._trial is not None:
            unwell, had_link = self._trial.unwell, had_link or self._trial.had_link
        now_s = self._system.clock.monotonic()
        failures = tree_health.failures(self._system)
        self._trial = _Trial(now_s, confirm_s, unwell, failures, had_link)

    def _unwell_before(self) -> tuple[str, ...]:
        """Who is unwell through no fault of what comes now."""
        return tuple(tree_health.unwell(self._system)) if self._trial is None else self._baseline

    @property
    def _baseline(self) -> tuple[str, ...]:
        return self._trial.unwell if self._trial is not None else ()

    def _failures_since(self) -> dict[str, int]:
        """A supervisor that started anew counts from nothing, and has had its reasons."""
        before = self._trial.failures if self._trial is not None else {}
        counted = tree_health.failures(self._system)
        return {
            path: n - before.get(path, 0) for path, n in counted.items() if n > before.get(path, 0)
        }

    def _take_back(self, reason: str) -> None:
        version = self._generation.version if self._generation is not None else 0
        self._trial = None
        self._emit("settings_rolled_back", version=version, reason=reason)
        try:
            self._generations.roll_back(reason, self._system.clock.wall())
        except OSError as error:  # it is denied in memory; the tree goes back all the same
            self._emit("settings_not_stored", detail=str(error))
        found = self._found_before()
        self._troubles = found.troubles
        if self._plant.needs_start(self._loaded.settings, found.loaded.settings):
            self._loaded, self._generation = found.loaded, found.generation
            self._plant.start_anew("the settings before need a start")
            return
        changed = self._change(found.loaded, found.generation)
        if not isinstance(changed, Changed) and not self._plant.is_ending():
            self._plant.give_up(f"the settings before cannot be had back: {_why(changed)}")
        self._system.announce("config")

    def _found_before(self) -> InForce:
        """What is in force without the version that does harm.

        Raises:
            SettingsError: the machine's own layers are wrong, and nobody remembers better ones.
        """
        try:
            return in_force(self._generations, self._layers)
        except SettingsError as error:  # somebody at the machine has broken them meanwhile
            if self._kept is None:
                raise
            trouble = f"the machine's own layers are wrong, and not looked at: {error}"
            return msgspec.structs.replace(self._kept, troubles=(trouble,))

    # -- the tree -------------------------------------------------------------------------------

    def _change(self, loaded: Loaded, generation: Generation | None) -> Answer:
        self._loaded, self._generation = loaded, generation
        self._spec = self._plant.spec_of(loaded.settings)
        self._plant.took(loaded.settings, self._spec)
        return self._plant.change(self._spec)

    def _emit(self, event: str, **fields: Any) -> None:
        self._system.emit(words.ADDRESS, event, fields)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _why(answer: Answer) -> str:
    if isinstance(answer, StartFailed):
        return f"{answer.id} does not start with it: {answer.reason}"
    return f"the tree does not change: {type(answer).__name__}"
