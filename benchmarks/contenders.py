"""Five implementations of the same numbers: matched objects and mean IoU of all pairs of annotators of one image.

    labels of A annotators (*spatial) int32  ->  one `Outcome` per pair of annotators, in the order of `combinations`

All take the same arrays. Their definitions of the mean IoU differ; see the docstring of each function.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from panoptica import InputType, NaiveThresholdMatching, Panoptica_Evaluator
from panoptica.metrics import Metric
from panoptica.utils.citation_reminder import disable_citation_reminder
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import jaccard
from stardist.matching import matching

from segassay.masks.joint import joint_overlaps
from segassay.masks.overlaps import match_each

# stardist keeps IoU in float32 and counts IoU >= threshold, so the next number above .5 must be a float32
JUST_ABOVE_HALF = float(np.nextafter(np.float32(0.5), np.float32(1)))

disable_citation_reminder()


@dataclass(frozen=True)
class Outcome:
    """One pair of annotators at IoU > .5.

    Attributes:
        tp: Pairs of objects with IoU > .5.
        f1: `2 tp / (n_a + n_b)`.
        mean_iou: As the contender defines it; NaN where it has none.
    """

    tp: int
    f1: float
    mean_iou: float


Contender = Callable[[Sequence[np.ndarray]], list[Outcome]]


def segassay_joint(labels: Sequence[np.ndarray]) -> list[Outcome]:
    """All pairs from one table of overlaps; mean IoU of the one-to-one assignment that maximises the sum of IoU."""
    joint = joint_overlaps(labels)
    found = match_each((joint.pair(a, b) for a, b in combinations(range(len(labels)), 2)), [0.5])
    return [Outcome(int(matches.tp[0]), float(matches.f1[0]), matches.mean_iou) for matches in found]


def stardist_matching(labels: Sequence[np.ndarray]) -> list[Outcome]:
    """`stardist.matching.matching`; mean IoU of its assignment, which maximises the count above .5 first."""
    outcomes = []
    for a, b in combinations(labels, 2):
        found = matching(a, b, thresh=JUST_ABOVE_HALF, report_matches=True)
        scores = np.array(found.matched_scores, dtype=float)
        outcomes.append(Outcome(int(found.tp), float(found.f1), _mean_positive(scores)))
    return outcomes


def panoptica_evaluator(labels: Sequence[np.ndarray]) -> list[Outcome]:
    """panoptica, restricted to these numbers; mean IoU of the pairs above .5 only (its `sq`)."""
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.UNMATCHED_INSTANCE,
        instance_matcher=NaiveThresholdMatching(Metric.IOU, 0.5, strict_threshold=True),
        instance_metrics=[Metric.IOU],
        global_metrics=[],
    )
    outcomes = []
    for a, b in combinations(labels, 2):
        result: Any = evaluator.evaluate(b, a, result_all=False)["ungrouped"]
        outcomes.append(Outcome(int(result.tp), float(result.rq), float(result.sq)))
    return outcomes


def whole_image_2020(labels: Sequence[np.ndarray]) -> list[Outcome]:
    """The method of Segebarth et al. (2020), after a function of an early deepflash2.

    Overlapping pairs of objects are the distinct pairs of values over all pixels; for each of them one
    `scipy.spatial.distance.jaccard` over the whole image. Mean IoU of the assignment that maximises the sum of IoU.
    """
    outcomes = []
    for a, b in combinations(labels, 2):
        touching = np.unique(np.stack([a.ravel(), b.ravel()], axis=1), axis=0)
        pairs = touching[touching.all(axis=1)]
        iou = [1 - jaccard((a == i).astype(np.uint8).ravel(), (b == j).astype(np.uint8).ravel()) for i, j in pairs]
        outcomes.append(_assign(a, b, pairs, iou))
    return outcomes


def whole_image_lean(labels: Sequence[np.ndarray]) -> list[Outcome]:
    """The same method, optimised: pairs from shared pixels only, and each Jaccard from two counts of booleans."""
    outcomes = []
    for a, b in combinations(labels, 2):
        shared = (a > 0) & (b > 0)
        width = int(b.max()) + 1
        pairs = np.stack(np.divmod(np.unique(a[shared].astype(np.int64) * width + b[shared]), width), axis=1)
        masks = ((a == i, b == j) for i, j in pairs)
        iou = [np.count_nonzero(x & y) / np.count_nonzero(x | y) for x, y in masks]
        outcomes.append(_assign(a, b, pairs, iou))
    return outcomes


def _assign(a: np.ndarray, b: np.ndarray, pairs: np.ndarray, iou: Sequence[float]) -> Outcome:
    n_a, n_b = int(a.max()), int(b.max())
    table = np.zeros((n_a + 1, n_b + 1))
    table[pairs[:, 0], pairs[:, 1]] = iou
    matched = table[linear_sum_assignment(table, maximize=True)]
    tp = int(np.count_nonzero(matched > 0.5))
    return Outcome(tp, 2 * tp / (n_a + n_b) if n_a + n_b else 1.0, _mean_positive(matched))


def _mean_positive(scores: np.ndarray) -> float:
    return float(scores[scores > 0].mean()) if (scores > 0).any() else float("nan")
