"""Agreement on classes beyond chance: of all raters together, and of each pair of annotators.

votes, confusion of pixels and of objects  ->  kappa, AC1 and alpha, with intervals over cases or subjects
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from segassay.qualities.objectivity.raters import of_sums
from segassay.qualities.scores.table import BETWEEN_RATERS
from segassay.statistics.chance import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha
from segassay.statistics.jackknife import correlation_scale, jackknife_t
from segassay.tables.classes import BACKGROUND, ONE, UNITS, ClassTables

__all__ = ["CLASS_AGREEMENT_COLUMNS", "agreement_on_classes"]

# fmt: off
CLASS_AGREEMENT_COLUMNS = (
    "unit", "measure", "target", "annotator_a", "annotator_b", "value", "low", "high", "method", "approximate",
    "n_cases", "n_undefined", "n_items",
)
# fmt: on
_Estimator = Callable[[np.ndarray], float]


def agreement_on_classes(
    tables: ClassTables, names: Sequence[str], clusters: pd.Series, *, level: float = 0.95
) -> pd.DataFrame:
    """Fleiss' κ, Krippendorff's α and Gwet's AC1 of all raters, and Cohen's κ of each pair of annotators.

    Items of all cases count together, as for the agreement on pixels. They are, by `unit`: `pixels` that at least one
    rater (of a pair: one of the two) marks, where background is one more class; `marked_pixels` that at least two
    raters mark, whose classes alone are compared; and `objects` that at least two raters found.

    Args:
        tables: What `segassay.tables.classes.build_class_tables` returns.
        names: Names of the classes.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `CLASS_AGREEMENT_COLUMNS`: `fleiss_kappa`, `krippendorff_alpha` and `gwet_ac1` between raters, and
        `cohen_kappa` of each pair, but of no pair that has a rater without a name. `n_items` is the number of pixels
        or objects; a case without any is counted in `n_undefined`. A coefficient is NaN where there is no item, or all
        are of one class.

    References:
        Fleiss (1971), doi:10.1037/h0031619; Krippendorff (2011), repository.upenn.edu/asc_papers/43; Gwet (2008),
        doi:10.1348/000711006X126600; Cohen (1960), doi:10.1177/001316446002000104.
    """
    rows = [*_of_raters(tables.votes, names, clusters, level), *_of_pairs(tables, names, clusters, level)]
    table = pd.DataFrame(rows, columns=list(CLASS_AGREEMENT_COLUMNS))
    return table.astype({"value": float, "low": float, "high": float, "approximate": bool} | _WHOLE)


_WHOLE: dict[str, Any] = dict.fromkeys(("n_cases", "n_undefined", "n_items"), int)


def _of_raters(
    votes: pd.DataFrame, names: Sequence[str], clusters: pd.Series, level: float
) -> Iterator[dict[str, Any]]:
    for unit in UNITS if len(votes) else ():
        labels = (BACKGROUND, *names) if unit == UNITS[0] else tuple(names)
        counts, items = _patterns(votes[votes["unit"] == unit], labels)
        estimators: tuple[tuple[str, _Estimator], ...] = (
            ("fleiss_kappa", partial(fleiss_kappa, counts)),
            ("krippendorff_alpha", partial(krippendorff_alpha, _judgements(counts), "nominal")),
            ("gwet_ac1", partial(gwet_ac1, counts)),
        )
        for measure, estimator in estimators:
            key = {"unit": unit, "measure": measure, "target": BETWEEN_RATERS, "annotator_a": "", "annotator_b": ""}
            yield key | _interval(estimator, items, clusters, level)


def _patterns(votes: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """How many raters put the items of each pattern into each class `(P, K)`, and items of each case `(cases, P)`."""
    wide = votes.pivot_table(index=["case", "pattern"], columns="class", values="n_raters", fill_value=0, sort=False)
    wide = wide.reindex(columns=list(labels), fill_value=0).astype(int)
    n_items = votes.drop_duplicates(["case", "pattern"]).set_index(["case", "pattern"])["n_items"].reindex(wide.index)
    patterns, place = np.unique(wide.to_numpy().reshape(len(wide), len(labels)), axis=0, return_inverse=True)
    cases = wide.index.get_level_values("case")
    found = pd.DataFrame({"case": cases, "pattern": place.ravel(), "n": n_items.to_numpy()})
    items = found.pivot_table(index="case", columns="pattern", values="n", aggfunc="sum", fill_value=0, sort=False)
    return patterns, items.reindex(columns=range(len(patterns)), fill_value=0)


def _judgements(counts: np.ndarray) -> np.ndarray:
    """`(R, P)`: a class for each rater of each pattern, NaN for raters without one; who gave it does not matter."""
    n_raters = int(counts.sum(axis=1).max(initial=0))
    place, ends = np.arange(n_raters)[:, None, None], np.cumsum(counts, axis=1)
    given = (place >= ends).sum(axis=2).astype(float)
    return np.where(place[:, :, 0] < counts.sum(axis=1), given, np.nan)


def _of_pairs(tables: ClassTables, names: Sequence[str], clusters: pd.Series, level: float) -> Iterator[dict[str, Any]]:
    """Pairs in the order of the table; without the cells in which one or both left a pixel as background."""
    pixels = tables.confusion[tables.confusion["annotator_a"].ne(ONE) & tables.confusion["annotator_b"].ne(ONE)]
    objects = dict(list(tables.confusion_objects.groupby(["annotator_a", "annotator_b"], sort=False)))
    for (a, b), rows in pixels.groupby(["annotator_a", "annotator_b"], sort=False):
        empty = [rows["class_a"].eq(BACKGROUND), rows["class_b"].eq(BACKGROUND)]
        of_unit = (rows[~(empty[0] & empty[1])], rows[~(empty[0] | empty[1])], objects.get((a, b)))
        own = clusters.reindex(rows["case"].unique())
        for unit, cells in zip(UNITS, of_unit, strict=True):
            labels = [BACKGROUND, *names] if unit == UNITS[0] else list(names)
            key = {"unit": unit, "measure": "cohen_kappa", "target": f"{a} and {b}"}
            counts = _square(cells, labels)
            yield key | {"annotator_a": a, "annotator_b": b} | _interval(_kappa_of_cells, counts, own, level)


def _square(cells: pd.DataFrame | None, labels: Sequence[str]) -> pd.DataFrame:
    """Cells of each case as one row, `(cases, K²)`."""
    if cells is None:
        return pd.DataFrame(columns=range(len(labels) ** 2), dtype=float)
    code = cells["class_a"].map(labels.index) * len(labels) + cells["class_b"].map(labels.index)
    found = pd.DataFrame({"case": cells["case"], "code": code.astype(int), "n": cells.iloc[:, -1].astype(int)})
    wide = found.pivot_table(index="case", columns="code", values="n", aggfunc="sum", fill_value=0, sort=False)
    return wide.reindex(columns=range(len(labels) ** 2), fill_value=0)


def _kappa_of_cells(cells: np.ndarray) -> float:
    side = round(len(cells) ** 0.5)
    return cohen_kappa(cells.reshape(side, side))


def _interval(estimator: _Estimator, items: pd.DataFrame, clusters: pd.Series, level: float) -> dict[str, Any]:
    """Coefficient of the items of all cases together; a case without any takes no part."""
    counts = items.to_numpy(dtype=float)
    units = clusters.reindex(items.index).to_numpy()
    weights = counts.sum(axis=1)
    found = jackknife_t(
        partial(of_sums, estimator), counts, units, correlation_scale(2), level=level, importance=weights
    )
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "method": found.method,
        "approximate": found.approximate,
        "n_cases": len(items),
        "n_undefined": len(clusters) - len(items),
        "n_items": int(counts.sum()),
    }
