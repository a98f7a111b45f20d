"""Summarise a dataset in numbers, from the facts of its cases.

facts of each case  ->  {cases, raters, reference, images, groups, ignored, region, data_hash}
"""

import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from segassay.checks.classes import classes_by_annotator
from segassay.checks.facts import CaseFacts
from segassay.data.dataset import Dataset, data_hash, strata
from segassay.data.names import natural_key
from segassay.errors import DataError

__all__ = ["summarise_dataset"]


def summarise_dataset(dataset: Dataset, cases: Sequence[CaseFacts]) -> dict[str, Any]:
    """Summarise a dataset as numbers and text, ready for JSON; None means unknown.

    Args:
        dataset: Files and settings.
        cases: Facts of every case, in dataset order.

    Returns:
        The summary as docs/data.md describes it.
    """
    images = [facts.image for facts in cases if facts.image is not None]
    spacing = dataset.settings.spacing_um
    return {
        "name": dataset.name,
        "n_cases": len(dataset.cases),
        "n_readable_images": len(images),
        "raters": [_annotator(rater, len(dataset.masks[rater]), cases) for rater in dataset.raters],
        "reference": (
            _annotator(dataset.reference_name, len(dataset.reference), cases)
            if dataset.reference_name is not None
            else None
        ),
        "classes": classes_by_annotator(dataset, cases),
        "min_object_size": dataset.min_object_size,
        "images": {
            "size": _counted("size", (image.shape for image in images)),
            "n_channels": _counted("n_channels", (image.n_channels for image in images)),
            "channels": list(dataset.channels) or None,
            "type": _counted("type", (image.dtype for image in images)),
            "spacing_um": _counted("spacing_um", (spacing or _rounded(image.spacing_um) for image in images)),
            "spacing_unit": None if spacing else _most_common(image.unit for image in images),
            "spacing_from": "dataset.yaml" if spacing else "files",
        },
        "experiment": _experiment(dataset),
        "ignored": _areas(len(dataset.ignore), [facts.ignored_share for facts in cases]),
        "region": _areas(len(dataset.region_masks), [facts.region_share for facts in cases]),
        "data_hash": _hash(dataset),
    }


def _annotator(name: str, n_masks: int, cases: Sequence[CaseFacts]) -> dict[str, Any]:
    masks = [facts.masks[name] for facts in cases if name in facts.masks]
    with_area = [(facts.masks[name].counted_px, facts.area_px) for facts in cases if name in facts.masks]
    area_px = sum(area or 0 for _, area in with_area)
    foreground_px = sum(foreground for foreground, area in with_area if area is not None)
    n_label_images = sum(mask.is_label_image for mask in masks)
    return {
        "name": name,
        "n_cases": n_masks,
        "n_readable": len(masks),
        "n_label_images": n_label_images,
        "n_objects": sum(mask.n_objects for mask in masks),
        "median_objects": float(statistics.median(mask.n_objects for mask in masks)) if masks else None,
        "n_empty": sum(mask.n_objects == 0 for mask in masks),
        "foreground_share": round(foreground_px / area_px, 6) if area_px else None,
    }


def _counted(what: str, values: Iterable[Hashable]) -> list[dict[str, Any]]:
    """Each value and how many images have it, the most common first; equally common ones in order of appearance."""
    return [
        {what: list(value) if isinstance(value, tuple) else value, "n_cases": count}
        for value, count in Counter(values).most_common()
    ]


def _most_common(units: Iterable[str | None]) -> str | None:
    known = Counter(unit for unit in units if unit is not None).most_common(1)
    return known[0][0] if known else None


def _rounded(spacing_um: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Round to six digits, since files written from the same number may differ beyond them."""
    return None if spacing_um is None else tuple(float(f"{value:.6g}") for value in spacing_um)


def _experiment(dataset: Dataset) -> dict[str, Any] | None:
    if dataset.experiment is None:
        return None
    known = strata(dataset)
    known = known[known["group"] != ""]
    has_subjects = bool((known["subject"] != "").any())
    groups = [
        {
            "group": str(group),
            "region": str(region) or None,
            "n_cases": len(rows),
            "n_subjects": int(rows["subject"][rows["subject"] != ""].nunique()) if has_subjects else None,
        }
        for (group, region), rows in known.groupby(["group", "region"], sort=False)
    ]
    control = dataset.settings.control_group
    order = sorted(
        groups, key=lambda row: (row["group"] != control, natural_key(str(row["group"])), row["region"] or "")
    )
    return {"control_group": control, "n_cases": len(known), "groups": order}


def _areas(n_files: int, shares: Sequence[float | None]) -> dict[str, Any] | None:
    if n_files == 0:
        return None
    found = [share for share in shares if share is not None]
    mean = round(statistics.fmean(found), 6) if found else None
    largest = round(max(found), 6) if found else None
    return {"n_cases": n_files, "mean_share": mean, "largest_share": largest}


def _hash(dataset: Dataset) -> str | None:
    try:
        return data_hash(dataset)
    except DataError:  # a file that cannot be read is already among the problems
        return None
