"""Consensus by pixels: fuse several masks of one image into one.

    masks (R, *spatial) bool  ->  prob (*spatial) float32, mask (*spatial) bool

Every method here decides pixel by pixel, so all use one table, which counts each pattern of decisions:
    masks  ->  Decisions  ->  fuse_decisions(decisions, method)
Masks may be passed one at a time, so that those of a large volume are never in memory together. A consensus without
one rater, C₋r, needs no second pass over the masks: without_rater(decisions, r).

Raters are the first axis, the number of spatial axes does not matter, and nothing here reads files. A consensus is made
from whole images; ignored areas are left out later, in sampling and scoring.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

METHODS = ("staple", "majority", "soft", "union", "intersection")

START = 0.99999  # sensitivity and specificity of every rater before the first step
TOLERANCE = 1e-7  # stop when no sensitivity and no specificity moves by more
MAX_ITERATIONS = 100_000  # real annotations need tens of steps, pure noise thousands
SMALLEST = 1e-300  # replaces 0 in logarithms
CHUNK = 1 << 16  # pixels at a time: temporary arrays stay in the processor's cache, and small compared with a volume
MAX_NUMBERS = 1 << 16  # above this, numbers that do not occur are dropped


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


@dataclass(frozen=True, eq=False)
class Decisions:
    """Decisions of several raters at each pixel of an image, as few patterns that occur often.

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
    prob = _look_up(_share_marked(decisions.patterns, method).astype(np.float32), decisions.code)
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
    prob = _look_up(estimate.prob.astype(np.float32), decisions.code)
    return Staple(prob, prob > 0.5, *estimate[1:])


def without_rater(decisions: Decisions, rater: int) -> Decisions:
    """Decisions of all raters but one: its column is dropped, and patterns that became equal are merged.

    Args:
        decisions: Of at least 2 raters.
        rater: Index of the rater to leave out.

    Returns:
        What `count_decisions` gives for the masks of the others, without another pass over the masks.

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
    patterns, code, n_numbers = np.zeros((1, 0), dtype=bool), None, 1
    for mask in masks:
        code = np.zeros(mask.shape, dtype=np.uint8) if code is None else code
        _check_mask(mask, code.shape)
        if 2 * n_numbers > MAX_NUMBERS:
            patterns, _, code = _renumber(patterns, code, n_numbers)
            n_numbers = len(patterns)
        code = _append(code, mask, n_numbers)
        n_numbers *= 2
    if code is None:
        raise ValueError("masks must be of at least one rater, got none")
    return Decisions(*_renumber(patterns, code, n_numbers))


def _append(code: np.ndarray, mask: np.ndarray, n_numbers: int) -> np.ndarray:
    """Numbers below `2 * n_numbers`: the code, plus `n_numbers` where the mask is set; in place where they fit."""
    code = code.astype(np.promote_types(code.dtype, np.min_scalar_type(2 * n_numbers - 1)), copy=False)
    flat_code, flat_mask = code.reshape(-1), mask.reshape(-1)
    for start in range(0, flat_code.size, CHUNK):
        chunk = slice(start, start + CHUNK)
        flat_code[chunk] += flat_mask[chunk] * code.dtype.type(n_numbers)
    return code


def _renumber(patterns: np.ndarray, code: np.ndarray, n_numbers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop numbers that do not occur.

    Args:
        patterns: `(K, R)`, what the first R raters decided.
        code: `(*spatial)`, below `n_numbers`: an index into `patterns`, plus K times the decisions of the raters after
            them, a bit each.
        n_numbers: K times a power of 2.

    Returns:
        Patterns of all raters, `(K', R')`; pixels of each, `(K',)`; and each pixel's index into them, `(*spatial)`.
    """
    counts = _tally(code, n_numbers)
    present = np.flatnonzero(counts)
    later, known = np.divmod(present, len(patterns))
    n_later = (n_numbers // len(patterns)).bit_length() - 1
    patterns = np.hstack([patterns[known], (later[:, None] >> np.arange(n_later) & 1).astype(bool)])
    if present.size == n_numbers:
        return patterns, counts, code
    index = np.zeros(n_numbers, dtype=np.min_scalar_type(present.size - 1))
    index[present] = np.arange(present.size)
    return patterns, counts[present], _look_up(index, code)


def _tally(code: np.ndarray, n_numbers: int) -> np.ndarray:
    """How often each number below `n_numbers` occurs, `(n_numbers,)`."""
    counts = np.zeros(n_numbers, dtype=np.int64)
    flat = code.reshape(-1)
    chunk = max(CHUNK, n_numbers)
    for start in range(0, flat.size, chunk):
        counts += np.bincount(flat[start : start + chunk], minlength=n_numbers)
    return counts


def _look_up(table: np.ndarray, code: np.ndarray) -> np.ndarray:
    """`table[code]`, in chunks."""
    values = np.empty(code.shape, dtype=table.dtype)
    flat_values, flat_code = values.reshape(-1), code.reshape(-1)
    for start in range(0, flat_code.size, CHUNK):
        chunk = slice(start, start + CHUNK)
        np.take(table, flat_code[chunk], out=flat_values[chunk], mode="clip")  # no number is too large; no buffer
    return values


def _estimate(patterns: np.ndarray, counts: np.ndarray, weights: np.ndarray | None = None) -> _Estimate:
    """Expectation maximisation on the histogram; patterns `(K, R)`, counts `(K,)`.

    It finds a maximum near its start, and on masks with little in common there are several. So it starts twice, from
    raters who are nearly always right (the article) and from the share of votes (ITK), and keeps the likelier result.
    """
    n_raters = patterns.shape[1]
    votes = patterns.mean(axis=1, keepdims=True)
    if weights is not None:
        votes = patterns @ weights[:, None] / weights.sum()
    prior = float(counts @ votes[:, 0] / counts.sum())
    if n_raters == 1 or prior in (0, 1):
        return _as_marked(patterns, counts, prior)

    decisions = np.hstack([patterns, ~patterns]).astype(float)  # (K, 2R): marked, left blank
    log_prior = np.log([prior, 1 - prior])
    trusting = np.repeat([[START, 1 - START], [1 - START, START]], n_raters, axis=0)
    voting = _maximise(decisions, counts, np.log(np.maximum(np.hstack([votes, 1 - votes]), SMALLEST)))
    counting = None if weights is None else np.tile(weights, 2)
    climbs = [_climb(decisions, counts, log_prior, rates, counting) for rates in (trusting, voting)]
    return max(climbs, key=lambda climb: climb.log_likelihood)


def _climb(
    decisions: np.ndarray,
    counts: np.ndarray,
    log_prior: np.ndarray,
    rates: np.ndarray,
    weights: np.ndarray | None,
) -> _Estimate:
    """Iterate from some rates, P(decision | truth) `(2R, 2)`, to the nearest maximum of the likelihood."""
    counted = decisions if weights is None else decisions * weights
    n_raters = len(rates) // 2
    converged, n_iterations = False, 0
    while not converged and n_iterations < MAX_ITERATIONS:
        log_posterior, _ = _expect(counted, log_prior, rates)
        rates, before = _maximise(decisions, counts, log_posterior), rates
        converged = bool(np.abs(rates - before).max() < TOLERANCE)
        n_iterations += 1
    log_posterior, log_evidence = _expect(counted, log_prior, rates)
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
    return _look_up(_share_marked(decisions.patterns, method), decisions.code)


def soft_mean(masks: _Masks) -> np.ndarray:
    """Share of the raters who marked each pixel.

    Args:
        masks: Boolean `(R, *spatial)`, one mask per rater, or the masks one after another.

    Returns:
        float32 array of shape `(*spatial)` within [0, 1].

    Example:
        >>> soft_mean(np.array([[1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool))
        array([1. , 0.5, 0. , 0. ], dtype=float32)
    """
    decisions = count_decisions(masks)
    return _look_up(_share_marked(decisions.patterns, "soft").astype(np.float32), decisions.code)


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
