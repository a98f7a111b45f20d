"""Terminal output of a study: the plan, progress and outcome.

Study, files on disk  ->  tables and lines
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from segassay import tracking
from segassay.data.annotations import WITHOUT
from segassay.errors import printable
from segassay.io.csv_tables import read_csv_text
from segassay.judgement.summary import QUALITIES
from segassay_monai.ensemble.scores import MEAN_OF_CLASSES
from segassay_monai.study.earlier import describe_earlier, find_earlier
from segassay_monai.study.estimate import Estimate
from segassay_monai.study.file import as_yaml
from segassay_monai.study.plan import PlannedMember, Study, Task, own_target
from segassay_monai.study.run import Outcome
from segassay_monai.study.store import failure, is_claimed
from segassay_monai.targets import target_name
from segassay_monai.training.progress_file import read_progress
from segassay_monai.training.resume import unfinished

__all__ = ["print_earlier", "print_outcome", "print_plan", "score_of", "show_status", "state_of"]

_SECONDS_BETWEEN_LOOKS = 2.0


def print_plan(study: Study, estimate: Estimate) -> None:
    """Print the study with its defaults, its members, and the estimate of time and disk space."""
    console = Console()
    console.print(as_yaml(study.file), highlight=False, markup=False, soft_wrap=True)
    title = f"{study.name}: {len(study.members)} members, {len(study.predictions)} further predictions"
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("strategy", overflow="fold", min_width=24)
    for column in ("targets", "images", "folds × seeds", "done", "ensembles", "min each"):
        table.add_column(column, justify="right", no_wrap=True)
    for strategy in dict.fromkeys(_row_of(planned) for planned in study.members):
        own = [planned for planned in study.members if _row_of(planned) == strategy]
        ensembles = {p.annotator for p in study.predictions if _row_of(p.first) == strategy and len(p.members) > 1}
        table.add_row(
            escape(strategy),
            str(len({planned.label for planned in own})),
            "all" if own[0].n_train is None else str(own[0].n_train),
            f"{len({planned.fold for planned in own})} × {len({planned.seed for planned in own})}",
            f"{sum(study.is_done(planned) for planned in own)}/{len(own)}",
            str(len(ensembles)),
            f"{estimate.minutes(own[0]):.1f}",
        )
    console.print(table)
    left = [task for task in study.tasks.values() if not study.is_done(task)]
    if not left:
        words = (
            "All members are trained and all predictions done; `segassay study run` evaluates them if it has not yet."
        )
        console.print(words, highlight=False, soft_wrap=True)
    else:
        console.print(
            f"Left: {len(left)} of {len(study.tasks)} tasks, about {estimate.total_minutes:.0f} minutes with "
            f"{estimate.n_workers} at once, and {estimate.total_bytes / 2**20:,.0f} MiB in {study.out}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        console.print(f"Estimated from {estimate.source}.", highlight=False, soft_wrap=True)
    found = find_earlier(study)
    print_earlier(study, found)
    if stale := [name for name in _stale(study) if name not in {path.name for path in found.values()}]:
        console.print(
            f"{len(stale)} folders hold members of other settings, data or versions; they are not used: "
            f"{', '.join(stale[:3])}{', …' if len(stale) > 3 else ''}",
            highlight=False,
            soft_wrap=True,
        )


def print_earlier(study: Study, found: Mapping[str, Path]) -> None:
    """Print what to do with members of an earlier version, if there are any."""
    if words := describe_earlier(study, found):
        Console().print(words, highlight=False, markup=False, soft_wrap=True)


def _row_of(planned: PlannedMember) -> str:
    return planned.strategy + (", one rater left out" if WITHOUT in planned.rater else "")


def _stale(study: Study) -> list[str]:
    planned = {study.place(task).name for task in study.tasks.values()}
    folders = [path for kind in ("members", "predictions") for path in (study.out / kind).glob("*-????????")]
    return sorted(path.name for path in folders if path.is_dir() and path.name not in planned)


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


def print_outcome(study: Study, outcome: Outcome) -> None:
    """Print the verdicts, where the reports are, and what failed."""
    console = Console()
    for folder in outcome.evaluations:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        for quality in QUALITIES:
            judged = summary[quality]
            line = f"{quality}: {judged['sentence']} Verdict: {judged['verdict']}."
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print(f"written: {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    for name, reason in outcome.failed.items():
        console.print(printable(f"failed: {name}: {reason}"), highlight=False, markup=False, soft_wrap=True)
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} of {len(study.tasks)} tasks failed and count as missing predictions; run the same "
            "command again to retry them",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"to see all runs: {tracking.ui_command()}", highlight=False, markup=False, soft_wrap=True)
