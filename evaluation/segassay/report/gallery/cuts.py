"""Which cuts through a volume the gallery shows, and where objects are in them.

votes, labels (*spatial), spacing, affine  ->  the disputed slice, those of the largest objects, a projection
"""

from collections.abc import Mapping, Sequence

import numpy as np

from segassay.figures.planes import Cut, view_of
from segassay.masks.objects import label_objects

__all__ = ["MAX_OF_OBJECTS", "cuts_of"]

MAX_OF_OBJECTS = 3
"""Slices that are shown because an object is largest there, at most: of the largest objects."""


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
