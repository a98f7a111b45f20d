"""Fuse one case of a dataset: its consensus, the decisions of its raters, and its rows of `raters.csv`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from segassay.consensus.objects import ObjectConsensus, object_consensus
from segassay.consensus.patterns import counts_inside, rates_against
from segassay.consensus.pixels import Consensus, Decisions, Staple, count_decisions, fuse_decisions
from segassay.data.cases import read_case_image, read_case_mask
from segassay.data.dataset import Dataset, case_raters
from segassay.masks.objects import number_of_objects


@dataclass(frozen=True, eq=False)
class FusedCase:
    """The consensus of one case, the decisions of its raters, and the objects of the consensus and of each rater."""

    consensus: Consensus | ObjectConsensus
    decisions: Decisions
    n_objects: int
    n_objects_of_rater: list[int]


def fuse_case(dataset: Dataset, case: str, method: str) -> FusedCase:
    """Read the masks, one at a time if the method only needs pixels, and fuse them."""
    n_objects: list[int] = []
    count_objects = partial(number_of_objects, min_size=dataset.min_object_size)

    def masks() -> Iterator[np.ndarray]:
        for rater in case_raters(dataset, case):
            mask = read_case_mask(dataset, rater, case)
            n_objects.append(count_objects(mask))
            yield mask

    consensus: Consensus | ObjectConsensus
    if method == "object":
        together = list(masks())
        decisions = count_decisions(mask > 0 for mask in together)
        consensus = object_consensus(together, read_case_image(dataset, case).spacing_um)
    else:
        decisions = count_decisions(mask > 0 for mask in masks())
        consensus = fuse_decisions(decisions, method)
    return FusedCase(consensus, decisions, count_objects(consensus.mask), n_objects)


def rows_of_case(dataset: Dataset, case: str, fused: FusedCase | None) -> list[dict[str, object]]:
    """Rows of `raters.csv`; a cell that does not apply is left out."""
    annotated = case_raters(dataset, case)
    rows: list[dict[str, object]] = [
        {"case": case, "rater": rater, "annotated": rater in annotated, "n_raters": len(annotated)}
        for rater in dataset.raters
    ]
    if fused is None:
        return rows
    consensus, (sensitivity, specificity) = fused.consensus, _performance(fused)
    about_case: dict[str, object] = {
        "n_raters_needed": _raters_needed(fused),
        "n_objects_consensus": fused.n_objects,
    }
    if isinstance(consensus, Staple):
        about_case |= {"n_iterations": consensus.n_iterations, "converged": consensus.converged}
    if isinstance(consensus, ObjectConsensus):
        about_case |= {"n_lost": consensus.n_lost}
    for row in rows:
        row |= about_case
        if row["annotated"]:
            index = annotated.index(str(row["rater"]))
            row |= {"sensitivity": sensitivity[index], "specificity": specificity[index]}
            row |= {"n_objects": fused.n_objects_of_rater[index]}
            if isinstance(consensus, ObjectConsensus):
                row |= {"n_supported": int(consensus.n_supported[index])}
    return rows


def _performance(fused: FusedCase) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity `(R,)`: as STAPLE estimates them, else against the mask; NaN where undefined."""
    if isinstance(fused.consensus, Staple):
        return fused.consensus.sensitivity, fused.consensus.specificity
    return rates_against(fused.decisions, fused.consensus.mask)


def _raters_needed(fused: FusedCase) -> int | None:
    """The smallest number of raters that was enough for a pixel (or an object, if these are fused); None if empty."""
    if isinstance(fused.consensus, ObjectConsensus):
        n_raters = fused.consensus.n_supporters
    else:
        n_raters = fused.decisions.patterns[counts_inside(fused.decisions, fused.consensus.mask) > 0].sum(axis=1)
    return int(n_raters.min()) if n_raters.size else None
