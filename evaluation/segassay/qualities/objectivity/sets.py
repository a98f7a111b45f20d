"""Do the predictions of several models cover what the raters say? Masks by Dice, counts and areas as distributions.

agreement, counts  ->  sets of models beside the raters  ->  Dice_max, Dice_match, CRPS
"""

import numpy as np
import pandas as pd

from segassay.data.annotations import raters_of
from segassay.qualities.objectivity.measurements import AMOUNTS, measurements_of
from segassay.qualities.objectivity.models import sets_of_models
from segassay.qualities.objectivity.records import CRPS, DICE_MATCH, DICE_MAX
from segassay.qualities.scores.pairs import pair_values
from segassay.qualities.scores.table import Score, annotator_kinds, score_table
from segassay.statistics.sets import best_agreement, crps, matched_agreement

__all__ = ["amounts_as_distributions", "best_and_matched_dice"]


def best_and_matched_dice(
    agreement: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Dice of each rater with the model that fits best, and with the model that is left if each is given away once.

    Args:
        agreement: Table of `segassay.tables.build`.
        annotations: What `read_annotations` returns.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, `dice_max` and `dice_match`: a row for models trained alike but for the seed, and
        one for the models of all single raters together. Undefined in a case where a rater has no mask; without rows
        below two raters.
    """
    pairs, raters, scores = pair_values(agreement, "dice"), raters_of(annotator_kinds(annotations)), []
    for target, models in sets_of_models(annotations).items() if len(raters) > 1 else ():
        if not set(models) | set(raters) <= set(pairs.position):
            continue
        values = pairs.between(models, raters)
        covered = ~np.isnan(values).all(axis=(1, 2))
        note = f"{len(models)} models, {len(raters)} raters"
        for record, measure in ((DICE_MAX, best_agreement), (DICE_MATCH, matched_agreement)):
            found = pd.Series(measure(values), pairs.cases)[covered]
            if found.notna().any():
                scores.append(Score(record.form(), target, found, note=note))
    return score_table(scores, clusters, level)


def amounts_as_distributions(
    counts: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """CRPS of the counts and areas of several models, against those of every rater.

    Args:
        counts: Table of `segassay.tables.build`.
        annotations: As for `best_and_matched_dice`.
        clusters: As for `best_and_matched_dice`.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`, `crps_count` and `crps_area`, in objects and pixels; `human_low` to `human_high` are
        those of the other raters against each rater. A case without a rater, or where a prediction is missing, is
        undefined.
    """
    raters, scores = raters_of(annotator_kinds(annotations)), []
    for target, models in sets_of_models(annotations).items() if len(raters) > 1 else ():
        for name, column in AMOUNTS.items():
            values = measurements_of(counts, column, [*models, *raters])
            own = values[raters].to_numpy()
            found = pd.Series(crps(values[models].to_numpy(), own), values.index)
            human = [np.nanmean(score) for score in _of_raters(own) if not np.isnan(score).all()]
            low, high = (min(human), max(human)) if human else (np.nan, np.nan)
            if found.notna().any():
                note = f"{len(models)} models, {len(raters)} raters"
                scores.append(Score(CRPS.form(name), target, found, low, high, note=note))
    return score_table(scores, clusters, level)


def _of_raters(own: np.ndarray) -> list[np.ndarray]:
    """CRPS `(N,)` of the others against each rater, where all have a number."""
    return [crps(np.delete(own, place, axis=1), own[:, [place]]) for place in range(own.shape[1])]
