"""Tests of `checks.report`: problems are grouped by their kind, whatever their words are."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from segassay.checks.check import Check
from segassay.checks.images import as_problem
from segassay.checks.report import print_check
from segassay.errors import DataError, Problem
from segassay.io.images import Picture, read_image, read_mask, write_image


def printed(problems: list[Problem]) -> str:
    text = io.StringIO()
    print_check(Check(tuple(problems), None), Console(file=text, width=200))
    return text.getvalue()


def test_words_do_not_group_kinds_do() -> None:
    same_words = [Problem(f"{n}.png", "is wrong", "fix it", kind="one" if n % 2 else "other") for n in range(44)]
    assert printed(same_words).count("and 2 more like these") == 2
    other_words = [Problem(f"{n}.png", f"is {'very ' * n}wrong", "fix it", kind="one") for n in range(44)]
    assert printed(other_words).count("and 24 more like these") == 1


def test_levels_of_a_kind_are_kept_apart() -> None:
    errors = [Problem(f"{n}.png", "is wrong", "fix it", kind="one") for n in range(21)]
    warnings = [Problem(f"{n}.png", "is wrong", "fix it", "warning", kind="one") for n in range(20)]
    assert printed([*errors, *warnings]).count("warning: ") == 20


def test_many_broken_files_do_not_hide_a_file_that_cannot_be_read_for_another_reason(tmp_path: Path) -> None:
    problems = []
    for n in range(30):
        (tmp_path / f"{n}.png").write_bytes(b"no image")
        problems.append(_problem_of(tmp_path / f"{n}.png", read_image))
    write_image(tmp_path / "half.tif", Picture(np.full((1, 4, 4), 0.5, np.float32), None, None))
    problems.append(_problem_of(tmp_path / "half.tif", read_mask))
    text = printed(problems)
    assert "half.tif" in text
    assert "and 10 more like these" in text


def _problem_of(path: Path, read: Callable[[Path], object]) -> Problem:
    with pytest.raises(DataError) as raised:
        read(path)
    return as_problem(path, raised.value)
