"""Classes of a dataset: how much of each every annotator gave, and classes that somebody lacks.

values of a mask  ->  pixels of each class          facts of all cases  ->  summary, problems
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segassay.checks.facts import CaseFacts
from segassay.data.dataset import Dataset
from segassay.errors import Problem, shortlist

__all__ = ["class_problems", "classes_by_annotator", "pixels_of_classes"]


def pixels_of_classes(dataset: Dataset, values: np.ndarray) -> tuple[int, ...]:
    """Pixels of each class among values of classes, in the order of the dataset; those of regions may overlap."""
    found, counts = np.unique(values, return_counts=True)
    return tuple(int(counts[np.isin(found, of_class)].sum()) for of_class in _values(dataset))


def _values(dataset: Dataset) -> list[tuple[int, ...]]:
    return [] if dataset.classes is None else [of_class for _, of_class in dataset.classes.names]


def classes_by_annotator(dataset: Dataset, cases: Sequence[CaseFacts]) -> list[dict[str, Any]] | None:
    """For each class its values, and for each rater and the reference where it occurs; None if there is only one class.

    `share` is that of the pixels that count, over all masks of the annotator; None if it has no readable mask.
    """
    if not dataset.class_names:
        return None
    found = []
    for number, (name, values) in enumerate(zip(dataset.class_names, _values(dataset), strict=True)):
        rows = [_by_annotator(annotator, number, cases) for annotator in _everyone(dataset)]
        found.append({"name": name, "values": list(values), "raters": rows})
    return found


def _by_annotator(annotator: str, number: int, cases: Sequence[CaseFacts]) -> dict[str, Any]:
    with_mask = [facts for facts in cases if annotator in facts.masks]
    pixels = [facts.masks[annotator].class_px[number] for facts in with_mask]
    area = sum(facts.area_px or 0 for facts in with_mask)
    return {
        "name": annotator,
        "n_annotated": len(with_mask),
        "n_cases": sum(n > 0 for n in pixels),
        "share": round(sum(pixels) / area, 6) if area else None,
    }


def _everyone(dataset: Dataset) -> list[str]:
    return [*dataset.raters, *([dataset.reference_name] if dataset.reference_name is not None else [])]


def class_problems(dataset: Dataset, cases: Sequence[CaseFacts]) -> Iterator[Problem]:
    """Warnings of classes in no mask, and of annotators without a class that others gave."""
    table = classes_by_annotator(dataset, cases)
    if table is None or not any(facts.masks for facts in cases):
        return
    lacking: dict[str, list[str]] = {annotator: [] for annotator in _everyone(dataset)}
    for of_class in table:
        without = [row["name"] for row in of_class["raters"] if row["n_annotated"] and not row["n_cases"]]
        if not any(row["n_cases"] for row in of_class["raters"]):
            what = f"the class {of_class['name']!r} ({', '.join(map(str, of_class['values']))}) is in no mask"
            action = "check its value, or leave the class out: nothing can be said about it"
            yield Problem(_said_in(dataset), what, action, "warning", kind="class-nowhere")
            continue
        for annotator in without:
            lacking[annotator].append(of_class["name"])
    for annotator, names in lacking.items():
        if names:
            masks = dataset.masks.get(annotator, dataset.reference)
            what = f"{annotator!r} never gave {shortlist([repr(name) for name in names])}, which others gave"
            action = "check values and masks; an annotator who did not look for a class lowers every agreement on it"
            yield Problem(str(next(iter(masks.values())).parent), what, action, "warning", kind="class-lacking")


def _said_in(dataset: Dataset) -> str:
    assert dataset.classes is not None, "a dataset with classes"
    return str(Path(dataset.folder) / dataset.classes.said_in)
