"""Every error of the data says in fields of which file it speaks and what is wrong there, beside its message."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("evaluation/segassay", "src/segassay_monai")
_N_FIELDS = 3  # message, file, what


def bare(tree: ast.AST) -> list[int]:
    """Lines where a DataError is made of a sentence alone, whether it is raised there or kept."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = [call for call in calls if ast.unparse(call.func).split(".")[-1] == "DataError"]
    return sorted(call.lineno for call in named if len(call.args) + len(call.keywords) < _N_FIELDS)


def test_no_error_of_the_data_is_a_bare_sentence() -> None:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            lines = bare(ast.parse(path.read_text(encoding="utf-8")))
            found += [f"{path.relative_to(ROOT).as_posix()}:{line}" for line in lines]
    assert not found, f"use DataError.of(file, what, action): {found}"


@pytest.mark.parametrize(
    ("code", "is_bare"),
    [
        ("raise DataError('a.png is broken')", True),
        ("raise errors.DataError(text, name)", True),
        ("found.append(DataError(text))", True),
        ("raise DataError(text, name, what)", False),
        ("raise DataError.of(name, what)", False),
        ("raise DataError.of_problem(problem)", False),
    ],
)
def test_a_bare_sentence_is_found(code: str, is_bare: bool) -> None:
    assert bool(bare(ast.parse(code))) is is_bare
