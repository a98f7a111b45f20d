"""A consensus by pixels whose objects stay apart; every label is drawn by hand, or compared pixel by pixel."""

import numpy as np
import pytest

from drawing import draw
from segassay.consensus.instances import keep_instances
from segassay.consensus.objects import object_consensus
from segassay.consensus.pixels import majority_vote
from segassay.masks.objects import label_objects


def labels(picture: str) -> np.ndarray:
    """Label image of a picture: digits are objects."""
    return np.array([[int(pixel) if pixel != "." else 0 for pixel in row] for row in picture.split()])


ANNA = labels("111222... 111222... .......33")
BEN = labels("112222... 112222... .......33")
CLEO = labels("111111... 111111... .........")


def test_what_two_of_three_drew_apart_stays_apart() -> None:
    mask = majority_vote(np.stack([ANNA, BEN, CLEO]) > 0)
    assert label_objects(mask).max() == 2
    found = keep_instances(mask, [ANNA, BEN, CLEO])
    np.testing.assert_array_equal(found > 0, mask)
    assert found.max() == 3
    assert found[0, 0] != found[0, 5] != found[2, 7]
    assert found.dtype == np.int32


def test_what_most_drew_as_one_stays_one() -> None:
    mask = majority_vote(np.stack([ANNA, CLEO, CLEO]) > 0)
    np.testing.assert_array_equal(keep_instances(mask, [ANNA, CLEO, CLEO]), label_objects(mask))


def test_binary_masks_with_a_gap_divide_a_consensus_without_one() -> None:
    one, other, joined = draw("###.####"), draw("####.###"), draw("########")
    mask = majority_vote(np.stack([one, other, joined]))
    assert label_objects(mask).max() == 1
    found = keep_instances(mask, [one, other, joined])
    assert found.max() == 2
    np.testing.assert_array_equal(found[0, [0, 1, 2, 5, 6, 7]], [1, 1, 1, 2, 2, 2])


def test_pieces_that_hold_no_object_of_most_raters_are_objects_too() -> None:
    mask = draw("##..## ##..##")
    nobody = np.zeros((2, 6), dtype=bool)
    np.testing.assert_array_equal(keep_instances(mask, [nobody, nobody]), label_objects(mask))
    left = draw("##.... ##....")
    np.testing.assert_array_equal(keep_instances(mask, [left, left]), label_objects(mask))
    assert not keep_instances(nobody, [left, left]).any()


def test_an_object_in_two_pieces_divides_the_larger_one_alone() -> None:
    drawn = labels("1111111222")
    mask = draw("####.#####")
    found = keep_instances(mask, [drawn, drawn])
    np.testing.assert_array_equal(found, [[1, 1, 1, 1, 0, 2, 2, 2, 2, 2]])


@pytest.mark.parametrize("shape", [(40, 44), (12, 16, 18)], ids=["2-D", "3-D"])
def test_the_foreground_is_that_of_the_consensus_and_the_order_of_raters_does_not_matter(
    shape: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, shape, (20, len(shape)))
    raters = []
    for _ in range(3):
        moved = points + rng.normal(0, 0.7, points.shape)
        square = np.stack([sum((p - c) ** 2 for p, c in zip(np.indices(shape), at, strict=True)) for at in moved])
        raters.append(np.where(square.min(axis=0) < 30, square.argmin(axis=0) + 1, 0))
    mask = majority_vote(np.stack(raters) > 0)
    spacing = (2.0,) + (1.0,) * (len(shape) - 1)
    found = keep_instances(mask, raters, spacing)
    np.testing.assert_array_equal(found > 0, mask)
    np.testing.assert_array_equal(found, keep_instances(mask, raters[::-1], spacing))
    objects = object_consensus(raters)
    assert found.max() >= len(objects.n_supporters) > label_objects(mask).max()
    for number in range(1, len(objects.n_supporters) + 1):
        inside = found[(objects.labels == number) & mask]
        assert np.bincount(inside).max() > 0.9 * len(inside), "an object of most raters is hardly divided"


def test_wrong_masks_are_refused() -> None:
    with pytest.raises(TypeError, match="must be boolean"):
        keep_instances(ANNA, [ANNA])
    with pytest.raises(ValueError, match="shape of the consensus"):
        keep_instances(np.ones((2, 2), dtype=bool), [ANNA])
