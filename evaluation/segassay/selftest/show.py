"""Show the self-test as a table: each estimator, its value, the published value, and the measures that use it.

outcomes  ->  lines on the terminal
"""

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from segassay.qualities.catalogue import CATALOGUE
from segassay.selftest.run import NEEDS_DATA, Outcome

__all__ = ["print_outcomes"]

_PIPE_WIDTH = 170  # without a terminal


def print_outcomes(outcomes: Sequence[Outcome], console: Console | None = None) -> None:
    """Print a table, one row per check, and how many passed.

    Args:
        outcomes: Results to print.
        console: Where; by default the terminal, or lines of 150 characters without a terminal.
    """
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_PIPE_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("estimator, data, source", "computed", "published", "within"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        called = f"{outcome.estimator}\n{escape(outcome.what)}\n[dim]{escape(outcome.source)}{_used_by(outcome)}[/]"
        computed = escape(outcome.problem) if outcome.problem else _numbers(outcome.computed, outcome.expected)
        table.add_row(_mark(outcome), called, computed, _numbers(outcome.expected), f"{outcome.tolerance:g}")
    console.print(table, highlight=False)
    failed, skipped = (sum(map(test, outcomes)) for test in (_failed, lambda outcome: outcome.skipped))
    n_run = len(outcomes) - skipped
    said = f"{n_run - failed} of {n_run} checks match the published values"
    also = f"; {skipped} not run: {NEEDS_DATA} (--data DIR)" if skipped else ""
    console.print(f"{said}{also}", highlight=False, soft_wrap=True)


def _used_by(outcome: Outcome) -> str:
    """Line with the measures of an evaluation that use the estimator."""
    records = [record for record in CATALOGUE.values() if outcome.estimator in record.estimators]
    names = dict.fromkeys(record.name for record in records)
    return f"\nmeasures in scores.csv: {', '.join(names)}" if names else ""


def _failed(outcome: Outcome) -> bool:
    return not outcome.passed and not outcome.skipped


def _mark(outcome: Outcome) -> str:
    return "–" if outcome.skipped else "[green]ok[/]" if outcome.passed else "[bold red]WRONG[/]"


def _numbers(numbers: Sequence[float], like: Sequence[float] | None = None) -> str:
    """Numbers one after the other; computed ones show two digits more than the published ones.

    Example:
        >>> _numbers([0.16573], like=[0.1657]), _numbers([1764.05, 2451.25])
        ('0.165730', '1764.05 2451.25')
    """
    digits = [len(f"{number:.12g}".partition(".")[2]) + 2 for number in like or ()]
    digits += [6] * (len(numbers) - len(digits))
    if like is None:
        return " ".join(f"{number:.12g}" for number in numbers)
    return " ".join(
        "nan" if math.isnan(number) else f"{number:.{n}f}" for number, n in zip(numbers, digits, strict=False)
    )
