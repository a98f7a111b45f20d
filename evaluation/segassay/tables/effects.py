"""Test the effects of the experiment, as measured with the masks of each annotator.

    normalised measurements  ->  samples  ->  effects

Rows are never removed: tests that are impossible stay in, with empty p-values, the verdict `not_testable` and a note
that says why.
"""

import math
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from segassay.data.names import natural_key
from segassay.statistics.groups import (
    hodges_lehmann,
    holm,
    kruskal_wallis,
    mann_whitney,
    mixed_model,
    smallest_attainable_p,
    unequal_spread_p,
    welch,
)
from segassay.tables.samples import Units, samples, subject_means

__all__ = ["EFFECT_COLUMNS", "IMAGES_AS_UNITS", "UNEQUAL_SPREAD", "effects"]

ALPHA = 0.05

UNEQUAL_SPREAD = "this test finds a difference, one that allows unequal spread does not"
IMAGES_AS_UNITS = "images as units: anti-conservative if animals repeat"

# fmt: off
EFFECT_COLUMNS = (
    "annotator", "measure", "region", "unit", "test", "group_1", "group_2", "n_1", "n_2", "statistic", "p_value",
    "p_exact", "p_adjusted", "p_unequal", "eta_squared", "direction", "verdict",
    "epsilon_squared", "rank_biserial", "hl_shift", "hl_low", "hl_high", "n_left_out", "n_undefined", "note",
)
# fmt: on
_INTEGER_COLUMNS = ("n_1", "n_2", "direction", "n_left_out", "n_undefined")


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
        >>> from segassay.tables.normalise import normalise
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
    for sample in samples(normalised):
        values = sample.units.values_of(groups)
        found = [_omnibus_row(list(values.values())), *_pair_rows(values)]
        if sample.key["unit"] == "case":
            found = [row | {"note": _joined(IMAGES_AS_UNITS, row.get("note", ""))} for row in found]
            if sample.units.subject.any():
                found += _mixed_rows(sample.units, groups)
        counted = sample.key | {"n_left_out": sample.n_left_out, "n_undefined": sample.n_undefined}
        rows += [counted | row | {"note": _joined(sample.note, row.get("note", ""))} for row in found]
    return pd.DataFrame(rows, columns=list(EFFECT_COLUMNS)).astype(dict.fromkeys(_INTEGER_COLUMNS, "Int64"))


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _omnibus_row(groups: list[np.ndarray]) -> dict[str, Any]:
    result = kruskal_wallis(groups)
    exact, asymptotic = _smallest_omnibus_p(tuple(len(group) for group in groups if len(group)))
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


@lru_cache(maxsize=256)
def _smallest_omnibus_p(sizes: tuple[int, ...]) -> tuple[float, float]:
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


def _mixed_rows(cases: Units, groups: list[str]) -> list[dict[str, Any]]:
    code = np.array([groups.index(group) for group in cases.group], dtype=int)
    fit = mixed_model(cases.value, code, cases.subject.astype(str), n_groups=len(groups))
    size = np.bincount(code, minlength=len(groups))
    pairs = list(combinations(range(len(groups)), 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.array([(fit.mean[b] - fit.mean[a]) / np.sqrt(fit.variance_of_mean[[a, b]].sum()) for a, b in pairs])
    p_value = 2 * special.stdtr(max(fit.df, 1), -np.abs(t))
    of_group = subject_means(cases).values_of(groups)
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
