"""Variance of a measurement due to the case, the rater that a model was trained on, and the seed.

    designs of case × seed          ->  standard error of measurement, smallest detectable change, repeatability
    designs of case × rater × seed  ->  variance components, and how many raters and seeds a reliable count needs

Intervals are of `segassay.statistics.jackknife` over clusters, given these raters and seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from segassay.qualities.reliability import records as of
from segassay.qualities.reliability.designs import RATER, SEED, Design
from segassay.qualities.scores.groups import target_of_part
from segassay.qualities.scores.measure import Measure
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.statistics.components import three_way_components
from segassay.statistics.intervals import Interval
from segassay.statistics.jackknife import SPREAD, VARIANCE, correlation_scale, jackknife_of, jackknife_t
from segassay.statistics.reliability import mdc95, sem

__all__ = ["PHI", "generalizability", "numbers_for_phi", "repeatability", "variance_components"]

PHI = 0.9
"""Reliability of a case's count that is called enough."""

_NEEDED = {RATER: of.RATERS_FOR_PHI, SEED: of.SEEDS_FOR_PHI}

_Row = dict[str, Any]


def repeatability(designs: Sequence[Design]) -> pd.DataFrame:
    """How much the measurement of one case changes if the model is trained again with another seed.

    Args:
        designs: What `designs_of` returns; those of case × seed are read.

    Returns:
        Rows `sem_*` (√(σ²_seed + σ²_residual) of case × seed), `mdc95_*` (1.96 √2 SEM) and
        `repeatability_coefficient_*` (1.96 √2 sd within a case) of `f1` and `count`, per group of models. The first two
        take the components by REML, the last one mean squares, so that they differ where REML is at its boundary, or
        where seeds differ by a constant.

    References:
        Weir (2005), J. Strength Cond. Res. 19(1):231-240, doi:10.1519/15184.1; Bland & Altman (1986), Lancet
        327(8476):307-310, doi:10.1016/S0140-6736(86)90837-8.
    """
    return score_rows([row for design in _of_facets(designs, SEED) for row in _errors(design)])


def _of_facets(designs: Sequence[Design], *facets: str) -> list[Design]:
    return [design for design in designs if design.facets == facets]


def _errors(design: Design) -> list[_Row]:
    factor = mdc95({"residual": 1.0}) / sem({"residual": 1.0})
    level = design.level
    of_error = jackknife_of(design.components.of(_standard_error), SPREAD, level=level)
    within = jackknife_t(_root_mean, design.values.var(axis=1, ddof=1), design.clusters, SPREAD, level=level)
    return [
        _row(of.SEM, design, of_error),
        _row(of.MDC95, design, _times(of_error, factor)),
        _row(of.REPEATABILITY, design, _times(within, factor)),
    ]


def _standard_error(components: np.ndarray) -> np.ndarray:
    """√ of all variance but that of the case, the first of `(B, T)` components."""
    return np.asarray(np.sqrt(components[:, 1:].sum(axis=1)))


def _root_mean(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(weights @ squares / weights.sum(axis=1)))


def _times(interval: Interval, factor: float) -> Interval:
    value, low, high = interval.value * factor, interval.low * factor, interval.high * factor
    return replace(interval, value=value, low=low, high=high)


def _row(
    record: Measure,
    design: Design,
    interval: Interval,
    *,
    variant: str = "",
    target: str = "",
    notes: Sequence[str] = (),
) -> _Row:
    form, note = record.form(design.quantity, variant=variant), "; ".join(filter(None, [design.note, *notes]))
    return interval_row(form, target or design.target, interval, n_undefined=design.n_left_out, note=note)


def variance_components(designs: Sequence[Design]) -> pd.DataFrame:
    """Variance of a measurement due to the case, the rater a model was trained on, the seed, and their pairs.

    Args:
        designs: What `designs_of` returns; those of case × rater × seed are read.

    Returns:
        Rows `variance_f1` and `variance_count`, one per term, of the models trained on single raters with the seeds
        that all raters have; two or more of either, else no row. By REML, 0 at the boundary; `note` has that of the
        analysis of variance, which may be negative.

    References:
        Searle, Casella & McCulloch (1992), Variance Components, doi:10.1002/9780470316856.
    """
    return score_rows([row for design in _of_facets(designs, RATER, SEED) for row in _components(design)])


def _components(design: Design) -> list[_Row]:
    _, n_raters, n_seeds = design.values.shape
    case, rater, seed = (axis.ravel() for axis in np.indices(design.values.shape))
    anova = three_way_components(design.values.ravel(), case=case, seed=seed, rater=rater)["anova"]
    rows = []
    for column, term in enumerate(design.terms):
        of_term = design.components.of(partial(np.take, indices=column, axis=1))
        interval = jackknife_of(of_term, VARIANCE, level=design.level)
        note = f"{n_raters} raters × {n_seeds} seeds; analysis of variance {anova[term]:.4g}"
        rows.append(_row(of.VARIANCE, design, interval, target=target_of_part(design.target, term), notes=[note]))
    return rows


def generalizability(designs: Sequence[Design]) -> pd.DataFrame:
    """How reliable is the count of a case, and with how many raters and seeds would Φ reach .9?

    Args:
        designs: What `designs_of` returns; those of counts are read.

    Returns:
        Rows `phi_count` (Φ of one model, or of one rater) and `raters_for_phi_0.9_count` or `seeds_for_phi_0.9_count`,
        whole numbers: of raters (case × rater), of each group of models (case × seed), and of the models of single
        raters (case × rater × seed), there with one seed, and with as many as were trained, for each rater. Each rater
        has seeds of its own, so those are nested in raters. Where no number suffices the value is NaN and the note says
        so.

    References:
        Brennan (2001), Generalizability Theory, doi:10.1007/978-1-4757-3456-0.
    """
    counts = [design for design in designs if design.quantity == "count"]
    rows = [row for design in _of_facets(counts, RATER, SEED) for row in _of_two_facets(design)]
    for facet in (RATER, SEED):
        rows += [row for design in _of_facets(counts, facet) for row in _of_one_facet(design, facet)]
    return score_rows(rows)


def _of_two_facets(design: Design) -> list[_Row]:
    rows = [_row(of.PHI, design, _phi_with(design, 1), notes=["one rater, one seed"])]
    for n_seeds in sorted({1, design.values.shape[2]}):
        target = f"{design.target}: {n_seeds} seed{'s' if n_seeds > 1 else ''} each"
        rows.append(_number_row(of.RATERS_FOR_PHI, design, _number_for(_phi_with(design, n_seeds)), target=target))
    return rows


def _of_one_facet(design: Design, facet: str) -> list[_Row]:
    """The only facet of a design takes the place of the rater in `numbers_for_phi`."""
    reliability = _phi_with(design, 1)
    return [
        _row(of.PHI, design, reliability, notes=[f"one of {facet}s"]),
        _number_row(_NEEDED[facet], design, _number_for(reliability)),
    ]


def _phi_with(design: Design, n_seeds: int) -> Interval:
    """Φ of one rater with so many seeds of its own, on the scale of correlations."""
    with_seeds = np.array([n_seeds if SEED in term or term == "residual" else 1 for term in design.terms])
    times = np.where(len(design.facets) > 1, with_seeds, 1)

    def reliability(components: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(components[:, 0] / (components / times).sum(axis=1))

    scale = correlation_scale(design.values.shape[1] if len(design.facets) == 1 else 2)
    return jackknife_of(design.components.of(reliability), scale, level=design.level)


def _number_for(reliability: Interval) -> Interval:
    """How many raters reach `PHI`, from Φ of one; the more reliable, the fewer."""
    value, low, high = (_raters_needed(phi) for phi in (reliability.value, reliability.high, reliability.low))
    return replace(reliability, value=value, low=low, high=high)


def _raters_needed(reliability: float) -> float:
    if math.isnan(reliability):
        return math.nan
    return float(numbers_for_phi({"case": max(reliability, 0.0), "rater": 1 - max(reliability, 0.0)}))


def _number_row(record: Measure, design: Design, interval: Interval, *, target: str = "") -> _Row:
    """Whole numbers; a limit or value that is not finite is not reached."""
    value, low, high = (x if math.isfinite(x) else math.nan for x in (interval.value, interval.low, interval.high))
    note = ""
    if math.isnan(value):
        note = f"no number suffices for Φ ≥ {PHI:g}"
    elif math.isnan(high) and interval.method:
        note = "no upper limit"
    number = replace(interval, value=value, low=low, high=high)
    return _row(record, design, number, variant=f"{PHI:g}", target=target, notes=[note])


def numbers_for_phi(
    components: Mapping[str, np.ndarray | float] | pd.Series,
    *,
    n_seeds: int = 1,
    wanted: float = PHI,
    nested: bool = True,
) -> np.ndarray:
    """Smallest number of raters with which Φ reaches what is wanted, each rater with `n_seeds` seeds.

    Args:
        components: Variances of case, rater, residual and, where there are seeds, seed, case:rater, case:seed and
            rater:seed; numbers, or arrays `(B,)` of resamples. Without seeds `n_seeds` must be 1.
        n_seeds: Seeds of each rater.
        wanted: Φ, above 0 and below 1.
        nested: Whether each rater has seeds of its own, as each rater has own models; else all raters share the seeds.

    Returns:
        float64 `(B,)` or `()`, whole numbers of 1 or more; infinite where no number of raters suffices, which is where
        cases do not differ, or shared seeds keep Φ below it; NaN where nothing varies.

    Raises:
        ValueError: If `wanted` is not between 0 and 1, or `n_seeds` is below 1.

    Example:
        >>> numbers_for_phi({"case": 2.5556, "rater": 5.2444, "residual": 1.0194})
        array(23.)
        >>> components = {"case": 4.0, "rater": 1.0, "seed": 0.2, "residual": 2.0}
        >>> numbers_for_phi(components), numbers_for_phi(components, n_seeds=4)
        (array(8.), array(4.))
        >>> numbers_for_phi(components, nested=False)
        array(13.)

    References:
        Brennan (2001), Generalizability Theory, ch. 1 and 4, doi:10.1007/978-1-4757-3456-0.
    """
    if not 0 < wanted < 1 or n_seeds < 1:
        raise ValueError(f"expected 0 < wanted < 1 and n_seeds of 1 or more, got {wanted} and {n_seeds}")
    variance = {name: np.asarray(components[name], dtype=float) for name in components.keys()}  # noqa: SIM118 - Series

    def total(*terms: str) -> np.ndarray:
        return np.asarray(sum((variance[term] for term in terms if term in variance), np.zeros(())))

    shared, own = total("seed", "case:seed") / n_seeds, total("rater:seed", "residual") / n_seeds
    of_raters = total("rater", "case:rater") + own + (shared if nested else 0)
    room = total("case") * (1 - wanted) / wanted - (0 if nested else shared)
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = np.maximum(np.ceil(of_raters / room - 1e-9), 1.0)
    nothing = total(*variance) == 0
    return np.asarray(np.where(nothing, math.nan, np.where(room > 0, needed, math.inf)))
