"""Do annotators of one strategy lead to the same conclusion? And functions for all comparisons of effects.

    effects     ->  variation_per_effect, votes, variation_per_model
    normalised  ->  values_of_units

An effect is a measurement × a pair of groups, pooled over regions; units are subjects, if there are any, else cases.
Its rank-biserial correlation and its Hodges-Lehmann shift with interval are columns of the effects. The module
`concordance` compares effects with those of the raters and of a truth.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import is_rater
from segassay.data.measurements import OF_ALL
from segassay.qualities.scores.groups import RATERS, grouped, origins
from segassay.qualities.scores.table import interval_row, score_rows
from segassay.qualities.validity.records import DEVIATIONS, ETA_SQUARED_SD, VOTES
from segassay.statistics.intervals import Interval, sd_over_seeds
from segassay.statistics.ranks import weight_below
from segassay.tables.samples import on_deciding_unit, unit_of

__all__ = [
    "contrast",
    "decisive_effects",
    "majority_verdict",
    "of_masks",
    "strategies",
    "values_of_units",
    "variation_per_effect",
    "variation_per_model",
    "votes",
    "weighted_eta_squared",
    "weighted_rank_biserial",
    "without_interval",
    "without_repeats",
]


def decisive_effects(effects: pd.DataFrame) -> pd.DataFrame:
    """Rows of effects that conclusions rest on: pairs of groups, pooled over regions, on the units that decide.

    Args:
        effects: What `segassay.tables.effects.effects` returns.

    Returns:
        These rows, and `contrast` with the names of both groups, the control second.
    """
    rows = effects[(effects["test"] == "mann_whitney") & (effects["region"] == "")]
    rows = on_deciding_unit(rows)
    return rows.assign(contrast=contrast(rows["group_2"], rows["group_1"]))


def of_masks(effects: pd.DataFrame) -> pd.DataFrame:
    """Rows of effects that masks were needed for: without a lab's endpoints that are the same for all annotators."""
    return effects[effects["annotator"] != OF_ALL]


def strategies(annotations: pd.DataFrame) -> dict[str, list[str]]:
    """Annotators by how they were made: the raters, and models or ensembles of one strategy.

    Args:
        annotations: What `read_annotations` returns.

    Returns:
        Name of the group -> its annotators, at least two. Where no strategy is given, it is what they were trained on;
        masks of which neither is known are in no group.

    Example:
        >>> annotations = pd.DataFrame({"annotator": ["anna", "ben", "anna/s1", "ben/s1", "cellpose"],
        ...                             "kind": ["human", "human", "model", "model", "model"],
        ...                             "strategy": ["", "", "expert", "expert", ""], "trained_on": "",
        ...                             "case": "1", "seed": pd.NA, "fold": pd.NA, "held_out": True})
        >>> strategies(annotations)
        {'raters': ['anna', 'ben'], 'expert models': ['anna/s1', 'ben/s1']}
    """
    shown = [
        one
        for one in origins(annotations)
        if is_rater(one.kind) or (one.is_trained and (one.strategy or one.trained_on))
    ]
    groups = grouped(shown, lambda one: f"{one.approach} {one.kind}s" if one.is_trained else RATERS)
    return {group: [one.name for one in of] for group, of in groups.items() if len(of) > 1}


def _of_strategies(effects: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Strategy, measurement and the effects of its annotators."""
    tested = decisive_effects(effects)
    for group, names in strategies(annotations).items():
        for measure, rows in tested[tested["annotator"].isin(names)].groupby("measure", sort=False):
            yield group, str(measure), rows


def variation_per_effect(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of the effect size η² over the annotators of one strategy, effect by effect.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_eta_squared_sd`, its target `<strategy>: <group> against <group>`.
        `n_cases` counts annotators. The interval is of χ² on these, as if they were drawn from many of their kind, and
        not judged below 4.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4F, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        for pair, of_pair in part.groupby("contrast", sort=False):
            spread = sd_over_seeds(of_pair["eta_squared"].to_numpy(dtype=float))
            note = "n_cases counts annotators"
            rows.append(interval_row(ETA_SQUARED_SD.form(measure), f"{group}: {pair}", spread, note=note))
    return score_rows(rows)


def votes(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """How many annotators of one strategy lead to each conclusion, effect by effect.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_votes_<verdict>`; verdicts without a vote have no row. `n_cases`
        counts the annotators who vote.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        for pair, of_pair in part.groupby("contrast", sort=False):
            for verdict, n in of_pair["verdict"].value_counts().sort_index().items():
                form = VOTES.form(measure, variant=str(verdict))
                rows.append(interval_row(form, f"{group}: {pair}", without_interval(float(n), len(of_pair))))
    return score_rows(rows)


def variation_per_model(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """In how many effects an annotator's verdict deviates from that of most annotators of its strategy.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        annotations: What `read_annotations` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, `<measurement>_deviations_from_majority`, one per annotator, and one per strategy
        with the mean over its annotators. `n_cases` counts the effects with a majority, `n_undefined` those
        where no verdict has more votes than every other.

    References:
        Segebarth et al. (2020), eLife 9:e59780, figure 4F, doi:10.7554/eLife.59780.
    """
    rows = []
    for group, measure, part in _of_strategies(effects, annotations):
        verdicts = part.pivot(index="contrast", columns="annotator", values="verdict")
        majority = pd.Series({pair: majority_verdict(row) for pair, row in verdicts.iterrows()}, dtype=object)
        clear = majority.notna()
        deviations = verdicts[clear].ne(majority[clear], axis=0).where(verdicts[clear].notna()).sum()
        n, n_undefined = int(clear.sum()), int((~clear).sum())
        form, mean = DEVIATIONS.form(measure), float(deviations.mean()) if n else math.nan
        found = {group: mean} | {who: float(deviations[who]) if n else math.nan for who in part["annotator"].unique()}
        rows += [interval_row(form, who, without_interval(value, n, n_undefined)) for who, value in found.items()]
    return score_rows(rows)


def majority_verdict(verdicts: Iterable[Any]) -> str | None:
    """Verdict with more votes than any other, missing ones left out; None without one."""
    counts = Counter(verdict for verdict in verdicts if not pd.isna(verdict)).most_common(2)
    clear = len(counts) == 1 or (len(counts) > 1 and counts[0][1] > counts[1][1])
    return str(counts[0][0]) if clear else None


def weighted_eta_squared(weights_x: np.ndarray, weights_y: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """η² = Z²/N of the Mann-Whitney test, where each value counts as often as its weight says.

    Args:
        weights_x: `(B, n_1)`, one row per resample.
        weights_y: `(B, n_2)`.
        x: First sample, `(n_1,)`.
        y: Second sample, `(n_2,)`.

    Returns:
        float64 `(B,)`, with Z as in `group_tests.mann_whitney`; NaN where a sample has no weight.

    Example:
        >>> x = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
        >>> y = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
        >>> weighted_eta_squared(np.ones((1, 10)), np.ones((1, 5)), x, y).round(4)
        array([0.1])

    References:
        Mann & Whitney (1947), Ann. Math. Stat. 18(1):50-60, doi:10.1214/aoms/1177730491; as an effect size: Tomczak &
        Tomczak (2014), Trends in Sport Sciences 21(1):19-25.
    """
    r = weighted_rank_biserial(weights_x, weights_y, x, y)
    n_x, n_y = weights_x.sum(axis=1), weights_y.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(3 * r**2 * n_x * n_y / ((n_x + n_y) * (n_x + n_y + 1)))


def weighted_rank_biserial(weights_x: np.ndarray, weights_y: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank-biserial correlation, where each value counts as often as its weight says; arguments of the function above.

    Example:
        >>> weighted_rank_biserial(np.ones((1, 2)), np.ones((1, 2)), np.array([1.0, 3.0]), np.array([0.0, 2.0]))
        array([0.5])
    """
    wins = (weight_below(weights_y, y, x) * weights_x).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = wins / (weights_x.sum(axis=1) * weights_y.sum(axis=1))
    return np.asarray(2 * share - 1)


def values_of_units(normalised: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.Series]]:
    """Measurement, its values `(units, annotators)`, and the group of each unit: subjects where there are any."""
    unit = unit_of(normalised["subject"])
    groups = normalised.groupby(unit, sort=False)["group"].first()
    for measure, part in normalised.groupby("measure", sort=False):
        values = part.groupby([unit, "annotator"], sort=False)["value"].mean().unstack()
        yield str(measure), values, groups.reindex(values.index)


def without_repeats(effects: pd.DataFrame, normalised: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and measurements without those that repeat an earlier one, as densities do if all regions have one area.

    Args:
        effects: What `segassay.tables.effects.effects` returns.
        normalised: What `segassay.tables.normalise.normalise` returns.
    """
    kept: dict[str, np.ndarray] = {}
    for measure, rows in normalised.groupby("measure", sort=False):
        values = rows["value"].to_numpy()
        if not any(_equal(values, earlier) for earlier in kept.values()):
            kept[str(measure)] = values
    return effects[effects["measure"].isin(kept)], normalised[normalised["measure"].isin(kept)]


def _equal(values: np.ndarray, earlier: np.ndarray) -> bool:
    return len(values) == len(earlier) and np.isfinite(values).any() and np.allclose(values, earlier, equal_nan=True)


def contrast(group: Any, control: Any) -> Any:
    """Name of a pair of groups, of two texts or of two columns."""
    return group + " against " + control


def without_interval(value: float, n_cases: int, n_undefined: int = 0) -> Interval:
    """A number without interval."""
    return Interval(value, math.nan, math.nan, "", n_cases, n_undefined, False)
