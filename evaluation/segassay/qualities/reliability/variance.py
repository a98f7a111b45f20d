"""How much of a measurement is due to the case, the rater that a model learnt from, and the seed?

    counts, scores of models  ->  standard error of measurement, smallest detectable change, repeatability
    case × seed × rater       ->  variance components, and how many raters and seeds a reliable count needs

A measurement is the number of objects in a case, or the score of a case. Only cases that all models of a design have
take part; the others are counted. Intervals are over clusters, given these raters and seeds: BCa, those of variance
components that are hardly ever 0 by `segassay.statistics.jackknife`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from segassay.qualities.scores.groups import trained_alike
from segassay.qualities.scores.table import SCORE_COLUMNS, Agreement, annotator_kinds, interval_row
from segassay.qualities.scores.values import QUANTITIES, complete_cases, values_of
from segassay.statistics.components import crossed_components, crossed_mean_squares, three_way_components
from segassay.statistics.intervals import DEFAULT, Interval, Resampling, bca
from segassay.statistics.jackknife import LOGARITHM, jackknife_or_bca
from segassay.statistics.reliability import mdc95, sem

__all__ = ["PHI", "generalizability", "numbers_for_phi", "repeatability", "two_way_reml", "variance_components"]

PHI = 0.9
"""Reliability of a case's count that is called enough."""

_NEVER_0 = ("case", "residual")
"""Components whose intervals cover better by the jackknife than by BCa, see docs/truthfulness.md; others do not."""

_TWO_WAY = ("case", "facet", "residual")
_THREE_WAY = ("case", "rater", "seed", "case:rater", "case:seed", "rater:seed", "residual")
_Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Design:
    """A design without gaps: `values` is `(cases, seeds)`, `(cases, raters)` or `(cases, raters, seeds)`."""

    target: str
    terms: tuple[str, ...]
    values: np.ndarray
    clusters: np.ndarray
    n_left_out: int
    seeds: tuple[int, ...] = ()
    note: str = ""


def repeatability(
    agreement: Agreement,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """How far the measurement of one case moves when the model is trained again with another seed.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `sem_*` (√(σ²_seed + σ²_residual) of case × seed), `mdc95_*` (1.96 √2 SEM) and
        `repeatability_coefficient_*` (1.96 √2 sd within a case) of `f1` and `count`, per group of models. The first two
        take the components by REML, the last one mean squares, so that they differ where REML is at its boundary, or
        where seeds differ by a constant.

    References:
        Weir (2005), J. Strength Cond. Res. 19(1):231-240, doi:10.1519/15184.1; Bland & Altman (1986), Lancet
        327(8476):307-310, doi:10.1016/S0140-6736(86)90837-8.
    """
    rows = []
    for quantity in QUANTITIES:
        for design in _case_by_seed(quantity, agreement, counts, annotations, clusters):
            components = _remembered(design)

            def of_sem(weights: np.ndarray, _: np.ndarray, components: Callable = components) -> np.ndarray:
                return np.asarray(np.sqrt(components(weights)[:, 1:].sum(axis=1)))

            def of_repeats(weights: np.ndarray, _: np.ndarray, values: np.ndarray = design.values) -> np.ndarray:
                return np.asarray(np.sqrt(weights @ values.var(axis=1, ddof=1) / weights.sum(axis=1)))

            factor = mdc95({"residual": 1.0}) / sem({"residual": 1.0})
            of_error, of_pairs = _interval(of_sem, design, resampling), _interval(of_repeats, design, resampling)
            rows += [
                _row(f"sem_{quantity}", design.target, of_error, design),
                _row(f"mdc95_{quantity}", design.target, _times(of_error, factor), design),
                _row(f"repeatability_coefficient_{quantity}", design.target, _times(of_pairs, factor), design),
            ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _case_by_seed(
    quantity: str, agreement: Agreement, counts: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series
) -> Iterator[_Design]:
    kinds = annotator_kinds(annotations)
    for group in trained_alike(annotations):
        names = group.disjoint(1)
        if group.kind == "model" and len(names) > 1:
            values, note = values_of(names, quantity, agreement=agreement, counts=counts, kinds=kinds)
            yield from _complete(group.target, values, clusters, note)


def _complete(target: str, values: pd.DataFrame, clusters: pd.Series, note: str = "") -> Iterator[_Design]:
    """The design of the complete cases; none below two cases or columns."""
    complete, n_left_out = complete_cases(values)
    if min(complete.shape, default=0) > 1:
        drawn = clusters.reindex(complete.index).to_numpy()
        yield _Design(target, _TWO_WAY, complete.to_numpy(dtype=float), drawn, n_left_out, note=note)


def _remembered(design: _Design) -> Callable[[np.ndarray], np.ndarray]:
    """Components `(B, T)` of each row of weights, computed once for the same weights."""
    return lambda weights: _components(design.values.tobytes(), design.values.shape, weights.tobytes())


@lru_cache(maxsize=6)
def _components(values: bytes, shape: tuple[int, ...], weights: bytes) -> np.ndarray:
    drawn = np.frombuffer(weights).reshape(-1, shape[0])
    compute = two_way_reml if len(shape) == 2 else crossed_components
    return compute(drawn, np.frombuffer(values).reshape(shape))


def two_way_reml(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`crossed_components` of `(N, R)` without iteration, for bootstraps that are often at the boundary.

    The likelihood is that of three independent mean squares, the residual's being the smallest in expectation; where
    another one falls below it the two are pooled, which maximises it under that order.

    Args:
        weights: `(B, N)`, how often each case was drawn.
        values: `(N, R)`, finite.

    Returns:
        float64 `(B, 3)`: case, rater or seed, residual; NaN where there is one level only.

    Example:
        >>> scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> two_way_reml(np.ones((1, 6)), scores).round(4)
        array([[2.5556, 5.2444, 1.0194]])

    References:
        Thompson (1962), Ann. Math. Stat. 33(1):273-289, doi:10.1214/aoms/1177704731.
    """
    found = crossed_mean_squares(weights, values)
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


def _interval(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], design: _Design, resampling: Resampling
) -> Interval:
    return bca(statistic, np.arange(len(design.values), dtype=float), design.clusters, resampling)


def _times(interval: Interval, factor: float) -> Interval:
    value, low, high = interval.value * factor, interval.low * factor, interval.high * factor
    return replace(interval, value=value, low=low, high=high)


def _row(measure: str, target: str, interval: Interval, design: _Design, note: str = "") -> _Row:
    text = "; ".join(filter(None, [design.note, note]))
    return interval_row("reliability", measure, target, interval, n_undefined=design.n_left_out, note=text)


# -------------------------------------------------------------------------------------------------- variance components


def variance_components(
    agreement: Agreement,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """Variance of a measurement due to the case, the rater a model learnt from, the seed, and their pairs.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `variance_f1` and `variance_count`, one per term, of the models trained on single raters with the seeds
        that all raters have; two or more of either, else no row. By REML, 0 at the boundary, with the interval of all
        cases drawn again (BCa), or left out one at a time (case and residual); `note` has the estimate of the analysis
        of variance, which may be negative.

    References:
        Searle, Casella & McCulloch (1992), Variance Components, doi:10.1002/9780470316856.
    """
    rows = []
    for quantity in QUANTITIES:
        for design in _case_by_rater_and_seed(quantity, agreement, counts, annotations, clusters):
            n_raters, n_seeds = design.values.shape[1:]
            case, rater, seed = (axis.ravel() for axis in np.indices(design.values.shape))
            anova = three_way_components(design.values.ravel(), case=case, seed=seed, rater=rater)["anova"]
            components = _remembered(design)
            for column, term in enumerate(design.terms):

                def of_term(weights: np.ndarray, _: np.ndarray, column: int = column) -> np.ndarray:
                    return components(weights)[:, column]  # noqa: B023

                if term in _NEVER_0:
                    cases = np.arange(len(design.values), dtype=float)
                    interval = jackknife_or_bca(of_term, cases, design.clusters, LOGARITHM, resampling)
                else:
                    interval = _interval(of_term, design, resampling)
                note = f"{n_raters} raters × {n_seeds} seeds; analysis of variance {anova[term]:.4g}"
                rows.append(_row(f"variance_{quantity}", f"{design.target}: {term}", interval, design, note))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _case_by_rater_and_seed(
    quantity: str, agreement: Agreement, counts: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series
) -> Iterator[_Design]:
    """Models trained on single raters, one design per strategy."""
    kinds = annotator_kinds(annotations)
    by_strategy: dict[str, dict[str, dict[int, str]]] = {}
    for group in trained_alike(annotations):
        if group.kind == "model" and kinds.get(group.trained_on) == "human":
            of_seed = {min(group.seeds[name]): name for name in group.disjoint(1)}
            by_strategy.setdefault(group.strategy, {}).setdefault(group.trained_on, of_seed)
    for strategy, raters in by_strategy.items():
        seeds = sorted(set.intersection(*map(set, raters.values())))
        if len(raters) < 2 or len(seeds) < 2:
            continue
        names = [of_seed[seed] for of_seed in raters.values() for seed in seeds]
        values, note = values_of(names, quantity, agreement=agreement, counts=counts, kinds=kinds)
        if list(values) != names:
            continue
        complete, n_left_out = complete_cases(values)
        if len(complete) > 1:
            grid = np.ascontiguousarray(complete.to_numpy(dtype=float)).reshape(len(complete), len(raters), len(seeds))
            target = "models of single raters" + (f" ({strategy})" if len(by_strategy) > 1 else "")
            drawn = clusters.reindex(complete.index).to_numpy()
            yield _Design(target, _THREE_WAY, grid, drawn, n_left_out, tuple(seeds), note)


# ------------------------------------------------------------------------------------------ how many raters and seeds?


def generalizability(
    counts: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """How reliable is the count of a case, and with how many raters and seeds would Φ reach .9?

    Args:
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `phi_count` (Φ of one model, or of one rater) and `raters_for_phi_0.9_count` or `seeds_for_phi_0.9_count`,
        whole numbers: of people (case × rater), of each group of models (case × seed), and of the models of single
        raters (case × rater × seed), there with one seed, and with as many as were trained, for each rater. Where no
        number suffices the value is NaN and the note says so.

    References:
        Brennan (2001), Generalizability Theory, doi:10.1007/978-1-4757-3456-0.
    """
    no_agreement = Agreement(
        pd.DataFrame(columns=["case", "annotator_a", "annotator_b", "iou_threshold"]),
        pd.DataFrame(columns=["case", "rater", "annotator", "iou_threshold"]),
    )
    kinds = annotator_kinds(annotations)
    raters = [name for name, kind in kinds.items() if kind == "human"]
    people, _ = values_of(raters, "count", agreement=no_agreement, counts=counts, kinds=kinds)
    of_counts = ("count", no_agreement, counts, annotations, clusters)
    rows = []
    for design in _case_by_rater_and_seed(*of_counts):
        rows += _of_two_facets(design, resampling)
    for design in _complete("raters", people, clusters):
        rows += _of_one_facet(design, "raters", resampling)
    for design in _case_by_seed(*of_counts):
        rows += _of_one_facet(design, "seeds", resampling)
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _of_one_facet(design: _Design, facet: str, resampling: Resampling) -> list[_Row]:
    """A facet without levels of another one stands in as the rater of `phi`."""
    components = _remembered(design)

    def of_phi(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        return _phi_of_one(components(weights))

    def of_number(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        return numbers_for_phi(dict(zip(("case", "rater", "residual"), components(weights).T, strict=True)))

    measure = f"{facet}_for_phi_{PHI:g}_count"
    return [
        _row("phi_count", design.target, _interval(of_phi, design, resampling), design, f"one of {facet}"),
        _number_row(measure, design.target, _interval(of_number, design, resampling), design),
    ]


def _phi_of_one(components: np.ndarray) -> np.ndarray:
    """Share of the case, the first of `(B, T)` components: `phi` with one rater and one seed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(components[:, 0] / components.sum(axis=1))


def _number_row(measure: str, target: str, interval: Interval, design: _Design, note: str = "") -> _Row:
    """Whole numbers; a limit or value that is not finite is not reached."""
    value, low, high = (x if math.isfinite(x) else math.nan for x in (interval.value, interval.low, interval.high))
    if math.isnan(value):
        note = "; ".join(filter(None, [note, f"no number suffices for Φ ≥ {PHI:g}"]))
    elif math.isnan(high) and interval.method:
        note = "; ".join(filter(None, [note, "no upper limit"]))
    return _row(measure, target, replace(interval, value=value, low=low, high=high), design, note)


def _of_two_facets(design: _Design, resampling: Resampling) -> list[_Row]:
    components = _remembered(design)

    def of_phi(weights: np.ndarray, _: np.ndarray) -> np.ndarray:
        return _phi_of_one(components(weights))

    rows = [_row("phi_count", design.target, _interval(of_phi, design, resampling), design, "one rater, one seed")]
    for n_seeds in sorted({1, len(design.seeds)}):

        def of_number(weights: np.ndarray, _: np.ndarray, n_seeds: int = n_seeds) -> np.ndarray:
            return numbers_for_phi(dict(zip(_THREE_WAY, components(weights).T, strict=True)), n_seeds=n_seeds)

        target = f"{design.target}: {n_seeds} seed{'s' if n_seeds > 1 else ''} each"
        measure = f"raters_for_phi_{PHI:g}_count"
        rows.append(_number_row(measure, target, _interval(of_number, design, resampling), design))
    return rows


def numbers_for_phi(
    components: Mapping[str, np.ndarray | float] | pd.Series, *, n_seeds: int = 1, wanted: float = PHI
) -> np.ndarray:
    """Smallest number of raters with which Φ reaches what is wanted, each rater with `n_seeds` seeds.

    Args:
        components: Variances of case, rater, residual and, where there are seeds, seed, case:rater, case:seed and
            rater:seed; numbers, or arrays `(B,)` of resamples. Without seeds `n_seeds` must be 1.
        n_seeds: Seeds of each rater, drawn once for all raters.
        wanted: Φ, above 0 and below 1.

    Returns:
        float64 `(B,)` or `()`, whole numbers of 1 or more; infinite where no number of raters suffices, which is where
        the seeds, which all raters share, or nothing but error, keep Φ below it; NaN where nothing varies.

    Raises:
        ValueError: If `wanted` is not between 0 and 1, or `n_seeds` is below 1.

    Example:
        >>> numbers_for_phi({"case": 2.5556, "rater": 5.2444, "residual": 1.0194})
        array(23.)
        >>> components = {"case": 4.0, "rater": 1.0, "seed": 0.2, "residual": 2.0}
        >>> numbers_for_phi(components), numbers_for_phi(components, n_seeds=4)
        (array(13.), array(4.))

    References:
        Brennan (2001), Generalizability Theory, ch. 1 and 4, doi:10.1007/978-1-4757-3456-0.
    """
    if not 0 < wanted < 1 or n_seeds < 1:
        raise ValueError(f"expected 0 < wanted < 1 and n_seeds of 1 or more, got {wanted} and {n_seeds}")
    variance = {name: np.asarray(components[name], dtype=float) for name in components.keys()}  # noqa: SIM118 - Series

    def total(*terms: str) -> np.ndarray:
        return np.asarray(sum((variance[term] for term in terms if term in variance), np.zeros(())))

    of_raters = total("rater", "case:rater") + total("rater:seed", "residual") / n_seeds
    room = total("case") * (1 - wanted) / wanted - total("seed", "case:seed") / n_seeds
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = np.maximum(np.ceil(of_raters / room - 1e-9), 1.0)
    nothing = total(*variance) == 0
    return np.asarray(np.where(nothing, math.nan, np.where(room > 0, needed, math.inf)))
