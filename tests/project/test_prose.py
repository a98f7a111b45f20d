"""No code reads prose: what a program needs to know of a message is a field of it, not a part of its text."""

import ast
import re
from collections.abc import Iterator
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

FOREIGN_SENTENCES = {
    "bundle/workflow.py": {"Logging file is set to False": "a hint that MONAI logs, which has no other mark"},
    "errors.py": {"Value error, ": "what pydantic puts before a message of ours"},
    "prediction/bundles.py": {"UNNAMED": "names of channels in metadata.json, where MONAI wants some for every image"},
    "report/charts/strategies.py": {" models": "a word that all groups of a figure share, left out where it is narrow"},
    "judgement/summary.py": {": ": "summaries of an earlier version, which have the joined words alone"},
}
"""Modules that look for words in a text: what they look for  ->  why no field or column can tell it."""

MESSAGES = {"action", "error", "explained", "message", "note", "sentence", "verdict", "what", "why", "words"}
"""Names under which texts for people are kept: attributes, columns, and variables."""

TAKES_APART = {
    *("count", "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex"),
    *("rpartition", "rsplit", "split", "startswith"),
}
"""Methods of a text that look for another one in it."""

PROSE = re.compile(r"[A-Za-z]\S*\s|\s\S*[A-Za-z]|^--[a-z]")
"""Words with a blank, or an option of the command line: no name of a file, column or measure has either."""

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


def read_and_sought(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """Each text that is looked into, and what is looked for in it: `sought in read`, `read.removesuffix(sought)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            yield node.comparators[0], node.left, "in"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKES_APART:
            yield from ((node.func.value, sought, node.func.attr) for sought in node.args[:1])


def texts(node: ast.expr, constants: dict[str, ast.expr]) -> list[str]:
    """Texts that a constant, a tuple of constants, or the name of one at the top of the module stands for."""
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return [text for part in node.elts for text in texts(part, constants)]
    if isinstance(node, ast.JoinedStr):
        return [text for part in node.values for text in texts(part, constants)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def kept_as(node: ast.expr) -> str:
    """Name under which a text is kept, such as `why` of `str(row["why"]).lower()`."""
    match node:
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))) | ast.Name(id=name):
            return name
        case ast.Call(func=ast.Name(id="str"), args=[of, *_]) | ast.Call(func=ast.Attribute(value=of)):
            return kept_as(of)
    return ""


def is_read(read: ast.expr, sought: ast.expr, how: str, constants: dict[str, ast.expr]) -> bool:
    """Whether words are looked for, or anything but marks and line breaks in a text for people."""
    said = texts(sought, constants)
    if any(PROSE.search(text) for text in said):
        return True
    of_marks = bool(said) and not any(letter.isalnum() for text in said for letter in text)
    unread = of_marks and (how == "replace" or not "".join(said).strip())
    return kept_as(read) in MESSAGES and bool(said or how != "in") and not unread


def sentences_read(code: str) -> list[str]:
    """What a module looks for in texts for people, as it is written there."""
    tree = ast.parse(code)
    assigned = [(node.targets[0], node.value) for node in tree.body if isinstance(node, ast.Assign)]
    constants = {target.id: value for target, value in assigned if isinstance(target, ast.Name)}
    found = [sought for read, sought, how in read_and_sought(tree) if is_read(read, sought, how, constants)]
    return [sought.value if isinstance(sought, ast.Constant) else ast.unparse(sought) for sought in found]


def test_no_module_looks_for_words_in_a_message() -> None:
    found = {name: sentences_read(path.read_text(encoding="utf-8")) for name, path in modules()}
    assert {name: set(sought) for name, sought in found.items() if sought} == {
        name: set(reasons) for name, reasons in FOREIGN_SENTENCES.items()
    }


@pytest.mark.parametrize(
    "code",
    [
        "str(error).replace('--rater', 'target')",
        "record.form().words.strip().removesuffix(' of')",
        "_compared(row) if 'the others' in name else ''",
        "words.removeprefix(of) if words.startswith(of) else words",
        "'not searched' not in problem.what",
        "row['why'].startswith('needs')",
        "SEEN = 'no raters'\ntext.startswith(SEEN)",
        "'fewer' in str(row['note']).lower()",
        "text.partition(f'{name} of ')",
        "judged['verdict'].partition(': ')",
    ],
)
def test_prose_that_is_read_is_noticed(code: str) -> None:
    assert sentences_read(code)


@pytest.mark.parametrize(
    "code",
    [
        "name.removesuffix('.tif')",
        "'human' in kinds",
        "os.replace(path, aside)",
        "str(row['verdict']).replace('_', ' ')",
        "' '.join(str(error).split())",
        "str(error).split('\\n')",
        "name in words",
        "name.startswith('mean_intensity_')",
    ],
)
def test_names_marks_and_lines_are_no_prose(code: str) -> None:
    assert sentences_read(code) == []
