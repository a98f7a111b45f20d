"""Consensus of regions: classes that share values, as nested parts of a tumour, are fused one by one.

decisions of R raters about values, values of K regions  ->  prob (K + 1, *spatial), labels (*spatial)
"""

from collections.abc import Sequence

import numpy as np

from segassay.consensus.class_values import ClassConsensus, Values, membership, values_of
from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.patterns import Decisions, count_patterns, look_up, rates_against
from segassay.consensus.pixels import Consensus, Staple, fuse_decisions

__all__ = ["fuse_regions", "labels_of_regions"]


def fuse_regions(
    decisions: Decisions, values: Values, method: str, labels: Sequence[np.ndarray] = ()
) -> ClassConsensus:
    """Fuse each region as a binary mask of its values; see `segassay.consensus.classes.fuse_class_decisions`."""
    found: list[Consensus | ObjectConsensus] = []
    performances = []
    for of_region, belongs in zip(values_of(values), membership(values).T, strict=True):
        binary = Decisions(belongs[decisions.patterns], decisions.counts, decisions.code)
        if method == "object":
            found.append(object_consensus([np.isin(image, of_region) for image in labels]))
        else:
            found.append(fuse_decisions(binary, method))
        performances.append(_performance(binary, found[-1]))
    prob = np.stack([found[0].prob, *(one.prob for one in found)])
    prob[0] = 1 - prob[1:].max(axis=0)
    staples = [one for one in found if isinstance(one, Staple)]
    return ClassConsensus(
        prob=prob,
        labels=labels_of_regions([one.mask for one in found], values),
        sensitivity=np.stack([sensitivity for sensitivity, _ in performances], axis=1),
        specificity=np.stack([specificity for _, specificity in performances], axis=1),
        confusion=None,
        n_iterations=max((one.n_iterations for one in staples), default=None),
        converged=all(one.converged for one in staples) if staples else None,
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
    values = np.array([0, *sorted({value for of_region in values_of(regions) for value in of_region})], dtype=np.int32)
    expected = np.stack([np.isin(values, of_region) for of_region in values_of(regions)], axis=1)
    found = count_patterns(masks)
    n_wrong = np.count_nonzero(found.patterns[:, None, :] != expected[None], axis=2)
    return look_up(values[n_wrong.argmin(axis=1)], found.code)
