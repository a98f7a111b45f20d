"""Compare two annotations of one image: pixel by pixel, and object by object.

    labels_a, labels_b (*spatial) int  ->  Overlaps (a sparse table)  ->  Matches

Objects are compared once: the table holds every pair of objects that share a pixel, and gives all object
measures. `a` is the reference and `b` the prediction; Dice, IoU, F1 and mean IoU do not change when they are swapped.
Many annotations of one image are compared in one pass over its pixels, all pairs from one sparse table:

    labels of A annotators  ->  JointOverlaps  ->  Overlaps of any pair  ->  Matches
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segassay.masks.objects import counted_pixels, label_objects

__all__ = [
    "IOU_THRESHOLDS",
    "Matches",
    "Overlaps",
    "label_objects",
    "match_objects",
    "match_overlaps",
    "overlap_table",
    "pixel_agreement",
]

IOU_THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)

# Added per matched pair: of assignments with the same sum of IoU, the one with most pairs wins in any order of objects.
# Far below any difference between IoUs that matters, far above rounding errors.
_FEW = 256  # overlaps
TIE_BONUS = 1e-9


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Objects of two annotations and the pairs of them that share pixels.

    Attributes:
        n_a: Number of objects in `a`.
        n_b: Number of objects in `b`.
        size_a: int64 `(n_a,)`, pixels of each object of `a`.
        size_b: int64 `(n_b,)`, pixels of each object of `b`.
        a: int64 `(k,)`, index into `size_a` of each overlapping pair; pairs are sorted by `a`, then `b`.
        b: int64 `(k,)`, index into `size_b` of each overlapping pair.
        intersection: int64 `(k,)`, shared pixels of each pair, at least 1.
    """

    n_a: int
    n_b: int
    size_a: np.ndarray
    size_b: np.ndarray
    a: np.ndarray
    b: np.ndarray
    intersection: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """float64 `(k,)`, intersection over union of each pair, in (0, 1]."""
        return self.intersection / (self.size_a[self.a] + self.size_b[self.b] - self.intersection)


@dataclass(frozen=True, eq=False)
class Matches:
    """Object agreement of two annotations at each IoU threshold.

    Attributes:
        n_a: Number of objects in `a`, the reference.
        n_b: Number of objects in `b`, the prediction.
        iou_thresholds: float64 `(T,)`.
        tp: int64 `(T,)`, pairs with an IoU above the threshold.
        precision: float64 `(T,)`, `tp / n_b`.
        recall: float64 `(T,)`, `tp / n_a`.
        f1: float64 `(T,)`, `2 tp / (n_a + n_b)`.
        mean_iou: Mean IoU of the best one-to-one assignment of overlapping objects; NaN where nothing overlaps.
        sq: float64 `(T,)`, segmentation quality: mean IoU of the `tp` pairs; NaN without any. Panoptic quality is
            `sq * f1`, and `f1` itself where there is no pair (Kirillov et al., 2019, doi:10.1109/CVPR.2019.00963).
        n_merges: Objects of `b` that cover more than half of two or more objects of `a`.
        n_splits: Objects of `a` that cover more than half of two or more objects of `b`.
    """

    n_a: int
    n_b: int
    iou_thresholds: np.ndarray
    tp: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    mean_iou: float
    sq: np.ndarray
    n_merges: int
    n_splits: int


def match_objects(
    labels_a: np.ndarray, labels_b: np.ndarray, iou_thresholds: Sequence[float] = IOU_THRESHOLDS
) -> Matches:
    """Match the objects of two annotations of one image.

    Two objects match if their IoU is *above* the threshold; from .5 on, no object can have two partners. Two empty
    annotations agree (precision, recall and F1 are 1); if only one is empty, they do not (0, 0, 0).

    Args:
        labels_a: Label image `(*spatial)` of the reference, 0 = background (see `label_objects`).
        labels_b: Label image `(*spatial)` of the prediction.
        iou_thresholds: Thresholds in [.5, 1).

    Returns:
        Counts and scores at each threshold, and the mean IoU.

    Raises:
        TypeError: If the labels are not integers.
        ValueError: If shapes differ, a label is negative, or a threshold is outside [.5, 1).

    Example:
        >>> reference = np.array([[1, 1, 1, 0, 2, 2, 0, 3]])
        >>> prediction = np.array([[1, 1, 0, 0, 2, 2, 0, 0]])
        >>> matches = match_objects(reference, prediction, [0.5, 0.75])
        >>> matches.tp, matches.f1
        (array([2, 1]), array([0.8, 0.4]))
        >>> round(matches.mean_iou, 4)
        0.8333
    """
    return match_overlaps(overlap_table(labels_a, labels_b), iou_thresholds)


def overlap_table(labels_a: np.ndarray, labels_b: np.ndarray) -> Overlaps:
    """List every pair of objects that share a pixel, with the number of shared pixels.

    Args:
        labels_a: Label image `(*spatial)`, 0 = background; every other value is one object.
        labels_b: The other annotation, likewise.

    Returns:
        The sparse table; objects are indexed from 0 in the order of their labels.

    Raises:
        TypeError: If the labels are not integers.
        ValueError: If shapes differ or a label is negative.

    Example:
        >>> table = overlap_table(np.array([1, 1, 0, 2]), np.array([0, 5, 5, 5]))
        >>> table.a, table.b, table.intersection, table.size_b
        (array([0, 1]), array([0, 0]), array([1, 1]), array([3]))
    """
    if labels_a.shape != labels_b.shape:
        raise ValueError(f"annotations of one image must have one shape, got {labels_a.shape} and {labels_b.shape}")
    labels_a, size_a = _sizes(labels_a)
    labels_b, size_b = _sizes(labels_b)
    shared = (labels_a > 0) & (labels_b > 0)
    width = max(len(size_b), 1)
    code = (labels_a[shared].astype(np.int64) - 1) * width + (labels_b[shared].astype(np.int64) - 1)
    pairs, intersection = np.unique(code, return_counts=True)
    return Overlaps(len(size_a), len(size_b), size_a, size_b, pairs // width, pairs % width, intersection)


def _sizes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels, renumbered 1..n if they have gaps, and the pixels of each object `(n,)`."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integers, got {labels.dtype}; number the objects of a mask with label_objects")
    if labels.size and labels.max() > labels.size:
        labels = label_objects(labels)
    foreground = labels[labels != 0]
    if foreground.size and foreground.min() < 0:
        raise ValueError(f"labels must be 0 (background) or positive, got {foreground.min()}")
    sizes = np.bincount(foreground.astype(np.intp))[1:]
    return (labels, sizes) if sizes.all() else _sizes(label_objects(labels))


def match_overlaps(overlaps: Overlaps, iou_thresholds: Sequence[float] = IOU_THRESHOLDS) -> Matches:
    """Compute the object measures from a table of overlaps; see `match_objects`.

    Args:
        overlaps: Table of `overlap_table`.
        iou_thresholds: Thresholds in [.5, 1).

    Returns:
        Counts and scores at each threshold, and the mean IoU.

    Raises:
        ValueError: If a threshold is outside [.5, 1).

    Example:
        >>> empty = np.zeros((4, 4), dtype=int)
        >>> match_overlaps(overlap_table(empty, empty), [0.5]).f1
        array([1.])
    """
    thresholds = np.asarray(iou_thresholds, dtype=float)
    if thresholds.ndim != 1 or not ((thresholds >= 0.5) & (thresholds < 1)).all():
        raise ValueError(f"IoU thresholds must be a list of numbers in [0.5, 1), got {iou_thresholds}")
    iou = overlaps.iou
    matched = iou > thresholds[:, None]
    tp = np.count_nonzero(matched, axis=1)
    sum_iou = np.where(matched, iou, 0).sum(axis=1)
    return Matches(
        n_a=overlaps.n_a,
        n_b=overlaps.n_b,
        iou_thresholds=thresholds,
        tp=tp,
        precision=_share(tp, overlaps.n_b, other=overlaps.n_a),
        recall=_share(tp, overlaps.n_a, other=overlaps.n_b),
        f1=_share(2 * tp, overlaps.n_a + overlaps.n_b, other=0),
        mean_iou=_mean_iou(overlaps, iou),
        sq=np.divide(sum_iou, tp, out=np.full(tp.shape, np.nan), where=tp > 0),
        n_merges=_n_that_cover_several(overlaps.b, overlaps.a, overlaps.size_a, overlaps.intersection),
        n_splits=_n_that_cover_several(overlaps.a, overlaps.b, overlaps.size_b, overlaps.intersection),
    )


def _n_that_cover_several(of: np.ndarray, other: np.ndarray, size: np.ndarray, intersection: np.ndarray) -> int:
    """Count objects of one side that cover more than half of two or more objects of the other, of these sizes."""
    return int(np.count_nonzero(np.bincount(of[2 * intersection > size[other]]) > 1))


def _share(tp: np.ndarray, n: int, *, other: int) -> np.ndarray:
    """`tp / n`; with n = 0 it is 1 if the other side is empty too, else 0."""
    return tp / n if n else np.full(tp.shape, 0.0 if other else 1.0)


def _mean_iou(overlaps: Overlaps, iou: np.ndarray) -> float:
    """Mean IoU of the assignment that maximises the sum of IoU, solved for each connected group of objects."""
    if not iou.size:
        return float("nan")
    of_a, of_b = np.bincount(overlaps.a, minlength=overlaps.n_a), np.bincount(overlaps.b, minlength=overlaps.n_b)
    alone_a, alone_b = of_a[overlaps.a] == 1, of_b[overlaps.b] == 1
    # One object with others around it that overlap with nothing else: the best of them is its partner.
    star_a = np.bincount(overlaps.a, weights=alone_b, minlength=overlaps.n_a)[overlaps.a] == of_a[overlaps.a]
    star_b = np.bincount(overlaps.b, weights=alone_a, minlength=overlaps.n_b)[overlaps.b] == of_b[overlaps.b]
    star_b &= ~star_a
    rest = ~star_a & ~star_b
    matched = [_best(overlaps.a[star_a], iou[star_a]), _best(overlaps.b[star_b], iou[star_b])]
    if rest.any():
        matched += _assign_groups(overlaps.a[rest], overlaps.b[rest], iou[rest])
    return float(np.sort(np.concatenate(matched)).mean())


def _best(centre: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Largest IoU of each object that is a centre `(m,)`."""
    order = np.lexsort((iou, centre))
    last = np.diff(centre[order], append=-1) != 0
    return iou[order][last]


def _assign_groups(a: np.ndarray, b: np.ndarray, iou: np.ndarray) -> list[np.ndarray]:
    """IoUs of the best one-to-one assignment within each connected group of overlaps."""
    group = _groups_of_few(a, b) if len(a) <= _FEW else _groups(a, b)
    order = np.argsort(group, kind="stable")
    bounds = [*np.flatnonzero(np.diff(group[order], prepend=-1)), a.size]
    groups = [order[start:stop] for start, stop in pairwise(bounds)]
    return [_assign(a[rows], b[rows], iou[rows]) for rows in groups]


def _groups(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of the connected group of each overlap."""
    first_b = int(a.max()) + 1
    n = first_b + int(b.max()) + 1
    graph = coo_array((np.ones(a.size), (a, first_b + b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1][a])


def _groups_of_few(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As `_groups`, without making a graph, which takes longer than all else where there are few overlaps."""
    together: dict[int, list[int]] = {}  # object, below 0 if it is one of b -> all objects of its group
    for one, other in zip(a.tolist(), (-1 - b).tolist(), strict=True):
        group, joined = together.setdefault(one, [one]), together.setdefault(other, [other])
        if group is not joined:
            group += joined
            together.update(dict.fromkeys(joined, group))
    return np.array([together[one][0] for one in a.tolist()])


def _assign(a: np.ndarray, b: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """IoUs `(m,)` of the pairs in the best one-to-one assignment within one group."""
    _, row = np.unique(a, return_inverse=True)
    _, column = np.unique(b, return_inverse=True)
    table = np.zeros((row.max() + 1, column.max() + 1))
    table[row, column] = iou
    pairs = scipy.optimize.linear_sum_assignment(table + TIE_BONUS * (table > 0), maximize=True)
    matched = table[pairs]
    return matched[matched > 0]


def pixel_agreement(
    mask_a: np.ndarray,
    mask_b: np.ndarray,
    *,
    ignore: np.ndarray | None = None,
    region: np.ndarray | None = None,
) -> tuple[float, float]:
    """Dice and IoU of the foreground of two annotations.

    Two empty annotations agree (1, 1); if only one is empty, they do not (0, 0).

    Args:
        mask_a: Boolean mask, or label image (foreground > 0), of shape `(*spatial)`; before small objects are dropped.
        mask_b: The other annotation.
        ignore: Boolean `(*spatial)`; pixels marked here do not count.
        region: Boolean `(*spatial)`; pixels not marked here do not count.

    Returns:
        `(dice, iou)`, each in [0, 1].

    Raises:
        TypeError: If a mask is neither boolean nor integer, or an area is not boolean.
        ValueError: If shapes differ or a label is negative.

    Example:
        >>> pixel_agreement(np.array([True, True, False]), np.array([True, False, False]))
        (0.6666666666666666, 0.5)
    """
    if mask_a.shape != mask_b.shape:
        raise ValueError(f"annotations of one image must have one shape, got {mask_a.shape} and {mask_b.shape}")
    foreground_a = counted_pixels(mask_a, ignore=ignore, region=region)
    foreground_b = counted_pixels(mask_b, ignore=ignore, region=region)
    shared = int(np.count_nonzero(foreground_a & foreground_b))
    return dice_iou(shared, int(np.count_nonzero(foreground_a)), int(np.count_nonzero(foreground_b)))


def dice_iou(shared: int, n_a: int, n_b: int) -> tuple[float, float]:
    """Dice and IoU from the numbers of shared foreground pixels and of each annotation's own."""
    total = n_a + n_b
    return (2 * shared / total, shared / (total - shared)) if total else (1.0, 1.0)
