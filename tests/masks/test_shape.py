"""Shape of objects: published values, a second library, shapes that one can check in the head, degenerate objects."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from sklearn.decomposition import PCA

from segassay.masks.objects import label_objects
from segassay.masks.shape import axis_ratios, solidities
from segassay.selftest.published_data import PHANTOM

IBSI = """
11111 11111 11111 11111
11111 11111 01111 11111
11100 11111 11011 11111
11100 11111 11111 11111
"""
"""Region of the digital phantom of the IBSI, 4 slices of 4 × 5 voxels of 2 mm: 74 voxels, 592 mm³."""


def phantom() -> np.ndarray:
    return np.array([[list(map(int, line)) for line in slices.split()] for slices in IBSI.strip().split("\n")])


def blobs(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return label_objects(noise > 0.5 * noise.std(), min_size=5)


def test_published_elongation_of_the_digital_phantom():
    region = phantom()
    np.testing.assert_array_equal(region, PHANTOM)
    assert region.sum() * 2**3 == 592
    assert axis_ratios(region, (2, 2, 2)).round(3).tolist() == [0.816]


@pytest.mark.parametrize(("shape", "spacing"), [((200, 200), None), ((20, 40, 40), (2.0, 0.5, 0.5))])
def test_axis_ratios_equal_to_scikit_learn(shape, spacing):
    labels = blobs(shape)
    theirs = []
    for number in range(1, labels.max() + 1):
        along = PCA().fit(np.argwhere(labels == number) * np.array(spacing or 1)).explained_variance_
        theirs.append(np.sqrt(along[1] / along[0]))
    assert len(theirs) > 6
    np.testing.assert_allclose(axis_ratios(labels, spacing), theirs, rtol=0, atol=1e-9)


def test_the_spacing_makes_a_disc_of_an_ellipse():
    y, x = np.mgrid[-20:21, -40:41]
    ellipse = ((y / 10) ** 2 + (x / 30) ** 2 <= 1).astype(int)
    assert axis_ratios(ellipse)[0] == pytest.approx(1 / 3, abs=0.02)
    assert axis_ratios(ellipse, (3, 1))[0] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["11", "10"], 3 / 3.5),
        (["010", "111", "010"], 5 / 7),
        (["111", "101", "111"], 8 / 9),
        (["10", "01"], 2 / 3),
        (["1"], 1),
        (["1111"], 1),
    ],
)
def test_solidities_of_drawn_objects(rows, expected):
    mask = np.array([[int(pixel) for pixel in row] for row in rows])
    assert solidities(mask).tolist() == [pytest.approx(expected, abs=1e-12)]


def hull_area(points: np.ndarray) -> float:
    """Andrew's monotone chain and the shoelace formula, in plain integers."""
    ordered = sorted(set(map(tuple, points.tolist())))
    area = 0
    for line in (ordered, ordered[::-1]):
        chain: list[tuple[int, int]] = []
        for p in line:
            while len(chain) > 1:
                (ay, ax), (by, bx) = chain[-2:]
                if (by - ay) * (p[1] - ax) - (bx - ax) * (p[0] - ay) > 0:
                    break
                chain.pop()
            chain.append(p)
        area += sum(a[0] * b[1] - a[1] * b[0] for a, b in pairwise(chain))
    return abs(area) / 2


def test_solidities_equal_to_hulls_by_a_second_algorithm():
    labels = blobs((120, 120))
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    plain = []
    for number in range(1, labels.max() + 1):
        pixels = np.argwhere(labels == number)
        plain.append(len(pixels) / hull_area((pixels[:, None] + corners).reshape(-1, 2)))
    assert len(plain) > 8
    assert min(plain) < 0.8
    np.testing.assert_allclose(solidities(labels), plain, rtol=1e-12)


def test_solidities_of_volumes_equal_to_hulls_of_all_corners():
    labels = blobs((16, 30, 30))
    corners = np.stack(np.meshgrid(*[[0, 1]] * 3), axis=-1).reshape(-1, 3)
    for number, found in enumerate(solidities(labels), start=1):
        pixels = np.argwhere(labels == number)
        assert found == pytest.approx(len(pixels) / ConvexHull((pixels[:, None] + corners).reshape(-1, 3)).volume)


@pytest.mark.parametrize("shape", [(60, 60), (12, 24, 24)])
def test_turning_the_image_changes_no_shape(shape):
    labels = blobs(shape)
    turned = np.ascontiguousarray(labels.transpose()[::-1])
    np.testing.assert_allclose(axis_ratios(turned), axis_ratios(labels), atol=1e-9)
    np.testing.assert_allclose(solidities(turned), solidities(labels), atol=1e-9)


def test_degenerate_objects():
    nothing = np.zeros((4, 5), dtype=np.int32)
    assert axis_ratios(nothing).shape == solidities(nothing).shape == (0,)
    one_pixel = np.array([[0, 1], [0, 0]])
    assert np.isnan(axis_ratios(one_pixel)).tolist() == [True]
    assert axis_ratios(np.array([[1, 1, 1, 1]])).tolist() == [0]
    everything = np.ones((3, 3), dtype=np.int32)
    assert (axis_ratios(everything).tolist(), solidities(everything).tolist()) == ([1], [1])
