"""No code reads prose: what a program needs to know of a message is a field of it, not a part of its text."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("evaluation/segassay", "src/segassay_monai")
FOREIGN = {
    "assay/classes.py": "names of classes become names of measurements",
    "assay/side_by_side.py": "what a user gives: a folder, or the id of an MLflow run",
    "assay/track.py": "names of annotators become names of MLflow, and text of Markdown",
    "data/channels.py": "names of files, by nnU-Net",
    "data/names.py": "names of files, by Cellpose",
    "data/nnunet.py": "keys of a file, by nnU-Net",
    "data/published/mirrors.py": "errors of the HTTP library, whose text alone says what happened",
    "data/design.py": "names of cases that a spreadsheet has made a date",
    "data/tools.py": "names of files that other tools write",
    "judgement/classes.py": "names of classes become names of folders",
    "io/csv_tables.py": "cells that a spreadsheet program would compute",
    "io/table_files.py": "names of files in a list that somebody may have changed",
    "io/text_tables.py": "rows of a table without any text",
    "io/workbooks.py": "characters that XML cannot hold",
    "data/measurements.py": "names of endpoints, as the lab wrote them",
    "qualities/scores/table.py": "names of annotators, which hold the random seed",
    "tracking/address.py": "addresses of stores, which may hold a password",
    "tracking/faults.py": "errors of MLflow's client, whose text alone holds the status of the answer",
    "report/glossary.py": "formulas of measures, which are written in Markdown",
    "data/annotations.py": "numbers of folds, seeds and sessions, as the table of a user has them",
    "qualities/validity/sizes.py": "the sign of C₋r in the names of references",
    "report/charts/strategies.py": "line breaks of a label in a figure",
    "bundle/typed.py": "words of a command line, and names of devices",
    "cli/train.py": "numbers of a command line, as YAML 1.1 does not read them",
    "ensemble/classes.py": "names of classes become names of files",
    "ensemble/names.py": "ranges of seeds, padded so that lists sort them",
    "ensemble/network.py": "names that a checkpoint of anybody holds",
    "prediction/gallery.py": "the style sheet of a page, for its hash",
    "sharing/bioimageio/description.py": "names, references and links, as the author of a model wrote them",
    "sharing/zoo/export.py": "the name of a bundle, as the user gives it",
    "sharing/zoo/numbers.py": "names of raters, which an exported sentence must not hold",
    "study/earlier.py": "names of folders of an earlier version",
    "study/file.py": "names of strategies, as the user gives them",
    "study/judge.py": "numbers in names of runs, padded so that MLflow sorts them",
    "study/members.py": "names of targets become names of folders",
    "targets.py": "names of targets, as the user gives them",
}
"""Modules that may use regular expressions, and on what text that the package has not written as a message."""

PATTERNS = {
    "contains",
    "endswith",
    "extract",
    "findall",
    "fullmatch",
    "match",
    "partition",
    "rpartition",
    "split",
    "startswith",
}
"""Methods of a column of texts that take them apart."""


def modules() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(ROOT / package).as_posix(), path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def uses_re(tree: ast.AST) -> bool:
    """Whether a module imports `re`, under any name and at any place, or looks for patterns in a column of a table."""
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    of_columns = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "str"
    ]
    return (
        "re" in imported
        or not PATTERNS.isdisjoint(of_columns)
        or any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree))
    )


def test_only_modules_that_read_foreign_text_use_regular_expressions() -> None:
    using = {name for name, path in modules() if uses_re(ast.parse(path.read_text(encoding="utf-8")))}
    assert using == set(FOREIGN)


@pytest.mark.parametrize(
    "code",
    [
        "import re",
        "import os, re as r",
        "from re import sub",
        "def f():\n    import re",
        "t['measure'].str.match('f1')",
    ],
)
def test_every_import_is_found(code: str) -> None:
    assert uses_re(ast.parse(code))
