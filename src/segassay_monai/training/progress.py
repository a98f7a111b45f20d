"""Progress of a training: on the terminal, as numbers in MLflow, and in a file for other processes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segassay import tracking
from segassay.io.progress import is_live, progress_console
from segassay_monai.training.progress_file import TrainingProgress, write_progress

__all__ = ["KeepProgress", "ShowProgress", "TrackTraining", "without_progress"]

logger = logging.getLogger("segassay")

_LONGEST = 40  # epochs whose losses are kept


@contextmanager
def without_progress(asked: bool) -> Iterator[None]:
    """Inside the block a training shows only warnings and its scores, if asked to."""
    before = logger.level
    if asked:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


class TrackTraining:
    """Log a training while it runs: loss and learning rate within epochs, scores of the selection images after each.

    Attach it after the validation, just before the handler that keeps states: it logs numbers at the end of their
    epoch, so that an epoch that is interrupted and repeated is logged once. A step is an iteration, for training and
    selection alike, and each number has the time at which it was measured.
    `train/waiting_for_data` is the share of time in the epoch so far that was spent waiting for tiles.

    Args:
        evaluator: The validator; its metrics are logged as `val/…`.
        every: Number of iterations between two points of the loss curve.
    """

    def __init__(self, evaluator: Engine, every: int = 10) -> None:
        self.evaluator, self.every = evaluator, every
        self._asked = self._waited = self._stepped = 0.0
        self._points: list[tracking.Point] = []

    def attach(self, engine: Any) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._receive)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.every), self._iteration)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log)
        self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._validated, engine)

    def _start(self, engine: Any) -> None:
        self._waited = self._stepped = 0.0
        self._points.clear()

    def _ask(self, engine: Any) -> None:
        self._asked = time.perf_counter()

    def _receive(self, engine: Any) -> None:
        self._waited += time.perf_counter() - self._asked

    def _step(self, engine: Any) -> None:
        self._stepped += time.perf_counter() - self._asked

    def _iteration(self, engine: Any) -> None:
        metrics = {
            "train/loss": float(engine.state.output[0]["loss"]),
            "train/learning_rate": engine.optimizer.param_groups[0]["lr"],
            "train/waiting_for_data": self._waited / self._stepped,
        }
        self._points.append(tracking.Point(engine.state.iteration, time.time(), metrics))

    def _log(self, engine: Any) -> None:
        tracking.log_points(self._points)

    def _validated(self, evaluator: Any, trainer: Any) -> None:
        metrics = {f"val/{name}": float(value) for name, value in evaluator.state.metrics.items()}
        self._points.append(tracking.Point(trainer.state.iteration, time.time(), metrics))


class _Pace:
    """Time that epochs take in this process, from the first one that it trains, also if the training was resumed."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._n_before = 0

    def attach(self, engine: Any) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)

    def _start(self, engine: Any) -> None:
        if self._started is None:
            self._started, self._n_before = time.perf_counter(), engine.state.epoch - 1

    def minutes_left(self, engine: Any) -> float:
        """Minutes of the epochs that are left, when an epoch is finished."""
        assert self._started is not None
        n_left, n_done = engine.state.max_epochs - engine.state.epoch, engine.state.epoch - self._n_before
        return (time.perf_counter() - self._started) / 60 * n_left / n_done


class KeepProgress:
    """Write the progress of a training into its folder after each epoch.

    Attach it after the handler that keeps states, so that an epoch in the file can be resumed.

    Args:
        folder: Folder of the unfinished training.
        evaluator: The validator, for its F1.
    """

    def __init__(self, folder: Path, evaluator: Engine | None = None) -> None:
        self.folder, self.evaluator = folder, evaluator
        self._pace = _Pace()
        self._of_epoch: list[float] = []
        self._losses: list[float] = []

    def attach(self, engine: Any) -> None:
        """Register with the trainer."""
        self._pace.attach(engine)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _step(self, engine: Any) -> None:
        if engine.state.output:
            self._of_epoch.append(float(engine.state.output[0]["loss"]))

    def _write(self, engine: Any) -> None:
        state, minutes = engine.state, self._pace.minutes_left(engine)
        if self._of_epoch:
            self._losses.append(sum(self._of_epoch) / len(self._of_epoch))
            self._of_epoch.clear()
        scores = {} if self.evaluator is None else self.evaluator.state.metrics
        f1 = float(scores.get("f1", math.nan))
        progress = TrainingProgress(
            epoch=state.epoch,
            epochs=state.max_epochs,
            minutes_left=minutes,
            losses=[loss for loss in self._losses[-_LONGEST:] if math.isfinite(loss)],
            f1=f1 if math.isfinite(f1) else None,
        )
        write_progress(self.folder, progress)


class ShowProgress:
    """Show a progress bar on a terminal, and log one line per epoch.

    Args:
        evaluator: The validator, for its F1.
    """

    def __init__(self, evaluator: Engine) -> None:
        self.evaluator = evaluator
        self._losses: list[float] = []
        self._pace = _Pace()
        self._bar: Progress | None = None

    def attach(self, engine: Any) -> None:
        """Register with the trainer, before the validator, so that the line of an epoch follows its validation."""
        self._pace.attach(engine)
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        self.evaluator.add_event_handler(Events.COMPLETED, self._validated, engine)
        engine.add_event_handler(Events.COMPLETED, self._stop)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _start(self, engine: Any) -> None:
        console = progress_console()
        if logger.isEnabledFor(logging.INFO) and is_live(console):
            columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
            self._bar = Progress(*columns, console=console, transient=True)
            self._bar.start()
            total = engine.state.max_epochs * engine.state.epoch_length
            self._bar.add_task("training", total=total)

    def _iteration(self, engine: Any) -> None:
        self._losses.append(float(engine.state.output[0]["loss"]))
        if self._bar is not None:
            description = f"training, loss {self._losses[-1]:.3f}"
            self._bar.update(self._bar.task_ids[0], completed=engine.state.iteration, description=description)

    def _validated(self, evaluator: Any, trainer: Any) -> None:
        epoch, epochs = trainer.state.epoch, trainer.state.max_epochs
        f1, best = evaluator.state.metrics["f1"], evaluator.state.best_metric
        mark = " (best so far)" if f1 >= best else f" (best {best:.3f})"
        loss = sum(self._losses) / max(len(self._losses), 1)
        self._losses.clear()
        scores = f"loss {loss:.3f}, F1 on selection images {f1:.3f}{mark}"
        logger.info(f"epoch {epoch}/{epochs}: {scores}, {self._pace.minutes_left(trainer):.1f} min left")

    def _stop(self, engine: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _fail(self, engine: Any, error: Exception) -> None:
        self._stop(engine)
        raise error
