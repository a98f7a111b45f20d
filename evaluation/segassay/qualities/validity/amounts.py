"""Do models measure what the raters measure? Amounts as they are, not divided by those of the control group.

    counts table  ->  each model beside the median rater of each case  ->  bias, limits, concordance, ratio

Errors that cancel over images leave the ratio of the means right; limits and concordance show them.
"""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from segassay.data.annotations import is_trained, raters_of
from segassay.qualities.objectivity import records as of_raters
from segassay.qualities.objectivity.measurements import limits_of_pairs, measurements_in, measurements_of
from segassay.qualities.scores.table import annotator_kinds, interval_row, score_rows
from segassay.qualities.validity.records import (
    AMOUNT_BIAS,
    AMOUNT_CCC,
    AMOUNT_LIMIT_HIGH,
    AMOUNT_LIMIT_LOW,
    AMOUNT_RATIO,
    AMOUNT_SLOPE,
)
from segassay.statistics.equivalence import RatioEquivalence, ratio_equivalence
from segassay.statistics.intervals import Interval

__all__ = ["MEDIAN_RATER", "amounts_against_raters"]

MEDIAN_RATER = "the median rater"

_RECORDS = {
    of_raters.DIFFERENCE.key: AMOUNT_BIAS,
    of_raters.LIMIT_LOW.key: AMOUNT_LIMIT_LOW,
    of_raters.LIMIT_HIGH.key: AMOUNT_LIMIT_HIGH,
    of_raters.SLOPE.key: AMOUNT_SLOPE,
    of_raters.CCC.key: AMOUNT_CCC,
}
"""Measure of two raters -> that of a model and the median rater."""


def amounts_against_raters(
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    margin: float,
    level: float = 0.95,
) -> pd.DataFrame:
    """Bias, limits of agreement, concordance and equivalence of the amounts of each model and ensemble.

    Args:
        counts: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        clusters: Case -> subject, or the case itself.
        margin: Largest deviation of the ratio of mean amounts from 1 that does not matter, set beforehand.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `amount_bias_count`, `amount_limit_low_count`, `amount_limit_high_count`,
        `amount_slope_count` of `<model> minus the median rater`, `amount_ccc_count` of both, and `amount_ratio_count`
        with its 90 % interval over subjects, else cases, and a note whether it is equivalent; with few units, or very
        skewed amounts, nothing is called so. The same of areas and intensities, without a ratio where one is below 0.
        The median is that of the raters who have a mask of the case; a case without any, or whose prediction is
        missing, is undefined. Without rows if there are no raters or no models.
    """
    kinds = annotator_kinds(annotations)
    models = [name for name, kind in kinds.items() if is_trained(kind)]
    median = _median_rater(counts, raters_of(kinds))
    if not len(median):
        return score_rows([])
    parts = [part.dropna(axis=1, how="all") for part in (counts[counts["annotator"].isin(models)], median)]
    everyone = pd.concat(parts, ignore_index=True).reindex(columns=counts.columns)
    who = [*models, MEDIAN_RATER]
    matrices = {name: measurements_of(everyone, column, who) for name, column in measurements_in(counts).items()}
    rows: list[dict[str, Any]] = []
    for model in models:
        found = limits_of_pairs(matrices, [(model, MEDIAN_RATER)], clusters, level=level)
        rows += [_as_of_model(row) for row in found.to_dict("records")]
        rows += _ratios(matrices, model, clusters, margin)
    return score_rows(rows)


def _median_rater(counts: pd.DataFrame, raters: list[str]) -> pd.DataFrame:
    """Rows of a table of counts with the median amounts of each case."""
    amounts = list(measurements_in(counts).values())
    rows = counts[counts["annotator"].isin(raters)]
    medians = rows[amounts].astype(float).groupby(rows["case"], sort=False).median()
    return medians.dropna(how="all").reset_index().assign(annotator=MEDIAN_RATER)


def _as_of_model(row: dict[Hashable, Any]) -> dict[str, Any]:
    """A row of two raters as that of a model and the median rater."""
    interval = Interval(**{name: row[name] for name in Interval.__dataclass_fields__})
    return interval_row(_RECORDS[str(row["record"])].form(str(row["of"])), str(row["target"]), interval)


def _decided(found: RatioEquivalence) -> str:
    """What the tests of equivalence decide, and what they do not."""
    assert AMOUNT_RATIO.errors is not None
    about = f"within {found.margin:g} of the median rater's mean, p = {found.p_value:.2g}, {found.n} units"
    if math.isnan(found.p_value):
        return f"all ratios are equal, {found.n} units, so the test decides nothing" if found.n > 1 else "a single unit"
    if found.p_value < 0.05 and not found.gap:
        return f"equivalent {about} (said {AMOUNT_RATIO.errors.words})"
    return f"not shown to be equivalent {about}" + (
        f", which cannot be relied on: {found.gap}" if found.p_value < 0.05 else ""
    )


def _ratios(
    matrices: Mapping[str, pd.DataFrame], model: str, clusters: pd.Series, margin: float
) -> list[dict[str, Any]]:
    rows = []
    for name, matrix in matrices.items():
        cases = matrix[[model, MEDIAN_RATER]]
        complete = cases.dropna()
        if complete.empty or complete.lt(0).any(axis=None):  # intensities below 0, as in CT, have no ratio
            continue
        units = complete.groupby(clusters.reindex(complete.index).to_numpy()).mean()
        found = ratio_equivalence(units[model].to_numpy(), units[MEDIAN_RATER].to_numpy(), margin=margin)
        n_undefined = int(cases.notna().any(axis=1).sum()) - len(complete)
        doubtful = found.p_value < 0.05 and bool(found.gap)
        interval = Interval(found.ratio, found.low, found.high, "TOST, 90 %", len(complete), n_undefined, doubtful)
        note = _decided(found)
        rows.append(interval_row(AMOUNT_RATIO.form(name), f"{model} over {MEDIAN_RATER}", interval, note=note))
    return rows
