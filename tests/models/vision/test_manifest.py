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
    read_weights,
)
from models.vision.errors import (
    DigestMismatch,
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
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"classes": []}, "classes"),
        ({"classes": ["mineral", "mineral"]}, "twice"),
        ({"classes": ["Mineral!"]}, "classes"),
        ({"thresholds": {"mineral": 0.5}}, "soda"),
        ({"seen_from": 0.3}, "soda"),
        ({"seen_from": 1.3}, "seen_from"),
        ({"output": "raw"}, "output"),
        ({"surprise": 1}, "surprise"),
        ({"weights": None}, "weights"),
        ({"input": {"side_px": -1, "padding_level": 114}}, "side_px"),
    ],
)
def test_wrong_manifest(model_copy, change, names):
    edit(model_copy, **change)
    with pytest.raises(ManifestInvalid, match=names):
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
    with pytest.raises(WeightsUnreadable, match="detector-v0"):
        open_detector(model_copy)
