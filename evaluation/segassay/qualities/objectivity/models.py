"""Can a model replace a rater? Williams index, alternative annotator test, generalized energy distance.

agreement of a model with each rater, and of the raters with each other  ->  one row per model, ensemble or rater
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import TRAINED, is_trained, raters_of
from segassay.qualities.objectivity.records import (
    ADVANTAGE,
    ENERGY_DISTANCE,
    MIN_RATERS_FOR_ALT_TEST,
    WILLIAMS_INDEX,
    WINNING_RATE,
)
from segassay.qualities.scores.groups import grouped, origins
from segassay.qualities.scores.pairs import PairValues, mean_of_known, pair_values
from segassay.qualities.scores.table import (
    Score,
    annotator_kinds,
    interval_row,
    mean_over_raters,
    score_rows,
    score_table,
)
from segassay.statistics.intervals import Interval
from segassay.statistics.raters import AltTest, alt_test, generalized_energy_distance, williams_index

__all__ = ["alternative_annotator", "energy_distance", "sets_of_models", "williams"]

AGREEMENT = "dice"  # what both indices compare


def williams(
    agreement: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Williams index of every model and ensemble, and of each rater compared with the others.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`; `human_low` and `human_high` of a model are the lowest and highest index of a rater,
        who is compared with how the remaining raters agree. Without rows below two raters.
    """
    pairs, raters, models = _who(agreement, annotations, AGREEMENT)
    compared = [name for name in raters if len(raters) > 2]
    rows = [_williams_row(pairs, name, raters, clusters, level) for name in compared]
    of_raters = [row["value"] for row in rows if not np.isnan(row["value"])]
    human = {"human_low": min(of_raters), "human_high": max(of_raters)} if of_raters else {}
    if len(raters) > 1:
        notes = _trained_by(annotations, raters)
        rows += [
            _williams_row(pairs, name, raters, clusters, level) | human | {"note": notes.get(name, "")}
            for name in models
        ]
    return score_rows(rows)


def _who(agreement: pd.DataFrame, annotations: pd.DataFrame, measure: str) -> tuple[PairValues, list[str], list[str]]:
    """All pairs; the raters; models and ensembles."""
    kinds = annotator_kinds(annotations)
    pairs = pair_values(agreement, measure)
    found = {name: kind for name, kind in kinds.items() if name in pairs.position}
    raters = raters_of(found)
    return pairs, raters, [name for name, kind in found.items() if is_trained(kind)]


def _trained_by(annotations: pd.DataFrame, raters: Sequence[str]) -> dict[str, str]:
    """A note for each model that was trained on one of the raters it is compared with."""
    rows = annotations[annotations["trained_on"].isin(raters) & annotations["kind"].isin(TRAINED)]
    of_model = rows.drop_duplicates("annotator")[["annotator", "trained_on"]].itertuples(index=False)
    return {name: f"trained on {rater}, who is one of the raters" for name, rater in of_model}


def _williams_row(
    pairs: PairValues, name: str, raters: Sequence[str], clusters: pd.Series, level: float
) -> dict[str, Any]:
    others = [rater for rater in raters if rater != name]
    with_others = pairs.between([name], others)[:, 0]
    a, b = np.triu_indices(len(others), 1)
    covered = ~np.isnan(with_others).all(axis=1)
    index = williams_index(
        model_rater=with_others[covered],
        rater_rater=pairs.between(others, others)[covered][:, a, b],
        clusters=clusters.reindex(pairs.cases[covered]).to_numpy(),
        level=level,
    )
    return interval_row(WILLIAMS_INDEX.form(), name, index)


def alternative_annotator(
    agreement: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Alternative annotator test of every model and ensemble.

    Args:
        agreement: As for `williams`.
        annotations: As for `williams`.
        clusters: As for `williams`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `alt_test_winning_rate` (ω, without interval) where a rater has 30 cases, and
        `alt_test_advantage` (ρ, mean over raters of how often the model fits the others at least as well as the rater
        does). Without rows below three raters.
    """
    pairs, raters, models = _who(agreement, annotations, AGREEMENT)
    scores, rows = [], []
    for name in models if len(raters) >= MIN_RATERS_FOR_ALT_TEST else []:
        of_model, of_raters = _alignments(pairs, name, raters)
        known = ~np.isnan(of_model) & ~np.isnan(of_raters)
        ahead = pd.DataFrame(np.where(known, of_model >= of_raters, np.nan), pairs.cases, raters)
        scores.append(Score(ADVANTAGE.form(), name, mean_over_raters(ahead[known.any(axis=1)])))
        test = alt_test(
            model_alignment=of_model, rater_alignment=of_raters, clusters=clusters.reindex(pairs.cases).to_numpy()
        )
        if test.judged:
            rows.append(_winning_rate(name, test))
    return pd.concat([score_table(scores, clusters, level), score_rows(rows)], ignore_index=True)


def _alignments(pairs: PairValues, name: str, raters: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """`(N, R)` each: mean agreement with all raters but r, of the model and of r, over the same others of a case."""
    with_raters = pairs.between([name], raters)[:, 0]
    others = ~np.eye(len(raters), dtype=bool)
    of_model = mean_of_known(np.where(others, with_raters[:, None], np.nan))
    of_raters = mean_of_known(np.where(others, pairs.between(raters, raters), np.nan))
    return np.where(np.isnan(with_raters), np.nan, of_model), of_raters


def _winning_rate(name: str, test: AltTest) -> dict[str, Any]:
    judged = test.raters[test.raters["p_value"].notna()]
    rate = Interval(test.winning_rate, np.nan, np.nan, "", int(judged["n_cases"].max()), 0, False)
    verdict, n_won = "passed" if test.passed else "not passed", int(judged["won"].sum())
    note = f"{verdict}: beats {n_won} of {len(judged)} raters, needs half (ε .2, false discovery rate .05)"
    return interval_row(WINNING_RATE.form(), name, rate, note=note)


def energy_distance(
    agreement: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Difference between the masks of a group of models and those of the raters, as distributions; d = 1 - IoU.

    Args:
        agreement: As for `williams`.
        annotations: As for `williams`.
        clusters: As for `williams`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, measure `generalized_energy_distance` (squared): a row for models trained alike but
        for the seed, and one for the models of all single raters together. Undefined in a case where a rater has no
        mask, or one of the models no prediction; without rows below two raters.
    """
    pairs, raters, _ = _who(agreement, annotations, "iou")
    scores = []
    for target, models in sets_of_models(annotations).items() if len(raters) > 1 else ():
        values = _distances(pairs, raters, models)
        rule = "V" if len(models) == len(raters) else "U"
        note = f"{rule}-statistic, {len(raters)} raters, {len(models)} models"
        covered = ~np.isnan(pairs.between(models, raters)).all(axis=(1, 2))
        series = pd.Series(values, pairs.cases)[covered]
        if series.notna().any():
            scores.append(Score(ENERGY_DISTANCE.form(), target, series, note=note))
    return score_table(scores, clusters, level)


def sets_of_models(annotations: pd.DataFrame) -> dict[str, list[str]]:
    """Sets of models: those of single raters, and those that were trained alike, if there are at least two."""
    models = [one for one in origins(annotations) if one.kind == "model" and one.trained_on]
    groups = {"models of single raters": [model.name for model in models if not model.of_consensus]}
    for trained_on, of in sorted(grouped(models, lambda model: model.trained_on).items()):
        groups[f"{trained_on} models"] = [model.name for model in of]
    return {target: names for target, names in groups.items() if len(names) > 1}


def _distances(pairs: PairValues, raters: Sequence[str], models: Sequence[str]) -> np.ndarray:
    d = 1 - pairs.between([*raters, *models], [*raters, *models])
    places = np.arange(d.shape[1])
    d[:, places, places] = 0
    n = len(raters)
    distance = generalized_energy_distance(d_xy=d[:, :n, n:], d_xx=d[:, :n, :n], d_yy=d[:, n:, n:])
    return np.asarray(distance)
