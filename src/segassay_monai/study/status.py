"""State of a study on a terminal: what is done, what runs and how far it is; nothing here needs torch.

Study, files on disk  ->  state of each task  ->  a table
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from segassay.io.csv_tables import read_csv_text
from segassay_monai.ensemble.names import MEAN_OF_CLASSES
from segassay_monai.study.earlier import describe_earlier, find_earlier
from segassay_monai.study.plan import PlannedMember, Study, Task, own_target
from segassay_monai.study.store import failure, is_claimed
from segassay_monai.targets import target_name
from segassay_monai.training.progress_file import read_progress, unfinished

__all__ = ["print_earlier", "score_of", "show_status", "state_of"]

_SECONDS_BETWEEN_LOOKS = 2.0


def print_earlier(study: Study, found: Mapping[str, Path]) -> None:
    """Print what to do with members of an earlier version, if there are any."""
    if words := describe_earlier(study, found):
        Console().print(words, highlight=False, markup=False, soft_wrap=True)


def state_of(study: Study, task: Task) -> tuple[str, str]:
    """State of a task in a word, and its score, progress or failure."""
    if study.is_done(task):
        return "done", score_of(study, task)
    if is_claimed(study, task):
        return "running", _progress(study, task)
    if reason := failure(study, task):
        return "failed", reason.splitlines()[0]
    if isinstance(task, PlannedMember) and (unfinished(study.place(task)) / "resume.pt").is_file():
        return "interrupted", _progress(study, task)
    return "waiting", ""


def score_of(study: Study, task: Task) -> str:
    """F1 against the own training target, on the held-out cases."""
    is_member = isinstance(task, PlannedMember)
    path = study.place(task) / ("held_out" if is_member else "") / "scores.csv"
    if not path.is_file():
        return ""
    table = read_csv_text(path, ("annotator_a", "annotator_b"))
    own = table[table["annotator_a"] == target_name(own_target(task))]
    if "class" in own:
        own = own[own["class"] == MEAN_OF_CLASSES]
    return f"F1 {own['f1'].iloc[-1]:.3f} (own target)" if len(own) else ""


def _progress(study: Study, task: Task) -> str:
    """Epoch and minutes left of a training; predictions have no epochs."""
    if not isinstance(task, PlannedMember):
        return ""
    return str(read_progress(unfinished(study.place(task))) or "progress unknown")


def _status_table(study: Study) -> Table:
    states = {task.id: state_of(study, task) for task in study.tasks.values()}
    counts = pd.Series([state for state, _ in states.values()]).value_counts()
    title = ", ".join(f"{count} {state}" for state, count in counts.items())
    table = Table(title=f"{study.name}: {title}", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("member or prediction", "state", ""):
        table.add_column(column, overflow="fold")
    for name, (state, words) in states.items():
        table.add_row(name, state, escape(words))
    return table


def show_status(study: Study) -> None:
    """Print the state of each task; on a terminal, update it until all tasks are done, or until Ctrl-C."""
    console = Console()
    print_earlier(study, find_earlier(study))
    if not console.is_terminal:
        console.print(_status_table(study))
        return
    try:
        with Live(_status_table(study), console=console, auto_refresh=False, vertical_overflow="visible") as live:
            while any(state_of(study, task)[0] in ("running", "waiting") for task in study.tasks.values()):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                live.update(_status_table(study), refresh=True)
    except KeyboardInterrupt:
        pass
