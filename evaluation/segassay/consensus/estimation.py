"""Expectation maximisation of STAPLE, for any number of classes, on counted patterns of decisions.

decisions (K, D * R) of 0 and 1, counts (K,)  ->  P(truth | pattern) (K, C), P(decision | truth) (D * R, C)

Column d * R + r says whether rater r made decision d. `likeliest` is for two classes, `from_majority` for more: with
more classes the likeliest result is one in which a class no longer means what its name says. On images of lung nodules
where each rater chose one class for the whole nodule, it used the class of a single rater for the rim that others left
blank; a start from what most raters said keeps classes and names together.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Climb", "from_majority", "likeliest"]

START = 0.99999  # probability that a rater is right, for every rater and truth, before the first step
TOLERANCE = 1e-7  # stop when no rate moves by more
MAX_ITERATIONS = 100_000  # real annotations need tens of steps, pure noise thousands
SMALLEST = 1e-300  # replaces 0 in logarithms


class Climb(NamedTuple):
    """A maximum of the likelihood: `posterior` is float64 `(K, C)`, `rates` float64 `(D * R, C)`."""

    posterior: np.ndarray
    rates: np.ndarray
    n_iterations: int
    converged: bool
    log_likelihood: float


def likeliest(
    decisions: np.ndarray,
    counts: np.ndarray,
    votes: np.ndarray,
    prior: np.ndarray,
    weights: np.ndarray | None = None,
) -> Climb:
    """Iterate from two starts and keep the likelier result.

    The iteration finds a maximum near its start, and on masks with little in common there are several. So it starts
    from raters who are nearly always right (the article) and from the share of votes (ITK's binary filter).

    Args:
        decisions: `(K, C * R)`, as the module says; every class occurs.
        counts: `(K,)`, pixels of each pattern.
        votes: `(K, C)`, share of the raters for each class.
        prior: `(C,)`, above 0: their mean over all pixels.
        weights: `(R,)`, how much each rater counts; by default 1 each.
    """
    n_classes = votes.shape[1]
    n_raters = decisions.shape[1] // n_classes
    counting = None if weights is None else np.tile(weights, n_classes)
    log_prior = np.log(prior)
    voting = _maximise(decisions, counts, np.log(np.maximum(votes, SMALLEST)))
    starts = (_trusting(n_raters, n_classes), voting)
    climbs = [_climb(decisions, counts, log_prior, rates, counting) for rates in starts]
    return max(climbs, key=lambda climb: climb.log_likelihood)


def from_majority(decisions: np.ndarray, counts: np.ndarray, votes: np.ndarray) -> tuple[np.ndarray, Climb]:
    """Iterate from the majority vote, as ITK's filter for several labels.

    Args:
        decisions: `(K, D * R)`, as the module says.
        counts: `(K,)`, pixels of each pattern.
        votes: `(K, D)`, how many raters made each decision.

    Returns:
        The numbers of the C classes that have more votes than any other at some pixel (if there is none, of all that
        have votes): only these can be the truth. And the result about them, without patterns that no class explains
        because a decision in them has probability 0 for each: their posterior is 0, and no rate rests on them.
    """
    most = votes == votes.max(axis=1, keepdims=True)
    decided = most & (most.sum(axis=1) == 1)[:, None]
    if not decided.any():
        decided = votes / votes.sum(axis=1, keepdims=True)
    possible = np.flatnonzero(counts @ decided)
    prior = (counts @ votes)[possible]
    of_truth = (counts[:, None] * decided)[:, possible]
    rates = decisions.T @ of_truth / of_truth.sum(axis=0)
    return possible, _climb(decisions, counts, np.log(prior / prior.sum()), rates, None, exact=True)


def _trusting(n_raters: int, n_classes: int) -> np.ndarray:
    """Rates `(C * R, C)` of raters who are nearly always right, and err equally often in every way."""
    rates = np.full((n_classes, n_classes), (1 - START) / (n_classes - 1))
    np.fill_diagonal(rates, START)
    return np.repeat(rates, n_raters, axis=0)


def _climb(
    decisions: np.ndarray,
    counts: np.ndarray,
    log_prior: np.ndarray,
    rates: np.ndarray,
    weights: np.ndarray | None,
    *,
    exact: bool = False,
) -> Climb:
    """Iterate from some rates, P(decision | truth) `(D * R, C)`, to the nearest maximum of the likelihood.

    A rate of 0 makes a truth impossible if `exact`, else nearly so.
    """
    counted = decisions if weights is None else decisions * weights
    converged, n_iterations = False, 0
    while not converged and n_iterations < MAX_ITERATIONS:
        log_posterior, _ = _expect(counted, log_prior, rates, exact=exact)
        rates, before = _maximise(decisions, counts, log_posterior), rates
        converged = bool(np.maximum.reduce(np.abs(rates - before), axis=None) < TOLERANCE)
        n_iterations += 1
    log_posterior, log_evidence = _expect(counted, log_prior, rates, exact=exact)
    explained = np.isfinite(log_evidence)
    log_likelihood = float(counts[explained] @ log_evidence[explained])
    return Climb(np.exp(log_posterior), rates, n_iterations, converged, log_likelihood)


def _expect(
    decisions: np.ndarray, log_prior: np.ndarray, rates: np.ndarray, *, exact: bool
) -> tuple[np.ndarray, np.ndarray]:
    """E-step: log P(truth | pattern) `(K, C)`, and log P(pattern) `(K,)`; minus infinity for what is impossible."""
    log_joint = log_prior + decisions @ np.log(np.maximum(rates, SMALLEST))
    if exact:
        log_joint[decisions @ (rates == 0) > 0] = -np.inf
    log_evidence = np.logaddexp.reduce(log_joint, axis=1)
    scale = np.where(np.isfinite(log_evidence), log_evidence, 0) if exact else log_evidence
    return log_joint - scale[:, None], log_evidence


def _maximise(decisions: np.ndarray, counts: np.ndarray, log_posterior: np.ndarray) -> np.ndarray:
    """M-step: P(decision | truth) `(D * R, C)`; 0 for a truth that is impossible everywhere.

    Each rate is its own sum, never one minus another, so that rates near 0 keep their digits; dividing by the largest
    posterior keeps a truth that is improbable everywhere from underflowing to 0/0.
    """
    largest = np.maximum.reduce(log_posterior, axis=0)
    largest[largest == -np.inf] = 0
    weight = counts[:, None] * np.exp(log_posterior - largest)
    total = np.add.reduce(weight, axis=0)
    total[total == 0] = 1
    return np.minimum(decisions.T @ weight / total, 1)
