"""The TensorRT back end on stand-ins for TensorRT and CUDA: building, keeping, running, failing."""

import os
from contextlib import closing

import numpy as np
import pytest

from models.vision import open_detector
from models.vision.backends.cuda import Cuda
from models.vision.errors import (
    BackendMissing,
    ContractBroken,
    EngineFailed,
    InferenceFailed,
    ModelError,
    OutOfMemory,
    VisionError,
    WeightsUnreadable,
)
from tests.models.vision.maker import manifest_of, write_model
from tests.models.vision.tiny_onnx import network

ROWS = [[1, 2, 30, 40, 0.9, 0], [5, 6, 70, 80, 0.5, 2]]
VERSIONS = ("8.6.1", "10.3.0", "11.4.0")
FRAME = np.zeros((64, 96, 3), np.uint8)


@pytest.fixture(params=VERSIONS)
def here(request, install_tensorrt):
    return install_tensorrt(request.param)


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model", network(ROWS))


def look(directory, **options):
    """Open with TensorRT, look once, close; what was seen and the detector's info."""
    with closing(open_detector(directory, backend="tensorrt", **options)) as detector:
        return detector.detect(FRAME), detector.info


def builds(here):
    return len(here.trt.built)


# ----- building -------------------------------------------------------------------------------


def test_half_precision_where_the_builder_has_it(here, model):
    look(model)
    (config,) = here.trt.built
    half = getattr(here.trt.BuilderFlag, "FP16", None)
    assert config.flags == ({half} if half is not None else set())
    assert (half is None) == (here.trt.__version__ == "11.4.0")
    assert config.pools == {here.trt.MemoryPoolType.WORKSPACE: 512 << 20}


def test_built_once_and_kept(here, model, tmp_path):
    cache = tmp_path / "cache"
    seen, info = look(model, cache=cache)
    assert [one.class_name for one in seen] == ["mineral", "soda"]
    assert info.backend == f"tensorrt {here.trt.__version__}"
    for _ in range(3):
        assert look(model, cache=cache) == (seen, info)
    assert builds(here) == 1
    assert len(list(cache.glob("*.engine"))) == 1
    assert all(not path.stat().st_mode & 0o077 for path in cache.iterdir())


def test_without_a_cache_it_is_built_every_time(here, model):
    look(model)
    look(model)
    assert builds(here) == 2


def test_not_built_where_there_is_no_time_for_it(here, model, tmp_path):
    with pytest.raises(EngineFailed, match="no engine of tiny for this GPU yet"):
        look(model, cache=tmp_path / "cache", build=False)
    look(model, cache=tmp_path / "cache")
    look(model, cache=tmp_path / "cache", build=False)
    assert builds(here) == 1


def damage(path, how):
    content = path.read_bytes()
    match how:
        case "truncated":
            path.write_bytes(content[:-1])
        case "flipped":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "writable by others":
            path.chmod(0o602)
        case "of another":
            os.chown(path, 12345, 12345)


@pytest.mark.parametrize("which", ["*.engine", "*.engine.json"])
@pytest.mark.parametrize(
    "how", ["truncated", "flipped", "empty", "gone", "writable by others", "of another"]
)
def test_an_engine_that_cannot_be_trusted_is_built_again(
    install_tensorrt, model, tmp_path, which, how
):
    if how == "of another" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    here = install_tensorrt("10.3.0")
    cache = tmp_path / "cache"
    seen, _ = look(model, cache=cache)
    (path,) = cache.glob(which)
    damage(path, how)
    assert look(model, cache=cache)[0] == seen
    assert builds(here) == 2
    assert look(model, cache=cache)[0] == seen
    assert builds(here) == 2


def test_an_engine_that_the_library_refuses_is_built_again(install_tensorrt, model, tmp_path):
    """As after an update that kept the version's name: deserialize gives None."""
    here = install_tensorrt("10.3.0")
    cache = tmp_path / "cache"
    seen, _ = look(model, cache=cache)
    from models.vision.backends.engines import Key, write_engine

    weights = model / "model.onnx"
    foreign = here.trt.plan_of(weights.read_bytes(), version="10.3.0-other")
    key = Key(manifest_of(model).weights.sha256, "10.3.0", Cuda().gpu_name(), "fp16")
    write_engine(cache, key, foreign)
    assert look(model, cache=cache)[0] == seen
    assert builds(here) == 2
    look(model, cache=cache)
    assert builds(here) == 2


def test_every_version_has_an_engine_of_its_own(install_tensorrt, model, tmp_path):
    for version in VERSIONS:
        here = install_tensorrt(version)
        look(model, cache=tmp_path / "cache")
        assert builds(here) == 1
    assert len(list((tmp_path / "cache").glob("*.engine"))) == len(VERSIONS)


def test_a_cache_that_cannot_be_written_is_said_and_harms_nothing(here, model, tmp_path):
    (tmp_path / "file").touch()
    seen, info = look(model, cache=tmp_path / "file")
    assert len(seen) == 2
    assert "cannot be kept" in info.note


# ----- what it refuses ------------------------------------------------------------------------


def test_a_failed_build_says_what_tensorrt_said(here, model):
    here.trt.told.build = False
    with pytest.raises(EngineFailed, match="no kernel fits; use onnxruntime"):
        look(model)


def test_a_file_that_the_parser_cannot_read(here, tmp_path):
    with pytest.raises(EngineFailed, match=r"cannot read model\.onnx of tiny: .*; use onnxruntime"):
        look(write_model(tmp_path / "model", b"not a network"))


def test_an_input_that_is_not_known_in_advance(here, tmp_path):
    with pytest.raises(ContractBroken, match=r"\[1, 3, -1, -1\].*export with that size"):
        look(write_model(tmp_path / "model", network(ROWS, height="h", width="w")))


def test_an_output_that_depends_on_the_picture(here, model):
    here.trt.told.rows = False
    with pytest.raises(EngineFailed, match="as many rows as it sees things"):
        look(model)


def test_a_wrong_network_costs_no_build(here, tmp_path):
    with pytest.raises(ContractBroken, match="raw head"):
        look(write_model(tmp_path / "model", network([[0.5] * 40] * 7)))
    assert builds(here) == 0


def test_an_engine_that_answers_in_half_precision(here, model):
    here.trt.told.half_output = True
    with pytest.raises(EngineFailed, match="not float"):
        look(model)


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ("context", OutOfMemory, "no room"),
        ("address", EngineFailed, "does not take memory"),
        ("execute", ModelError, "has an address"),
    ],
)
def test_what_the_library_says_with_its_return_value(here, model, told, error, says):
    setattr(here.trt.told, told, False)
    with pytest.raises(error, match=says):
        look(model)


# ----- running --------------------------------------------------------------------------------


def test_a_failure_while_looking_is_told_from_one_of_the_model(here, model):
    with closing(open_detector(model, backend="tensorrt")) as detector:
        detector.detect(FRAME)
        here.trt.told.execute = False
        with pytest.raises(InferenceFailed, match="has an address"):
            detector.detect(FRAME)


RELEASES = 3  # the last calls of a life: the stream and two pieces of memory are given back


def test_every_call_of_cuda_may_fail_and_nothing_is_leaked(here, model):
    """The stand-in fails the first call, the second … and every one says whose fault it was."""
    here.cudart.standin_reset(1)
    look(model)
    calls = here.cudart.standin_calls() - RELEASES
    assert calls > 10
    kinds = set()
    for number in range(1, calls + 1):
        here.cudart.standin_reset(1)
        here.cudart.standin_fail(number, 999)
        with pytest.raises(VisionError, match="error 999, told to fail") as caught:
            look(model)
        kinds.add(caught.type)
        assert here.cudart.standin_streams() == 0
        assert here.cudart.standin_allocated() == 0
    assert kinds == {BackendMissing, EngineFailed, WeightsUnreadable, InferenceFailed}


@pytest.mark.parametrize("release", range(1, RELEASES + 1))
def test_a_broken_gpu_does_not_stop_closing(here, model, release):
    detector = open_detector(model, backend="tensorrt")
    here.cudart.standin_fail(release, 700)
    detector.close()
    detector.close()
    lost = here.cudart.standin_streams() + bool(here.cudart.standin_allocated())
    assert lost == 1
    here.cudart.standin_forget()


def test_a_gpu_without_room(here, model):
    calls_before_malloc = 6
    here.cudart.standin_fail(calls_before_malloc, 2)
    with pytest.raises(OutOfMemory, match=r"cudaMalloc: error 2, out of memory"):
        look(model)


def test_no_gpu(here, model):
    here.cudart.standin_reset(0)
    with pytest.raises(BackendMissing, match="needs a GPU"):
        look(model)
    with pytest.raises(BackendMissing, match="needs a GPU"):
        here.ours.open_network(b"", manifest_of(model), cache=None)
