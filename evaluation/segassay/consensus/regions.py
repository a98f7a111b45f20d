"""Consensus of regions: classes that share values, as nested parts of a tumour, are fused one by one.

decisions of R raters about values, values of K regions  ->  prob (K + 1, *spatial), labels (*spatial)
"""

from collections.abc import Sequence

import numpy as np

from segassay.consensus.class_values import ClassConsensus, Values, membership, values_of
from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.patterns import Decisions, rates_against
from segassay.consensus.pixels import Consensus, Staple, fuse_decisions
from segassay.masks.region_values import values_of_regions

__all__ = ["fuse_regions"]


def fuse_regions(
    decisions: Decisions,
    values: Values,
    method: str,
    labels: Sequence[np.ndarray] = (),
    spacing: Sequence[float] | None = None,
) -> ClassConsensus:
    """Fuse each region as a binary mask of its values; see `segassay.consensus.classes.fuse_class_decisions`."""
    found: list[Consensus | ObjectConsensus] = []
    performances = []
    for of_region, belongs in zip(values_of(values), membership(values).T, strict=True):
        binary = Decisions(belongs[decisions.patterns], decisions.counts, decisions.code)
        if method == "object":
            found.append(object_consensus([np.isin(image, of_region) for image in labels], spacing))
        else:
            found.append(fuse_decisions(binary, method))
        performances.append(_performance(binary, found[-1]))
    prob = np.stack([found[0].prob, *(one.prob for one in found)])
    prob[0] = 1 - prob[1:].max(axis=0)
    staples = [one for one in found if isinstance(one, Staple)]
    return ClassConsensus(
        prob=prob,
        labels=values_of_regions([one.mask for one in found], values_of(values)),
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
