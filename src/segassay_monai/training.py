"""Train one member: progress for people, numbers for MLflow, and a folder that is written whole or not at all.

trainer.run() -> best checkpoint on the selection images -> held-out images scored once -> output folder
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow
from monai.engines import Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import segassay
from segassay import tracking
from segassay.dataset import Dataset
from segassay.errors import DataError
from segassay.output import publish_output, whole_or_nothing
from segassay_monai import settings
from segassay_monai.bundle import config_path
from segassay_monai.member import Member, image_hash
from segassay_monai.transforms import read_target

__all__ = [
    "ShowProgress",
    "TrackTraining",
    "evaluate_held_out",
    "train_member",
]

logger = logging.getLogger("segassay")


def train_member(
    *,
    member: Member,
    dataset: Dataset,
    trainer: Trainer,
    evaluator: Any,
    work_dir: Path,
    experiment: str,
    evaluation: Mapping[str, Any],
) -> Path:
    """Train a member, then score it once on the images it never saw; everything is one MLflow run.

    Args:
        member: Which cases it may use for what.
        dataset: The dataset in use.
        trainer: MONAI trainer; its validator keeps the best checkpoint as `model.pt` in `work_dir`.
        evaluator: MONAI `SupervisedEvaluator` on the selection cases.
        work_dir: From `prepare_output`.
        experiment: MLflow experiment.
        evaluation: Settings of `evaluate.yaml` that follow from this training (network, preprocessing, device).

    Returns:
        The finished output folder: `model.pt`, `config.yaml` and the held-out scores and predictions in `held_out/`.
    """
    for warning in dataset.warnings:
        logger.warning(str(warning))
    logger.info(
        f"{member.name}: learning from {_target_name(member)} of {len(member.train)} images; the best state is chosen "
        f"on {len(member.val)}, and {len(member.held_out)} are held out (fold {member.fold} of {member.n_folds})"
    )
    run = tracking.run(experiment, f"{member.name} fold {member.fold}", tags=_tags(member), params=_params(member))
    with whole_or_nothing(work_dir), run:
        _check_not_empty(dataset, member)
        _check_held_out(dataset, member)
        settings.write_config(work_dir / "config.yaml")
        tracking.log_files(work_dir / "config.yaml")
        trainer.run()
        best = evaluator.state
        logger.info(f"best state: F1 {best.best_metric:.3f} on the selection images, epoch {best.best_metric_epoch}")
        tracking.log_metrics({"val/best_f1": best.best_metric, "val/best_epoch": best.best_metric_epoch})
        tracking.log_files(work_dir / "model.pt", "model")
        evaluate_held_out(member, dataset, work_dir, evaluation)
    final = publish_output(work_dir)
    logger.info(f"written: {final}")
    logger.info(f"to see all runs: {tracking.ui_command()}")
    return final


def evaluate_held_out(member: Member, dataset: Dataset, work_dir: Path, evaluation: Mapping[str, Any]) -> None:
    """Score the finished member on its held-out cases with the configuration that anybody else would use."""
    workflow = ConfigWorkflow(
        config_file=str(config_path("evaluate.yaml")),
        workflow_type="infer",
        run_id="evaluating",
        dataset_dir=dataset.folder,  # MONAI leaves paths and tuples as they are; in texts and lists # becomes ::
        models=(work_dir / "model.pt",),
        cases=member.held_out,
        output_dir=work_dir / "held_out",
        **evaluation,
    )
    workflow.initialize()
    workflow.run()


def _params(member: Member) -> dict[str, Any]:
    """Settings given as numbers or names, and what follows from the data."""
    config = settings.running_config()
    params = {key: value for key, value in config.items() if _is_plain(value)}
    return params | {"data_hash": member.data_hash, "n_train": len(member.train), "n_val": len(member.val)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, (int, float)) for item in value)
    return isinstance(value, (int, float, str)) and not str(value).startswith(("$", "@", "%"))


def _tags(member: Member) -> dict[str, Any]:
    names = ("strategy", "trained_on", "fold", "seed")
    tags = {name: getattr(member, name) for name in names}
    return {"kind": "member", **tags, "commit": _commit(), "segassay": segassay.__version__}


def _check_not_empty(dataset: Dataset, member: Member) -> None:
    if not any(read_target(dataset, case, member.trained_on).any() for case in member.train):
        raise DataError(
            f"{dataset.folder}: {_target_name(member)} has no object in any of {len(member.train)} training images; "
            "check the masks (0 is background, more is foreground)"
        )


def _check_held_out(dataset: Dataset, member: Member) -> None:
    """What would end the evaluation after the training is better known before it; no pixel is used."""
    raters = list(dataset.raters) if member.strategy.startswith("consensus") else [member.trained_on]
    annotated = [dataset.reference, *(dataset.masks[rater] for rater in raters)]
    if not any(case in masks for masks in annotated for case in member.held_out):
        raise DataError(
            f"{dataset.folder}: none of the {len(member.held_out)} held-out images has a mask of {member.trained_on}, "
            "nor is there a reference to score with; choose another --fold"
        )
    for case in member.held_out:
        if image_hash(dataset, case) in member.seen_images:
            raise DataError(
                f"{dataset.images[case]}: the same picture is in the training images and held out; remove one, or give "
                "both one `subject` in the experiment table"
            )


def _target_name(member: Member) -> str:
    return (
        "the raters' consensus" if member.strategy.startswith("consensus") else f"the annotation by {member.trained_on}"
    )


def _commit() -> str:
    """Commit of the sources, with `+` where they were changed since; empty for an installed package."""
    if not (Path(__file__).resolve().parents[2] / ".git").exists():
        return ""  # git would find the repository that the environment happens to lie in
    try:
        words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


class TrackTraining:
    """Log a training live: loss and learning rate within epochs, scores of the selection images after each.

    `train/waiting_for_data` is the share of the steps so far that was spent waiting for the next tiles.

    Args:
        evaluator: The validator; its metrics are logged as `val/…`.
        every: Iterations between two points of the loss curve.
    """

    def __init__(self, evaluator: Engine, every: int = 10) -> None:
        self.evaluator, self.every = evaluator, every
        self._asked = self._waited = self._stepped = 0.0

    def attach(self, engine: Any) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._ask)
        engine.add_event_handler(Events.GET_BATCH_COMPLETED, self._receive)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.every), self._iteration)
        self.evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._validated, engine)

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
        tracking.log_metrics(metrics, step=engine.state.iteration)

    def _validated(self, evaluator: Any, trainer: Any) -> None:
        metrics = {f"val/{name}": float(value) for name, value in evaluator.state.metrics.items()}
        tracking.log_metrics(metrics, step=trainer.state.iteration)


class ShowProgress:
    """A moving bar on a terminal, one plain line per epoch in a log.

    Args:
        evaluator: The validator, whose F1 is shown.
    """

    def __init__(self, evaluator: Engine) -> None:
        self.evaluator = evaluator
        self._losses: list[float] = []
        self._started = 0.0
        self._bar: Progress | None = None

    def attach(self, engine: Any) -> None:
        """Register with the trainer; before the validator, so that the line of an epoch follows its validation."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        self.evaluator.add_event_handler(Events.COMPLETED, self._validated, engine)
        engine.add_event_handler(Events.COMPLETED, self._stop)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _start(self, engine: Any) -> None:
        self._started = time.perf_counter()
        console = Console(stderr=True)
        if console.is_terminal:
            columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
            self._bar = Progress(*columns, console=console, transient=True)
            self._bar.start()
            self._bar.add_task("training", total=engine.state.max_epochs * engine.state.epoch_length)

    def _iteration(self, engine: Any) -> None:
        self._losses.append(float(engine.state.output[0]["loss"]))
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, description=f"training, loss {self._losses[-1]:.3f}")

    def _validated(self, evaluator: Any, trainer: Any) -> None:
        epoch, epochs = trainer.state.epoch, trainer.state.max_epochs
        minutes_left = (time.perf_counter() - self._started) / 60 * (epochs - epoch) / max(epoch, 1)
        f1, best = evaluator.state.metrics["f1"], evaluator.state.best_metric
        mark = " (best so far)" if f1 >= best else f" (best {best:.3f})"
        loss = sum(self._losses) / max(len(self._losses), 1)
        self._losses.clear()
        scores = f"loss {loss:.3f}, F1 on selection images {f1:.3f}{mark}"
        logger.info(f"epoch {epoch}/{epochs}: {scores}, {minutes_left:.1f} min left")

    def _stop(self, engine: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _fail(self, engine: Any, error: Exception) -> None:
        self._stop(engine)
        raise error
