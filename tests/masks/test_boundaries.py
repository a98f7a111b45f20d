"""Boundary IoU, clDice, MASD: published figures, drawn masks, erosions, published algorithm, skeletons, vessels."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, generate_binary_structure, maximum_filter, minimum_filter
from skimage.morphology import skeletonize

from drawing import draw
from segassay.masks.boundaries import boundary_iou, centre_lines, centreline_dice, mean_average_surface_distance
from segassay.masks.outlines import average_surface_distance, surface_distances
from segassay.selftest import published_data as data

EMPTY, FULL = np.zeros((6, 6), dtype=bool), np.ones((6, 6), dtype=bool)


def clusters(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(4):
        corner = [int(rng.integers(0, n - 3)) for n in shape]
        mask[tuple(slice(start, start + int(rng.integers(3, 9))) for start in corner)] = True
    return mask


def test_by_hand():
    outer, inner = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=bool)
    outer[1:8, 1:8], inner[2:7, 2:7] = True, True
    assert boundary_iou(outer, inner, width=1) == 0  # rims of 24 and 16 pixels side by side; their IoU is 25/49
    assert boundary_iou(outer, inner, width=2) == 16 / (40 + 24 - 16)
    assert boundary_iou(outer, outer, width=1) == 1
    line, bent = draw("###### ......"), draw("###... ...###")
    assert centreline_dice(line, bent, line, bent) == pytest.approx(0.5)
    short, long = draw("#........"), draw("#########")
    both = surface_distances(short, long)
    assert mean_average_surface_distance(both) == 2  # 0 one way, the mean of 0 to 8 the other
    assert average_surface_distance(both) == 3.6


def test_published_figures_of_metric_related_pitfalls():
    """Reinke et al. (2024), figures SN 2.10, 2.12 and 2.14; two are published to one digit, and by hand here."""
    narrow, wide = (boundary_iou(data.SHIFTED, data.LARGE, width=width) for width in (1, 2))
    assert (round(narrow, 1), round(wide, 1)) == (0.6, 0.8)
    assert (narrow, wide) == (53 / 89, 117 / 151)
    for mask, published in ((data.SMALLER, 1.07), (data.LARGER, 1.04), (data.SMALL, 0)):
        found = mean_average_surface_distance(surface_distances(mask, data.SMALL))
        assert found == pytest.approx(published, abs=5e-3)
    for mask, published in ((data.THICK_TUBES, 0.475), (data.THIN_TUBES, 0.78)):
        assert centreline_dice(*data.with_skeletons(mask, data.TUBES)) == pytest.approx(published, abs=5e-4)


def test_the_skeleton_matters():
    """The morphological skeleton is thicker where tubes have an even width; so clDice is not that of skimage's."""
    lines = {name: centre_lines(mask) for name, mask in (("tubes", data.TUBES), ("thin", data.THIN_TUBES))}
    assert centreline_dice(data.THIN_TUBES, data.TUBES, lines["thin"], lines["tubes"]) == pytest.approx(0.88, abs=5e-3)


@pytest.mark.parametrize("shape", [(30, 40), (12, 14, 16)])
def test_equal_to_erosions(shape):
    for seed in range(4):
        a, b = clusters(seed, shape), clusters(seed + 50, shape)
        for width in (1, 2, 5):
            rims = []
            for mask in (a, b):
                around = generate_binary_structure(mask.ndim, mask.ndim)
                rims.append(mask & ~binary_erosion(mask, around, iterations=width))
            expected = (rims[0] & rims[1]).sum() / (rims[0] | rims[1]).sum()
            assert boundary_iou(a, b, width=width) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(30, 40), (12, 14, 16)])
def test_centre_lines_are_those_of_the_published_algorithm(shape):
    """Algorithm 1 of Shit et al. 2021, with minima and maxima of 3 pixels for its pooling, until nothing is left."""
    for seed in range(4):
        rest = (mask := clusters(seed, shape)).astype(int)
        skeleton = np.zeros_like(rest)
        while rest.any():
            opened = maximum_filter(minimum_filter(rest, 3), 3)
            skeleton = skeleton + (1 - skeleton) * np.maximum(rest - opened, 0)
            rest = minimum_filter(rest, 3)
        np.testing.assert_array_equal(centre_lines(mask), skeleton > 0)
    np.testing.assert_array_equal(centre_lines(FULL), FULL)
    np.testing.assert_array_equal(centre_lines(EMPTY), EMPTY)


def test_by_default_two_percent_of_the_diagonal():
    a, b = clusters(1, (300, 400)), clusters(2, (300, 400))
    assert boundary_iou(a, b) == boundary_iou(a, b, width=10)
    assert boundary_iou(a[:9, :9], b[:9, :9]) == boundary_iou(a[:9, :9], b[:9, :9], width=1)


@pytest.mark.parametrize("shape", [(40, 60), (12, 40, 20)])
def test_a_thick_or_broken_vessel(shape):
    """Dice hardly sees a gap, and much minds a thicker tube of the same course; clDice the other way round."""
    vessel = np.zeros(shape, dtype=bool)
    middle = (slice(5, 8),) * (len(shape) - 1)
    vessel[(*middle[:1], slice(5, -5), *middle[1:])] = True
    thick, broken = np.zeros_like(vessel), vessel.copy()
    wide = (slice(4, 9),) * (len(shape) - 1)
    thick[(*wide[:1], slice(5, -5), *wide[1:])] = True
    broken[:, 12:18] = False

    def dice(a: np.ndarray, b: np.ndarray) -> float:
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    def cl_dice(a: np.ndarray, b: np.ndarray) -> float:
        skeletons = [skeletonize(one) > 0 for one in (a, b)]
        found = centreline_dice(a, b, *skeletons)
        precision, sensitivity = (
            (skeletons[1] & a).sum() / skeletons[1].sum(),
            (skeletons[0] & b).sum() / skeletons[0].sum(),
        )
        assert found == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
        return found

    assert dice(vessel, thick) < dice(vessel, broken)
    assert cl_dice(vessel, thick) > cl_dice(vessel, broken)


def test_empty():
    assert boundary_iou(EMPTY, EMPTY) == centreline_dice(EMPTY, EMPTY, EMPTY, EMPTY) == 1
    assert boundary_iou(EMPTY, FULL) == centreline_dice(EMPTY, FULL, EMPTY, FULL) == 0
    assert mean_average_surface_distance(surface_distances(EMPTY, EMPTY)) == 0
    assert np.isnan(mean_average_surface_distance(surface_distances(EMPTY, FULL)))
    assert centreline_dice(draw("#.."), draw("..#"), draw("#.."), draw("..#")) == 0


def test_what_is_not_two_masks_is_an_error():
    with pytest.raises(TypeError, match="boolean"):
        boundary_iou(EMPTY.astype(int), EMPTY)
    with pytest.raises(ValueError, match="one shape"):
        boundary_iou(EMPTY, EMPTY[:2])
    with pytest.raises(ValueError, match="1 or more"):
        boundary_iou(EMPTY, EMPTY, width=0)
    with pytest.raises(ValueError, match="within its mask"):
        centreline_dice(FULL, FULL, EMPTY, FULL)
    with pytest.raises(ValueError, match="within its mask"):
        centreline_dice(EMPTY, FULL, FULL, FULL)
