"""The order in which a person should look at predicted images: worst first, each with the reason.

    cases.csv, objects.csv  ->  review  ->  review.csv

The expected quality needs no reference. It is an estimate from the model's own confidence, and a model can be confident
and wrong: images unlike those of the training therefore come first, whatever their expected quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.names import natural_key
from segassay.errors import number_of
from segassay.io.stored_tables import parts_of

__all__ = ["REVIEW_COLUMNS", "expected_quality", "review"]

REVIEW_COLUMNS = ("rank", "case", "expected_quality", "reason")

_UNSURE, _DISAGREE = 0.75, 0.7
"""Expected quality below which objects are said to be unsure, and mean Dice below which members disagree."""

_MANY, _FEW = 3.0, 1 / 5
"""Parts of the median number of objects of all images, above or below which a number is called unusual."""

_ENOUGH = 5  # images, and objects of the median one: fewer say nothing about what is usual
_FULL, _AT_BORDER = 0.5, 0.5


def expected_quality(cases: pd.DataFrame, objects: pd.DataFrame) -> pd.Series:
    """Mean over the objects of an image of the model's mean probability inside each.

    It orders images; it is neither an F1 nor a probability. Spearman's correlation with the F1 of held-out images:
    lab-wue1 (9 images, against STAPLE) 0.88 for the ensemble of four and 0.75 to 0.87 for its members; simulated
    demonstration (24 images, against the truth) 0.41, 0.21 and -0.09 for ensembles of two, 0.17 to 0.41 for single
    members. The mean Dice between members reached 0.82 and, in the demonstration, -0.02 to 0.10; the mean certainty of
    foreground pixels 0.92 and 0.06 to 0.28. Confidence was the steadiest, and a single member has it too. In the
    demonstration an image has about 12 objects, so that its F1 is itself a matter of one or two objects.

    Args:
        cases: One row per image, with `case`.
        objects: One row per object, with `case` and `confidence`.

    Returns:
        One value per row of `cases`, from 0.5 to 1; NaN without objects.

    Example:
        >>> objects = pd.DataFrame({"case": ["a", "a"], "confidence": [0.75, 0.875]})
        >>> expected_quality(pd.DataFrame({"case": ["a", "b"]}), objects).tolist()
        [0.8125, nan]
    """
    means = _mean_of_cases(objects, "confidence") if len(objects) else pd.Series(dtype=float)
    return cases["case"].map(means).astype(float)


def _mean_of_cases(objects: pd.DataFrame, column: str) -> pd.Series:
    return pd.concat([part.groupby("case")[column].mean() for part in parts_of(objects, ["case", column])])


def review(cases: pd.DataFrame, objects: pd.DataFrame) -> pd.DataFrame:
    """Sort images by how much they need to be looked at.

    Args:
        cases: One row per image: `case`, `n_objects`, `area_px`, `region_area_px`, and where known `quality` (mean Dice
            between members), `unlike_training`, `unlike_threshold` and `is_unlike`.
        objects: One row per object: `case`, `confidence`, `touches_border`.

    Returns:
        Table with `REVIEW_COLUMNS`: images unlike the training images first, then those without objects, whose quality
        is unknown, then the others by expected quality, lowest first. `reason` is empty where nothing is unusual.

    Example:
        >>> cases = pd.DataFrame({"case": ["a", "b", "c"], "n_objects": [1, 1, 0], "area_px": 9, "region_area_px": 99})
        >>> objects = pd.DataFrame({"case": ["a", "b"], "confidence": [0.9, 0.6], "touches_border": False})
        >>> review(cases, objects)[["rank", "case", "reason"]].to_numpy().tolist()
        [[1, 'c', 'nothing found'], [2, 'b', 'unsure objects'], [3, 'a', '']]
    """
    table = cases.assign(
        expected_quality=expected_quality(cases, objects), at_border=_share_at_border(cases, objects)
    ).reset_index(drop=True)
    is_unlike = _marked(table, "is_unlike")
    usual = float(table["n_objects"].median()) if len(table) >= _ENOUGH else np.nan
    rows = table.to_dict("records")
    reasons = ["; ".join(_reasons(row, unlike, usual)) for row, unlike in zip(rows, is_unlike, strict=True)]
    order = table["case"].astype(str).map(natural_key)
    table = table.assign(reason=reasons, last=~is_unlike, order=order)
    table = table.sort_values(["last", "expected_quality", "order"], na_position="first", ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))[list(REVIEW_COLUMNS)]


def _marked(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series(False, index=table.index)
    return table[column].map(lambda cell: str(cell) == "True")


def _share_at_border(cases: pd.DataFrame, objects: pd.DataFrame) -> pd.Series:
    if not len(objects) or "touches_border" not in objects:
        return pd.Series(0.0, index=cases.index)
    return cases["case"].map(_mean_of_cases(objects, "touches_border")).fillna(0.0)


def _reasons(row: dict[Any, Any], unlike: bool, usual: float) -> Iterator[str]:
    n = row["n_objects"]
    if unlike:
        times = row["unlike_training"] / row["unlike_threshold"]
        yield f"unlike the training images ({times:.1f} times the usual limit)"
    if n == 0:
        yield "nothing found"
        return
    if row["expected_quality"] < _UNSURE:
        yield "unsure objects"
    agreement = row.get("quality", np.nan)
    if agreement is not None and agreement < _DISAGREE:
        yield f"members disagree (mean Dice {agreement:.2f})"
    if usual >= _ENOUGH and n > _MANY * usual:
        yield f"very many objects: {n}, {n / usual:.1f} times the median of all images"
    if usual >= _ENOUGH and n < _FEW * usual:
        yield f"near empty: {number_of(n, 'object')}, the median of all images is {usual:g}"
    if row["area_px"] > _FULL * row["region_area_px"]:
        yield f"{row['area_px'] / row['region_area_px']:.0%} of the image is marked"
    if row["at_border"] > _AT_BORDER:
        yield f"{row['at_border']:.0%} of the objects touch the border"
