"""Complete designs of cases × seeds, cases × raters, or cases × raters × seeds, with their variance components.

    scores or counts of models and raters  ->  designs  ->  components of all cases and without each cluster

A measurement is the number of objects in a case, or the score of a case. Only cases that all annotators of a design
have take part; the others are counted. Components are computed here, once, for the measures that are read off them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from segassay.data.annotations import raters_of
from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import Agreement, annotator_kinds
from segassay.qualities.scores.values import QUANTITIES, complete_cases, values_of
from segassay.statistics.components import crossed_components, crossed_mean_squares
from segassay.statistics.jackknife import LeftOut, left_out

__all__ = ["Design", "components_of", "designs_of", "two_way_reml"]

RATER, SEED = "rater", "seed"

_TERMS = {
    (SEED,): ("case", SEED, "residual"),
    (RATER,): ("case", RATER, "residual"),
    (RATER, SEED): ("case", RATER, SEED, "case:rater", "case:seed", "rater:seed", "residual"),
}


@dataclass(frozen=True, eq=False)
class Design:
    """Measurements without gaps: every case at every level of the facets.

    Attributes:
        target: Annotator or group that they belong to, as in a table of scores.
        quantity: What was measured, of `QUANTITIES`.
        facets: `("seed",)`, `("rater",)` or `("rater", "seed")`.
        values: float64 `(cases, *levels)`.
        clusters: `(cases,)`, subject of each case, or the case itself.
        n_left_out: Cases that not all annotators have.
        note: What a score is compared with; empty for counts.
        components: Variances `(rows, terms)` by REML.
        level: Coverage of the intervals.
    """

    target: str
    quantity: str
    facets: tuple[str, ...]
    values: np.ndarray
    clusters: np.ndarray
    n_left_out: int
    note: str
    components: LeftOut
    level: float

    @property
    def terms(self) -> tuple[str, ...]:
        """What the columns of `components` are the variance of."""
        return _TERMS[self.facets]


def designs_of(
    agreement: Agreement,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    level: float = 0.95,
) -> list[Design]:
    """All designs of two cases and two levels of each facet, or more.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Scores and counts of each group of models that differ only by the seed, and of the models of single
        raters with the seeds that all raters have, by strategy; and counts of the raters themselves.
    """
    kinds = annotator_kinds(annotations)
    raters = _Crossing("raters", (RATER,), np.array(raters_of(kinds), dtype=object))
    crossings = [*_by_seed(annotations), *_by_rater_and_seed(annotations)]
    measured = [("count", raters), *((quantity, crossing) for quantity in QUANTITIES for crossing in crossings)]
    found = []
    for quantity, crossing in measured:
        names = list(crossing.names.ravel())
        values, note = values_of(names, quantity, agreement=agreement, counts=counts, kinds=kinds)
        complete, n_left_out = complete_cases(values)
        shape = _shape(crossing, complete)
        if min(shape) < 2:
            continue
        cells = complete.to_numpy(dtype=float)
        cells = cells if len(shape) == 2 else np.ascontiguousarray(cells).reshape(shape)
        drawn = clusters.reindex(complete.index).to_numpy()
        of_subjects = partial(components_of, clusters=pd.factorize(drawn)[0])
        components = left_out(of_subjects, cells, drawn)
        about = (crossing.target, quantity, crossing.facets)
        found.append(Design(*about, cells, drawn, n_left_out, note, components, level))
    return found


@dataclass(frozen=True, eq=False)
class _Crossing:
    """Annotators at every level of the facets: names `(seeds,)`, `(raters,)` or `(raters, seeds)`."""

    target: str
    facets: tuple[str, ...]
    names: np.ndarray


def _shape(crossing: _Crossing, complete: pd.DataFrame) -> tuple[int, ...]:
    """Cases and levels; of one facet the levels that were measured, of two all or none."""
    n_cases, n_measured = complete.shape
    if crossing.names.ndim == 1:
        return n_cases, n_measured
    return (n_cases, *crossing.names.shape) if n_measured == crossing.names.size else (0,)


def _by_seed(annotations: pd.DataFrame) -> Iterator[_Crossing]:
    """Models that differ only by the seed."""
    for group in trained_alike(annotations):
        names = group.disjoint(1)
        if group.kind == "model" and len(names) > 1:
            yield _Crossing(group.target, (SEED,), np.array(names, dtype=object))


def _by_rater_and_seed(annotations: pd.DataFrame) -> Iterator[_Crossing]:
    """Models trained on single raters, with the seeds that all raters have, by strategy."""
    by_strategy: dict[str, dict[str, dict[int, str]]] = {}
    for group in trained_alike(annotations):
        if group.kind == "model" and group.trained_on and not group.on_consensus:
            of_seed = {min(group.seeds[name]): name for name in group.disjoint(1)}
            by_strategy.setdefault(group.strategy, {}).setdefault(group.trained_on, of_seed)
    for strategy, raters in by_strategy.items():
        seeds = sorted(set.intersection(*map(set, raters.values())))
        if len(raters) > 1 and len(seeds) > 1:
            names = [[of_seed[seed] for seed in seeds] for of_seed in raters.values()]
            target = "models of single raters" + (f" ({strategy})" if len(by_strategy) > 1 else "")
            yield _Crossing(target, (RATER, SEED), np.array(names, dtype=object))


def components_of(weights: np.ndarray, values: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """Variance components of a design by REML, for each row of weights.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        values: `(N, R)` or `(N, R, S)`, finite.
        clusters: `(N,)`, subject of each case; without it every case is a subject.

    Returns:
        float64 `(B, T)`, in the order of `Design.terms`.
    """
    compute = two_way_reml if values.ndim == 2 else crossed_components
    return compute(np.ascontiguousarray(weights), np.ascontiguousarray(values), clusters)


def two_way_reml(weights: np.ndarray, values: np.ndarray, clusters: np.ndarray | None = None) -> np.ndarray:
    """`crossed_components` of `(N, R)` without iteration, for bootstraps that are often at the boundary.

    The likelihood is that of three independent mean squares, the residual's being the smallest in expectation; where
    another one falls below it the two are pooled, which maximises it under that order.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        values: `(N, R)`, finite.
        clusters: As for `components_of`.

    Returns:
        float64 `(B, 3)`: case, rater or seed, residual; NaN where there is one level only.

    Example:
        >>> scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> two_way_reml(np.ones((1, 6)), scores).round(4)
        array([[2.5556, 5.2444, 1.0194]])

    References:
        Thompson (1962), Ann. Math. Stat. 33(1):273-289, doi:10.1214/aoms/1177704731.
    """
    found = crossed_mean_squares(weights, values, clusters)
    square, df = found.value, found.df
    lower = np.argsort(square[:, :2], axis=1)
    residual, pooled = square[:, 2], df[:, 2]
    for place in (0, 1):
        chosen = lower[:, place, None]
        other, other_df = (np.take_along_axis(part, chosen, axis=1)[:, 0] for part in (square, df))
        below = other < residual
        sum_of_squares = residual * pooled + np.where(below, other * other_df, 0)
        pooled = pooled + np.where(below, other_df, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            residual = sum_of_squares / pooled
    times = np.stack([found.coefficient[:, 0, 0], found.coefficient[:, 1, 1]], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = (square[:, :2] - residual[:, None]) / times
    return np.concatenate([np.where(excess < 0, 0, excess), residual[:, None]], axis=1)
