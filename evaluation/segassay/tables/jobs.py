"""Make one job per case, with everything that a process needs.

annotations, dataset  ->  Job (files of a case)
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.annotations import TRAINED, annotator_order, is_rater
from segassay.data.cases import image_files
from segassay.data.classes import ClassMap, Meaning
from segassay.data.dataset import Dataset
from segassay.data.measurements import BY_DEFAULT, OF_MASKS
from segassay.data.named_channels import INTENSITY, contrast_channel
from segassay.data.names import natural_key
from segassay.io.held import HeldImage
from segassay.tables.notes import Note

__all__ = ["Annotator", "Job", "Session", "make_jobs"]

_MAPS = ("prob", "uncertainty")


@dataclass(frozen=True)
class Annotator:
    """One annotator of a case, and its files."""

    name: str
    kind: str
    path: Path | None  # None: the prediction is missing
    meaning: Meaning | None = None  # of a mask that holds classes, or of one of the dataset that is inverted
    prob: Path | None = None
    uncertainty: Path | None = None
    person: str = ""  # empty if every rater is a person


@dataclass(frozen=True)
class Session:
    """One of several masks of a case by the same annotator."""

    annotator: str
    number: int
    path: Path
    meaning: Meaning | None = None


@dataclass(frozen=True)
class Job:
    """One case, with everything that a process needs."""

    case: str
    annotators: tuple[Annotator, ...]
    image: tuple[Path, ...] = ()  # a file, or one for each channel
    channels: tuple[str, ...] = ()  # by which those of an image are put into order; empty as they are in the file
    channel: int = 0  # in which objects are as bright as annotators saw them
    intensities: tuple[tuple[str, int], ...] = ((INTENSITY, 0),)  # measurements, and places of their channels
    spacing_um: tuple[float, ...] | None = None
    ignore: Path | None = None
    ignored_class: ClassMap | None = None
    region: Path | None = None
    instances: bool = False  # whether each number in a label image is known to be one object
    min_size: int = 0
    other_min_sizes: tuple[int, ...] = ()  # for which objects are counted again
    measured: tuple[str, ...] = ()  # on masks, besides what `counts` holds
    sessions: tuple[Session, ...] = ()  # of annotators with several, one after the other


def make_jobs(dataset: Dataset | None, annotations: pd.DataFrame) -> tuple[list[Job], list[Note]]:
    """One job per case with masks, in natural order; and notes about rows that are not used.

    Args:
        dataset: Gives images, ignored areas, regions and sizes; None if there are none.
        annotations: Table of `segassay.data.annotations.read_annotations`.
    """
    predicted = annotations["kind"].isin(TRAINED)
    present = annotations[predicted | ~annotations["missing"]]
    order = present.assign(session=present["session"].fillna(0)).sort_values("session", kind="stable")
    first = order[~order.duplicated(["case", "annotator"])]
    notes = []
    if len(first) < len(present):
        notes.append(Note("later_sessions", n=len(present) - len(first)))
    if len(present) < len(annotations):
        notes.append(Note("not_annotated", n=len(annotations) - len(present)))
    unknown = first.loc[first["kind"].isin(TRAINED) & first["held_out"].isna(), "annotator"].unique()
    notes += [Note("training_unknown", str(name)) for name in unknown]
    drawn = order[~order["missing"]]
    several = drawn[drawn.duplicated(["case", "annotator"], keep=False)]
    rows, sessions = defaultdict[str, list[dict[Any, Any]]](list), defaultdict[str, list[tuple[Any, ...]]](list)
    for row in first.to_dict("records"):
        rows[row["case"]].append(row)
    for case, *session in several[["case", "annotator", "session", "path"]].itertuples(index=False):
        sessions[case].append(tuple(session))
    jobs = [_job(dataset, case, of_case, sessions.get(case, [])) for case, of_case in rows.items()]
    return sorted(jobs, key=lambda job: natural_key(job.case)), notes


def _job(dataset: Dataset | None, case: str, rows: list[dict[Any, Any]], several: list[tuple[Any, ...]]) -> Job:
    own = _meanings(dataset, case)
    others = _of_further_masks(dataset)
    annotators = [_annotator(row, own, others) for row in rows]
    annotators.sort(key=lambda annotator: annotator_order(annotator.name, annotator.kind))
    again = [Session(name, int(session), _file(path), own.get(path, others)) for name, session, path in several]
    again.sort(key=lambda session: (natural_key(session.annotator), session.annotator))  # and stay in their order
    if dataset is None:
        return Job(case, tuple(annotators), sessions=tuple(again))
    return Job(
        case,
        tuple(annotators),
        image=image_files(dataset, case),
        channels=dataset.names_in_files,
        channel=contrast_channel(dataset.settings, dataset.channels),
        intensities=tuple(dataset.intensities.items()),
        spacing_um=dataset.settings.spacing_um,
        ignore=dataset.ignore.get(case),
        ignored_class=dataset.ignored_class,
        region=dataset.region_masks.get(case),
        instances=dataset.holds_instances,
        min_size=dataset.min_object_size,
        other_min_sizes=_other_min_sizes(dataset),
        measured=_measured(dataset),
        sessions=tuple(again),
    )


def _other_min_sizes(dataset: Dataset) -> tuple[int, ...]:
    """Half of the dataset's, as it is, and double; none without an experiment to compare them by."""
    if dataset.experiment is None or dataset.settings.control_group is None:
        return ()
    size = dataset.min_object_size
    return tuple(sorted({max(size // 2, min(size, 1)), size, 2 * size}))


def _measured(dataset: Dataset) -> tuple[str, ...]:
    """Further measurements of masks that are tested; none without an experiment to test them in."""
    if dataset.experiment is None or dataset.settings.control_group is None:
        return ()
    return tuple(name for name in dataset.measurements if name in OF_MASKS and name not in BY_DEFAULT)


def _annotator(row: dict[Any, Any], own: dict[str, Meaning], others: Meaning | None) -> Annotator:
    prob, uncertainty = (_file(row[column]) for column in _MAPS)
    path = None if row["missing"] else _file(row["path"])
    person = row.get("person", "") if is_rater(row["kind"]) else ""
    return Annotator(row["annotator"], row["kind"], path, own.get(row["path"], others), prob, uncertainty, person)


def _file(cell: Any) -> Any:
    """The file of a cell, or the image in memory in its place; None for an empty cell."""
    return cell if isinstance(cell, HeldImage) else Path(cell) if isinstance(cell, str) and cell else None


def _of_further_masks(dataset: Dataset | None) -> Meaning | None:
    """What masks from outside the dataset mean: the same, if there are several classes; else what is in the file."""
    classes = None if dataset is None else dataset.classes
    return classes if classes is not None and classes.several else None


def _meanings(dataset: Dataset | None, case: str) -> dict[str, Meaning]:
    """Masks of a case in the dataset whose values are classes, as in nnU-Net, or inverted."""
    if dataset is None:
        return {}
    everyone = dataset.masks | ({dataset.reference_name: dataset.reference} if dataset.reference_name else {})
    meanings = {name: dataset.meaning_of(name) for name in everyone}
    return {
        os.path.abspath(paths[case]): meaning
        for name, paths in everyone.items()
        if (meaning := meanings[name]) is not None and case in paths
    }
