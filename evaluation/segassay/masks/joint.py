"""Compare all annotations of an image at once: overlaps of every pair from one pass over the pixels.

labels (R, *spatial)  ->  JointOverlaps  ->  Overlaps of any pair
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from segassay.masks.objects import any_of
from segassay.masks.overlaps import Overlaps, dice_iou


@dataclass(frozen=True, eq=False)
class JointOverlaps:
    """Objects of all A annotations of one image, and every overlap between any two.

    Attributes:
        sizes: Pixels of each object, one int64 array `(n_objects,)` per annotation; small objects are dropped.
        mean_values: Mean value of each object, one float64 array `(n_objects,)` per annotation; empty without values.
        n_shared: int64 `(A, A)`, foreground pixels that two annotations share, those of small objects included; the
            diagonal holds each annotation's own foreground.
        starts: int64 `(A * A + 1,)`; the overlaps of annotations i ≤ j start at `starts[i * A + j]`.
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

    def shares_half(self, a: int, b: int) -> np.ndarray:
        """`(n_objects of a,)`, whether an object of annotation `b` shares more than half of the smaller one of the two.

        So it does not matter how far inside or outside an outline is drawn. All objects share themselves.
        """
        found = np.zeros(len(self.sizes[a]), dtype=bool)
        overlaps = self.pair(a, b)
        smaller = np.minimum(overlaps.size_a[overlaps.a], overlaps.size_b[overlaps.b])
        found[overlaps.a[2 * overlaps.intersection > smaller]] = True
        return found

    def pixel_agreement(self, a: int, b: int) -> tuple[float, float]:
        """Dice and IoU of the foreground of two annotations; the same as the function `pixel_agreement`."""
        return dice_iou(int(self.n_shared[a, b]), int(self.n_shared[a, a]), int(self.n_shared[b, b]))


def joint_overlaps(
    labels: Sequence[np.ndarray],
    *,
    min_size: int = 0,
    values: np.ndarray | None = None,
    marked: np.ndarray | None = None,
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
        marked: Places, in the flat image, of all pixels that have a label anywhere, in their order, if they are known.

    Returns:
        Objects, overlaps and shared foreground; without any foreground all arrays are empty and all counts 0.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If there is no annotation, shapes differ, a label is negative, or `min_size` is.

    Example:
        >>> from segassay.masks.overlaps import match_objects, match_overlaps
        >>> anna, ben, cleo = np.array([[1, 1, 1, 0, 2], [1, 1, 0, 0, 2], [0, 0, 0, 0, 0]])
        >>> joint = joint_overlaps([anna, ben, cleo], min_size=2)
        >>> [len(sizes) for sizes in joint.sizes], joint.n_shared[0].tolist()
        ([1, 1, 0], [4, 3, 0])
        >>> match_overlaps(joint.pair(0, 1)).mean_iou == match_objects(anna * (anna < 2), ben * (ben < 2)).mean_iou
        True
    """
    if min_size < 0:
        raise ValueError(f"min_size must be 0 or more pixels, got {min_size}")
    runs, n_pixels, value_sums = foreground_runs(labels, values, marked)
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


def mean_values(labels: np.ndarray, values: np.ndarray, *, min_size: int = 0) -> np.ndarray:
    """Mean value of each object of one annotation, as in `JointOverlaps.mean_values`, float64 `(n_objects,)`.

    Example:
        >>> mean_values(np.array([[1, 1, 0, 2]]), np.array([[4, 6, 0, 9]])).tolist()
        [5.0, 9.0]
    """
    runs, n_pixels, value_sums = foreground_runs([labels], values)
    _, size, total = _keep_large(runs[0], n_pixels, value_sums, min_size)
    return total / size


def foreground_runs(
    labels: Sequence[np.ndarray], values: np.ndarray | None = None, marked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the foreground of all annotations of one image into runs of pixels with equal labels.

    Args:
        labels: As for `joint_overlaps`; or the numbers of classes.
        values: As for `joint_overlaps`.
        marked: As for `joint_overlaps`.

    Returns:
        Of each run its labels, int64 `(A, K)`, its number of pixels `(K,)`, and the sum of their values `(K,)`; without
        runs where nothing is marked.

    Raises:
        TypeError: If labels are not integers.
        ValueError: As for `joint_overlaps`.

    Example:
        >>> runs, n_pixels, _ = foreground_runs(np.array([[1, 1, 0, 0, 2], [1, 1, 1, 0, 0]]))
        >>> runs.tolist(), n_pixels.tolist()
        ([[1, 0, 2], [1, 1, 0]], [2, 1, 1])
    """
    if not len(labels) or len({image.shape for image in labels}) > 1:
        raise ValueError(
            f"annotations of one image must have one shape, got {', '.join(str(image.shape) for image in labels) or 0}"
        )
    for image in labels:
        if not np.issubdtype(image.dtype, np.integer):
            raise TypeError(
                f"labels must be integers, got {image.dtype}; number the objects of a mask with label_objects"
            )
    if marked is None:
        marked = np.flatnonzero(any_of((image != 0 for image in labels), labels[0].shape))
    rows = np.stack([image.reshape(-1)[marked] for image in labels])
    changes = np.ones(marked.size, dtype=bool)
    changes[1:] = any_of((row[1:] != row[:-1] for row in rows), (max(marked.size - 1, 0),))
    starts = np.flatnonzero(changes)
    value_sums = np.zeros(starts.size)
    if values is not None and starts.size:
        value_sums = np.add.reduceat(values.reshape(-1)[marked].astype(float), starts)
    runs = np.array([_numbers(row[starts]) for row in rows])
    return runs, np.diff(starts, append=marked.size), value_sums


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Labels `(K,)` in a range that can be counted; huge ones are replaced by their rank."""
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
    upper = owner[table.row] <= owner[table.col]
    row, column, shared = (of[upper] for of in (table.row, table.col, table.data))
    pair = owner[row] * len(n_objects) + owner[column]
    order = np.lexsort((column, row, pair))
    row, column, pair = (index[order].astype(np.int64) for index in (row, column, pair))
    starts = np.searchsorted(pair, np.arange(len(n_objects) ** 2 + 1))
    return starts, row - first[owner[row]], column - first[owner[column]], shared[order]
