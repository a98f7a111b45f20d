"""How a volume is shown: across which axis it is cut, which way up, and in the proportions of its voxels.

shape, spacing, affine  ->  View  ->  (rows, columns) of one slice, or of the largest values through all of them
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Cut", "View", "largest_cut", "spacing_of", "view_of"]

_THICK = 1.5
"""A volume is cut across an axis whose voxels are this many times as long as those of both others."""

_NAMES = {0: "sagittal", 1: "coronal", 2: "axial"}
_WAYS_UP = {
    0: "front at the left, head at the top",
    1: "right of the patient at the left, head at the top",
    2: "right of the patient at the left, front at the top",
}


@dataclass(frozen=True)
class View:
    """The slices of a volume across one axis, as pictures.

    Attributes:
        across: Axis across which the volume is cut.
        rows, columns: Axes that become rows and columns of the picture.
        turned: Whether rows, and columns, of the picture run against the numbers of the file.
        spacing: Distances between rows and between columns of the picture, in any unit; 1 and 1 if unknown.
        name: `axial`, `coronal` or `sagittal` where the file says how the patient lies, else empty.
        way_up: In words, where the file says it.
    """

    across: int
    rows: int
    columns: int
    turned: tuple[bool, bool] = (False, False)
    spacing: tuple[float, float] = (1.0, 1.0)
    name: str = ""
    way_up: str = ""

    def cut(self, array: np.ndarray, place: int) -> np.ndarray:
        """One slice of an array `(*spatial)` as a picture `(rows, columns)`.

        Args:
            array: `(*spatial)`, three axes.
            place: Index along `across`.
        """
        return self.turn(array.take(place, axis=self.across))

    def through(self, array: np.ndarray) -> np.ndarray:
        """The largest value along `across` at each place: a maximum projection `(rows, columns)`."""
        return self.turn(array.max(axis=self.across))

    def turn(self, plane: np.ndarray) -> np.ndarray:
        """The picture `(rows, columns)` of what is left of an array after `across` is gone."""
        plane = plane.T if self.rows > self.columns else plane
        return plane[tuple(slice(None, None, -1 if turn else 1) for turn in self.turned)]

    def box(self, box: Sequence[tuple[int, int]], shape: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """First and last row, and column, of the picture of what has these first and last indices along each axis."""
        sides = []
        for axis, turn in zip((self.rows, self.columns), self.turned, strict=True):
            first, last = box[axis]
            sides.append((shape[axis] - 1 - last, shape[axis] - 1 - first) if turn else (first, last))
        return sides[0], sides[1]

    def in_words(self, place: int, shape: Sequence[int]) -> str:
        """Which slice it is, counted from 1 in the order of the file.

        Example:
            >>> view_of((64, 64, 12), None, None).in_words(6, (64, 64, 12))
            'plane 7 of 12 across axis 3'
            >>> affine = np.array([[-0.7, 0, 0, 90], [0, -0.7, 0, 70], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
            >>> view_of((64, 64, 12), None, affine).in_words(6, (64, 64, 12))
            'axial slice 7 of 12'
        """
        if self.name:
            return f"{self.name} slice {place + 1} of {shape[self.across]}"
        return f"plane {place + 1} of {shape[self.across]} across axis {self.across + 1}"

    def most(self, marked: np.ndarray) -> int:
        """The slice of a boolean array `(*spatial)` with most marked; the middle one if nothing is marked."""
        amount = np.count_nonzero(marked, axis=tuple(axis for axis in range(3) if axis != self.across))
        return int(amount.argmax()) if amount.any() else len(amount) // 2


@dataclass(frozen=True)
class Cut:
    """A picture of an image or volume.

    Attributes:
        view: How the volume is cut; None for an image, which is shown as it is.
        place: Index of the slice; None for an image, and for a projection through all slices.
        why: Why it is shown; empty for an image.
    """

    view: View | None = None
    place: int | None = None
    why: str = ""

    def take(self, array: np.ndarray) -> np.ndarray:
        """The picture `(rows, columns)` of an array `(*spatial)`."""
        if self.view is None:
            return array
        return self.view.through(array) if self.place is None else self.view.cut(array, self.place)

    def in_words(self, shape: Sequence[int]) -> str:
        """What is shown of a volume of this shape; empty for an image."""
        if self.view is None:
            return ""
        if self.place is not None:
            return self.view.in_words(self.place, shape)
        name = f"{self.view.name} slices" if self.view.name else f"planes across axis {self.view.across + 1}"
        return f"largest values of all {shape[self.view.across]} {name}"

    def proportioned(self, array: np.ndarray) -> np.ndarray:
        """The picture of an array, with rows or columns repeated where these are further apart than the others."""
        return self.stretched(self.take(array))

    def stretched(self, picture: np.ndarray) -> np.ndarray:
        """A picture `(rows, columns)` with rows or columns repeated where these are further apart than the others."""
        for axis, times in enumerate(self.stretch()):
            if round(times * picture.shape[axis]) > picture.shape[axis]:
                wanted = np.arange(round(times * picture.shape[axis]))
                picture = picture.take((wanted / times).astype(int), axis=axis)
        return picture

    def stretch(self) -> tuple[float, float]:
        """How many times as long as the smaller one the distances of rows and of columns are; one of them is 1."""
        if self.view is None:
            return 1.0, 1.0
        down, right = self.view.spacing
        return down / min(down, right), right / min(down, right)

    def where(
        self, box: Sequence[tuple[int, int]], shape: Sequence[int]
    ) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int] | None]:
        """First and last row, column and (None for an image) slice of what has these ends along each axis."""
        if self.view is None:
            return box[0], box[1], None
        return (*self.view.box(box, shape), box[self.view.across])


def view_of(shape: Sequence[int], spacing: Sequence[float] | None, affine: np.ndarray | None) -> View:
    """How to show a volume.

    It is cut across the axis along which its voxels are longest, if these are at least 1.5 times as long as both other
    sides, since slices were taken that way. Else the cut is axial, if an affine says how the patient lies, or across
    the axis with fewest voxels. With an affine the picture is turned as radiologists look at it: the right of the
    patient, or the front, at the left; the head, or the front, at the top. An oblique volume is shown along its nearest
    axes, so no value is interpolated. An affine of distances alone, without a place, as scripts write it, says nothing
    of the patient: then the first axis of the file runs along the columns, as in a NIfTI made of slices. Without an
    affine rows and columns are those of the file.

    Args:
        shape: Of the volume, three axes.
        spacing: Distance between voxels along each axis, in any unit; None if unknown, then the affine gives it.
        affine: 4 × 4 matrix of a NIfTI, from voxels to world coordinates (right, front, up); None if unknown.

    Raises:
        ValueError: If there are not three axes.

    Example:
        >>> affine = np.array([[0.7, 0, 0, -90], [0, 0.7, 0, -70], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
        >>> view_of((128, 128, 9), None, affine)  # first voxel at the left, back and bottom
        View(across=2, rows=1, columns=0, turned=(True, True), spacing=(0.7, 0.7), name='axial', way_up='right of the \
patient at the left, front at the top')
        >>> view_of((30, 512, 512), (5.0, 1.0, 1.0), None)
        View(across=0, rows=1, columns=2, turned=(False, False), spacing=(1.0, 1.0), name='', way_up='')
    """
    if len(shape) != 3:
        raise ValueError(f"expected a volume of three axes, got the shape {tuple(shape)}")
    world = None if affine is None or _knows_no_place(affine) else _nearest_axes(affine)
    distances = np.asarray(spacing_of(affine) if spacing is None else spacing, dtype=float)
    longest, *others = np.argsort(-distances, kind="stable").tolist()
    if distances[longest] >= _THICK * distances[others[0]]:
        across = longest
    elif world is not None:
        across = world[0].index(2)
    else:
        across = int(np.argmin(shape))
    left = [axis for axis in range(3) if axis != across]
    if world is None:
        rows, columns = left if affine is None else reversed(left)
        turned, name, way_up = (False, False), "", ""
    else:
        to_world, is_backward = world
        columns, rows = sorted(left, key=lambda axis: to_world[axis])
        turned = not is_backward[rows], not is_backward[columns]
        name, way_up = _NAMES[to_world[across]], _WAYS_UP[to_world[across]]
    return View(across, rows, columns, turned, (float(distances[rows]), float(distances[columns])), name, way_up)


def largest_cut(marked: np.ndarray, spacing: Sequence[float] | None, affine: np.ndarray | None) -> Cut:
    """What one figure shows: a whole image; of a volume the slice with most marked, the middle one without any.

    Args:
        marked: Boolean `(*spatial)`, two or three axes.
        spacing: As for `view_of`.
        affine: As for `view_of`.

    Example:
        >>> marked = np.zeros((4, 9, 8), dtype=bool)
        >>> marked[3, 2:4, 5] = True
        >>> int(largest_cut(marked, None, None).take(marked).sum())
        2
    """
    if marked.ndim != 3:
        return Cut()
    view = view_of(marked.shape, spacing, affine)
    return Cut(view, view.most(marked), "most foreground")


def spacing_of(affine: np.ndarray | None) -> tuple[float, ...]:
    """Distances between voxels by the affine of a NIfTI, in its unit; 1, 1, 1 without one.

    Example:
        >>> spacing_of(np.diag([-0.7, 0.7, 2.5, 1])), spacing_of(None)
        ((0.7, 0.7, 2.5), (1.0, 1.0, 1.0))
    """
    if affine is None:
        return (1.0, 1.0, 1.0)
    return tuple(np.sqrt((np.asarray(affine, dtype=float)[:3, :3] ** 2).sum(axis=0)).tolist())


def _knows_no_place(affine: np.ndarray) -> bool:
    """Whether an affine holds nothing but distances, as scripts write it: no patient lies at 0, 0, 0."""
    affine = np.asarray(affine, dtype=float)
    return np.array_equal(affine, np.diag(np.abs(np.diag(affine))))


def _nearest_axes(affine: np.ndarray) -> tuple[list[int], list[bool]] | None:
    """Of each axis of a volume: the axis of the world that it is nearest to, and whether it runs against it.

    None if a header is damaged, so that an axis has no direction.
    """
    directions = np.asarray(affine, dtype=float)[:3, :3]
    lengths = np.sqrt((directions**2).sum(axis=0))
    if not np.isfinite(directions).all() or not lengths.all():
        return None
    cosines = directions / lengths
    free = np.abs(cosines)
    to_world, is_backward = [0, 0, 0], [False, False, False]
    for _ in range(3):
        row, axis = (int(place) for place in np.unravel_index(int(free.argmax()), free.shape))
        to_world[axis], is_backward[axis] = row, bool(cosines[row, axis] < 0)
        free[row, :] = free[:, axis] = -1
    return to_world, is_backward
