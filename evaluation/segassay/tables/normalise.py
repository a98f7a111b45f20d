"""Divide measurements by those of the control group.

    counts, experiment  ->  normalise  ->  value of each annotator, case and measure in multiples of the control mean

Every measurement is divided by the mean of the control group in its region and batch, for each annotator by its own
control, so that an annotator who marks twice as much everywhere finds the same effects.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segassay.data.measurements import BY_DEFAULT, OF_ALL
from segassay.data.named_channels import intensities_in
from segassay.data.names import natural_key
from segassay.errors import DataError

__all__ = ["MEASURES", "normalise"]

MEASURES = {"count": "n_objects", "density": "density", "mean_intensity": "mean_intensity"}
"""Measurements in the counts table, and their columns; with names of channels intensities are columns of their own."""


def normalise(
    counts: pd.DataFrame,
    experiment: pd.DataFrame,
    control_group: str,
    measurements: Sequence[str] = BY_DEFAULT,
    measured: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Divide every measurement by the control group's mean within its region and batch, per annotator.

    A stratum whose control is absent, or has a mean of 0 (or less), cannot be normalised: its rows stay, with `value`
    NaN, so that they can be counted. Cases without a row in the experiment table are left out; a missing mask
    has no row.

    Args:
        counts: One row per case and annotator: `case, annotator` and the columns of those `measurements` that are in
            `MEASURES`, or are intensities of channels (`mean_intensity_cFOS`); further columns are ignored. A
            measurement may be NaN (the mean intensity without objects).
        experiment: Text columns `case`, `group` and any of `region`, `subject`, `batch`.
        control_group: Group by which the others are divided.
        measurements: Names of the measurements, in the order of the result.
        measured: Further measurements, `case, annotator, measure, value`. Those without annotator are of every case of
            the experiment; those of an annotator of the cases that it has counts of. Without a value they are NaN.

    Returns:
        One row per annotator, case and measure: `case, annotator, measure, region, subject, batch, group, control`
        (bool), `raw`, `control_mean`, `value`; region, subject and batch are empty text where there is no such column.
        Without counts a table without rows.

    Raises:
        DataError: If a column is missing, a case is repeated, a control group is absent, or subjects are given but a
            case has none or a subject is in two groups.

    Example:
        >>> counts = pd.DataFrame({"case": ["1", "2", "3"], "annotator": "anna", "n_objects": [4, 6, 15]})
        >>> experiment = pd.DataFrame({"case": ["1", "2", "3"], "group": ["H", "H", "C"]})
        >>> normalise(counts, experiment, "H", ["count"])[["case", "raw", "control_mean", "value"]]
          case   raw  control_mean  value
        0    1   4.0           5.0    0.8
        1    2   6.0           5.0    1.2
        2    3  15.0           5.0    3.0
    """
    column_of = MEASURES | {name: name for name in intensities_in(list(counts)) if name in measurements}
    columns = [column_of[name] for name in measurements if name in column_of]
    _check_columns("counts", counts, ["case", "annotator", *columns])
    _check_columns("the experiment table", experiment, ["case", "group"])
    _check_unique("counts", counts, ["case", "annotator"])
    _check_unique("the experiment table", experiment, ["case"])
    known = ["case", "region", "subject", "batch", "group"]
    strata = experiment.reindex(columns=known).astype(object).fillna("").astype(str)
    if control_group not in set(strata["group"]):
        what = f"control group {control_group!r} is not a group of the experiment: {_listed(strata['group'])}"
        raise DataError.of(None, what)
    _check_subjects(strata)

    cases = counts.merge(strata, on="case")
    tidy = pd.concat(
        [
            cases.assign(measure=name, raw=cases[column_of[name]].astype(float))
            if name in column_of
            else _further(name, measured, cases, strata)
            for name in measurements
        ],
        ignore_index=True,
    )
    stratum = ["annotator", "measure", "region", "batch"]
    control = tidy[tidy["group"] == control_group].groupby(stratum, sort=False)["raw"].mean()
    tidy = tidy.merge(control.rename("control_mean").reset_index(), on=stratum, how="left")
    # Rounded, so that values that are equal as fractions stay tied when strata are pooled.
    tidy["value"] = (tidy["raw"] / tidy["control_mean"].where(tidy["control_mean"] > 0)).round(12)
    tidy["control"] = tidy["group"] == control_group
    columns = ["case", "annotator", "measure", "region", "subject", "batch", "group", "control"]
    return tidy[[*columns, "raw", "control_mean", "value"]]


def _further(name: str, measured: pd.DataFrame | None, cases: pd.DataFrame, strata: pd.DataFrame) -> pd.DataFrame:
    """Rows of a measurement that is not in the counts: of its annotators, or of the experiment's cases without any."""
    if measured is None:
        return cases.iloc[:0].assign(measure=name, raw=np.nan)
    own = measured[measured["measure"] == name]
    of_all = (own["annotator"] == OF_ALL).any()
    rows = strata.assign(annotator=OF_ALL) if of_all else cases[cases["annotator"].isin(own["annotator"])]
    raw = own.set_index(["case", "annotator"])["value"]
    keys = pd.MultiIndex.from_frame(rows[["case", "annotator"]])
    return rows.assign(measure=name, raw=raw.reindex(keys).to_numpy(dtype=float))


def _check_columns(name: str, table: pd.DataFrame, needed: list[str]) -> None:
    missing = [column for column in needed if column not in table]
    if missing:
        got = ", ".join(map(str, table))
        what, expected = f"{name} lacks the column {missing[0]!r}", f"{', '.join(needed)}, got {got}"
        raise DataError.of(None, what, expected=expected)


def _check_unique(name: str, table: pd.DataFrame, key: list[str]) -> None:
    twice = table[table.duplicated(key)]
    if len(twice):
        what = f"{name}: {' × '.join(twice[key].iloc[0])} is repeated"
        raise DataError.of(None, what, expected=f"one row per {' × '.join(key)}")


def _listed(names: pd.Series) -> str:
    return ", ".join(sorted(names.unique(), key=natural_key))


def _check_subjects(strata: pd.DataFrame) -> None:
    if not strata["subject"].any():
        return
    without = strata.loc[strata["subject"] == "", "case"]
    if len(without):
        what = f"case {without.iloc[0]!r} has no subject while others have"
        raise DataError.of(None, what, "name the subject of every case")
    groups = strata.groupby("subject", sort=False)["group"].unique()
    for subject, names in groups[groups.map(len) > 1].items():
        raise DataError.of(
            None,
            f"subject {subject!r} is in the groups {', '.join(names)}",
            "expected one group per subject: if these are different animals, give each a name of its own",
        )
