"""Several classes: the evaluation of all together, then the same of each class, and what compares the classes.

sources with classes  ->  Evaluation, with one of each class  ->  folders classes/<class>/
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from segassay.assay.evaluation import Evaluation
from segassay.assay.numbers import compute_results
from segassay.assay.sources import Sources
from segassay.data.dataset import Dataset, of_class, strata, units_of
from segassay.data.measurements import ENDPOINT_COLUMNS
from segassay.errors import UsageError
from segassay.io.progress import show_progress
from segassay.judgement.classes import MEAN, absent_classes, class_headlines, verdicts_of_classes
from segassay.judgement.summary import versions
from segassay.judgement.worst_class import judge_by_worst
from segassay.qualities.objectivity.classes import agreement_on_classes
from segassay.report.notes import in_words
from segassay.tables.classes import BACKGROUND, build_class_tables
from segassay.tables.notes import Note
from segassay.workers.order import Jobs

__all__ = ["evaluate_classes", "share_names"]

_SHARES = {"share_of_area": "share", "share_of_objects": "object_share"}
_LONGEST = 40  # letters of the name of an endpoint


def evaluate_classes(
    sources: Sources, about: Mapping[str, str], n_jobs: Jobs, progress: bool, kept: Path | None = None
) -> Evaluation:
    """Evaluate the foreground of all classes together, then each class, one after the other.

    Args:
        sources: Input with a dataset that has classes.
        about: Hashes and command, for the summaries.
        n_jobs: Number of processes that share the cases, or workers.
        progress: Whether to show how many cases are done.
        kept: As of `segassay.tables.build.build_tables`; one file for all classes.

    Returns:
        The evaluation of all classes together; with `classes`, the evaluation of each, and `of_classes`, the tables
        that compare them.

    Raises:
        UsageError: If a class has the name of the background, or of the mean over classes.
        DataError: If a file cannot be read, or a mask holds a value that is no class.
    """
    dataset, annotations = sources.dataset, sources.annotations
    assert dataset is not None, "it has classes"
    if taken := [name for name in (BACKGROUND, MEAN) if name in dataset.class_names]:
        raise UsageError(f"a class is called {taken[0]}, which has another meaning in tables; give it another name")
    n_cases = annotations["case"].nunique()
    with show_progress(n_cases, doing="comparing classes", done="compared classes of", shown=progress) as advance:
        tables = build_class_tables(dataset, annotations, n_jobs=n_jobs, progress=advance)
    checked = sources.folder is not None
    whole = compute_results(
        sources.name,
        with_shares(dataset, tables.counts),
        annotations,
        about=about,
        checked=checked,
        n_jobs=n_jobs,
        progress=progress,
        kept=kept,
    )
    classes = {}
    for name in dataset.class_names:
        view = of_class(dataset, name)
        found = compute_results(
            f"{sources.name}: {name}",
            view,
            annotations,
            about=about,
            n_jobs=n_jobs,
            progress=progress,
            of=name,
            kept=kept,
        )
        found.summary["class"] = {"name": name, "of": sources.name}
        found.summary["policy"]["warnings"] = whole.summary["policy"]["warnings"]
        classes[name] = Evaluation(**vars(found), dataset=view)
    summary = judge_by_worst(
        whole.summary, {name: found.summary for name, found in classes.items()}, absent_classes(classes)
    )
    summary["versions"] = versions(of_classes=True)
    summary["classes"] = verdicts_of_classes(classes)
    whole = replace(whole, summary=summary)
    if dataset.classes is not None and not dataset.classes.exclusive:
        whole.summary["policy"]["notes"].append(in_words(Note("classes_overlap")))
    clusters = units_of(strata(dataset)["subject"].reindex(annotations["case"].unique()))
    of_classes = {
        "classes": class_headlines(classes),
        "class_agreement": agreement_on_classes(tables, dataset.class_names, clusters),
        "class_counts": tables.counts,
        "confusion": tables.confusion,
        "confusion_objects": tables.confusion_objects,
    }
    return Evaluation(**vars(replace(whole, of_classes=of_classes)), dataset=dataset, classes=classes)


def with_shares(dataset: Dataset, counts: pd.DataFrame) -> Dataset:
    """The dataset with the shares of the classes as further measurements, if it has an experiment to test them in.

    Args:
        dataset: A dataset with classes.
        counts: Of `segassay.tables.classes.ClassTables`.

    Returns:
        The dataset with endpoints `share_<class>`, of the area of all classes together, and `object_share_<class>`, of
        their objects; undefined in a case where an annotator marks nothing.
    """
    if dataset.experiment is None or dataset.settings.control_group is None:
        return dataset
    own = dataset.endpoints
    names = share_names(dataset.class_names, () if own is None else own["endpoint"].unique())
    parts = [] if own is None else [own]
    for column in _SHARES:
        if counts[column].notna().any():
            rows = counts.assign(
                endpoint=[names[column, name] for name in counts["class"]], value=counts[column], unit=""
            )
            parts.append(rows[list(ENDPOINT_COLUMNS)])
    if not parts:
        return dataset
    endpoints = pd.concat(parts, ignore_index=True)
    chosen = dataset.settings.measurements
    if chosen is not None:
        chosen = (*chosen, *(name for name in names.values() if name in set(endpoints["endpoint"])))
    settings = dataset.settings.model_copy(update={"measurements": chosen})
    return replace(dataset, endpoints=endpoints, settings=settings)


def share_names(classes: Iterable[str], taken: Iterable[str] = ()) -> dict[tuple[str, str], str]:
    """Names of the shares of each class: letters, digits and `_` only, at most 40, no two alike.

    Args:
        classes: Names of the classes.
        taken: Names of other endpoints.

    Returns:
        Column of the share, and class -> name.

    Example:
        >>> names = share_names(["part solid", "part-solid"])
        >>> names["share_of_area", "part solid"], names["share_of_area", "part-solid"]
        ('share_part_solid', 'share_part_solid_2')
    """
    used = {name.casefold() for name in taken}
    names = {}
    for column, start in _SHARES.items():
        for name in classes:
            plain = re.sub(r"\W", "_", f"{start}_{name}")[: _LONGEST - 4]
            number = 1
            while (whole := plain if number == 1 else f"{plain}_{number}").casefold() in used:
                number += 1
            used.add(whole.casefold())
            names[column, name] = whole
    return names
