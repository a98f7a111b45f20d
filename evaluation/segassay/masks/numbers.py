"""What the numbers of label images are: one for each object, or one for each class.

    label image (*spatial) -> Numbers (how many, how many in pieces, how many inside another, sizes) -> Why, or None

An object is one piece; only the edge of an image may cut it in two. Numbers are those of classes if

- pieces: at least a quarter of them are in several pieces, in one image or in all, with three such pieces or more;
- inside: in at least half of the images a number lies inside another, as a tumour in a liver;
- background: no pixel of any image is 0, and there are few numbers, as in a Simple Segmentation of ilastik;
- values: in one image or in all, at least half of many numbers are in several pieces, as in a map or a grey image;
- sizes: the order of their sizes is nearly the same in all images, but not that of the numbers, as from tools that
  number objects by size: Kendall's W is .7 or more, and Friedman's test has p < .001.

Numbers that are the same in every image, without any of these, may be of either kind (`same`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy
from scipy import ndimage

__all__ = ["Numbers", "Why", "numbers_of", "same_numbers", "why_classes"]

Why = Literal["background", "values", "pieces", "inside", "sizes"]

_FEW = 64
"""Sizes are kept of images with at most so many numbers; more are a matter of pieces alone."""

_MANY = 20
"""Numbers from which on pieces may be those of grey values; and up to which a label image has a background."""

_LARGE = 0.25
"""Share of the largest piece of a number from which a piece counts; smaller ones are slips of the pen."""

_AROUND = 0.8
"""Share of the pixels around a number that are those of another one, from which it lies inside that one."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of one label image.

    Attributes:
        n: How many there are.
        n_split: How many are in several pieces.
        n_extra: Pieces beyond the first of each number.
        n_inside: How many lie inside another number, away from the edge of the image; 0 if there are more than 64.
        sizes: Number -> pixels; empty if there are more than 64.
        has_background: Whether a pixel belongs to no number.
    """

    n: int
    n_split: int
    n_extra: int
    n_inside: int
    sizes: dict[int, int]
    has_background: bool = field(default=True, repr=False)


def numbers_of(labels: np.ndarray) -> Numbers:
    """Describe the numbers of a label image.

    Args:
        labels: Integers of shape `(*spatial)`, 0 for background.

    Returns:
        The description; pieces touch at most at the edge of the image, and pieces of less than a quarter of the
        largest one do not count. Of pieces at the edge only one counts. Zeros for an empty image.

    Example:
        >>> numbers_of(np.array([[0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0]]))
        Numbers(n=2, n_split=1, n_extra=1, n_inside=0, sizes={1: 2, 2: 1})
    """
    values, ranks = _ranked(labels)
    boxes = ndimage.find_objects(ranks)
    extra = [_pieces(ranks, rank, box) - 1 for rank, box in enumerate(boxes, start=1)]
    few = len(values) <= _FEW
    inside = [_is_inside(ranks, rank, box) for rank, box in enumerate(boxes, start=1)] if few else []
    sizes = np.bincount(ranks.ravel(), minlength=len(values) + 1)[1:]
    return Numbers(
        n=len(values),
        n_split=sum(pieces > 0 for pieces in extra),
        n_extra=sum(extra),
        n_inside=sum(inside),
        sizes={int(value): int(size) for value, size in zip(values, sizes, strict=True)} if few else {},
        has_background=int(sizes.sum()) < labels.size,
    )


def _ranked(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values in ascending order without 0, and for each pixel the place of its value, from 1 on."""
    if labels.max(initial=0) < labels.size:  # much faster than sorting the pixels
        values = np.flatnonzero(np.bincount(labels.ravel()))
        place = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int32)
        values = values[values != 0]
        place[values] = np.arange(1, len(values) + 1)
        return values, place[labels]
    values = np.unique(labels)
    values = values[values != 0]
    return values, (np.searchsorted(values, labels) + 1).astype(np.int32) * (labels != 0)


def _pieces(ranks: np.ndarray, rank: int, box: tuple[slice, ...]) -> int:
    """Large pieces of one number; of those at the edge of the image only one."""
    pieces, n = ndimage.label(ranks[box] == rank, structure=np.ones((3,) * ranks.ndim))
    if n == 1:
        return 1
    sizes = np.bincount(pieces.ravel())[1:]
    large = sizes >= _LARGE * sizes.max()
    at_edge = np.array([_touches_edge(piece, box, ranks.shape) for piece in ndimage.find_objects(pieces)])
    return int((large & ~at_edge).sum()) + int((large & at_edge).any())


def _touches_edge(piece: tuple[slice, ...], box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    """Whether a piece, given by its place in a part of the image, is at the edge of the whole image."""
    return any(
        outer.start + inner.start == 0 or outer.start + inner.stop == length
        for inner, outer, length in zip(piece, box, shape, strict=True)
    )


def _is_inside(ranks: np.ndarray, rank: int, box: tuple[slice, ...]) -> bool:
    """Whether most pixels around a number are those of one other number, none of them cut off."""
    if any(part.start == 0 or part.stop == length for part, length in zip(box, ranks.shape, strict=True)):
        return False
    around = ranks[tuple(slice(part.start - 1, part.stop + 1) for part in box)]
    own = around == rank
    ring = around[ndimage.binary_dilation(own, structure=np.ones((3,) * ranks.ndim)) & ~own]
    return bool(ring.size and np.bincount(ring, minlength=2)[1:].max() >= _AROUND * ring.size)


def why_classes(images: Sequence[Numbers]) -> Why | None:
    """Why the numbers of the label images of one annotator are those of classes; None if they need not be.

    Args:
        images: All label images, or one. Images without a number say nothing.

    Example:
        Three cells of one kind and two of another, in one image:

        >>> why_classes([Numbers(n=2, n_split=2, n_extra=3, n_inside=0, sizes={1: 90, 2: 40})])
        'pieces'

        One cell of ten is cut by another:

        >>> why_classes([Numbers(n=10, n_split=1, n_extra=1, n_inside=0, sizes={})]) is None
        True
    """
    marked = [image for image in images if image.n]
    if marked and all(not image.has_background and 1 < image.n <= _MANY for image in marked):
        return "background"
    if any(_are_values(image) for image in marked):
        return "values"
    if any(_in_pieces([image]) for image in marked) or _in_pieces(marked):
        return "pieces"
    several = [image for image in marked if image.n > 1]
    if len(several) > 2 and 2 * sum(image.n_inside > 0 for image in several) >= len(several):
        return "inside"
    return "sizes" if _sizes_agree(several) else None


def _are_values(image: Numbers) -> bool:
    return image.n >= _MANY and 2 * image.n_split >= image.n


def _in_pieces(images: Sequence[Numbers]) -> bool:
    n, n_split, n_extra = (sum(getattr(image, name) for image in images) for name in ("n", "n_split", "n_extra"))
    return n_extra >= 3 and 4 * n_split >= n


def _sizes_agree(images: Sequence[Numbers]) -> bool:
    """Whether the numbers that most images have are of the same order of size in all of these."""
    usual = _usual(images)
    sizes = np.array([[image.sizes[v] for v in usual] for image in images if set(usual) <= image.sizes.keys()])
    if len(sizes) < 2 or len(usual) < 2:
        return False
    ranks = scipy.stats.rankdata(sizes, axis=1)
    total = ranks.sum(axis=0)
    steps = np.diff(total)
    if (steps <= 0).all() or (len(usual) > 2 and (steps >= 0).all()):
        return False  # numbered by size
    n, k = sizes.shape
    w = 12 * ((total - total.mean()) ** 2).sum() / (n**2 * (k**3 - k))
    return bool(w >= 0.7 and scipy.stats.chi2.sf(n * (k - 1) * w, k - 1) < 0.001)


def _usual(images: Sequence[Numbers]) -> list[int]:
    """The numbers that at least nine tenths of the images have, in ascending order."""
    counts = Counter(value for image in images for value in image.sizes)
    return sorted(value for value, count in counts.items() if count >= 0.9 * len(images))


def same_numbers(images: Sequence[Numbers]) -> set[int]:
    """The two or more numbers that each of at least three label images has; empty if these differ.

    Example:
        >>> two = Numbers(n=2, n_split=0, n_extra=0, n_inside=0, sizes={1: 9, 2: 8})
        >>> same_numbers([two] * 3), same_numbers([two] * 2)
        ({1, 2}, set())
    """
    marked = [set(image.sizes) for image in images if image.n]
    found = len(marked) > 2 and len(marked[0]) > 1 and all(numbers == marked[0] for numbers in marked)
    return marked[0] if found else set()
