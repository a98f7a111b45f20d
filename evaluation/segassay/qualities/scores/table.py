"""Scores of the three qualities: one number with its interval for each measure and target.

    agreement, distances, leave_one_out, counts  ->  one value per case and score  ->  mean, interval over clusters

Objectivity is about the agreement of raters with each other, validity about the agreement of models, references and a
truth with raters, reliability about the agreement of models that differ only by the seed.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.annotations import annotator_order
from segassay.qualities.scores.bounds import bounds_of
from segassay.qualities.scores.measure import LEAVE_ONE_OUT, PAIRWISE, Form
from segassay.statistics.intervals import Interval, mean_intervals
from segassay.tables.build import Tables

__all__ = [
    "ALL_RATERS",
    "BETWEEN_RATERS",
    "FIELD_COLUMNS",
    "MEASURES",
    "QUALITIES",
    "SCORE_COLUMNS",
    "THRESHOLD",
    "Agreement",
    "Findings",
    "Pairs",
    "Rows",
    "Score",
    "annotator_kinds",
    "containment",
    "interval_row",
    "mean_over_pairs",
    "mean_over_raters",
    "one_column",
    "own_scores",
    "pairs_noted",
    "rater_score",
    "references",
    "rows_of",
    "score_rows",
    "score_table",
    "seeds_of",
    "written",
]

MEASURES = ("f1", "mean_iou", "dice")
"""What is averaged: F1 of objects at IoU > .5, mean IoU of matched objects, Dice of pixels."""

BETWEEN_RATERS = "between raters"
ALL_RATERS = "all raters"

# fmt: off
FIELD_COLUMNS = (
    "record", "base", "of", "variant", "comparison", "reference", "words", "contains_raters", "n_pairs",
    "n_comparisons", "n_comparisons_undefined",
)
"""Description of a row as data: key and name of its measure, the parts of its form, its name in the report, whether the
reference contains the raters, the number of pairs of annotators and, for outlines, the numbers of all and of undefined
comparisons; 0 if they are not counted."""

SCORE_COLUMNS = (
    "quality", "measure", "target", "value", "low", "high", "n_cases", "n_undefined",
    "method", "approximate", "human_low", "human_high", "note", "bound", *FIELD_COLUMNS,
)
# fmt: on
"""Columns of a table of scores, in memory and in scores.csv."""

_TYPES: dict[str, type] = {
    **dict.fromkeys(("value", "low", "high", "human_low", "human_high", "bound"), float),
    **dict.fromkeys(("n_cases", "n_undefined", "n_pairs", "n_comparisons", "n_comparisons_undefined"), int),
    **dict.fromkeys(("approximate", "contains_raters"), bool),
}
"""Columns that are not text. A column of objects is written with all its digits; the last depend on threads."""

QUALITIES = ("objectivity", "reliability", "validity")
THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Score:
    """One measure of one target: `values` has a number or NaN for each case of the target."""

    form: Form
    target: str
    values: pd.Series
    human_low: float = math.nan
    human_high: float = math.nan
    note: str = ""
    bound: float = math.nan
    contains_raters: bool = False
    n_pairs: int = 0
    n_comparisons: int = 0
    n_comparisons_undefined: int = 0

    @property
    def quality(self) -> str:
        """Quality of the row."""
        return self.form.quality

    @property
    def measure(self) -> str:
        """Name of the row in scores.csv."""
        return self.form.name


@dataclass(frozen=True, eq=False)
class Findings:
    """What the measures of an evaluation are computed from.

    Attributes:
        tables: What `build_tables` returns.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        effects: What `segassay.tables.effects.effects` returns; without rows if there is no experiment.
        normalised: Measurements in multiples of the control mean; None without a control group.
        equivalence_margin: Share of the control mean that does not matter, set beforehand in `dataset.yaml`.
        level: Coverage of the intervals.
        specifications: What `specification_table` returns; None if objects were not counted again.
        test_cases: Cases of the test split; empty if there is none. Other cases may have been in training.
        of_volumes: Whether images are volumes, so that what `counts` calls area is a volume.
        parts: Case × group, region and batch in the experiment, empty text without one; None if nothing is known.
    """

    tables: Tables
    annotations: pd.DataFrame
    clusters: pd.Series
    effects: pd.DataFrame
    normalised: pd.DataFrame | None = None
    equivalence_margin: float = 0.1
    level: float = 0.95
    specifications: pd.DataFrame | None = None
    test_cases: Sequence[str] = ()
    of_volumes: bool = False
    parts: pd.DataFrame | None = None

    def amount(self, column: str) -> str:
        """Name of an amount of `counts` in verdicts: of volumes `volume_px` for `area_px`."""
        return "volume_px" if self.of_volumes and column == "area_px" else column


def score_table(scores: Sequence[Score], clusters: pd.Series, level: float = 0.95) -> pd.DataFrame:
    """Mean over cases of each score, with its interval over clusters.

    Returns:
        Table with `SCORE_COLUMNS`, one row per score in the order given. `n_undefined` counts the cases of the target
        for which the measure is undefined, `n_cases` those that the value is computed from.
    """
    cases, values = _by_case(scores)
    if not cases:
        return score_rows([])
    bounds = np.array([bounds_of(score.form) for score in scores])
    columns: dict[str, Any] = dict(mean_intervals(values, clusters.reindex(cases).to_numpy(), level, bounds))
    columns["n_undefined"] = [_n_undefined(score.values) for score in scores]  # a case not covered is no such case
    for column in ("target", "human_low", "human_high", "note", "bound", *_COUNTED):
        columns[column] = [getattr(score, column) for score in scores]
    forms = [_fields(score.form) for score in scores]
    columns |= {column: [form[column] for form in forms] for column in forms[0]}
    return pd.DataFrame({column: columns[column] for column in SCORE_COLUMNS})


def _n_undefined(values: pd.Series) -> int:
    return int(np.count_nonzero(np.isnan(values.to_numpy(dtype=float))))


def _by_case(scores: Sequence[Score]) -> tuple[list[str], np.ndarray]:
    """All cases, and the values `(cases, scores)`; NaN where a score does not cover a case."""
    indexes = {id(score.values.index): score.values.index for score in scores}  # most scores share one
    cases_of = {key: index.tolist() for key, index in indexes.items()}
    row = {case: place for place, case in enumerate(dict.fromkeys(chain.from_iterable(cases_of.values())))}
    places = {key: [row[case] for case in cases] for key, cases in cases_of.items()}
    values = np.full((len(row), len(scores)), np.nan)
    for column, score in enumerate(scores):
        values[places[id(score.values.index)], column] = score.values.to_numpy(dtype=float)
    return list(row), values


_COUNTED = ("contains_raters", "n_pairs", "n_comparisons", "n_comparisons_undefined")


def _fields(form: Form) -> dict[str, str]:
    """Columns of a row that describe its form."""
    return {
        "quality": form.quality,
        "measure": form.name,
        "record": form.record.key,
        "base": form.record.name,
        "of": form.of,
        "variant": form.variant,
        "comparison": form.comparison,
        "reference": form.reference,
        "words": form.words,
    }


def interval_row(
    form: Form,
    target: str,
    interval: Interval,
    *,
    n_undefined: int | None = None,
    note: str = "",
    human_low: float = math.nan,
    human_high: float = math.nan,
    contains_raters: bool = False,
    n_pairs: int = 0,
) -> dict[str, Any]:
    """One row of a table with `SCORE_COLUMNS` from an interval that is not a mean over cases."""
    row: dict[str, Any] = {"target": target, **_fields(form), **asdict(interval)}
    row["n_undefined"] = interval.n_undefined if n_undefined is None else n_undefined
    row |= {"human_low": human_low, "human_high": human_high, "note": note, "bound": math.nan}
    row |= dict.fromkeys(_COUNTED, 0) | {"contains_raters": contains_raters, "n_pairs": n_pairs}
    return {column: row[column] for column in SCORE_COLUMNS}


def score_rows(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `interval_row` as a table with `SCORE_COLUMNS`; its types are the same without rows."""
    columns: dict[str, Any] = {column: [row.get(column, math.nan) for row in rows] for column in SCORE_COLUMNS}
    return pd.DataFrame(columns | {column: np.array(columns[column], dtype=of) for column, of in _TYPES.items()})


def written(table: pd.DataFrame) -> pd.DataFrame:
    """A table for people: without `FIELD_COLUMNS`, which its names repeat."""
    return table.drop(columns=list(FIELD_COLUMNS), errors="ignore")


def rows_of(scores: pd.DataFrame, form: Form, target: str | None = None) -> pd.DataFrame:
    """Rows of a table of scores that have a form; of one target, or of all."""
    found = scores[(scores["quality"] == form.quality) & (scores["measure"] == form.name)]
    return found if target is None else found[found["target"] == target]


def annotator_kinds(annotations: pd.DataFrame) -> dict[str, str]:
    """Kind of each annotator, in the order of `annotator_order`."""
    pairs = zip(annotations["annotator"].tolist(), annotations["kind"].tolist(), strict=True)
    kinds: dict[str, str] = dict(list(dict.fromkeys(pairs)))
    return {name: kinds[name] for name in sorted(kinds, key=lambda name: annotator_order(name, kinds[name]))}


class Rows:
    """Columns of a table with one row per case and pair, found by position: dozens of annotators have thousands."""

    def __init__(self, rows: pd.DataFrame, keys: list[str]) -> None:
        found: dict[Any, Any] = rows.groupby(keys, sort=False).indices if len(rows) else {}
        self.at = {(str(a), str(b)): at for (a, b), at in sorted(found.items(), key=lambda one: one[1][0])}
        self._case = rows["case"].to_numpy(dtype=object) if len(rows) else np.array([])
        number = pd.factorize(self._case)[0]
        self._cases_of = {key: number[at].tobytes() for key, at in self.at.items()}
        self._indexes: dict[bytes, pd.Index] = {}
        self._names: dict[tuple[Any, ...], pd.Index] = {}
        self._rows = rows
        self._numbers: dict[str, np.ndarray] = {}

    def columns(self, keys: Mapping[Any, tuple[str, str]], measure: str) -> pd.DataFrame:
        """One column per name of a key, one row per case of any of them; NaN where undefined or not covered."""
        if not keys:
            return pd.DataFrame()
        numbers = self._column(measure)
        values = [numbers[self.at[key]] for key in keys.values()]
        indexes = [self._index(key) for key in keys.values()]
        names = self._named(tuple(keys))
        if all(index is indexes[0] for index in indexes):
            return pd.DataFrame(np.column_stack(values), indexes[0], names)
        columns = [pd.Series(of_key, index) for of_key, index in zip(values, indexes, strict=True)]
        return pd.concat(columns, axis=1, sort=False).set_axis(names, axis=1)

    def _named(self, names: tuple[Any, ...]) -> pd.Index:
        """Names as an index, one for all columns of the same names; a MultiIndex of pairs takes ten times as long."""
        if names not in self._names:
            self._names[names] = pd.Index(list(names), tupleize_cols=False)
        return self._names[names]

    def _index(self, key: tuple[str, str]) -> pd.Index:
        """Cases of a key; one index for all keys that have the same cases in the same order."""
        cases = self._cases_of[key]
        if cases not in self._indexes:
            self._indexes[cases] = pd.Index(self._case[self.at[key]])
        return self._indexes[cases]

    def _column(self, measure: str) -> np.ndarray:
        """A column as numbers; kept, since every pair asks for it."""
        if measure not in self._numbers:
            self._numbers[measure] = self._rows[measure].to_numpy(dtype=float, na_value=np.nan)
        return self._numbers[measure]


class Pairs:
    """Columns of a table with one row per case and pair of annotators."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = Rows(rows, ["annotator_a", "annotator_b"])

    def of_pairs(self, pairs: list[tuple[str, str]], measure: str) -> pd.DataFrame:
        """`(cases, pairs)`; the order within a pair does not matter, and pairs without a common case are left out."""
        known = [pair if pair in self._rows.at else pair[::-1] for pair in pairs]
        return self._rows.columns({pair: pair for pair in known if pair in self._rows.at}, measure)


class Agreement:
    """Values per case of any pair, as columns of one table per measure.

    Attributes:
        one_way: Whether raters are exchangeable, so that only their mean within each case means anything.
    """

    one_way = False

    def __init__(self, agreement: pd.DataFrame, leave_one_out: pd.DataFrame, *, one_way: bool = False) -> None:
        self.one_way = one_way
        self._pairs = Pairs(agreement[agreement["iou_threshold"] == THRESHOLD])
        self._others = Rows(leave_one_out[leave_one_out["iou_threshold"] == THRESHOLD], ["annotator", "rater"])

    def of_pairs(self, pairs: list[tuple[str, str]], measure: str) -> pd.DataFrame:
        """As in `Pairs`."""
        return self._pairs.of_pairs(pairs, measure)

    def with_others(self, annotator: str, measure: str) -> pd.DataFrame:
        """`(cases, raters)`: against C₋r of each rater r; without columns where there is none."""
        return self._others.columns({rater: (a, rater) for a, rater in self._others.at if a == annotator}, measure)


def mean_over_pairs(values: pd.DataFrame) -> pd.Series:
    """Mean of each case over the pairs that are defined there."""
    return values.mean(axis=1)


def pairs_noted(n_pairs: int) -> str:
    """Note of a mean over pairs.

    Example:
        >>> pairs_noted(1), pairs_noted(3)
        ('1 pair', '3 pairs')
    """
    return f"{n_pairs} pair{'s' if n_pairs > 1 else ''}"


def mean_over_raters(values: pd.DataFrame) -> pd.Series:
    """Numbers per case whose mean is the mean over raters of their means over cases.

    If every rater has every case, this is the mean over raters within a case. If some lack cases, each case is
    linearised around the rater's mean, so that the interval has the spread of the mean and not that of the gaps.
    """
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(numbers)
    n, covered = known.sum(axis=0), known.any(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, numbers, 0).sum(axis=0) / n
        deviation = np.where(known, numbers - mean, 0) @ np.where(n > 0, covered.sum() / (n * (n > 0).sum()), 0)
        centre = mean[n > 0].sum() / (n > 0).sum()
    return pd.Series(np.where(covered, centre + deviation, np.nan), values.index)


def own_scores(agreement: Agreement, raters: list[str], measure: str) -> pd.DataFrame:
    """`(cases, raters)`: each rater r against C₋r; of exchangeable raters one column, their mean."""
    own = {rater: agreement.with_others(rater, measure) for rater in raters}
    columns = {rater: values[rater] for rater, values in own.items() if rater in values}
    table = pd.concat(columns, axis=1, sort=False) if columns else pd.DataFrame()
    return one_column(table) if agreement.one_way else table


def one_column(values: pd.DataFrame) -> pd.DataFrame:
    """Mean of each case, as a table of one column; without columns if there are none."""
    return values.mean(axis=1).to_frame(ALL_RATERS) if len(values.columns) else values


def rater_score(agreement: Agreement, raters: list[str], rater: str, measure: str) -> tuple[pd.Series, str, str]:
    """Values of one rater, the `comparison`, and a note if C₋r would rest on too few raters."""
    own = own_scores(agreement, [rater], measure)
    if len(own.columns):
        return own.iloc[:, 0], LEAVE_ONE_OUT, ""
    pairs = agreement.of_pairs([(rater, other) for other in raters if other != rater], measure)
    return mean_over_pairs(pairs), PAIRWISE, "too few raters for C₋r: mean agreement with the other raters"


def seeds_of(annotator: str, column: Iterable[Any]) -> set[int]:
    """Seeds of a model or ensemble: from the table, else from its name: `staple/s7`, `staple/s0-3`, `staple/s0,2`."""
    listed = {int(seed) for seed in column if not pd.isna(seed)}
    named = re.fullmatch(r".*/s(\d+(?:-\d+)?(?:,\d+)*)", annotator)
    if listed or named is None:
        return listed
    ends = [part.split("-") for part in named[1].split(",")]
    return {seed for end in ends for seed in range(int(end[0]), int(end[-1]) + 1)}


def references(kinds: dict[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Each reference or truth, the annotators compared with it, and whether it contains the raters."""
    for name, kind in kinds.items():
        if kind not in ("consensus", "truth"):
            continue
        for other, other_kind in kinds.items():
            if other != name and (kind == "truth" or other_kind not in ("consensus", "truth")):
                yield name, other, kind == "consensus"


def containment(name: str, contains_raters: bool) -> str:
    """Note of scores against a reference that contains the raters; empty for any other reference."""
    return f"{name} contains the raters" if contains_raters else ""
