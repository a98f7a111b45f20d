"""Consensus of classes: fuse label images of several raters, in which each value is a class, into one.

labels of R raters (*spatial) int, values of K classes  ->  prob (K + 1, *spatial), labels (*spatial)

Classes are either exclusive, so that a pixel belongs to one class at most, or regions that share values, as tumour
parts that are nested. Exclusive classes are fused together: a decision is one of K + 1, background or a class. Regions
are fused one by one, each as a binary mask of its values; see `segassay.consensus.regions`.

Background comes first, then the classes in the order of the dataset; this is also the order in which ties are broken.
"""

from collections.abc import Iterable, Sequence
from typing import TypedDict

import numpy as np

from segassay.consensus.class_values import (
    ClassConsensus,
    Values,
    are_exclusive,
    count_class_decisions,
    membership,
    values_of,
)
from segassay.consensus.estimation import from_majority, likeliest
from segassay.consensus.objects import object_consensus
from segassay.consensus.patterns import Decisions, look_up
from segassay.consensus.pixels import METHODS as PIXEL_METHODS
from segassay.consensus.regions import fuse_regions

__all__ = [
    "METHODS",
    "ClassConsensus",
    "Values",
    "are_exclusive",
    "count_class_decisions",
    "fuse_class_decisions",
    "fuse_classes",
    "membership",
    "values_of",
]

METHODS = (*PIXEL_METHODS, "object")

TIE = 1e-6  # probabilities that differ by no more are equal: EM stops at 1e-7, and float32 holds 6e-8


def fuse_classes(
    labels: Iterable[np.ndarray], values: Values, method: str = "staple", spacing: Sequence[float] | None = None
) -> ClassConsensus:
    """Make a consensus of label images by any method.

    | method | a pixel belongs to … | ties |
    |---|---|---|
    | `staple` | the class that is most probable, given how reliable each rater proves to be for each class | the one \
that comes first, background before all |
    | `majority` | background unless more than half of the raters gave it any class; then the class that most of \
these gave it | background; the class that comes first |
    | `soft` | as `majority`; `prob` is the share of the raters | as `majority` |
    | `union` | the class that most gave it among those who gave it any | the class that comes first |
    | `intersection` | the class that all raters gave it, else background | none |
    | `object` | an object of the class that more than half of the raters drew (`object_consensus` of each class); \
where objects of two classes overlap, the one of which a larger share of the supporters marked the pixel | the class \
that comes first |

    `staple` is Warfield's with several labels: expectation maximisation over one confusion matrix per rater, with the
    mean share of each class as prior, from the majority vote of the pixels where one class has most votes. A class that
    has most votes nowhere has probability 0. Where there is one rater, or all raters gave one and the same class to
    every pixel, the consensus is as marked. Where only background and one class occur, the result is that of
    `segassay.consensus.staple`, which starts from two values and keeps the likelier result.

    A pixel that no class explains, because a decision there has probability 0 for each, is background, and no estimate
    rests on it: as where two raters gave two classes that they never mixed up where most agreed.

    ITK's `MultiLabelSTAPLE` has the same prior and the same steps. It differs in this: pixels without a majority count
    in its start, too, as background and the next larger value; it takes these steps also where only one class occurs;
    it stops when no rate moves by more than 1e-5, we at 1e-7; and it leaves pixels with a tie undecided.

    If a value belongs to several classes, these are regions: each is fused as a binary mask of its values, `confusion`
    is None, and `labels` holds, at each pixel, the value whose regions are those of the pixel (or differ in the
    fewest; then the first in ascending order, 0 before all).

    Args:
        labels: One array `(*spatial)` per rater, of whole numbers: 0 for background, else a value of a class; an array
            `(R, *spatial)`, or one after another, from a generator that reads a file at a time.
        values: Value of each of the K classes, in their order; or its several values.
        method: One of `METHODS`.
        spacing: For the method `object`, the distance between pixels along each axis; by default 1.

    Returns:
        The consensus. Empty label images give an empty one.

    Raises:
        TypeError: If a label image is not of whole numbers.
        ValueError: If there is no such method, no rater, no pixel or no class, shapes differ, or a pixel has another
            value.

    Example:
        >>> anna, ben, cleo = np.array([[2, 2, 5, 0], [2, 2, 5, 5], [2, 5, 5, 0]])
        >>> found = fuse_classes([anna, ben, cleo], [2, 5], "majority")
        >>> found.labels
        array([2, 2, 5, 0], dtype=int32)
        >>> found.confusion[2].round(2)
        array([[1. , 0. , 0. ],
               [0. , 0.5, 0.5],
               [0. , 0. , 1. ]])

    References:
        Warfield, Zou & Wells (2004), IEEE Trans. Med. Imaging 23(7):903-921, doi:10.1109/TMI.2004.828354.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r} for a consensus of classes; expected one of {', '.join(METHODS)}")
    together = [np.asarray(one) for one in labels] if method == "object" else []
    decisions = count_class_decisions(together or labels, values)
    return fuse_class_decisions(decisions, values, method, labels=together, spacing=spacing)


def fuse_class_decisions(
    decisions: Decisions,
    values: Values,
    method: str = "staple",
    *,
    labels: Sequence[np.ndarray] = (),
    spacing: Sequence[float] | None = None,
) -> ClassConsensus:
    """Consensus of decisions that are already counted.

    Args:
        decisions: From `count_class_decisions` or `without_rater`.
        values: As of `fuse_classes`.
        method: One of `METHODS`.
        labels: For the method `object`, the label images that were counted.
        spacing: For the method `object`, the distance between pixels along each axis; by default 1.

    Returns:
        What `fuse_classes` gives for the label images.

    Example:
        >>> decisions = count_class_decisions(np.array([[2, 2, 0], [2, 5, 0], [2, 5, 5]]), [2, 5])
        >>> fuse_class_decisions(decisions, [2, 5], "intersection").labels
        array([2, 0, 0], dtype=int32)
    """
    if not are_exclusive(values):
        return fuse_regions(decisions, values, method, labels, spacing)
    if method == "object":
        return _of_objects(decisions, labels, values, spacing)
    n_classes = len(values_of(values)) + 1
    votes = _votes(decisions.patterns, n_classes)
    if method == "staple":
        return _staple(decisions, votes, values)
    number = _chosen(votes, method)
    prob = votes / decisions.patterns.shape[1] if method == "soft" else np.eye(n_classes)[number]
    joint = decisions.counts[:, None] * np.eye(n_classes)[number]
    return ClassConsensus(
        prob=_by_class(prob, decisions.code),
        labels=look_up(_written(values)[number], decisions.code),
        **_performance(decisions.patterns, joint),
    )


def _votes(patterns: np.ndarray, n_classes: int) -> np.ndarray:
    """How many raters gave each class, int64 `(P, K + 1)`."""
    return np.stack([np.count_nonzero(patterns == number, axis=1) for number in range(n_classes)], axis=1)


def _chosen(votes: np.ndarray, method: str) -> np.ndarray:
    """Number of the class of each pattern `(P,)` by a rule that needs only the votes `(P, K + 1)`."""
    n_raters = votes.sum(axis=1)
    marked = n_raters - votes[:, 0]
    favourite = 1 + votes[:, 1:].argmax(axis=1)
    if method in ("majority", "soft"):
        return np.where(2 * marked > n_raters, favourite, 0)
    if method == "union":
        return np.where(marked > 0, favourite, 0)
    if method == "intersection":
        return np.where(votes[:, 1:].max(axis=1) == n_raters, favourite, 0)
    raise ValueError(f"no method {method!r} for classes by pixels; expected one of {', '.join(PIXEL_METHODS)}")


def _staple(decisions: Decisions, votes: np.ndarray, values: Values) -> ClassConsensus:
    patterns, counts = decisions.patterns, decisions.counts
    n_classes, n_raters = votes.shape[1], patterns.shape[1]
    present = np.flatnonzero(counts @ votes)
    if n_raters == 1 or len(present) == 1:
        return _as_marked(decisions, votes, values)
    decided = np.hstack([patterns == number for number in present]).astype(float)
    if len(present) == 2:
        shares = votes[:, present] / n_raters
        possible, found = present, likeliest(decided, counts, shares, counts @ shares / counts.sum())
    else:
        places, found = from_majority(decided, counts, votes[:, present])
        possible = present[places]
    posterior = np.zeros(votes.shape)
    posterior[:, possible] = found.posterior
    posterior[~posterior.any(axis=1), 0] = 1
    confusion = np.full((n_raters, n_classes, n_classes), np.nan)
    confusion[:, possible] = 0
    rates = found.rates.reshape(len(present), n_raters, len(possible)).transpose(1, 2, 0)
    confusion[np.ix_(np.arange(n_raters), possible, present)] = rates
    performance = _performance(patterns, counts[:, None] * posterior)
    performance["confusion"] = confusion
    performance["sensitivity"] = np.diagonal(confusion, axis1=1, axis2=2)[:, 1:].copy()
    return ClassConsensus(
        prob=_by_class(posterior, decisions.code),
        labels=look_up(_written(values)[_most_probable(posterior)], decisions.code),
        n_iterations=found.n_iterations,
        converged=found.converged,
        log_likelihood=found.log_likelihood,
        **performance,
    )


def _as_marked(decisions: Decisions, votes: np.ndarray, values: Values) -> ClassConsensus:
    """STAPLE if nothing can be estimated: one rater, or one class everywhere."""
    marked, counts = votes > 0, decisions.counts
    prior = counts @ marked / counts.sum()
    return ClassConsensus(
        prob=_by_class(marked, decisions.code),
        labels=look_up(_written(values)[marked.argmax(axis=1)], decisions.code),
        n_iterations=0,
        converged=True,
        log_likelihood=float(counts @ np.log(marked @ prior)),
        **_performance(decisions.patterns, counts[:, None] * marked),
    )


def _most_probable(prob: np.ndarray) -> np.ndarray:
    """Number of the most probable class of each pattern `(P,)`; of equal ones the first."""
    return np.asarray((prob >= prob.max(axis=1, keepdims=True) - TIE).argmax(axis=1))


def _of_objects(
    decisions: Decisions, labels: Sequence[np.ndarray], values: Values, spacing: Sequence[float] | None
) -> ClassConsensus:
    of_each = values_of(values)
    found = tuple(object_consensus([np.isin(one, of_class) for one in labels], spacing) for of_class in of_each)
    claims = np.stack([np.where(one.mask, one.prob, np.float32(0)) for one in found])
    number = np.where(claims.any(axis=0), 1 + claims.argmax(axis=0), 0)
    prob = np.stack([np.zeros(number.shape, np.float32), *(one.prob for one in found)])
    prob[0] = 1 - prob[1:].max(axis=0)
    n_classes = len(of_each) + 1
    together = decisions.code.astype(np.int64) * n_classes + number
    joint = np.bincount(together.reshape(-1), minlength=n_classes * len(decisions.counts)).reshape(-1, n_classes)
    performance = _performance(decisions.patterns, joint)
    return ClassConsensus(prob=prob, labels=_written(values)[number], objects=found, **performance)


def _written(values: Values) -> np.ndarray:
    """Value that stands for each class in a label image, int32 `(K + 1,)`."""
    return np.array([0, *(of_class[0] for of_class in values_of(values))], dtype=np.int32)


def _by_class(prob: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Probability `(K + 1, *spatial)` of each class, from that of each pattern `(P, K + 1)`."""
    found = np.empty((prob.shape[1], *code.shape), dtype=np.float32)
    for number, of_pattern in enumerate(prob.T.astype(np.float32)):
        found[number] = look_up(of_pattern, code)
    return found


class _Performance(TypedDict):
    """As in `ClassConsensus`."""

    confusion: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray


def _performance(patterns: np.ndarray, joint: np.ndarray) -> _Performance:
    """Confusion, sensitivity and specificity of each rater; `joint` `(P, K + 1)` are pixels by pattern and truth."""
    n_classes = joint.shape[1]
    pixels = np.stack([(patterns == number).T @ joint for number in range(n_classes)], axis=-1).astype(float)
    of_truth = joint.sum(axis=0).astype(float)
    right = np.diagonal(pixels, axis1=1, axis2=2)
    elsewhere = of_truth.sum() - of_truth
    with np.errstate(invalid="ignore"):
        return {
            "confusion": pixels / of_truth[:, None],
            "sensitivity": (right / of_truth)[:, 1:],
            "specificity": (1 - (pixels.sum(axis=1) - right) / elsewhere)[:, 1:],
        }
