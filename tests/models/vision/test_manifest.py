"""A model is verified before it is loaded, and says what is wrong with it."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.acceptance import ACCEPTED_CLASS, REFUSING
from models.vision import (
    default_detector_directory,
    load_manifest,
    open_detector,
    read_golden,
    read_weights,
)
from models.vision.errors import (
    DigestMismatch,
    GoldenMissing,
    ManifestInvalid,
    ModelMissing,
    WeightsMissing,
    WeightsUnreadable,
)


def edit(directory, **changes):
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_shipped_model_is_whole():
    manifest = load_manifest(default_detector_directory())
    assert set(manifest.classes) == {ACCEPTED_CLASS, *REFUSING}
    assert manifest.provenance.known_weaknesses
    assert len(read_weights(default_detector_directory(), manifest)) == manifest.weights.size_bytes
    for golden in manifest.golden:
        assert read_golden(default_detector_directory(), golden)


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_directory(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ModelMissing, match=name):
        load_manifest(tmp_path / name)


def test_no_manifest(tmp_path):
    with pytest.raises(ModelMissing, match=r"manifest\.json"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"schema": True}, "schema"),
        ({"schema": "2"}, "schema"),
        ({"schema": 3}, "update rvm-edge"),
        ({"classes": []}, "classes"),
        ({"classes": ["mineral", "mineral"]}, "twice"),
        ({"classes": ["Mineral!"]}, "classes"),
        ({"thresholds": {"mineral": 0.5}}, "soda"),
        ({"seen_from": 0.99}, "soda"),
        ({"seen_from": 1.3}, "seen_from"),
        ({"output": "raw"}, "output"),
        ({"surprise": 1}, "surprise"),
        ({"weights": None}, "weights"),
        ({"input": {"side_px": 320, "padding_level": 114}}, "side_px"),
        ({"input": {"width_px": 31, "height_px": 32, "padding_level": 114}}, "width_px"),
        ({"input": {"width_px": 32, "height_px": 5000, "padding_level": 114}}, "height_px"),
        ({"input": {"width_px": 32, "padding_level": 114}}, "height_px"),
        ({"card": "../card.md"}, "card"),
        ({"golden": [{"file": "a.png", "sha256": "0", "decision": "empty"}]}, "sha256"),
    ],
)
def test_wrong_manifest(model_copy, change, names):
    edit(model_copy, **change)
    with pytest.raises(ManifestInvalid, match=names):
        load_manifest(model_copy)


def test_an_old_manifest_says_what_to_write_instead(model_copy):
    edit(model_copy, schema=1, input={"side_px": 320, "padding_level": 114})
    with pytest.raises(ManifestInvalid, match=r"width_px and height_px instead of side_px"):
        load_manifest(model_copy)


def test_a_file_of_gigabytes_is_not_read(model_copy):
    with (model_copy / "manifest.json").open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ManifestInvalid, match="larger than"):
        load_manifest(model_copy)


def golden_picture(directory, name="golden/one.png", **changes):
    content = b"a picture, or so it says"
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "decision": "accept",
        "boxes": [{"class": "mineral", "confidence": 0.9, "box": [1, 2, 30, 40]}],
        **changes,
    }


def test_golden_pictures_are_part_of_the_model(model_copy):
    edit(model_copy, golden=[golden_picture(model_copy, iou_min=0.8)], card="card.md")
    manifest = load_manifest(model_copy)
    (golden,) = manifest.golden
    assert (golden.decision, golden.iou_min, golden.confidence_tolerance) == ("accept", 0.8, 0.05)
    assert golden.boxes[0].class_name == "mineral"
    assert golden.boxes[0].box == (1, 2, 30, 40)
    assert read_golden(model_copy, golden).startswith(b"a picture")
    open_detector(model_copy).close()


def test_a_changed_golden_picture_changes_the_model(model_copy):
    edit(model_copy, golden=[golden_picture(model_copy)])
    (model_copy / "golden/one.png").write_bytes(b"another picture")
    with pytest.raises(DigestMismatch, match=r"one\.png"):
        open_detector(model_copy)


def test_a_golden_picture_that_is_gone(model_copy):
    edit(model_copy, golden=[golden_picture(model_copy)])
    (model_copy / "golden/one.png").unlink()
    with pytest.raises(GoldenMissing, match="install the model again"):
        open_detector(model_copy)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"boxes": [{"class": "glass", "confidence": 0.9, "box": [0, 0, 1, 1]}]}, "glass"),
        ({"boxes": [{"class": "mineral", "confidence": 0.001, "box": [0, 0, 1, 1]}]}, "threshold"),
        ({"boxes": [{"class": "mineral", "confidence": 0.9, "box": [5, 0, 1, 1]}]}, "empty box"),
        ({"boxes": [{"class": "mineral", "confidence": 0.9, "box": [-5, 0, 1, 1]}]}, "box"),
        ({"decision": "perhaps"}, "decision"),
        ({"iou_min": 1.5}, "iou_min"),
        ({"file": "../one.png"}, "file"),
        ({"file": "golden/deep/one.png"}, "file"),
        ({"file": ".one.png"}, "file"),
    ],
)
def test_wrong_golden_pictures(model_copy, changes, names):
    edit(model_copy, golden=[{**golden_picture(model_copy), **changes}])
    with pytest.raises(ManifestInvalid, match=names):
        load_manifest(model_copy)


def test_a_golden_picture_counts_once(model_copy):
    edit(model_copy, golden=[golden_picture(model_copy)] * 2)
    with pytest.raises(ManifestInvalid, match="twice"):
        load_manifest(model_copy)


def test_threshold_of_no_class(model_copy):
    thresholds = load_manifest(model_copy).thresholds
    edit(model_copy, thresholds={**thresholds, "glass": 0.5})
    with pytest.raises(ManifestInvalid, match="glass"):
        load_manifest(model_copy)


@pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "", ".hidden", "a/b"])
def test_weights_lie_in_the_directory(model_copy, file):
    weights = json.loads((model_copy / "manifest.json").read_text())["weights"]
    edit(model_copy, weights={**weights, "file": file})
    with pytest.raises(ManifestInvalid, match="file"):
        load_manifest(model_copy)


@given(st.binary(max_size=200))
def test_garbage_is_refused_with_an_error_of_ours(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("model")
    (directory / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestInvalid):
        load_manifest(directory)


def test_weights_missing(model_copy):
    (model_copy / "model.onnx").unlink()
    with pytest.raises(WeightsMissing, match=r"model\.onnx"):
        open_detector(model_copy)


@pytest.mark.parametrize("position", [0, 4_000_000, -1])
def test_one_flipped_bit(model_copy, position):
    path = model_copy / "model.onnx"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(DigestMismatch, match="SHA-256"):
        open_detector(model_copy)


@pytest.mark.parametrize("keep_bytes", [0, 1000, -1])
def test_truncated(model_copy, keep_bytes):
    path = model_copy / "model.onnx"
    path.write_bytes(path.read_bytes()[:keep_bytes])
    with pytest.raises(DigestMismatch, match="bytes"):
        open_detector(model_copy)


@pytest.mark.parametrize("content", [b"not a network", b"\x08\x08" * 50_000])
def test_authentic_but_no_network(model_copy, content):
    (model_copy / "model.onnx").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    weights = {"file": "model.onnx", "format": "onnx", "size_bytes": len(content), "sha256": digest}
    edit(model_copy, weights=weights)
    with pytest.raises(WeightsUnreadable, match=default_detector_directory().name):
        open_detector(model_copy)
