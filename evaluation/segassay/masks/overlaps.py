"""Compare two annotations of one image: pixel by pixel, and object by object.

    labels_a, labels_b (*spatial) int  ->  Overlaps (a sparse table)  ->  Matches

Objects are compared once: the table holds every pair of objects that share a pixel, and gives all object
measures. `a` is the reference and `b` the prediction; Dice, IoU, F1 and mean IoU do not change when they are swapped.
Many annotations of one image are compared in one pass over its pixels, all pairs from one sparse table:

    labels of A annotators  ->  JointOverlaps  ->  Overlaps of any pair  ->  Matches of all pairs, in one pass
"""

from collections.abc import Iterable, Iterator, Sequence
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
    "match_each",
    "match_objects",
    "match_overlaps",
    "overlap_table",
    "pixel_agreement",
]

IOU_THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)

# Added per matched pair: of assignments with the same sum of IoU, the one with most pairs wins in any order of objects.
# Far below any difference between IoUs that matters, far above rounding errors.
TIE_BONUS = 1e-9

_FEW = 256  # overlaps
_AT_ONCE = 200_000  # objects and overlaps of the tables that are computed together


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
    return next(match_each([overlaps], iou_thresholds))


def match_each(tables: Iterable[Overlaps], iou_thresholds: Sequence[float] = IOU_THRESHOLDS) -> Iterator[Matches]:
    """The same as `match_overlaps` for many tables, in their order: many are computed in one pass.

    Args:
        tables: Tables of `overlap_table`, or pairs of a `JointOverlaps`; they are read as they are needed.
        iou_thresholds: Thresholds in [.5, 1).

    Returns:
        The matches of each table; nothing without tables.

    Raises:
        ValueError: If a threshold is outside [.5, 1).

    Example:
        >>> one, other = np.array([1, 1, 0, 2]), np.array([1, 1, 1, 0])
        >>> [matches.tp.tolist() for matches in match_each([overlap_table(one, one), overlap_table(one, other)], [0.5])]
        [[2], [1]]
    """
    thresholds = np.asarray(iou_thresholds, dtype=float)
    if thresholds.ndim != 1 or not ((thresholds >= 0.5) & (thresholds < 1)).all():
        raise ValueError(f"IoU thresholds must be a list of numbers in [0.5, 1), got {iou_thresholds}")
    batch: list[Overlaps] = []
    size = 0
    for table in tables:
        batch.append(table)
        size += table.n_a + table.n_b + len(table.a)
        if size > _AT_ONCE:
            yield from _match_batch(batch, thresholds)
            batch, size = [], 0
    yield from _match_batch(batch, thresholds)


def _match_batch(tables: Sequence[Overlaps], thresholds: np.ndarray) -> Iterator[Matches]:
    """`match_each` of tables that fit into memory together: their objects are numbered through."""
    if not tables:
        return
    n_a, n_b = np.array([(table.n_a, table.n_b) for table in tables]).T
    of_a, of_b = (np.repeat(np.arange(len(tables)), n) for n in (n_a, n_b))  # the table of each object
    first_a, first_b = np.cumsum(n_a) - n_a, np.cumsum(n_b) - n_b
    a = np.concatenate([table.a + first for table, first in zip(tables, first_a.tolist(), strict=True)])
    b = np.concatenate([table.b + first for table, first in zip(tables, first_b.tolist(), strict=True)])
    intersection = np.concatenate([table.intersection for table in tables])
    size_a = np.concatenate([table.size_a for table in tables])[a]
    size_b = np.concatenate([table.size_b for table in tables])[b]
    iou = intersection / (size_a + size_b - intersection)
    of = of_a[a]
    matched = iou > thresholds[:, None]
    tp = _sums(matched, of, len(tables)).astype(np.int64)
    sum_iou = _sums(np.where(matched, iou, 0), of, len(tables))
    precision, recall = _shares(tp, n_b, other=n_a), _shares(tp, n_a, other=n_b)
    f1 = _shares(2 * tp, n_a + n_b, other=np.zeros_like(n_a))
    mean_iou = _mean_ious(a, b, iou, of_a, of_b, len(tables)).tolist()
    sq = np.divide(sum_iou, tp, out=np.full(tp.shape, np.nan), where=tp > 0)
    n_merges = _n_that_cover_several(b[2 * intersection > size_a], of_b, len(tables))
    n_splits = _n_that_cover_several(a[2 * intersection > size_b], of_a, len(tables))
    for i, table in enumerate(tables):
        yield Matches(
            n_a=table.n_a,
            n_b=table.n_b,
            iou_thresholds=thresholds,
            tp=tp[i],
            precision=precision[i],
            recall=recall[i],
            f1=f1[i],
            mean_iou=mean_iou[i],
            sq=sq[i],
            n_merges=n_merges[i],
            n_splits=n_splits[i],
        )


def _sums(values: np.ndarray, of: np.ndarray, n_tables: int) -> np.ndarray:
    """Sum `(n_tables, ...)` of the values `(..., k)` of each table `of` `(k,)`, ascending; to the bit that of it alone.

    NumPy adds the first value of a stretch to the sum of the others, so each stretch begins with a 0.
    """
    apart = np.zeros((*values.shape[:-1], len(of) + n_tables))
    apart[..., np.arange(len(of)) + of + 1] = values
    starts = np.searchsorted(of, np.arange(n_tables)) + np.arange(n_tables)
    return np.moveaxis(np.add.reduceat(apart, starts, axis=-1), -1, 0)


def _n_that_cover_several(covering: np.ndarray, of: np.ndarray, n_tables: int) -> list[int]:
    """Of each table the number of objects that come twice or more among those that cover more than half of another."""
    several = np.bincount(covering, minlength=len(of)) > 1
    return np.bincount(of[several], minlength=n_tables).tolist()


def _shares(tp: np.ndarray, n: np.ndarray, *, other: np.ndarray) -> np.ndarray:
    """`tp / n` of each table; with n = 0 it is 1 if the other side is empty too, else 0."""
    without = np.repeat(np.where(other > 0, 0.0, 1.0)[:, None], tp.shape[1], axis=1)
    return np.divide(tp, n[:, None], out=without, where=n[:, None] > 0)


def _mean_ious(
    a: np.ndarray, b: np.ndarray, iou: np.ndarray, of_a: np.ndarray, of_b: np.ndarray, n_tables: int
) -> np.ndarray:
    """Mean IoU `(n_tables,)` of the assignment that maximises the sum of IoU, solved for each connected group.

    `of_a` and `of_b` are the tables of all objects.
    """
    around_a, around_b = np.bincount(a, minlength=len(of_a)), np.bincount(b, minlength=len(of_b))
    alone_a, alone_b = around_a[a] == 1, around_b[b] == 1
    # One object with others around it that overlap with nothing else: the best of them is its partner.
    star_a = np.bincount(a, weights=alone_b, minlength=len(of_a))[a] == around_a[a]
    star_b = np.bincount(b, weights=alone_a, minlength=len(of_b))[b] == around_b[b]
    star_b &= ~star_a
    rest = ~star_a & ~star_b
    matched = [_best(a[star_a], iou[star_a], of_a), _best(b[star_b], iou[star_b], of_b)]
    if rest.any():
        matched += _assign_groups(a[rest], b[rest], iou[rest], of_a)
    of, values = (np.concatenate(parts) for parts in zip(*matched, strict=True))
    order = np.lexsort((values, of))
    n_matched = np.bincount(of, minlength=n_tables)
    total = _sums(values[order], of[order], n_tables)
    return np.divide(total, n_matched, out=np.full(n_tables, np.nan), where=n_matched > 0)


def _best(centre: np.ndarray, iou: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Table `(m,)` and largest IoU `(m,)` of each object that is a centre."""
    order = np.lexsort((iou, centre))
    last = np.diff(centre[order], append=-1) != 0
    return of[centre[order][last]], iou[order][last]


def _assign_groups(
    a: np.ndarray, b: np.ndarray, iou: np.ndarray, of_a: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Table and IoU of the pairs in the best one-to-one assignment within each connected group of overlaps."""
    group = _groups_of_few(a, b) if len(a) <= _FEW else _groups(a, b)
    order = np.argsort(group, kind="stable")
    bounds = [*np.flatnonzero(np.diff(group[order], prepend=-1)), a.size]
    groups = [order[start:stop] for start, stop in pairwise(bounds)]
    matched = [_assign(a[rows], b[rows], iou[rows]) for rows in groups]
    return [(np.full(len(ious), of_a[a[rows[0]]]), ious) for rows, ious in zip(groups, matched, strict=True)]


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
