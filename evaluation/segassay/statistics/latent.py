"""Kinds of objects that explain who marks what: raters err independently of each other within each kind.

votes (P, R), how often each pattern occurs (P,)  ->  LatentClasses: share and rates of votes of each kind (K,), (K, R)
"""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["LatentClasses", "latent_classes", "most_likely_classes"]

_MOST_STEPS = 2000
_ENOUGH = 1e-7
"""Gain of log-likelihood for each observation below which the fit stops."""
_CERTAIN = 1e-6
"""Rates stay this far from 0 and 1, so that every pattern is possible."""


@dataclass(frozen=True, eq=False)
class LatentClasses:
    """A fitted model.

    Attributes:
        shares: `(K,)`, share of each class, sum 1; of all that exists, also of what nobody marked.
        rates: `(K, R)`, how often each rater marks one of this class, in [0, 1].
        log_likelihood: Of the patterns that were observed.
        n_observed: Sum of the counts.
        alike: Whether the raters of a class have one rate.
        bic: Schwarz's criterion, -2 log L + (K (R + 1) - 1) log n, if raters are alike (2 K - 1) log n; less is better.
    """

    shares: np.ndarray
    rates: np.ndarray
    log_likelihood: float
    n_observed: float
    alike: bool = False

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        n_parameters = self.rates[:, : 1 if self.alike else None].size + len(self.shares) - 1
        return float(-2 * self.log_likelihood + n_parameters * np.log(self.n_observed))

    def probabilities(self, votes: np.ndarray) -> np.ndarray:
        """`(P, K)`, probability of each pattern of votes `(P, R)` together with each class."""
        logarithm = votes @ np.log(self.rates).T + (1 - votes) @ np.log(1 - self.rates).T
        return np.asarray(np.exp(logarithm) * self.shares)


def latent_classes(
    votes: np.ndarray, counts: np.ndarray, n_classes: int, *, all_seen: bool = False, alike: bool = False
) -> LatentClasses:
    """Fit classes by expectation and maximisation; nothing is drawn, so that the same votes give the same fit.

    Args:
        votes: `(P, R)`, 0 or 1, different patterns of votes.
        counts: `(P,)`, how often each occurs; need not be whole numbers.
        n_classes: K, at least 1. More than the patterns can tell give one of many equally likely fits.
        all_seen: Whether what nobody marks is counted too. If not, it is unknown how much of that there is, and the
            likelihood is that of patterns with a vote.
        alike: Whether raters have one rate in each class, so that only the number of votes in a pattern matters.

    Raises:
        ValueError: If shapes differ, nothing was observed, or a pattern without a vote is counted and not all are seen.

    Example:
        >>> votes = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
        >>> found = latent_classes(votes, np.array([50, 5, 30, 30, 90]), 2, all_seen=True)
        >>> found.rates.round(1)
        array([[0.2, 0.2, 0. , 0. ],
               [1. , 1. , 1. , 0.9]])

    References:
        Dawid & Skene (1979), Applied Statistics 28(1):20-28, doi:10.2307/2346806. Linzer & Lewis (2011), Journal of
        Statistical Software 42(10), doi:10.18637/jss.v042.i10.
    """
    votes, counts = np.asarray(votes, dtype=float), np.asarray(counts, dtype=float)
    if votes.ndim != 2 or counts.shape != votes.shape[:1] or not counts.sum() > 0:
        raise ValueError(f"votes must be (patterns, raters) with a count each, got {votes.shape} and {counts.shape}")
    if not all_seen and not votes.any(axis=1).all():
        raise ValueError("a pattern without a vote is counted; say all_seen=True, or leave it out")
    n_raters, seen = votes.shape[1], float(counts.sum())
    patterns = votes if all_seen else np.vstack([votes, np.zeros(n_raters)])
    start = np.linspace(0.1, 0.9, n_classes) if n_classes > 1 else np.array([0.5])
    fit = LatentClasses(
        np.full(n_classes, 1 / n_classes), np.repeat(start[:, None], n_raters, axis=1), -np.inf, seen, alike
    )
    for _ in range(_MOST_STEPS):
        joint = fit.probabilities(patterns)
        each = joint.sum(axis=1)
        likely = float(counts @ np.log(each[: len(counts)]) - (0.0 if all_seen else seen * np.log1p(-each[-1])))
        gain, fit = likely - fit.log_likelihood, replace(fit, log_likelihood=likely)
        if gain < _ENOUGH * seen:
            break
        weights = counts if all_seen else np.append(counts, seen * each[-1] / (1 - each[-1]))
        of_class = weights[:, None] * joint / each[:, None]
        total = of_class.sum(axis=0)
        rates = np.clip((of_class.T @ patterns) / total[:, None], _CERTAIN, 1 - _CERTAIN)
        if alike:
            rates = np.repeat(rates.mean(axis=1, keepdims=True), n_raters, axis=1)
        fit = LatentClasses(total / total.sum(), rates, likely, seen, alike)
    return fit


def most_likely_classes(
    votes: np.ndarray, counts: np.ndarray, n_most: int = 4, *, alike: bool = False
) -> LatentClasses | None:
    """The fit with the best `bic` of those that the patterns with a vote can tell; None of fewer than 4 raters.

    K classes have K (R + 1) - 1 numbers, which must be fewer than the 2^R - 1 patterns; of raters who are alike they
    have 2 K - 1, fewer than the R numbers of votes.

    Args:
        votes: As for `latent_classes`.
        counts: As for `latent_classes`.
        n_most: Most classes to try.
        alike: As for `latent_classes`.
    """
    n_raters = votes.shape[1]
    if n_raters < 4:
        return None
    of_class, most = (2, n_raters) if alike else (n_raters + 1, 2**n_raters - 1)
    possible = [k for k in range(1, n_most + 1) if k * of_class - 1 < most]
    return min((latent_classes(votes, counts, k, alike=alike) for k in possible), key=lambda fit: fit.bic)
