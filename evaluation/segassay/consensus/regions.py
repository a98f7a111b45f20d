"""Consensus of regions: classes that share values, as nested parts of a tumour, are fused one by one.

labels of R raters (*spatial) int, values of K regions  ->  prob (K + 1, *spatial), labels (*spatial)
"""

from collections.abc import Iterable, Sequence

import numpy as np

from segassay.consensus.classes import ClassConsensus, Values, count_class_decisions, values_of
from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.patterns import Decisions, count_patterns, look_up, rates_against
from segassay.consensus.pixels import Consensus, Staple, fuse_decisions

__all__ = ["fuse_regions", "labels_of_regions"]


def fuse_regions(labels: Iterable[np.ndarray], values: Values, method: str) -> ClassConsensus:
    """Fuse each region as a binary mask of its values; see `segassay.consensus.classes.fuse_classes`."""
    regions = values_of(values)
    every = sorted({value for of_region in regions for value in of_region})
    together = list(labels) if method == "object" else labels
    decisions = count_class_decisions(together, every)
    found: list[Consensus | ObjectConsensus] = []
    performances = []
    for of_region in regions:
        marked = np.isin(decisions.patterns, 1 + np.flatnonzero(np.isin(every, of_region)))
        binary = Decisions(marked, decisions.counts, decisions.code)
        if isinstance(together, list):
            one: Consensus | ObjectConsensus = object_consensus([np.isin(image, of_region) for image in together])
        else:
            one = fuse_decisions(binary, method)
        found.append(one)
        performances.append(_performance(binary, one))
    prob = np.stack([found[0].prob, *(one.prob for one in found)])
    prob[0] = 1 - prob[1:].max(axis=0)
    staples = [one for one in found if isinstance(one, Staple)]
    return ClassConsensus(
        prob=prob,
        labels=labels_of_regions([one.mask for one in found], regions),
        sensitivity=np.stack([sensitivity for sensitivity, _ in performances], axis=1),
        specificity=np.stack([specificity for _, specificity in performances], axis=1),
        confusion=None,
        n_iterations=max((one.n_iterations for one in staples), default=0),
        converged=all(one.converged for one in staples),
        objects=tuple(one for one in found if isinstance(one, ObjectConsensus)),
    )


def _performance(decisions: Decisions, consensus: Consensus | ObjectConsensus) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity `(R,)`: as STAPLE estimates them, else against the mask; NaN where undefined."""
    if isinstance(consensus, Staple):
        return consensus.sensitivity, consensus.specificity
    return rates_against(decisions, consensus.mask)


def labels_of_regions(masks: Sequence[np.ndarray], regions: Values) -> np.ndarray:
    """One value per pixel whose regions are those of the pixel.

    Where no value has exactly these regions (two masks that were fused apart need not be nested), the value that
    differs in the fewest regions; of several the first in ascending order, 0 before all.

    Args:
        masks: Boolean `(*spatial)`, one per region.
        regions: Values of each region.

    Returns:
        int32 `(*spatial)`.

    Example:
        >>> whole, core = np.array([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=bool)
        >>> labels_of_regions([whole, core], [[1, 2], 2])  # the third pixel is in the core alone
        array([1, 2, 0, 0], dtype=int32)
    """
    of_each = values_of(regions)
    values = np.array([0, *sorted({value for of_region in of_each for value in of_region})], dtype=np.int32)
    expected = np.stack([np.isin(values, of_region) for of_region in of_each], axis=1)
    found = count_patterns(masks)
    n_wrong = np.count_nonzero(found.patterns[:, None, :] != expected[None], axis=2)
    return look_up(values[n_wrong.argmin(axis=1)], found.code)
