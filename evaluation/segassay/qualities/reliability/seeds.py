"""Reliability: would another seed, or another training, change the result?

    agreement, counts, effects, calibration, uncertainty + annotations  ->  rows of the table of scores

Here is what can be read off pairs of members: how they agree, spread and flip. Variance components are in
`seed_variance`, agreement against the size of an ensemble in `saturation`, probabilities in `calibration`, uncertainty
in `uncertainty`. Every interval is over cases, given the seeds at hand, but for the spread over seeds themselves.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segassay.qualities.reliability.calibration import (
    calibration_of_annotators,
    expected_calibration_error,
    reliability_diagram,
)
from segassay.qualities.reliability.designs import designs_of
from segassay.qualities.reliability.saturation import fit_saturation, saturation, saturation_curve
from segassay.qualities.reliability.uncertainty import (
    area_under_risk_coverage,
    auroc,
    image_quality,
    quality_against_score,
    risk_coverage,
    spearman_of_counts,
    uncertainty_of_annotators,
)
from segassay.qualities.reliability.variance import (
    generalizability,
    numbers_for_phi,
    repeatability,
    variance_components,
)
from segassay.qualities.scores.groups import Group, pairs_of_folds, trained_alike
from segassay.qualities.scores.table import (
    MEASURES,
    SCORE_COLUMNS,
    THRESHOLD,
    Agreement,
    Findings,
    Pairs,
    Score,
    annotator_kinds,
    interval_row,
    mean_over_pairs,
)
from segassay.qualities.scores.values import QUANTITIES, complete_cases, values_of
from segassay.statistics.intervals import DEFAULT, MIN_SEEDS, Interval, Resampling, bca, bca_ratio, sd_over_seeds
from segassay.tables.effects import on_deciding_unit

__all__ = [
    "agreement_of_folds",
    "agreement_of_seeds",
    "area_under_risk_coverage",
    "auroc",
    "calibration_of_annotators",
    "cv_over_seeds",
    "expected_calibration_error",
    "fit_saturation",
    "flip_rate_of_verdicts",
    "flip_rates",
    "generalizability",
    "image_quality",
    "measures_and_gaps",
    "numbers_for_phi",
    "quality_against_score",
    "ratio_of_sds",
    "reliability_diagram",
    "repeatability",
    "risk_coverage",
    "saturation",
    "saturation_curve",
    "spearman_of_counts",
    "spread_over_seeds",
    "uncertainty_of_annotators",
    "variance_components",
]


def agreement_of_seeds(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between models, and between whole ensembles of disjoint members, that differ by nothing but the seed.

    Ensembles of the largest size of which two are disjoint are compared; smaller ones are in `saturation_curve`.
    """
    for group in trained_alike(annotations):
        pairs = group.whole_pairs()
        for measure in MEASURES:
            values = agreement.of_pairs(pairs, measure)
            if len(values.columns):
                yield Score("reliability", measure, group.target, mean_over_pairs(values), note=_pairs_noted(values))


def _pairs_noted(values: pd.DataFrame) -> str:
    return f"{len(values.columns)} pair{'s' if len(values.columns) > 1 else ''}"


def agreement_of_folds(agreement: Agreement, annotations: pd.DataFrame) -> Iterator[Score]:
    """Agreement between models that differ by nothing but the fold, on cases that are in no fold."""
    for target, pairs in pairs_of_folds(annotations):
        for measure in MEASURES:
            values = agreement.of_pairs(pairs, measure)
            if len(values.columns):
                yield Score("reliability", measure, target, mean_over_pairs(values), note=_pairs_noted(values))


# ---------------------------------------------------------------------------------------------------- spread over seeds


def spread_over_seeds(agreement: Agreement, counts: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How far the mean score, and the mean count, of a whole study moves with the seed.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.

    Returns:
        Rows `sd_*`, `cv_*` and `range_*` of `f1` and `count`, of models and of disjoint ensembles of one size;
        `n_cases` is the number of seeds or ensembles. Intervals are not judged below 4 of them; a range has none.
        Only cases that all of them have take part. No row below two seeds.
    """
    kinds = annotator_kinds(annotations)
    rows = []
    for group, size, names in _disjoint_members(annotations):
        for quantity in QUANTITIES:
            values, against = values_of(names, quantity, agreement=agreement, counts=counts, kinds=kinds)
            complete, n_left_out = complete_cases(values)
            if len(complete) == 0 or len(complete.columns) < 2:
                continue
            means = complete.mean().to_numpy()
            note = "; ".join(filter(None, [against, f"mean over {len(complete)} cases", _left_out(n_left_out)]))
            for name, interval in (
                ("sd", sd_over_seeds(means)),
                ("cv", cv_over_seeds(means)),
                ("range", _range_over_seeds(means)),
            ):
                row = interval_row("reliability", f"{name}_{quantity}", _of_size(group, size), interval, note=note)
                rows.append(row)
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _disjoint_members(annotations: pd.DataFrame) -> Iterator[tuple[Group, int, list[str]]]:
    """Group, size and names of two or more annotators of that size, no two of which share a member."""
    for group in trained_alike(annotations):
        for size in group.sizes:
            names = group.disjoint(size)
            if len(names) > 1:
                yield group, size, names


def _of_size(group: Group, size: int) -> str:
    return group.target if group.kind == "model" else f"{group.target} of {size}"


def _left_out(n: int) -> str:
    return f"{n} cases left out that not all have" if n else ""


def cv_over_seeds(values: np.ndarray, level: float = 0.95) -> Interval:
    """Coefficient of variation over trainings that differ by the seed, with McKay's interval.

    Args:
        values: `(seeds,)`, positive; NaN = undefined.
        level: Coverage of the interval.

    Returns:
        sd / mean; value NaN below 2 seeds or where the mean is not above 0. Not judged, without limits, below 4 seeds.
        The interval is good where the coefficient is below 1/3; `approximate` above.

    Raises:
        ValueError: If the shape does not fit, or a value is infinite.

    Example:
        Twenty values, whose documentation in the R package cvcqv gives 57.774 % (41.441 to 108.483):

        >>> values = [0.2, 0.5, 1.1, 1.4, 1.8, 2.3, 2.5, 2.7, 3.5, 4.4, 4.6, 5.4, 5.4, 5.7, 5.8, 5.9, 6, 6.6, 7.1, 7.9]
        >>> interval = cv_over_seeds(values)
        >>> round(interval.value, 4), round(interval.low, 4), round(interval.high, 4)
        (0.5777, 0.4144, 1.0848)

    References:
        McKay (1932), J. R. Stat. Soc. 95(4):695-698, doi:10.2307/2342041; Vangel (1996), Am. Stat. 50(1):21-26,
        doi:10.1080/00031305.1996.10473537.
    """
    sd = sd_over_seeds(values, level)
    mean = float(np.nanmean(values)) if sd.n_cases else math.nan
    cv = sd.value / mean if mean > 0 else math.nan
    n = sd.n_cases
    if n < MIN_SEEDS or math.isnan(cv):
        return Interval(cv, math.nan, math.nan, "not judged", n, sd.n_undefined, True)
    low, high = (_mckay(cv, n, float(stats.chi2.ppf(tail, n - 1))) for tail in ((1 + level) / 2, (1 - level) / 2))
    return Interval(cv, low, high, "McKay", n, sd.n_undefined, cv > 1 / 3)


def _mckay(cv: float, n: int, quantile: float) -> float:
    square = (quantile / n - 1) * cv**2 + quantile / (n - 1)
    return cv / math.sqrt(square) if square > 0 else math.inf


def _range_over_seeds(values: np.ndarray) -> Interval:
    return Interval(float(np.ptp(values)), math.nan, math.nan, "", len(values), 0, True)


def ratio_of_sds(
    agreement: Agreement,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """How much less ensembles spread than their members: the sd of a case over ensembles, over that over members.

    The sd is within a case, pooled over cases, which a handful of ensembles suffices for; the ratio is 1/√n where the
    members of an ensemble of n err independently, and 1 where all seeds err alike.

    Args:
        agreement: Agreement of all pairs.
        counts: `tables.counts`.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        Rows `sd_ratio_f1` and `sd_ratio_count`, one per size of disjoint ensembles whose strategy also has models with
        two seeds or more. The interval is BCa over clusters, given these seeds.
    """
    kinds = annotator_kinds(annotations)
    found = list(_disjoint_members(annotations))
    members = {(group.strategy, group.trained_on): names for group, _, names in found if group.kind == "model"}
    rows = []
    for group, size, ensembles in found:
        models = members.get((group.strategy, group.trained_on), [])
        if group.kind != "ensemble" or not models:
            continue
        for quantity in QUANTITIES:
            of = [ensembles, models]
            tables = [values_of(n, quantity, agreement=agreement, counts=counts, kinds=kinds)[0] for n in of]
            if min(len(table.columns) for table in tables) < 2:
                continue
            squares = pd.concat([t.var(axis=1, skipna=False) for t in tables], axis=1)
            drawn = clusters.reindex(squares.index).to_numpy()
            interval = bca(_root_of_ratio, squares.to_numpy(), drawn, resampling)
            if math.isfinite(interval.value):
                note = f"{len(ensembles)} ensembles, {len(models)} models; 1/√{size} = {1 / math.sqrt(size):.2f}"
                row = interval_row("reliability", f"sd_ratio_{quantity}", _of_size(group, size), interval, note=note)
                rows.append(row)
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _root_of_ratio(weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """√(Σ of the first / Σ of the second column) for each row of weights."""
    sums = weights @ squares
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(sums[:, 0] / sums[:, 1]))


# ----------------------------------------------------------------------------------------------------------- flip rates


def flip_rates(
    agreement: pd.DataFrame,
    counts: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """Which share of what one training finds does another one, with another seed, not find?

    Args:
        agreement: `tables.agreement`.
        counts: `tables.counts`, for the area of each case that counts.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        resampling: How intervals are drawn.

    Returns:
        `flip_rate_pixels`: share of all pixels that count whose label differs; `flip_rate_foreground`: share of the
        pixels marked by one that the other did not mark, 1 - Dice of all cases together; `flip_rate_objects`: the same
        of objects, 1 - 2 TP / (n_a + n_b) at IoU > .5. Ratios of sums over pairs and cases. Not defined where nothing
        is marked anywhere, and for a missing prediction.
    """
    rows = agreement[agreement["iou_threshold"] == THRESHOLD]
    pixels = rows["n_px_a"].astype(float) + rows["n_px_b"].astype(float)
    objects = rows["n_a"].astype(float) + rows["n_b"].astype(float)
    area = counts.groupby("case")["region_area_px"].first().astype(float)
    columns = {
        "pixels": pixels,
        "pixels_flipped": pixels * (1 - rows["dice"]),
        "objects": objects,
        "objects_flipped": objects - 2 * rows["tp"].astype(float),
        "area": rows["case"].map(area).where(pixels.notna()),
    }
    pairs_of = Pairs(rows.assign(**columns))
    found = []
    for group in trained_alike(annotations):
        for name, above, below in (
            ("pixels", "pixels_flipped", "area"),
            ("foreground", "pixels_flipped", "pixels"),
            ("objects", "objects_flipped", "objects"),
        ):
            parts = [pairs_of.of_pairs(group.whole_pairs(), column) for column in (above, below)]
            if parts[0].empty:
                continue
            sums = [part.sum(axis=1, min_count=1) for part in parts]
            drawn = clusters.reindex(sums[0].index).to_numpy()
            interval = bca_ratio(sums[0].to_numpy(), sums[1].to_numpy(), drawn, resampling)
            if math.isfinite(interval.value):
                n_undefined = int(parts[0].isna().sum().sum())
                note = _pairs_noted(parts[0]) + (f"; {n_undefined} comparisons undefined" if n_undefined else "")
                found.append(interval_row("reliability", f"flip_rate_{name}", group.target, interval, note=note))
    return pd.DataFrame(found, columns=list(SCORE_COLUMNS))


def flip_rate_of_verdicts(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How often the conclusion on an effect differs between two trainings that differ by the seed.

    Args:
        effects: What `segassay.tables.effects.effects` returns: units are subjects where there are any.
        annotations: What `read_annotations` returns.

    Returns:
        Rows `flip_rate_verdicts`: share of effects (measure × region × two groups) × pairs of seeds whose verdicts
        differ. `n_cases` counts these comparisons, `n_undefined` those where a verdict is `not_testable`. No interval:
        comparisons share data and seeds. No row where nothing is testable.
    """
    rows = effects[effects["test"] == "mann_whitney"]
    rows = on_deciding_unit(rows)
    key = ["measure", "region", "group_1", "group_2"]
    verdicts = rows.set_index([*key, "annotator"])["verdict"].unstack("annotator")
    verdicts = verdicts.where(verdicts != "not_testable")
    found = []
    for group in trained_alike(annotations):
        pairs = [(a, b) for a, b in group.whole_pairs() if a in verdicts and b in verdicts]
        sides = [verdicts[[pair[side] for pair in pairs]].to_numpy(dtype=object) for side in (0, 1)]
        known = pd.notna(sides[0]) & pd.notna(sides[1])
        if known.any():
            rate = float((sides[0][known] != sides[1][known]).mean())
            n = int(known.sum())
            interval = Interval(rate, math.nan, math.nan, "", n, known.size - n, True)
            note = f"n_cases counts comparisons: {len(verdicts)} effects × {len(pairs)} pairs"
            found.append(interval_row("reliability", "flip_rate_verdicts", group.target, interval, note=note))
    return pd.DataFrame(found, columns=list(SCORE_COLUMNS))


# ------------------------------------------------------------------------------------------------------ all of them

_NO_SEEDS = "no two models, or disjoint ensembles, that differ by nothing but the seed"
_NO_FOLDS = "cannot be judged: no test split; out of fold a case is held out by one fold only"
_NO_PROB = "the annotations name no probability maps (column prob) of cases that have a reference"
_NO_UNCERTAINTY = "the annotations name no uncertainty maps (column uncertainty) of cases that have a reference"
"""Why a measure has no row."""


def measures_and_gaps(found: Findings) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """All measures of reliability that are no means of agreement, which `agreement_of_seeds` has.

    Returns:
        Table with `SCORE_COLUMNS`; and the measures that have no row in it, each with the reason.
    """
    parts, gaps = [], []
    for name, why, compute in _work(found):
        part = compute()
        if part.empty:
            gaps.append((name, why))
        else:
            parts.append(part)
    if not any(group.whole_pairs() for group in trained_alike(found.annotations)):
        gaps.append(("agreement of seeds", _NO_SEEDS))
    if not pairs_of_folds(found.annotations):
        gaps.append(("agreement of folds", _NO_FOLDS))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(SCORE_COLUMNS)), gaps


def _work(found: Findings) -> list[tuple[str, str, Callable[[], pd.DataFrame]]]:
    """Each measure, why it may have no row, and what computes it."""
    agreement = Agreement(found.tables.agreement, found.tables.leave_one_out)
    tables, annotations, clusters = found.tables, found.annotations, found.clusters
    drawn: dict[str, Any] = {"resampling": found.resampling}
    designs = designs_of(agreement, tables.counts, annotations, clusters, **drawn)
    return [
        ("spread over seeds", _NO_SEEDS, lambda: spread_over_seeds(agreement, tables.counts, annotations)),
        (
            "ratio of the ensembles' sd to the members'",
            "needs two disjoint ensembles of one size, and two of the models, trained alike",
            lambda: ratio_of_sds(agreement, tables.counts, annotations, clusters, **drawn),
        ),
        (
            "flip rates of pixels and objects",
            _NO_SEEDS,
            lambda: flip_rates(tables.agreement, tables.counts, annotations, clusters, **drawn),
        ),
        (
            "flip rate of verdicts",
            "needs an experiment with testable effects and two models, or disjoint ensembles, that differ by the seed",
            lambda: flip_rate_of_verdicts(found.effects, annotations),
        ),
        (
            "standard error of measurement, minimal detectable change, repeatability coefficient",
            "needs two models that differ by nothing but the seed, on two cases or more",
            lambda: repeatability(designs),
        ),
        (
            "variance components case × seed × rater",
            "needs models of two raters or more with two seeds in common, on two cases or more",
            lambda: variance_components(designs),
        ),
        (
            "number of raters and seeds for Φ ≥ .9",
            "needs two raters, or two models that differ by nothing but the seed, on two cases or more",
            lambda: generalizability(designs),
        ),
        (
            "saturation curve",
            "needs disjoint ensembles of one size, and models or disjoint ensembles of another, trained alike",
            lambda: saturation(agreement, annotations, clusters, **drawn),
        ),
        ("calibration", _NO_PROB, lambda: calibration_of_annotators(tables.calibration, clusters, **drawn)),
        (
            "uncertainty against error and disagreement",
            _NO_UNCERTAINTY,
            lambda: uncertainty_of_annotators(tables.uncertainty, clusters, **drawn),
        ),
        (
            "quality of an image against its score",
            "needs two models that differ by nothing but the seed, and raters, a reference or a truth, on three cases",
            lambda: quality_against_score(agreement, annotations, clusters, **drawn),
        ),
    ]
