"""Objects of one mask by the probability that they have: which of them match an object of the reference, for FROC.

labels, probability map, labels of the reference  ->  rows of bins
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from segassay.masks.joint import joint_overlaps
from segassay.masks.overlaps import IOU_THRESHOLDS

__all__ = ["N_SCORE_BINS", "detection_bins"]

N_SCORE_BINS = 20
"""Bin i holds i/20 < score ≤ (i+1)/20, the first one also 0."""


def detection_bins(
    labels: np.ndarray, prob: np.ndarray, reference: np.ndarray, *, min_size: int = 0
) -> Iterator[tuple[int, int, int, int]]:
    """Objects by their score, the mean probability of their pixels.

    Args:
        labels: Whole numbers `(*spatial)`, the objects of the mask.
        prob: `(*spatial)`, from 0 to 1.
        reference: Whole numbers `(*spatial)`, the objects of the reference.
        min_size: Objects with fewer pixels are dropped, on both sides.

    Returns:
        Of each of `N_SCORE_BINS` bins: its number, objects with a match at IoU > .5, objects without, and the objects
        of the reference, the same in all bins.

    Example:
        >>> labels, prob = np.array([1, 1, 0, 2]), np.array([0.9, 0.7, 0.1, 0.6])
        >>> [row for row in detection_bins(labels, prob, np.array([1, 1, 0, 0])) if row[1] or row[2]]
        [(11, 0, 1, 1), (15, 1, 0, 1)]
    """
    numbered = labels
    if labels.max(initial=0) > labels.size:  # too far apart to be counted
        numbered = np.unique(np.append(0, labels), return_inverse=True)[1].reshape(-1)[1:].reshape(labels.shape)
    sizes = np.bincount(numbered.ravel())
    kept = np.flatnonzero((sizes >= max(min_size, 1)) & (np.arange(len(sizes)) > 0))
    place = np.zeros(len(sizes), dtype=np.int32)
    place[kept] = np.arange(1, len(kept) + 1)
    own = place[numbered]
    joint = joint_overlaps([reference, own], min_size=min_size)
    pair = joint.pair(0, 1)
    is_matched = np.zeros(len(kept), dtype=bool)
    is_matched[pair.b[pair.iou > IOU_THRESHOLDS[0]]] = True
    inside = np.flatnonzero(own)
    of_objects = (part.reshape(-1)[inside] for part in (prob, own))
    scores = np.asarray(ndimage.mean(*of_objects, np.arange(1, len(kept) + 1))) if len(kept) else np.empty(0)
    bins = np.clip(np.ceil(scores * N_SCORE_BINS - 1e-9).astype(int) - 1, 0, N_SCORE_BINS - 1)
    n_matched, n_false = (np.bincount(bins[of], minlength=N_SCORE_BINS) for of in (is_matched, ~is_matched))
    for number, (matched, false) in enumerate(zip(n_matched.tolist(), n_false.tolist(), strict=True)):
        yield number, matched, false, len(joint.sizes[0])
