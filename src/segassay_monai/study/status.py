"""State of a study on a terminal: what is done, what runs and how far it is; nothing here needs torch.

Study, files on disk  ->  state of each task  ->  a table
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
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
from segassay_monai.study.there import is_stored, tasks_there
from segassay_monai.targets import target_name
from segassay_monai.training.progress_file import read_progress, unfinished

__all__ = ["print_earlier", "score_of", "show_status", "state_of"]

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_BETWEEN_REQUESTS = 60.0  # a store may count them


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


def _status_table(study: Study, there: Collection[str]) -> Table:
    states = {task.id: _state_here_or_there(study, task, there) for task in study.tasks.values()}
    counts = pd.Series([state for state, _ in states.values()]).value_counts()
    title = ", ".join(f"{count} {state}" for state, count in counts.items())
    table = Table(title=f"{study.name}: {title}", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("member or prediction", "state", ""):
        table.add_column(column, overflow="fold")
    for name, (state, words) in states.items():
        table.add_row(name, state, escape(words))
    return table


def _state_here_or_there(study: Study, task: Task, there: Collection[str]) -> tuple[str, str]:
    """State of a task on this machine; or `done`, if only the address of the study has it."""
    state, words = state_of(study, task)
    is_only_there = task.folder in there and state not in ("done", "running")
    return ("done", f"in {study.file.output_dir}") if is_only_there else (state, words)


def show_status(study: Study) -> None:
    """Print the state of each task; on a terminal, update it until all tasks are done, or until Ctrl-C.

    Raises:
        TransferError: If the study is at an address, and its store does not answer.
    """
    console = Console()
    print_earlier(study, find_earlier(study))
    there, looked = tasks_there(study), time.monotonic()
    if not console.is_terminal:
        console.print(_status_table(study, there))
        return
    try:
        with Live(
            _status_table(study, there), console=console, auto_refresh=False, vertical_overflow="visible"
        ) as live:
            while any(
                _state_here_or_there(study, task, there)[0] in ("running", "waiting") for task in study.tasks.values()
            ):
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                if is_stored(study) and time.monotonic() > looked + _SECONDS_BETWEEN_REQUESTS:
                    there, looked = tasks_there(study), time.monotonic()
                live.update(_status_table(study, there), refresh=True)
    except KeyboardInterrupt:
        pass
