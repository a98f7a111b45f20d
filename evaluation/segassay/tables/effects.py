"""Test the effects of the experiment, as measured with the masks of each annotator.

    counts, experiment  ->  normalise  ->  effects, prerequisites

Every measurement is divided by the mean of the control group in its region and batch, for each annotator by its own
control, so that an annotator who marks twice as much everywhere finds the same effects. Rows of the tables are never
removed: tests that are impossible stay in, with empty p-values, the verdict `not_testable` and a note that says why.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from segassay.data.measurements import BY_DEFAULT, OF_ALL
from segassay.data.names import natural_key
from segassay.errors import DataError
from segassay.statistics.groups import (
    grubbs,
    hodges_lehmann,
    holm,
    kruskal_wallis,
    mann_whitney,
    mixed_model,
    smallest_attainable_p,
    unequal_spread_p,
    welch,
)

__all__ = [
    "EFFECT_COLUMNS",
    "IMAGES_AS_UNITS",
    "MEASURES",
    "PREREQUISITE_COLUMNS",
    "UNEQUAL_SPREAD",
    "effects",
    "grubbs",
    "hodges_lehmann",
    "holm",
    "kruskal_wallis",
    "mann_whitney",
    "mixed_model",
    "normalise",
    "prerequisites",
    "smallest_attainable_p",
    "unequal_spread_p",
    "welch",
]

ALPHA = 0.05
MEASURES = {"count": "n_objects", "density": "density", "mean_intensity": "mean_intensity"}
"""Measurements in the counts table, and their columns."""

UNEQUAL_SPREAD = "this test finds a difference, one that allows unequal spread does not"
IMAGES_AS_UNITS = "images as units: anti-conservative if animals repeat"

# fmt: off
EFFECT_COLUMNS = (
    "annotator", "measure", "region", "unit", "test", "group_1", "group_2", "n_1", "n_2", "statistic", "p_value",
    "p_exact", "p_adjusted", "p_unequal", "eta_squared", "direction", "verdict",
    "epsilon_squared", "rank_biserial", "hl_shift", "hl_low", "hl_high", "n_left_out", "n_undefined", "note",
)
PREREQUISITE_COLUMNS = (
    "annotator", "measure", "region", "unit", "test", "group", "n", "statistic", "p_value", "critical", "rejected",
    "outlier",
)
# fmt: on
INTEGER_COLUMNS = ("n_1", "n_2", "direction", "n_left_out", "n_undefined", "n")


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
            `MEASURES`; further columns are ignored. A measurement may be NaN (the mean intensity without objects).
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
    columns = [MEASURES[name] for name in measurements if name in MEASURES]
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
            cases.assign(measure=name, raw=cases[MEASURES[name]].astype(float))
            if name in MEASURES
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


@dataclass(frozen=True, eq=False)
class _Units:
    """Cases or subjects: name, subject, group and value of each, `(n,)` each."""

    name: np.ndarray
    subject: np.ndarray
    group: np.ndarray
    value: np.ndarray

    def where(self, wanted: np.ndarray) -> "_Units":
        return _Units(self.name[wanted], self.subject[wanted], self.group[wanted], self.value[wanted])

    def values_of(self, groups: list[str]) -> dict[str, np.ndarray]:
        return {group: self.value[self.group == group] for group in groups}


@dataclass(frozen=True, eq=False)
class _Sample:
    """Data of one family of tests: units with a defined value."""

    key: dict[str, str]
    units: _Units
    n_left_out: int
    n_undefined: int
    note: str


def _samples(normalised: pd.DataFrame) -> Iterator[_Sample]:
    """Annotator × measure × region × unit, pooled before the regions."""
    regions = ["", *sorted(set(normalised["region"]) - {""}, key=natural_key)]
    units = list(dict.fromkeys(["case", unit_of(normalised["subject"])]))
    for (annotator, measure), rows in normalised.groupby(["annotator", "measure"], sort=False):
        whole = {str(column): rows[column].to_numpy() for column in rows}
        for region in regions:
            part = {name: of[whole["region"] == region] for name, of in whole.items()} if region else whole
            value, notes = _region_value(part) if region else (part["value"], [])
            left_out = np.isnan(value) & ~np.isnan(part["raw"])
            if left_out.any():
                n_strata = len(set(zip(part["region"][left_out], part["batch"][left_out], strict=True)))
                notes = [f"{left_out.sum()} cases in {n_strata} strata left out: control absent or 0"]
            cases = _Units(part["case"], part["subject"], part["group"], value).where(~np.isnan(value))
            for unit in units:
                yield _Sample(
                    key={"annotator": str(annotator), "measure": str(measure), "region": region, "unit": unit},
                    units=cases if unit == "case" else _subject_means(cases),
                    n_left_out=int(left_out.sum()),
                    n_undefined=int(np.isnan(part["raw"]).sum()),
                    note="; ".join(notes),
                )


def _region_value(part: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Within a single stratum the tests need no normalisation, so a stratum without control can still be tested."""
    if np.isnan(part["value"]).all() and len(set(part["batch"])) == 1:
        return part["raw"], ["raw values: control absent or 0"]
    return part["value"], []


def _subject_means(cases: _Units) -> _Units:
    code, subjects = pd.factorize(cases.subject)
    first = np.unique(code, return_index=True)[1]
    means = pd.Series(cases.value).groupby(code).mean().to_numpy()
    return _Units(subjects, subjects, cases.group[first], _without_rounding_errors(means))


def _without_rounding_errors(values: np.ndarray) -> np.ndarray:
    """Values with 12 digits: equal means of other numbers may differ in the last bit, and then ranks are no ties."""
    digits = 11 - np.floor(np.log10(np.abs(np.where(values == 0, 1, values))))
    return np.asarray(np.round(values * 10.0**digits) / 10.0**digits)


def unit_of(subjects: pd.Series) -> str:
    """Unit of an experiment: the subject where any is known, else the case.

    Args:
        subjects: Names, empty where a subject is unknown; or whether the unit of each test is the subject.

    Example:
        >>> unit_of(pd.Series(["m1", ""])), unit_of(pd.Series(["", ""]))
        ('subject', 'case')
    """
    return "subject" if subjects.any() else "case"


def on_deciding_unit(effects: pd.DataFrame) -> pd.DataFrame:
    """Rows of effects whose units are subjects; where there are none, those whose units are cases."""
    return effects[effects["unit"] == unit_of(effects["unit"] == "subject")]


def effects(normalised: pd.DataFrame) -> pd.DataFrame:
    """Test the groups against each other, annotator by annotator.

    Per annotator × measure × region (pooled first) × unit one Kruskal-Wallis row and one Mann-Whitney row per pair of
    groups, adjusted by Holm over the pairs. With subjects, their means are tested as units in addition to the cases,
    and a mixed model with a random effect of subject joins the rows of unit case, with its own Holm adjustment.

    - `statistic` is H, U of group_1, or t of the difference group_2 - group_1 (mixed model).
    - `direction` is the sign of the Hodges-Lehmann shift group_2 - group_1 (mixed model: of its difference of means). A
      Kruskal-Wallis row has none and, where it is significant, an empty verdict: the pairs say which group is higher.
    - `p_unequal` is p of a test that allows unequal spread, adjusted by Holm: `unequal_spread_p`, for the mixed model
      Welch's of subject means. A row is `higher` or `lower` where both p_adjusted and p_unequal are below .05; the note
      says where only the first is.
    - `verdict` is not_testable where even samples that do not overlap could not get p_adjusted below .05.
    - `eta_squared` of a Kruskal-Wallis row may be negative; it is floored at 0 where it is displayed, not here.
    - `rank_biserial` is above 0 where group_1 is higher, the opposite of `direction`.

    Args:
        normalised: What `normalise` returns.

    Returns:
        Table with `EFFECT_COLUMNS`, counts and direction as nullable integers; without rows if there are none to test.

    Example:
        >>> counts = pd.DataFrame({"case": list("abcdefghij"), "annotator": "anna", "density": 1.0,
        ...                        "n_objects": [1, 2, 3, 4, 5, 11, 12, 13, 14, 15], "mean_intensity": 9.0})
        >>> experiment = pd.DataFrame({"case": list("abcdefghij"), "group": ["H"] * 5 + ["C"] * 5})
        >>> table = effects(normalise(counts, experiment, "H"))
        >>> table.loc[1, ["group_1", "group_2", "p_exact", "direction", "verdict"]].astype(str).to_list()
        ['H', 'C', '0.007936507936507936', '1', 'higher']
    """
    controls = set(normalised.loc[normalised["control"], "group"])
    groups = sorted(set(normalised["group"]), key=lambda group: (group not in controls, natural_key(group)))
    rows: list[dict[str, Any]] = []
    for sample in _samples(normalised):
        values = sample.units.values_of(groups)
        found = [_omnibus_row(list(values.values())), *_pair_rows(values)]
        if sample.key["unit"] == "case":
            found = [row | {"note": _joined(IMAGES_AS_UNITS, row.get("note", ""))} for row in found]
            if sample.units.subject.any():
                found += _mixed_rows(sample.units, groups)
        counted = sample.key | {"n_left_out": sample.n_left_out, "n_undefined": sample.n_undefined}
        rows += [counted | row | {"note": _joined(sample.note, row.get("note", ""))} for row in found]
    return _table(rows, EFFECT_COLUMNS)


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _omnibus_row(groups: list[np.ndarray]) -> dict[str, Any]:
    result = kruskal_wallis(groups)
    sizes = [len(group) for group in groups if len(group)]
    exact, asymptotic = _smallest_omnibus_p(sizes)
    return {
        "test": "kruskal_wallis",
        "group_1": "",
        "group_2": "",
        "statistic": result.statistic,
        "p_value": result.p_value,
        "p_adjusted": result.p_value,
        "eta_squared": result.eta_squared,
        "epsilon_squared": result.epsilon_squared,
        "verdict": _verdict(result.p_value, 0, exact, asymptotic),
    }


def _smallest_omnibus_p(sizes: list[int]) -> tuple[float, float]:
    """Exact and asymptotic p of groups that do not overlap at all; every order of the groups has the same H."""
    if len(sizes) < 2:
        return math.nan, math.nan
    n = sum(sizes)
    log_orders = math.lgamma(n + 1) - sum(math.lgamma(size + 1) for size in sizes) - math.lgamma(len(sizes) + 1)
    separated = np.split(np.arange(n, dtype=float), np.cumsum(sizes)[:-1])
    return math.exp(-log_orders), kruskal_wallis(separated).p_value


def _verdict(p_adjusted: float, sign: float, exact: float, asymptotic: float) -> str:
    """Verdict of an adjusted p-value, given the smallest p-values that its test can reach.

    The exact bound holds with any ties; the asymptotic one is that of untied samples, and ties can fall below it.
    """
    if math.isnan(p_adjusted) or exact >= ALPHA:
        return "not_testable"
    if p_adjusted < ALPHA:
        return {1: "higher", -1: "lower", 0: ""}[int(np.sign(sign))]
    return "not_testable" if asymptotic >= ALPHA else "none"


def _pair_rows(values: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    pairs = list(combinations(values, 2))
    results = [mann_whitney(values[one], values[other]) for one, other in pairs]
    exact = holm(np.array([smallest_attainable_p(len(values[a]), len(values[b])) for a, b in pairs]))
    asymptotic = holm(np.array([_asymptotic_p_without_overlap(len(values[a]), len(values[b])) for a, b in pairs]))
    adjusted = holm(np.array([result.p_value for result in results]))
    unequal = holm(np.array([unequal_spread_p(values[one], values[other]) for one, other in pairs]))
    rows = []
    for i, ((one, other), result) in enumerate(zip(pairs, results, strict=True)):
        shift = hodges_lehmann(values[one], values[other])
        rows.append(
            {
                "test": "mann_whitney",
                "group_1": one,
                "group_2": other,
                "n_1": len(values[one]),
                "n_2": len(values[other]),
                "statistic": result.statistic,
                "p_value": result.p_value,
                "p_exact": result.p_exact,
                "p_adjusted": adjusted[i],
                "p_unequal": unequal[i],
                "eta_squared": result.eta_squared,
                "direction": np.sign(shift.value),
                "verdict": _verdict(
                    float(np.maximum(adjusted[i], unequal[i])), -result.rank_biserial, exact[i], asymptotic[i]
                ),
                "rank_biserial": result.rank_biserial,
                "hl_shift": shift.value,
                "hl_low": shift.low,
                "hl_high": shift.high,
                "note": UNEQUAL_SPREAD if adjusted[i] < ALPHA <= unequal[i] else "",
            }
        )
    return rows


@lru_cache(maxsize=256)
def _asymptotic_p_without_overlap(n_1: int, n_2: int) -> float:
    return mann_whitney(np.arange(n_1), np.arange(n_1, n_1 + n_2)).p_value


def _mixed_rows(cases: _Units, groups: list[str]) -> list[dict[str, Any]]:
    code = np.array([groups.index(group) for group in cases.group], dtype=int)
    fit = mixed_model(cases.value, code, cases.subject.astype(str), n_groups=len(groups))
    size = np.bincount(code, minlength=len(groups))
    pairs = list(combinations(range(len(groups)), 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.array([(fit.mean[b] - fit.mean[a]) / np.sqrt(fit.variance_of_mean[[a, b]].sum()) for a, b in pairs])
    p_value = 2 * stats.t.sf(np.abs(t), max(fit.df, 1))
    of_group = _subject_means(cases).values_of(groups)
    unequal = holm(np.array([welch(of_group[groups[a]], of_group[groups[b]]).p_value for a, b in pairs]))
    return [
        {
            "test": "mixed_model",
            "group_1": groups[a],
            "group_2": groups[b],
            "n_1": size[a],
            "n_2": size[b],
            "statistic": t[i],
            "p_value": p_value[i],
            "p_adjusted": adjusted,
            "p_unequal": unequal[i],
            "direction": np.sign(t[i]),
            "verdict": _verdict(float(np.maximum(adjusted, unequal[i])), t[i], 0, 0),
            "note": _note_of_mixed_model(t[i], adjusted, unequal[i]),
        }
        for i, ((a, b), adjusted) in enumerate(zip(pairs, holm(p_value), strict=True))
    ]


def _note_of_mixed_model(t: float, p_adjusted: float, p_unequal: float) -> str:
    if not np.isfinite(t):
        return "too few subjects, no subject with two cases, or no spread"
    return UNEQUAL_SPREAD if p_adjusted < ALPHA <= p_unequal else ""


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(columns))
    integers = {column: "Int64" for column in INTEGER_COLUMNS if column in columns}
    return table.astype(integers)


def prerequisites(normalised: pd.DataFrame) -> pd.DataFrame:
    """Check the assumptions of parametric tests on the samples that `effects` compares; nothing is removed.

    Per annotator × measure × region × unit: Shapiro-Wilk and Grubbs for each group (Grubbs two-sided, error level .05),
    Levene, with deviations from the median, over all groups (`group` empty).

    Args:
        normalised: What `normalise` returns.

    Returns:
        Table with `PREREQUISITE_COLUMNS`. `rejected` is True where the assumption is rejected at .05 and empty where it
        cannot be tested (fewer than three values in the group, or all equal); `outlier` names the case or subject that
        Grubbs finds, else it is empty. `critical` is for Grubbs, `p_value` for the others.

    Example:
        >>> counts = pd.DataFrame({"case": list("abcdefgh"), "annotator": "anna", "density": 1.0,
        ...                        "n_objects": [11, 12, 13, 14, 12, 13, 14, 90], "mean_intensity": 9.0})
        >>> experiment = pd.DataFrame({"case": list("abcdefgh"), "group": ["H"] * 4 + ["C"] * 4})
        >>> table = prerequisites(normalise(counts, experiment, "H"))
        >>> table.loc[(table.measure == "count") & (table.test == "grubbs"), ["group", "outlier"]].to_numpy().tolist()
        [['C', 'h'], ['H', '']]
    """
    rows: list[dict[str, Any]] = []
    names = sorted(set(normalised["group"]), key=natural_key)
    for sample in _samples(normalised):
        groups = {name: sample.units.where(sample.units.group == name) for name in names}
        found = [_normality_row(name, units) for name, units in groups.items()]
        found += [_outlier_row(name, units) for name, units in groups.items()]
        found.append(_variance_row([units.value for units in groups.values()]))
        rows += [sample.key | row for row in found]
    return _table(rows, PREREQUISITE_COLUMNS).astype({"rejected": "boolean"})


def _normality_row(group: str, units: _Units) -> dict[str, Any]:
    row = {"test": "shapiro_wilk", "group": group, "n": len(units.value), "outlier": ""}
    if len(units.value) < 3 or np.ptp(units.value) == 0:
        return row
    statistic, p_value = stats.shapiro(units.value)
    return row | {"statistic": statistic, "p_value": p_value, "rejected": p_value < ALPHA}


def _outlier_row(group: str, units: _Units) -> dict[str, Any]:
    row = {"test": "grubbs", "group": group, "n": len(units.value), "outlier": ""}
    result = grubbs(units.value, alpha=ALPHA)
    if result.index < 0:
        return row
    outlier = units.name[result.index] if result.outlier else ""
    found = {"statistic": result.statistic, "critical": result.critical, "rejected": result.outlier, "outlier": outlier}
    return row | found


def _variance_row(groups: list[np.ndarray]) -> dict[str, Any]:
    row = {"test": "levene", "group": "", "n": sum(map(len, groups)), "outlier": ""}
    samples = [group for group in groups if len(group) >= 3]
    if len(samples) < 2 or all(np.ptp(sample) == 0 for sample in samples):
        return row
    statistic, p_value = stats.levene(*samples, center="median")
    return row | {"statistic": statistic, "p_value": p_value, "rejected": p_value < ALPHA}
