"""Scores of the three qualities: one number with its interval for each measure and target.

    agreement, leave_one_out, counts  ->  one value per case and score  ->  mean over cases, interval over clusters

objectivity asks how the raters agree, validity how models, references and a truth fit what people drew, reliability how
models agree that differ by nothing but the seed.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from segassay.annotations import annotator_order
from segassay.intervals import bootstrap_means
from segassay.tables import Tables, log_ratios

__all__ = [
    "ALL_RATERS",
    "BETWEEN_RATERS",
    "MEASURES",
    "SCORE_COLUMNS",
    "annotator_kinds",
    "both_empty_shift",
    "build_scores",
]

MEASURES = ("f1", "mean_iou", "dice")
"""What is averaged: F1 of objects at IoU > .5, mean IoU of matched objects, Dice of pixels."""

BETWEEN_RATERS = "between raters"
ALL_RATERS = "all raters"

# fmt: off
SCORE_COLUMNS = (
    "quality", "measure", "target", "value", "low", "high", "n_cases", "n_undefined",
    "method", "approximate", "human_low", "human_high", "note",
)
# fmt: on
_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class _Score:
    """One measure of one target: `values` holds a number or NaN for each case that the target covers."""

    quality: str
    measure: str
    target: str
    values: pd.Series
    human_low: float = math.nan
    human_high: float = math.nan
    note: str = ""


def build_scores(
    tables: Tables, annotations: pd.DataFrame, clusters: pd.Series, *, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Average the tables over cases, with intervals that resample clusters.

    A measure is `f1`, `mean_iou` or `dice` (for a pair or a group of annotators), with one of the endings

    - `_leave_one_out`: against C₋r, for each rater r, averaged over r. Models, ensembles and a truth are scored on the
      cases they share with r, and `human_low` to `human_high` is what the lowest and the highest rater reach there;
    - `_pairwise`: mean agreement with the (other) raters, where these are too few for C₋r;
    - `_minus_raters`: paired difference between such a score and that of the raters;
    - `_against_<name>`: against a reference, which contains the raters, or a truth;

    or a rater's `log_count_ratio` and `log_area_ratio` against the other raters.

    Args:
        tables: What `build_tables` returns.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Table with `SCORE_COLUMNS`, by quality, then target by target. `n_undefined` counts the cases that the target
        covers and where the measure does not exist; `n_cases` are those that the value rests on. Nothing to score
        gives a table without rows.
    """
    scores = _all_scores(tables, annotations)
    cases = list(dict.fromkeys(case for score in scores for case in score.values.index))
    if not cases:
        return pd.DataFrame(columns=list(SCORE_COLUMNS))
    values = np.column_stack([score.values.reindex(cases).to_numpy(dtype=float) for score in scores])
    cluster = clusters.reindex(cases).to_numpy()
    table = bootstrap_means(values, cluster, n_resamples=n_resamples, seed=seed)
    table["n_undefined"] = [int(score.values.isna().sum()) for score in scores]  # a case not covered is no such case
    for column in ("quality", "measure", "target", "human_low", "human_high", "note"):
        table[column] = [getattr(score, column) for score in scores]
    return table[list(SCORE_COLUMNS)]


def both_empty_shift(tables: Tables, annotations: pd.DataFrame) -> dict[str, float | int]:
    """How far F1 moves if a pair without any object counted as undefined instead of as perfect agreement.

    Returns:
        `n_comparisons` and `n_both_empty` of all pairs and cases, their `mean_f1`, `mean_f1_if_undefined`, and
        `largest_shift` of any F1 score; the means are NaN where nothing is left.
    """
    rows = tables.agreement[tables.agreement["iou_threshold"] == _THRESHOLD]
    both_empty = _both_empty(rows)
    as_is = _all_scores(tables, annotations)
    other = _all_scores(
        dataclasses.replace(
            tables,
            agreement=_f1_undefined_where_both_empty(tables.agreement),
            leave_one_out=_f1_undefined_where_both_empty(tables.leave_one_out),
        ),
        annotations,
    )
    shifts = [abs(one.values.mean() - two.values.mean()) for one, two in zip(as_is, other, strict=True)]
    return {
        "n_comparisons": len(rows),
        "n_both_empty": int(both_empty.sum()),
        "mean_f1": float(rows["f1"].mean()),
        "mean_f1_if_undefined": float(rows.loc[~both_empty, "f1"].mean()),
        "largest_shift": float(np.nanmax([0.0, *shifts])),
    }


def _both_empty(rows: pd.DataFrame) -> pd.Series:
    return (rows["n_a"].eq(0) & rows["n_b"].eq(0)).fillna(False).astype(bool)


def _f1_undefined_where_both_empty(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(f1=rows["f1"].mask(_both_empty(rows)))


def annotator_kinds(annotations: pd.DataFrame) -> dict[str, str]:
    """Kind of each annotator, in the order of `annotator_order`."""
    kinds: dict[str, str] = dict(annotations[["annotator", "kind"]].drop_duplicates().itertuples(index=False))
    return {name: kinds[name] for name in sorted(kinds, key=lambda name: annotator_order(name, kinds[name]))}


def _all_scores(tables: Tables, annotations: pd.DataFrame) -> list[_Score]:
    kinds = annotator_kinds(annotations)
    agreement = _Agreement(tables.agreement, tables.leave_one_out)
    return [
        *_objectivity(agreement, tables.counts, kinds),
        *_reliability(agreement, annotations),
        *_validity(agreement, kinds),
    ]


class _Agreement:
    """Values per case of any pair, as columns of one table per measure."""

    def __init__(self, agreement: pd.DataFrame, leave_one_out: pd.DataFrame) -> None:
        pairs = agreement[agreement["iou_threshold"] == _THRESHOLD]
        others = leave_one_out[leave_one_out["iou_threshold"] == _THRESHOLD]
        self._cases = {key: rows.index for key, rows in pairs.groupby(["annotator_a", "annotator_b"], sort=False)}
        self._cases_left_out = {key: rows.index for key, rows in others.groupby(["annotator", "rater"], sort=False)}
        self._pairs, self._others = pairs, others

    def of_pairs(self, pairs: list[tuple[str, str]], measure: str) -> pd.DataFrame:
        """`(cases, pairs)`; the order within a pair does not matter, and pairs without a common case are left out."""
        known = [pair if pair in self._cases else pair[::-1] for pair in pairs]
        return _columns(self._pairs, measure, {pair: self._cases[pair] for pair in known if pair in self._cases})

    def with_others(self, annotator: str, measure: str) -> pd.DataFrame:
        """`(cases, raters)`: against C₋r of each rater r; without columns where there is none."""
        found = {rater: index for (name, rater), index in self._cases_left_out.items() if name == annotator}
        return _columns(self._others, measure, found)


def _columns(rows: pd.DataFrame, measure: str, index: Mapping[Any, pd.Index]) -> pd.DataFrame:
    """One column per key, one row per case of any of them; NaN where the value is undefined or the case not covered."""
    columns = {key: pd.Series(rows.loc[at, measure].to_numpy(), rows.loc[at, "case"]) for key, at in index.items()}
    return pd.concat(columns, axis=1, sort=False) if columns else pd.DataFrame()


def _mean_over_pairs(values: pd.DataFrame) -> pd.Series:
    return values.mean(axis=1)


def _mean_over_raters(values: pd.DataFrame) -> pd.Series:
    """Numbers per case whose mean is the mean over raters of their means over cases.

    Where every rater has every case this is the mean over raters within a case. Where some lack cases, each case is
    linearised around the rater's mean, so that the interval has the spread of the mean and not that of the gaps.
    """
    mean = values.mean()
    weight = values.notna().any(axis=1).sum() / (values.notna().sum() * mean.notna().sum())
    deviation = ((values - mean) * weight).sum(axis=1)
    return (mean.mean() + deviation).where(values.notna().any(axis=1))


# ---------------------------------------------------------------------------------------------------- the qualities


def _objectivity(agreement: _Agreement, counts: pd.DataFrame, kinds: dict[str, str]) -> Iterator[_Score]:
    raters = [name for name, kind in kinds.items() if kind == "human"]
    if len(raters) < 2:
        return
    for measure in MEASURES:
        between = agreement.of_pairs(list(combinations(raters, 2)), measure)
        yield _Score("objectivity", measure, BETWEEN_RATERS, _mean_over_pairs(between))
    for measure in MEASURES:
        own = _own_scores(agreement, raters, measure)
        if len(own.columns):
            yield _Score("objectivity", f"{measure}_leave_one_out", ALL_RATERS, _mean_over_raters(own))
    ratios = {
        name: log_ratios(counts, column, raters)
        for name, column in (("log_count_ratio", "n_objects"), ("log_area_ratio", "area_px"))
    }
    for rater in raters:
        for measure in MEASURES:
            values, ending, note = _human_score(agreement, raters, rater, measure)
            yield _Score("objectivity", measure + ending, rater, values, note=note)
        for name, ratio in ratios.items():
            drawn = counts.loc[counts["annotator"] == rater, "case"]
            yield _Score("objectivity", name, rater, ratio[rater].reindex(drawn))


def _own_scores(agreement: _Agreement, raters: list[str], measure: str) -> pd.DataFrame:
    """`(cases, raters)`: each rater r against C₋r."""
    own = {rater: agreement.with_others(rater, measure) for rater in raters}
    columns = {rater: values[rater] for rater, values in own.items() if rater in values}
    return pd.concat(columns, axis=1, sort=False) if columns else pd.DataFrame()


def _human_score(agreement: _Agreement, raters: list[str], rater: str, measure: str) -> tuple[pd.Series, str, str]:
    """Values of one rater, the ending of the measure's name, and a note where C₋r would rest on too few raters."""
    own = _own_scores(agreement, [rater], measure)
    if len(own.columns):
        return own[rater], "_leave_one_out", ""
    pairs = agreement.of_pairs([(rater, other) for other in raters if other != rater], measure)
    return _mean_over_pairs(pairs), "_pairwise", "too few raters for C₋r: mean agreement with the other raters"


def _reliability(agreement: _Agreement, annotations: pd.DataFrame) -> Iterator[_Score]:
    trained = annotations[annotations["kind"].isin(["model", "ensemble"])]
    for (kind, strategy, trained_on), rows in trained.groupby(["kind", "strategy", "trained_on"], sort=True):
        seeds = {name: _seeds(str(name), part["seed"]) for name, part in rows.groupby("annotator", sort=False)}
        pairs = [
            (str(a), str(b)) for a, b in combinations(seeds, 2) if seeds[a] and seeds[b] and not seeds[a] & seeds[b]
        ]
        target = f"{trained_on or strategy} {kind}s".strip()
        for measure in MEASURES:
            values = agreement.of_pairs(pairs, measure)
            if len(values.columns) and (trained_on or strategy):
                yield _Score("reliability", measure, target, _mean_over_pairs(values), note=f"{len(pairs)} pairs")


def _seeds(annotator: str, column: pd.Series) -> set[int]:
    """Seeds of a model or ensemble: from the table, else from its name: `staple/s7`, `staple/s0-3`, `staple/s0,2`."""
    listed = {int(seed) for seed in column.dropna()}
    named = re.fullmatch(r".*/s(\d+(?:-\d+)?(?:,\d+)*)", annotator)
    if listed or named is None:
        return listed
    ends = [part.split("-") for part in named[1].split(",")]
    return {seed for end in ends for seed in range(int(end[0]), int(end[-1]) + 1)}


def _validity(agreement: _Agreement, kinds: dict[str, str]) -> Iterator[_Score]:
    raters = [name for name, kind in kinds.items() if kind == "human"]
    for name, kind in kinds.items():
        if kind in ("model", "ensemble", "truth"):
            for measure in MEASURES:
                yield from _beside_humans(agreement, raters, name, measure)
    for name, kind in kinds.items():
        if kind not in ("consensus", "truth"):
            continue
        note = f"{name} contains the raters" if kind == "consensus" else ""
        for other, other_kind in kinds.items():
            if other == name or (kind == "consensus" and other_kind in ("consensus", "truth")):
                continue
            for measure in MEASURES:
                values = agreement.of_pairs([(name, other)], measure)
                if len(values.columns):
                    yield _Score("validity", f"{measure}_against_{name}", other, values.iloc[:, 0], note=note)


def _beside_humans(agreement: _Agreement, raters: list[str], name: str, measure: str) -> Iterator[_Score]:
    """A model's score, what the raters reach on the same cases, and the difference between the two."""
    scores, ending, note = agreement.with_others(name, measure), "_leave_one_out", ""
    humans = _own_scores(agreement, raters, measure).reindex(index=scores.index, columns=scores.columns)
    if not len(scores.columns):
        pairs = {rater: agreement.of_pairs([(name, rater)], measure) for rater in raters}
        found = {rater: values.iloc[:, 0] for rater, values in pairs.items() if len(values.columns)}
        if not found:
            return
        scores, ending = pd.concat(found, axis=1, sort=False), "_pairwise"
        note = "too few raters for C₋r: mean agreement with the raters"
        own = {rater: _human_score(agreement, raters, rater, measure)[0] for rater in raters if len(raters) > 1}
        humans = pd.DataFrame(own).reindex(index=scores.index, columns=scores.columns)
    of_rater = humans.where(scores.notna()).mean()
    human_range = (of_rater.min(), of_rater.max())
    yield _Score("validity", measure + ending, name, _mean_over_raters(scores), *human_range, note=note)
    if humans.notna().any(axis=None):
        difference = (scores - humans).loc[humans.notna().any(axis=1)]
        yield _Score("validity", f"{measure}{ending}_minus_raters", name, _mean_over_raters(difference), note=note)
