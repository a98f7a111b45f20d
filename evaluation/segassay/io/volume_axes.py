"""Order and direction of the axes of a volume: put into those of another one by its affine, and back.

affine of a NIfTI  ->  axes_of -> "LPS"
affine, "RAS"      ->  turn_to -> Turn.to((..., *spatial)) -> the same voxels in the other order -> Turn.back

No value is interpolated: axes are those of the world that lie nearest, as `nibabel.aff2axcodes` names them.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt2axcodes, ornt_transform

from segassay.io.formats import blank
from segassay.io.grids import is_place
from segassay.io.windows import Windows

__all__ = ["CANONICAL", "Turn", "TurnedWindows", "axes_of", "turn_to"]

CANONICAL = "RAS"
"""Axes that run to the right, the front and the head of the patient."""


@dataclass(frozen=True)
class Turn:
    """How the three axes of a file are put into another order and direction.

    Attributes:
        order: Of each axis of the result: the axis of the file.
        mirrored: Of each axis of the result: whether it runs the other way.

    Example:
        >>> turn = Turn((2, 0, 1), (False, True, False))
        >>> array = np.arange(24).reshape(2, 3, 4)
        >>> turn.to(array).shape, bool((turn.back(turn.to(array)) == array).all())
        ((4, 2, 3), True)
    """

    order: tuple[int, ...]
    mirrored: tuple[bool, ...]

    def to(self, array: np.ndarray) -> np.ndarray:
        """An array `(..., *spatial)` of the file in the other axes."""
        return np.ascontiguousarray(self._flip(_transposed(array, self.order)))

    def back(self, array: np.ndarray) -> np.ndarray:
        """An array `(..., *spatial)` in the other axes in those of the file."""
        return np.ascontiguousarray(_transposed(self._flip(array), np.argsort(self.order).tolist()))

    def lengths(self, of_file: Sequence[Any]) -> tuple[Any, ...]:
        """What belongs to each axis of the file, such as its length, in the other order."""
        return tuple(of_file[axis] for axis in self.order)

    def lengths_back(self, others: Sequence[Any]) -> tuple[Any, ...]:
        """What belongs to each of the other axes in the order of the file."""
        return tuple(others[self.order.index(axis)] for axis in range(len(self.order)))

    def window_back(self, window: Sequence[slice], shape: Sequence[int]) -> tuple[slice, ...]:
        """A window in the other axes as one of the file, whose volume has this shape.

        Example:
            >>> Turn((2, 0, 1), (False, True, False)).window_back((slice(0, 4), slice(0, 1), slice(1, 3)), (2, 3, 4))
            (slice(1, 2, None), slice(1, 3, None), slice(0, 4, None))
        """
        lengths = self.lengths(shape)
        parts = [
            slice(length - part.stop, length - part.start) if mirrored else part
            for part, length, mirrored in zip(window, lengths, self.mirrored, strict=True)
        ]
        return self.lengths_back(parts)

    def _flip(self, array: np.ndarray) -> np.ndarray:
        first = array.ndim - len(self.mirrored)
        return np.flip(array, tuple(first + axis for axis, mirrored in enumerate(self.mirrored) if mirrored))


def _transposed(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    first = array.ndim - len(order)
    return array.transpose(*range(first), *(first + axis for axis in order))


def axes_of(affine: np.ndarray | None, n_axes: int = 3) -> str | None:
    """Directions of the axes of a volume, as `LPS`: they run to the left, the back and the head.

    Args:
        affine: 4 × 4 matrix from voxels to world coordinates; None if unknown.
        n_axes: Spatial axes of the array.

    Returns:
        None if they are unknown: of an image, without an affine, or one that scripts write who know no place (the
        identity), or that gives voxels none.

    Example:
        >>> axes_of(np.diag([-0.7, -0.7, 2.5, 1.0])), axes_of(np.eye(4))
        ('LPS', None)
    """
    if affine is None or n_axes != 3 or not is_place(affine) or np.array_equal(affine, np.eye(4)):
        return None
    return "".join(ornt2axcodes(io_orientation(affine)))


def turn_to(axes: str | None, affine: np.ndarray | None, n_axes: int = 3) -> Turn | None:
    """How a volume is put into axes such as `LPS`; None if it has them, or these or its own are unknown.

    Example:
        >>> turn_to("RAS", np.diag([-0.7, -0.7, 2.5, 1.0]))
        Turn(order=(0, 1, 2), mirrored=(True, True, False))
    """
    own = axes_of(affine, n_axes)
    if own is None or axes is None or own == axes:
        return None
    places = ornt_transform(axcodes2ornt(own), axcodes2ornt(axes))  # of each axis of the file: place, direction
    order = np.argsort(places[:, 0]).astype(int)
    return Turn(tuple(order.tolist()), tuple((places[order, 1] < 0).tolist()))


class TurnedWindows:
    """A large volume of which windows are read in other axes than those of its file.

    Args:
        image: The volume.
        turn: How its axes are put.

    Attributes:
        path: Its file.
        frame: As of `Windows`, without affine.
    """

    def __init__(self, image: Windows, turn: Turn) -> None:
        self.path, self._image, self._turn = image.path, image, turn
        frame = image.frame
        shape = (len(frame.array), *turn.lengths(frame.array.shape[1:]))
        spacing = None if frame.spacing_um is None else turn.lengths(frame.spacing_um)
        array = blank(shape, frame.array.dtype)
        self.frame = dataclasses.replace(frame, array=array, spacing_um=spacing, affine=None, placement=None)

    def read(self, *window: slice) -> np.ndarray:
        """Pixels as of `Windows.read`."""
        of_file = self._turn.window_back(window, self._image.frame.array.shape[1:])
        return self._turn.to(self._image.read(*of_file))
