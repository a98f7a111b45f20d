"""Progress of long work: a moving bar on a terminal, about ten plain lines in a log; always on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
    console = Console(stderr=True, quiet=not shown)
    if shown and console.is_terminal:
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
