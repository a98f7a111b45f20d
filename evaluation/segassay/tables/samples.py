"""The samples that tests of the experiment compare: cases or subjects with a defined value, in their groups.

normalised measurements  ->  one Sample per annotator, measure, region and unit
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segassay.data.names import natural_key

__all__ = ["Sample", "Units", "on_deciding_unit", "samples", "subject_means", "unit_of"]


@dataclass(frozen=True, eq=False)
class Units:
    """Cases or subjects: name, subject, group and value of each, `(n,)` each."""

    name: np.ndarray
    subject: np.ndarray
    group: np.ndarray
    value: np.ndarray

    def where(self, wanted: np.ndarray) -> "Units":
        """The units at these places, boolean `(n,)`."""
        return Units(self.name[wanted], self.subject[wanted], self.group[wanted], self.value[wanted])

    def values_of(self, groups: list[str]) -> dict[str, np.ndarray]:
        """Group -> values of its units."""
        return {group: self.value[self.group == group] for group in groups}


@dataclass(frozen=True, eq=False)
class Sample:
    """Data of one family of tests: units with a defined value."""

    key: dict[str, str]
    units: Units
    n_left_out: int
    n_undefined: int
    note: str


def samples(normalised: pd.DataFrame) -> Iterator[Sample]:
    """Annotator × measure × region × unit, pooled before the regions.

    Args:
        normalised: What `segassay.tables.normalise.normalise` returns.
    """
    regions = ["", *sorted(set(normalised["region"]) - {""}, key=natural_key)]
    units = list(dict.fromkeys(["case", unit_of(normalised["subject"])]))
    columns = {str(column): normalised[column].to_numpy() for column in normalised}
    family = normalised.groupby(["annotator", "measure"], sort=False).ngroup().to_numpy()
    for number in range(family.max(initial=-1) + 1):
        whole = {name: of[family == number] for name, of in columns.items()}
        annotator, measure = whole["annotator"][0], whole["measure"][0]
        for region in regions:
            part = {name: of[whole["region"] == region] for name, of in whole.items()} if region else whole
            value, notes = _region_value(part) if region else (part["value"], [])
            left_out = np.isnan(value) & ~np.isnan(part["raw"])
            if left_out.any():
                n_strata = len(set(zip(part["region"][left_out], part["batch"][left_out], strict=True)))
                notes = [f"{left_out.sum()} cases in {n_strata} strata left out: control absent or 0"]
            cases = Units(part["case"], part["subject"], part["group"], value).where(~np.isnan(value))
            for unit in units:
                yield Sample(
                    key={"annotator": str(annotator), "measure": str(measure), "region": region, "unit": unit},
                    units=cases if unit == "case" else subject_means(cases),
                    n_left_out=int(left_out.sum()),
                    n_undefined=int(np.isnan(part["raw"]).sum()),
                    note="; ".join(notes),
                )


def _region_value(part: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Within a single stratum the tests need no normalisation, so a stratum without control can still be tested."""
    if np.isnan(part["value"]).all() and len(set(part["batch"])) == 1:
        return part["raw"], ["raw values: control absent or 0"]
    return part["value"], []


def subject_means(cases: Units) -> Units:
    """Subjects as units: the value of each is the mean of its cases."""
    code, subjects = pd.factorize(cases.subject)
    first = np.unique(code, return_index=True)[1]
    return Units(subjects, subjects, cases.group[first], _without_rounding_errors(_means(code, cases.value)))


def _means(code: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of the values of each code, sums compensated for rounding as by Kahan, in plain numbers: they are few."""
    n = int(code.max(initial=-1)) + 1
    total, lost = [0.0] * n, [0.0] * n
    for at, value in zip(code.tolist(), values.tolist(), strict=True):
        added = value - lost[at]
        new = total[at] + added
        lost[at] = new - total[at] - added
        total[at] = new
    return np.array(total) / np.bincount(code, minlength=n)


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
