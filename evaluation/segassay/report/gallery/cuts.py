"""Which cuts through a volume the gallery shows, and where objects are in them.

votes, labels (*spatial), spacing, affine  ->  the disputed slice, those of the largest objects, a projection
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segassay.figures.planes import View, view_of
from segassay.masks.objects import label_objects

__all__ = ["MAX_OF_OBJECTS", "Cut", "cuts_of"]

MAX_OF_OBJECTS = 3
"""Slices that are shown because an object is largest there, at most: of the largest objects."""


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


def cuts_of(
    votes: np.ndarray,
    n_raters: int,
    labels: Mapping[str, np.ndarray],
    spacing_um: Sequence[float] | None,
    affine: np.ndarray | None,
) -> list[Cut]:
    """Cuts through a volume, the most important first; one of an image.

    Args:
        votes: How many raters marked each voxel, `(*spatial)`.
        n_raters: Number of raters.
        labels: Annotator -> objects `(*spatial)`.
        spacing_um: Of the volume; None if unknown.
        affine: Of a NIfTI; None if unknown.

    Returns:
        Where most voxels are disputed, else where most are marked; then where each of the largest objects, of all
        raters together, is largest, once for each slice; then the largest values of all slices.

    Example:
        >>> votes = np.zeros((4, 9, 8), dtype=int)
        >>> votes[1, 2:4, 5] = votes[3, 2:7, 5] = 1
        >>> [cut.in_words(votes.shape) for cut in cuts_of(votes, 1, {}, None, None)]
        ['plane 4 of 4 across axis 1', 'plane 2 of 4 across axis 1', 'largest values of all 4 planes across axis 1']
    """
    if votes.ndim == 2:
        return [Cut()]
    view = view_of(votes.shape, spacing_um, affine)
    disputed, marked = (votes > 0) & (votes < n_raters), votes > 0
    if not marked.any():
        for of in labels.values():
            marked |= of > 0
    why = "where raters disagree most" if disputed.any() else "where most is marked" if marked.any() else ""
    first = view.most(disputed if disputed.any() else marked)
    cuts = [Cut(view, first, why)]
    objects = label_objects(marked)
    largest = np.argsort(-np.bincount(objects.ravel())[1:], kind="stable")[:MAX_OF_OBJECTS] + 1
    for rank, number in enumerate(largest.tolist(), start=1):
        place = view.most(objects == number)
        if place not in [cut.place for cut in cuts]:
            which = "the object is" if len(largest) == 1 else f"object {rank} by size is"
            cuts.append(Cut(view, place, f"where {which} largest"))
    return [*cuts, Cut(view, None, "projection")]
