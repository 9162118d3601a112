"""The way into the rectangle and back."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.vision.errors import FrameInvalid
from models.vision.letterbox import Letterbox, boxes_in_picture, check_frame, fit

GREY = pytest.approx(114 / 255)
sides = st.integers(32, 1280)


def test_a_wide_picture_gets_bars_above_and_below():
    box = Letterbox(320, 320, 114)
    where = box.fill(np.full((336, 448, 3), 255, np.uint8))
    tensor = box.tensor
    assert tensor.shape == (1, 3, 320, 320)
    assert tensor.dtype == np.float32
    assert (where.left_px, where.top_px, where.width_px, where.height_px) == (0, 40, 320, 240)
    assert tensor[0, :, 39, :] == GREY
    assert (tensor[0, :, 40:280, :] == 1.0).all()
    assert tensor[0, :, 280, :] == GREY


def test_a_rectangle_of_the_pictures_proportions_has_no_bars():
    box = Letterbox(384, 288, 114)
    where = box.fill(np.full((480, 640, 3), 255, np.uint8))
    assert box.tensor.shape == (1, 3, 288, 384)
    assert where == (0.6, 0, 0, 384, 288)
    assert (box.tensor == 1.0).all()


def test_blue_green_red_becomes_red_green_blue():
    frame = np.zeros((320, 320, 3), np.uint8)
    frame[:, :, 0] = 255
    box = Letterbox(320, 320, 114)
    box.fill(frame)
    assert box.tensor[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_the_odd_pixel_goes_where_ultralytics_puts_it():
    where = fit(100, 320, 321, 321)
    assert (where.top_px, where.height_px) == (110, 100)
    assert fit(99, 320, 320, 320).top_px == 110


@given(st.integers(1, 5000), st.integers(1, 5000), sides, sides)
def test_every_picture_lies_inside_the_rectangle(height, width, input_height, input_width):
    where = fit(height, width, input_height, input_width)
    assert where.left_px >= 0
    assert where.top_px >= 0
    assert where.left_px + where.width_px <= input_width
    assert where.top_px + where.height_px <= input_height


@given(st.integers(2, 2000), st.integers(2, 2000), sides, sides)
def test_the_whole_rectangle_is_the_whole_picture(height, width, input_height, input_width):
    boxes = np.array([[0, 0, input_width, input_height], [-50, -50, 9000, 9000]], np.float32)
    back = boxes_in_picture(boxes, fit(height, width, input_height, input_width), height, width)
    assert back == pytest.approx(np.array([[0, 0, width, height]] * 2))


def test_edges_in_the_wrong_order_are_put_right():
    boxes = np.array([[50, 10, 20, 40], [20, 40, 50, 10]], np.float32)
    back = boxes_in_picture(boxes, fit(64, 96, 64, 96), 64, 96)
    assert back.tolist() == [[20, 10, 50, 40]] * 2


def plainly(frame, width_px, height_px, level):
    """The same, written without buffers and tricks."""
    where = fit(*frame.shape[:2], height_px, width_px)
    inside = cv2.resize(frame, (where.width_px, where.height_px), interpolation=cv2.INTER_LINEAR)
    whole = np.full((height_px, width_px, 3), level, np.uint8)
    whole[
        where.top_px : where.top_px + where.height_px,
        where.left_px : where.left_px + where.width_px,
    ] = inside
    return whole[:, :, ::-1].transpose(2, 0, 1)[np.newaxis].astype(np.float32) / np.float32(255)


shapes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@settings(deadline=None)
@given(st.lists(shapes, min_size=1, max_size=6), st.integers(32, 80), st.integers(32, 80))
def test_nothing_of_an_earlier_picture_is_left(pictures, width_px, height_px):
    """Whatever came before: the buffer holds what a fresh one would hold, to the bit."""
    rng = np.random.default_rng(0)
    box = Letterbox(width_px, height_px, 114)
    for height, width in pictures:
        frame = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        box.fill(frame)
        assert (box.tensor == plainly(frame, width_px, height_px, 114)).all()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((4, 4), np.uint8), "GRAY2BGR"),
        (np.zeros((4, 4, 4), np.uint8), "BGRA2BGR"),
        (np.zeros((4, 4, 1), np.uint8), "H, W, 3"),
        (np.zeros((1, 4, 4, 3), np.uint8), "H, W, 3"),
        (np.zeros((0, 4, 3), np.uint8), "one pixel"),
        (np.zeros((4, 0, 3), np.uint8), "one pixel"),
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.zeros((1, 70_000, 3), np.uint8), "65500"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_frame_is_refused(frame, says):
    with pytest.raises(FrameInvalid, match=says):
        check_frame(frame)
