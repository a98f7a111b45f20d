"""FROC: published, by hand, thresholds one by one, and scores that tell nothing."""

import numpy as np
import pytest

from segassay.masks.free_response import FALSE_POSITIVES_PER_IMAGE, froc, mean_sensitivity


def test_by_hand():
    per_image, sensitivity = froc([0.2, 0.9, 0.6, 0.6, 0.1], [True, True, False, True, False], n_objects=4, n_images=2)
    assert per_image.tolist() == [0, 0.5, 0.5, 1]
    assert sensitivity.tolist() == [0.25, 0.5, 0.75, 0.75]
    # at 1/8 and 1/4 false positives .25, from 1/2 on .75
    assert mean_sensitivity(per_image, sensitivity) == (2 * 0.25 + 5 * 0.75) / 7


def test_published_score_of_camelyon():
    """MONAI tests the script of CAMELYON16 with .95833; it draws lines between the points, which we do not."""
    at = (0.25, 0.5, 1, 2, 4, 8)
    curve = froc([1, 1, 0.8, 0.8, 0.8, 0.6], [True] * 4 + [False] * 2, n_objects=4, n_images=2)
    assert np.interp(at, *curve).mean() == pytest.approx(0.95833333)
    assert np.interp(0.25, *curve) == 0.75  # the second published value: halfway to the point at .5
    assert mean_sensitivity(*curve, at=at) == pytest.approx(5.5 / 6)  # at .25 the point at 0, which is reached


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_thresholds_one_by_one(seed):
    rng = np.random.default_rng(seed)
    scores, matched = rng.integers(0, 12, 60) / 10, rng.random(60) < 0.4
    per_image, sensitivity = froc(scores, matched, n_objects=40, n_images=7)
    expected = [
        ((~matched & (scores >= t)).sum() / 7, (matched & (scores >= t)).sum() / 40) for t in np.unique(scores)[::-1]
    ]
    np.testing.assert_allclose(np.stack([per_image, sensitivity], axis=1), expected)
    slow = [max([s for p, s in expected if p <= limit], default=0) for limit in FALSE_POSITIVES_PER_IMAGE]
    assert mean_sensitivity(per_image, sensitivity) == pytest.approx(np.mean(slow))


def test_scores_that_are_all_equal_have_one_point():
    """Sorting right predictions first must not draw a curve that the scores do not have."""
    per_image, sensitivity = froc([0.5] * 6, [True] * 3 + [False] * 3, n_objects=3, n_images=1)
    assert (per_image.tolist(), sensitivity.tolist()) == ([3], [1])
    assert mean_sensitivity(per_image, sensitivity) == pytest.approx(2 / 7)


def test_nothing():
    per_image, sensitivity = froc([], [], n_objects=3, n_images=2)
    assert len(per_image) == len(sensitivity) == 0
    assert mean_sensitivity(per_image, sensitivity) == 0
    per_image, sensitivity = froc([0.5], [False], n_objects=0, n_images=1)
    assert per_image.tolist() == [1]
    assert np.isnan(sensitivity).all()


@pytest.mark.parametrize(
    ("scores", "matched", "n_objects", "n_images"),
    [([0.5], [], 1, 1), ([np.nan], [True], 1, 1), ([0.5, 0.4], [True, True], 1, 1), ([0.5], [True], 1, 0)],
)
def test_what_cannot_be_is_an_error(scores, matched, n_objects, n_images):
    with pytest.raises(ValueError, match=r"expected|matched"):
        froc(scores, matched, n_objects=n_objects, n_images=n_images)
