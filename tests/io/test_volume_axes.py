"""Axes of volumes put in another order and direction, as nibabel does, and exactly back."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from segassay.io.volume_axes import TurnedWindows, axes_of, turn_to
from segassay.io.windows import open_windows

VOLUME = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
AXES = ["".join(axes) for pairs in itertools.product("LR", "PA", "IS") for axes in itertools.permutations(pairs)]
TILT = np.array([[1, 0, 0, 3.0], [0, 0.94, -0.34, -40], [0, 0.34, 0.94, 9], [0, 0, 0, 1]])
"""By 20 degrees."""


def stored(axes: str, affine: np.ndarray) -> nibabel.Nifti1Image:
    """The same volume with its axes in the order and direction of `axes`."""
    image = nibabel.Nifti1Image(VOLUME, affine)
    return image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(axes)))


@pytest.mark.parametrize("affine", [np.diag([0.7, 0.7, 2.5, 1]), TILT @ np.diag([0.7, 0.7, 2.5, 1])])
def test_every_order_becomes_the_same_and_comes_back(affine: np.ndarray) -> None:
    assert len(set(AXES)) == 48
    for axes in AXES:
        image = stored(axes, affine)
        array = np.asarray(image.dataobj)
        assert axes_of(image.affine) == axes
        turn = turn_to("RAS", image.affine)
        assert (turn is None) == (axes == "RAS")
        if turn is None:
            continue
        np.testing.assert_array_equal(turn.to(np.stack([array, -array])), [VOLUME, -VOLUME])
        np.testing.assert_array_equal(turn.back(turn.to(array)), array)
        assert turn.lengths(array.shape) == VOLUME.shape
        assert turn.lengths_back(VOLUME.shape) == array.shape
        window = (slice(1, 2), slice(0, 2), slice(2, 4))
        inside = np.zeros(array.shape, bool)
        inside[turn.window_back(window, array.shape)] = True
        np.testing.assert_array_equal(turn.to(array)[window].ravel(), turn.to(array)[turn.to(inside)])


def test_what_has_no_place_is_not_turned() -> None:
    for affine in (None, np.eye(4), np.diag([1.0, 1, 0, 1]), np.full((4, 4), np.nan)):
        assert axes_of(affine) is None
        assert turn_to("RAS", affine) is None
    left = np.diag([-1.0, 1, 1, 1])
    assert turn_to("RAS", left, n_axes=2) is None, "an image"
    assert turn_to(None, left) is None


def test_windows_are_those_of_the_turned_volume(tmp_path: Path) -> None:
    nibabel.save(stored("SLP", np.diag([0.7, 0.8, 2.5, 1])), tmp_path / "a.nii")
    with open_windows(tmp_path / "a.nii", tmp_path) as image:
        turn = turn_to("RAS", image.frame.affine)
        assert turn is not None
        turned = TurnedWindows(image, turn)
        assert turned.frame.array.shape == (1, 2, 3, 4)
        assert turned.frame.spacing_um == pytest.approx((700, 800, 2500))
        np.testing.assert_array_equal(turned.read(slice(0, 2), slice(1, 3), slice(3, 4)), VOLUME[None, :, 1:3, 3:])
