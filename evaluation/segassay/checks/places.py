"""Find images that were cut out around their one object: where it lies is then no finding.

mask  ->  centre of its one object, as shares of the image  ->  all cases: always in the middle?

A network that sees the whole of such images learns the place instead of the look, and finds the object in the middle of
every image. Nothing in scores on images that were cut out in the same way tells.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from segassay.checks.facts import CaseFacts
from segassay.data.dataset import Dataset
from segassay.errors import Problem

__all__ = ["centre_of", "place_problems"]

_NEAR = 0.05
"""Distance from the middle, as a share of the image's length along an axis; by chance one object in ten is nearer."""
_FEWEST = 8
"""Images with one object, below which nothing is said: that all lie there along one axis has a chance of 1e-8."""
_MOST = 0.9
"""Share of the images that must have one object, and of these that must have it in the middle."""


def centre_of(mask: np.ndarray) -> tuple[float, ...]:
    """Middle of the box around the foreground, from 0 to 1 along each axis; empty without foreground.

    Example:
        >>> mask = np.zeros((8, 10), dtype=bool)
        >>> mask[1:3, 4:6] = True
        >>> centre_of(mask)
        (0.25, 0.5)
    """
    if not mask.any():
        return ()
    centre = []
    for axis, size in enumerate(mask.shape):
        marked = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        centre.append(float(marked[0] + marked[-1] + 1) / 2 / size)
    return tuple(centre)


def place_problems(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    """A warning where nearly all images hold one object, in the middle along two axes or more."""
    centres, n_marked = [], 0
    for facts in cases:
        marked = [mask for mask in facts.masks.values() if mask.n_objects]
        found = [mask.centre for mask in marked if mask.centre]
        n_marked += bool(marked)
        if found and 2 * len(found) > len(marked):
            centres.append(np.median(found, axis=0))
    if len(centres) < max(_FEWEST, _MOST * n_marked) or len({len(centre) for centre in centres}) > 1:
        return
    is_near = np.abs(np.array(centres) - 0.5) <= _NEAR
    along = np.flatnonzero(is_near.mean(axis=0) >= _MOST)
    if len(along) > 1:
        n_near = int(is_near[:, along].all(axis=1).sum())
        what = (
            f"{n_near} of {len(centres)} images with one object have it in the middle, as if each had been cut out "
            "around it; a model that sees whole images learns this place instead of what the object looks like"
        )
        action = (
            "cut them out so that objects lie anywhere, or say beside every score that it holds for images that were "
            "cut out around their object"
        )
        yield Problem(str(dataset.folder), what, action, "warning", kind="in-the-middle")
