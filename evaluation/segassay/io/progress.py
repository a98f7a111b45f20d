"""Progress of long work: a moving display on a terminal, about ten plain lines in a log; always on standard error.

Where standard error is no terminal, or `NO_COLOR` is set, no line has an escape code.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["is_live", "progress_console", "show_progress", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_LONGEST = 20  # bars


def progress_console(*, quiet: bool = False) -> Console:
    """The console for progress: standard error, without escape codes where `NO_COLOR` is set or no terminal."""
    return Console(stderr=True, quiet=quiet, force_terminal=False if os.environ.get("NO_COLOR") else None)


def is_live(console: Console) -> bool:
    """Whether a display may move: only on a terminal that can."""
    return bool(console.is_terminal and not console.is_dumb_terminal)


def sparkline(values: Sequence[float]) -> str:
    """The course of numbers as a row of bars, the last 20 of them.

    Args:
        values: Numbers; those that are NaN or infinite are left out.

    Returns:
        One character per number; empty without numbers.

    Example:
        >>> sparkline([0.9, 0.5, 0.3, 0.2])
        '█▄▂▁'
    """
    known = [value for value in values if math.isfinite(value)][-_LONGEST:]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1)) if span else 0] for value in known)


@contextmanager
def show_progress(
    n_cases: int, *, doing: str, done: str, what: str = "images", shown: bool = True
) -> Iterator[Callable[[str], None]]:
    """Show progress, and yield the function to call after each case.

    Args:
        n_cases: How often it will be called.
        doing: What the bar says, such as `comparing masks`.
        done: What a line in a log says before `3 of 36 images`, such as `compared masks of`.
        what: What is counted.
        shown: Whether to show anything.

    Yields:
        Function that takes the name of the case that is done.
    """
    console = progress_console(quiet=not shown)
    if shown and is_live(console):
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(doing, total=n_cases)
            yield lambda case: bar.update(task, advance=1)
        return
    n_done = 0

    def report(case: str) -> None:
        nonlocal n_done
        n_done += 1
        if n_done * 10 // n_cases > (n_done - 1) * 10 // n_cases:
            console.print(f"{done} {n_done} of {n_cases} {what}", soft_wrap=True, highlight=False)

    yield report
