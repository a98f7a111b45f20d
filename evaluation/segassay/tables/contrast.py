"""Objects by how bright they are, and which of them an annotator marks too.

image, votes of raters, JointOverlaps  ->  contrast of objects  ->  rows of classes of contrast
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from segassay.consensus.patterns import tally
from segassay.masks.joint import JointOverlaps

__all__ = ["CONTRAST_STEP", "OTHER_RATERS", "background_of", "found_by_contrast"]

CONTRAST_STEP = 0.25
"""Width of a class of contrast."""

OTHER_RATERS = "other raters"
"""Reference of the objects that the other raters marked, those of each counted."""

_FURTHEST = 50.0  # contrasts further from 0 are in the last class
_ENOUGH_PIXELS = 100
_TO_SD = 1.4826  # of the median absolute deviation of normal values


def background_of(values: np.ndarray) -> tuple[float, float] | None:
    """Level and spread of the background, hardly moved by objects that nobody marked.

    Args:
        values: Raw values `(n,)` of pixels that no rater marks.

    Returns:
        The median, and the median absolute deviation × 1.4826, the standard deviation of normal values. None below 100
        pixels, and if the spread is 0.

    Example:
        >>> background_of(np.arange(101.0))
        (50.0, 37.065)
    """
    if len(values) < _ENOUGH_PIXELS:
        return None
    numbers: np.ndarray = values
    median: Callable[[np.ndarray], Any] = np.median
    if values.dtype in (np.uint8, np.uint16):  # few different numbers: a million pixels need not be sorted
        counts = tally(values, int(values.max()) + 1)
        numbers, median = np.arange(len(counts)), partial(_median, counts=counts)
    level = float(median(numbers))
    spread = round(_TO_SD * float(median(np.abs(numbers - level))), 12)
    return (level, spread) if spread > 0 else None


def _median(numbers: np.ndarray, counts: np.ndarray) -> float:
    """Median of numbers `(n,)`, each of which occurs so often: the mean of the two in the middle."""
    order = np.argsort(numbers, kind="stable")
    upto = np.cumsum(counts[order])
    middle = np.searchsorted(upto, [(upto[-1] - 1) // 2, upto[-1] // 2], side="right")
    return float(numbers[order][middle].mean())


def found_by_contrast(
    joint: JointOverlaps,
    references: Mapping[str, Sequence[int]],
    annotator: int | None,
    background: tuple[float, float],
) -> Iterator[tuple[str, float, int, int]]:
    """Objects of references by their contrast, and how many of them an annotator has.

    Args:
        joint: Objects of all masks of the image, with values.
        references: Name -> positions of the masks whose objects are counted together.
        annotator: Position of the annotator's mask; None if it is missing.
        background: What `background_of` returns.

    Yields:
        Reference; lower end of the class of contrast, which is an object's mean value above the level of the background
        in units of its spread; objects of the class, and those of them that the annotator marks: an object shares more
        than half of the smaller one of the two, so that it does not matter how far outside a boundary is drawn. Only
        classes with objects.
    """
    level, spread = background
    for reference, positions in references.items():
        if not positions:
            continue
        parts = [(joint.mean_values[at] - level) / spread for at in positions]
        contrast = np.clip(np.concatenate(parts), -_FURTHEST, _FURTHEST - CONTRAST_STEP)
        found = np.concatenate([_is_found(joint, at, annotator) for at in positions])
        classes, place = np.unique(np.floor(contrast / CONTRAST_STEP), return_inverse=True)
        n_objects = np.bincount(place, minlength=len(classes))
        n_found = np.bincount(place[found], minlength=len(classes))
        lows = (classes * CONTRAST_STEP).tolist()
        for low, n, n_of in zip(lows, n_objects.tolist(), n_found.tolist(), strict=True):
            yield reference, low, n, n_of


def _is_found(joint: JointOverlaps, reference: int, annotator: int | None) -> np.ndarray:
    """Whether the annotator marks each object of the reference."""
    if annotator is None:
        return np.zeros(len(joint.sizes[reference]), dtype=bool)
    return joint.shares_half(reference, annotator)
