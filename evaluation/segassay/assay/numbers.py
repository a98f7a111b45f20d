"""The numbers of an evaluation: tables, effects, scores with intervals, verdicts.

dataset, annotations -> tables -> effects, scores -> summary -> Results
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.checks.check import problems_of
from segassay.checks.report import listed
from segassay.data.annotations import raters_of
from segassay.data.dataset import Dataset, strata, units_of
from segassay.data.design import PARTS, STRATA
from segassay.data.facets import is_exchangeable
from segassay.io.images import HeldImage, holds_outlines, read_grid
from segassay.io.progress import show_progress
from segassay.judgement.measures import both_empty_shift, build_scores, by_quality, further_measures
from segassay.judgement.results import Results
from segassay.judgement.strategies import strategy_table
from segassay.judgement.summary import summarise, versions
from segassay.qualities.exchangeable import without_names
from segassay.qualities.scores.table import Findings, annotator_kinds
from segassay.qualities.validity.specification import NUMBERS, outcomes, specification_table
from segassay.report.notes import in_words
from segassay.tables.build import Tables, build_tables
from segassay.tables.effects import EFFECT_COLUMNS, effects
from segassay.tables.mean_rater import MEAN_OF_RATERS, MEAN_OF_RATERS_NOTE, mean_counts, mean_measured
from segassay.tables.measured import areas_in_mm
from segassay.tables.normalise import normalise
from segassay.tables.persons import by_person
from segassay.tables.prerequisites import PREREQUISITE_COLUMNS, prerequisites
from segassay.workers.order import Jobs

__all__ = ["compute_results", "normalised_counts"]


def compute_results(
    name: str,
    dataset: Dataset | None,
    annotations: pd.DataFrame,
    *,
    about: Mapping[str, str],
    checked: bool = False,
    n_jobs: Jobs,
    progress: bool = False,
    of: str = "",
    kept: Path | None = None,
) -> Results:
    """Compare all annotators and judge the results.

    Args:
        name: Name of the results.
        dataset: The dataset; None if there are only annotations.
        annotations: What `read_annotations` returns.
        about: Hashes of the evaluated data, and the command if there is one, for the summary.
        checked: Whether the dataset is a folder whose problems, as `segassay check` finds them, become warnings.
        n_jobs: Number of processes that share the cases, or workers; no result depends on it.
        progress: Whether to show how many cases are done.
        of: Class that the masks are of, to be shown; empty for all.
        kept: As of `build_tables`.

    Returns:
        Tables, scores, effects and verdicts.

    Raises:
        DataError: If a file cannot be read, or there is nothing to compare.
    """
    n_cases = annotations["case"].nunique()
    masks = f"masks of class {of} of" if of else "masks of"
    with show_progress(n_cases, doing=f"comparing {masks[:-3]}", done=f"compared {masks}", shown=progress) as advance:
        tables = build_tables(dataset, annotations, n_jobs=n_jobs, progress=advance, kept=kept)
    found, checks, choices, normalised = _effects(dataset, tables, annotations)
    seen, people = by_person(tables, annotations)
    scored = replace(seen, counts=areas_in_mm(seen.counts, seen.measured))
    known = _of_cases(dataset, annotations)
    subjects, parts = known["subject"], known[list(PARTS)]
    clusters = units_of(subjects)
    scores = build_scores(scored, people, clusters)
    margin = Findings.equivalence_margin if dataset is None else dataset.settings.equivalence_margin
    of_people = (found, choices, normalised)
    if seen is not tables:
        of_people = _effects(dataset, seen, people)[0], *_effects(dataset, seen, people)[2:]
    apart: dict[str, Any] = {"specifications": of_people[1], "test_cases": _test_cases(dataset)}
    apart |= {"of_volumes": _are_volumes(annotations), "parts": parts}
    findings = Findings(scored, people, clusters, of_people[0], of_people[2], margin, **apart)
    further, not_judged = further_measures(findings)
    scores, not_judged = without_names(by_quality([scores, further]), not_judged, people)
    summary: dict[str, Any] = summarise(scores, findings)
    summary |= {"versions": versions(), **about}
    summary["policy"] = _policy(dataset, annotations, tables, subjects)
    if findings.of_volumes:
        summary["policy"]["of_volumes"] = True
    if checked and dataset is not None:
        summary["policy"]["warnings"] = listed(problems_of(dataset, n_jobs=n_jobs), dataset.folder)
    compared = strategy_table(findings)
    judged = (scores, not_judged, compared, summary)
    return Results(name, annotations, tables, found, checks, choices, *judged, subjects, people, parts=parts)


def _effects(
    dataset: Dataset | None, tables: Tables, annotations: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """Effects and prerequisites, without rows if there is no experiment; specifications and normalised counts."""
    if is_exchangeable(annotations):  # the conclusion of `reader_1` is nobody's
        named = raters_of(annotator_kinds(annotations))
        if set(tables.counts["annotator"]) <= set(named):
            return _effects_of_mean(dataset, tables, named)
        names = ("counts", "recounts", "measured", "remeasured")
        others: dict[str, Any] = {name: _of_others(getattr(tables, name), named) for name in names}
        tables = replace(tables, **others)
    normalised = normalised_counts(dataset, tables.counts, tables.measured)
    if normalised is None or tables.counts.empty:
        return _NO_EFFECTS
    return effects(normalised), prerequisites(normalised), _specifications(dataset, tables, annotations), normalised


_NO_EFFECTS = (pd.DataFrame(columns=list(EFFECT_COLUMNS)), pd.DataFrame(columns=list(PREREQUISITE_COLUMNS)), None, None)


def _effects_of_mean(
    dataset: Dataset | None, tables: Tables, raters: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame, None, pd.DataFrame | None]:
    """The same, of the mean of exchangeable raters alone."""
    counts, measured = mean_counts(tables.counts, raters), mean_measured(tables.measured, raters)
    normalised = normalised_counts(dataset, counts, measured)
    if normalised is None or counts.empty:
        return _NO_EFFECTS
    found = effects(normalised)
    of_mean = found["annotator"] == MEAN_OF_RATERS
    notes = found["note"].where(~of_mean, [f"{MEAN_OF_RATERS_NOTE}{'; ' * bool(one)}{one}" for one in found["note"]])
    return found.assign(note=notes), prerequisites(normalised), None, normalised


def _of_others(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return table[~table["annotator"].isin(names)].reset_index(drop=True)


def _specifications(dataset: Dataset | None, tables: Tables, annotations: pd.DataFrame) -> pd.DataFrame | None:
    if dataset is None or dataset.experiment is None or dataset.settings.control_group is None:
        return None
    chosen = outcomes(dataset.measurements)
    if not chosen:
        return None
    table = tables.recounts if set(chosen) <= set(NUMBERS) else tables.remeasured
    return specification_table(table, annotations, dataset.experiment, dataset.settings.control_group, chosen)


def _are_volumes(annotations: pd.DataFrame) -> bool:
    """Whether the first mask that exists has more than two axes; outlines are drawn in images of two."""
    drawn = (path for path in annotations["path"] if isinstance(path, HeldImage) or os.path.exists(path))
    first = next((path for path in drawn if not holds_outlines(path)), None)
    return first is not None and len(read_grid(first).shape) > 2


def _test_cases(dataset: Dataset | None) -> list[str]:
    """Cases that are kept out of every training."""
    return [] if dataset is None else strata(dataset).query("split == 'test'").index.tolist()


def _of_cases(dataset: Dataset | None, annotations: pd.DataFrame) -> pd.DataFrame:
    """Case × what the experiment says of it, empty where it says nothing."""
    cases = annotations["case"].unique()
    return pd.DataFrame("", cases, list(STRATA)) if dataset is None else strata(dataset).reindex(cases)


def _policy(dataset: Dataset | None, annotations: pd.DataFrame, tables: Tables, subjects: pd.Series) -> dict[str, Any]:
    """The conventions behind the numbers, and the notes and warnings of this evaluation."""
    has_subject = subjects != ""
    notes = [in_words(note) for note in tables.notes]
    if dataset is not None and dataset.experiment is not None and dataset.settings.control_group is None:
        notes.append("dataset.yaml names no control_group: measurements are not normalised and effects not tested")
    return {
        "both_empty": {
            "convention": "1: both agree that there is nothing",
            **_finite(both_empty_shift(tables, annotations)),
        },
        "one_empty": "0",
        "missing_prediction": "scores 0 and is counted; its distances and measurements are undefined",
        "object_found": "IoU > threshold; f1 is at .5",
        "min_object_size": dataset.min_object_size if dataset is not None else 0,
        "intervals": {
            "level": Findings.level,
            "unit": "subject" if has_subject.all() else "case" if not has_subject.any() else "subject, else case",
            "n_units": int(units_of(subjects).nunique()),
            "conditional_on": "these raters and seeds",
        },
        "notes": notes,
        "warnings": list(map(str, dataset.warnings)) if dataset is not None else [],
    }


def _finite(numbers: Mapping[str, float | int]) -> dict[str, float | int | None]:
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


def normalised_counts(
    dataset: Dataset | None, counts: pd.DataFrame, measured: pd.DataFrame | None = None
) -> pd.DataFrame | None:
    """Measurements in multiples of the control mean; None without a control group."""
    if dataset is None or dataset.experiment is None or dataset.settings.control_group is None:
        return None
    return normalise(counts, dataset.experiment, dataset.settings.control_group, dataset.measurements, measured)
