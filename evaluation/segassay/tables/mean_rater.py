"""The mean of exchangeable raters: one annotator whose measurements do not change if raters change places in a case.

measurements of the raters of each case  ->  their mean, which the experiment can be tested on
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segassay.data.measurements import OF_ALL

__all__ = ["MEAN_OF_RATERS", "MEAN_OF_RATERS_NOTE", "mean_counts", "mean_measured"]

MEAN_OF_RATERS = "mean of the raters"
"""Annotator of the mean, in effects and their prerequisites."""

MEAN_OF_RATERS_NOTE = (
    "mean over the raters of each case; if the raters of one group are not those of another, a difference may be theirs"
)


def mean_counts(counts: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    """Mean of each measurement over the raters of a case.

    Args:
        counts: `case, annotator` and numbers, such as `Tables.counts`; NaN where undefined.
        raters: Annotators that are the raters.

    Returns:
        One row per case that a rater has, in their order: `case, annotator`, which is `MEAN_OF_RATERS`, and the means
        over those raters whose number is known; NaN where none is. A case may have more raters than another.

    Example:
        >>> counts = pd.DataFrame({"case": ["1", "1", "2"], "annotator": ["a", "b", "b"], "n_objects": [4, 6, 3],
        ...                        "mean_intensity": [0.5, None, None]})
        >>> mean_counts(counts, ["a", "b"])[["case", "n_objects", "mean_intensity"]]
          case  n_objects  mean_intensity
        0    1        5.0             0.5
        1    2        3.0             NaN
    """
    own = counts[counts["annotator"].isin(raters)]
    numbers = [name for name in own.select_dtypes("number") if name not in ("case", "annotator")]
    cases = own["case"].unique()
    means = {name: _mean_of(own, str(name), cases) for name in numbers}
    return pd.DataFrame({"case": cases, "annotator": MEAN_OF_RATERS, **means})


def mean_measured(measured: pd.DataFrame, raters: Sequence[str]) -> pd.DataFrame:
    """The same of a table with one row per measurement: `case, annotator, measure, value`, and perhaps `unit`.

    Measurements without annotator, such as endpoints of a lab that need no masks, stay as they are.
    """
    parts = [measured[measured["annotator"] == OF_ALL]]
    for name, rows in measured[measured["annotator"].isin(raters)].groupby("measure", sort=False):
        cases = rows["case"].unique()
        mean = pd.DataFrame({"case": cases, "annotator": MEAN_OF_RATERS, "measure": name})
        parts.append(mean.assign(value=_mean_of(rows, "value", cases)))
    return pd.concat(parts, ignore_index=True)


def _mean_of(rows: pd.DataFrame, name: str, cases: np.ndarray) -> np.ndarray:
    """Sorted before they are added, so that the last bit does not depend on the order of the raters."""
    table = rows.assign(number=rows[name].astype(float)).pivot(index="case", columns="annotator", values="number")
    values = np.sort(table.reindex(cases).to_numpy(), axis=1)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(
            np.where(known, values, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
        )
