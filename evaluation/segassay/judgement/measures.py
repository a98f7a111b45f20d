"""All measures of an evaluation, as one table of scores.

objectivity, reliability, validity, outlines  ->  scores, and what could not be judged
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.facets import is_exchangeable
from segassay.io.stored_tables import rows_where
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import computations as objectivity
from segassay.qualities.objectivity.raters import agreement_of_raters
from segassay.qualities.reliability import computations as reliability
from segassay.qualities.reliability.ensembles import ensembles_beside
from segassay.qualities.reliability.seeds import agreement_of_folds, agreement_of_seeds
from segassay.qualities.scores.computation import GAP_COLUMNS, compute_all
from segassay.qualities.scores.coverage import MEANS, are_unequal, coverage_warning
from segassay.qualities.scores.table import (
    QUALITIES,
    THRESHOLD,
    Agreement,
    Findings,
    Score,
    annotator_kinds,
    score_rows,
    score_table,
)
from segassay.qualities.validity import computations as validity
from segassay.qualities.validity.outlines import distance_scores
from segassay.qualities.validity.raters import agreement_with_raters
from segassay.tables.build import Tables

__all__ = [
    "both_empty_shift",
    "build_scores",
    "by_quality",
    "case_scores",
    "further_measures",
    "warned",
    "where_marked",
]


def build_scores(tables: Tables, annotations: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Average the tables over cases, with intervals over clusters.

    A measure is `f1`, `mean_iou` or `dice` (for a pair or a group of annotators), with one of the endings

    - `_leave_one_out`: against C₋r, the consensus of all raters but r, averaged over all raters r. Models, ensembles
      and a truth are scored on the cases they share with r; `human_low` and `human_high` are the scores of the lowest
      and the highest rater on these cases;
    - `_pairwise`: mean agreement with the (other) raters, if these are too few for C₋r;
    - `_minus_raters`: paired difference between such a score and that of the raters;
    - `_against_<name>`: against a reference, which contains the raters, or a truth;

    or a rater's `log_count_ratio` and `log_area_ratio` against the other raters. Distances (`hd95_um`, `hd95_px` and so
    on, `nsd`) have the endings `_leave_one_out`, `_pairwise` and `_against_<name>`. They are means over the pairs for
    which they are defined; `note` counts the others, and `bound` is the mean if each undefined distance is set to the
    diagonal of its image.

    Args:
        tables: What `build_tables` returns.
        annotations: What `read_annotations` returns.
        clusters: Case -> name of its subject, or of the case itself.

    Returns:
        Table with `SCORE_COLUMNS`, by quality, then by target. `n_undefined` counts the cases of the target for which
        the measure is undefined, `n_cases` those that the value is computed from. The table has no rows if there is
        nothing to score.
    """
    scores = [*case_scores(tables, annotations), *distance_scores(tables.distances, annotations)]
    scores.sort(key=lambda score: QUALITIES.index(score.quality))
    return warned(score_table(scores, clusters), clusters)


def further_measures(found: Findings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All measures that are not means of agreement: tests, correlations, indices, imprints.

    Args:
        found: Tables, annotations, clusters and effects of an evaluation.

    Returns:
        Table with `SCORE_COLUMNS`, by quality, with a warning in `note` if intervals of this kind were found to cover
        less than 95 %; and the measures that could not be computed, with `GAP_COLUMNS`.
    """
    parts, gaps = [], []
    for quality, room in zip(QUALITIES, (objectivity, reliability, validity), strict=True):
        part, missing = compute_all(room.computations(found))
        parts.append(part)
        gaps += [(quality, gap.measure, gap.why, gap.words or gap.measure) for gap in missing]
    table = warned(by_quality(parts), found.clusters)
    return table, pd.DataFrame(gaps, columns=list(GAP_COLUMNS))


def warned(table: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """The same rows, with warnings about the coverage of their intervals in `note`.

    Args:
        table: With `SCORE_COLUMNS`, and perhaps others.
        clusters: Case -> name of its subject, or of the case itself.
    """
    n_clusters, unequal = clusters.nunique(), are_unequal(clusters.to_numpy())
    warnings = [
        coverage_warning(
            known := CATALOGUE[record].coverage,
            method,
            n_clusters,
            clumped=known == (MEANS,) and unsure,
            unequal=unequal,
        )
        for record, method, unsure in table[["record", "method", "approximate"]].itertuples(index=False)
    ]
    notes = [[note, warning] for note, warning in zip(table["note"], warnings, strict=True)]
    return table.assign(note=["; ".join(part for part in parts if part) for parts in notes])


def by_quality(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables with `SCORE_COLUMNS` joined by quality; the order of rows is kept within a quality."""
    parts = [table[table["quality"] == quality] for quality in QUALITIES for table in tables]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else score_rows([])


def both_empty_shift(tables: Tables, annotations: pd.DataFrame) -> dict[str, float | int]:
    """How much F1 would change if a pair without any object counted as undefined instead of as perfect agreement.

    Returns:
        `n_comparisons` and `n_both_empty` of all pairs and cases, their `mean_f1`, `mean_f1_if_undefined`,
        `largest_shift` of any F1 score, and `n_scores_undefined`, of those that would have no value because every case
        is empty for both; a mean over no comparison is NaN.
    """
    rows = tables.agreement[tables.agreement["iou_threshold"] == THRESHOLD]
    both_empty = _both_empty(rows)
    shifts = _shifts(tables, annotations) if any(map(_has_both_empty, (rows, tables.leave_one_out))) else []
    return {
        "n_comparisons": len(rows),
        "n_both_empty": int(both_empty.sum()),
        "mean_f1": float(rows["f1"].mean()),
        "mean_f1_if_undefined": float(rows.loc[~both_empty, "f1"].mean()),
        "largest_shift": float(np.nanmax([0.0, *shifts])),
        "n_scores_undefined": int(np.isnan(shifts).sum()),
    }


def _shifts(tables: Tables, annotations: pd.DataFrame) -> list[float]:
    """Change of each score; NaN where it would have no value."""
    as_is = case_scores(tables, annotations)
    other = case_scores(
        dataclasses.replace(
            tables,
            agreement=_f1_undefined_where_both_empty(rows_where(tables.agreement, _judged)),
            leave_one_out=_f1_undefined_where_both_empty(rows_where(tables.leave_one_out, _judged)),
        ),
        annotations,
    )
    left = {(score.form, score.target): score.values.mean() for score in other}  # fewer, where every case is empty
    means = {(score.form, score.target): score.values.mean() for score in as_is if score.values.notna().any()}
    return [abs(mean - left.get(key, np.nan)) for key, mean in means.items()]


def _judged(rows: pd.DataFrame) -> pd.Series:
    return rows["iou_threshold"] == THRESHOLD


def _has_both_empty(rows: pd.DataFrame) -> bool:
    return bool(_both_empty(rows).any())


def _both_empty(rows: pd.DataFrame) -> pd.Series:
    return (rows["n_a"].eq(0) & rows["n_b"].eq(0)).fillna(False).astype(bool)


def _f1_undefined_where_both_empty(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(f1=rows["f1"].mask(_both_empty(rows)))


def where_marked(tables: Tables) -> Tables:
    """Agreement at IoU > .5, with F1, Dice and mean IoU undefined where neither of two annotators marked anything."""
    parts: dict[str, Any] = {}
    for name in ("agreement", "leave_one_out"):
        rows = rows_where(getattr(tables, name), _judged)
        nothing = (rows["n_px_a"].eq(0) & rows["n_px_b"].eq(0)).fillna(False).astype(bool)
        parts[name] = rows.assign(f1=rows["f1"].mask(_both_empty(rows)), dice=rows["dice"].mask(nothing))
    return dataclasses.replace(tables, **parts)


def case_scores(tables: Tables, annotations: pd.DataFrame) -> list[Score]:
    """All means of agreement, with their value in each case."""
    kinds = annotator_kinds(annotations)
    agreement = Agreement(tables.agreement, tables.leave_one_out, one_way=is_exchangeable(annotations))
    return [
        *agreement_of_raters(agreement, tables.counts, kinds),
        *agreement_of_seeds(agreement, annotations),
        *agreement_of_folds(agreement, annotations),
        *ensembles_beside(agreement, annotations),
        *agreement_with_raters(agreement, kinds),
    ]
