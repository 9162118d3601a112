"""V1, V2, V8, V11, V15: camera and inference are killed, stopped and held up under load, for long.

A minute by default. The hour, with its figures at the end:

    RVM_SOAK_S=3600 bin/test tests/faults/test_eyes_soak.py --log-cli-level=INFO
"""

import faulthandler
import logging
import mmap
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.camera import FRAMES
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.scene import WORLD
from actors.preload import PRELOAD
from actors.tree import Drivers, frame_ring, machine
from config.settings import InferenceSettings, Settings
from models.vision.frames import format_ring
from supervisors import ActorSystem, Backoff, ChildSpec, Supervisor, SupervisorSpec
from supervisors.testing import eventually
from tests.conftest import _descriptors
from tests.faults.customers import PATIENCE, Customers, Diary, sure_pictures, until_decided

LOG = logging.getLogger(__name__)
SOAK_S = float(os.environ.get("RVM_SOAK_S", "60"))
BACK_S = 30.0
"""Within which there has to be a decision again. A process that is stopped is found by its beat or
by its handler's deadline, after 3 s; the rest is a slow machine's."""
GROWTH_MB_MAX = 20.0
"""Of the core. What is lost with each restart shows in an hour, which has a thousand of them."""
PATIENCE_S = PATIENCE.capture_timeout_s + PATIENCE.decide_timeout_s
LATE_S = 3.0
"""A thread that does not get its turn."""
HELD_S_MAX = 2.5
"""Less than a host's patience with a process that does not beat: it goes on as if nothing were."""
BOTH = ("camera", "inference")
BLOWS = ("killed",) * 2 + ("held up",) * 3 + ("stopped",)
"""How often each, compared: to find that somebody is stopped for good takes seconds."""


class Held(NamedTuple):
    """What the core and its eyes hold, counted by kind; and the core's memory."""

    counted: Counter[str]
    rss_mb: float


def held(pids: Mapping[str, int]) -> Held:
    counted = Counter(text.split(":")[0] for text in _descriptors().values())
    counted["threads"] = len(list(Path("/proc/self/task").iterdir()))
    counted["processes"] = _descendants(str(os.getpid()))
    for name, pid in pids.items():
        counted[f"descriptors of the {name}"] = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(counted, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def _descendants(pid: str) -> int:
    """Children, children's children …, also those that are dead and not reaped."""
    count = 0
    with suppress(OSError):  # it has just ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            children = (task / "children").read_text().split()
            count += len(children) + sum(map(_descendants, children))
    return count


def more(after: Held, before: Held) -> Counter[str]:
    """Of what there is more than there was."""
    return after.counted - before.counted


class Eyes:
    """The vision branch of the machine's own tree, with customers instead of the item cycle."""

    def __init__(self, root: Supervisor, diary: Diary):
        self.root, self.diary = root, diary
        self.strikes: Counter[str] = Counter()
        self.slowest_recovery_s = 0.0

    def pid(self, name: str) -> int:
        """Of its process, once it has one that is ready."""
        eventually(lambda: self.root.ref(name) is not None, BACK_S)
        return int(eventually(lambda: (run := self.root.rows[name].running) and run.pid, BACK_S))

    def strike(self, name: str, how: str, hold_s: float) -> None:
        """Do it to one of them, and see that customers are served again."""
        self.strikes[f"{name} {how}"] += 1
        pid = self.pid(name)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            if how == "held up":
                time.sleep(hold_s)
                os.kill(pid, signal.SIGCONT)
        took_s = until_decided(self.diary, 1, BACK_S)
        assert took_s is not None, f"no decision since the {name} was {how}: {self.story()}"
        self.slowest_recovery_s = max(self.slowest_recovery_s, took_s)

    def story(self) -> str:
        """What has happened, for people."""
        diary = self.diary
        return (
            f"{self.strikes.total()} times: {dict(self.strikes)}; {dict(diary.outcomes)}, "
            f"{diary.late} late answers ignored; at most {self.slowest_recovery_s:.1f} s to a "
            f"decision, {diary.slowest_s:.1f} s an item"
        )

    def pids(self) -> dict[str, int]:
        """Of both."""
        return {name: self.pid(name) for name in BOTH}


@pytest.fixture
def eyes(tmp_path):
    settings = Settings(inference=InferenceSettings(evidence_mb=8, evidence_reserve_mb=0))
    home = tmp_path / "sim"
    home.mkdir()
    claims = Claims(home)
    claims.take(WORLD)  # a scene is believed while the world that draws it lives
    drivers = Drivers(source="actors.drivers.simulated:SimulatedCamera", source_where=str(home))
    tree = machine(settings, drivers, tmp_path, "rvm-soak")
    (vision,) = (child.start for child in tree.children if child.id == "vision")
    area, slots, slot_bytes = frame_ring(settings)
    system, diary = ActorSystem(shares=(area,), preload=PRELOAD), Diary()
    with mmap.mmap(system.shares.fd(FRAMES), area.size_bytes) as ring:
        format_ring(ring, slots=slots, slot_bytes=slot_bytes)
    args = {"home": str(home), "shown": sure_pictures(), "diary": diary}
    spec = SupervisorSpec(
        (ChildSpec("customers", Customers, args=args), *vision.children),
        strategy=vision.strategy,
        intensity=None,  # more dies here in a minute than a machine is allowed to lose in its life
        backoff=Backoff.NONE,
    )
    try:
        with Supervisor.start(spec, system=system) as root:
            yield Eyes(root, diary)
    finally:
        system.close()
        claims.drop()


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 300)
def test_no_old_picture_decides_and_nothing_leaks_whoever_dies_or_is_stopped(eyes):
    faulthandler.cancel_dump_traceback_later()  # it is meant to take that long
    chance, diary = random.Random(4), eyes.diary
    for name, how in product(BOTH, dict.fromkeys(BLOWS)):
        eyes.strike(name, how, 0.2)  # one of each: what is made once is not a leak
    before = held(eyes.pids())
    ends_s = time.monotonic() + SOAK_S
    while time.monotonic() < ends_s:
        eyes.strike(chance.choice(BOTH), chance.choice(BLOWS), chance.uniform(0.05, HELD_S_MAX))
        until_decided(diary, chance.randint(0, 10), BACK_S)
    with suppress(AssertionError):  # who has just contained somebody may still be at it
        eventually(lambda: not more(held(eyes.pids()), before), BACK_S)
    after = held(eyes.pids())
    LOG.info("%s; core %.1f MB, then %.1f MB", eyes.story(), before.rss_mb, after.rss_mb)
    assert not diary.wrong
    assert not diary.stale
    assert diary.begun - diary.outcomes.total() in (0, 1)
    assert diary.slowest_s < PATIENCE_S + LATE_S
    assert eyes.root.system.leaked_threads == 0
    assert not more(after, before)
    assert after.rss_mb - before.rss_mb < GROWTH_MB_MAX
