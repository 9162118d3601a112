"""A run learns, goes on after it was stopped, and ends as if it never had been."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: bin/setup train")
from models.vision.rendering.dataset import Folder  # noqa: E402
from models.vision.rendering.items import CLASSES  # noqa: E402
from models.vision.rendering.scene import HEIGHT_PX, WIDTH_PX  # noqa: E402
from models.vision.rendering.truth import Box, Truth  # noqa: E402
from models.vision.training.decode import EndToEnd, rows  # noqa: E402
from models.vision.training.export import fused, load_average, to_onnx  # noqa: E402
from models.vision.training.fit import CHECKPOINT, Recipe, Run, RunInvalid, digest  # noqa: E402
from models.vision.training.network import CentreNet  # noqa: E402

TINY = Recipe(width_px=64, height_px=48, steps=12, batch=4, variants=1, look_every=6)


@pytest.fixture
def folder(tmp_path):
    """Blocks on a belt: bright ones are bottles, dark ones are soda."""
    folder = Folder(tmp_path / "set", 1)
    for index in range(12):
        rng = np.random.default_rng(index)
        light = np.full((HEIGHT_PX, WIDTH_PX, 3), 0.2, np.float32)
        item = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        x, y = int(rng.integers(0, 200)), int(rng.integers(0, 150))
        light[y : y + 150, x : x + 200] = 0.9 if index % 2 else 0.02
        item[y : y + 150, x : x + 200] = 1
        name, kind = ("mineral", "mineral") if index % 2 else ("soda", "can")
        boxes = (Box(name, x, y, x + 200, y + 150),)
        truth = Truth((kind,), "accept" if index % 2 else "reject", boxes, item, item * 0)
        folder.put(index, light, light, truth)
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(path):
    return torch.load(path / CHECKPOINT, weights_only=True)["average"]


def test_a_run_learns(folder, tmp_path):
    recipe = Recipe(width_px=64, height_px=48, steps=60, batch=8, variants=2, look_every=60)
    reports = list(Run([folder], tmp_path / "run", recipe, "cpu").learn())
    first = np.mean([report.total for report in reports[:8]])
    last = np.mean([report.total for report in reports[-8:]])
    assert last < 0.75 * first
    assert reports[-1].step == 60
    assert reports[-1].validation is not None


def test_a_run_that_was_stopped_goes_on_where_it_was(folder, tmp_path):
    whole = Run([folder], tmp_path / "whole", TINY, "cpu")
    list(whole.learn())
    halves = tmp_path / "halves"
    for report in Run([folder], halves, TINY, "cpu").learn():
        if report.validation is not None:
            break  # the generator is closed after the checkpoint of step 6 was due
    run = Run([folder], halves, TINY, "cpu")
    assert run.step in {0, 6}
    list(run.learn())
    for name, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(halves)[name], value, rtol=1e-3, atol=1e-4)


def test_a_stop_in_the_middle_loses_no_step(folder, tmp_path):
    asked = iter([False, False, False, True, True, True])
    run = Run([folder], tmp_path / "run", TINY, "cpu")
    list(run.learn(until=lambda: next(asked)))
    again = Run([folder], tmp_path / "run", TINY, "cpu")
    assert again.step == run.step > 0


def test_another_recipe_is_another_run(folder, tmp_path):
    list(Run([folder], tmp_path / "run", TINY, "cpu").learn())
    with pytest.raises(RunInvalid, match="another folder"):
        Run([folder], tmp_path / "run", Recipe(steps=99), "cpu")


def test_nothing_to_learn_from_is_said(tmp_path):
    with pytest.raises(RunInvalid, match="render some first"):
        list(Run([Folder(tmp_path / "none", 1)], tmp_path / "run", TINY, "cpu").learn())


def test_the_validation_split_is_never_learned_from(folder, tmp_path):
    run = Run([folder], tmp_path / "run", TINY, "cpu")
    list(run.learn())
    assert {index for _, index in run._validation} == {0, 10}
    assert not {index for _, index in run._cache} & {0, 10}


def test_of_a_set_of_some_kinds_all_is_learned_from(folder, tmp_path):
    cans = Folder(tmp_path / "cans", 2, ("can",))
    rendered = folder.get(0)
    cans.put(0, rendered.light, rendered.calm, rendered.truth)
    run = Run([folder, cans], tmp_path / "run", TINY, "cpu")
    list(run.learn())
    assert (1, 0) in run._cache
    assert (1, 0) not in run._validation


def test_folding_and_exporting_changes_no_answer(folder, tmp_path):
    pytest.importorskip("models.vision.backends.onnx")  # switches the library's telemetry off
    import onnxruntime

    list(Run([folder], tmp_path / "run", TINY, "cpu").learn())
    network = load_average(tmp_path / "run" / CHECKPOINT, len(CLASSES)).eval()
    pictures = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        before = rows(network(pictures))
        after = EndToEnd(fused(load_average(tmp_path / "run" / CHECKPOINT, len(CLASSES))))(pictures)
    is_peak = before[..., 4] > 1e-6  # the others are suppressed, and equal
    torch.testing.assert_close(before[is_peak], after[is_peak], rtol=1e-3, atol=1e-3)
    stream = to_onnx(network, 64, 48)
    session = onnxruntime.InferenceSession(stream, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"images": pictures.numpy()})
    np.testing.assert_allclose(
        given[is_peak.numpy()], before[is_peak].numpy(), rtol=1e-3, atol=1e-3
    )


def test_an_untrained_network_sees_next_to_nothing():
    with torch.no_grad():
        found = rows(CentreNet(len(CLASSES)).eval()(torch.rand(1, 3, 240, 320)))
    assert found[..., 4].max() < 0.2


def test_a_run_learns_on_from_another_ones_weights_at_another_size(folder, tmp_path):
    list(Run([folder], tmp_path / "first", TINY, "cpu").learn())
    checkpoint = tmp_path / "first" / CHECKPOINT
    recipe = Recipe(
        width_px=96, height_px=64, steps=2, batch=4, variants=1, rate=1e-9, start=digest(checkpoint)
    )
    run = Run([folder], tmp_path / "second", recipe, "cpu", start=checkpoint)
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(value, weights(tmp_path / "first")[name])
    list(run.learn())
    # It goes on without the other one, and not with another recipe.
    checkpoint.unlink()
    with pytest.raises(RunInvalid, match="another folder"):
        Run([folder], tmp_path / "second", TINY, "cpu")


@pytest.mark.parametrize("start", [None, "gone", "changed"])
def test_weights_that_are_not_those_of_the_recipe_are_refused(folder, tmp_path, start):
    list(Run([folder], tmp_path / "first", TINY, "cpu").learn())
    checkpoint = tmp_path / "first" / CHECKPOINT
    recipe = Recipe(width_px=64, height_px=48, steps=2, batch=4, start=digest(checkpoint))
    if start == "changed":
        checkpoint.write_bytes(checkpoint.read_bytes() + b".")
    where = {"gone": tmp_path / "nowhere" / CHECKPOINT, "changed": checkpoint}.get(start)
    with pytest.raises(RunInvalid, match="is not the checkpoint"):
        Run([folder], tmp_path / "second", recipe, "cpu", start=where)
