"""Right answers on the grid."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: bin/setup train")
from models.vision.rendering.items import CLASSES  # noqa: E402
from models.vision.training.decode import rows  # noqa: E402
from models.vision.training.losses import Truths, loss  # noqa: E402
from models.vision.training.network import STRIDE, Answer, CentreNet  # noqa: E402
from models.vision.training.targets import NOT_EMPTY, grid, make_target  # noqa: E402

WIDTH, HEIGHT = 320, 240
MINERAL, SODA = CLASSES.index("mineral"), CLASSES.index("soda")


def target(*boxes):
    item = np.zeros((HEIGHT, WIDTH), np.uint8)
    liquid = np.zeros((HEIGHT, WIDTH), np.uint8)
    for number, x1, y1, x2, y2 in boxes:
        if number == NOT_EMPTY:
            liquid[int(y1) : int(y2), int(x1) : int(x2)] = 1
        else:
            item[int(y1) : int(y2), int(x1) : int(x2)] = 1 + number
    return make_target(np.array(boxes, float).reshape(-1, 5), item, liquid)


def perfect(given) -> Answer:
    """The answer of a network that knows everything."""
    heat = torch.logit(torch.from_numpy(given.heat)[None].clamp(1e-4, 1 - 1e-4))
    cover = torch.full((1, 1 + len(CLASSES), *given.cover.shape), -12.0)
    cover.scatter_(1, torch.from_numpy(given.cover.astype(np.int64))[None, None], 12.0)
    liquid = torch.from_numpy(given.liquid)[None].clamp(1e-4, 1 - 1e-4)
    cover[:, 1 + NOT_EMPTY] = torch.logit(liquid)
    return Answer(heat, torch.from_numpy(given.reach)[None], cover)


def truths(given) -> Truths:
    return Truths(*(torch.from_numpy(np.asarray(part))[None] for part in given))


@pytest.mark.parametrize(
    "boxes",
    [
        [(MINERAL, 40.0, 60.0, 280.0, 140.0)],
        [(MINERAL, 40.0, 60.0, 280.0, 140.0), (NOT_EMPTY, 40.0, 60.0, 280.0, 140.0)],
        [(SODA, 0.0, 0.0, 30.0, 20.0), (MINERAL, 150.0, 100.0, 320.0, 240.0)],
    ],
)
def test_decoding_the_right_answer_gives_the_truth_back(boxes):
    found = rows(perfect(target(*boxes)), 24)[0]
    sure = found[found[:, 4] > 0.9].numpy()
    assert sorted(sure[:, 5].astype(int)) == sorted(box[0] for box in boxes)
    for number, *edges in boxes:
        near = sure[sure[:, 5] == number][0]
        assert np.abs(near[:4] - edges).max() < 0.5


def test_the_right_answer_costs_next_to_nothing_and_any_other_more():
    given = target((MINERAL, 40.0, 60.0, 280.0, 140.0), (NOT_EMPTY, 40.0, 60.0, 280.0, 140.0))
    right = perfect(given)
    least = loss(right, truths(given)).total
    assert 0 <= least < 0.4  # the slopes of the bumps are worth a little
    other_class = right._replace(heat=right.heat.roll(1, 1))
    elsewhere = right._replace(heat=right.heat.roll(9, 3))
    smaller = right._replace(reach=right.reach * 0.5)
    dry = right._replace(cover=right.cover.clone())
    dry.cover[:, 1 + NOT_EMPTY] = -9
    for wrong in (other_class, elsewhere, smaller, dry):
        assert loss(wrong, truths(given)).total > least + 0.3


def test_an_empty_belt_has_no_centre_and_costs_nothing_if_nothing_is_seen():
    given = target()
    assert given.heat.max() == 0
    assert given.weight.max() == 0
    assert loss(perfect(given), truths(given)).total < 0.01


def test_each_class_of_the_cover_has_its_own_channel():
    for number in range(len(CLASSES)):
        if number == NOT_EMPTY:
            continue
        given = target((number, 40.0, 60.0, 280.0, 140.0))
        assert loss(perfect(given), truths(given)).cover < 0.01


@pytest.mark.parametrize("size", [(320, 240), (384, 288), (256, 192), (320, 320)])
def test_the_network_answers_on_the_targets_grid(size):
    width, height = size
    with torch.no_grad():
        answer = CentreNet(len(CLASSES)).eval()(torch.rand(2, 3, height, width))
    assert answer.heat.shape == (2, len(CLASSES), grid(height), grid(width))
    assert answer.reach.shape == (2, 4, grid(height), grid(width))
    assert (answer.reach >= 0).all()
    assert grid(width) * STRIDE >= width


def test_doubles_of_one_thing_are_not_given():
    given = target((MINERAL, 40.0, 60.0, 280.0, 140.0))
    found = rows(perfect(given), 24)[0]
    assert (found[:, 4] > 0.05).sum() == 1


def test_water_that_is_missed_costs_as_much_in_a_small_bottle_as_in_a_large_one():
    costs = []
    for scale in (1, 3):
        edges = (100.0, 80.0, 100.0 + 40 * scale, 80.0 + 24 * scale)
        given = target((MINERAL, *edges), (NOT_EMPTY, *edges))
        answer = perfect(given)
        cover = answer.cover.clone()
        cover[:, 1 + NOT_EMPTY] = -6.0
        costs.append(float(loss(answer._replace(cover=cover), truths(given)).cover))
    assert costs[0] == pytest.approx(costs[1], rel=0.25)
    assert costs[0] > 5
