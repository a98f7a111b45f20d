"""Progress of a study while it runs: one live display on a terminal, one plain line per task elsewhere.

events of the workers, progress files of the trainings  ->  members × epochs, time left, loss and score of each
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from segassay.io.progress import is_live, progress_console, sparkline
from segassay_monai.study.plan import PlannedMember, Study
from segassay_monai.study.status import score_of
from segassay_monai.study.store import failure
from segassay_monai.training.progress_file import TrainingProgress, read_progress, unfinished

__all__ = ["RunProgress", "show_run"]

_PER_SECOND = 1.0


class RunProgress:
    """What a run of a study has done so far, as a table for a terminal.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.started: dict[str, float] = {}
        self.n_before = self.n_done
        self._begun = time.monotonic()

    @property
    def n_done(self) -> int:
        """Number of finished tasks, those of earlier runs included."""
        return sum(self.study.is_done(task) for task in self.study.tasks.values())

    def progress_of(self, name: str) -> TrainingProgress | None:
        """How far a training is; None of a prediction, and before the first epoch is finished."""
        task = self.study.tasks[name]
        return read_progress(unfinished(self.study.place(task))) if isinstance(task, PlannedMember) else None

    def minutes_left(self, found: dict[str, TrainingProgress | None]) -> float | None:
        """Minutes until all tasks are done, from the pace so far; None before there is one.

        Args:
            found: Progress of each running task.
        """
        under_way = sum(one.epoch / one.epochs for one in found.values() if one is not None)
        done = self.n_done - self.n_before + under_way
        left = len(self.study.tasks) - self.n_before - done
        return (time.monotonic() - self._begun) / 60 * left / done if done > 0.05 else None

    def __rich__(self) -> RenderableType:
        """The display: how much is done, and a row for each running task."""
        found = {name: self.progress_of(name) for name in list(self.started)}
        minutes, n_tasks = self.minutes_left(found), len(self.study.tasks)
        left = "" if minutes is None else f", about {minutes:.0f} min left"
        table = Table(box=None, pad_edge=False)
        for column in ("running", "epoch", "loss", "", "F1", "min left"):
            table.add_column(column, justify="left" if column in ("running", "") else "right", no_wrap=True)
        for name, one in found.items():
            table.add_row(escape(name), *_cells(one))
        head = Text(f"{self.study.name}: {self.n_done} of {n_tasks} tasks{left}")
        return Group(head, ProgressBar(total=n_tasks, completed=self.n_done, width=60), table)


def _cells(progress: TrainingProgress | None) -> tuple[str, ...]:
    """Epoch, loss, its curve, F1 and minutes left of a running task."""
    if progress is None:
        return ("", "", "", "", "")
    loss = f"{progress.losses[-1]:.3f}" if progress.losses else ""
    f1 = "" if progress.f1 is None else f"{progress.f1:.3f}"
    epoch = f"{progress.epoch}/{progress.epochs}"
    return epoch, loss, sparkline(progress.losses), f1, f"{progress.minutes_left:.1f}"


@contextmanager
def show_run(study: Study, *, quiet: bool = False) -> Iterator[Callable[[str, str], None]]:
    """Show the tasks of a run, and yield the function that takes each event and the name of its task.

    Args:
        study: The study.
        quiet: Whether to print failures only.
    """
    console, shown = progress_console(), RunProgress(study)

    def report(word: str, name: str) -> None:
        if word == "start":
            shown.started[name] = time.monotonic()
            return
        started = shown.started.pop(name, None)  # not known of a task on a cluster
        took = "" if started is None else f", {(time.monotonic() - started) / 60:.1f} min"
        if word == "done" and quiet:
            return
        task = study.tasks[name]
        words = score_of(study, task) if word == "done" else failure(study, task)
        _print(console, f"{shown.n_done}/{len(study.tasks)} {name}: {word}{took}", words)

    if quiet or not is_live(console):
        yield report
        return
    with Live(shown, console=console, refresh_per_second=_PER_SECOND, transient=True):
        yield report


def _print(console: Console, line: str, words: str) -> None:
    console.print(f"{line}{', ' if words else ''}{words}", highlight=False, markup=False, soft_wrap=True)
