"""What is measured on a frame, and what is made of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import CameraSettings
from models.vision.liveness import (
    Measures,
    Sight,
    is_tearing,
    measure,
    see,
    thinned,
    words_of,
)

LIMITS = CameraSettings()
GOOD = Measures(40.0, 60.0, 0.5, 0.0, 0.0, 1.6)
SHAPES = [(336, 448), (720, 1280), (480, 641), (1080, 1920), (120, 160)]


def scene(shape=(336, 448), seed=1):
    """Something to look at: smooth, neither dark nor bright."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    wave = 90 + 60 * np.sin(x / 17 + seed) * np.cos(y / 23)
    return np.repeat(wave[:, :, np.newaxis], 3, axis=2)


def exposed(picture, rng, sigma=1.6):
    """A sensor's frame of it."""
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def seen(measures, *, times=1, limits=LIMITS, sight=None, is_coded=False, every_s=0.04):
    sight = sight or Sight()
    faults = []
    for number in range(times):
        sight, fault = see(sight, measures, number * every_s, limits, is_coded=is_coded)
        faults.append(fault)
    return sight, faults


# ----- measuring ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_two_exposures_of_one_scene_share_nothing_to_the_bit(rng, shape):
    first, second = (thinned(exposed(scene(shape), rng)) for _ in range(2))
    found = measure(second, [first])
    assert found.same_percent < 1
    assert found.band_percent == 0
    assert found.noise_levels == pytest.approx(1.6, rel=0.2)
    assert seen(found)[1] == [""]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_repeated_frame_is_wholly_the_same(rng, shape):
    frame = exposed(scene(shape), rng)
    found = measure(thinned(frame.copy()), [thinned(frame)])
    assert (found.same_percent, found.band_percent, found.noise_levels) == (100, 100, 0)
    assert seen(found)[1] == ["frozen"]


def test_a_clock_in_a_frozen_picture_does_not_make_it_alive(rng):
    before = exposed(scene(), rng)
    frame = before.copy()
    frame[310:330, 10:150] = 255 - frame[310:330, 10:150]
    found = measure(thinned(frame), [thinned(before)])
    assert 90 < found.same_percent < 100
    assert seen(found)[1] == ["frozen"]


def test_two_buffers_repeated_in_turn_are_frozen_as_well(rng):
    first, second = (thinned(exposed(scene(), rng)) for _ in range(2))
    found = measure(first, [first, second])
    assert found.same_percent == 0
    assert seen(found)[1] == ["frozen"]


@pytest.mark.parametrize("old", [0, 1, 2, 3])
@pytest.mark.parametrize("share", [0.12, 0.5, 0.85])
def test_a_band_of_any_of_the_last_frames_is_torn(rng, old, share):
    before = [exposed(scene(seed=number), rng) for number in range(4)]
    frame = exposed(scene(seed=9), rng)
    rows = int(share * len(frame))
    frame[-rows:] = before[old][-rows:]
    found = measure(thinned(frame), [thinned(one) for one in before])
    assert found.band_percent == pytest.approx(share * 100, abs=1)
    assert seen(found)[1] == ["torn"]


@pytest.mark.parametrize("grey", [0, 128])
def test_a_frame_of_which_only_half_was_decoded_is_torn(rng, grey):
    before, frame = (exposed(scene(), rng) for _ in range(2))
    frame[168:] = grey
    found = measure(thinned(frame), [thinned(before)])
    assert found.band_percent == pytest.approx(50, abs=1)
    assert seen(found)[1] == ["torn"]
    assert seen(measure(thinned(frame), []))[1] == ["torn"]


def test_a_stripe_at_its_brightest_is_no_tear(rng):
    frames = [exposed(scene(), rng) for _ in range(2)]
    for frame in frames:
        frame[100:160] = 255
    found = measure(thinned(frames[1]), [thinned(frames[0])])
    assert found.band_percent == 0
    assert seen(found)[1] == [""]


def test_what_a_codec_did_not_send_is_no_tear(rng):
    before, frame = (exposed(scene(), rng) for _ in range(2))
    frame[168:] = before[168:]
    found = measure(thinned(frame), [thinned(before)], is_coded=True)
    assert seen(found, is_coded=True)[1] == [""]


def test_a_coded_picture_is_frozen_once_it_has_stood_still_for_seconds():
    still = Measures(40.0, 60.0, 0.5, 100.0, 0.0, 0.0)
    sight, _ = see(Sight(), GOOD, 0.0, LIMITS, is_coded=True)
    faults = []
    for number in range(1, 60):
        sight, fault = see(sight, still, number / 10, LIMITS, is_coded=True)
        faults.append(fault)
    assert faults.index("frozen") == 49
    assert set(faults[49:]) == {"frozen"}


def test_dark_and_bright(rng):
    black = measure(thinned(exposed(scene() * 0.015, rng)), [])
    assert seen(black)[1] == ["black"]
    white = measure(thinned(exposed(scene() * 0 + 255, rng)), [])
    assert white.saturated_percent > 99
    assert seen(white)[1] == ["over_exposed"]
    dim = measure(thinned(exposed(scene() * 0.15, rng)), [])
    assert seen(dim)[1] == [""]


def test_a_frame_of_another_size_before_it_says_nothing(rng):
    found = measure(thinned(exposed(scene((240, 320)), rng)), [thinned(exposed(scene(), rng))])
    assert (found.same_percent, found.noise_levels) == (0, 0)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_any_size_and_colour_can_be_measured(height, width, level):
    frame = np.full((height, width, 3), level, np.uint8)
    found = measure(thinned(frame), [thinned(frame)])
    assert found.same_percent == 100
    assert found.luma_percent == pytest.approx(level / 2.55, abs=0.5)
    assert all(0 <= getattr(found, name) <= 255 for name in Measures.__struct_fields__)


# ----- judging --------------------------------------------------------------------------------


BAD = {
    "black": Measures(1.0, 2.0, 0.0, 0.0, 0.0, 0.5),
    "over_exposed": Measures(99.0, 100.0, 99.0, 100.0, 0.0, 0.0),
    "frozen": Measures(40.0, 60.0, 0.5, 100.0, 100.0, 0.0),
    "torn": Measures(40.0, 60.0, 0.5, 40.0, 50.0, 0.5),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_frame_is_refused_at_once_and_told_when_others_agree(fault):
    sight, faults = seen(BAD[fault], times=2)
    assert faults == [fault, fault]
    assert sight.fault == ""
    sight, _ = seen(BAD[fault], times=1, sight=sight)
    assert sight.fault == fault
    assert words_of(sight.fault)


@pytest.mark.parametrize("fault", BAD)
def test_it_is_over_when_enough_good_frames_agree(fault):
    told, _ = seen(BAD[fault], times=3)
    sight, faults = seen(GOOD, times=2, sight=told)
    assert faults == ["", ""]
    assert sight.fault == fault
    sight, _ = seen(GOOD, sight=sight)
    assert sight.fault == ""


def test_a_frame_on_the_line_does_not_flutter():
    line = Measures(3.0, LIMITS.black_level_percent + 0.5, 0.0, 0.0, 0.0, 1.0)
    assert seen(line)[1] == [""]
    told, _ = seen(BAD["black"], times=3)
    assert seen(line, sight=told)[1] == ["black"]


def test_one_bad_frame_among_good_ones_is_never_told():
    sight = Sight()
    for number in range(30):
        bad = number % 2 == 0
        sight, _ = see(sight, BAD["black"] if bad else GOOD, number / 10, LIMITS)
        assert sight.fault == ""


def test_six_torn_frames_in_ten_seconds_are_too_many():
    sight, _ = seen(None, times=5)
    assert not is_tearing(sight, LIMITS)
    sight, fault = see(sight, BAD["torn"], 1.0, LIMITS)
    assert fault == "torn"
    assert is_tearing(sight, LIMITS)
    late, _ = see(sight, GOOD, 12.0, LIMITS)
    assert not is_tearing(late, LIMITS)


@given(st.lists(st.sampled_from([*BAD.values(), GOOD, None]), max_size=60))
def test_what_is_told_was_agreed_on_by_the_newest_frames(frames):
    sight, faults = Sight(), []
    for number, measures in enumerate(frames):
        before = sight.fault
        sight, fault = see(sight, measures, number / 30, LIMITS)
        faults.append(fault)
        if sight.fault != before:
            assert faults[-LIMITS.alarm_frames :] == [sight.fault] * LIMITS.alarm_frames
    assert len(sight.torn_at_s) <= faults.count("torn")
