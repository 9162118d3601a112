"""Customers without an end: item after item under the camera, each captured and classified.

What accepts and what refuses lie there in turn, so a decision that rests on an old picture is a
wrong one. Patience is the item cycle's: what is not there by then counts as no answer, and what
comes later is ignored.
"""

import time
from collections import Counter

from actors.drivers.pictures import read_picture
from actors.drivers.simulated.scene import draw_scene
from config.settings import DepositSettings
from models.acceptance import judge
from models.vision import default_detector_directory, open_detector
from models.world.catalogue import load_catalogue
from protocol.message import Message
from protocol.service import CycleChanged
from protocol.vision import Capture, Captured, CaptureFailed, Classified, Classify, ClassifyFailed
from supervisors import Actor, Put, handles

CAMERA, INFERENCE = "/camera", "/inference"
PATIENCE = DepositSettings()
AGAIN_S = 0.02
SURELY = 0.1
"""So far from its threshold that a sensor's noise does not carry a confidence over it."""


class _Next(Message, frozen=True, tag="customers.next"):
    """To itself: the next item."""


class _Impatient(Message, frozen=True, tag="customers.impatient"):
    """To itself: it has taken too long, if it is still this one."""

    deposit: str
    waiting_for: str


class Diary:
    """What happened, for the test: written by the actor's thread, read by another.

    Attributes:
        outcomes: how the items ended, by word.
        wrong: decisions that are not what lay there.
        stale: frames that were exposed before they were asked for.
        late: answers that came when nobody waited for them any more.
        decided: number of the last item that was decided.
        slowest_s: the longest that an item took to its outcome, whatever it was.
    """

    def __init__(self):
        self.outcomes = Counter()
        self.wrong, self.stale = [], []
        self.late = self.begun = self.decided = 0
        self.slowest_s = 0.0


class Customers(Actor):
    """See the module."""

    def __init__(self, home, shown, diary):
        """Args: home: of the simulated machine. shown: pictures with the decision on each."""
        self._home, self._shown, self._diary = home, shown, diary
        self._deposit = self._waiting_for = ""

    def on_start(self):
        self.ctx.schedule_once(0.0, _Next())

    @handles(_Next)
    def begin(self, message: _Next):
        diary = self._diary
        diary.begun += 1
        self._deposit = f"soak-{diary.begun}"
        picture, self._expected = self._shown[diary.begun % len(self._shown)]
        draw_scene(self._home, picture)
        self._began_s = self.ctx.clock.monotonic()
        self._asked_ns = self.ctx.clock.monotonic_ns()
        for address in (CAMERA, INFERENCE):
            self.ctx.tell(address, CycleChanged(busy=True))
        self._ask(CAMERA, Capture(self._deposit, self._asked_ns), PATIENCE.capture_timeout_s)

    def _ask(self, address, message, patience_s):
        self._waiting_for = address
        if self.ctx.tell(address, message) is Put.OK:
            self.ctx.schedule_once(patience_s, _Impatient(self._deposit, address))
        else:
            self._end("nobody there")

    def _is_awaited(self, message, address):
        is_it = message.deposit == self._deposit and self._waiting_for == address
        self._diary.late += not is_it
        return is_it

    @handles(Captured)
    def captured(self, message: Captured):
        if not self._is_awaited(message, CAMERA):
            return
        self._diary.stale += [one for one in message.frames if one.t_mono_ns < self._asked_ns]
        question = Classify(self._deposit, message.frames, self._asked_ns)
        self._ask(INFERENCE, question, PATIENCE.decide_timeout_s)

    @handles(Classified)
    def classified(self, message: Classified):
        if not self._is_awaited(message, INFERENCE):
            return
        if message.decision != self._expected:
            self._diary.wrong.append((self._deposit, self._expected, message))
        self._diary.decided = self._diary.begun
        self._end("decided")

    @handles(CaptureFailed)
    def not_captured(self, message: CaptureFailed):
        if self._is_awaited(message, CAMERA):
            self._end("not captured")

    @handles(ClassifyFailed)
    def not_classified(self, message: ClassifyFailed):
        if self._is_awaited(message, INFERENCE):
            self._end("not classified")

    @handles(_Impatient)
    def impatient(self, message: _Impatient):
        if (message.deposit, message.waiting_for) == (self._deposit, self._waiting_for):
            self._end(f"no answer of {message.waiting_for}")

    def _end(self, outcome):
        self._waiting_for = ""
        took_s = self.ctx.clock.monotonic() - self._began_s
        self._diary.slowest_s = max(self._diary.slowest_s, took_s)
        self._diary.outcomes[outcome] += 1
        for address in (CAMERA, INFERENCE):
            self.ctx.tell(address, CycleChanged(busy=False))
        self.ctx.schedule_once(AGAIN_S, _Next())


def sure_pictures():
    """A picture that is accepted and one that is refused, both without any doubt."""
    detector = open_detector(default_detector_directory())
    found = {}
    for item in load_catalogue():
        seen = detector.detect(read_picture(item.picture))
        limits = detector.info.thresholds
        either = {
            judge(seen, {name: limit + by for name, limit in limits.items()}).decision.value
            for by in (-SURELY, 0.0, SURELY)
        }
        if len(either) == 1:
            found.setdefault(either.pop(), str(item.picture))
    detector.close()
    return tuple((found[decision], decision) for decision in ("accept", "reject"))


def until_decided(diary, items, timeout_s):
    """Wait until so many items that come after now are decided; the seconds, None: too long."""
    began_s, wanted = time.monotonic(), diary.begun + items
    while diary.decided < wanted:
        if time.monotonic() > began_s + timeout_s:
            return None
        time.sleep(0.01)
    return time.monotonic() - began_s
