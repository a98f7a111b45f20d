"""Objectivity: does the result depend on who drew the masks?

agreement.csv, distances.csv, votes ...  ->  how raters agree, and how each differs from the others     (here)
counts.csv                               ->  whether they measure the same                (rater_measurements)
models                                   ->  whether models carry one rater's hand                   (imprint)
                                             or could be one more rater                       (model_as_rater)
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import WITHOUT, raters_of
from segassay.qualities.objectivity.imprint import (
    MIN_RATERS_FOR_IMPRINT,
    held_out_models,
    rater_imprint,
    removal_of_bias,
)
from segassay.qualities.objectivity.measurements import (
    alpha_of_counts,
    bias_tests,
    intraclass_correlation,
    limits_of_agreement,
    rater_share,
)
from segassay.qualities.objectivity.models import (
    MIN_RATERS_FOR_ALT_TEST,
    alternative_annotator,
    energy_distance,
    williams,
)
from segassay.qualities.scores.table import (
    ALL_RATERS,
    BETWEEN_RATERS,
    MEASURES,
    SCORE_COLUMNS,
    THRESHOLD,
    Agreement,
    Findings,
    Score,
    annotator_kinds,
    human_score,
    interval_row,
    mean_over_pairs,
    mean_over_raters,
    own_scores,
    score_table,
)
from segassay.statistics.chance import fleiss_kappa, gwet_ac1, krippendorff_alpha
from segassay.statistics.intervals import DEFAULT, Interval, Resampling, bca, bca_ratio
from segassay.statistics.raters import MIN_CASES_FOR_ALT_TEST, positive_agreement
from segassay.tables.build import MIN_OTHERS, log_ratios

__all__ = [
    "agreement_of_objects",
    "agreement_of_pixels",
    "agreement_of_raters",
    "alpha_of_counts",
    "alternative_annotator",
    "bias_tests",
    "boundary_shift",
    "energy_distance",
    "intra_rater_repeatability",
    "intraclass_correlation",
    "limits_of_agreement",
    "measures",
    "not_judged",
    "rater_imprint",
    "rater_share",
    "removal_of_bias",
    "sensitivity_and_specificity",
    "williams",
]


def agreement_of_raters(agreement: Agreement, counts: pd.DataFrame, kinds: dict[str, str]) -> Iterator[Score]:
    """Agreement between raters, of each with the others, and how much more or less than the others each marks."""
    raters = raters_of(kinds)
    if len(raters) < 2:
        return
    for measure in MEASURES:
        between = agreement.of_pairs(list(combinations(raters, 2)), measure)
        yield Score("objectivity", measure, BETWEEN_RATERS, mean_over_pairs(between))
    for measure in MEASURES:
        own = own_scores(agreement, raters, measure)
        if len(own.columns):
            yield Score("objectivity", f"{measure}_leave_one_out", ALL_RATERS, mean_over_raters(own))
    ratios = {
        name: log_ratios(counts, column, raters)
        for name, column in (("log_count_ratio", "n_objects"), ("log_area_ratio", "area_px"))
    }
    for rater in raters:
        for measure in MEASURES:
            values, ending, note = human_score(agreement, raters, rater, measure)
            yield Score("objectivity", measure + ending, rater, values, note=note)
        for name, ratio in ratios.items():
            drawn = counts.loc[counts["annotator"] == rater, "case"]
            yield Score("objectivity", name, rater, ratio[rater].reindex(drawn))


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _between(rows: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    return rows[rows["annotator_a"].isin(raters) & rows["annotator_b"].isin(raters)]


def boundary_shift(
    distances: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """How far outside the others' outlines each rater's lie, on objects that both have; negative for inside.

    Args:
        distances: Table of `segassay.tables.build`.
        raters: Who is compared.
        clusters: Case -> subject, or the case itself.
        resampling: How intervals are drawn.

    Returns:
        Table with `SCORE_COLUMNS`: `boundary_shift_px` or `boundary_shift_um` of each rater, in a case the mean over
        the others; undefined where no object is shared. Without rows below two raters.
    """
    scores = []
    for unit, rows in _between(distances, raters).groupby("unit", sort=True) if len(distances) else ():
        b = rows[["case", "annotator_b", "shift"]].set_axis(["case", "rater", "shift"], axis=1)
        a = rows[["case", "annotator_a", "shift"]].set_axis(["case", "rater", "shift"], axis=1)
        both = pd.concat([b, a.assign(shift=-a["shift"])])
        for rater, own in both.groupby("rater", sort=False):
            values = own.groupby("case", sort=False)["shift"].mean()
            scores.append(Score("objectivity", f"boundary_shift_{unit}", str(rater), values))
    order = {rater: place for place, rater in enumerate(raters)}
    scores.sort(key=lambda score: order[score.target])
    return score_table([score for score in scores if score.values.notna().any()], clusters, resampling)


def sensitivity_and_specificity(
    of_raters: pd.DataFrame,
    leave_one_out: pd.DataFrame,
    counts: pd.DataFrame,
    clusters: pd.Series,
    *,
    resampling: Resampling = DEFAULT,
) -> pd.DataFrame:
    """Pixels of the consensus that each rater marked, and of its background that the rater left out.

    Args:
        of_raters: Table `raters` of `segassay.tables.build`.
        leave_one_out: As in `segassay.tables.build`.
        counts: As in `segassay.tables.build`; says how many pixels count.
        clusters: Case -> subject, or the case itself.
        resampling: How intervals are drawn.

    Returns:
        Table with `SCORE_COLUMNS`, per rater: `staple_sensitivity` and `staple_specificity`, STAPLE's own estimates,
        without interval; `sensitivity_leave_one_out` and `specificity_leave_one_out` against C₋r on the pixels that
        count. A case whose C₋r is empty (or full) is undefined.
    """
    rows: list[dict[str, Any]] = []
    for row in of_raters.to_dict("records"):
        for name in ("sensitivity", "specificity"):
            if not math.isnan(row[name]):
                interval = Interval(row[name], math.nan, math.nan, "", int(row["n_cases"]), 0, False)
                note = "of a consensus that contains the rater"
                rows.append(interval_row("objectivity", f"staple_{name}", row["rater"], interval, note=note))
    own = leave_one_out[leave_one_out["rater"] == leave_one_out["annotator"]]
    own = own[own["iou_threshold"] == THRESHOLD].merge(
        counts[["case", "annotator", "region_area_px"]], on=["case", "annotator"], how="left"
    )
    n_reference, n_marked, n_pixels = (own[name].astype(float) for name in ("n_px_a", "n_px_b", "region_area_px"))
    n_shared, n_background = own["dice"] * (n_reference + n_marked) / 2, n_pixels - n_reference
    own["sensitivity"] = n_shared / n_reference.where(n_reference > 0)
    own["specificity"] = 1 - (n_marked - n_shared) / n_background.where(n_background > 0)
    scores = [
        Score("objectivity", f"{name}_leave_one_out", str(rater), pd.Series(part[name].to_numpy(), part["case"]))
        for rater, part in own.groupby("rater", sort=False)
        for name in ("sensitivity", "specificity")
    ]
    return pd.concat([_table(rows), score_table(scores, clusters, resampling)], ignore_index=True)


def agreement_of_objects(
    agreement: pd.DataFrame, raters: Sequence[str], clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """Positive agreement: of all objects that raters marked, the share that the other of a pair marked, too.

    Args:
        agreement: Table of `segassay.tables.build`; matched at IoU > .5.
        raters: Who is compared.
        clusters: Case -> subject, or the case itself.
        resampling: How intervals are drawn.

    Returns:
        Table with `SCORE_COLUMNS`: `positive_agreement` between raters, and of each rater with the others. All objects
        count alike; in the mean F1 it is all cases.
    """
    rows = _between(agreement[agreement["iou_threshold"] == THRESHOLD], raters)
    targets = {BETWEEN_RATERS: rows} | {
        rater: rows[(rows["annotator_a"] == rater) | (rows["annotator_b"] == rater)] for rater in raters
    }
    found: list[dict[str, Any]] = []
    for target, pairs in targets.items():
        if len(pairs) and (len(raters) > 2 or target == BETWEEN_RATERS):
            counted = pairs[["tp", "n_a", "n_b"]].astype(float)
            sums = counted.groupby(pairs["case"], sort=False).sum()
            above, below = 2 * sums["tp"], sums["n_a"] + sums["n_b"]
            interval = bca_ratio(
                above.to_numpy(), below.to_numpy(), clusters.reindex(sums.index).to_numpy(), resampling
            )
            value = positive_agreement(*counted.to_numpy().T)
            interval = dataclasses.replace(interval, value=value)
            found.append(interval_row("objectivity", "positive_agreement", target, interval))
    return _table(found)


def agreement_of_pixels(votes: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT) -> pd.DataFrame:
    """Agreement of all raters on pixels beyond chance: Fleiss' κ, Gwet's AC1, Krippendorff's α.

    Args:
        votes: Table of `segassay.tables.build`: how many raters of a case marked how many pixels.
        clusters: Case -> subject, or the case itself.
        resampling: How intervals are drawn.

    Returns:
        Table with `SCORE_COLUMNS`: `fleiss_kappa_pixels`, `gwet_ac1_pixels` and `krippendorff_alpha_pixels` between
        raters, over all pixels of all cases. A case with a single rater is undefined; without rows if all are.
    """
    judged = votes[votes["n_raters"] > 1]
    if judged.empty:
        return _table([])
    pixels = judged.pivot_table(
        index="case", columns=["n_raters", "n_marked"], values="n_pixels", aggfunc="sum", fill_value=0
    )
    n_raters, n_marked = (pixels.columns.get_level_values(level).to_numpy(dtype=int) for level in (0, 1))
    categories = np.stack([n_raters - n_marked, n_marked], axis=1)
    estimators = {
        "fleiss_kappa": partial(fleiss_kappa, categories),
        "gwet_ac1": partial(gwet_ac1, categories),
        "krippendorff_alpha": partial(krippendorff_alpha, _decisions(n_raters, n_marked), "nominal"),
    }
    n_undefined = votes["case"].nunique() - len(pixels)
    cluster = clusters.reindex(pixels.index).to_numpy()
    rows = []
    for name, estimator in estimators.items():
        interval = bca(partial(_of_resamples, estimator), pixels.to_numpy(dtype=float), cluster, resampling)
        rows.append(interval_row("objectivity", f"{name}_pixels", BETWEEN_RATERS, interval, n_undefined=n_undefined))
    return _table(rows)


def _decisions(n_raters: np.ndarray, n_marked: np.ndarray) -> np.ndarray:
    """`(R, K)`: 1 for each rater who marked such pixels, 0 for each who did not, NaN for those without a mask."""
    place = np.arange(n_raters.max())[:, None]
    return np.where(place < n_marked, 1.0, np.where(place < n_raters, 0.0, np.nan))


def _of_resamples(estimator: Callable[[np.ndarray], float], weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Resampled cases `(B, N)` have so many pixels `(N, K)` of each kind; an image has few kinds, so this is quick."""
    return np.array([estimator(of_kind) for of_kind in weights @ pixels])


def intra_rater_repeatability(
    repeats: pd.DataFrame, clusters: pd.Series, *, resampling: Resampling = DEFAULT
) -> pd.DataFrame:
    """How well each person agrees with itself where it annotated cases twice or more.

    Args:
        repeats: Table of `segassay.tables.build`: pairs of sessions of one person.
        clusters: Case -> subject, or the case itself.
        resampling: How intervals are drawn.

    Returns:
        Table with `SCORE_COLUMNS`: `f1_repeated`, `mean_iou_repeated` and `dice_repeated` of each person, and the
        `repeatability_coefficient_count`: the counts of two sessions differ by less in 95 of 100 cases.
    """
    scores, rows = [], []
    for rater, own in repeats.groupby("annotator", sort=False) if len(repeats) else ():
        for measure in MEASURES:
            values = own.groupby("case", sort=False)[measure].mean()
            scores.append(Score("objectivity", f"{measure}_repeated", str(rater), values))
        difference = own["n_a"].astype(float) - own["n_b"].astype(float)
        variance = (difference**2 / 2).groupby(own["case"], sort=False).mean()  # of two or more sessions of a case
        interval = bca(_coefficient, variance.to_numpy(), clusters.reindex(variance.index).to_numpy(), resampling)
        rows.append(interval_row("objectivity", "repeatability_coefficient_count", str(rater), interval))
    return pd.concat([score_table(scores, clusters, resampling), _table(rows)], ignore_index=True)


def _coefficient(weights: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """1.96 √2 times the standard deviation within a case."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1.96 * np.sqrt(2 * (weights @ variance) / weights.sum(axis=1)))


# ----------------------------------------------------------------------------------------------------------- all of it


def measures(found: Findings) -> pd.DataFrame:
    """All measures of objectivity but those of `agreement_of_raters`, which are means of agreement alone.

    Args:
        found: Tables, annotations and clusters of an evaluation.

    Returns:
        Table with `SCORE_COLUMNS`; what cannot be computed has no row, and `not_judged` says why.
    """
    tables, annotations, clusters = found.tables, found.annotations, found.clusters
    kinds = annotator_kinds(annotations)
    raters = raters_of(kinds)
    how: dict[str, Any] = {"resampling": found.resampling}
    parts = [
        bias_tests(tables.counts, raters, clusters),
        boundary_shift(tables.distances, raters, clusters, **how),
        sensitivity_and_specificity(tables.raters, tables.leave_one_out, tables.counts, clusters, **how),
        agreement_of_objects(tables.agreement, raters, clusters, **how),
        agreement_of_pixels(tables.votes, clusters, **how),
        alpha_of_counts(tables.counts, raters, clusters, **how),
        intraclass_correlation(tables.counts, raters, clusters, **how),
        rater_share(tables.counts, raters, clusters, **how),
        limits_of_agreement(tables.counts, raters, clusters, **how),
        intra_rater_repeatability(tables.repeats, clusters, **how),
        rater_imprint(tables.agreement, annotations, clusters, **how),
        rater_imprint(tables.agreement, annotations, clusters, measure="dice", **how),
        removal_of_bias(tables.agreement, annotations, clusters, **how),
        removal_of_bias(tables.agreement, annotations, clusters, measure="dice", **how),
        williams(tables.agreement, annotations, clusters, **how),
        alternative_annotator(tables.agreement, annotations, clusters, **how),
        energy_distance(tables.agreement, annotations, clusters, **how),
    ]
    rows = [part for part in parts if len(part)]
    return pd.concat(rows, ignore_index=True) if rows else _table([])


def not_judged(found: Findings) -> list[tuple[str, str]]:
    """Measures of objectivity that cannot be computed, and what is missing for each.

    Args:
        found: Tables, annotations and clusters of an evaluation.

    Returns:
        Pairs of measure and reason.
    """
    kinds = annotator_kinds(found.annotations)
    n_raters = len(raters_of(kinds))
    missing: dict[str, str] = {}
    if n_raters < 2:
        missing["agreement and bias of raters"] = f"needs 2 raters, there are {n_raters}"
    if found.tables.leave_one_out.empty:
        missing["sensitivity_leave_one_out"] = missing["f1_leave_one_out"] = (
            f"needs {MIN_OTHERS + 1} raters of a case, so that {MIN_OTHERS} remain for C₋r"
        )
    if found.tables.counts["mean_intensity"].isna().all():
        missing["icc_a1_mean_intensity"] = "no image, or no object on any"
    if found.tables.repeats.empty:
        missing["f1_repeated"] = "nobody annotated a case twice (column session of annotations.csv)"
    return [*missing.items(), *_models_not_judged(found, n_raters)]


def _models_not_judged(found: Findings, n_raters: int) -> Iterator[tuple[str, str]]:
    annotations = found.annotations
    models = annotations[annotations["kind"] == "model"]
    unknown = models.loc[models["held_out"].isna(), "annotator"].nunique()
    hint = f"; {unknown} models leave it open whether cases were held out" if unknown else ""
    _, raters, trained = held_out_models(found.tables.agreement, annotations, MEASURES[0])
    n_experts = len(set(raters) & set(trained))
    if n_experts < MIN_RATERS_FOR_IMPRINT:
        yield "imprint", f"needs held-out models of {MIN_RATERS_FOR_IMPRINT} raters, there are {n_experts}{hint}"
    if not n_experts or not any(WITHOUT in name for name in trained):
        yield (
            "removal_of_bias",
            f"needs held-out models of raters and of a consensus without one (staple{WITHOUT}<rater>){hint}",
        )
    if not annotations["kind"].isin(["model", "ensemble"]).any() or n_raters < 2:
        yield "williams_index of models", "needs a model or ensemble and 2 raters"
    if not annotations["kind"].isin(["model", "ensemble"]).any() or n_raters < MIN_RATERS_FOR_ALT_TEST:
        yield "alt_test_winning_rate", f"needs a model or ensemble and {MIN_RATERS_FOR_ALT_TEST} raters"
    elif annotations["case"].nunique() < MIN_CASES_FOR_ALT_TEST:
        yield (
            "alt_test_winning_rate",
            f"needs {MIN_CASES_FOR_ALT_TEST} cases, there are {annotations['case'].nunique()}",
        )
    if models["annotator"].nunique() < 2 or n_raters < 2:
        yield "generalized_energy_distance", "needs 2 models and 2 raters"
