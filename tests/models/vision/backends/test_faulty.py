"""Faults on purpose: each one really is what it says, in a process of its own where it must be."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import models
from models.vision.backends.faulty import FAULTS, SLOWER, spoil
from models.vision.detector import Detection, DetectorInfo

FRAME = np.zeros((4, 4, 3), np.uint8)
INFO = DetectorInfo("sound", "none", "0" * 64, ("mineral", "soda"), 32, 32, {"mineral": 0.5})
SEEN = (Detection("mineral", 0.9, (0, 0, 1, 1)), Detection("soda", 0.5, (1, 1, 2, 2)))


class Sound:
    """A detector without a fault, that counts."""

    info = INFO

    def __init__(self):
        self.looks, self.closed = 0, 0

    def detect(self, frame):
        self.looks += 1
        return SEEN

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_takes_it_for_a_sound_one(fault):
    sound = Sound()
    detector = spoil(sound, fault)
    assert detector.info.note == f"spoiled on purpose: {fault}"
    assert detector.info.sha256 == INFO.sha256
    detector.close()
    assert sound.closed == 1


def test_slow_does_the_work_several_times():
    sound = Sound()
    assert spoil(sound, "slow").detect(FRAME) == SEEN
    assert sound.looks == SLOWER


def test_wrong_is_sure_of_the_wrong_names():
    seen = spoil(Sound(), "wrong").detect(FRAME)
    assert [one.class_name for one in seen] == ["soda", "mineral"]
    assert [(one.confidence, one.box) for one in seen] == [
        (one.confidence, one.box) for one in SEEN
    ]


PROGRAM = """
import resource, signal, sys
import numpy as np
from models.vision.backends.faulty import spoil
from tests.models.vision.backends.test_faulty import FRAME, Sound

signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
if len(sys.argv) > 2:
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print("looking", flush=True)
try:
    spoil(Sound(), sys.argv[1]).detect(FRAME)
except MemoryError:
    print("MemoryError", flush=True)
"""


def looking(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(models.__file__).parent.parent)},
    )
    assert process.stdout.readline() == "looking\n"
    return process


def test_crash_dies_of_a_signal_that_no_handler_softens():
    with looking("crash") as process:
        assert process.wait(timeout=30) == -signal.SIGSEGV


def test_hang_answers_neither_by_itself_nor_when_it_is_woken():
    with looking("hang") as process:
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.readline() == "handled\n"
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        assert not ready
        assert process.poll() is None
        process.kill()


def test_oom_takes_what_the_limit_leaves_it():
    with looking("oom", str(1 << 30)) as process:
        assert process.stdout.readline() == "MemoryError\n"
        assert process.wait(timeout=30) == 0
