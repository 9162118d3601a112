"""Which model serves: chosen at the start, replaced while it runs, put back if that was wrong.

A newcomer is rehearsed in a process of its own, then loaded beside the one that serves, proven
again, and on probation for its first minute. The rules and their order stand in
`models.vision.swap`; here they meet the disk, the rehearsal and the clock. A disk that does not
take a mark costs the safety net of the next step, never the service.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from actors.inference.rehearsal import Rehearsal
from actors.inference.serving import Serving, Way, open_serving
from models.vision import default_detector_directory, swap
from models.vision.errors import ModelError, OutOfMemory, VisionError
from models.vision.store import ModelStore, StoreError, fingerprint
from models.vision.swap import SHIPPED, Shelf
from models.vision.trial import (
    Job,
    Passed,
    Stumbled,
    is_its_own_fault,
    judged,
    limits_of,
)
from supervisors import Waiting

if TYPE_CHECKING:
    from config.settings import InferenceSettings
    from models.vision.backends.faulty import Fault
    from supervisors.context import Context

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Refused(ModelError):
    """A model does not get to serve; the message says why."""


class Succession:
    """See the module.

    Attributes:
        shelf: what the machine knows of its models.
        stand_in: why another model serves than the one that should, empty if that one does.
        no_engine: why the model is not run by an engine of its own, empty if nobody tried.
        newcomer: one that has passed its rehearsal and waits until no item is dealt with.
    """

    def __init__(self, ctx: Context, store: str, limits: InferenceSettings, way: Way) -> None:
        """Args: store: directory of the models, empty: there is only the one configured."""
        self._ctx = ctx
        self._store = ModelStore(Path(store)) if store else None
        self._limits = limits
        self._way = way
        self._rehearsal: Rehearsal | None = None
        self._name = ""
        self._is_for_engine = False
        self._fault_in_adoption: Fault | None = None
        self._fault_in_service: Fault | None = None
        self.shelf = Shelf()
        self.stand_in = ""
        self.no_engine = ""
        self.newcomer: Passed | None = None

    # -- at the start ---------------------------------------------------------------------------

    def choose(self) -> Serving:
        """Load the best model that verifies and proves itself.

        Raises:
            Waiting: there is none; the reasons of all.
            MemoryError: too little memory for the first of them; a fresh process has more.
        """
        self._read()
        places = [Path(place) for place in self._candidates()]
        reasons: list[str] = []
        for place in places:
            try:
                serving = self._start(place, is_first=not reasons, is_last=place is places[-1])
            except VisionError as error:
                reasons.append(str(error))
                continue
            self.stand_in = reasons[0] if reasons else ""
            if reasons:
                name = serving.detector.info.name
                self._ctx.emit("model_stands_in", model=name, why=self.stand_in)
            self._mark(swap.started(self.shelf, serving.fingerprint, str(place)))
            return serving
        raise Waiting("; ".join(reasons))

    def _read(self) -> None:
        if self._store is None:
            return
        try:
            shelf = self._store.read()
        except StoreError as error:
            self._ctx.log("model_store", level="error", why=str(error))
            return
        if self._store.damaged:
            self._ctx.emit("model_store_damaged", why=self._store.damaged)
        now_s = self._ctx.clock.wall()
        self.shelf = swap.recovered(shelf, _boot(), now_s)
        if self.shelf is not shelf:
            self._mark(self.shelf, durable=True)
            if self.shelf.refusal != shelf.refusal:
                self._ctx.emit("model_refused", why=self.shelf.refusal)

    def _candidates(self) -> tuple[str, ...]:
        store = str(self._store.directory) if self._store is not None else ""
        shipped = str(default_detector_directory())
        return swap.candidates(self.shelf, self._limits.model or "", shipped, store)

    def _start(self, place: Path, *, is_first: bool, is_last: bool) -> Serving:
        """Load one. The last is tried whatever is known against it: better than no eyes at all."""
        mark, boot = fingerprint(place), _boot()
        denial = self.shelf.denied.get(mark)
        if denial is not None and not is_last:
            raise Refused(f"{denial.name} was refused: {denial.why}")
        tries = swap.tries(self.shelf, mark, boot) + 1
        if tries > swap.START_TRIES_MAX and not is_last:
            raise Refused(f"{place}: {swap.START_TRIES_MAX} processes came to nothing loading it")
        self._mark(swap.starting(self.shelf, mark, boot))
        way = replace(self._way, cautious=tries >= swap.START_TRIES_MAX)
        try:
            return open_serving(place, way, needs_golden=not self._is_configured(place))
        except OutOfMemory as error:
            if is_first and tries == 1 and self._store is not None:
                raise MemoryError(str(error)) from error
            raise
        except VisionError:
            self._mark(swap.survived(self.shelf, mark))
            raise

    def _is_configured(self, place: Path) -> bool:
        """Whether somebody has named it, or it came with the program: it may be without proof."""
        return str(place) == self._limits.model or place == default_detector_directory()

    # -- a newcomer -----------------------------------------------------------------------------

    def why_not(self, directory: Path, *, again: bool) -> tuple[str, str] | None:
        """Why a model cannot even be tried, as a code and a sentence."""
        if self._store is None:
            return "no_store", "this inference has no store of models"
        if self._limits.model:
            return "pinned", (
                f"inference.model in the settings names {self._limits.model}; change it there, or"
                " take it out and use the store"
            )
        if self._rehearsal is not None or self.newcomer is not None:
            return "busy", "another model is being tried; wait for its end"
        denial = self.shelf.denied.get(fingerprint(directory))
        if denial is not None and not again:
            return "denied", (
                f"{directory.name} was refused before: {denial.why}; to try it all the same:"
                f" rvm-edge models use {directory.name} --again"
            )
        return None

    def rehearse(self, directory: Path, fault: Fault | None = None, when: str = "trial") -> None:
        """Begin the trial of a newcomer.

        Args:
            fault: for tests: it misbehaves so, from the ``when`` of `UseModel` on.

        Raises:
            Refused: no process can be started.
        """
        assert self._store is not None  # `why_not` has been asked
        self._mark(swap.confirmed(swap.forgiven(self.shelf, fingerprint(directory))))
        self._fault_in_adoption = fault if when == "adoption" else None
        self._fault_in_service = fault if when == "service" else None
        self._is_for_engine = False
        is_own = self._store.name_of(directory) or directory == default_detector_directory()
        job = Job(
            directory=str(directory),
            store="" if is_own else str(self._store.directory),
            backend=self._way.backend,
            threads=self._way.threads,
            cache=str(self._way.cache or ""),
            needs_golden=not self._is_configured(directory),
            fault=fault if when == "trial" else None,
        )
        self._begin(job)

    def build_engine(self, directory: Path) -> None:
        """Have an engine built for the model that serves; a rehearsal like any other.

        Raises:
            Refused: no process can be started.
        """
        self._is_for_engine = True
        cache = str(self._way.cache or "")
        self._begin(Job(str(directory), backend="tensorrt", threads=self._way.threads, cache=cache))

    def _begin(self, job: Job) -> None:
        self._name = Path(job.directory).name
        try:
            self._rehearsal = Rehearsal(job, limits_of(self._limits), self._ctx.clock)
        except OSError as error:
            raise Refused(f"no process for the trial: {error.strerror}") from error

    @property
    def rehearsing(self) -> str:
        """The step that a rehearsal is at, empty if there is none."""
        return "" if self._rehearsal is None else self._rehearsal.step

    def poll(self) -> Passed | Stumbled | None:
        """What has become of the rehearsal; None while it goes on. A passed one is the newcomer.

        Whatever it did not pass is denied, unless the machine is what was lacking.
        """
        assert self._rehearsal is not None
        answer = self._rehearsal.poll()
        if answer is None:
            return None
        self._rehearsal = None
        answer = judged(answer, limits_of(self._limits))
        if isinstance(answer, Passed):
            self.newcomer = answer
            return answer
        self._turn_away(answer)
        return answer

    def _turn_away(self, answer: Stumbled) -> None:
        name, why = self._name, f"{self._name}: {answer.why}"
        if self._is_for_engine:
            self.no_engine = answer.why
            self._ctx.emit("no_engine", model=name, why=why, step=answer.step)
            return
        if not is_its_own_fault(answer):
            self._mark(swap.turned_away(self.shelf, why), durable=True)
        else:
            now_s = self._ctx.clock.wall()
            denied = swap.denied(self.shelf, name, answer.fingerprint, why, now_s)
            self._mark(denied, durable=True)
        self._ctx.emit("model_refused", model=name, why=why, step=answer.step)

    def adopt(self) -> Serving:
        """Load the newcomer into this process and prove it here.

        Raises:
            Refused: it cannot be; the one before it goes on.
        """
        passed, self.newcomer = self.newcomer, None
        assert passed is not None  # somebody has passed, or nobody would ask
        place = Path(passed.directory)
        if self._is_for_engine:
            return self._adopt_engine(place)
        name = (self._store.name_of(place) if self._store is not None else "") or SHIPPED
        try:
            self._keep(swap.begun(self.shelf, name, passed.fingerprint, _boot()))
        except StoreError as error:
            raise Refused(str(error)) from error
        try:
            serving = self._open_newcomer(place, passed.fingerprint)
        except (VisionError, MemoryError) as error:
            self.fail(f"{passed.name}: {error}")
            raise Refused(str(error)) from error
        self._mark(swap.adopted(self.shelf, str(place)), durable=True)
        self.stand_in = ""
        self._ctx.emit("model_adopted", model=passed.model, directory=str(place))
        if not self._limits.probation_s:
            self.settle()
        return serving

    def _open_newcomer(self, place: Path, rehearsed: str) -> Serving:
        way = replace(self._way, fault=self._fault_in_adoption)
        serving = open_serving(place, way, needs_golden=not self._is_configured(place))
        if self._fault_in_service is not None:
            serving = serving.spoiled(self._fault_in_service)
        if serving.fingerprint != rehearsed:
            serving.detector.close()
            raise Refused(f"{place} was changed while it was tried")
        return serving

    def _adopt_engine(self, place: Path) -> Serving:
        """The same model, run by the engine that was built for it: nothing for the shelf."""
        try:
            serving = open_serving(place, self._way, needs_golden=not self._is_configured(place))
        except (VisionError, MemoryError) as error:
            self.no_engine = str(error)
            raise Refused(str(error)) from error
        self._ctx.emit("engine_adopted", model=serving.detector.info.name)
        return serving

    @property
    def on_probation(self) -> bool:
        """Whether the model that serves still has to stand its first time."""
        return self.shelf.trying is not None

    def settle(self) -> None:
        """Its probation is over."""
        self._mark(swap.settled(self.shelf), durable=True)
        self._ctx.emit("model_settled", model=self.shelf.current or "shipped")

    def fail(self, why: str) -> None:
        """The newcomer has failed on its way: the one before it is current again, on the disk."""
        self._mark(swap.refused(self.shelf, why, self._ctx.clock.wall()), durable=True)
        self._ctx.emit("model_refused", why=why)

    def confirm(self) -> None:
        """Somebody wants the one that serves."""
        self._mark(swap.confirmed(self.shelf), durable=True)

    def close(self, *, in_order: bool) -> None:
        """End a rehearsal; an end in order is no failure of a model on probation."""
        if self._rehearsal is not None:
            self._rehearsal.close()
            self._rehearsal = None
        if in_order and self.on_probation:
            self._mark(swap.paused(self.shelf), durable=True)

    # -- the disk -------------------------------------------------------------------------------

    def _keep(self, shelf: Shelf, *, durable: bool = True) -> None:
        """Raises: StoreError: the disk does not take it."""
        is_new = shelf != self.shelf
        self.shelf = shelf
        if is_new and self._store is not None:
            self._store.write(shelf, durable=durable)

    def _mark(self, shelf: Shelf, *, durable: bool = False) -> None:
        """The same, where a disk that does not take it must stop nothing."""
        try:
            self._keep(shelf, durable=durable)
        except StoreError as error:
            self._ctx.log("model_store", level="error", why=str(error))


def _boot() -> str:
    """Which run of the machine this is."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
