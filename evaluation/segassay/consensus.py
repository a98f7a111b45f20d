"""Consensus of raters: several masks of one image become one.

    masks (R, *spatial) bool  ->  mask (*spatial) bool

STAPLE works on how often each pattern of decisions occurs, so a consensus without one rater, C₋r, needs no second pass:
    masks  ->  Decisions  ->  without_rater(decisions, r)  ->  staple_of_decisions

Raters are the first axis, the number of spatial axes does not matter, and nothing here reads files. A consensus is made
from whole images; ignored areas are left out later, where one samples or scores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

START = 0.99999  # sensitivity and specificity of every rater before the first step
TOLERANCE = 1e-7  # stop when no sensitivity and no specificity moves by more
MAX_ITERATIONS = 100_000  # annotations need tens, pure noise thousands
SMALLEST = 1e-300  # stands for 0 in logarithms
CHUNK = 1 << 22  # pixels looked up at a time, so that a volume needs no index array of its own size


@dataclass(frozen=True, eq=False)
class Staple:
    """A consensus, and what it says about each rater.

    Attributes:
        prob: float32 `(*spatial)`, probability that a pixel is foreground.
        mask: bool `(*spatial)`, `prob > 0.5`.
        sensitivity: float64 `(R,)`, share of the true foreground that each rater marked; NaN if there is none.
        specificity: float64 `(R,)`, share of the true background that each rater left; NaN if there is none.
        n_iterations: Steps taken; 0 where nothing had to be estimated.
        converged: Whether the last step moved no estimate by more than 1e-7.
        log_likelihood: Log-likelihood (natural logarithm) of all decisions under these estimates.
    """

    prob: np.ndarray
    mask: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    n_iterations: int
    converged: bool
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class Decisions:
    """What several raters decided at each pixel of an image, as few patterns that occur often.

    Attributes:
        patterns: bool `(K, R)`, the patterns that occur: what each rater decided.
        counts: int64 `(K,)`, pixels that have each pattern.
        code: Whole numbers `(*spatial)`, the index of each pixel's pattern.
    """

    patterns: np.ndarray
    counts: np.ndarray
    code: np.ndarray


class _Estimate(NamedTuple):
    """What EM returns; `prob` is float64 `(K,)`, one value per pattern."""

    prob: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    n_iterations: int
    converged: bool
    log_likelihood: float


def staple(masks: np.ndarray) -> Staple:
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


def staple_of_decisions(decisions: Decisions) -> Staple:
    """STAPLE of decisions that are counted already; see `staple`.

    Args:
        decisions: From `count_decisions` or `without_rater`.

    Returns:
        The same as `staple` of the masks that were counted.
    """
    estimate = _estimate(decisions.patterns, decisions.counts)
    prob = _look_up(estimate.prob.astype(np.float32), decisions.code)
    return Staple(prob, prob > 0.5, *estimate[1:])


def without_rater(decisions: Decisions, rater: int) -> Decisions:
    """Decisions of all raters but one: its column is dropped, and patterns that became equal are merged.

    Args:
        decisions: Of at least 2 raters.
        rater: Index of the rater to leave out.

    Returns:
        What `count_decisions` gives for the masks of the others, without looking at the masks again.

    Raises:
        ValueError: If no rater would remain.
        IndexError: If there is no such rater.

    Example:
        >>> masks = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
        >>> others = without_rater(count_decisions(masks), 2)
        >>> staple_of_decisions(others).mask.astype(int)
        array([1, 1, 0, 0])
    """
    if decisions.patterns.shape[1] < 2:
        raise ValueError("a consensus without one rater needs at least one other rater, got a single rater")
    kept = np.delete(decisions.patterns, rater, axis=1)
    merged, index = np.unique(kept[:, ::-1], axis=0, return_inverse=True)  # reversed: the order of count_decisions
    index = index.reshape(-1)
    counts = np.bincount(index, weights=decisions.counts).astype(np.int64)
    return Decisions(merged[:, ::-1], counts, _look_up(index.astype(decisions.code.dtype), decisions.code))


def count_decisions(masks: np.ndarray) -> Decisions:
    """Count how often each pattern of decisions occurs.

    Args:
        masks: Boolean array of shape `(R, *spatial)`, one mask per rater.

    Returns:
        The patterns that occur, at most 2^R and at most one per pixel, their counts, and each pixel's pattern.

    Raises:
        TypeError: If `masks` is not boolean.
        ValueError: If `masks` holds no rater or no pixel.

    Example:
        >>> decisions = count_decisions(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool))
        >>> decisions.patterns.astype(int).tolist(), decisions.counts.tolist(), decisions.code.tolist()
        ([[0, 0], [1, 0], [1, 1]], [2, 1, 1], [2, 1, 0, 0])
    """
    _check_masks(masks)
    return Decisions(*_decision_patterns(masks))


def _decision_patterns(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patterns that occur, `(K, R)` bool; pixels of each, `(K,)`; the index of each pixel's pattern, `(*spatial)`."""
    n_raters = len(masks)
    if n_raters > 16:
        return _decision_patterns_of_many(masks)
    code = _pack(masks, np.dtype(np.uint8 if n_raters <= 8 else np.uint16))
    counts = np.zeros(2**n_raters, dtype=np.int64)
    flat = code.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        counts += np.bincount(flat[start : start + CHUNK], minlength=counts.size)
    present = np.flatnonzero(counts)
    index = np.zeros(counts.size, dtype=code.dtype)
    index[present] = np.arange(present.size)
    patterns = (present[:, None] >> np.arange(n_raters)) & 1
    return patterns.astype(bool), counts[present], _look_up(index, code)


def _decision_patterns_of_many(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same by sorting, 31 raters at a time: 2^R counters would not fit."""
    code = np.zeros(masks.shape[1:], dtype=np.int64)
    for start in range(0, len(masks), 31):
        packed = _pack(masks[start : start + 31], np.dtype(np.int64))
        _, first, code, counts = np.unique(
            (code << 31) | packed, return_index=True, return_inverse=True, return_counts=True
        )
        code = code.reshape(masks.shape[1:])
    return masks.reshape(len(masks), -1)[:, first].T, counts, code


def _pack(masks: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """One integer per pixel, `(*spatial)`; bit r is the decision of rater r."""
    code = np.zeros(masks.shape[1:], dtype=dtype)
    for rater, mask in enumerate(masks):
        code |= mask.astype(dtype) << dtype.type(rater)
    return code


def _look_up(table: np.ndarray, code: np.ndarray) -> np.ndarray:
    """`table[code]`, in chunks."""
    values = np.empty(code.shape, dtype=table.dtype)
    flat_values, flat_code = values.reshape(-1), code.reshape(-1)
    for start in range(0, flat_code.size, CHUNK):
        flat_values[start : start + CHUNK] = table[flat_code[start : start + CHUNK]]
    return values


def _estimate(patterns: np.ndarray, counts: np.ndarray) -> _Estimate:
    """Expectation maximisation on the histogram; patterns `(K, R)`, counts `(K,)`."""
    n_raters = patterns.shape[1]
    prior = float(counts @ patterns.mean(axis=1) / counts.sum())
    if n_raters == 1 or prior in (0, 1):
        return _as_marked(patterns, counts, prior)

    decisions = np.hstack([patterns, ~patterns]).astype(float)  # (K, 2R): marked, left blank
    log_prior = np.log([prior, 1 - prior])
    rates = np.repeat([[START, 1 - START], [1 - START, START]], n_raters, axis=0)  # (2R, 2): P(decision | truth)
    converged, n_iterations = False, 0
    while not converged and n_iterations < MAX_ITERATIONS:
        log_posterior, _ = _expect(decisions, log_prior, rates)
        rates, before = _maximise(decisions, counts, log_posterior), rates
        converged = bool(np.abs(rates - before).max() < TOLERANCE)
        n_iterations += 1
    log_posterior, log_evidence = _expect(decisions, log_prior, rates)
    return _Estimate(
        prob=np.exp(log_posterior[:, 0]),
        sensitivity=rates[:n_raters, 0],
        specificity=rates[n_raters:, 1],
        n_iterations=n_iterations,
        converged=converged,
        log_likelihood=float(counts @ log_evidence),
    )


def _expect(decisions: np.ndarray, log_prior: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E-step: log P(truth | pattern) `(K, 2)` for foreground and background, and log P(pattern) `(K,)`."""
    log_joint = log_prior + decisions @ np.log(np.maximum(rates, SMALLEST))
    log_evidence = np.logaddexp(log_joint[:, 0], log_joint[:, 1])
    return log_joint - log_evidence[:, None], log_evidence


def _maximise(decisions: np.ndarray, counts: np.ndarray, log_posterior: np.ndarray) -> np.ndarray:
    """M-step: P(decision | truth) `(2R, 2)`.

    Each rate is its own sum, never one minus another, so that rates near 0 keep their digits; dividing by the largest
    posterior keeps a truth that is improbable everywhere from underflowing to 0/0.
    """
    weight = counts[:, None] * np.exp(log_posterior - log_posterior.max(axis=0))
    return np.clip(decisions.T @ weight / weight.sum(axis=0), 0, 1)


def _as_marked(patterns: np.ndarray, counts: np.ndarray, prior: float) -> _Estimate:
    """The consensus where nothing is to be estimated: one rater, or all masks empty, or all full."""
    decision, n_raters = patterns[:, 0], patterns.shape[1]
    sensitivity = np.full(n_raters, np.nan if prior == 0 else 1.0)
    specificity = np.full(n_raters, np.nan if prior == 1 else 1.0)
    share = np.where(decision, prior, 1 - prior)
    return _Estimate(decision.astype(float), sensitivity, specificity, 0, True, float(counts @ np.log(share)))


def majority_vote(masks: np.ndarray) -> np.ndarray:
    """Mark a pixel when more than half of the raters did.

    A tie, possible with an even number of raters, is background: a consensus asserts only what most raters saw.

    Args:
        masks: Boolean array of shape `(R, *spatial)`, one mask per rater.

    Returns:
        Boolean array of shape `(*spatial)`; empty if no rater marked anything.

    Raises:
        TypeError: If `masks` is not boolean.
        ValueError: If `masks` holds no rater or no pixel.

    Example:
        >>> masks = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
        >>> majority_vote(masks).astype(int)
        array([1, 1, 0, 0])

    References:
        Lam & Suen (1997), IEEE Trans. SMC-A 27(5):553-568, doi:10.1109/3468.618255.
    """
    _check_masks(masks)
    return 2 * np.count_nonzero(masks, axis=0) > len(masks)


def _check_masks(masks: np.ndarray) -> None:
    if masks.dtype != bool:
        raise TypeError(f"masks must be boolean, got {masks.dtype}; compare to a label first")
    if masks.ndim < 2 or masks.size == 0:
        raise ValueError(f"masks must be (raters, *spatial) with at least one rater and one pixel, got {masks.shape}")
