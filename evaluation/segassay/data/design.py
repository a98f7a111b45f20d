"""The experiment table: group, region, subject and batch of each case, and problems of the table."""

import re
from functools import partial
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from segassay.data.harmless import name_problems
from segassay.data.names import names_of_cases, natural_key
from segassay.data.settings import DatasetFile, inside
from segassay.errors import DataError, Problem, shortlist
from segassay.io.text_tables import read_text_table

STRATA = ("group", "region", "subject", "batch", "split")
"""Columns of the experiment table that describe a case."""

PARTS = ("group", "region", "batch")
"""Those of them that divide the cases into parts, in which a model may be worse than in the others."""


_DATE = re.compile(
    r"\d{1,2}[. -]+[^\W\d]{3,4}\.?([. -]+\d{2,4})?|\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|[^\W\d]{3}[. -]+\d{2,4}"
)
"""A case such as 1-2 after a spreadsheet has made a date of it: 02. Jan, 1/2/2024, Jan-02."""


def read_experiment(
    folder: Path, settings: DatasetFile, images: dict[str, Path]
) -> tuple[pd.DataFrame | None, list[Problem]]:
    """Experiment table of a dataset as text, in the file's order.

    Args:
        folder: The dataset folder.
        settings: They name the table and the control group.
        images: Image of each case.

    Returns:
        The table, None if there is none or it lacks the columns `case` or `group`; and all its problems, with
        warnings about cases without a row.
    """
    if settings.experiment is None:
        return None, _problems_without_table(folder, settings)
    path = inside(folder, settings.experiment)
    try:
        table = read_text_table(path)
    except DataError as error:
        return None, [Problem(str(path), error.what, error.action, kind="unreadable")]
    missing = [column for column in ("case", "group") if column not in table.columns]
    if missing:
        what = f"no column {' and '.join(missing)}; expected case, group, got {', '.join(table.columns)}"
        return None, [Problem(str(path), what, "name the columns in the first row", kind="table-columns")]
    table = table.reset_index(drop=True).map(partial(normalize, "NFC"))
    table["case"] = names_of_cases(table["case"], images)
    problems = problems_of_experiment(str(path), table, settings, images)
    known = set(table["case"])
    if lacking := [case for case in images if case not in known]:
        what = f"{_cases(lacking)} no row in the experiment table: {shortlist([repr(case) for case in lacking])}"
        action = "add rows, or leave the table as it is: these cases are not part of the experiment"
        problems.append(Problem(str(path), what, action, "warning", kind="case-without-row"))
    return table, problems


def _problems_without_table(folder: Path, settings: DatasetFile) -> list[Problem]:
    problems = []
    if settings.control_group is not None:
        what = "control_group is given without `experiment`, the table that holds the groups"
        problems.append(Problem(str(folder / "dataset.yaml"), what, "name the table as `experiment`", kind="no-table"))
    if (folder / "experiment.csv").exists():
        action = "name it as `experiment` in dataset.yaml, or move it away"
        problems.append(
            Problem(str(folder / "experiment.csv"), "is not used", action, "warning", kind="table-not-used")
        )
    return problems


def cases_without_image(path: str, cases: pd.Series, images: dict[str, Path]) -> list[Problem]:
    """Cases of a table that have no image; `path` is its name in messages."""
    problems = []
    nearly = {case.lstrip("0").casefold(): case for case in images}
    for case in cases[~cases.isin(list(images))] if images else []:
        near = nearly.get(case.lstrip("0").casefold())
        action = f"did a spreadsheet change {near!r}? Format the column as text" if near else "add it or remove the row"
        if near is None and _DATE.fullmatch(case):
            action = "did a spreadsheet make a date of it? Format the column as text, and type the name again"
        problems.append(Problem(path, f"case {case!r} has no image", action, kind="case-without-image"))
    return problems


def problems_of_experiment(
    path: str, table: pd.DataFrame, settings: DatasetFile, images: dict[str, Path]
) -> list[Problem]:
    """All problems of the cells of an experiment table of text; `path` is its name in messages."""
    problems = cases_without_image(path, table["case"], images)
    for column in (name for name in STRATA if name in table):
        problems += name_problems(path, column, table[column].unique())
    for case in table["case"][table["case"].duplicated()].unique():
        problems.append(Problem(path, f"case {case!r} has several rows", "keep one", kind="row-repeated"))
    for case in table["case"][table["group"] == ""]:
        problems.append(
            Problem(path, f"case {case!r} has no group", "fill the cell, or remove the row", kind="no-group")
        )
    if settings.control_group is not None and settings.control_group not in set(table["group"]):
        groups = ", ".join(sorted(set(table["group"]), key=natural_key))
        what = f"the control_group {settings.control_group!r} is not one of the groups {groups}"
        problems.append(
            Problem(path, what, "correct control_group in dataset.yaml, or the table", kind="control-unknown")
        )
    if "split" in table:
        wrong = table.loc[~table["split"].isin(["train", "test", ""]), ["case", "split"]]
        for case, split in wrong.itertuples(index=False):
            what = f"split of case {case!r} is {split!r}; expected train or test"
            problems.append(Problem(path, what, "correct the cell, or leave it empty", kind="split-value"))
    return problems + _problems_of_subjects(path, table)


def _problems_of_subjects(path: str, table: pd.DataFrame) -> list[Problem]:
    """Problems of the split: images of one animal are alike, so a test case is held out only if training uses none."""
    if not {"split", "subject"} <= set(table):
        return []
    named = table[table["subject"] != ""]
    is_test = (named["split"] == "test").groupby(named["subject"], sort=False)
    mixed = list(is_test.any()[is_test.any() & ~is_test.all()].index)
    what = "subject {!r} has cases in both the test and the training split, so its test cases are not held out"
    action = "give all cases of a subject the same split"
    return [Problem(path, what.format(subject), action, kind="subject-split") for subject in mixed]


def _cases(cases: list[str]) -> str:
    return "1 case has" if len(cases) == 1 else f"{len(cases)} cases have"
