"""Consensus by pixels: fuse several masks of one image into one.

    masks (R, *spatial) bool  ->  prob (*spatial) float32, mask (*spatial) bool

Every method here decides pixel by pixel, so all use one table, which counts each pattern of decisions:
    masks  ->  Decisions  ->  fuse_decisions(decisions, method)
Masks may be passed one at a time, so that those of a large volume are never in memory together. A consensus without
one rater, C₋r, needs no second pass over the masks: without_rater(decisions, r).

Raters are the first axis, the number of spatial axes does not matter, and nothing here reads files. A consensus is made
from whole images; ignored areas are left out later, in sampling and scoring.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segassay.consensus.estimation import likeliest
from segassay.consensus.patterns import Decisions, count_patterns, look_up, without_rater
from segassay.masks.objects import any_of

__all__ = [
    "METHODS",
    "Consensus",
    "Decisions",
    "Staple",
    "count_decisions",
    "decisions_of_marked",
    "fuse_decisions",
    "intersection",
    "majority_vote",
    "soft_mean",
    "staple",
    "staple_mask_of_decisions",
    "staple_of_decisions",
    "union",
    "without_rater",
]

METHODS = ("staple", "majority", "soft", "union", "intersection")


@dataclass(frozen=True, eq=False)
class Consensus:
    """Consensus of several raters.

    Attributes:
        prob: float32 `(*spatial)`, probability that a pixel is foreground.
        mask: bool `(*spatial)`, `prob > 0.5`.
    """

    prob: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True, eq=False)
class Staple(Consensus):
    """A consensus by STAPLE, with its estimates for each rater.

    Attributes:
        prob: As of every consensus.
        mask: As of every consensus.
        sensitivity: float64 `(R,)`, share of the true foreground that each rater marked; NaN if there is none.
        specificity: float64 `(R,)`, share of the true background that each rater left blank; NaN if there is none.
        n_iterations: Steps taken; 0 where nothing had to be estimated.
        converged: Whether the last step moved no estimate by more than 1e-7.
        log_likelihood: Log-likelihood (natural logarithm) of all decisions under these estimates.
    """

    sensitivity: np.ndarray
    specificity: np.ndarray
    n_iterations: int
    converged: bool
    log_likelihood: float


class _Estimate(NamedTuple):
    """What EM returns; `prob` is float64 `(K,)`, one value per pattern."""

    prob: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    n_iterations: int
    converged: bool
    log_likelihood: float


_Masks = np.ndarray | Iterable[np.ndarray]


def fuse_decisions(decisions: Decisions, method: str) -> Consensus:
    """Make a consensus by any of the pixel-wise methods.

    | method | probability |
    |---|---|
    | `staple` | of the truth, given how reliable each rater proves to be: see `staple`; the result is a `Staple` |
    | `majority` | 1 where more than half of the raters marked the pixel; a tie is background |
    | `soft` | share of the raters who marked it; its mask, `prob > 0.5`, is that of `majority` |
    | `union` | 1 where any rater marked it |
    | `intersection` | 1 where all raters marked it |

    Args:
        decisions: From `count_decisions` or `without_rater`.
        method: One of `METHODS`.

    Returns:
        Probability and mask; empty where all raters are empty, full where all are full, for every method.

    Raises:
        ValueError: If there is no such method.

    Example:
        >>> decisions = count_decisions(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool))
        >>> fuse_decisions(decisions, "soft").prob
        array([1. , 0.5, 0. , 0. ], dtype=float32)
        >>> fuse_decisions(decisions, "union").mask.astype(int)
        array([1, 1, 0, 0])
    """
    if method == "staple":
        return staple_of_decisions(decisions)
    prob = look_up(_share_marked(decisions.patterns, method).astype(np.float32), decisions.code)
    return Consensus(prob, prob > 0.5)


def _share_marked(patterns: np.ndarray, method: str) -> np.ndarray:
    """Probability of each pattern `(K,)` by a rule that needs only the pattern; patterns `(K, R)`."""
    votes, n_raters = np.count_nonzero(patterns, axis=1), patterns.shape[1]
    if method == "soft":
        return votes / n_raters
    if method == "majority":
        return 2 * votes > n_raters
    if method == "union":
        return votes > 0
    if method == "intersection":
        return votes == n_raters
    raise ValueError(f"no method {method!r} for a consensus; expected one of {', '.join(METHODS)}")


def staple(masks: _Masks) -> Staple:
    """Estimate the hidden true mask together with each rater's sensitivity and specificity.

    Simultaneous truth and performance level estimation (STAPLE): raters who agree with the emerging truth weigh more.
    Pixels with the same decisions get the same probability, and only few patterns of decisions occur, so they are
    counted once and the iteration runs on the counts.

    Where all raters are empty or all full there is nothing to estimate: that mask is the consensus, and sensitivity
    (without any foreground) or specificity (without any background) is NaN. The same holds for a single rater.

    Args:
        masks: Boolean array of shape `(R, *spatial)`, one mask per rater; any number of raters.

    Returns:
        Probability, mask and each rater's performance.

    Raises:
        TypeError: If `masks` is not boolean.
        ValueError: If `masks` holds no rater or no pixel.

    Example:
        >>> result = staple(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool))
        >>> result.mask.astype(int)
        array([1, 1, 0, 0])
        >>> result.sensitivity.round(3), result.specificity.round(3)
        (array([1. , 1. , 0.5]), array([1. , 0.5, 1. ]))

    References:
        Warfield, Zou & Wells (2004), IEEE Trans. Med. Imaging 23(7):903-921, doi:10.1109/TMI.2004.828354.
    """
    return staple_of_decisions(count_decisions(masks))


def staple_of_decisions(decisions: Decisions, weights: np.ndarray | None = None) -> Staple:
    """STAPLE of decisions that are already counted; see `staple`.

    Args:
        decisions: From `count_decisions` or `without_rater`.
        weights: `(R,)`, above 0: how much each decision counts, such as 1/3 for each of three masks of one person, who
            then has one vote; by default 1 each. The likelihood has a rater's decisions to the power of the weight.

    Returns:
        The same as `staple` of the masks that were counted.

    Example:
        One person drew twice; the same mask at half the weight is one rater.

        >>> masks = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]], dtype=bool)
        >>> twice = staple_of_decisions(count_decisions(masks), np.array([0.5, 0.5, 1.0, 1.0]))
        >>> np.allclose(twice.prob, staple(masks[1:]).prob), np.allclose(staple(masks).prob, staple(masks[1:]).prob)
        (True, False)
    """
    estimate = _estimate(decisions.patterns, decisions.counts, weights)
    prob = look_up(estimate.prob.astype(np.float32), decisions.code)
    return Staple(prob, prob > 0.5, *estimate[1:])


def staple_mask_of_decisions(decisions: Decisions, weights: np.ndarray | None = None) -> np.ndarray:
    """Only the mask of `staple_of_decisions`, without an image of probabilities.

    Args:
        decisions: From `count_decisions` or `without_rater`.
        weights: As for `staple_of_decisions`.

    Returns:
        Boolean `(*spatial)`.

    Example:
        >>> decisions = count_decisions(np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool))
        >>> staple_mask_of_decisions(decisions).astype(int)
        array([1, 1, 0, 0])
    """
    estimate = _estimate(decisions.patterns, decisions.counts, weights)
    return look_up(estimate.prob.astype(np.float32) > 0.5, decisions.code)


def count_decisions(masks: _Masks) -> Decisions:
    """Count how often each pattern of decisions occurs.

    Each mask is used once and released, so masks that are read one after the other need no more memory than one mask
    and the code, one byte per pixel up to 256 patterns (enough for 8 raters).

    Args:
        masks: Boolean array of shape `(R, *spatial)`, one mask per rater; or boolean arrays `(*spatial)` of one
            shape, for example from a generator that reads a file at a time.

    Returns:
        The patterns that occur, at most 2^R and at most one per pixel, their counts, and each pixel's pattern.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If there is no rater or no pixel, or if the masks differ in shape.

    Example:
        >>> decisions = count_decisions(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool))
        >>> decisions.patterns.astype(int).tolist(), decisions.counts.tolist(), decisions.code.tolist()
        ([[0, 0], [1, 0], [1, 1]], [2, 1, 1], [2, 1, 0, 0])
    """
    if isinstance(masks, np.ndarray):
        _check_stack(masks)
    return count_patterns(_checked(masks))


def decisions_of_marked(masks: Sequence[np.ndarray]) -> tuple[Decisions, Callable[[np.ndarray], np.ndarray]]:
    """As `count_decisions`, with the patterns of only those pixels that any rater marks, a small part of most images.

    Args:
        masks: Boolean `(*spatial)`, at least one.

    Returns:
        Decisions of the whole image, whose `code` is of one pixel that nobody marks, if there is one, and then of
        those that are marked; and what makes a boolean image `(*spatial)` of values for these.

    Raises:
        ValueError: If there is no pixel.

    Example:
        >>> masks = [np.array([True, True, False, False]), np.array([False, True, False, False])]
        >>> decisions, whole = decisions_of_marked(masks)
        >>> decisions.counts.tolist(), decisions.code.tolist(), whole(np.array([False, False, True])).tolist()
        ([2, 1, 1], [0, 1, 2], [False, True, False, False])
    """
    shape = masks[0].shape
    marked = np.flatnonzero(any_of(masks, shape))
    n_blank = masks[0].size - len(marked)
    start = int(n_blank > 0)
    drawn = np.zeros((len(masks), start + len(marked)), dtype=bool)
    for row, mask in zip(drawn, masks, strict=True):
        row[start:] = mask.reshape(-1)[marked]
    decisions = count_decisions(drawn)
    decisions.counts[0] += max(n_blank - 1, 0)  # the pattern without any mark is the first

    def whole(values: np.ndarray) -> np.ndarray:
        image = np.full(shape, bool(start and values[0]))
        image.reshape(-1)[marked] = values[start:]
        return image

    return decisions, whole


def _checked(masks: _Masks) -> Iterator[np.ndarray]:
    first = None
    for mask in masks:
        first = mask.shape if first is None else first
        _check_mask(mask, first)
        yield mask


def _estimate(patterns: np.ndarray, counts: np.ndarray, weights: np.ndarray | None = None) -> _Estimate:
    """Expectation maximisation on the histogram; patterns `(K, R)`, counts `(K,)`."""
    n_raters = patterns.shape[1]
    votes = patterns.mean(axis=1, keepdims=True)
    if weights is not None:
        votes = patterns @ weights[:, None] / weights.sum()
    prior = float(counts @ votes[:, 0] / counts.sum())
    if n_raters == 1 or prior in (0, 1):
        return _as_marked(patterns, counts, prior)
    decisions = np.hstack([patterns, ~patterns]).astype(float)  # (K, 2R): marked, left blank
    found = likeliest(decisions, counts, np.hstack([votes, 1 - votes]), np.array([prior, 1 - prior]), weights)
    return _Estimate(
        prob=found.posterior[:, 0],
        sensitivity=found.rates[:n_raters, 0],
        specificity=found.rates[n_raters:, 1],
        n_iterations=found.n_iterations,
        converged=found.converged,
        log_likelihood=found.log_likelihood,
    )


def _as_marked(patterns: np.ndarray, counts: np.ndarray, prior: float) -> _Estimate:
    """The consensus if nothing can be estimated: one rater, or all masks empty, or all full."""
    decision, n_raters = patterns[:, 0], patterns.shape[1]
    sensitivity = np.full(n_raters, np.nan if prior == 0 else 1.0)
    specificity = np.full(n_raters, np.nan if prior == 1 else 1.0)
    share = np.where(decision, prior, 1 - prior)
    return _Estimate(decision.astype(float), sensitivity, specificity, 0, True, float(counts @ np.log(share)))


def majority_vote(masks: _Masks) -> np.ndarray:
    """Mark a pixel when more than half of the raters did.

    A tie, possible with an even number of raters, is background: a consensus contains only what most raters marked.

    Args:
        masks: One mask per rater, as `count_decisions` takes them.

    Returns:
        Boolean array of shape `(*spatial)`; empty if no rater marked anything.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If there is no rater or no pixel, or if the masks differ in shape.

    Example:
        >>> masks = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
        >>> majority_vote(masks).astype(int)
        array([1, 1, 0, 0])

    References:
        Lam & Suen (1997), IEEE Trans. SMC-A 27(5):553-568, doi:10.1109/3468.618255.
    """
    return _mask(masks, "majority")


def union(masks: _Masks) -> np.ndarray:
    """Mark a pixel when any rater did; arguments and errors as of `majority_vote`.

    Example:
        >>> union(np.array([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)).astype(int)
        array([1, 1, 1, 0])
    """
    return _mask(masks, "union")


def intersection(masks: _Masks) -> np.ndarray:
    """Mark a pixel when all raters did; arguments and errors as of `majority_vote`.

    Example:
        >>> intersection(np.array([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)).astype(int)
        array([1, 0, 0, 0])
    """
    return _mask(masks, "intersection")


def _mask(masks: _Masks, method: str) -> np.ndarray:
    decisions = count_decisions(masks)
    return look_up(_share_marked(decisions.patterns, method), decisions.code)


def soft_mean(masks: _Masks) -> np.ndarray:
    """Share of the raters who marked each pixel: the mean of their masks, which needs no model of the raters.

    Args:
        masks: Boolean `(R, *spatial)`, one mask per rater, or the masks one after another.

    Returns:
        float32 array of shape `(*spatial)` within [0, 1]; 0 everywhere if no rater marked anything.

    Raises:
        TypeError: If a mask is not boolean.
        ValueError: If there is no rater or no pixel, or if the masks differ in shape.

    Example:
        >>> soft_mean(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool))
        array([1. , 0.5, 0. , 0. ], dtype=float32)
    """
    decisions = count_decisions(masks)
    return look_up(_share_marked(decisions.patterns, "soft").astype(np.float32), decisions.code)


def _check_stack(masks: np.ndarray) -> None:
    if masks.dtype != bool:
        raise TypeError(f"masks must be boolean, got {masks.dtype}; apply a threshold first")
    if masks.ndim < 2 or masks.size == 0:
        raise ValueError(f"masks must be (raters, *spatial) with at least one rater and one pixel, got {masks.shape}")


def _check_mask(mask: np.ndarray, shape: tuple[int, ...]) -> None:
    if mask.dtype != bool:
        raise TypeError(f"masks must be boolean, got {mask.dtype}; apply a threshold first")
    if mask.ndim == 0 or mask.size == 0:
        raise ValueError(f"masks must be (*spatial) with at least one pixel, got {mask.shape}")
    if mask.shape != shape:
        raise ValueError(f"masks must be of one shape, got {mask.shape} after {shape}")
