"""Where do measurements differ: between cases, between persons, or between the tools that a person used?

counts by person and tool  ->  components of case × person × tool  ->  rows of scores
"""

from functools import partial

import numpy as np
import pandas as pd

from segassay.qualities.objectivity.measurements import measurements_in
from segassay.qualities.objectivity.records import FACET_SHARE
from segassay.qualities.scores.table import ALL_RATERS, interval_row, score_rows
from segassay.statistics.components import crossed_components
from segassay.statistics.jackknife import SHARE_OF_VARIANCE, jackknife_t

__all__ = ["facet_shares"]


def facet_shares(facets: pd.DataFrame, clusters: pd.Series, *, level: float = 0.95) -> pd.DataFrame:
    """Share of the variance of each measurement due to the case, the person, the tool, and their pairs.

    Args:
        facets: Table of `segassay.tables.persons.by_person`: case × person × level of a facet.
        clusters: Case -> subject, or the case itself.
        level: Coverage of the intervals.

    Returns:
        Table with `SCORE_COLUMNS`: `variance_share_count_person`, `variance_share_count_person_tool` and so on, of all
        facets that the same two persons or more cross. A case without a value in any cell is undefined; without rows if
        no facet is crossed.
    """
    rows = []
    for facet, part in facets.groupby("facet", sort=False) if len(facets) else ():
        for name, column in measurements_in(part).items():
            cells = part.pivot(index="case", columns=["person", "level"], values=column).astype(float)
            persons, levels = (cells.columns.get_level_values(axis).unique() for axis in (0, 1))
            crossed = [person for person in persons if all((person, level) in cells for level in levels)]
            if len(crossed) < 2 or len(levels) < 2:
                continue
            order = pd.MultiIndex.from_product([crossed, levels])
            values = cells[order].to_numpy().reshape(len(cells), len(crossed), len(levels))
            rows += _shares_of(values, clusters.reindex(cells.index).to_numpy(), name, str(facet), level)
    return score_rows(rows)


def _shares_of(
    values: np.ndarray, clusters: np.ndarray, name: str, facet: str, level: float
) -> list[dict[str, object]]:
    terms = ("case", "person", facet, "case_person", f"case_{facet}", f"person_{facet}", "rest")
    _, n_persons, n_levels = values.shape
    if np.isnan(values).any(axis=(1, 2)).sum() > len(values) - 2:
        return []
    note = f"{n_persons} persons, {n_levels} of {facet}"
    rows = np.where(np.isnan(values).any(axis=(1, 2)), np.nan, np.arange(len(values)))
    subject = pd.factorize(clusters)[0]

    def share(weights: np.ndarray, rows: np.ndarray, place: int) -> np.ndarray:
        return _share(weights, values[rows.astype(int)], place, subject[rows.astype(int)])

    return [
        interval_row(
            FACET_SHARE.form(name, variant=term),
            ALL_RATERS,
            jackknife_t(partial(share, place=place), rows, clusters, SHARE_OF_VARIANCE, level=level),
            note=note,
        )
        for place, term in enumerate(terms)
    ]


def _share(weights: np.ndarray, values: np.ndarray, place: int, clusters: np.ndarray | None = None) -> np.ndarray:
    components = crossed_components(weights, values, clusters)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(components[:, place] / components.sum(axis=1))
