"""The second look in a process of its own: real frames, the real ring, outlines and bar codes."""

import importlib.util
import mmap
import os
import signal
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from actors import tree as machine
from actors.camera import FRAMES
from actors.detail import Detail
from config.settings import DetailSettings, Settings
from models.vision.ring import RingWriter
from protocol.vision import Detection, Examine, Examined, FrameRef
from rvm_edge.drivers import choose_drivers
from supervisors import Actor, Backoff, ChildSpec, Limits, handles
from supervisors.testing import eventually
from tests.actors.ring import area, formatting
from tests.actors.runtime import listener, tree
from tests.models.vision.labels import Label, draw

SLOTS = 3
AREA = area(SLOTS)
formatted = formatting(SLOTS)
EAN = "2000000000008"
Heard = listener(Examined)


class Decides(Actor):
    """Stands where inference stands: before the second look in a group that restarts together."""

    @handles(Examine)
    def examine(self, message: Examine) -> None:
        self.ctx.tell(self.ctx.sender, Examined(message.deposit, (), (), 0.0))


def detail(*, beat_timeout_s=3.0, **settings):
    return ChildSpec(
        "detail",
        Detail,
        args={"limits": DetailSettings(**settings), "threads": 1},
        host="process",
        shares=(FRAMES,),
        limits=Limits(beat_timeout_s=beat_timeout_s),
        backoff=Backoff.NONE,
    )


class Eyes:
    """The camera's side of the ring, and somebody who asks."""

    def __init__(self, sup, heard, ring):
        self.sup, self.heard = sup, heard
        self.writer = RingWriter(ring)

    def show(self, picture) -> FrameRef:
        return self.writer.publish(picture, 0)

    def ask(self, frame, detections=(), *, deposit="m-1-1", address="/detail"):
        envelope = self.sup.system.envelope(0, address, Examine(deposit, frame, detections))
        envelope.source = "/heard"
        self.sup.system.route(envelope)

    @property
    def facts(self):
        return self.sup.rows["detail"].running.vitals.facts

    def answer(self):
        eventually(lambda: self.heard)
        return self.heard.pop()


@pytest.fixture
def eyes():
    """Make eyes: `with eyes(child, …) as …`."""

    @contextmanager
    def run(*children, **flags):
        heard = []
        asker = ChildSpec("heard", Heard, args={"heard": heard})
        with (
            tree(asker, *children, shares=(AREA,), **flags) as (sup, _),
            mmap.mmap(sup.system.shares.fd(FRAMES), 0) as ring,
        ):
            found = Eyes(sup, heard, ring)
            try:
                yield found
            finally:
                found.writer.close()

    return run


def bottle(ean=EAN, module_px=3.0, turned_deg=25):
    label = Label(ean, module_px, turned_deg=turned_deg, noise=4, radius_px=90)
    picture, box = draw(label, np.random.default_rng(1))
    return picture, Detection("soda", 0.9, box)


def test_an_item_gets_its_outline_and_its_article(eyes):
    with eyes(detail(outline="grabcut", barcode=True, articles="chamber")) as it:
        picture, seen = bottle()
        it.ask(it.show(picture), (seen,))
        examined = it.answer()
    assert examined.deposit == "m-1-1"
    (barcode,) = examined.barcodes
    assert (barcode.text, barcode.article, barcode.accepted) == (EAN, "Spring water 0.33 l", True)
    (outline,) = examined.outlines
    assert outline.class_name == "soda"
    area = cv2.contourArea(np.array(outline.polygon, np.float32))
    assert 0.5 < area / (0.92 * 640 * 180) < 1.1  # the bottle is 589 x 175 pixels, its ends cut
    assert examined.elapsed_ms > 0


def test_what_is_switched_off_is_not_looked_for(eyes):
    picture, seen = bottle()
    with eyes(detail(barcode=True, articles="chamber")) as it:
        it.ask(it.show(picture), (seen,))
        examined = it.answer()
        assert (examined.outlines, len(examined.barcodes)) == ((), 1)
    with eyes(detail(outline="grabcut")) as it:
        it.ask(it.show(picture), (seen,))
        examined = it.answer()
        assert (len(examined.outlines), examined.barcodes) == (1, ())


def test_without_a_detection_the_whole_picture_is_searched_for_a_code(eyes):
    with eyes(detail(outline="grabcut", barcode=True, articles="chamber")) as it:
        it.ask(it.show(bottle()[0]))
        examined = it.answer()
    assert examined.outlines == ()
    assert [code.text for code in examined.barcodes] == [EAN]


def test_a_code_that_no_list_knows_needs_two_decoders(eyes):
    stranger = "4006381333931"
    has_both = importlib.util.find_spec("zxingcpp") is not None
    with eyes(detail(barcode=True)) as it:
        picture, seen = bottle(stranger)
        it.ask(it.show(picture), (seen,))
        assert [code.text for code in it.answer().barcodes] == ([stranger] if has_both else [])
        assert it.facts["barcode"] == ("opencv and zxing" if has_both else "opencv")
        assert ("barcode_limit" in it.facts) is not has_both


def test_a_frame_that_is_gone_is_dropped_and_said(eyes):
    with eyes(detail(barcode=True)) as it:
        picture, _ = bottle()
        gone = it.show(picture)
        for _ in range(SLOTS):
            last = it.show(picture)
        grey = FrameRef(last.slot, last.generation, 480, 640, 1, 0, 0)
        nonsense = FrameRef(99, 2, 336, 448, 3, 0, 0)
        for count, frame in enumerate((gone, nonsense, grey), 1):
            it.ask(frame)
            eventually(lambda want=count: it.facts.get("dropped") == want)
        it.ask(last, deposit="there")
        assert it.answer().deposit == "there"
        assert it.heard == []
        assert it.sup.ref("detail").incarnation == 1


def test_who_is_behind_looks_at_the_newest_only(eyes):
    with eyes(detail(outline="grabcut", barcode=True)) as it:
        picture, seen = bottle(module_px=1.2)
        frame = it.show(picture)
        for number in range(30):
            it.ask(frame, (seen,), deposit=f"m-1-{number}")
        eventually(lambda: it.heard and it.heard[-1].deposit == "m-1-29")
        assert len(it.heard) < 15


def test_a_time_limit_ends_a_look_with_what_there_is(eyes):
    with eyes(detail(outline="grabcut", barcode=True, timeout_s=1e-6)) as it:
        picture, seen = bottle()
        it.ask(it.show(picture), (seen,))
        examined = it.answer()
        assert examined.barcodes == ()
        assert it.sup.ref("detail").incarnation == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"barcode": True, "articles": "/none/articles.csv"}, "cannot read /none/articles.csv"),
        ({"outline": "segment", "outline_model": "/none"}, "there is no /none/manifest.json"),
        ({"outline": "sam2"}, "set detail.outline_model"),
    ],
)
def test_what_is_missing_is_waited_for_with_its_cure(eyes, settings, says):
    with eyes(detail(**settings)) as it:
        row = it.sup.rows["detail"]
        assert (row.state.value, row.restarts) == ("waiting", 0)
        assert says in row.waiting_for


def test_its_death_is_nobody_elses(eyes):
    first = ChildSpec("inference", Decides)
    with eyes(first, detail(barcode=True), strategy="rest_for_one") as it:
        os.kill(it.sup.rows["detail"].running.pid, signal.SIGKILL)
        eventually(lambda: (ref := it.sup.ref("detail")) is not None and ref.incarnation == 2)
        frame = it.show(bottle()[0])
        it.ask(frame, deposit="again")
        assert it.answer().deposit == "again"
        assert it.sup.ref("inference").incarnation == 1


def test_while_it_hangs_the_decision_goes_on(eyes):
    first = ChildSpec("inference", Decides)
    with eyes(first, detail(barcode=True, beat_timeout_s=0.5), strategy="rest_for_one") as it:
        os.kill(it.sup.rows["detail"].running.pid, signal.SIGSTOP)
        frame = it.show(bottle()[0])
        it.ask(frame, deposit="nobody looks")
        it.ask(frame, deposit="decided", address="/inference")
        assert it.answer().deposit == "decided"
        eventually(lambda: (ref := it.sup.ref("detail")) is not None and ref.incarnation == 2)
        assert it.sup.ref("inference").incarnation == 1


# ----- Its place in the tree ------------------------------------------------------------------


def vision(tmp_path, **detail_settings):
    settings = Settings(detail=DetailSettings(**detail_settings))
    spec = machine.machine(settings, choose_drivers(settings, tmp_path), tmp_path, "m")
    return next(child.start for child in spec.children if child.id == "vision").children


def test_nobody_pays_for_what_is_switched_off(tmp_path):
    assert "detail" not in [child.id for child in vision(tmp_path)]


@pytest.mark.parametrize("settings", [{"outline": "grabcut"}, {"barcode": True}])
def test_it_is_the_last_of_its_group_and_behind_all_others(tmp_path, settings):
    *others, last = vision(tmp_path, **settings)
    assert last.id == "detail"
    # A supervisor of its own that never gives up: its restarts are not counted with the others'.
    assert last.start.on_exhausted == "quarantine"
    (look,) = last.start.children
    assert (look.host.value, look.shares) == ("process", (FRAMES,))
    assert all(look.limits.nice > other.limits.nice for other in others)
    assert all(look.limits.oom_score_adj > other.limits.oom_score_adj for other in others)


def test_inference_is_told_where_it_is_if_it_is_there(tmp_path):
    by_id = {child.id: child for child in vision(tmp_path)}
    assert by_id["inference"].args["detail"] == ""
    by_id = {child.id: child for child in vision(tmp_path, barcode=True)}
    (look,) = by_id["detail"].start.children
    assert by_id["inference"].args["detail"] == f"/vision/detail/{look.id}"
