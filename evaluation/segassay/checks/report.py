"""Show a check as text for the terminal, or as JSON for programs.

Check -> lines and tables (80 columns are enough, nothing is truncated) | one JSON document
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from segassay.checks.check import Check
from segassay.checks.summary_tables import summary_tables
from segassay.errors import Problem, number_of

__all__ = ["as_json", "listed", "print_check"]

_MAX_ALIKE = 20
_COLOURS = {"error": "bold red", "warning": "yellow"}


def as_json(check: Check) -> str:
    """One JSON document with the keys `n_errors`, `n_warnings`, `problems` and `summary`; docs/data.md describes them.

    Args:
        check: From `check_dataset`.

    Returns:
        Indented text without NaN; the same check gives the same text.
    """
    document = {
        "n_errors": len(check.errors),
        "n_warnings": len(check.warnings),
        "problems": [
            {"level": problem.level, "file": problem.file, "what": problem.what, "action": problem.action}
            for problem in check.problems
        ],
        "summary": check.summary,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def print_check(check: Check, console: Console) -> None:
    """Print problems, one per line, then the summary; after 20 problems of one kind only their number.

    Args:
        check: From `check_dataset`.
        console: Where to print.
    """
    for alike in _kinds(check.problems):
        for problem in alike[:_MAX_ALIKE]:
            colour = _COLOURS[problem.level]
            _print(console, f"[{colour}]{problem.level}[/]: {escape(str(problem))}")
        if len(alike) > _MAX_ALIKE:
            _print(console, f"         and {len(alike) - _MAX_ALIKE} more like these; --json lists all")
    if check.problems:
        console.print()
    if check.summary is not None:
        for table in summary_tables(check.summary):
            console.print(table)
            console.print()
    _print(console, _verdict(check))


def listed(problems: Iterable[Problem], folder: Path) -> list[str]:
    """Problems as lines, at most 20 of one kind, and then how many more there are; files relative to the dataset.

    Example:
        >>> files = [str(Path("lab", f"{n}.png")) for n in range(22)]
        >>> alike = [Problem(file, "is not square", "cut it", "warning", kind="shape") for file in files]
        >>> listed(alike, Path("lab"))[-2:]
        ['19.png: is not square; cut it', '2 more of this kind: is not square; `segassay check --json` lists all']
    """
    lines = []
    for alike in _kinds(problems):
        lines += [str(_inside(problem, folder)) for problem in alike[:_MAX_ALIKE]]
        if len(alike) > _MAX_ALIKE:
            more = f"{len(alike) - _MAX_ALIKE} more of this kind: {alike[0].what}"
            lines.append(f"{more}; `segassay check --json` lists all")
    return lines


def _inside(problem: Problem, folder: Path) -> Problem:
    place = Path(problem.file)
    if place == folder or not place.is_relative_to(folder):
        return replace(problem, file=place.name if place == folder else problem.file)
    return replace(problem, file=place.relative_to(folder).as_posix())


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False)


def _kinds(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Group problems by level and kind, in the order of the first problem of each."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.level, problem.kind), []).append(problem)
    return list(kinds.values())


def _verdict(check: Check) -> str:
    errors, warnings = len(check.errors), len(check.warnings)
    if not check.problems:
        return "No problems."
    counts = [number_of(errors, "error"), *([number_of(warnings, "warning")] if warnings else [])]
    if check.summary is None:
        return f"{', '.join(counts)}. No image was read yet: fix this first, then check again."
    return f"{', '.join(counts)}." + (" Fix the errors, then check again." if errors else "")
