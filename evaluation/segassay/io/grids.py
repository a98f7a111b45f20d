"""Put masks onto the pixels of their image: mirrored or turned NIfTI files, and axes of length 1.

mask (*spatial), its affine, Grid of the image  ->  the same mask with the axes of the image, or an error
"""

import itertools
import os
from dataclasses import dataclass

import numpy as np

from segassay.errors import DataError

__all__ = ["NO_PLACE", "Grid", "is_place", "on_grid"]

NO_PLACE = ("has an affine that puts all voxels into one plane, or is no number", "correct the header (sform, qform)")
"""What is wrong with an affine that `is_place` refuses, and what to do."""

_SAME_PLACE = 0.5
"""Voxels by which a mask may lie beside its image: less, and each voxel's nearest one stays the same."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixels of an image.

    Attributes:
        path: Its file.
        shape: Spatial shape.
        affine: NIfTI only: 4 × 4 matrix from voxel to world coordinates; None if unknown.
    """

    path: str | os.PathLike[str]
    shape: tuple[int, ...]
    affine: np.ndarray | None = None


def on_grid(path: str | os.PathLike[str], array: np.ndarray, affine: np.ndarray | None, grid: Grid) -> np.ndarray:
    """A mask or map in the axes of its image, by the affines of both; no value is interpolated.

    Without affines, or where only that of the mask is the identity, as scripts write it that know no place, pixels
    are taken in their order. Further axes of length 1 are dropped. A mask of a part of the image is placed there, with
    zeros around it.

    Args:
        path: The file, for messages.
        array: `(*spatial)`.
        affine: From its voxels to world coordinates; None if unknown.
        grid: Of its image.

    Returns:
        The array, perhaps as a view; of another shape than the grid if that cannot be helped.

    Raises:
        DataError: If both have a place in the world, and voxels of one lie between or outside those of the other; or
            if an affine puts all voxels into one plane.

    Example:
        >>> right, left = np.diag([2.0, 2, 2, 1]), np.diag([-2.0, 2, 2, 1])
        >>> left[0, 3] = 4  # the first voxel is where the last one of the image is
        >>> mask = np.array([7, 0, 0]).reshape(3, 1, 1)
        >>> on_grid("mask.nii", mask, left, Grid("image.nii", (3, 1, 1), right)).ravel().tolist()
        [0, 0, 7]
    """
    if array.shape != grid.shape and array.ndim > len(grid.shape):
        lean = tuple(n for n in array.shape if n > 1)
        if lean == tuple(n for n in grid.shape if n > 1):
            array = array.reshape(grid.shape)
    if affine is None or grid.affine is None or array.ndim != len(grid.shape) or np.array_equal(affine, np.eye(4)):
        return array
    for file, matrix in ((grid.path, grid.affine), (path, affine)):
        if not is_place(matrix):
            raise DataError.of(file, *NO_PLACE, kind="geometry")
    to_image = np.linalg.solve(grid.affine, affine)
    order = np.abs(to_image[:3, :3]).argmax(axis=1)  # of each axis of the image: the axis of the mask
    if sorted(order) != [0, 1, 2] or (array.ndim == 2 and order[2] != 2):
        raise _elsewhere(path, grid, None)
    full = array.reshape(*array.shape, *[1] * (3 - array.ndim))
    mirrored = [bool(to_image[axis, order[axis]] < 0) for axis in range(3)]
    full = full.transpose(*order)
    turned = full[tuple(slice(None, None, -1 if turn else 1) for turn in mirrored)]
    if full.shape[: array.ndim] != grid.shape:
        placed = _part(turned, to_image, order, mirrored, (*grid.shape, *[1] * (3 - array.ndim)))
        return array if placed is None else placed.reshape(grid.shape)
    off = _largest_distance(to_image, order, mirrored, full.shape)
    if off > _SAME_PLACE:
        raise _elsewhere(path, grid, off)
    return turned.reshape(grid.shape)


def is_place(affine: np.ndarray) -> bool:
    """Whether an affine gives each voxel a place of its own.

    Example:
        >>> is_place(np.diag([1.0, 1, 2, 1])), is_place(np.diag([1.0, 1, 0, 1]))
        (True, False)
    """
    return bool(np.isfinite(affine).all() and np.linalg.matrix_rank(affine[:3, :3]) == 3)


def _part(
    turned: np.ndarray, to_image: np.ndarray, order: np.ndarray, mirrored: list[bool], shape: tuple[int, ...]
) -> np.ndarray | None:
    """A mask of a part of the image, as 3D Slicer crops it, on the whole image; None if it is none.

    One that begins where the image begins may be a crop whose header was forgotten: it keeps its shape, an error.
    """
    of_first = np.zeros(4)
    of_first[3] = 1
    for axis, turn in enumerate(mirrored):
        of_first[order[axis]] = turned.shape[axis] - 1 if turn else 0
    start = np.rint((to_image @ of_first)[:3]).astype(int)
    if (start < 0).any() or not start.any() or (start + turned.shape > shape).any():
        return None
    if _largest_distance(to_image, order, mirrored, turned.shape, start) > _SAME_PLACE:
        return None
    whole = np.zeros(shape, turned.dtype)
    whole[tuple(slice(first, first + n) for first, n in zip(start, turned.shape, strict=True))] = turned
    return whole


def _largest_distance(
    to_image: np.ndarray,
    order: np.ndarray,
    mirrored: list[bool],
    shape: tuple[int, ...],
    start: np.ndarray | tuple[int, ...] = (0, 0, 0),
) -> float:
    """Voxels between the places of a corner of the mask by the affines and by order and direction of its axes."""
    largest = 0.0
    for corner in itertools.product(*[(0, n - 1) for n in shape]):  # in the axes of the image
        of_mask = np.zeros(4)
        of_mask[3] = 1
        for axis, place in enumerate(corner):
            of_mask[order[axis]] = shape[axis] - 1 - place if mirrored[axis] else place
        largest = max(largest, float(np.abs((to_image @ of_mask)[:3] - corner - np.asarray(start)).max()))
    return largest


def _elsewhere(path: str | os.PathLike[str], grid: Grid, off: float | None) -> DataError:
    far = "at an angle to" if off is None else f"up to {off:.3g} voxels away from"
    what = f"lies {far} its image {os.fspath(grid.path)}, by the affines of both files"
    action = "resample the mask onto the image (nearest neighbour), or correct the header that is wrong"
    return DataError.of(path, what, action, kind="geometry")
