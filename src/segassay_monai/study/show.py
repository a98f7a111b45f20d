"""Terminal output of a study: the plan and the outcome.

Study, files on disk  ->  tables and lines
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from segassay import tracking
from segassay.errors import printable
from segassay.judgement.summary import QUALITIES
from segassay_monai.study.earlier import find_earlier
from segassay_monai.study.estimate import Estimate
from segassay_monai.study.file import as_yaml
from segassay_monai.study.plan import OVERVIEW, Study
from segassay_monai.study.run import Outcome
from segassay_monai.study.status import print_earlier

__all__ = ["print_outcome", "print_plan"]


def print_plan(study: Study, estimate: Estimate, there: Collection[str] = ()) -> None:
    """Print the study with its defaults, its members, and the estimate of time and disk space.

    Args:
        study: The study.
        estimate: Of what is not done on this machine.
        there: Folders of the tasks that are whole at the address of the study.
    """
    console = Console()
    console.print(as_yaml(study.file), highlight=False, markup=False, soft_wrap=True)
    table = Table(title=escape(str(study)), box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("strategy", overflow="fold", min_width=24)
    for column in (*OVERVIEW[1:], "min each"):
        table.add_column(column, justify="right", no_wrap=True)
    for strategy, own in study.by_strategy.items():
        table.add_row(*map(escape, study.overview(strategy)), f"{estimate.minutes(own[0]):.1f}")
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
        if n_there := sum(task.folder in there for task in left):
            words = f"{n_there} of these are complete in {study.file.output_dir}; `segassay study run` copies them."
            console.print(words, highlight=False, markup=False, soft_wrap=True)
    found = find_earlier(study)
    print_earlier(study, found)
    if stale := [name for name in _stale(study) if name not in {path.name for path in found.values()}]:
        console.print(
            f"{len(stale)} folders hold members of other settings, data or versions; they are not used: "
            f"{', '.join(stale[:3])}{', …' if len(stale) > 3 else ''}",
            highlight=False,
            soft_wrap=True,
        )


def _stale(study: Study) -> list[str]:
    planned = {study.place(task).name for task in study.tasks.values()}
    folders = [path for kind in ("members", "predictions") for path in (study.out / kind).glob("*-????????")]
    return sorted(path.name for path in folders if path.is_dir() and path.name not in planned)


def print_outcome(study: Study, outcome: Outcome, named: Callable[[str], str] = str) -> None:
    """Print the verdicts, where the reports are, and what failed.

    Args:
        study: The study.
        outcome: What it came to.
        named: Names places as the user gave them.
    """
    console = Console()
    for folder in outcome.evaluations:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        for quality in QUALITIES:
            judged = summary[quality]
            line = f"{quality}: {judged['sentence']} Verdict: {judged['verdict']}."
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print(f"written: {named(str(folder / 'report.html'))}", highlight=False, markup=False, soft_wrap=True)
    for name, reason in outcome.failed.items():
        console.print(printable(f"failed: {name}: {named(reason)}"), highlight=False, markup=False, soft_wrap=True)
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} of {len(study.tasks)} tasks failed and count as missing predictions; run the same "
            "command again to retry them",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"to see all runs: {tracking.ui_command()}", highlight=False, markup=False, soft_wrap=True)
