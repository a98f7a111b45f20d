"""From counts per image to counts per subject, and the tests of the experiment.

    labels of an image      ->  count_case           ->  a row of cases.csv
    cases.csv, experiment   ->  experiment_tables    ->  subjects.csv, effects.csv, notes

Counts, normalisation and tests are the functions of an evaluation: the same masks give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.design import read_experiment
from segassay.data.measurements import BY_DEFAULT
from segassay.data.named_channels import INTENSITY, intensities_in
from segassay.data.names import natural_key
from segassay.data.settings import DatasetFile
from segassay.errors import DataError, UsageError, number_of, shortlist
from segassay.io.text_columns import python_strings
from segassay.masks.joint import joint_overlaps
from segassay.tables.counts import COUNT_COLUMNS, count_objects
from segassay.tables.effects import EFFECT_COLUMNS, effects
from segassay.tables.normalise import MEASURES, normalise
from segassay.tables.samples import unit_of

__all__ = [
    "SUBJECT_COLUMNS",
    "ExperimentTables",
    "count_case",
    "experiment_tables",
    "read_experiment_file",
    "subjects",
]

_ABOUT = ("unit", "subject", "group", "region", "n_images", "n_objects")
SUBJECT_COLUMNS = (*_ABOUT, *MEASURES, *(f"{measure}_normalised" for measure in MEASURES))
"""Columns of subjects.csv; of channels with names `mean_intensity_<channel>` in place of `mean_intensity`."""


@dataclass(frozen=True, eq=False)
class ExperimentTables:
    """What an experiment says about predicted masks.

    Attributes:
        subjects: One row per subject and region, with `SUBJECT_COLUMNS`.
        effects: Tests of the groups, with `EFFECT_COLUMNS`; without rows if there is no control group.
        notes: Sentences about what was left out.
    """

    subjects: pd.DataFrame
    effects: pd.DataFrame
    notes: tuple[str, ...]


def count_case(
    labels: np.ndarray,
    values: np.ndarray | Mapping[str, np.ndarray] | None = None,
    region: np.ndarray | None = None,
    min_size: int = 0,
) -> dict[str, Any]:
    """Count the objects of one image as an evaluation does.

    Args:
        labels: Integers `(*spatial)`, 0 is background; only objects that count.
        values: Raw values `(*spatial)` of the channel whose intensity is measured; or measurement (such as
            `mean_intensity_cFOS`) -> those of its channel.
        region: Boolean `(*spatial)`, the pixels that count; by default all.
        min_size: Objects with fewer pixels are left out.

    Returns:
        `COUNT_COLUMNS`, the intensity by the names of `values`; it is NaN without objects or values, the density if no
        pixel counts.

    Example:
        >>> count_case(np.array([[1, 1, 0, 2]]), np.array([[4, 6, 0, 9]]))["mean_intensity"]
        7.0
    """
    area = labels.size if region is None else int(np.count_nonzero(region))
    of_channels = values if isinstance(values, Mapping) else {INTENSITY: values}
    joint = {name: joint_overlaps([labels], min_size=min_size, values=one) for name, one in of_channels.items()}
    rows = {name: dict(zip(COUNT_COLUMNS, count_objects(one, 0, area), strict=True)) for name, one in joint.items()}
    first = next(iter(rows.values()))
    intensities = {name: row[INTENSITY] for name, row in rows.items()}
    counts: dict[str, Any] = {}
    for column in COUNT_COLUMNS:
        counts |= intensities if column == INTENSITY else {column: first[column]}
    return counts


def read_experiment_file(path: Path, control_group: str | None, images: Mapping[str, Path]) -> pd.DataFrame:
    """Read and check the table of an experiment before the first image is predicted.

    Args:
        path: CSV file with the columns case and group, perhaps region, subject and batch.
        control_group: Group by which the others are divided; None if no effect is to be tested.
        images: The images to predict. A row of another case is allowed: one may predict a part of an experiment.

    Raises:
        DataError: If the file cannot be used: columns missing, a case twice or without group, an absent control group,
            a subject in two groups, or no image that has a row.
    """
    settings = DatasetFile(experiment=path.name, control_group=control_group)
    table, problems = read_experiment(path.parent, settings, dict(images))
    errors = [problem for problem in problems if problem.level == "error" and problem.kind != "case-without-image"]
    if errors:
        raise DataError.of_problem(errors[0])
    assert table is not None, "a file without table has a problem"
    _check_any_image(table, images, path)
    try:
        normalise(
            pd.DataFrame(columns=["case", "annotator", *MEASURES.values()]), table, control_group or table["group"][0]
        )
    except DataError as error:
        raise DataError.of(path, error.what, error.action) from error
    return table


def _check_any_image(table: pd.DataFrame, cases: Iterable[str], path: Path | None) -> None:
    names = list(cases)
    if not set(table["case"]) & set(names):
        what = f"has a row for none of the images: its cases are {shortlist([*table['case']])}"
        what = f"{what}, the images are {shortlist(names)}"
        action = "write the name of the image without its ending into the column case"
        raise DataError.of(path or "the experiment table", what, action)


@python_strings()
def experiment_tables(
    cases: pd.DataFrame, experiment: pd.DataFrame, control_group: str | None, annotator: str = "prediction"
) -> ExperimentTables:
    """Counts per subject, and the tests of the groups.

    Args:
        cases: One row per predicted image: `case`, `n_objects`, `density`, `mean_intensity` or one for each channel.
        experiment: Text columns case and group, perhaps region, subject and batch.
        control_group: Group by which the others are divided; without it nothing is normalised or tested.
        annotator: Name of the model, in the tables.

    Returns:
        The tables. Images without a row in the experiment are left out and counted in `notes`; so are rows of the
        experiment without a predicted image.

    Raises:
        DataError: As `segassay.tables.normalise.normalise`: an absent control group, a subject in two groups; or if
            no image has a row.

    Example:
        >>> counts = {"n_objects": [1, 2, 3, 4, 5, 16, 17, 18, 19, 20], "density": 0.1, "mean_intensity": 9.0}
        >>> names = {"case": list("abcdefghij")}
        >>> found = experiment_tables(
        ...     pd.DataFrame(names | counts), pd.DataFrame(names | {"group": ["H"] * 5 + ["C"] * 5}), "H"
        ... )
        >>> found.effects.loc[1, ["measure", "group_2", "verdict"]].tolist(), found.subjects.shape[0]
        (['count', 'C', 'higher'], 10)
    """
    measures = [name for name in BY_DEFAULT if name != INTENSITY]
    measures += intensities_in(list(cases)) or [INTENSITY]
    measured = [column for column in ("case", *(MEASURES.get(name, name) for name in measures)) if column in cases]
    counts = cases[measured].assign(case=cases["case"].astype(str), annotator=annotator)
    _check_any_image(experiment, counts["case"], None)
    normalised = normalise(counts, experiment, control_group or str(experiment["group"].iloc[0]), measures)
    notes = list(_notes(counts["case"], experiment))
    if control_group is None:
        notes.append("no control group is named, so nothing is normalised and no effect is tested")
        table = subjects(normalised.assign(value=np.nan))
        return ExperimentTables(table, pd.DataFrame(columns=list(EFFECT_COLUMNS)), tuple(notes))
    return ExperimentTables(subjects(normalised), effects(normalised), tuple(notes))


def _notes(cases: pd.Series, experiment: pd.DataFrame) -> Iterable[str]:
    without_row = [case for case in cases if case not in set(experiment["case"])]
    if without_row:
        left_out = f"{number_of(len(without_row), 'image')} without a row in the experiment table"
        yield f"{left_out}, left out of subjects and effects: {shortlist(without_row)}"
    without_image = [case for case in experiment["case"] if case not in set(cases)]
    if without_image:
        missing = f"{number_of(len(without_image), 'row')} of the experiment table without a predicted image"
        yield f"{missing}: {shortlist(without_image)}"


def subjects(normalised: pd.DataFrame) -> pd.DataFrame:
    """Measurements of each subject: means over its images.

    Args:
        normalised: What `segassay.tables.normalise.normalise` returns, of one annotator.

    Returns:
        Table with `SUBJECT_COLUMNS`, sorted by region and subject. As in `effects.csv`, an empty region is all regions
        together. Without subjects each image is a unit (`unit` is `case`). `n_objects` is the sum over images, `count`
        the mean per image; the normalised columns are in multiples of the control mean of the same region and batch,
        and they are what `effects` tests.

    Raises:
        UsageError: If there are several annotators.

    Example:
        >>> counts = pd.DataFrame({"case": ["1", "2", "3"], "annotator": "net", "n_objects": [4, 6, 15]})
        >>> counts = counts.assign(density=0.1, mean_intensity=9.0)
        >>> experiment = pd.DataFrame({"case": ["1", "2", "3"], "group": ["H", "H", "C"], "subject": ["a", "a", "b"]})
        >>> table = subjects(normalise(counts, experiment, "H"))
        >>> table[["subject", "n_images", "n_objects", "count", "count_normalised"]].to_numpy().tolist()
        [['a', 2, 10, 5.0, 1.0], ['b', 1, 15, 15.0, 3.0]]
    """
    if normalised["annotator"].nunique() > 1:
        raise UsageError("subjects are of one annotator, got several; select one first")
    unit = unit_of(normalised["subject"])
    regions = sorted(set(normalised["region"]) - {""}, key=natural_key)
    pooled = [normalised.assign(region="")] if regions or len(normalised) else []
    parts = [*pooled, *(normalised[normalised["region"] == region] for region in regions)]
    others = [name for name in MEASURES if name != INTENSITY]
    measures = [*others, *(intensities_in(list(normalised["measure"].unique())) or [INTENSITY])]
    tables = [_of_region(part, unit, measures) for part in parts]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.reindex(columns=[*_ABOUT, *measures, *(f"{measure}_normalised" for measure in measures)])


def _of_region(rows: pd.DataFrame, unit: str, measures: list[str]) -> pd.DataFrame:
    by_unit = rows.assign(subject=rows[unit]).groupby(["subject", "measure"])
    raw, value = by_unit["raw"].mean().unstack(), by_unit["value"].mean().unstack()
    counted = rows[rows["measure"] == "count"].assign(subject=lambda table: table[unit]).groupby("subject")
    table = pd.DataFrame({"n_images": counted["case"].nunique(), "n_objects": counted["raw"].sum().astype(int)})
    table = table.join(raw.reindex(columns=measures))
    table = table.join(value.reindex(columns=measures).add_suffix("_normalised"))
    first = counted[["group", "region"]].first()
    table = table.join(first).assign(unit=unit).rename_axis("subject").reset_index()
    return table.sort_values("subject", key=lambda names: names.map(natural_key), ignore_index=True)
