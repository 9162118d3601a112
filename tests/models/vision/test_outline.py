"""Outlines against exact masks: drawn items whose every pixel is known."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import pickle
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.errors import (
    BackendMissing,
    ContractBroken,
    DigestMismatch,
    FrameInvalid,
    ManifestInvalid,
    ModelError,
    ModelMissing,
    WeightsUnreadable,
)
from models.vision.outline import open_outliner
from models.vision.outline.matching import best_of
from models.vision.outline.polygon import CORNERS_MAX, Patch, axis_deg, bounds, polygon_of
from models.vision.second_look import items_on
from protocol.vision import Detection
from tests.models.vision.onnx_writer import brightness_segmenter

HEIGHT, WIDTH = 336, 448
BELT, GREEN = (95, 92, 88), (70, 150, 60)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    cv2.setNumThreads(1)


def bottle_mask(turned_deg, *, length_px=230, middle=(WIDTH / 2, HEIGHT / 2)):
    """A bottle's shape seen from above: bool (H, W), a pixel is in it if its middle is."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    turn = np.deg2rad(turned_deg)
    along = (x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)
    across = -(x - middle[0]) * np.sin(turn) + (y - middle[1]) * np.cos(turn)
    place = along / length_px + 0.5
    radius = np.interp(
        place, [0, 0.03, 0.65, 0.85, 1], np.array([0.8, 1, 1, 0.35, 0.35]) * 0.16 * length_px
    )
    return (place > 0) & (place < 1) & (np.abs(across) < radius)


def photograph(mask, rng, *, colour=GREEN, opacity=1.0):
    """The item on a belt with texture, light from one side, a shadow, blur and noise."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 0.8 + 0.4 * x / WIDTH
    weave = 6 * ((x // 7 + y // 7) % 2)
    shadow = cv2.GaussianBlur(np.roll(mask, (6, 4), (0, 1)).astype(np.float64), (0, 0), 6)
    picture = (np.array(BELT) + weave[..., None]) * (light * (1 - 0.25 * shadow))[..., None]
    item = np.array(colour) * light[..., None] * (0.85 + 0.15 * np.sin(x / 9.0))[..., None]
    inside = (opacity * mask)[..., None]
    picture = picture * (1 - inside) + item * inside
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7) + rng.normal(0, 4, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def box_of(mask, rng=None):
    """The box around a mask, off by some pixels as a detector's is."""
    rows, columns = np.nonzero(mask)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], dtype=float)
    if rng is not None:
        box += rng.uniform(-3, 3, 4)
    x1, y1, x2, y2 = box.tolist()
    return (x1, y1, x2, y2)


def seen(mask, rng=None, name="soda"):
    return Detection(name, 0.9, box_of(mask, rng))


def iou(polygon, mask, *, finer=8):
    """Of a polygon and a mask, counted on eight times finer pixels."""
    drawn = np.zeros((mask.shape[0] * finer, mask.shape[1] * finer), np.uint8)
    corners = np.round(np.array(polygon) * finer - 0.5).astype(np.int32)
    cv2.fillPoly(drawn, [corners], 1)
    exact = np.kron(mask, np.ones((finer, finer), np.bool_))
    return float((drawn.astype(bool) & exact).sum() / (drawn.astype(bool) | exact).sum())


# ----- GrabCut --------------------------------------------------------------------------------


def test_grabcut_finds_opaque_items_whatever_way_they_lie():
    rng = np.random.default_rng(4)
    grabcut = open_outliner("grabcut", None)
    scores = []
    for turned_deg in range(0, 180, 15):
        for colour in (GREEN, (40, 60, 200), (210, 205, 200)):
            mask = bottle_mask(turned_deg, length_px=float(rng.uniform(150, 260)))
            picture = photograph(mask, rng, colour=colour)
            (polygon,) = grabcut.outlines(picture, (seen(mask, rng),))
            scores.append(iou(polygon, mask))
    assert np.mean(scores) > 0.93
    assert np.percentile(scores, 10) > 0.88
    assert min(scores) > 0.8


def test_grabcut_of_the_same_picture_is_the_same():
    rng = np.random.default_rng(5)
    mask = bottle_mask(33)
    picture = photograph(mask, rng, opacity=0.5)
    grabcut = open_outliner("grabcut", None)
    first = grabcut.outlines(picture, (seen(mask),))
    cv2.setRNGSeed(999)
    assert grabcut.outlines(picture, (seen(mask),)) == first


def test_grabcut_of_what_cannot_be_seen_is_nothing():
    """A label alone is no outline of a clear bottle: it does not fill the box."""
    rng = np.random.default_rng(6)
    mask = bottle_mask(0)
    label = mask & (np.abs(np.mgrid[0:HEIGHT, 0:WIDTH][1] - 200) < 25)
    picture = photograph(label, rng)
    assert open_outliner("grabcut", None).outlines(picture, (seen(mask),)) == (None,)


def test_grabcut_keeps_the_order_of_the_items():
    rng = np.random.default_rng(7)
    left = bottle_mask(90, length_px=180, middle=(110, 168))
    right = bottle_mask(80, length_px=180, middle=(340, 168))
    picture = photograph(left | right, rng)
    detections = (seen(right), Detection("junk", 0.5, (1.0, 1.0, 4.0, 4.0)), seen(left))
    found = open_outliner("grabcut", None).outlines(picture, detections)
    assert iou(found[0], right) > 0.8
    assert found[1] is None
    assert iou(found[2], left) > 0.8


@pytest.mark.parametrize(
    "box",
    [
        (0.0, 0.0, float(WIDTH), float(HEIGHT)),
        (10.0, 10.0, 10.0, 300.0),
        (300.0, 200.0, 100.0, 50.0),
        (20.0, 20.0, 26.0, 300.0),
    ],
)
def test_grabcut_of_a_box_with_nothing_around_or_in_it_is_nothing(box):
    picture = photograph(bottle_mask(20), np.random.default_rng(8))
    assert open_outliner("grabcut", None).outlines(picture, (Detection("x", 1, box),)) == (None,)


def test_grabcut_of_a_picture_of_one_colour_does_not_break():
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    detection = Detection("x", 1.0, (100.0, 100.0, 300.0, 200.0))
    (polygon,) = open_outliner("grabcut", None).outlines(picture, (detection,))
    assert polygon is None or best_of(bounds(polygon), detection.box) == 0


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.floats(-600, 900)] * 4))
def test_an_outline_lies_in_the_picture_whatever_the_box_says(seed, edges):
    rng = np.random.default_rng(seed)
    picture = cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), (96, 72))
    x1, y1, x2, y2 = edges
    (item, *_) = (*items_on([Detection("x", 1.0, edges)], width=96, height=72, items_max=1), None)
    if item is None:
        assert not (x1 < x2 and y1 < y2) or x2 <= 0 or y2 <= 0 or x1 >= 96 or y1 >= 72
        return
    for polygon in open_outliner("grabcut", None).outlines(picture, (item,)):
        assert polygon is None or (
            3 <= len(polygon) <= CORNERS_MAX
            and all(0 <= x <= 96 and 0 <= y <= 72 for x, y in polygon)
        )


# ----- Polygons -------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 2.8])
def test_a_polygon_is_the_mask(scale):
    for turned_deg in (0, 21, 45, 77):
        mask = bottle_mask(turned_deg)
        polygon = polygon_of(mask, Patch(0, 0, scale), height=1000, width=1300)
        assert iou([(x / scale, y / scale) for x, y in polygon], mask) > 0.975
        assert len(polygon) <= CORNERS_MAX


def test_a_polygon_is_moved_scaled_and_clipped():
    mask = np.zeros((40, 40), np.bool_)
    mask[10:30, 5:35] = True
    polygon = polygon_of(mask, Patch(100, -30, 3.0), height=50, width=180)
    x1, y1, x2, y2 = bounds(polygon)[0]
    assert (x1, y1, x2, y2) == pytest.approx((115, 0, 180, 50), abs=1.0)


def test_of_several_pieces_the_largest_counts_and_none_is_none():
    mask = np.zeros((60, 60), np.bool_)
    assert polygon_of(mask, Patch(0, 0, 1), height=60, width=60) is None
    mask[2:6, 2:6] = mask[20:50, 20:55] = True
    polygon = polygon_of(mask, Patch(0, 0, 1), height=60, width=60)
    assert bounds(polygon)[0].tolist() == pytest.approx([20, 20, 55, 50], abs=0.6)


def test_a_ragged_mask_has_few_corners_all_the_same():
    rng = np.random.default_rng(1)
    mask = cv2.GaussianBlur(rng.normal(0, 1, (300, 300)), (0, 0), 2) > 0
    polygon = polygon_of(mask, Patch(0, 0, 1), height=300, width=300)
    assert 3 <= len(polygon) <= CORNERS_MAX


@given(st.floats(0, 179.9), st.floats(1.5, 6))
def test_the_axis_is_the_way_in_which_a_thing_is_long(turned_deg, ratio):
    corners = cv2.boxPoints(((200.0, 200.0), (40.0 * ratio, 40.0), turned_deg))
    found = axis_deg(tuple((float(x), float(y)) for x, y in corners))
    assert abs((found - turned_deg + 90) % 180 - 90) < 0.5


def test_a_square_has_no_axis():
    assert axis_deg(((0, 0), (40, 0), (40, 42), (0, 42))) is None


# ----- Which items ----------------------------------------------------------------------------

boxes = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True, width=32)] * 4)
detections = st.lists(st.builds(Detection, st.just("soda"), st.floats(0, 1), boxes), max_size=6)


@given(detections, st.integers(1, 4))
def test_items_are_few_sure_and_in_the_picture(given_, items_max):
    items = items_on(given_, width=640, height=480, items_max=items_max)
    assert len(items) <= items_max
    assert [one.confidence for one in items] == sorted(
        (one.confidence for one in items), reverse=True
    )
    for x1, y1, x2, y2 in (one.box for one in items):
        assert 0 <= x1 < x2 <= 640
        assert 0 <= y1 < y2 <= 480


def test_the_liquid_in_a_bottle_is_no_item_of_its_own():
    bottle = Detection("mineral", 0.7, (100, 100, 300, 180))
    liquid = Detection("not_empty", 0.9, (180, 98, 298, 178))
    beside = Detection("soda", 0.8, (280, 100, 400, 180))
    items = items_on([liquid, bottle, beside], width=448, height=336, items_max=4)
    assert [item.class_name for item in items] == ["soda", "mineral"]


def test_the_best_box_is_the_one_that_overlaps_most():
    rows = np.array([[0, 0, 10, 10], [100, 100, 200, 200], [110, 100, 200, 200.0]])
    assert best_of(rows, (112.0, 100.0, 200.0, 200.0)) == 2
    assert best_of(rows, (150.0, 150.0, 400.0, 400.0)) is None
    assert best_of(np.zeros((0, 4)), (0.0, 0.0, 1.0, 1.0)) is None
    assert best_of(np.zeros((1, 4)), (0.0, 0.0, 0.0, 0.0)) is None


# ----- Models that draw -----------------------------------------------------------------------


def outline_model(tmp_path, weights, *, draws="segment", side_px=160, file="model.onnx", **more):
    """A model's directory: a manifest and its weights."""
    (tmp_path / file).write_bytes(weights)
    manifest = {
        "schema": 1,
        "name": "drawn by hand",
        "draws": draws,
        "weights": {
            "file": file,
            "format": file.rpartition(".")[2],
            "size_bytes": len(weights),
            "sha256": hashlib.sha256(weights).hexdigest(),
        },
        "input": {"width_px": side_px, "height_px": side_px, "padding_level": 114},
        "provenance": {
            "made_by": "a test", "trained_on": "nothing", "licence": "ours",
            "thresholds_chosen": "by hand",
        },
        **more,
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def rows(*boxes, confidence=0.9):
    return np.array([[[*box, confidence, 0, 1.0] for box in boxes]], np.float32)


def test_a_segmentation_network_draws_what_fits_the_box(tmp_path):
    mask = bottle_mask(25)
    picture = np.where(mask[..., None], 230, 30).astype(np.uint8).repeat(3, axis=2)
    x1, y1, x2, y2 = box_of(mask)
    scale, top = 160 / WIDTH, (160 - HEIGHT * 160 / WIDTH) / 2
    inside = (x1 * scale, y1 * scale + top, x2 * scale, y2 * scale + top)
    weights = brightness_segmenter(160, rows((0, 0, 20, 20), inside))
    segmenter = open_outliner("segment", outline_model(tmp_path, weights))
    elsewhere = Detection("can", 0.9, (300.0, 10.0, 440.0, 60.0))
    found = segmenter.outlines(picture, (elsewhere, seen(mask)))
    assert found[0] is None
    assert iou(found[1], mask) > 0.85  # its prototypes are 40 x 40
    segmenter.close()


def test_what_a_network_is_not_sure_of_is_not_drawn(tmp_path):
    mask = bottle_mask(0)
    weights = brightness_segmenter(160, rows((0, 0, 160, 160), confidence=0.2))
    segmenter = open_outliner("segment", outline_model(tmp_path, weights))
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    assert segmenter.outlines(picture, (seen(mask),)) == (None,)
    with pytest.raises(FrameInvalid):
        segmenter.outlines(picture[..., 0], (seen(mask),))


def test_numbers_that_are_none_are_refused(tmp_path):
    weights = brightness_segmenter(160, rows((0, 0, np.nan, 160)))
    segmenter = open_outliner("segment", outline_model(tmp_path, weights))
    with pytest.raises(ContractBroken, match="numbers that are none"):
        segmenter.outlines(np.zeros((HEIGHT, WIDTH, 3), np.uint8), (seen(bottle_mask(0)),))


def test_a_model_is_verified_before_it_is_loaded(tmp_path):
    weights = brightness_segmenter(160, rows((0, 0, 160, 160)))
    model = outline_model(tmp_path, weights)
    (model / "model.onnx").write_bytes(weights[:-1] + b"\x00")
    with pytest.raises(DigestMismatch):
        open_outliner("segment", model)
    with pytest.raises(WeightsUnreadable, match="export it again"):
        open_outliner("segment", outline_model(tmp_path, b"no network"))


def test_a_detector_is_no_segmentation_network(tmp_path):
    weights = brightness_segmenter(160, np.zeros((1, 5, 6), np.float32))
    with pytest.raises(ContractBroken, match="export a segmentation model"):
        open_outliner("segment", outline_model(tmp_path, weights))
    weights = brightness_segmenter(160, rows((0, 0, 160, 160)))
    with pytest.raises(ContractBroken, match="correct `input`"):
        open_outliner("segment", outline_model(tmp_path, weights, side_px=320))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"schema": 2}, "schema"),
        ({"draws": "sam2"}, 'draws by "sam2"'),
        ({"output": "end_to_end"}, "output"),
        ({"typo": 1}, "typo"),
    ],
)
def test_a_manifest_says_what_it_must_say(tmp_path, more, says):
    with pytest.raises(ManifestInvalid, match=says):
        open_outliner("segment", outline_model(tmp_path, b"x", **more))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ModelMissing, match=r"set detail\.outline_model"):
        open_outliner("sam2", None)
    with pytest.raises(ModelMissing, match="there is no"):
        open_outliner("segment", tmp_path / "none")
    with pytest.raises(ManifestInvalid, match=r"\.pt only"):
        open_outliner("sam2", outline_model(tmp_path, b"x", draws="sam2"))


@pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is not None, reason="ultralytics is installed"
)
@pytest.mark.parametrize("draws", ["segment", "sam2"])
def test_without_ultralytics_the_cure_is_named(tmp_path, draws):
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    model = outline_model(tmp_path, empty.getvalue(), draws=draws, file="sam2_t.pt")
    with pytest.raises(BackendMissing, match=r"pip install 'rvm-edge\[ultralytics\]'"):
        open_outliner(draws, model)


def test_sam2_draws_with_random_weights(tmp_path):
    """What it draws is chance; that it loads, is shown boxes and answers for each is not."""
    torch = pytest.importorskip("torch")
    build = pytest.importorskip("ultralytics.models.sam.build")
    torch.save({"model": build.build_sam2_t(checkpoint=None).state_dict()}, tmp_path / "w")
    weights = (tmp_path / "w").read_bytes()
    model = outline_model(tmp_path, weights, draws="sam2", side_px=320, file="sam2_t.pt")
    sam2 = open_outliner("sam2", model)
    mask = bottle_mask(10)
    picture = photograph(mask, np.random.default_rng(1))
    found = sam2.outlines(picture, (seen(mask), seen(mask)))
    assert len(found) == 2
    assert sam2.outlines(picture, ()) == ()
    for polygon in filter(None, found):
        assert (bounds(polygon)[0] <= [WIDTH, HEIGHT] * 2).all()


def test_a_pt_segmentation_model_draws_with_random_weights(tmp_path):
    ultralytics = pytest.importorskip("ultralytics")
    ultralytics.YOLO("yolo26n-seg.yaml").save(tmp_path / "w")
    weights = (tmp_path / "w").read_bytes()
    model = outline_model(tmp_path, weights, side_px=160, file="m.pt", seen_from=0.001)
    segmenter = open_outliner("segment", model)
    picture = photograph(bottle_mask(10), np.random.default_rng(1))
    assert len(segmenter.outlines(picture, (seen(bottle_mask(10)),))) == 1


class Call:
    """A pickle that would call something."""

    def __reduce__(self):
        return (print, ("called",))


@pytest.mark.parametrize("content", [b"no network", pickle.dumps(Call())])
def test_a_pt_that_is_no_network_is_refused_before_anything_is_imported(tmp_path, content, capsys):
    with pytest.raises(ModelError):
        open_outliner("sam2", outline_model(tmp_path, content, draws="sam2", file="sam2_t.pt"))
    assert "called" not in capsys.readouterr().out


def test_a_pt_whose_name_is_no_size_of_sam2_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"model": {}}, tmp_path / "w")
    weights = (tmp_path / "w").read_bytes()
    pytest.importorskip("ultralytics")
    model = outline_model(tmp_path, weights, draws="sam2", file="other.pt")
    with pytest.raises(WeightsUnreadable, match=r"sam2_t\.pt"):
        open_outliner("sam2", model)
