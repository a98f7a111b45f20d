"""Time and disk space that a study will take, estimated from finished trainings or a short trial.

finished members, or a trial of one epoch  ->  seconds of a step, a validation, a held-out fold  ->  minutes, bytes
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from segassay.errors import DataError, SegAssayError
from segassay_monai.study.identity import training_length
from segassay_monai.study.plan import PlannedMember, Study, find_member, plan_study
from segassay_monai.study.scheduler import n_workers
from segassay_monai.study.store import memory_of_worker, remember_memory
from segassay_monai.study.worker import train
from segassay_monai.training.train import SECONDS

__all__ = ["Estimate", "estimate"]

_TRIAL = {"epochs": 1, "iterations_per_epoch": 10, "val_interval": 1}
_SECONDS_BETWEEN_LOOKS = 0.2
_SPARE = 1.25  # of memory: a whole training may take more than its first steps


@dataclass(frozen=True)
class Costs:
    """Cost of the parts of a training.

    Attributes:
        start: Seconds until the first step: imports, reading the images.
        step: Seconds of a step.
        validation: Seconds of a validation on the selection images.
        held_out: Seconds of predicting, scoring and drawing the held-out images.
        n_bytes: Size of a member's folder.
    """

    start: float
    step: float
    validation: float
    held_out: float
    n_bytes: float


@dataclass(frozen=True)
class Estimate:
    """Cost of the rest of a study.

    Attributes:
        of_member: Id -> minutes of one process.
        n_workers: Trainings at once.
        total_minutes: Minutes of all open tasks.
        total_bytes: Bytes that they will write.
        source: Basis of the estimate.
    """

    of_member: dict[str, float]
    n_workers: int
    total_minutes: float
    total_bytes: float
    source: str

    def minutes(self, planned: PlannedMember) -> float:
        """Minutes of one process for one member."""
        return self.of_member[planned.id]


def estimate(study: Study) -> Estimate:
    """Estimate the rest of a study, with a short trial for each set of settings without a finished member.

    Raises:
        DataError: If a training fails in its trial; the message says why.
    """
    costs: dict[str, Costs] = {}
    n_tried = 0
    for planned in study.members:
        key = json.dumps(planned.settings, sort_keys=True, default=str)
        if key not in costs:
            alike = [m for m in study.members if m.settings == planned.settings]
            folders = [study.place(m) for m in alike if study.is_done(m)]
            if done := [folder for folder in folders if _seconds_in(folder)]:
                costs[key] = _costs_of(done)
            else:
                costs[key], memory = _try_out(study, planned)
                remember_memory(study, memory)
                n_tried += 1
    minutes = {
        planned.id: _seconds(planned, costs[json.dumps(planned.settings, sort_keys=True, default=str)]) / 60
        for planned in study.members
    }
    left = [planned for planned in study.members if not study.is_done(planned)]
    typical = statistics.fmean(cost.held_out for cost in costs.values())
    size = statistics.fmean(cost.n_bytes for cost in costs.values())
    predictions = [p for p in study.predictions if not study.is_done(p)]
    of_predictions = sum(typical * max(1, len(p.members) / 3) for p in predictions) / 60
    n = n_workers(max(1, len(left) + len(predictions)), memory_of_worker(study), study.file.threads)
    start = max(cost.start for cost in costs.values()) / 60 if left or predictions else 0.0
    return Estimate(
        of_member=minutes,
        n_workers=n,
        total_minutes=start + (sum(minutes[m.id] for m in left) + of_predictions) / n,
        total_bytes=size * (len(left) + len(predictions)),
        source=_source(n_tried, len(study.members) - len(left)),
    )


def _source(n_tried: int, n_done: int) -> str:
    trials = f"{n_tried} short trial{'s' if n_tried > 1 else ''} of {_TRIAL['iterations_per_epoch']} steps"
    parts = [f"{n_done} finished members"] * (n_done > 0) + [trials] * (n_tried > 0)
    return " and ".join(parts)


def _seconds(planned: PlannedMember, cost: Costs) -> float:
    n_steps, n_validations = training_length(planned.settings)
    return n_steps * cost.step + n_validations * cost.validation + cost.held_out


def _costs_of(folders: list[Path]) -> Costs:
    seconds = [_seconds_in(folder) for folder in folders]
    median = {name: statistics.median(of[name] for of in seconds) for name in _PARTS}
    return Costs(start=0.0, n_bytes=statistics.median(_size(folder) for folder in folders), **median)


_PARTS = ("step", "validation", "held_out")


def _seconds_in(folder: Path) -> dict[str, float]:
    """Seconds that the parts of a training took; nothing if they are missing or damaged."""
    try:
        seconds = json.loads((folder / SECONDS).read_bytes())
        return {name: float(seconds[name]) for name in _PARTS}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _try_out(study: Study, planned: PlannedMember) -> tuple[Costs, float]:
    """Train for a few steps in a new process and a temporary folder; returns the costs and the memory in bytes."""
    with tempfile.TemporaryDirectory(prefix="segassay-") as name:
        folder = Path(name)
        store = {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"}
        words = [sys.executable, "-W", "ignore", "-m", __name__, str(study.path), planned.id, str(folder / "member")]
        started, memory = time.perf_counter(), 0
        with (folder / "log.txt").open("w+", encoding="utf-8") as log:
            process = psutil.Popen(words, env=os.environ | store, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while process.poll() is None:
                with suppress(psutil.Error):  # the process may end in between
                    memory = max(memory, process.memory_info().rss)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            seconds = time.perf_counter() - started
            log.seek(0)
            if process.returncode:
                last = log.read().strip().splitlines()[-1:] or ["it ended without a message"]
                what = f"{planned.id} cannot be trained: {last[0]}"
                raise DataError(what, os.fspath(study.path), what)  # the last line of the trial says what to do
        costs = _costs_of([folder / "member"])
        rest = _TRIAL["iterations_per_epoch"] * costs.step + costs.validation + costs.held_out
        return replace(costs, start=max(0.0, seconds - rest)), memory * _SPARE


def _main(path: str, member: str, output_dir: str) -> None:
    study = plan_study(Path(path), trust=True)  # the process that started this one has asked
    try:
        train(study, find_member(study, member), Path(output_dir), _TRIAL)
    except SegAssayError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(*sys.argv[1:])
