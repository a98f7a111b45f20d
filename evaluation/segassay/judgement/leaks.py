"""Does an annotator know how single raters voted? Where the others are split, nobody can who has not seen their masks.

    pixels by the votes of the other raters  ->  how far the mask turns with one vote  ->  beyond what is possible

`turn` of an annotator with rater r, among pixels that n further raters mark: the share that the annotator marks where
r does, minus that where r does not. Raters turn with each other too, because a vote tells what is there. Suppose that
half of the pixels are of objects, and that every rater errs by chance, with one probability (1 - J) / 2. Then where the
others are split, a rater turns with another by b = J² / (1 + J²), and someone who marks just what is there by J, which
is √(b / (1 - b)).
"""

from collections.abc import Iterator

import numpy as np

from segassay.judgement.criteria import MIN_CASES, Number
from segassay.judgement.evidence import Evidence, index, median_over

__all__ = ["ANYBODY_TURNS", "MIN_RATERS", "beyond_possible_turns", "possible_turn"]

ANYBODY_TURNS = 0.5
"""Turns up to this are always possible: what is hard to see for one rater may be so for the annotator too."""

MIN_RATERS = 3
"""Raters of whom one can be left out of two who are split."""


def possible_turn(of_raters: np.ndarray) -> np.ndarray:
    """How far someone who knows no rater's errors turns at most with one vote.

    Args:
        of_raters: How far raters turn with each other, from -1 to 1; NaN if unknown.

    Returns:
        At least `ANYBODY_TURNS`, at most 1; NaN where unknown.

    Example:
        >>> possible_turn(np.array([0.1, 0.265, 0.5, np.nan])).round(2)
        array([0.5, 0.6, 1. , nan])
    """
    share = np.clip(of_raters, 0.0, 0.5)
    return np.maximum(np.sqrt(share / (1 - share)), ANYBODY_TURNS)


def beyond_possible_turns(evidence: Evidence, name: str) -> Iterator[Number]:
    """For each number of further raters: the turn of an annotator, median over the raters, minus the possible one.

    A rater counts if in `MIN_CASES` images or more there are pixels of both kinds. More than half of the raters must
    count: raters who differ by what they take for an object, and not by chance, are split over one of them at most.
    """
    raters = evidence.raters
    if len(raters) < MIN_RATERS:
        return
    own, between = evidence.votes_of(name), evidence.votes_of_raters
    for n_others in range(own.shape[2]):
        split = own[:, :, n_others]
        known = np.all(split[:, :, :2] > 0, axis=2) & evidence.marked([name])[:, None]
        counted = known.sum(axis=0) >= MIN_CASES
        if 2 * counted.sum() <= len(raters):
            continue
        beside = between[:, max(n_others - 1, 0) : n_others + 1]
        shapes = (split[:, counted].shape[1:], beside.shape[1:])
        values = np.hstack([part.reshape(len(part), -1) for part in (split[:, counted], beside)])
        values = np.where(known[:, counted].any(axis=1)[:, None], values, np.nan)

        def beyond(means: np.ndarray, shapes: tuple[tuple[int, ...], ...] = shapes) -> np.ndarray:
            n = int(np.prod(shapes[0]))
            turns = _turns(means[:, :n].reshape(-1, *shapes[0]))
            usual = _turns(means[:, n:].reshape(-1, *shapes[1]))
            return np.asarray(median_over(turns) - possible_turn(np.fmax.reduce(usual, axis=1)))

        number = index(evidence, values, beyond, target=name, against="the raters")
        if number is not None and number.n_cases >= MIN_CASES:
            yield number


def _turns(counts: np.ndarray) -> np.ndarray:
    """`(..., 4)` counts -> `(...)` turns; NaN where one kind of pixels is missing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts[..., 2] / counts[..., 0] - counts[..., 3] / counts[..., 1])
