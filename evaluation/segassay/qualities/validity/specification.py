"""Specification curve: does the conclusion depend on arbitrary choices of the analysis?

    effects (annotators × count, density × test units)   ->  specifications
    tables.recounts, remeasured (× min size × threshold)  ->  specification_table
    either                                                ->  specification_curve  ->  specification_shares

One specification is one analysis of the same images: the annotator (each rater, each consensus, each seed), the
measurement, the units, and the size and probability from which an object counts.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from segassay.qualities.scores.table import annotator_kinds, interval_row, score_rows
from segassay.qualities.validity.records import (
    SPECIFICATIONS_EFFECT,
    SPECIFICATIONS_SAME_SIGN,
    SPECIFICATIONS_SIGNIFICANT,
)
from segassay.statistics.intervals import Interval
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise

__all__ = [
    "CHOICES",
    "outcomes",
    "specification_curve",
    "specification_shares",
    "specification_table",
    "specifications",
]

CHOICES = ("annotator", "measure", "unit", "min_size", "threshold")
"""Columns that make a specification; `min_size` and `threshold` only where objects were counted again."""

NUMBERS, SIZES = ("count", "density"), ("area", "volume")
"""Measurements whose analyses are compared: the number of objects, or, if it is not tested, the size of all objects."""

ALPHA = 0.05


def outcomes(measurements: Iterable[str]) -> list[str]:
    """Those of the tested measurements whose analyses are compared.

    Example:
        >>> outcomes(["area", "count", "solidity"]), outcomes(["area", "solidity"])
        (['count'], ['area'])
    """
    tested = list(measurements)
    return [name for name in tested if name in NUMBERS] or [name for name in tested if name in SIZES]


def specifications(effects: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """All analyses of the number of objects, or of their area or volume, in the effects, pooled over regions.

    Args:
        effects: What `segassay.tables.effects.effects` returns; may have further columns of `CHOICES`.
        annotations: What `read_annotations` returns; a truth is no choice and is left out.

    Returns:
        One row per specification and pair of groups: `contrast`, the `CHOICES` that are columns of the effects,
        `effect` (Hodges-Lehmann shift in multiples of the control mean), `low`, `high`, `p_value` (adjusted) and
        `verdict`. Where all regions have one area, densities repeat the counts and are left out.
    """
    truths = [name for name, kind in annotator_kinds(annotations).items() if kind == "truth"]
    rows = effects[(effects["test"] == "mann_whitney") & (effects["region"] == "")]
    rows = rows[rows["measure"].isin(outcomes(rows["measure"].unique()))]
    rows = rows[~rows["annotator"].isin(truths)]
    rows = rows.assign(
        contrast=rows["group_2"] + " against " + rows["group_1"],
        effect=rows["hl_shift"],
        low=rows["hl_low"],
        high=rows["hl_high"],
        p_value=rows["p_adjusted"],
    )
    choices = [choice for choice in CHOICES if choice in rows]
    rows = rows[["contrast", *choices, "effect", "low", "high", "p_value", "verdict"]].reset_index(drop=True)
    same = [choice for choice in choices if choice != "measure"]
    repeated = rows.round({"effect": 9, "p_value": 12}).duplicated(["contrast", *same, "effect", "p_value"])
    return rows[~(repeated & (rows["measure"] == "density"))].reset_index(drop=True)


def specification_curve(specifications: pd.DataFrame) -> pd.DataFrame:
    """Sort specifications by their effect.

    Args:
        specifications: Columns `contrast, effect, p_value` and any others; an effect may be NaN.

    Returns:
        The same rows by contrast, in the order in which these come, then by effect, undefined ones last; with `rank`
        from 1 within the contrast, `significant` (p < .05), and `same_sign` as the median effect of the contrast.

    Example:
        >>> table = pd.DataFrame({"contrast": "C against H", "annotator": ["anna", "ben", "cleo"],
        ...                       "effect": [0.5, -0.1, 0.2], "p_value": [0.01, 0.7, 0.2]})
        >>> specification_curve(table)[["annotator", "rank", "significant", "same_sign"]].to_numpy().tolist()
        [['ben', 1, False, False], ['cleo', 2, False, True], ['anna', 3, True, True]]

    References:
        Simonsohn, Simmons & Nelson (2020), Nat. Hum. Behav. 4:1208-1214, doi:10.1038/s41562-020-0912-z.
    """
    order = {contrast: i for i, contrast in enumerate(specifications["contrast"].unique())}
    position = specifications["contrast"].map(order)
    curve = specifications.assign(_position=position).sort_values(["_position", "effect"], kind="stable")
    curve = curve.drop(columns="_position").reset_index(drop=True)
    of_contrast = curve.groupby("contrast", sort=False)["effect"]
    sign = np.sign(of_contrast.transform("median"))
    return curve.assign(
        rank=of_contrast.cumcount() + 1,
        significant=curve["p_value"] < ALPHA,
        same_sign=(np.sign(curve["effect"]) == sign) & (sign != 0),
    )


def specification_shares(curve: pd.DataFrame) -> pd.DataFrame:
    """Median effect, and shares of the specifications that are significant or have the same sign.

    Args:
        curve: What `specification_curve` returns.

    Returns:
        Rows with `SCORE_COLUMNS`, one target per contrast: `specifications_effect`, the median effect (`low` and `high`
        are the smallest and the largest), `specifications_significant` and `specifications_same_sign`, shares of the
        specifications with an effect. `n_cases` counts these. No interval: specifications share their images.
    """
    rows = []
    for contrast, part in curve.groupby("contrast", sort=False):
        known = part[part["effect"].notna()]
        n, n_undefined = len(known), int(part["effect"].isna().sum())
        effect, note = known["effect"], "n_cases counts specifications"
        middle = Interval(effect.median(), effect.min(), effect.max(), "smallest to largest", n, n_undefined, False)
        rows.append(interval_row(SPECIFICATIONS_EFFECT.form(), str(contrast), middle, note=note))
        for record, column in ((SPECIFICATIONS_SIGNIFICANT, "significant"), (SPECIFICATIONS_SAME_SIGN, "same_sign")):
            share = float(known[column].mean()) if n else math.nan
            found = Interval(share, math.nan, math.nan, "", n, n_undefined, False)
            rows.append(interval_row(record.form(), str(contrast), found, note=note))
    return score_rows(rows)


def specification_table(
    recounts: pd.DataFrame,
    annotations: pd.DataFrame,
    experiment: pd.DataFrame,
    control: str,
    measurements: Sequence[str] = NUMBERS,
) -> pd.DataFrame:
    """Specifications with further minimum sizes of objects and, where there are probabilities, thresholds.

    Args:
        recounts: Table `recounts` of `segassay.tables.build`; `remeasured` if `measurements` are an area or a volume.
        annotations: What `read_annotations` returns.
        experiment: As for `segassay.tables.normalise.normalise`.
        control: Name of the control group.
        measurements: What `outcomes` returns.

    Returns:
        As `specifications`, with `min_size` and `threshold`, NaN for a mask as it is.

    Raises:
        DataError: As `normalise`.
    """
    keys = ["annotator", "min_size", "threshold"]
    kept = recounts[keys].drop_duplicates().reset_index(drop=True)
    number = pd.MultiIndex.from_frame(kept).get_indexer(pd.MultiIndex.from_frame(recounts[keys]))
    one_each = recounts.assign(annotator=number.astype(str))
    tidy = normalise(one_each, experiment, control, measurements, one_each if "value" in one_each else None)
    tested = effects(tidy.assign(region=""))  # normalised within regions, tested over all
    choices = kept.iloc[tested["annotator"].astype(int)].reset_index(drop=True)
    return specifications(tested.assign(**{key: choices[key] for key in keys}), annotations)
