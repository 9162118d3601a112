"""The camera: takes pictures when asked, proves that they are of now, and puts them into the ring.

Owns the source of frames and the writing side of the ring.
Hears `Capture`, `TakePicture`, `CheckCamera`, `LearnChamber`, `CycleChanged`.
Says `Captured` or `CaptureFailed`, `CameraReport` to whoever asked.

It sleeps while nobody comes, and wakes when it is asked, when an item comes, and now and then for
a proof that it still sees. A camera that hangs in its driver, or gives one torn frame after the
other, ends this process: the next one begins afresh.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.camera.burst import Burst, Bursts, Wish
from actors.drivers import make
from config.settings import CameraSettings
from protocol.message import Failed, Message
from protocol.service import CycleChanged
from protocol.vision import (
    Capture,
    Captured,
    CaptureFailed,
    CheckCamera,
    FrameRef,
    LearnChamber,
    TakePicture,
)
from supervisors import LATER, Actor, Waiting, handles
from supervisors.exits import ExitReason

if TYPE_CHECKING:
    from actors.camera.board import Board
    from actors.camera.eye import Look
    from actors.camera.lookout import Lookout
    from actors.drivers.source import FrameSource
    from models.vision.ring import RingWriter
    from protocol.envelope import Envelope
    from supervisors.actor import _Later

FRAMES = "frames"
"""Name of the shared memory area that holds the ring."""
_DEADLINE_S = 3.0
_POLL_S = 0.005
"""How often somebody who waits for a live camera looks for its next frame."""
_WATCH_S = 0.5
"""How often a live camera is looked at while nobody asks."""


class _Look(Message, frozen=True, tag="camera.look"):
    """Camera to itself: somebody waits for a frame."""


class _Watch(Message, frozen=True, tag="camera.watch"):
    """Camera to itself: nobody asks, and something is due all the same."""


class Camera(Actor):
    """See the module."""

    def __init__(
        self, source: str, where: str, limits: CameraSettings | None = None, home: str = ""
    ) -> None:
        """Make it.

        Args:
            source: driver as ``module:callable``, empty for none.
            where: its argument.
            limits: the camera's settings.
            home: directory for what it learns; empty: it is forgotten.
        """
        self._driver = source
        self._where = where
        self._limits = limits or CameraSettings()
        self._home = home
        self._source: FrameSource
        self._lookout: Lookout
        self._board: Board
        self._ring: RingWriter
        self._bursts = Bursts()
        self._look_timer: int | None = None
        self._watch_timer: int | None = None
        self._is_busy = False
        self._used_ns = self._proof_due_ns = self._watch_due_ns = 0

    # -- lifecycle ------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open source and ring; frames and their proof come soon after.

        What is missing is waited for, not crashed on: a crash would not mend it.
        """
        from actors.camera.board import Board
        from actors.camera.lookout import Lookout
        from actors.camera.reference import load_reference
        from actors.drivers.pictures import PicturesError
        from models.vision.ring import RingWriter

        if not self._driver:
            msg = "there is no camera: set camera.source (docs/camera.md)"
            raise Waiting(msg)
        self._ring = RingWriter(mmap.mmap(self.ctx.shares[FRAMES], 0))
        try:
            self._source = make(self._driver, self._where, self._limits)
        except PicturesError as error:
            raise Waiting(str(error)) from error
        now_ns = self._used_ns = self.ctx.clock.monotonic_ns()
        self._lookout = Lookout(self._source, self._limits)
        self._board = Board(self.ctx, self._lookout)
        self._lookout.wake(now_ns)
        if not self._source.is_live:
            self._lookout.look(now_ns)
        if self._lookout.stalled:
            raise Waiting(self._lookout.stalled)
        self._lookout.eye.reference = load_reference(self._home, self._source.name)
        self._begin(self._proven)
        self._go_on()

    def on_stop(self, reason: ExitReason) -> None:
        """Let go of the source; whoever waits for a picture need not wait any longer."""
        self._bursts.end_all(f"the camera ends: {reason}")
        source = getattr(self, "_source", None)
        if source is not None:
            source.close()

    # -- handlers -------------------------------------------------------------------------------

    @handles(Capture, deadline_s=_DEADLINE_S)
    def capture(self, message: Capture) -> None:
        """Take pictures for a deposit; none that was exposed before the item lay there."""
        asker, eye = self.ctx.sender, self._lookout.eye

        def answer(burst: Burst) -> None:
            if burst.is_complete:
                self.ctx.tell(asker, Captured(message.deposit, tuple(burst.frames)))
            else:
                self.ctx.tell(asker, CaptureFailed(message.deposit, burst.why))

        if eye.window.refuses:
            self.ctx.tell(asker, CaptureFailed(message.deposit, ": ".join(eye.trouble)))
            return
        patience_s = self._limits.capture_timeout_s
        self._serve(answer, newer_than_ns=message.newer_than_ns, patience_s=patience_s)

    @handles(TakePicture, deadline_s=_DEADLINE_S, command=True)
    def take_picture(self, message: TakePicture) -> _Later:
        """Take one for an operator, good or bad."""
        request = self.ctx.later()

        def answer(burst: Burst) -> None:
            if burst.is_complete:
                self.ctx.reply(request, Captured("", tuple(burst.frames)))
            else:
                self.ctx.reply(request, Failed("no_picture", burst.why))

        self._serve(answer, frames=1, takes_all=True)
        return LATER

    @handles(CheckCamera, deadline_s=_DEADLINE_S, command=True)
    def check(self, message: CheckCamera) -> _Later:
        """Look, and say what is seen."""
        request = self.ctx.later()
        self._serve(lambda burst: self._report(request, burst))
        return LATER

    @handles(LearnChamber, deadline_s=_DEADLINE_S, command=True)
    def learn_chamber(self, message: LearnChamber) -> _Later | Failed:
        """Take what is seen for the clean, empty chamber."""
        if not self._source.is_fixed:
            return Failed("invalid", f"{self._source.name} shows files, and no chamber")
        request = self.ctx.later()

        def answer(burst: Burst) -> None:
            if burst.is_complete:
                self._learn_chamber()
                self._report(request, burst)
            else:
                self.ctx.reply(request, Failed("no_picture", burst.why))

        self._serve(answer)
        return LATER

    @handles(CycleChanged)
    def cycle_changed(self, message: CycleChanged) -> None:
        """An item comes: be awake before somebody asks for its picture."""
        self._is_busy = message.busy
        if message.busy:
            self._used_ns = self.ctx.clock.monotonic_ns()
            self._lookout.wake(self._used_ns)
        self._go_on()

    @handles(_Look, deadline_s=_DEADLINE_S)
    def look(self, message: _Look) -> None:
        """Somebody waits."""
        self._look_timer = None
        self._look()
        self._go_on()

    @handles(_Watch, deadline_s=_DEADLINE_S)
    def watch(self, message: _Watch) -> None:
        """Is it still there, still alive, and still needed?"""
        self._watch_timer = None
        now_ns, lookout = self.ctx.clock.monotonic_ns(), self._lookout
        lookout.check_driver(now_ns)
        if not lookout.is_awake:
            was_stalled = bool(lookout.stalled)
            if lookout.find() and (was_stalled or now_ns >= self._proof_due_ns):
                self._begin(self._proven)
        elif self._source.is_live:
            self._look()
        self._sleep_if_idle()
        self._go_on()

    # -- what is asked for ----------------------------------------------------------------------

    def _begin(
        self,
        answer: Callable[[Burst], None],
        *,
        frames: int = 0,
        newer_than_ns: int = 0,
        patience_s: float = 0.0,
        takes_all: bool = False,
    ) -> None:
        """Collect frames for somebody.

        Args:
            answer: called at the end, with what there is.
            frames: how many; 0: as many as a decision wants.
            newer_than_ns: exposed after this moment.
            patience_s: 0: as people have, until a camera that slept has been opened.
            takes_all: also frames that show a fault.
        """
        limits = self._limits
        now_ns = self.ctx.clock.monotonic_ns()
        wish = Wish(
            frames=frames or limits.burst_frames,
            newer_than_ns=newer_than_ns,
            until_ns=now_ns + _ns(patience_s or limits.open_timeout_s + limits.capture_timeout_s),
            interval_ns=_ns(limits.burst_interval_s),
            retries=limits.capture_retries,
            takes_all=takes_all,
        )
        self._bursts.add(Burst(wish, answer))
        self._lookout.wake(now_ns)
        self._look()

    def _serve(self, answer: Callable[[Burst], None], **wish: Any) -> None:
        """The same for somebody who is not ourselves."""
        self._used_ns = self.ctx.clock.monotonic_ns()
        self._begin(answer, **wish)
        self._go_on()

    def _proven(self, burst: Burst) -> None:
        """The proof is over. The chamber is empty, unless an item came meanwhile."""
        eye, limits = self._lookout.eye, self._limits
        if burst.is_complete and not self._is_busy:
            if eye.reference is None:
                self._learn_chamber()  # a machine's first pictures; somebody may show it better
            else:
                eye.look_through_window()
        is_well = burst.is_complete and not eye.sight.fault and not eye.window.refuses
        pause_s = limits.check_period_s if is_well else limits.presence_period_s
        self._proof_due_ns = self.ctx.clock.monotonic_ns() + _ns(pause_s)
        self._sleep_if_idle()

    def _learn_chamber(self) -> None:
        from actors.camera.reference import save_reference

        seen = self._lookout.eye.learn_chamber()
        if seen is None:
            return
        try:
            save_reference(self._home, seen)
        except OSError as error:
            self.ctx.log("reference_not_kept", level="warning", why=str(error))
        self.ctx.emit("chamber_learned", source=seen.source, acutance=round(seen.acutance, 2))

    def _report(self, request: Envelope, burst: Burst) -> None:
        from actors.camera.report import report

        self.ctx.reply(request, report(self._lookout, burst, self.ctx.clock.monotonic_ns()))

    # -- looking --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look once, give what is seen to all who wait, and answer those who have enough."""
        now_ns, lookout = self.ctx.clock.monotonic_ns(), self._lookout
        look = lookout.look(now_ns)
        if look is not None:
            self._bursts.offer(look, self._publish)
        elif lookout.hiccup:
            self._bursts.stumble(f"stalled: {lookout.hiccup}")
        self._bursts.end(now_ns, lambda: lookout.why_nothing(now_ns))

    def _publish(self, look: Look) -> FrameRef | None:
        from models.vision.errors import RingError

        try:
            frame = self._ring.publish(look.shot.frame, look.shot.t_mono_ns)
        except RingError as error:
            self._bursts.stumble(str(error))
            return None
        self._board.picture = f"{frame.width}x{frame.height}"
        return frame

    def _sleep_if_idle(self) -> None:
        """Nobody asked for a while, and no item is on its way."""
        idle_ns = self.ctx.clock.monotonic_ns() - self._used_ns
        is_idle = idle_ns >= _ns(self._limits.idle_sleep_s) and not self._is_busy
        if is_idle and not self._bursts and self._lookout.is_awake:
            self._lookout.sleep()

    # -- going on -------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Set the timers, and show how things stand."""
        self._set_look_timer()
        self._set_watch_timer()
        self._board.show()

    def _set_look_timer(self) -> None:
        if self._bursts and self._look_timer is None:
            pause_s = (
                _POLL_S if self._source.is_live else max(_POLL_S, self._limits.burst_interval_s)
            )
            self._look_timer = self.ctx.schedule_once(pause_s, _Look())

    def _set_watch_timer(self) -> None:
        """When something is due that nobody asks for."""
        limits, now_ns = self._limits, self.ctx.clock.monotonic_ns()
        if not self._lookout.is_awake:
            pause_s = limits.reopen_s if self._lookout.stalled else limits.presence_period_s
            due_ns = min(now_ns + _ns(pause_s), max(now_ns, self._proof_due_ns))
        elif self._source.is_live:
            due_ns = now_ns + _ns(_WATCH_S)
        else:
            due_ns = max(now_ns, self._used_ns) + _ns(limits.idle_sleep_s)
        if self._watch_timer is not None:
            if due_ns >= self._watch_due_ns > now_ns:
                return  # it comes early enough, and sets the next one
            self.ctx.cancel(self._watch_timer)
        self._watch_due_ns = due_ns
        self._watch_timer = self.ctx.schedule_once(max(0.0, (due_ns - now_ns) / 1e9), _Watch())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
