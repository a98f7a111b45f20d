"""Tables and the page of all predicted images, made of their records; the same for one call and for several.

records -> cases.csv, objects.csv, annotations.csv, review.csv, report.html; experiment -> subjects.csv, effects.csv
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.named_channels import INTENSITY
from segassay.data.spacings import NOT_RESAMPLED
from segassay.errors import number_of, shortlist
from segassay.io.stored_tables import StoredTable
from segassay.io.workbooks import write_workbook
from segassay_monai.prediction.class_tables import by_class
from segassay_monai.prediction.gallery import write_gallery
from segassay_monai.prediction.images import Images
from segassay_monai.prediction.models import Model
from segassay_monai.prediction.notebook import as_html, counted
from segassay_monai.prediction.objects import OBJECTS, are_stored, store_objects
from segassay_monai.prediction.records import Record
from segassay_monai.prediction.review import review
from segassay_monai.prediction.subjects import ExperimentTables
from segassay_monai.prediction.tables import annotations_table, cases_table, objects_table, write_table

__all__ = ["Predicted", "write_results"]

_FAILED = ("file", "what", "action")
_WORKBOOK = "tables.xlsx"
_TABLES = ("cases", "objects", "annotations", "review", "subjects", "effects", "failed")


@dataclass(frozen=True, eq=False, repr=False)
class Predicted:
    """Results of a prediction, as in the files of its folder.

    Attributes:
        out: The folder.
        cases: One row per image: number, area and density of objects, intensity, uncertainty, quality.
        objects: One row per object; of more than `MOST_CASES` images a `StoredTable`.
        annotations: One row per mask of an image that no member is known to have been trained on;
            `segassay.evaluate` takes it. Paths are absolute, in the file relative to it.
        review: The images in the order in which a person should look at them, each with the reason.
        failed: `file, what, action` of each image that could not be predicted.
        subjects: One row per subject and region; None without experiment.
        effects: Tests of the groups, as of an evaluation; None without experiment. With classes both have the rows of
            all together, then of each class, which a column `class` names.
        notes: Sentences about what was left out of the tables.
    """

    out: Path
    cases: pd.DataFrame
    objects: pd.DataFrame
    annotations: pd.DataFrame
    review: pd.DataFrame
    failed: pd.DataFrame
    subjects: pd.DataFrame | None = None
    effects: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Numbers of images and objects, the folder, and the images that failed."""
        files = [f"failed: {row['file']} {row['what']}" for row in self.failed.to_dict("records")]
        return "\n".join([counted(self.cases, self.objects, self.out), *files])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heading = counted(self.cases, self.objects, self.out)
        return as_html(heading, self.failed, self.notes, self.effects, self.review)


def write_results(
    out: Path,
    model: Model,
    images: Images,
    records: Mapping[str, Record],
    failed: Sequence[Mapping[str, str]],
    *,
    xlsx: bool = False,
) -> Predicted:
    """Write the tables and the page.

    Args:
        out: Folder of the results.
        model: The model that predicted.
        images: All images, and their experiment.
        records: Record of each image that was predicted.
        failed: `file, what, action` of each other image.
        xlsx: Also write the tables as a workbook.
    """
    unseen = {case: record for case, record in records.items() if record["held_out"] is not False}
    notes = [*_notes(len(records) - len(unseen)), *_without_names(records), *_of_other_pixels(records)]
    stored = are_stored(images)
    cases = cases_table(records)
    objects: Any = store_objects(out, records) if stored else objects_table(records)
    experiment = _of_experiment(images, cases, objects, model.name)
    done = Predicted(
        out,
        cases=cases,
        objects=objects,
        annotations=annotations_table(model, unseen),
        review=review(cases, objects),
        failed=pd.DataFrame(failed, columns=list(_FAILED)),
        subjects=None if experiment is None else experiment.subjects,
        effects=None if experiment is None else experiment.effects,
        notes=(*notes, *(() if experiment is None else experiment.notes)),
    )
    tables = {name: getattr(done, name) for name in _TABLES}
    tables = {name: table for name, table in tables.items() if table is not None and (name != "failed" or len(table))}
    in_files = {name: table for name, table in tables.items() if not isinstance(table, StoredTable)}
    for name in {*_TABLES} - {*in_files}:
        (out / f"{name}.csv").unlink(missing_ok=True)  # of an earlier call
    if not stored:
        shutil.rmtree(out / OBJECTS, ignore_errors=True)
    for name, table in in_files.items():
        write_table(out / f"{name}.csv", table)
    (out / _WORKBOOK).unlink(missing_ok=True)
    if xlsx:
        write_workbook(out / _WORKBOOK, tables)
    write_gallery(
        out / "report.html",
        name=model.name,
        review=done.review,
        cases=cases,
        thumbnails={case: out / record["files"]["thumbnail"] for case, record in records.items()},
        subjects=done.subjects,
        effects=done.effects,
        failed=done.failed,
        notes=done.notes,
    )
    return replace(done, annotations=_absolute(done.annotations, out))


def _notes(n_seen: int) -> list[str]:
    if not n_seen:
        return []
    return [
        f"{number_of(n_seen, 'image')} of the training: left out of annotations.csv, since they do not test the model"
    ]


def _without_names(records: Mapping[str, Record]) -> list[str]:
    """What is said where some images have names of channels, and others none."""
    without = [case for case, record in records.items() if INTENSITY in record["case"]]
    if not without or len(without) == len(records):
        return []
    have, its = ("has", "its") if len(without) == 1 else ("have", "their")
    return [
        f"{len(without)} of {number_of(len(records), 'image')} {have} no names of channels ({shortlist(without)}): "
        f"{its} {INTENSITY} is measured in {its} first channel"
    ]


def _of_other_pixels(records: Mapping[str, Record]) -> list[str]:
    """What is said of images whose pixels are longer or shorter than those of the training, and along which axis."""
    ratios = {case: record["pixel_ratios"] for case, record in records.items() if "pixel_ratios" in record}
    uneven = [case for case, along in ratios.items() if max(along) > min(along) * NOT_RESAMPLED]
    even = {case: math.prod(along) ** (1 / len(along)) for case, along in ratios.items() if case not in uneven}
    notes = []
    if even:
        notes.append(
            f"{_have_pixels(even, records)} {_range(even.values())} times as wide as those of the training "
            f"({shortlist(list(even))}): nothing is resampled, so bring them to the pixel size of the training, or do "
            "not trust these masks"
        )
    if uneven:
        *first, last = (f"{_range(axis)} times" for axis in zip(*(ratios[case] for case in uneven), strict=True))
        notes.append(
            f"{_have_pixels(uneven, records)} {', '.join(first)} and {last} as long along the axes of the file as "
            f"those of the training ({shortlist(uneven)}): nothing is resampled, so do not trust these masks. Store "
            "the axes in the order of the training, with slices along the same axis and an affine that says so, or "
            "bring the images to the pixel size of the training"
        )
    return notes


def _have_pixels(cases: Collection[str], records: Mapping[str, Record]) -> str:
    return f"{len(cases)} of {number_of(len(records), 'image')} {'has' if len(cases) == 1 else 'have'} pixels"


def _range(numbers: Iterable[float]) -> str:
    low, *_, high = (f"{number:.3g}" for number in sorted([*numbers] * 2))
    return low if low == high else f"{low} to {high}"


def _of_experiment(
    images: Images, cases: pd.DataFrame, objects: pd.DataFrame, annotator: str
) -> ExperimentTables | None:
    """Tables of the experiment; None if there is none, or no image could be predicted."""
    if images.experiment is None or cases.empty:
        return None
    place = 0 if images.dataset is None else images.dataset.intensities.get(INTENSITY, 0)
    return by_class(cases, objects, images.experiment, images.control_group, annotator, place)


def _absolute(annotations: pd.DataFrame, out: Path) -> pd.DataFrame:
    files = annotations[["path", "prob", "uncertainty"]].map(lambda name: str(out / name) if name else "")
    return annotations.assign(**files)
