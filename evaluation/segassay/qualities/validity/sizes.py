"""Recall of objects by their size.

recall_by_size, annotations  ->  share of the objects of each size that an annotator finds
"""

import numpy as np
import pandas as pd

from segassay.data.annotations import TRAINED, is_rater, raters_of
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT
from segassay.qualities.scores.ratios import Ratio, ratio_rows
from segassay.qualities.scores.table import annotator_kinds, containment
from segassay.qualities.validity.raters import ENOUGH_CASES
from segassay.qualities.validity.records import RECALL
from segassay.statistics.jackknife import SHARE

__all__ = ["recall_of_sizes"]


def recall_of_sizes(
    recall_by_size: pd.DataFrame, annotations: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Share of the objects of each size that an annotator finds.

    Args:
        recall_by_size: Table of `tables.build`: objects of a reference by their size, and how many were matched.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        level: Coverage of the intervals.

    Returns:
        Rows with `SCORE_COLUMNS`, `recall_<from>_<to>px_leave_one_out` and `..._against_<name>`: objects found by
        objects there, all cases and, for C₋r, all r together, with jackknife intervals; `n_undefined` counts cases of
        the annotator without an object of that size. Those of raters against C₋r are of objectivity.
    """
    kinds = annotator_kinds(annotations)
    left_out = recall_by_size["reference"].str.startswith("-")  # -anna is C₋r of anna
    rows = recall_by_size.assign(against=recall_by_size["reference"].mask(left_out, "")).reset_index(drop=True)
    case, cases = pd.factorize(rows["case"])
    numbers = rows[["n_found", "n_objects"]].to_numpy(dtype=float)
    places_of = {key: pd.unique(case[at]) for key, at in rows.groupby(["against", "annotator"]).indices.items()}
    cases_of = {key: cases[places] for key, places in places_of.items()}
    ratios = []
    keys = ["against", "size_low", "size_high", "annotator"]
    for (reference, low, high, annotator), part in rows.groupby(keys, sort=False)["case"]:
        at = part.index.to_numpy()
        sums = _sums(numbers[at], case[at], len(cases))[places_of[reference, annotator]]
        comparison = AGAINST if reference else LEAVE_ONE_OUT
        of_rater = is_rater(kinds.get(str(annotator)))
        quality = "objectivity" if of_rater and comparison == LEAVE_ONE_OUT else ""
        size = f"{low:g}_{high:g}px"
        form = RECALL.form(comparison=comparison, variant=size, reference=str(reference), quality=quality)
        contains = kinds.get(str(reference)) == "consensus"
        note = containment(str(reference), contains)
        found, there = (pd.Series(column, cases_of[reference, annotator]) for column in sums.T)
        ratios.append(Ratio(form, str(annotator), found, there, note, contains))
    return _with_human_range(ratio_rows(ratios, clusters, SHARE, level), kinds)


def _sums(numbers: np.ndarray, case: np.ndarray, n_cases: int) -> np.ndarray:
    """`(cases, columns)`, sums over the rows of each case; NaN without a row."""
    sums = np.zeros((n_cases, numbers.shape[1]))
    np.add.at(sums, case, numbers)
    sums[np.bincount(case, minlength=n_cases) == 0] = np.nan
    return sums


def _with_human_range(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Add the lowest and highest rater with enough cases to each model, unless the reference contains the raters."""
    of_rater = table["target"].isin(raters_of(kinds))
    fair = ~table["contains_raters"].astype(bool) & table["target"].map(kinds).isin(TRAINED)
    enough = np.minimum(ENOUGH_CASES, table["n_cases"].where(of_rater).groupby(table["measure"]).transform("max") / 2)
    of_raters = table[of_rater & (table["n_cases"] >= enough)].groupby("measure")["value"].agg(["min", "max"])
    return table.assign(
        human_low=table["measure"].map(of_raters["min"]).where(fair).astype(float),
        human_high=table["measure"].map(of_raters["max"]).where(fair).astype(float),
    )
