"""Rater imprint and removal of bias: does a model imitate the rater it was trained on?

    agreement of models trained on s with rater r (N, R, R)  ->  imprint of each rater (N, R)

Only predictions on cases that are known to be held out take part. Both measures are linear in the values of a case, so
that their intervals are those of means.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segassay.data.annotations import WITHOUT, raters_of
from segassay.qualities.objectivity.records import IMPRINT, MIN_RATERS_FOR_IMPRINT, REMOVAL_OF_BIAS
from segassay.qualities.scores.groups import Origin, grouped, origins
from segassay.qualities.scores.measure import Form
from segassay.qualities.scores.pairs import mean_of_known, pair_values
from segassay.qualities.scores.table import ALL_RATERS, Score, annotator_kinds, mean_over_raters, score_table

__all__ = [
    "held_out_models",
    "imprint",
    "rater_imprint",
    "removal_form",
    "removal_of_bias",
    "unseen_models",
]


def imprint(agreement: np.ndarray) -> np.ndarray:
    """How much better models agree with the rater they were trained on than other raters' models do.

    The imprint is how much better models of r agree with r than models of other raters do, minus how much better they
    agree with every other rater than models of a third rater do. The mean agreement of a rater with all models, and of
    a model with all raters, cancels exactly.

    Args:
        agreement: `(..., R, R)`, of models trained on rater s (rows) with rater r (columns), any measure that is larger
            for better agreement. A rater with a row or a column of NaN has no model, or no mask, in this case, and
            takes no part in it.

    Returns:
        float64 `(..., R)`, in the unit of the agreement; NaN for a rater who takes no part, with fewer than 3 raters,
        and for a case where any other value is NaN.

    Raises:
        ValueError: If the last two axes differ in length.

    Example:
        Each model agrees equally with all raters, except for .2 more with its own:

        >>> imprint(np.full((3, 3), 0.5) + 0.2 * np.eye(3)).round(6)
        array([0.2, 0.2, 0.2])
        >>> agreeable = np.array([0.0, 0.1, 0.3])
        >>> abs(imprint(0.5 + agreeable + np.array([[0.2], [0.0], [0.1]]))).max().round(12)
        np.float64(0.0)

    References:
        Defined here, after Segebarth et al. (2020), eLife 9:e59780, doi:10.7554/eLife.59780.
    """
    agreement = np.asarray(agreement, dtype=float)
    if agreement.ndim < 2 or agreement.shape[-1] != agreement.shape[-2]:
        raise ValueError(f"agreement must be (..., raters, raters), models of s with rater r, got {agreement.shape}")
    known = ~np.isnan(agreement)
    present = known.any(axis=-1) & known.any(axis=-2)
    both = present[..., :, None] & present[..., None, :]
    n = np.where((both & ~known).any(axis=(-2, -1)), np.nan, present.sum(axis=-1))[..., None]
    n = np.where(n >= MIN_RATERS_FOR_IMPRINT, n, np.nan)
    value = np.where(both, agreement, 0.0)
    own, of_all = np.diagonal(value, axis1=-2, axis2=-1), value.sum(axis=-2)
    with_own = own - (of_all - own) / (n - 1)
    outsiders = ((of_all - own)[..., None, :] - value) / (n - 2)[..., None]  # models of neither r nor j, with rater j
    others = both & ~np.eye(agreement.shape[-1], dtype=bool)
    with_others = np.where(others, value - outsiders, 0.0).sum(axis=-1) / (n - 1)
    return np.where(present, with_own - with_others, np.nan)


def held_out_models(
    agreement: pd.DataFrame, annotations: pd.DataFrame, measure: str
) -> tuple[pd.Index, list[str], dict[str, np.ndarray]]:
    """Agreement of models with each rater on cases that they are known not to be trained on.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        measure: A measure of agreement.

    Returns:
        The N cases; the R raters; and for each `trained_on` an array `(N, R)`, the mean over its models, NaN where none
        of them is held out or the rater has no mask. Where several strategies train on the same, those models count
        whose strategy trains on most raters or consensuses, the first of equal ones.
    """
    raters, pairs = raters_of(annotator_kinds(annotations)), pair_values(agreement, measure)
    unseen, found = _unseen(annotations), {}
    for trained_on, models in sorted(unseen_models(annotations).items()):
        names = [model.name for model in models]
        rows = unseen[unseen["annotator"].isin(names)]
        known = np.zeros((len(pairs.cases) + 1, len(names)), dtype=bool)  # the last row is of cases without any pair
        model = pd.Categorical(rows["annotator"], categories=names).codes
        known[pairs.cases.get_indexer(pd.Index(rows["case"])), model] = True
        values = pairs.between(names, raters)
        found[trained_on] = mean_of_known(np.where(known[:-1, :, None], values, np.nan), axis=1)
    return pairs.cases, raters, found


def unseen_models(annotations: pd.DataFrame) -> dict[str, tuple[Origin, ...]]:
    """Models that are known to be held out, by what they were trained on, as `held_out_models` uses them."""
    return _of_widest_strategy(origins(_unseen(annotations)))


def _unseen(annotations: pd.DataFrame) -> pd.DataFrame:
    """Rows of models on cases that they are known not to be trained on."""
    held_out = annotations["held_out"].eq(True).fillna(False).astype(bool)
    return annotations[held_out & annotations["kind"].eq("model")]


def _of_widest_strategy(models: Sequence[Origin]) -> dict[str, tuple[Origin, ...]]:
    """Models by what they were trained on, of the strategy that trains on most; of equal ones the first."""
    known = [model for model in models if model.trained_on]
    of_strategy = grouped(known, lambda model: model.strategy)
    breadth = {strategy: len({model.trained_on for model in of}) for strategy, of in of_strategy.items()}
    found = {}
    for trained_on, of in grouped(known, lambda model: model.trained_on).items():
        widest = max(sorted({model.strategy for model in of}), key=breadth.__getitem__)
        found[trained_on] = tuple(model for model in of if model.strategy == widest)
    return found


def rater_imprint(
    agreement: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    measure: str = "f1",
    level: float = 0.95,
) -> pd.DataFrame:
    """Imprint of each rater on the models trained on that rater's masks, and its mean over raters.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns; models count where `held_out` is true, averaged over seeds.
        clusters: Case -> subject, or the case itself.
        measure: Measure of agreement; the row is called `imprint`, with another measure than F1 `imprint_<measure>`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, a row per rater and one of all raters; in a case, raters take part who have both a
        mask and a model. `note` says how often an interval lies above 0 where there is no imprint. Without rows where
        fewer than 3 raters do in any case.
    """
    cases, raters, models = held_out_models(agreement, annotations, measure)
    own = [rater for rater in raters if rater in models]
    places = [raters.index(rater) for rater in own]
    if len(own) < MIN_RATERS_FOR_IMPRINT:
        return score_table([], clusters)
    square = np.stack([models[rater][:, places] for rater in own], axis=1)
    drawn = ~np.isnan(square).all(axis=1)
    values = pd.DataFrame(imprint(square), cases, own)
    form = IMPRINT.form("" if measure == "f1" else measure)  # F1 goes without saying
    of_rater = {rater: values.loc[drawn[:, r], rater] for r, rater in enumerate(own)}
    table = _with_mean(form, of_rater, clusters, level)
    assert IMPRINT.errors is not None
    return table.assign(note=table["note"].mask(table["low"] > 0, f"above 0 ({IMPRINT.errors.words})"))


def _with_mean(form: Form, of_rater: dict[str, pd.Series], clusters: pd.Series, level: float) -> pd.DataFrame:
    """A row per rater with a value, and one of their mean."""
    known = {rater: values for rater, values in of_rater.items() if values.notna().any()}
    scores = [Score(form, rater, values) for rater, values in known.items()]
    if scores:
        scores.append(Score(form, ALL_RATERS, mean_over_raters(pd.DataFrame(known))))
    return score_table(scores, clusters, level)


def removal_of_bias(
    agreement: pd.DataFrame,
    annotations: pd.DataFrame,
    clusters: pd.Series,
    *,
    measure: str = "f1",
    level: float = 0.95,
) -> pd.DataFrame:
    """How much better models of a consensus agree with a rater they never saw than other raters' models do.

    Agreement with rater r of consensus models trained without r, minus that of the models of each other rater, averaged
    over these. Neither side was trained on masks of r.

    Args:
        agreement: As for `rater_imprint`.
        annotations: As for `rater_imprint`; consensus models have `trained_on` such as `staple_without_expert_1`.
        clusters: As for `rater_imprint`.
        measure: As for `rater_imprint`; the row is called `removal_of_bias`, with another consensus than STAPLE
            `removal_of_bias_<method>`, then perhaps `_<measure>`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, a row per rater and one of all raters; without rows where there are no such models.
    """
    cases, raters, models = held_out_models(agreement, annotations, measure)
    of_method: dict[str, dict[str, pd.Series]] = {}
    for place, rater in enumerate(raters):
        experts = [models[other][:, place] for other in raters if other != rater and other in models]
        for trained_on, values in models.items():
            method, found, left_out = trained_on.partition(WITHOUT)
            if found and left_out == rater and experts:
                difference = values[:, place] - mean_of_known(np.stack(experts, axis=1))
                of_method.setdefault(method, {})[rater] = pd.Series(difference, cases)[
                    ~np.isnan(np.stack(experts)).all(axis=0)
                ]
    tables = [
        _with_mean(removal_form(method, measure), of_rater, clusters, level) for method, of_rater in of_method.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else score_table([], clusters)


def removal_form(method: str, measure: str = "f1") -> Form:
    """Form of the removal of bias by one consensus; the defaults, STAPLE and F1, are not part of its name.

    Example:
        >>> removal_form("staple").name, removal_form("majority", "dice").name
        ('removal_of_bias', 'removal_of_bias_majority_dice')
    """
    return REMOVAL_OF_BIAS.form("" if measure == "f1" else measure, variant="" if method == "staple" else method)
