"""Check the assumptions of parametric tests on the samples of the experiment; nothing is removed."""

from typing import Any

import numpy as np
import pandas as pd
import scipy

from segassay.data.names import natural_key
from segassay.statistics.groups import grubbs
from segassay.tables.samples import Units, samples

__all__ = ["PREREQUISITE_COLUMNS", "prerequisites"]

ALPHA = 0.05

# fmt: off
PREREQUISITE_COLUMNS = (
    "annotator", "measure", "region", "unit", "test", "group", "n", "statistic", "p_value", "critical", "rejected",
    "outlier",
)
# fmt: on


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
        >>> from segassay.tables.normalise import normalise
        >>> counts = pd.DataFrame({"case": list("abcdefgh"), "annotator": "anna", "density": 1.0,
        ...                        "n_objects": [11, 12, 13, 14, 12, 13, 14, 90], "mean_intensity": 9.0})
        >>> experiment = pd.DataFrame({"case": list("abcdefgh"), "group": ["H"] * 4 + ["C"] * 4})
        >>> table = prerequisites(normalise(counts, experiment, "H"))
        >>> table.loc[(table.measure == "count") & (table.test == "grubbs"), ["group", "outlier"]].to_numpy().tolist()
        [['C', 'h'], ['H', '']]
    """
    rows: list[dict[str, Any]] = []
    names = sorted(set(normalised["group"]), key=natural_key)
    for sample in samples(normalised):
        groups = {name: sample.units.where(sample.units.group == name) for name in names}
        found = [_normality_row(name, units) for name, units in groups.items()]
        found += [_outlier_row(name, units) for name, units in groups.items()]
        found.append(_variance_row([units.value for units in groups.values()]))
        rows += [sample.key | row for row in found]
    table = pd.DataFrame(rows, columns=list(PREREQUISITE_COLUMNS))
    return table.astype({"n": "Int64", "rejected": "boolean"})


def _normality_row(group: str, units: Units) -> dict[str, Any]:
    row = {"test": "shapiro_wilk", "group": group, "n": len(units.value), "outlier": ""}
    if len(units.value) < 3 or np.ptp(units.value) == 0:
        return row
    statistic, p_value = scipy.stats.shapiro(units.value)
    return row | {"statistic": statistic, "p_value": p_value, "rejected": p_value < ALPHA}


def _outlier_row(group: str, units: Units) -> dict[str, Any]:
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
    statistic, p_value = scipy.stats.levene(*samples, center="median")
    return row | {"statistic": statistic, "p_value": p_value, "rejected": p_value < ALPHA}
