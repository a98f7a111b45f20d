"""Distances between outlines: scenes one can picture, the empty cases, and SimpleITK as second implementation."""

from itertools import combinations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label

from drawing import draw
from segassay.masks.outlines import (
    average_surface_distance,
    boundary_shift,
    hausdorff_distance,
    joint_surface_distances,
    normalized_surface_dice,
    surface_distances,
)

SQUARE = np.zeros((11, 11), dtype=bool)
SQUARE[3:8, 3:8] = True
CROSSED = SQUARE.copy()
CROSSED[5, 1:10] = CROSSED[1:10, 5] = True
EMPTY = np.zeros((11, 11), dtype=bool)


def random_blob(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(3):
        corner = [int(rng.integers(0, n - 3)) for n in shape]
        mask[tuple(slice(start, start + int(rng.integers(1, 5))) for start in corner)] = True
    return mask


def test_published_value_of_a_square_and_a_cross():
    distances = surface_distances(SQUARE, CROSSED)
    assert hausdorff_distance(distances, percentile=100) == 2
    assert hausdorff_distance(distances) == 2
    assert average_surface_distance(distances) == pytest.approx(4 / 9)
    assert normalized_surface_dice(distances, tolerance=1) == pytest.approx(8 / 9)


def test_hd95_is_the_larger_of_the_two_directions():
    """From the short bar to the long one nothing is far; the long one sticks out by up to 19."""
    short, long = draw("#..................."), draw("####################")
    forth, back = surface_distances(short, long), surface_distances(long, short)
    assert hausdorff_distance(forth) == hausdorff_distance(back) == pytest.approx(np.percentile(np.arange(20), 95))


def test_a_mask_at_the_edge_of_the_image_has_a_surface_there():
    distances = surface_distances(np.ones((3, 3), dtype=bool), draw("#.. ... ..."))
    assert distances.a_to_b.size == 8  # all but the centre
    assert hausdorff_distance(distances, percentile=100) == pytest.approx(np.sqrt(8))


def test_the_end_of_a_row_is_not_beside_the_start_of_the_next():
    distances = surface_distances(draw("...# ...."), draw(".... #..."))
    assert hausdorff_distance(distances) == pytest.approx(np.sqrt(3**2 + 1))


def test_spacing_follows_the_array_axes():
    a, b = np.zeros((4, 4, 4), dtype=bool), np.zeros((4, 4, 4), dtype=bool)
    a[0, 0, 0] = b[1, 2, 3] = True
    distance = np.sqrt((1 * 5) ** 2 + (2 * 0.5) ** 2 + (3 * 0.25) ** 2)
    assert average_surface_distance(surface_distances(a, b, spacing=(5, 0.5, 0.25))) == pytest.approx(distance)


def test_both_empty_agree():
    distances = surface_distances(EMPTY, EMPTY)
    assert hausdorff_distance(distances) == average_surface_distance(distances) == 0
    assert normalized_surface_dice(distances, tolerance=0) == 1


@pytest.mark.parametrize("pair", [(SQUARE, EMPTY), (EMPTY, SQUARE)])
def test_one_empty_is_undefined_not_perfect(pair):
    distances = surface_distances(*pair)
    assert np.isnan(hausdorff_distance(distances))
    assert np.isnan(average_surface_distance(distances))
    assert normalized_surface_dice(distances, tolerance=100) == 0


def test_equal_masks_have_no_distance():
    distances = surface_distances(CROSSED, CROSSED)
    assert hausdorff_distance(distances, percentile=100) == average_surface_distance(distances) == 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), three_d=st.booleans())
def test_symmetric_and_scales_with_the_spacing(seed, three_d):
    shape = (6, 7, 8) if three_d else (9, 12)
    a, b = random_blob(seed, shape), random_blob(seed + 1, shape)
    forth, back = surface_distances(a, b), surface_distances(b, a)
    scaled = surface_distances(a, b, spacing=[3.0] * len(shape))
    for measure in (hausdorff_distance, average_surface_distance):
        assert measure(forth) == pytest.approx(measure(back))
        assert measure(scaled) == pytest.approx(3 * measure(forth))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), three_d=st.booleans())
def test_equals_simpleitk(seed, three_d):
    """The maximum is taken between whole masks there, which is the same: the farthest pixel sees a surface."""
    shape, spacing = ((6, 7, 8), (2.0, 0.5, 1.0)) if three_d else ((9, 12), (2.0, 0.5))
    a, b = random_blob(seed, shape), random_blob(seed + 1, shape)
    surfaces = [_surface(mask) for mask in (a, b)]
    images = []
    for surface in surfaces:
        image = sitk.GetImageFromArray(surface.astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        images.append(image)
    distances = surface_distances(a, b, spacing)
    maps = [np.maximum(sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(i, False, False, True)), 0) for i in images]
    np.testing.assert_allclose(distances.a_to_b, maps[1][surfaces[0]], atol=1e-5)
    np.testing.assert_allclose(distances.b_to_a, maps[0][surfaces[1]], atol=1e-5)
    filter_ = sitk.HausdorffDistanceImageFilter()
    filter_.Execute(*images)
    assert hausdorff_distance(distances, percentile=100) == pytest.approx(filter_.GetHausdorffDistance(), abs=1e-5)


def _all_face_neighbours(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner = (slice(1, -1),) * mask.ndim
    rolled = [np.roll(padded, step, axis)[inner] for axis in range(mask.ndim) for step in (1, -1)]
    return np.logical_and.reduce(rolled)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mask_a": SQUARE.astype(float), "mask_b": SQUARE}, TypeError, "boolean or label images, got float64"),
        ({"mask_a": SQUARE, "mask_b": SQUARE[:5]}, ValueError, "one shape"),
        ({"mask_a": SQUARE, "mask_b": SQUARE, "spacing": [1]}, ValueError, "for each of 2 axes"),
        ({"mask_a": SQUARE, "mask_b": SQUARE, "spacing": [1, 0]}, ValueError, "positive"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        surface_distances(**arguments)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), three_d=st.booleans())
def test_many_masks_at_once_equal_each_pair_alone(seed, three_d):
    """Five blobs and an empty mask; each pair alone is cut out more tightly."""
    shape, spacing = ((6, 7, 8), (2.0, 0.5, 1.1)) if three_d else ((19, 22), (2.0, 0.7))
    masks = [random_blob(seed + index, shape) for index in range(5)]
    masks.insert(2, np.zeros(shape, dtype=bool))
    joint = joint_surface_distances(masks, spacing)
    assert list(joint) == list(combinations(range(6), 2))
    for (a, b), of_pair in joint.items():
        alone = surface_distances(masks[a], masks[b], spacing)
        np.testing.assert_allclose(of_pair.a_to_b, alone.a_to_b, rtol=1e-12)
        np.testing.assert_allclose(of_pair.b_to_a, alone.b_to_a, rtol=1e-12)
        outside = [~_surface(mask) for mask in (masks[a], masks[b])]
        if not of_pair.one_empty:
            maps = [distance_transform_edt(mask, sampling=spacing) for mask in outside]
            np.testing.assert_allclose(of_pair.a_to_b, maps[1][~outside[0]], rtol=1e-12)
            np.testing.assert_allclose(of_pair.b_to_a, maps[0][~outside[1]], rtol=1e-12)


def test_only_the_pairs_asked_for_are_measured_and_each_as_among_all():
    masks = [random_blob(index, (19, 22)) for index in range(4)]
    every, some = joint_surface_distances(masks), joint_surface_distances(masks, pairs=[(2, 3), (0, 2)])
    assert list(some) == [(2, 3), (0, 2)]
    for pair, of_pair in some.items():
        for name in ("a_to_b", "b_to_a", "shifts"):
            np.testing.assert_array_equal(getattr(of_pair, name), getattr(every[pair], name))
    assert joint_surface_distances(masks, pairs=[]) == {}


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~_all_face_neighbours(mask)


def padded(*pictures: str) -> list[np.ndarray]:
    return [np.pad(draw(picture), 2) for picture in pictures]


class TestBoundaryShift:
    def test_of_a_square_and_a_larger_one(self):
        """Every pixel of both outlines, 16 and 24, is 1 from the other, but the 4 corners of the larger one are √2."""
        large = np.zeros((11, 11), dtype=bool)
        large[2:9, 2:9] = True
        shift = (36 + 4 * np.sqrt(2)) / 40
        assert boundary_shift(surface_distances(SQUARE, large)) == pytest.approx(shift)
        assert boundary_shift(surface_distances(large, SQUARE)) == pytest.approx(-shift)
        assert boundary_shift(surface_distances(SQUARE, large, spacing=(0.5, 0.5))) == pytest.approx(shift / 2)

    def test_a_mask_moved_aside_has_no_shift(self):
        a, b = padded("####.. ####.. ####..", "..#### ..#### ..####")
        assert boundary_shift(surface_distances(a, b)) == pytest.approx(0)

    def test_objects_that_one_of_the_two_lacks_do_not_count(self):
        a, b = padded("###........##", ".#...........")
        alone, _ = padded("###..........", ".............")
        assert boundary_shift(surface_distances(a, b)) == pytest.approx(boundary_shift(surface_distances(alone, b)))
        assert boundary_shift(surface_distances(a, b)) == pytest.approx(-2 / 4)

    @pytest.mark.parametrize("pair", [(SQUARE, EMPTY), (EMPTY, SQUARE), (EMPTY, EMPTY), padded("#..", "..#")])
    def test_is_undefined_where_nothing_overlaps(self, pair):
        assert np.isnan(boundary_shift(surface_distances(*pair)))

    def test_equal_masks_have_none(self):
        assert boundary_shift(surface_distances(CROSSED, CROSSED)) == 0

    def test_touching_objects_of_a_label_image_are_apart(self):
        """In the label image only the left object overlaps; as a mask both are one."""
        labels, b = np.array([[0, 1, 1, 2, 2, 0]]), np.array([[0, 1, 0, 0, 0, 0]])
        assert boundary_shift(surface_distances(labels, b)) == pytest.approx(-1 / 3)
        assert boundary_shift(surface_distances(labels > 0, b)) == pytest.approx(-6 / 5)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), three_d=st.booleans())
    def test_equals_the_slow_way(self, seed, three_d):
        shape, spacing = ((6, 7, 8), (2.0, 0.5, 1.1)) if three_d else ((19, 22), (2.0, 0.7))
        a, b = random_blob(seed, shape), random_blob(seed + 1, shape)
        expected = []
        for mask, other, sign in ((a, b, 1), (b, a, -1)):
            away = distance_transform_edt(~_surface(other), sampling=spacing)
            objects, n = label(mask, structure=np.ones((3,) * mask.ndim))
            for number in range(1, n + 1):
                outline = (objects == number) & _surface(mask)
                if other[objects == number].any():
                    expected += list(sign * np.where(other[outline], away[outline], -away[outline]))
        shift = boundary_shift(surface_distances(a, b, spacing))
        assert shift == pytest.approx(np.mean(expected), nan_ok=True) if expected else np.isnan(shift)
        assert boundary_shift(surface_distances(b, a, spacing)) == pytest.approx(-shift, nan_ok=True)


def test_fewer_than_two_masks_have_no_pair():
    assert joint_surface_distances([]) == joint_surface_distances([SQUARE]) == {}


def test_refuses_a_negative_tolerance():
    with pytest.raises(ValueError, match="tolerance"):
        normalized_surface_dice(surface_distances(SQUARE, SQUARE), tolerance=-1)
