"""Bar codes: what is read off drawn bottles, and what of it is believed."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.articles import Article
from models.vision.barcode import Reading, check_digit, normalised, settle
from models.vision.barcode.decoders import OpenCvDecoder, open_decoders
from models.vision.barcode.reader import BarcodeReader
from models.world.catalogue import load_catalogue
from tests.models.vision.labels import Label, draw, random_ean

KNOWN = "2000000000008"
ARTICLES = {KNOWN: Article(KNOWN, "Spring water 0.33 l", "pet", accepted=True)}
twelve = st.text("0123456789", min_size=12, max_size=12)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def both():
    pytest.importorskip("zxingcpp")
    return BarcodeReader(open_decoders())


def listed(*codes: str) -> dict[str, Article]:
    return {code: Article(code, f"article {code}", "pet", accepted=True) for code in codes}


def read(reader, label, rng, **given):
    picture, box = draw(label, rng)
    return reader.read(picture, box, 0, **given)


# ----- Digits ---------------------------------------------------------------------------------


@given(twelve)
def test_thirteen_digits_with_a_right_check_digit_are_a_code(digits):
    code = digits + str(check_digit(digits))
    assert normalised(code) == code


@given(twelve)
def test_a_upc_has_a_zero_before_it(digits):
    code = "0" + digits[:11] + str(check_digit("0" + digits[:11]))
    assert normalised(code[1:]) == code == normalised(code)


@given(twelve, st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_seen(digits, place, off):
    code = digits + str(check_digit(digits))
    wrong = code[:place] + str((int(code[place]) + off) % 10) + code[place + 1 :]
    assert normalised(wrong) is None


@given(st.text())
def test_nothing_but_codes_is_taken_for_one(text):
    code = normalised(text)
    assert code is None or (len(text) in (12, 13) and text.isascii() and code.endswith(text))


@pytest.mark.parametrize(
    "text", ["", "96385074", "4006381333931 ", "٤٠٠٦٣٨١٣٣٣٩٣١", "400638133393", "04006381333931"]
)
def test_what_only_looks_like_a_code_is_none(text):
    assert normalised(text) is None


def test_a_printed_code_is_one():
    assert normalised("4006381333931") == "4006381333931"


# ----- Believed or not ------------------------------------------------------------------------


readings = st.lists(
    st.builds(
        Reading,
        st.integers(0, 2),
        st.sampled_from(["2000000000008", "2000000000015", "0000000000000", "4006381333931"]),
        st.sampled_from(["opencv", "zxing"]),
    ),
    max_size=12,
)


@given(readings)
def test_a_code_is_believed_only_if_two_agree_in_one_place_or_the_list_knows_it(seen):
    for barcode in settle(seen, ARTICLES):
        by_place: dict[int, set[str]] = {}
        for reading in seen:
            if reading.text == barcode.text:
                by_place.setdefault(reading.place, set()).add(reading.decoder)
        assert barcode.text in ARTICLES or any(len(names) > 1 for names in by_place.values())
        assert set(barcode.decoders) <= set().union(*by_place.values())


@given(readings)
def test_there_are_never_more_codes_than_places(seen):
    assert len(settle(seen, ARTICLES)) <= len({reading.place for reading in seen})


@given(readings, st.randoms())
def test_the_order_of_the_readings_does_not_matter(seen, rng):
    before = settle(seen, ARTICLES)
    rng.shuffle(seen)
    assert settle(seen, ARTICLES) == before


def test_one_decoder_alone_is_not_believed():
    assert settle([Reading(0, "4006381333931", "zxing")], ARTICLES) == ()


def test_one_decoder_and_the_list_are():
    (barcode,) = settle([Reading(0, KNOWN, "opencv")], ARTICLES)
    assert (barcode.text, barcode.decoders) == (KNOWN, ("opencv",))
    assert (barcode.article, barcode.material, barcode.accepted) == (
        "Spring water 0.33 l", "pet", True,
    )  # fmt: skip


def test_two_that_agree_need_no_list():
    seen = [Reading(0, "4006381333931", name) for name in ("zxing", "opencv")]
    (barcode,) = settle(seen, ARTICLES)
    assert (barcode.text, barcode.decoders) == ("4006381333931", ("opencv", "zxing"))
    assert (barcode.article, barcode.material, barcode.accepted) == ("", "", None)


def test_where_two_agree_a_listed_code_of_one_is_a_misread():
    seen = [Reading(0, "4006381333931", name) for name in ("zxing", "opencv")]
    assert [code.text for code in settle([*seen, Reading(0, KNOWN, "zxing")], ARTICLES)] == [
        "4006381333931"
    ]


def test_agreement_about_two_codes_on_one_item_is_none():
    texts = ("4006381333931", KNOWN)
    seen = [Reading(0, text, name) for text, name in product(texts, ("zxing", "opencv"))]
    assert settle(seen, ARTICLES) == ()


def test_two_listed_codes_on_one_item_are_none():
    other = "2000000000015"
    seen = [Reading(0, KNOWN, "zxing"), Reading(0, other, "opencv")]
    assert settle(seen, listed(KNOWN, other)) == ()
    apart = [seen[0], Reading(1, other, "opencv")]
    assert [code.text for code in settle(apart, listed(KNOWN, other))] == [KNOWN, other]


# ----- Read off bottles -----------------------------------------------------------------------


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("turned_deg", [0, 17, 45, 62, 90, 135, 171])
@pytest.mark.parametrize(("module_px", "blur_px", "noise"), [(1.3, 0, 4), (2, 0.6, 12), (3, 1, 8)])
def test_a_code_on_a_bottle_is_read_at_any_angle(
    both, module_px, blur_px, noise, turned_deg, wraps
):
    rng = np.random.default_rng(int(turned_deg * 10 + module_px * 100 + wraps))
    ean = random_ean(rng)
    label = Label(ean, module_px, wraps, turned_deg, blur_px, noise)
    (barcode,) = settle(read(both, label, rng), {})
    assert (barcode.text, len(barcode.decoders)) == (ean, 2)


def test_the_axis_of_the_item_saves_looks_and_costs_no_code(both):
    rng = np.random.default_rng(7)
    for turned_deg in (10, 40, 70, 130, 160):
        ean = random_ean(rng)
        label = Label(ean, 2.0, wraps=False, turned_deg=turned_deg, noise=6)
        seen = read(both, label, rng, axis_deg=float(turned_deg))
        assert [code.text for code in settle(seen, {})] == [ean]


def test_no_wrong_code_is_ever_reported_however_bad_the_picture(both):
    rng = np.random.default_rng(11)
    decoys = listed(*(random_ean(rng) for _ in range(1000)))
    read_right = pictures = 0
    for module_px, blur_px, noise in product((1.2, 1.6, 2.0), (0.8, 1.0, 1.2), (0.0, 15.0)):
        for _ in range(3):
            ean = random_ean(rng)
            turned_deg = float(rng.uniform(0, 180))
            label = Label(ean, module_px, bool(rng.integers(2)), turned_deg, blur_px, noise)
            found = [code.text for code in settle(read(both, label, rng), decoys)]
            assert found in ([], [ean]), label
            read_right += found == [ean]
            pictures += 1
    assert 5 < read_right < pictures - 5  # bad, and not hopeless


def test_a_misread_whose_check_digit_is_right_is_refused(both):
    """The same pictures make one decoder lie, or the test would say nothing."""
    rng = np.random.default_rng(3)
    lies = 0
    for _ in range(60):
        ean = random_ean(rng)
        picture, box = draw(Label(ean, 2.0, blur_px=1.0, noise=4, turned_deg=30), rng)
        seen = both.read(picture, box, 0, axis_deg=30.0)
        lies += any(reading.text != ean for reading in seen)
        assert {code.text for code in settle(seen, {})} <= {ean}
    assert lies > 0


def test_without_zxing_only_codes_of_the_list_count():
    reader = BarcodeReader([OpenCvDecoder()])
    rng = np.random.default_rng(5)
    for ean in (KNOWN, random_ean(rng)):
        seen = read(reader, Label(ean, 3.0, turned_deg=20), rng)
        assert {(one.text, one.decoder) for one in seen} == {(ean, "opencv")}
        assert [code.text for code in settle(seen, ARTICLES)] == ([ean] if ean == KNOWN else [])


def test_there_is_no_code_where_there_is_none():
    reader = BarcodeReader(open_decoders())
    for item in list(load_catalogue())[:8]:
        picture = cv2.imread(str(item.picture))
        height, width = picture.shape[:2]
        assert reader.read(picture, (0.0, 0.0, float(width), float(height)), 0) == ()


@pytest.mark.parametrize(
    "box",
    [
        (0.0, 0.0, 0.0, 0.0),
        (-50.0, -50.0, -10.0, -10.0),
        (600.0, 100.0, 300.0, 50.0),
        (10.0, 10.0, 60.0, 40.0),
        (1e9, 0.0, 2e9, 100.0),
        (0.0, 0.0, 640.0, 1.0),
    ],
)
def test_a_box_without_room_for_a_code_is_not_looked_at(box):
    picture = np.zeros((480, 640, 3), dtype=np.uint8)
    assert BarcodeReader(open_decoders()).read(picture, box, 0) == ()


def test_noise_breaks_no_decoder():
    reader = BarcodeReader(open_decoders())
    rng = np.random.default_rng(1)
    for height, width in ((100, 3), (96, 96), (130, 400), (300, 97)):
        stripes = np.repeat(rng.integers(0, 2, (1, width)) * 255, height, axis=0)
        for picture in (rng.integers(0, 256, (height, width)), stripes):
            colour = np.repeat(picture[..., np.newaxis], 3, axis=2).astype(np.uint8)
            assert isinstance(reader.read(colour, (0.0, 0.0, width, height), 0), tuple)


def test_no_look_is_begun_once_time_is_up():
    rng = np.random.default_rng(2)
    looks = iter([True, False])
    reader = BarcodeReader([OpenCvDecoder()])
    label = Label(KNOWN, 1.2, blur_px=1.5)
    assert read(reader, label, rng, may_go_on=lambda: next(looks)) == ()
    assert list(looks) == []
