"""Train one member, or resume its training, into a folder that is written whole or not at all.

trainer.run() -> best checkpoint on the selection images -> held-out images scored once -> output folder
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Events
from ignite.handlers import Timer
from monai.engines import SupervisedTrainer

import segassay
from segassay import tracking
from segassay.data.cases import read_case_mask, read_seen_image, refuse_classes
from segassay.data.dataset import Dataset
from segassay.data.spacings import case_spacing, unlike_spacing
from segassay.errors import DataError, shortlist
from segassay.io.outputs import UNFINISHED, publish_output
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import Workflow, running_config
from segassay_monai.ensemble.classes import TOUCHING, Classes
from segassay_monai.ensemble.familiar import describe_training
from segassay_monai.ensemble.images import as_float, check_image
from segassay_monai.ensemble.members import Member, has_seen, image_hashes
from segassay_monai.ensemble.names import run_name
from segassay_monai.ensemble.registry import log_model
from segassay_monai.ensemble.stop import stop_between_steps
from segassay_monai.targets import (
    describe_target,
    is_labelled,
    raters_of,
    read_labels,
    read_target,
    warn_without_instances,
)
from segassay_monai.training import processes
from segassay_monai.training.divergence import StopDiverged
from segassay_monai.training.inputs import open_classes
from segassay_monai.training.progress import KeepProgress
from segassay_monai.training.progress_file import remove_progress
from segassay_monai.training.resume import mlflow_run, open_training
from segassay_monai.training.settings import group_of, is_plain

__all__ = ["SECONDS", "evaluate_held_out", "log_training_data", "run_params", "run_tags", "train_member"]

logger = logging.getLogger("segassay")

SECONDS = "seconds.json"
"""File of a finished member: seconds of a step, of a validation, and of evaluating the held-out images."""


def train_member(
    *,
    member: Member,
    dataset: Dataset,
    trainer: SupervisedTrainer,
    evaluator: Any,
    output_dir: str | Path,
    overwrite: bool,
    experiment: str,
    evaluation: Mapping[str, Any],
    rank: int = 0,
) -> Path:
    """Train a member, then score it once on its held-out images; all is logged as one MLflow run.

    An unfinished training of the same member and settings is resumed; a finished one is not repeated.

    Args:
        member: The member, with its cases for training, selection and scoring.
        dataset: The dataset.
        trainer: MONAI trainer; its handlers keep the best state as `model.pt` in the unfinished folder.
        evaluator: MONAI `SupervisedEvaluator` on the selection cases.
        output_dir: Folder of the finished member.
        overwrite: Whether the folder may be replaced.
        experiment: MLflow experiment.
        evaluation: Settings of `evaluate.yaml` that follow from this training (network, preprocessing, device).
        rank: Rank of this process, if several train one member.

    Returns:
        The finished output folder: `model.pt`, `familiar.json` (what its images are like), `config.yaml`,
        `seconds.json`, and the held-out scores and predictions in `held_out/`.

    Raises:
        UsageError: Outside the workflow of a configuration, before anything is written.
    """
    running_config()
    for warning in dataset.warnings:
        logger.warning(str(warning))
    if rank:  # the first process alone writes and logs
        if processes.agree(False):
            trainer.run()
        return Path(output_dir).resolve()
    with open_training(output_dir, overwrite, member) as work_dir:
        processes.agree(work_dir is not None)
        if work_dir is None:
            logger.info(f"{member.name}: already trained, nothing to do: {Path(output_dir).resolve()}")
            return Path(output_dir).resolve()
        run = tracking.run(
            experiment,
            run_name(member.trained_on, [member.seed], member.fold),
            tags=run_tags(member, kind="member"),
            params=run_params(member),
            run_id=mlflow_run(work_dir),
            may_wait=True,
        )
        with run:
            log_training_data(dataset, member)
            seconds = _train(member, dataset, trainer, evaluator, work_dir)
            started = time.perf_counter()
            evaluate_held_out(member, dataset, work_dir, evaluation)
            describe_training(work_dir / "model.pt", dataset)
            log_model([work_dir / "model.pt"], name="model", metrics=_scores())
            seconds["held_out"] = round(time.perf_counter() - started, 4)
            (work_dir / SECONDS).write_text(json.dumps(seconds) + "\n", encoding="utf-8")
        remove_progress(work_dir)
        final = publish_output(work_dir)
        (final / UNFINISHED).unlink()  # last, so that the training can be resumed at any moment
    logger.info(f"written: {final}")
    logger.info(f"to see all runs: {tracking.ui_command()}")
    return final


def _train(
    member: Member, dataset: Dataset, trainer: SupervisedTrainer, evaluator: Any, work_dir: Path
) -> dict[str, float]:
    logger.info(
        f"{member.name}: training on {describe_target(member.trained_on)} of {len(member.train)} images; the best "
        f"state is selected on {len(member.val)}, and {len(member.held_out)} are held out "
        f"(fold {member.fold} of {member.n_folds})"
    )
    _check_not_empty(dataset, member)
    refuse_classes(dataset)
    warn_of_spacing(dataset, (*member.train, *member.val))
    if running_config().get("objects") == TOUCHING:
        warn_without_instances(dataset, member.trained_on, member.train)
    _check_held_out(dataset, member)
    tracking.log_files(work_dir / "config.yaml")
    step, validation = Timer(average=True), Timer()
    step.attach(
        trainer, Events.STARTED, Events.ITERATION_COMPLETED, Events.GET_BATCH_STARTED, Events.ITERATION_COMPLETED
    )
    validation.attach(evaluator, start=Events.STARTED, pause=Events.COMPLETED)
    KeepProgress(work_dir, evaluator).attach(trainer)
    StopDiverged(trainer.network).attach(trainer)
    for engine in (trainer, evaluator):
        stop_between_steps(engine)
    trainer.run()
    best = evaluator.state
    logger.info(f"best state: F1 {best.best_metric:.3f} on the selection images, epoch {best.best_metric_epoch}")
    tracking.log_metrics({"val/best_f1": best.best_metric, "val/best_epoch": best.best_metric_epoch})
    return {"step": round(step.value(), 4), "validation": round(validation.value(), 4)}


def evaluate_held_out(member: Member, dataset: Dataset, work_dir: Path, evaluation: Mapping[str, Any]) -> None:
    """Score the finished member on its held-out cases, with `evaluate.yaml` as users run it."""
    workflow = Workflow(
        config_file=str(config_path("evaluate.yaml")),
        workflow_type="infer",
        run_id="evaluating",
        logging_file=False,  # as the training was told
        dataset_dir=dataset.folder,  # MONAI does not change paths and tuples; in texts and lists # becomes ::
        models=(work_dir / "model.pt",),
        cases=member.held_out,
        output_dir=work_dir / "held_out",
        **evaluation,
    )
    workflow.initialize()
    workflow.run()


def run_params(member: Member) -> dict[str, Any]:
    """Parameters of an MLflow run by group, such as `network/channels`: plain settings, and what the data adds."""
    config = running_config()
    params = {key: value for key, value in config.items() if value is not None and is_plain(value)}
    params |= {"n_train": len(member.train), "n_val": len(member.val)}
    data = {"data/hash": member.data_hash}
    if member.channels:
        data["data/channels"] = ", ".join(member.channels)
    return {f"{group_of(key)}/{key}": value for key, value in params.items()} | data


def log_training_data(dataset: Dataset, member: Member) -> None:
    """Say in the active MLflow run which data the member is trained on."""
    cases = {"cases": len(dataset.cases), "train": len(member.train), "held_out": len(member.held_out)}
    tracking.log_dataset(
        dataset.name, member.data_hash, context="training", source=dataset.folder, raters=len(dataset.raters), **cases
    )


def _scores() -> dict[str, float]:
    """Scores that the active run has so far, to be shown with its model."""
    metrics = tracking.logged_metrics()
    scores = {name: value for name, value in metrics.items() if name.startswith("validity/") and "." not in name}
    return scores | {name: metrics[name] for name in ("val/best_f1",) if name in metrics}


def run_tags(member: Member, *, kind: str) -> dict[str, Any]:
    """Tags of an MLflow run: its kind, and those of the member."""
    names = ("strategy", "trained_on", "fold", "seed")
    tags = {name: getattr(member, name) for name in names}
    return {"kind": kind, **tags, "commit": _commit(), "segassay": segassay.__version__}


def warn_of_spacing(dataset: Dataset, cases: Sequence[str]) -> None:
    """Say which images of a training have pixels of another size than most: they are not resampled.

    Args:
        dataset: The dataset; nothing is said if `dataset.yaml` gives one spacing for all.
        cases: Cases of training and selection.
    """
    if dataset.settings.spacing_um is not None:
        return
    if unlike := unlike_spacing({case: case_spacing(dataset, case) for case in cases}):
        logger.warning(
            f"{dataset.folder}: pixels of {len(unlike)} of {len(cases)} images differ by more than a quarter from the "
            f"median along an axis ({shortlist(unlike)}); a training does not resample, so objects of one size look "
            "larger or smaller there: resample images and masks to one spacing, or train on images of one"
        )


def _check_not_empty(dataset: Dataset, member: Member) -> None:
    """Refuse images without an object; a class that none of them has is a warning."""
    if classes := open_classes(dataset):
        absent = _absent(dataset, member, classes)
        if 0 < len(absent) < len(classes):
            several = f"{'classes' if len(absent) > 1 else 'class'} {', '.join(absent)}"
            logger.warning(
                f"{dataset.folder}: {describe_target(member.trained_on)} has no pixel of the {several} in any of the "
                f"{len(member.train)} training images, so the model cannot learn it; give more images, or another fold"
            )
        is_empty = len(absent) == len(classes)
    else:
        is_empty = not any(read_labels(dataset, case, member.trained_on).any() for case in member.train)
    if is_empty:
        target, n_images = describe_target(member.trained_on), len(member.train)
        what = f"cannot be trained on: {target} has no object in any of {n_images} training images"
        raise DataError.of(dataset.folder, what, "check the masks (0 is background, more is foreground)")


def _absent(dataset: Dataset, member: Member, classes: Classes) -> list[str]:
    """Classes that no training image has."""
    absent = dict(enumerate(name for name, _ in classes))
    for case in member.train:
        label = read_labels(dataset, case, member.trained_on, classes=classes)
        absent = {number: name for number, name in absent.items() if not label[number :: len(classes)].any()}
        if not absent:
            break
    return list(absent.values())


def _check_held_out(dataset: Dataset, member: Member) -> None:
    """Find problems that would stop the evaluation after the training; no held-out image is used in the training."""
    annotated = [dataset.reference, *(dataset.masks[rater] for rater in raters_of(dataset, member.trained_on))]
    if not any(case in masks for masks in annotated for case in member.held_out):
        what = (
            f"has no mask of {member.trained_on} for any of the {len(member.held_out)} held-out images, and no "
            "reference to score with"
        )
        raise DataError.of(dataset.folder, what, "choose another --fold")
    for case in member.held_out:
        if has_seen(member, image_hashes(dataset, case)):
            what = "is held out, but the same picture is in the training images"
            action = "remove one, or give both one `subject` in the experiment table"
            raise DataError.of(dataset.images[case], what, action)
        _check_readable(dataset, case, member.trained_on)


def _check_readable(dataset: Dataset, case: str, trained_on: str) -> None:
    """Read a held-out image and its masks as the evaluation does."""
    expected = read_seen_image(dataset, dataset.cases[0]).array
    image = as_float(read_seen_image(dataset, case).array)
    check_image(dataset.images[case], image, len(expected), expected.ndim - 1)
    if is_labelled(dataset, trained_on, case):
        read_target(dataset, case, trained_on, classes=open_classes(dataset))
    if case in dataset.reference:
        read_case_mask(dataset, str(dataset.reference_name), case)


def _commit() -> str:
    """Commit of the sources, with `+` if they have changed since; empty for an installed package."""
    if not (Path(__file__).resolve().parents[3] / ".git").exists():
        return ""  # git would find the repository around the environment
    try:
        words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+"]
        return subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
