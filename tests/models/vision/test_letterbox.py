"""The way into the square and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.errors import FrameInvalid
from models.vision.letterbox import boxes_in_picture, check_frame, fit, letterbox


def test_a_wide_picture_gets_bars_above_and_below():
    tensor, where = letterbox(np.full((336, 448, 3), 255, np.uint8), 320, 114)
    assert tensor.shape == (1, 3, 320, 320)
    assert tensor.dtype == np.float32
    assert (where.left_px, where.top_px, where.width_px, where.height_px) == (0, 40, 320, 240)
    assert tensor[0, :, 39, :] == pytest.approx(114 / 255)
    assert (tensor[0, :, 40:280, :] == 1.0).all()
    assert tensor[0, :, 280, :] == pytest.approx(114 / 255)


def test_blue_green_red_becomes_red_green_blue():
    frame = np.zeros((320, 320, 3), np.uint8)
    frame[:, :, 0] = 255
    tensor, _ = letterbox(frame, 320, 114)
    assert tensor[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_the_odd_pixel_goes_where_ultralytics_puts_it():
    where = fit(100, 320, 321)
    assert (where.top_px, where.height_px) == (110, 100)
    assert fit(99, 320, 320).top_px == 110


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(32, 1280))
def test_every_picture_lies_inside_the_square(height, width, side_px):
    where = fit(height, width, side_px)
    assert where.left_px >= 0
    assert where.top_px >= 0
    assert where.left_px + where.width_px <= side_px
    assert where.top_px + where.height_px <= side_px


@given(st.integers(2, 2000), st.integers(2, 2000))
def test_the_whole_square_is_the_whole_picture(height, width):
    boxes = np.array([[0, 0, 320, 320], [-50, -50, 900, 900]], np.float32)
    back = boxes_in_picture(boxes, fit(height, width, 320), height, width)
    assert back == pytest.approx(np.array([[0, 0, width, height]] * 2))


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
