"""Agreement on whole images: drawn objects, ignored areas, small objects, and the mean over cases."""

import numpy as np
import pytest
import torch

from drawing import draw
from segassay_monai.training.selection import ObjectF1, PixelDice

LABEL = draw("""
    ##......
    ##...##.
    .....##.
    ........
    ##......
    ##......
""")
TWO_OF_THREE = draw("""
    ##......
    ##...##.
    .....##.
    ........
    ........
    ........
""")
SHIFTED = draw("""
    .##.....
    .##..##.
    .....##.
    ........
    ##......
    ##......
""")
NOTHING = np.zeros_like(LABEL)


def prob(*masks: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(masks)[:, None] * 0.8 + 0.1).float()


def target(*labels: np.ndarray, ignore: np.ndarray = NOTHING) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.stack([label, ~ignore]) for label in labels]).astype(np.float32))


def measure(metric: ObjectF1 | PixelDice, *batches: tuple[torch.Tensor, torch.Tensor]) -> float:
    for prediction, reference in batches:
        metric(prediction, reference)
    return metric.aggregate().item()


@pytest.mark.parametrize(
    ("prediction", "f1", "dice"),
    [(LABEL, 1, 1), (TWO_OF_THREE, 2 * 2 / (3 + 2), 16 / 20), (SHIFTED, 2 * 2 / 6, 20 / 24), (NOTHING, 0, 0)],
    ids=["equal", "one missed", "one beside", "nothing found"],
)
def test_drawn_objects(prediction, f1, dice):
    assert measure(ObjectF1(), (prob(prediction), target(LABEL))) == pytest.approx(f1)
    assert measure(PixelDice(), (prob(prediction), target(LABEL))) == pytest.approx(dice)


def test_both_empty_agree():
    assert measure(ObjectF1(), (prob(NOTHING), target(NOTHING))) == 1
    assert measure(PixelDice(), (prob(NOTHING), target(NOTHING))) == 1


def test_what_lies_in_an_ignored_area_counts_on_neither_side():
    ignore = np.zeros_like(LABEL)
    ignore[4:] = True
    assert measure(ObjectF1(), (prob(TWO_OF_THREE), target(LABEL, ignore=ignore))) == 1
    assert measure(PixelDice(), (prob(TWO_OF_THREE), target(LABEL, ignore=ignore))) == 1
    assert measure(ObjectF1(), (prob(LABEL), target(TWO_OF_THREE, ignore=ignore))) == 1


def test_small_objects_are_dropped_on_both_sides():
    speck = LABEL.copy()
    speck[5, 7] = True
    assert measure(ObjectF1(), (prob(speck), target(LABEL))) == pytest.approx(6 / 7)
    assert measure(ObjectF1(min_size=2), (prob(speck), target(LABEL))) == 1
    assert measure(ObjectF1(min_size=2), (prob(LABEL), target(speck))) == 1
    assert measure(ObjectF1(min_size=4), (prob(LABEL), target(LABEL))) == 1
    assert measure(ObjectF1(min_size=5), (prob(TWO_OF_THREE), target(LABEL))) == 1  # nothing is left on either side


def test_every_case_weighs_the_same_however_they_are_batched():
    one_by_one = [(prob(mask), target(LABEL)) for mask in (LABEL, SHIFTED, NOTHING)]
    together = (prob(LABEL, SHIFTED, NOTHING), target(LABEL, LABEL, LABEL))
    for kind, expected in ((ObjectF1, (1 + 4 / 6 + 0) / 3), (PixelDice, (1 + 20 / 24 + 0) / 3)):
        assert measure(kind(), *one_by_one) == pytest.approx(expected)
        assert measure(kind(), together) == pytest.approx(expected)


def test_reset_forgets():
    metric = ObjectF1()
    metric(prob(NOTHING), target(LABEL))
    metric.reset()
    assert measure(metric, (prob(LABEL), target(LABEL))) == 1


def test_one_half_is_background_as_in_the_written_mask():
    assert measure(ObjectF1(), (torch.full((1, 1, *LABEL.shape), 0.5), target(NOTHING))) == 1


def test_volumes():
    label = np.zeros((3, 4, 5), bool)
    label[:2, :2, :2] = True
    assert measure(ObjectF1(), (prob(label), target(label, ignore=np.zeros_like(label)))) == 1


def test_the_label_is_what_the_majority_of_raters_marked():
    """Of several channels, one for each rater, or of one soft channel: the same foreground; a tie is background."""
    raters = np.stack([TWO_OF_THREE, SHIFTED, LABEL]).astype(np.float32)
    majority = raters.sum(axis=0) >= 2
    valid = np.ones((1, 1, *LABEL.shape))
    for label in (raters[None], raters.mean(axis=0)[None, None]):
        packed = torch.from_numpy(np.concatenate([label, valid], axis=1))
        assert measure(PixelDice(), (prob(majority), packed)) == 1
        assert measure(ObjectF1(), (prob(majority), packed)) == 1
        assert measure(PixelDice(), (prob(TWO_OF_THREE), packed)) < 1
    tie = torch.from_numpy(np.concatenate([raters[None, [0]], 0 * raters[None, [0]], valid], axis=1))
    assert measure(PixelDice(), (prob(NOTHING), tie)) == 1
