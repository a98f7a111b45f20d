"""Agreement of two annotations of one image: pixel by pixel, and object by object.

    labels_a, labels_b (*spatial) int  ->  Overlaps (a sparse table)  ->  Matches

Objects are compared once: the table holds every pair of objects that share a pixel, and all object measures are read
off it. `a` is the reference and `b` the prediction; Dice, IoU, F1 and mean IoU stay the same when the two are swapped.
Many annotations of one image are compared in one pass over its pixels, all pairs from one sparse table:

    labels of A annotators  ->  JointOverlaps  ->  Overlaps of any pair  ->  Matches
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from segassay.masks.objects import counted_pixels, label_objects

__all__ = [
    "IOU_THRESHOLDS",
    "JointOverlaps",
    "Matches",
    "Overlaps",
    "joint_overlaps",
    "label_objects",
    "match_objects",
    "match_overlaps",
    "overlap_table",
    "pixel_agreement",
]

IOU_THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95)

# Added per matched pair, so that among assignments of equal summed IoU the one with most pairs wins, whatever the order
# of the objects. Far below any difference between IoUs that matters, far above rounding.
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

    Two objects match where their IoU is *above* the threshold; from .5 on, no object can then have two partners. If
    both annotations are empty they agree (precision, recall and F1 are 1); if one is, they do not (0, 0, 0).

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
        labels_b: The same for the other annotation.

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
    """Read the object measures off a table of overlaps; see `match_objects`.

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
    """Objects of one side that cover more than half of at least two objects of the other, of these sizes."""
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
    # Around one object lie others that overlap with nothing else: the best of them is its partner.
    star_a = np.bincount(overlaps.a, weights=alone_b, minlength=overlaps.n_a)[overlaps.a] == of_a[overlaps.a]
    star_b = np.bincount(overlaps.b, weights=alone_a, minlength=overlaps.n_b)[overlaps.b] == of_b[overlaps.b]
    star_b &= ~star_a
    rest = ~star_a & ~star_b
    matched = [_best(overlaps.a[star_a], iou[star_a]), _best(overlaps.b[star_b], iou[star_b])]
    if rest.any():
        matched += _assign_groups(overlaps.a[rest], overlaps.b[rest], iou[rest])
    return float(np.sort(np.concatenate(matched)).mean())


def _best(centre: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """Largest IoU around each object that is a centre `(m,)`."""
    order = np.lexsort((iou, centre))
    last = np.diff(centre[order], append=-1) != 0
    return iou[order][last]


def _assign_groups(a: np.ndarray, b: np.ndarray, iou: np.ndarray) -> list[np.ndarray]:
    """IoUs of the best one-to-one assignment within each connected group of overlaps."""
    first_b = int(a.max()) + 1
    n = first_b + int(b.max()) + 1
    _, group_of_object = connected_components(
        coo_array((np.ones(a.size), (a, first_b + b)), shape=(n, n)), directed=False
    )
    group = group_of_object[a]
    order = np.argsort(group, kind="stable")
    bounds = [*np.flatnonzero(np.diff(group[order], prepend=-1)), a.size]
    groups = [order[start:stop] for start, stop in pairwise(bounds)]
    return [_assign(a[rows], b[rows], iou[rows]) for rows in groups]


def _assign(a: np.ndarray, b: np.ndarray, iou: np.ndarray) -> np.ndarray:
    """IoUs `(m,)` of the pairs in the best one-to-one assignment within one group."""
    _, row = np.unique(a, return_inverse=True)
    _, column = np.unique(b, return_inverse=True)
    table = np.zeros((row.max() + 1, column.max() + 1))
    table[row, column] = iou
    pairs = linear_sum_assignment(table + TIE_BONUS * (table > 0), maximize=True)
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

    Both empty agree that nothing is there (1, 1); one empty is no agreement (0, 0).

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
    return _dice_iou(shared, int(np.count_nonzero(foreground_a)), int(np.count_nonzero(foreground_b)))


def _dice_iou(shared: int, n_a: int, n_b: int) -> tuple[float, float]:
    """Dice and IoU from the foreground pixels of both, and of each."""
    total = n_a + n_b
    return (2 * shared / total, shared / (total - shared)) if total else (1.0, 1.0)


# -------------------------------------------------------------------------------------- all annotations of an image


@dataclass(frozen=True, eq=False)
class JointOverlaps:
    """Objects of all A annotations of one image, and every overlap between any two.

    Attributes:
        sizes: Pixels of each object, one int64 array `(n_objects,)` per annotation; small objects are dropped.
        mean_values: Mean value of each object, one float64 array `(n_objects,)` per annotation; empty without values.
        n_shared: int64 `(A, A)`, foreground pixels that two annotations share, those of small objects included; the
            diagonal holds each annotation's own foreground.
        starts: int64 `(A * A + 1,)`; the overlaps of annotations i ≤ j stand at `starts[i * A + j]` and following.
        a: int64 `(k,)`, index of the object of annotation i of each overlap.
        b: int64 `(k,)`, index of the object of annotation j.
        intersection: int64 `(k,)`, shared pixels.
    """

    sizes: tuple[np.ndarray, ...]
    mean_values: tuple[np.ndarray, ...]
    n_shared: np.ndarray
    starts: np.ndarray
    a: np.ndarray
    b: np.ndarray
    intersection: np.ndarray

    def pair(self, a: int, b: int) -> Overlaps:
        """Overlaps of annotation `a`, the reference, with annotation `b`; the same as `overlap_table` of the two."""
        block = min(a, b) * len(self.sizes) + max(a, b)
        rows = slice(self.starts[block], self.starts[block + 1])
        of_a, of_b, intersection = self.a[rows], self.b[rows], self.intersection[rows]
        if a > b:
            order = np.lexsort((of_a, of_b))
            of_a, of_b, intersection = of_b[order], of_a[order], intersection[order]
        return Overlaps(len(self.sizes[a]), len(self.sizes[b]), self.sizes[a], self.sizes[b], of_a, of_b, intersection)

    def pixel_agreement(self, a: int, b: int) -> tuple[float, float]:
        """Dice and IoU of the foreground of two annotations; the same as the function `pixel_agreement`."""
        return _dice_iou(int(self.n_shared[a, b]), int(self.n_shared[a, a]), int(self.n_shared[b, b]))


def joint_overlaps(
    labels: Sequence[np.ndarray], *, min_size: int = 0, values: np.ndarray | None = None
) -> JointOverlaps:
    """Compare all annotations of one image in a single pass over its pixels.

    Neighbouring pixels mostly have the same objects in all annotations, so the foreground is cut into runs with equal
    labels. With M the sparse matrix of objects (of all annotations) × runs and n the pixels of each run,
    M diag(n) Mᵀ holds the overlaps of all objects of all annotations.

    Args:
        labels: Label images `(*spatial)` of one shape, one per annotation, 0 = background, as `label_objects` gives
            them without a minimum size.
        min_size: Objects with fewer pixels than this are dropped here; they still count as foreground.
        values: Raw image `(*spatial)`, to measure each object's mean.

    Returns:
        Objects, overlaps and shared foreground; without any foreground all arrays are empty and all counts 0.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If there is no annotation, shapes differ, a label is negative, or `min_size` is.

    Example:
        >>> anna, ben, cleo = np.array([[1, 1, 1, 0, 2], [1, 1, 0, 0, 2], [0, 0, 0, 0, 0]])
        >>> joint = joint_overlaps([anna, ben, cleo], min_size=2)
        >>> [len(sizes) for sizes in joint.sizes], joint.n_shared[0].tolist()
        ([1, 1, 0], [4, 3, 0])
        >>> match_overlaps(joint.pair(0, 1)).mean_iou == match_objects(anna * (anna < 2), ben * (ben < 2)).mean_iou
        True
    """
    if min_size < 0:
        raise ValueError(f"min_size must be 0 or more pixels, got {min_size}")
    runs, n_pixels, value_sums = _runs(labels, values)
    foreground = csr_array((runs > 0).astype(np.int64))
    n_shared = (foreground * n_pixels @ foreground.T).toarray()

    sizes, sums = [], []
    for row, run in enumerate(runs):
        runs[row], size, value_sum = _keep_large(run, n_pixels, value_sums, min_size)
        sizes.append(size)
        sums.append(value_sum)
    n_objects = np.array([len(size) for size in sizes])
    means = () if values is None else tuple(total / size for total, size in zip(sums, sizes, strict=True))
    return JointOverlaps(tuple(sizes), means, n_shared, *_all_overlaps(runs, n_pixels, n_objects))


def _runs(labels: Sequence[np.ndarray], values: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Runs of foreground pixels with equal labels: labels `(A, K)`, pixels `(K,)` and sum of values `(K,)` of each."""
    if not len(labels) or len({image.shape for image in labels}) > 1:
        raise ValueError(
            f"annotations of one image must have one shape, got {', '.join(str(image.shape) for image in labels) or 0}"
        )
    for image in labels:
        if not np.issubdtype(image.dtype, np.integer):
            raise TypeError(
                f"labels must be integers, got {image.dtype}; number the objects of a mask with label_objects"
            )
    foreground = np.zeros(labels[0].size, dtype=bool)
    for image in labels:
        foreground |= image.reshape(-1) != 0
    pixels = np.flatnonzero(foreground)
    rows = np.stack([_numbers(image.reshape(-1)[pixels]) for image in labels])
    changes = np.ones(pixels.size, dtype=bool)
    changes[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    starts = np.flatnonzero(changes)
    value_sums = np.zeros(starts.size)
    if values is not None and starts.size:
        value_sums = np.add.reduceat(values.reshape(-1)[pixels].astype(float), starts)
    return rows[:, starts], np.diff(starts, append=pixels.size), value_sums


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Labels `(P,)` in a range that can be counted; huge ones are replaced by their rank."""
    if labels.size and labels.min() < 0:
        raise ValueError(f"labels must be 0 (background) or positive, got {labels.min()}")
    if labels.size and labels.max() > labels.size:
        labels = np.unique(np.append(0, labels), return_inverse=True)[1].reshape(-1)[1:]
    return labels.astype(np.int64)


def _keep_large(
    run: np.ndarray, n_pixels: np.ndarray, value_sums: np.ndarray, min_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels 1..n `(K,)` of the objects that are kept, pixels `(n,)` and sum of values `(n,)` of each."""
    size = np.bincount(run, weights=n_pixels, minlength=1).astype(np.int64)
    value_sum = np.bincount(run, weights=value_sums, minlength=1)
    kept = size >= max(min_size, 1)
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0)[run], size[kept], value_sum[kept]


def _all_overlaps(runs: np.ndarray, n_pixels: np.ndarray, n_objects: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where each pair of annotations starts, then both objects and the shared pixels of every overlap."""
    first = np.cumsum(n_objects) - n_objects
    annotation, run = np.nonzero(runs)
    objects = first[annotation] + runs[annotation, run] - 1
    shape = (int(n_objects.sum()), len(n_pixels))
    member = csr_array((np.ones(objects.size, dtype=np.int64), (objects, run)), shape=shape)
    table = (csr_array((n_pixels[run], (objects, run)), shape=shape) @ member.T).tocoo()

    owner = np.repeat(np.arange(len(n_objects)), n_objects)
    row, column = table.row, table.col
    pair = owner[row] * len(n_objects) + owner[column]
    order = np.lexsort((column, row, pair))
    order = order[owner[row[order]] <= owner[column[order]]]
    row, column, pair = (index[order].astype(np.int64) for index in (row, column, pair))
    starts = np.searchsorted(pair, np.arange(len(n_objects) ** 2 + 1))
    return starts, row - first[owner[row]], column - first[owner[column]], table.data[order]
