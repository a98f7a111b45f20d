"""Subjects and effects of each class that a model tells apart, beside those of all classes together.

cases.csv, objects.csv, experiment  ->  by_class  ->  subjects and effects with a column `class`, empty for all classes
"""

from __future__ import annotations

import pandas as pd

from segassay.data.named_channels import INTENSITY, intensities_in
from segassay.io.stored_tables import rows_where
from segassay_monai.prediction.subjects import ExperimentTables, experiment_tables

__all__ = ["by_class", "cases_of_class", "classes_in"]

_COUNTED = "n_objects_"


def classes_in(cases: pd.DataFrame) -> list[str]:
    """Names of the classes in a table of cases; none without classes.

    Example:
        >>> classes_in(pd.DataFrame(columns=["case", "n_objects", "n_objects_bright", "n_objects_dark"]))
        ['bright', 'dark']
    """
    return [str(column).removeprefix(_COUNTED) for column in cases if str(column).startswith(_COUNTED)]


def cases_of_class(cases: pd.DataFrame, objects: pd.DataFrame, name: str, place: int = 0) -> pd.DataFrame:
    """Number, density and intensities of the objects of one class in each image.

    Args:
        cases: Rows of cases.csv.
        objects: Rows of objects.csv, with the column `class`.
        name: The class.
        place: Of the channel of `mean_intensity` in images with several channels.

    Returns:
        One row per case: `case`, `n_objects`, `density` (NaN if no pixel counts), and the intensities of `cases`, NaN
        without objects, or where the case itself has none: images may differ in the names of their channels.

    Example:
        >>> cases = pd.DataFrame({"case": ["1", "2"], "region_area_px": [10, 0], "mean_intensity": [5.0, None]})
        >>> objects = pd.DataFrame({"case": ["1", "1"], "class": ["dark", "bright"], "mean_intensity": [3.0, 7.0]})
        >>> cases_of_class(cases, objects, "dark").values.tolist()
        [['1', 1, 0.1, 3.0], ['2', 0, nan, nan]]
    """
    needed = ["case", "class", *intensities_in(list(objects))]
    own = rows_where(objects, lambda part: part["class"] == name, needed)
    n_objects = cases["case"].map(own.groupby("case").size()).fillna(0).astype(int)
    area = cases["region_area_px"].astype(float)
    table = pd.DataFrame({"case": cases["case"], "n_objects": n_objects, "density": n_objects / area.where(area > 0)})
    for measure in intensities_in(list(cases)):
        means = _intensity_of(own, measure, place).groupby(own["case"]).mean()
        table[measure] = cases["case"].map(means).where(cases[measure].notna())
    return table


def _intensity_of(objects: pd.DataFrame, measure: str, place: int) -> pd.Series:
    """A measurement of each object, from the column in which its image has it.

    `mean_intensity` is that of the only channel, else that of a place among channels with numbers, or with names.
    """
    columns = [measure]
    if measure == INTENSITY:
        several = [name for name in intensities_in(list(objects)) if name != INTENSITY]
        columns += [f"{INTENSITY}_{place}", *several[place : place + 1]]
    found = objects.reindex(columns=list(dict.fromkeys(columns))).astype(float)
    return found.bfill(axis=1).iloc[:, 0]


def by_class(
    cases: pd.DataFrame,
    objects: pd.DataFrame,
    experiment: pd.DataFrame,
    control_group: str | None,
    annotator: str,
    place: int = 0,
) -> ExperimentTables:
    """Tables of the experiment, with those of each class if the model has classes.

    Args:
        cases: Rows of cases.csv.
        objects: Rows of objects.csv.
        experiment: As of `experiment_tables`, and so are the next two.
        control_group: Group by which the others are divided.
        annotator: Name of the model.
        place: As of `cases_of_class`.

    Returns:
        As they are without classes. Else the first rows are of all classes together, and a column `class` is empty in
        them; the notes are said once, for they are about images.

    Raises:
        DataError: As `experiment_tables`.
    """
    whole = experiment_tables(cases, experiment, control_group, annotator)
    names = classes_in(cases)
    if not names:
        return whole
    each = {"": whole} | {
        name: experiment_tables(cases_of_class(cases, objects, name, place), experiment, control_group, annotator)
        for name in names
    }
    subjects, effects = (
        pd.concat([_with_class(getattr(tables, kind), name) for name, tables in each.items()], ignore_index=True)
        for kind in ("subjects", "effects")
    )
    return ExperimentTables(subjects, effects, whole.notes)


def _with_class(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with the class in front."""
    table = table.copy()
    table.insert(0, "class", name)
    return table
