"""Masks in the axes of their image: every orientation that a NIfTI can have, against nibabel; and what cannot fit."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from segassay.errors import DataError
from segassay.io.grids import Grid, on_grid
from segassay.io.images import read_grid, read_mask

SHAPE = (4, 5, 6)
AFFINE = np.array([[-0.5, 0, 0, 30], [0, 0.7, 0, -11], [0, 0, 2, 5], [0, 0, 0, 1.0]])
MASK = np.arange(120, dtype=np.int16).reshape(SHAPE) % 7
ORIENTATIONS = [
    "".join(axes[way] for axes, way in zip(order, ways, strict=True))
    for order in itertools.permutations(("RL", "AP", "SI"))
    for ways in itertools.product((0, 1), repeat=3)
]


def _write(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return _write(tmp_path / "image.nii", np.zeros(SHAPE, np.uint8), AFFINE)


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_a_mask_stored_in_any_orientation_is_turned_to_its_image(tmp_path: Path, image: Path, axes: str) -> None:
    stored = nibabel.Nifti1Image(MASK, AFFINE)
    turned = stored.as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(axes)
        )
    )
    nibabel.save(turned, tmp_path / "mask.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii", read_grid(image)), MASK)


def test_an_oblique_pair_is_turned_as_well(tmp_path: Path) -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    oblique = np.array([[c, -s, 0, 5], [s, c, 0, -7], [0, 0, 3, 1], [0, 0, 0, 1.0]])
    image = _write(tmp_path / "image.nii", np.zeros(SHAPE, np.uint8), oblique)
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    mask = _write(tmp_path / "mask.nii", MASK[::-1].copy(), oblique @ flip)
    np.testing.assert_array_equal(read_mask(mask, read_grid(image)), MASK)


def test_maps_and_images_of_two_axes_are_turned(tmp_path: Path) -> None:
    image = _write(tmp_path / "image.nii", np.zeros((4, 5), np.uint8), AFFINE)
    flip = np.diag([1.0, -1, 1, 1])
    flip[1, 3] = 4
    mask = _write(tmp_path / "mask.nii", MASK[:, ::-1, 0].copy(), AFFINE @ flip)
    np.testing.assert_array_equal(read_mask(mask, read_grid(image)), MASK[:, :, 0])


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        (np.array([[1.0, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "up to 3 voxels away"),
        (np.diag([2.0, 1, 1, 1]), "up to 3 voxels away"),
        (np.array([[0.7, -0.7, 0, 0], [0.7, 0.7, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "away from|at an angle to"),
    ],
    ids=["shifted", "other spacing", "at 45 degrees"],
)
def test_a_mask_of_another_place_is_refused(tmp_path: Path, image: Path, moved: np.ndarray, message: str) -> None:
    mask = _write(tmp_path / "mask.nii", MASK, AFFINE @ moved)
    with pytest.raises(DataError, match=message):
        read_mask(mask, read_grid(image))


def test_less_than_half_a_voxel_and_an_unknown_place_are_taken_as_they_are(tmp_path: Path, image: Path) -> None:
    shifted = AFFINE @ np.array([[1.0, 0, 0, 0.4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    unknown = nibabel.Nifti1Image(MASK, None)
    nibabel.save(unknown, tmp_path / "unknown.nii")
    for mask in (
        _write(tmp_path / "shifted.nii", MASK, shifted),
        _write(tmp_path / "script.nii", MASK, np.eye(4)),  # as scripts write it that know no place
        tmp_path / "unknown.nii",
    ):
        np.testing.assert_array_equal(read_mask(mask, read_grid(image)), MASK)


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 1, 4, 5), (4, 5, 1)])
def test_axes_of_length_1_are_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    tifffile.imwrite(tmp_path / "image.tif", np.zeros((4, 5), np.uint8))
    mask = tmp_path / "mask.tif"
    if shape[-1] == 1:
        mask = _write(tmp_path / "mask.nii", MASK[:, :, 0].reshape(shape), np.eye(4))
    else:
        tifffile.imwrite(mask, MASK[:, :, 0].reshape(shape))
    np.testing.assert_array_equal(read_mask(mask, read_grid(tmp_path / "image.tif")), MASK[:, :, 0])


def test_a_mask_of_another_size_keeps_it() -> None:
    """So that the message about shapes names it."""
    assert on_grid("mask.nii", np.zeros((3, 5, 6)), AFFINE, Grid("image.nii", SHAPE, AFFINE)).shape == (3, 5, 6)
    assert on_grid("mask.png", np.zeros((40, 1)), None, Grid("image.png", (1, 40))).shape == (40, 1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mask_of_a_part_of_the_image_is_placed_there(mirrored: bool) -> None:
    """As 3D Slicer crops a segment; in a NIfTI stored from right to left, too."""
    whole = np.zeros(SHAPE, np.uint8)
    whole[2:4, 1:4, 3:5] = np.arange(1, 13).reshape(2, 3, 2)
    affine = AFFINE.copy()
    affine[:3, 3] = (AFFINE @ [1, 0, 2, 1])[:3]
    part = whole[1:, :5, 2:]
    if mirrored:
        flip = np.diag([-1.0, 1, 1, 1])
        flip[0, 3] = len(part) - 1
        part, affine = part[::-1], affine @ flip
    np.testing.assert_array_equal(on_grid("mask.nii", part, affine, Grid("image.nii", SHAPE, AFFINE)), whole)
    coarser = affine @ np.diag([1.5, 1, 1, 1])  # other voxels: no part of the image
    assert on_grid("mask.nii", part, coarser, Grid("image.nii", SHAPE, AFFINE)).shape == part.shape
    beyond = affine.copy()
    beyond[:3, 3] += AFFINE[:3, 0] * 3
    assert on_grid("mask.nii", part, beyond, Grid("image.nii", SHAPE, AFFINE)).shape == part.shape
