"""Inference: says what is on pictures in the ring, and what the acceptance rule makes of it.

Owns the detector, the reading side of the frame ring, the store of models and the evidence.
Hears `Classify`, `Concluded`, `CycleChanged` from the deposit; `Examined` from whoever looked
closer; `UseModel`, `ProveModel` from people.
Says `Classified` or `ClassifyFailed` to whoever asked; `Examine` after that; `ModelInUse`.

In the decision path there is nothing but the decision: evidence, canary, golden test and other
models wait until the answer is told, most of them until the item has gone.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors.camera import FRAMES
from actors.inference.archive import Archive
from actors.inference.deciding import Decided, TooLate, decide
from actors.inference.facts import facts, trouble
from actors.inference.serving import Way, may_build
from actors.inference.succession import Refused, Succession
from actors.inference.watching import SPARE_S, DetectorDead, Watching
from config.settings import InferenceSettings
from models.vision import default_detector_directory
from models.vision.canary import Canary
from models.vision.errors import InferenceFailed, ModelError, VisionError
from models.vision.store import fingerprint
from models.vision.trial import Passed, Stumbled
from protocol.message import Failed, Message
from protocol.vision import (
    Classified,
    Classify,
    ClassifyFailed,
    Concluded,
    DescribeModel,
    EvidenceKept,
    Examine,
    Examined,
    ModelInUse,
    UseModel,
)
from supervisors import LATER, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from models.vision.ring import RingReader
    from protocol.envelope import Envelope

_FORGET_S, _DAY_S = 3600.0, 86_400.0
_EVIDENCE_S = 3.0
"""Patience with a disk that takes evidence: as long as it hangs, nothing is decided."""
_ADOPT_S = 5.0
"""Loading and proving a model that has just been rehearsed takes a second; with a restart behind it
this is less than the ten seconds within which the old one has to serve again."""
_LOOK_S = 0.05
"""How often a rehearsal is looked at: between two looks a process takes some 100 MB at most."""
_PROBE_S = 2.0
"""How often a model on probation is shown a canary."""


class _Keep(Message, frozen=True, tag="inference.keep"):
    """Inference to itself: a decision wants to be written down."""


class _Forget(Message, frozen=True, tag="inference.forget"):
    """Inference to itself: is there evidence that is too old?"""


class _Watch(Message, frozen=True, tag="inference.watch"):
    """Inference to itself: how is the newcomer doing?"""


class _Adopt(Message, frozen=True, tag="inference.adopt"):
    """Inference to itself: the newcomer may serve, if no item is being dealt with."""


class _Probe(Message, frozen=True, tag="inference.probe"):
    """Inference to itself: a canary for a model on probation."""


class _Settle(Message, frozen=True, tag="inference.settle"):
    """Inference to itself: its probation is over."""

    fingerprint: str


class Inference(Watching):
    """See the module."""

    def __init__(
        self,
        limits: InferenceSettings = InferenceSettings(),  # noqa: B008 - frozen
        store: str = "",
        evidence: str = "",
        cache: str = "",
        detail: str = "",
        evidence_to: str = "",
        allows_faults: bool = False,
    ) -> None:
        """Make it.

        Args:
            store: directory of installed models; empty: there is only the configured one.
            evidence: directory of what decisions rested on; empty: nothing is kept.
            cache: directory of engines that were built on this device; empty: none are kept.
            detail: address of who looks closer, outside the decision path; empty: nobody.
            evidence_to: address of who hears of evidence that is complete; empty: nobody.
            allows_faults: a newcomer may be made to misbehave, on a simulated machine.
        """
        super().__init__(limits)
        self._store = store
        self._way = Way(
            limits.backend,
            limits.threads,
            Path(cache) if cache else None,
            build=limits.backend == "tensorrt",  # there is no other to begin with
            tell=self._step,
        )
        self._archive = Archive(
            Path(evidence), limits.evidence_mb if evidence else 0, limits.evidence_reserve_mb
        )
        self._detail = detail
        self._evidence_to = evidence_to
        self._allows_faults = allows_faults
        self._ring: RingReader
        self._succession: Succession
        self._looks: tuple[str, int] = ("", 0)
        self._asked: Envelope | None = None
        self._late = ""

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Verify, load and prove a model; where none will do that is waited for."""
        from models.vision.ring import RingReader

        self._limit_threads()
        self._succession = Succession(self.ctx, self._store, self._limits, self._way)
        self._eyes = self._succession.choose()
        self._ring = RingReader(mmap.mmap(self.ctx.shares[FRAMES], 0, prot=mmap.PROT_READ))
        self._watch_over()
        if self._archive.is_on:
            self.ctx.schedule_once(0.0, _Keep())
            self.ctx.schedule_once(0.0, _Forget())
        if self._succession.on_probation:
            self._begin_probation()
        elif self._lacks_engine():
            self._build_engine()
        self._show()

    def on_stop(self, reason: ExitReason) -> None:
        """Close the detector; what decisions rested on is still written."""
        succession = getattr(self, "_succession", None)
        if succession is not None:
            succession.close(in_order=reason.is_normal)
        while reason.is_normal and self._archive.is_waiting:
            self._archive.write_next()
        eyes = getattr(self, "_eyes", None)
        if eyes is not None:
            eyes.detector.close()

    # -- handlers: the decision -----------------------------------------------------------------

    @handles(Classify)
    def classify(self, message: Classify) -> None:
        """Look at a burst of pictures, and answer in time or not at all."""
        self.ctx.extend(self._limits.deadline_s + SPARE_S)
        asked_ns = self.ctx.later().sent_ns
        until_ns = asked_ns + int(self._limits.deadline_s * 1e9)
        try:
            decided = decide(message, asked_ns, until_ns, self._ring, self._eyes, self.ctx.clock)
        except VisionError as error:
            self._no_answer(message, error)
            return
        self.ctx.tell(self.ctx.sender, _as_answer(decided))
        if self._late:
            self._late = ""
            self._show()
        self._after(message, decided)

    def _no_answer(self, message: Classify, error: VisionError) -> None:
        """Say that there is none; a detector that broke is replaced, and so is a late newcomer."""
        self.ctx.tell(self.ctx.sender, ClassifyFailed(message.deposit, str(error)))
        self._late = str(error) if isinstance(error, TooLate) else ""
        self._show()
        if isinstance(error, (TooLate, ModelError, InferenceFailed)):
            self._missed(str(error))
        if isinstance(error, InferenceFailed):
            raise error

    def _after(self, message: Classify, decided: Decided) -> None:
        """What is done with a decision that has been told."""
        look = replace(decided.look, number=self._number_of_look(message.deposit))
        if self._archive.take(look, decided.frames):
            self.ctx.schedule_once(0.0, _Keep())
        if self._detail:
            shown = message.frames[decided.shown]
            detections = look.pictures[decided.shown].detections
            self.ctx.tell(self._detail, Examine(message.deposit, shown, detections))

    def _number_of_look(self, deposit: str) -> int:
        last, number = self._looks
        self._looks = (deposit, number + 1 if deposit == last else 1)
        return self._looks[1]

    # -- handlers: evidence ---------------------------------------------------------------------

    @handles(_Keep, deadline_s=_EVIDENCE_S)
    def keep(self, message: _Keep) -> None:
        """Write a decision down; the first time, find out what is there."""
        self._archive.write_next()
        self._show()

    @handles(_Forget, deadline_s=_EVIDENCE_S)
    def forget(self, message: _Forget) -> None:
        """Nobody needs a picture for ever."""
        before_s = self.ctx.clock.wall() - self._limits.evidence_days * _DAY_S
        has_more = self._archive.forget(before_s)
        self.ctx.schedule_once(_LOOK_S if has_more else _FORGET_S, _Forget())
        self._show()

    @handles(Concluded, deadline_s=_EVIDENCE_S)
    def concluded(self, message: Concluded) -> None:
        """The ledger holds the end of a deposit."""
        there = self._archive.conclude(message.record, message.beams_ms)
        if there is not None and self._evidence_to:
            self.ctx.tell(self._evidence_to, EvidenceKept(message.record, str(there)))
        self._show()

    @handles(Examined, deadline_s=_EVIDENCE_S)
    def examined(self, message: Examined) -> None:
        """Somebody has looked closer."""
        self._archive.examined(message)

    # -- handlers: another model ----------------------------------------------------------------

    @handles(UseModel, command=True)
    def use_model(self, message: UseModel) -> Any:
        """Try another model, and let it serve if it proves itself; answered when that is known."""
        shipped = default_detector_directory()
        directory = Path(message.directory) if message.directory else shipped
        if not directory.is_absolute():
            return Failed("invalid", f"{directory} is no absolute path")
        if message.fault and not self._allows_faults:
            return Failed("refused", "faults are for the simulated profile; this machine is real")
        why = self._succession.why_not(directory, again=message.again)
        if why is not None:
            return Failed(*why)
        if not message.fault and fingerprint(directory) == self._eyes.fingerprint:
            self._succession.confirm()
            self._show()
            return self._in_use()
        try:
            self._succession.rehearse(directory, message.fault or None, message.when)
        except Refused as error:
            return Failed("refused", str(error))
        self._asked = self.ctx.later()
        self.ctx.schedule_once(_LOOK_S, _Watch())
        self._show()
        return LATER

    @handles(_Watch)
    def watch(self, message: _Watch) -> None:
        """See what has become of the newcomer."""
        answer = self._succession.poll()
        if answer is None:
            self.ctx.schedule_once(_LOOK_S, _Watch())
        elif isinstance(answer, Passed):
            self.ctx.schedule_once(0.0, _Adopt())
        elif isinstance(answer, Stumbled):
            self._answer(refused=self._succession.shelf.refusal or answer.why)
        self._show()

    @handles(_Adopt, deadline_s=_ADOPT_S)
    def adopt(self, message: _Adopt) -> None:
        """Put the newcomer into service, unless an item is being dealt with: then after it."""
        if self._is_busy or self._succession.newcomer is None:
            self._show()
            return
        try:
            newcomer = self._succession.adopt()
        except Refused as error:
            self._answer(refused=str(error))
            self._show()
            return
        old, self._eyes = self._eyes, newcomer
        old.detector.close()
        self._canary = Canary()
        if self._succession.on_probation:
            self._begin_probation()
        self._answer()
        self._show()

    def _begin_probation(self) -> None:
        self.ctx.schedule_once(self._limits.probation_s, _Settle(self._eyes.fingerprint))
        self.ctx.schedule_once(0.0, _Probe())

    @handles(_Probe)
    def probe(self, message: _Probe) -> None:
        """A model on probation is shown canaries at short intervals."""
        if self._succession.on_probation:
            self.ctx.schedule_once(_PROBE_S, _Probe())
            self._show_canary()

    @handles(_Settle)
    def settle(self, message: _Settle) -> None:
        """A model has stood its first time, if it is still the one that serves."""
        if message.fingerprint == self._eyes.fingerprint and self._succession.on_probation:
            self._succession.settle()
            self._show()

    def _missed(self, why: str) -> None:
        """A model on probation has no second chance: back to the one before, in a fresh process."""
        if self._succession.on_probation:
            self._succession.fail(f"{self._eyes.detector.info.name}: {why}")
            raise DetectorDead(f"the new model failed in its first time of service: {why}")

    def _free(self) -> None:
        """A newcomer may have waited for the item to leave."""
        if self._succession.newcomer is not None:
            self.ctx.schedule_once(0.0, _Adopt())

    @handles(DescribeModel, command=True)
    def describe(self, message: DescribeModel) -> ModelInUse:
        """Which model serves."""
        return self._in_use()

    def _answer(self, refused: str = "") -> None:
        if self._asked is not None:
            self.ctx.reply(self._asked, self._in_use(refused))
            self._asked = None

    def _in_use(self, refused: str = "") -> ModelInUse:
        info = self._eyes.detector.info
        place = str(self._eyes.directory)
        return ModelInUse(info.name, info.sha256, info.backend, place, refused)

    # -- private --------------------------------------------------------------------------------

    def _show(self) -> None:
        parts = (self._eyes, self._canary, self._succession, self._archive)
        self.ctx.note(
            **facts(*parts),
            trouble=trouble(self._succession, self._canary, self._archive, self._late),
        )

    def _step(self, step: str) -> None:
        """A step down the memory ladder."""
        self.ctx.note(ladder=step)
        self.ctx.emit("memory_ladder", step=step)

    def _lacks_engine(self) -> bool:
        """Whether a GPU could run this model and does not yet."""
        eyes = self._eyes
        runs_there = eyes.detector.info.backend.startswith("tensorrt")
        return bool(self._way.cache) and not runs_there and may_build(eyes.directory, self._way)

    def _build_engine(self) -> None:
        try:
            self._succession.build_engine(self._eyes.directory)
        except Refused as error:
            self.ctx.emit("no_engine", why=str(error))
        else:
            self.ctx.schedule_once(_LOOK_S, _Watch())

    def _limit_threads(self) -> None:
        """OpenCV takes all cores by default; the guard of the motors needs one."""
        import cv2

        cv2.setNumThreads(self._limits.threads)


def _as_answer(decided: Decided) -> Classified:
    look = decided.look
    return Classified(
        deposit=look.deposit,
        decision=look.decision,
        reason=look.reason,
        detections=look.pictures[decided.shown].detections,
        model=look.model,
        model_sha256=look.model_sha256,
        elapsed_ms=decided.worked_ms,
        votes=tuple(picture.vote for picture in look.pictures),
    )
