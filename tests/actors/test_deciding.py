"""A decision over a burst: in time, from fresh pictures, and true to what was seen."""

import mmap
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.inference.deciding import NoAnswer, TooLate, decide
from models.vision.detector import DetectorInfo
from models.vision.errors import FrameGone
from models.vision.frames import format_ring, ring_size_bytes
from models.vision.ring import RingReader, RingWriter
from protocol.vision import Classify, Detection
from supervisors.testing import VirtualClock

SLOTS = 4
SECOND = 1_000_000_000
THRESHOLDS = {"mineral": 0.5, "soda": 0.25}
BOTTLE = (Detection("mineral", 0.9, (0.0, 0.0, 5.0, 5.0)),)
CAN = (Detection("soda", 0.9, (0.0, 0.0, 5.0, 5.0)),)


class Slow:
    """A detector that takes its time, on the clock that is handed to the decision."""

    info = DetectorInfo("m", "by hand", "s" * 64, ("mineral", "soda"), 32, 32, THRESHOLDS)

    def __init__(self, clock, answers, takes_s):
        self.clock, self.answers, self.takes_s = clock, list(answers), list(takes_s)

    def detect(self, frame):
        self.clock.advance(self.takes_s.pop(0))
        return self.answers.pop(0)


class Bench:
    """A ring with a burst in it, and everything a decision needs."""

    def __init__(self, answers=(BOTTLE,) * 3, takes_s=(0.1,) * 3):
        self.clock = VirtualClock()
        ring = mmap.mmap(-1, ring_size_bytes(SLOTS, 32 * 32 * 3))
        format_ring(ring, slots=SLOTS, slot_bytes=32 * 32 * 3)
        self.writer, self.reader = RingWriter(ring), RingReader(ring)
        self.eyes = SimpleNamespace(
            detector=Slow(self.clock, answers, takes_s), fingerprint="f" * 64
        )
        self.frames = tuple(self.publish() for _ in answers)

    def publish(self):
        self.clock.advance(0.01)
        return self.writer.publish(np.zeros((32, 32, 3), np.uint8), self.clock.monotonic_ns())

    def decide(self, within_s=1.0, newer_than_ns=0):
        asked_ns = self.clock.monotonic_ns()
        question = Classify("m-1-1", self.frames, newer_than_ns)
        until_ns = asked_ns + int(within_s * SECOND)
        return decide(question, asked_ns, until_ns, self.reader, self.eyes, self.clock)


def test_all_pictures_vote_and_the_newest_that_agrees_stands_for_them():
    decided = Bench((CAN, BOTTLE, BOTTLE)).decide()
    assert decided.look.decision == "accept"
    assert [picture.vote for picture in decided.look.pictures] == ["reject", "accept", "accept"]
    assert decided.shown == 2
    decided = Bench((BOTTLE, CAN, ())).decide()
    assert (decided.look.decision, decided.look.reason) == ("reject", "refused_soda")
    assert decided.shown == 1


def test_the_times_are_those_of_the_clock():
    decided = Bench().decide()
    assert decided.worked_ms == pytest.approx(300.0)
    assert decided.look.elapsed_ms == pytest.approx(300.0)
    assert [round(picture.exposed_ms) for picture in decided.look.pictures] == [20, 10, 0]


def test_an_answer_that_is_late_is_none():
    with pytest.raises(TooLate, match=r"3 of 3 pictures"):
        Bench(takes_s=(0.1, 0.1, 0.9)).decide()


def test_what_could_not_be_in_time_is_not_begun():
    bench = Bench(takes_s=(0.45, 0.4, 0.1))
    with pytest.raises(TooLate, match=r"2 of 3 pictures after 850 ms"):
        bench.decide()
    assert len(bench.eyes.detector.answers) == 1


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=4), st.floats(0.01, 3.0))
def test_whatever_the_detector_takes_no_answer_comes_after_the_time(takes_s, within_s):
    bench = Bench((BOTTLE,) * len(takes_s), takes_s)
    began_s = bench.clock.monotonic()
    try:
        bench.decide(within_s)
    except TooLate:
        assert sum(takes_s) + max(takes_s) > within_s - 1e-6
    else:
        assert bench.clock.monotonic() - began_s < within_s


def test_one_stale_picture_spoils_the_burst():
    bench = Bench()
    bench.decide(newer_than_ns=bench.frames[0].t_mono_ns)
    bench = Bench()
    with pytest.raises(NoAnswer, match="stale"):
        bench.decide(newer_than_ns=bench.frames[0].t_mono_ns + 1)


def test_a_picture_that_was_overwritten_decides_nothing():
    bench = Bench()
    for _ in range(SLOTS):
        bench.publish()
    with pytest.raises(FrameGone):
        bench.decide()
