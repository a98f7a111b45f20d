"""Several classes: the headlines of each, and their mean over the classes.

class -> Results  ->  one row per class and headline, and one of the mean over classes
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.dataset import units_of
from segassay.judgement.headlines import headlines
from segassay.judgement.measures import case_scores, where_marked
from segassay.judgement.results import Results
from segassay.judgement.summary import judged_in
from segassay.qualities.scores.bounds import bounds_of
from segassay.qualities.scores.table import MEASURES, Score, score_table
from segassay.statistics.jackknife import PLAIN, jackknife_of, left_out
from segassay.tables.build import Tables
from segassay.tables.persons import by_person

__all__ = [
    "CLASS_COLUMNS",
    "CLASS_TABLES",
    "MEAN",
    "WHERE_MARKED",
    "absent_classes",
    "class_headlines",
    "class_names",
    "class_paths",
    "verdicts_of_classes",
]

CLASS_TABLES = ("classes", "class_agreement", "class_counts", "confusion", "confusion_objects")
"""Tables that only an evaluation of several classes has."""

CLASS_COLUMNS = (
    *("class", "quality", "measure", "target", "value", "low", "high", "n_cases", "n_undefined", "n_classes"),
    "note",
)
MEAN = "mean"
"""In the column `class`: the mean over classes; only its rows have a number of classes above 0."""

WHERE_MARKED = "_where_marked"
"""Ending of a measure that is undefined, instead of 1, where neither of two annotators marked anything of the class."""

_OF_WINDOWS = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}

_Key = tuple[str, str, str]  # quality, measure, target


def class_headlines(classes: Mapping[str, Results]) -> pd.DataFrame:
    """Headlines of every class, and their unweighted mean over classes.

    F1 and Dice stand twice: as in the class's own scores.csv, where two masks that have nothing of the class agree
    completely, and with the ending `_where_marked`, without such comparisons.

    Args:
        classes: The evaluation of each class.

    Returns:
        Table with `CLASS_COLUMNS`: first the classes in their order, with `n_classes` 0, then the means, whose `class`
        is `mean` and whose `n_classes` counts the classes that are in it. Classes that nobody marks, and undefined
        values, are in no mean. The interval of a mean of agreement is a jackknife over cases or subjects; other means
        have none, as `note` says.
    """
    keys = list(dict.fromkeys(key for found in classes.values() for key in _keys(found)))
    of_class = {name: _of_class(found, keys) for name, found in classes.items()}
    rows = [{"class": name} | row for name, of in of_class.items() for row in _rows_of_class(classes[name], keys, of)]
    absent = absent_classes(classes)
    marked = [name for name in classes if name not in absent]
    clusters = units_of(next(iter(classes.values())).subjects) if classes else pd.Series(dtype=object)
    rows += list(_means(rows, {name: of_class[name] for name in marked}, clusters))
    table = pd.DataFrame(rows, columns=list(CLASS_COLUMNS))
    numbers = dict.fromkeys(("value", "low", "high"), float) | dict.fromkeys(
        ("n_cases", "n_undefined", "n_classes"), int
    )
    return table.astype(numbers)


def absent_classes(classes: Mapping[str, Results]) -> list[str]:
    """Classes that nobody marks in any image."""
    return [name for name, found in classes.items() if not found.tables.counts["area_px"].fillna(0).sum() > 0]


def _keys(found: Results) -> Iterator[_Key]:
    """Headlines of an evaluation, without those of contrasts between groups."""
    table = headlines(found)
    for row in table[table["contrast"].eq("")].to_dict("records"):
        yield row["quality"], row["measure"], row["target"]


def _of_class(found: Results, keys: list[_Key]) -> dict[_Key, Score]:
    """Values per case of the headlines that are means over cases; those of masks also where something is marked."""
    seen, people = by_person(found.tables, found.annotations)
    scores = _by_key(seen, people, keys)
    marked = _by_key(where_marked(seen), people, [key for key, score in scores.items() if _is_of_masks(score)])
    return scores | {
        (quality, f"{measure}{WHERE_MARKED}", target): score for (quality, measure, target), score in marked.items()
    }


def _by_key(tables: Tables, people: pd.DataFrame, keys: list[_Key]) -> dict[_Key, Score]:
    scores = {(score.quality, score.measure, score.target): score for score in case_scores(tables, people)}
    return {key: scores[key] for key in keys if key in scores}


def _is_of_masks(score: Score) -> bool:
    return score.form.record.name in MEASURES


def _rows_of_class(found: Results, keys: list[_Key], of_cases: Mapping[_Key, Score]) -> Iterator[dict[str, Any]]:
    scores = {(row["quality"], row["measure"], row["target"]): row for row in found.scores[::-1].to_dict("records")}
    clusters = units_of(found.subjects)
    for key in keys:
        if key in scores:
            yield _row(key, scores[key])
        marked = (key[0], f"{key[1]}{WHERE_MARKED}", key[2])
        if marked in of_cases:
            yield _row(marked, score_table([of_cases[marked]], clusters).iloc[0].to_dict())


def _row(key: _Key, score: Mapping[Any, Any]) -> dict[str, Any]:
    named = dict(zip(("quality", "measure", "target"), key, strict=True))
    numbers = {name: score[name] for name in ("value", "low", "high", "n_cases", "n_undefined")}
    return named | numbers | {"n_classes": 0, "note": ""}


def _means(
    rows: list[dict[str, Any]], classes: Mapping[str, Mapping[_Key, Score]], clusters: pd.Series
) -> Iterator[dict[str, Any]]:
    for key in dict.fromkeys((row["quality"], row["measure"], row["target"]) for row in rows):
        own = [row for row in rows if (row["quality"], row["measure"], row["target"]) == key]
        defined = [row for row in own if row["class"] in classes and not math.isnan(row["value"])]
        named = {"class": MEAN} | dict(zip(("quality", "measure", "target"), key, strict=True))
        named |= {"n_classes": len(defined)}
        scores = [classes[row["class"]][key] for row in defined if key in classes[row["class"]]]
        if defined and len(scores) == len(defined):
            yield named | _mean_of_scores(scores, clusters)
            continue
        value = float(np.mean([row["value"] for row in defined])) if defined else math.nan
        counted = {name: min((row[name] for row in defined), default=0) for name in ("n_cases", "n_undefined")}
        note = "no interval: no mean over cases" if defined else "no class has a value"
        yield named | {"value": value, "low": math.nan, "high": math.nan} | counted | {"note": note}


def _mean_of_scores(scores: list[Score], clusters: pd.Series) -> dict[str, Any]:
    """Mean over classes of their means over cases; its interval leaves out one cluster of all classes at a time."""
    values = pd.concat([score.values for score in scores], axis=1).to_numpy(dtype=float)
    cases = pd.concat([score.values for score in scores], axis=1).index
    known = ~np.isnan(values)

    def mean(weights: np.ndarray, places: np.ndarray) -> np.ndarray:
        at = places.astype(int)
        of_class = (weights @ np.where(known, values, 0)[at]) / (weights @ known[at])
        return np.asarray(of_class.mean(axis=1))

    used = known.any(axis=1)
    low, high = bounds_of(scores[0].form)
    places = np.where(used, np.arange(len(cases)), np.nan)
    found = jackknife_of(left_out(mean, places, clusters.reindex(cases).to_numpy()), replace(PLAIN, low=low, high=high))
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    return numbers | {"n_cases": int(used.sum()), "n_undefined": int((~used).sum()), "note": ""}


def class_names(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Classes that a summary has verdicts of; none if masks have one class."""
    classes = summary.get("classes")
    return tuple(map(str, classes)) if isinstance(classes, Mapping) else ()


def class_paths(names: Iterable[str]) -> dict[str, str]:
    """Folder of the evaluation of each class, as a path from that of all, with `/`.

    A folder has letters, digits, `.`, `_` and `-` of the name; others become `_`. Names that only differ in capitals,
    or whose letters cannot stand in the name of a folder, get the place of the class.

    Example:
        >>> class_paths(["tumour", "Tumour", "<b>/..", "con"])
        {'tumour': 'classes/tumour', 'Tumour': 'classes/Tumour_2', '<b>/..': 'classes/b', 'con': 'classes/con_4'}
    """
    longest = 60  # letters of the name of a folder
    paths, used = {}, set[str]()
    for place, name in enumerate(names, start=1):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:longest].strip("._-")
        if not plain or plain.casefold() in used or plain.casefold().split(".")[0] in _OF_WINDOWS:
            plain = f"{plain or 'class'}_{place}"
        while plain.casefold() in used:
            plain += "_"
        used.add(plain.casefold())
        paths[name] = f"classes/{plain}"
    return paths


def verdicts_of_classes(classes: Mapping[str, Results]) -> dict[str, dict[str, dict[str, str]]]:
    """Class -> quality, and first `raters` if there is no model -> verdict, outcome, missing, sentence."""
    return {
        name: {
            quality: {part: found.summary[quality][part] for part in ("verdict", "outcome", "missing", "sentence")}
            for quality in judged_in(found.summary)
        }
        for name, found in classes.items()
    }
