"""Fuse one case of a dataset with classes: its consensus, and its rows of `raters.csv`, one per rater and class."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from segassay.consensus.classes import (
    ClassConsensus,
    are_exclusive,
    count_class_decisions,
    fuse_class_decisions,
    membership,
)
from segassay.consensus.patterns import Decisions, counts_inside
from segassay.data.cases import read_case_classes, read_case_image
from segassay.data.dataset import Dataset, case_raters
from segassay.masks.objects import number_of_objects

__all__ = ["FusedClasses", "fuse_class_case", "rows_of_class_case"]


@dataclass(frozen=True, eq=False)
class FusedClasses:
    """The consensus of one case, and the decisions of its raters.

    Attributes:
        consensus: Of all K classes.
        decisions: Of the R raters, as `count_class_decisions` numbers them.
        masks: bool `(K, *spatial)`, the consensus of each class.
        given: bool `(K, P, R)`, whether a pattern has a rater who gave the class.
        n_objects: int `(K,)`, objects of each class in the consensus.
        n_objects_of_rater: int `(R, K)`, objects of each class by each rater.
    """

    consensus: ClassConsensus
    decisions: Decisions
    masks: np.ndarray
    given: np.ndarray
    n_objects: np.ndarray
    n_objects_of_rater: np.ndarray


def fuse_class_case(dataset: Dataset, case: str, method: str) -> FusedClasses:
    """Read the masks, one at a time if the method only needs pixels, and fuse them."""
    assert dataset.classes is not None, "a dataset with classes"
    values = [of_class for _, of_class in dataset.classes.names]
    n_of_rater: list[list[int]] = []
    count_objects = partial(number_of_objects, min_size=dataset.min_object_size)

    def labels() -> Iterator[np.ndarray]:
        for rater in case_raters(dataset, case):
            found = read_case_classes(dataset, rater, case)
            n_of_rater.append([count_objects(np.isin(found, of_class)) for of_class in values])
            yield found

    together = list(labels()) if method == "object" else []
    decisions = count_class_decisions(together or labels(), values)
    spacing = read_case_image(dataset, case).spacing_um if together else None
    consensus = fuse_class_decisions(decisions, values, method, labels=together, spacing=spacing)
    if are_exclusive(values):
        masks = np.stack([consensus.labels == of_class[0] for of_class in values])
    else:
        masks = consensus.prob[1:] > 0.5
    return FusedClasses(
        consensus=consensus,
        decisions=decisions,
        masks=masks,
        given=np.stack([belongs[decisions.patterns] for belongs in membership(values).T]),
        n_objects=np.array([count_objects(mask) for mask in masks]),
        n_objects_of_rater=np.array(n_of_rater),
    )


def rows_of_class_case(dataset: Dataset, case: str, fused: FusedClasses | None) -> list[dict[str, object]]:
    """Rows of `raters.csv`, one per rater and class; a cell that does not apply is left out."""
    annotated = case_raters(dataset, case)
    rows: list[dict[str, object]] = []
    for rater in dataset.raters:
        for number, name in enumerate(dataset.class_names):
            row: dict[str, object] = {"case": case, "rater": rater, "class": name, "annotated": rater in annotated}
            row["n_raters"] = len(annotated)
            if fused is not None:
                row |= _about_class(fused, number)
                if rater in annotated:
                    row |= _about_rater(fused, annotated.index(rater), number)
            rows.append(row)
    return rows


def _about_class(fused: FusedClasses, number: int) -> dict[str, object]:
    about: dict[str, object] = {
        "n_raters_needed": _raters_needed(fused, number),
        "n_objects_consensus": int(fused.n_objects[number]),
    }
    if fused.consensus.objects:
        about["n_lost"] = fused.consensus.objects[number].n_lost
    elif fused.consensus.n_iterations is not None:
        about |= {"n_iterations": fused.consensus.n_iterations, "converged": fused.consensus.converged}
    return about


def _about_rater(fused: FusedClasses, rater: int, number: int) -> dict[str, object]:
    about: dict[str, object] = {
        "sensitivity": fused.consensus.sensitivity[rater, number],
        "specificity": fused.consensus.specificity[rater, number],
        "n_objects": int(fused.n_objects_of_rater[rater, number]),
    }
    if fused.consensus.objects:
        about["n_supported"] = int(fused.consensus.objects[number].n_supported[rater])
    return about


def _raters_needed(fused: FusedClasses, number: int) -> int | None:
    """The smallest number of raters that was enough for a pixel, or an object, of a class; None if it has none."""
    if fused.consensus.objects:
        n_raters = fused.consensus.objects[number].n_supporters
    else:
        inside = counts_inside(fused.decisions, fused.masks[number])
        n_raters = fused.given[number][inside > 0].sum(axis=1)
    return int(n_raters.min()) if n_raters.size else None
