"""The half of inference that looks after itself: is the detector well, and is now a good time?

A machine deals with one item at a time. What may wait until it has gone does: canaries, the weekly
golden test, a newcomer's first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.vision import canary as rule
from models.vision.canary import Canary
from models.vision.errors import InferenceFailed, VisionError
from protocol.message import Done, Down, Failed, Message
from protocol.service import CycleChanged
from protocol.vision import ProveModel
from supervisors import Actor, handles

if TYPE_CHECKING:
    from actors.inference.serving import Serving
    from config.settings import InferenceSettings

SPARE_S = 0.5
"""Between an answer that is too late and a process that hangs."""


class _Canary(Message, frozen=True, tag="inference.canary"):
    """Inference to itself: show the detector a picture whose answer is known."""


class _Golden(Message, frozen=True, tag="inference.golden"):
    """Inference to itself: show it all of them."""


class DetectorDead(VisionError):
    """The detector does not see any more, and the process has to be replaced."""


class Watching(Actor):
    """See the module.

    Hears `CycleChanged`, `ProveModel`.
    """

    def __init__(self, limits: InferenceSettings) -> None:
        """Args: limits: how long an answer may take, and how often to look."""
        self._limits = limits
        self._eyes: Serving
        self._canary = Canary()
        self._canary_due = self._golden_due = False
        self._is_busy = False
        self._deposit = ""

    def _watch_over(self) -> None:
        """Begin to look after the detector."""
        self.ctx.schedule_every(self._limits.canary_period_s, _Canary())
        self.ctx.schedule_every(self._limits.golden_period_s, _Golden())

    # -- what the other half does about it ------------------------------------------------------

    def _show(self) -> None:
        """Have status show how things stand."""
        raise NotImplementedError

    def _free(self) -> None:
        """No item is being dealt with any more."""
        raise NotImplementedError

    def _missed(self, why: str) -> None:
        """The detector gave a wrong answer, or one that came too late; may raise."""
        raise NotImplementedError

    # -- handlers: the item ---------------------------------------------------------------------

    @handles(CycleChanged)
    def cycle_changed(self, message: CycleChanged) -> None:
        """Whether an item is being dealt with; if none is, what has waited for that is done."""
        if self._deposit != self.ctx.sender:
            self._deposit = self.ctx.sender
            self.ctx.watch(self._deposit)
        self._set_busy(busy=message.busy)

    @handles(Down)
    def down(self, message: Down) -> None:
        """The deposit has gone, and its item with it."""
        if message.path == self._deposit:
            self._deposit = ""
            self._set_busy(busy=False)

    def _set_busy(self, *, busy: bool) -> None:
        self._is_busy = busy
        if busy:
            return
        self._free()
        if self._golden_due:
            self.ctx.schedule_once(0.0, _Golden())
        elif self._canary_due:
            self.ctx.schedule_once(0.0, _Canary())

    # -- handlers: the detector -----------------------------------------------------------------

    @handles(_Canary)
    def canary(self, message: _Canary) -> None:
        """Show the detector a picture whose answer is known, when no item waits for it."""
        self._show_canary()

    def _show_canary(self) -> None:
        """Raises: DetectorDead: it has missed too many in a row."""
        self._canary_due = self._is_busy
        if self._is_busy:
            return
        self.ctx.extend(self._limits.deadline_s + SPARE_S)
        began_s = self.ctx.clock.monotonic()
        wrong = self._answer_to_canary()
        self._canary = rule.answered(
            self._canary,
            wrong,
            took_ms=(self.ctx.clock.monotonic() - began_s) * 1000,
            limit_ms=self._limits.deadline_s * 1000,
            at_s=self.ctx.clock.wall(),
        )
        self._show()
        why = self._canary.why
        if why:
            self.ctx.emit("canary_missed", why=why, misses=self._canary.misses)
            self._missed(why)
        if self._canary.is_dead:
            raise DetectorDead(f"{self._canary.misses} canaries missed: {why}")

    def _answer_to_canary(self) -> str:
        try:
            return self._eyes.show_canary(self._canary.shown)
        except InferenceFailed:
            raise  # nothing that it says later is to be trusted
        except VisionError as error:
            return str(error)

    @handles(_Golden)
    def golden(self, message: _Golden) -> None:
        """Show it all its golden pictures again; one that has drifted does not go on serving."""
        self._golden_due = self._is_busy
        if not self._is_busy:
            self._prove()

    @handles(ProveModel, command=True)
    def prove(self, message: ProveModel) -> Done | Failed:
        """The same for an operator, who may have to wait for the item to leave."""
        if self._is_busy:
            return Failed("busy", "an item is being dealt with; try again in a moment")
        self._prove()
        return Done()

    def _prove(self) -> None:
        """Raises: GoldenFailed: an answer is wrong; a fresh process finds out if it stays so."""
        self.ctx.extend(self._limits.deadline_s * (len(self._eyes.canaries) + 1))
        self._eyes.prove()
        self.ctx.emit("model_proven", model=self._eyes.detector.info.name)
