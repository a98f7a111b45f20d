"""What is measured for the experiment: measurements of masks, and a lab's own in `endpoints.csv`.

dataset.yaml, endpoints.csv  ->  names of the measurements that are tested, and the values of the lab's own
"""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from segassay.data.design import cases_without_image
from segassay.data.harmless import name_problems
from segassay.data.named_channels import INTENSITY
from segassay.data.names import names_of_cases
from segassay.data.settings import DatasetFile, inside
from segassay.errors import DataError, Problem, known_names
from segassay.io.text_tables import read_text_table

__all__ = [
    "BY_DEFAULT",
    "ENDPOINT_COLUMNS",
    "OF_ALL",
    "OF_MASKS",
    "checked_endpoints",
    "measurement_problems",
    "measurements_of",
    "read_endpoints",
]

BY_DEFAULT = ("count", "density", INTENSITY)
"""Measurements that are tested unless `dataset.yaml` says which; intensity stands for that of each measured channel."""

OF_MASKS = (*BY_DEFAULT, "area", "volume", "object_size", "axis_ratio", "solidity")
"""Everything that is measured on masks."""

ENDPOINT_COLUMNS = ("case", "endpoint", "value", "unit", "annotator")
OF_ALL = ""
"""Annotator of an endpoint that was measured without masks, such as a behaviour, and so is the same for all."""

_NAME = re.compile(r"[^\W\d_]\w{0,39}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def read_endpoints(
    folder: Path, settings: DatasetFile, images: dict[str, Path], annotators: list[str]
) -> tuple[pd.DataFrame | None, list[Problem]]:
    """A lab's own measurements.

    Args:
        folder: The dataset folder.
        settings: They name the table.
        images: Image of each case.
        annotators: The raters and the reference; a value may also be of a model, which the dataset does not know.

    Returns:
        What `checked_endpoints` returns; None if there is no table or it cannot be used.
    """
    if settings.endpoints is None:
        if not (folder / "endpoints.csv").exists():
            return None, []
        action = "name it as `endpoints` in dataset.yaml, or move it away"
        path = str(folder / "endpoints.csv")
        return None, [Problem(path, "is not used", action, "warning", kind="table-not-used")]
    if settings.experiment is None:
        what = "endpoints is given without `experiment`, the table that holds the groups"
        return None, [Problem(str(folder / "dataset.yaml"), what, "name the table as `experiment`", kind="no-table")]
    place = inside(folder, settings.endpoints)
    try:
        table = read_text_table(place)
    except DataError as error:
        return None, [Problem(str(place), error.what, error.action, kind="unreadable")]
    return checked_endpoints(str(place), table.reset_index(drop=True), images, annotators)


def checked_endpoints(
    path: str, table: pd.DataFrame, images: dict[str, Path], annotators: list[str]
) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Check a table of a lab's own measurements.

    Args:
        path: Its name in messages.
        table: Text columns case, endpoint and value, perhaps unit and annotator.
        images: Image of each case.
        annotators: The raters and the reference.

    Returns:
        The table with `ENDPOINT_COLUMNS`, `value` as numbers, NaN for an empty cell, and an empty `annotator` for all;
        None if columns are wrong. And all problems.
    """
    if wrong := _column_problem(path, table):
        return None, [wrong]
    table = table.reindex(columns=list(ENDPOINT_COLUMNS), fill_value="")
    for column in ("endpoint", "annotator"):
        table[column] = [normalize("NFC", cell) for cell in table[column]]
    table["case"] = names_of_cases(table["case"], images)
    problems = [
        *cases_without_image(path, table["case"].drop_duplicates(), images),
        *_name_problems(path, table),
        *_value_problems(path, table),
        *_annotator_problems(path, table, annotators),
    ]
    numbers = [float(cell) if _is_number(cell) else math.nan for cell in table["value"]]
    return table.assign(value=numbers), problems


def _column_problem(path: str, table: pd.DataFrame) -> Problem | None:
    came = ", ".join(table.columns)
    expected = "expected case, endpoint, value and perhaps unit, annotator"
    if missing := [column for column in ENDPOINT_COLUMNS[:3] if column not in table]:
        what = f"no column {' and '.join(missing)}; {expected}, got {came}"
        return Problem(path, what, "name the columns in the first row", kind="table-columns")
    if unknown := [column for column in table if column not in ENDPOINT_COLUMNS]:
        what = f"unknown column {unknown[0]!r}; {expected}"
        return Problem(path, what, "correct its name, or remove it", kind="table-columns")
    return None


def _name_problems(path: str, table: pd.DataFrame) -> list[Problem]:
    """Names become names of measures and files, so they are plain words that differ in more than capitals."""
    problems = []
    names = list(table["endpoint"].unique())
    for name in names:
        if not _NAME.fullmatch(name):
            what = (
                f"the endpoint {name!r} has no usable name; expected letters, digits and _, at most 40, a letter first"
            )
            problems.append(Problem(path, what, "correct it, such as freezing_time", kind="endpoint-name"))
        elif name.casefold() in OF_MASKS:
            what = f"the endpoint {name!r} has the name of a measurement of masks"
            problems.append(Problem(path, what, "give it another name", kind="endpoint-name"))
        elif alike := [other for other in names if other != name and other.casefold() == name.casefold()]:
            what = f"the endpoints {name!r} and {alike[0]!r} differ only in capital letters"
            problems.append(Problem(path, what, "write both in the same way", kind="endpoint-name"))
    problems += name_problems(path, "unit", table["unit"].unique(), "write it in another way")
    for name, units in table.groupby("endpoint", sort=False)["unit"].unique().items():
        if len(units) > 1:
            what = f"the endpoint {name!r} has several units: {', '.join(map(repr, units))}"
            problems.append(Problem(path, what, "give all values in one unit", kind="endpoint-unit"))
    return problems


def _value_problems(path: str, table: pd.DataFrame) -> list[Problem]:
    problems = []
    for case, endpoint, value in table[["case", "endpoint", "value"]].itertuples(index=False):
        of = f"{endpoint!r} of case {case!r} is"
        if value and not _is_number(value):
            what = f"{of} {value!r}; expected a number with a decimal point"
            action = "correct the cell, or leave it empty if the value is unknown"
            problems.append(Problem(path, what, action, kind="endpoint-value"))
        elif value and float(value) < 0:
            what = f"{of} {value}; expected 0 or more, since values are divided by the mean of the control group"
            action = "use a scale on which 0 means nothing, such as a share instead of an index from -1 to 1"
            problems.append(Problem(path, what, action, kind="endpoint-value"))
    keys = ["case", "endpoint", "annotator"]
    for case, endpoint, annotator in table[table.duplicated(keys)][keys].drop_duplicates().itertuples(index=False):
        by = f" by {annotator!r}" if annotator else ""
        what = f"{endpoint!r} of case {case!r}{by} has several rows"
        problems.append(Problem(path, what, "keep one", kind="row-repeated"))
    return problems


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))


def _annotator_problems(path: str, table: pd.DataFrame, annotators: list[str]) -> list[Problem]:
    problems = []
    for endpoint, names in table.groupby("endpoint", sort=False)["annotator"].unique().items():
        if len(names) > 1 and OF_ALL in names:
            what = f"the endpoint {endpoint!r} has rows with and without annotator"
            action = "name the annotator in all of them, or in none if it was measured without masks"
            problems.append(Problem(path, what, action, kind="endpoint-annotator"))
    for name in table["annotator"].unique():
        if annotators and name != OF_ALL and name not in annotators:
            what = f"annotator {name!r} is neither a rater nor the reference"
            action = "correct the name, unless its masks are added to the evaluation"
            problems.append(Problem(path, what, action, "warning", kind="endpoint-annotator"))
    return problems


def measurements_of(
    settings: DatasetFile, endpoints: pd.DataFrame | None, intensities: Iterable[str] = (INTENSITY,)
) -> tuple[str, ...]:
    """Names of the measurements that are tested: as `dataset.yaml` says, else the usual ones and the lab's own.

    Args:
        settings: They may name measurements.
        endpoints: The lab's own.
        intensities: Of the channels that are measured; all of them stand for `mean_intensity`.

    Example:
        >>> measurements_of(DatasetFile(), None, ["mean_intensity_DAPI", "mean_intensity_cFOS"])
        ('count', 'density', 'mean_intensity_DAPI', 'mean_intensity_cFOS')
    """
    own = () if endpoints is None else endpoints["endpoint"].unique()
    chosen = (*BY_DEFAULT, *own) if settings.measurements is None else settings.measurements
    each = [measure for name in chosen for measure in (intensities if name == INTENSITY else (name,))]
    return tuple(dict.fromkeys(each))


def measurement_problems(
    path: str,
    settings: DatasetFile,
    endpoints: pd.DataFrame | None,
    intensities: Iterable[str] = (INTENSITY,),
) -> list[Problem]:
    """Problems of `measurements` in the settings; `path` is their name in messages, the others as `measurements_of`."""
    chosen = settings.measurements or ()
    own = () if endpoints is None else endpoints["endpoint"].unique()
    of_channels = [name for name in intensities if name != INTENSITY]
    known = [*OF_MASKS, *of_channels, *own]
    taken = {name.casefold() for name in of_channels}
    problems = [
        Problem(
            path,
            f"the endpoint {name!r} has the name of the measurement of a channel",
            "give it another name",
            kind="endpoint-name",
        )
        for name in own
        if name.casefold() in taken
    ]
    for name in dict.fromkeys(chosen):
        if name not in known:
            what = f"measurements names {name!r}, which is neither measured on masks nor an endpoint of endpoints.csv"
            problems.append(Problem(path, what, known_names(name, known), kind="measurement-unknown"))
        elif chosen.count(name) > 1:
            problems.append(Problem(path, f"measurements names {name!r} twice", "keep one", kind="measurement-unknown"))
    return problems
