"""Agreement of all annotators with each other as one array.

rows of case, annotator_a, annotator_b, measure  ->  values (N, A, A), symmetric, NaN without a row
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segassay.qualities.scores.table import THRESHOLD

__all__ = ["PairValues", "mean_of_known", "pair_values"]


@dataclass(frozen=True, eq=False)
class PairValues:
    """One measure of all pairs.

    Attributes:
        cases: Names of the N cases.
        position: Annotator -> its place on both of the last axes.
        values: float64 `(N, A, A)`; NaN where a case has no such pair, and for an annotator with itself.
    """

    cases: pd.Index
    position: dict[str, int]
    values: np.ndarray

    def between(self, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
        """`(N, rows, columns)`; NaN for an annotator who is in no pair."""
        padded = np.pad(self.values, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
        places = [[self.position.get(name, -1) for name in names] for names in (rows, columns)]
        return np.asarray(padded[:, places[0]][:, :, places[1]])

    def of_cases(self, cases: pd.Index) -> "PairValues":
        """The same for these cases, in their order; NaN for one that is not known."""
        padded = np.pad(self.values, ((0, 1), (0, 0), (0, 0)), constant_values=np.nan)
        return PairValues(cases, self.position, padded[self.cases.get_indexer(cases)])


def pair_values(agreement: pd.DataFrame, measure: str) -> PairValues:
    """Arrange one column of the agreement table by case and annotators.

    Args:
        agreement: Table of `segassay.tables.build`; its rows at IoU > .5 are used.
        measure: One of its measures.

    Returns:
        Values of all pairs; without cases and annotators if the table has no rows.

    Example:
        >>> rows = {"case": ["1"], "annotator_a": ["anna"], "annotator_b": ["ben"], "iou_threshold": [0.5]}
        >>> pairs = pair_values(pd.DataFrame(rows | {"dice": [0.8]}), "dice")
        >>> pairs.between(["ben"], ["anna", "ben"])
        array([[[0.8, nan]]])
    """
    rows = agreement[agreement["iou_threshold"] == THRESHOLD]
    case, cases = pd.factorize(rows["case"])
    both, names = pd.factorize(pd.concat([rows["annotator_a"], rows["annotator_b"]]))
    a, b = both[: len(rows)], both[len(rows) :]
    values = np.full((len(cases), len(names), len(names)), np.nan)
    values[case, a, b] = values[case, b, a] = rows[measure].to_numpy(dtype=float)
    return PairValues(pd.Index(cases), {str(name): place for place, name in enumerate(names)}, values)


def mean_of_known(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of all values that are not NaN; NaN without any.

    Example:
        >>> mean_of_known(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]))
        array([ 2., nan])
    """
    n = (~np.isnan(values)).sum(axis=axis)
    return np.asarray(np.nansum(values, axis=axis) / np.where(n > 0, n, np.nan))
