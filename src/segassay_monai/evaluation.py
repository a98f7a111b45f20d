"""Judge members and their ensemble on held-out images, and write what the ensemble predicts.

EnsembleNet, one case after another -> prob/ masks/ instances/ uncertainty/ figures/ -> agreement.csv, annotations.csv
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from rich.console import Console
from rich.table import Table

import segassay
from segassay import tracking
from segassay.agreement import IOU_THRESHOLDS, label_objects, match_objects, pixel_agreement
from segassay.cases import read_case_ignore, read_case_image, read_case_mask, read_case_region
from segassay.dataset import Dataset, data_hash
from segassay.errors import DataError
from segassay.files import IMAGE_SUFFIXES, image_suffix, read_image, write_labels, write_map, write_mask
from segassay.folder import list_images
from segassay.output import publish_output, whole_or_nothing
from segassay.plots import overlay
from segassay.problems import Problem, raise_problems
from segassay_monai.inference import uncertainty
from segassay_monai.member import Member
from segassay_monai.transforms import CONSENSUS, read_target

logger = logging.getLogger("segassay")

THRESHOLD = 0.5


def find_images(folder: str | Path) -> dict[str, Path]:
    """Images to predict: case -> file, of a folder of images or of the `images/` in it, in natural order.

    In nnU-Net's folders the case is the name without the number of the channel.

    Raises:
        DataError: If the folder is missing, holds no image, holds one that cannot be used, or two images are one case.
    """
    root = Path(folder)
    root = root / "images" if (root / "images").is_dir() else root
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give a folder with images to predict")
    problems: list[Problem] = []
    files = list_images(root, problems)
    raise_problems(root, [problem for problem in problems if problem.level == "error"])
    if not files:
        raise DataError(f"{root}: no image found; expected files such as {', '.join(IMAGE_SUFFIXES)}")
    of_nnunet = (root.parent / "dataset.json").is_file()
    images: dict[str, Path] = {}
    for name, path in files:
        case = name.removesuffix("_0000") if of_nnunet else name
        if case in images:
            raise DataError(f"{images[case]} and {path}: two images of one case; rename or remove one")
        images[case] = path
    if of_nnunet and any(case.endswith("_0001") for case in images):
        raise DataError(
            f"{root} holds a file for each channel, as nnU-Net does; expected one file per image: join its channels"
        )
    return images


def ensemble_name(members: Sequence[Member]) -> str:
    """Annotator name of an ensemble: what its members were trained on, and their seeds (`staple/s0-3`)."""
    if len(members) == 1:
        return members[0].name
    trained_on = "+".join(dict.fromkeys(member.trained_on for member in members))
    seeds = sorted({member.seed for member in members})
    is_range = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{trained_on}/s" + (f"{seeds[0]}-{seeds[-1]}" if is_range else ",".join(map(str, seeds)))


class WritePredictions:
    """Write what the ensemble says of each case: probability, mask, instance labels, uncertainty.

    PNG or TIFF for 2-D images, NIfTI with the affine of the image where it is NIfTI. The mask is the probability above
    one half; instances are its connected objects from `min_size` on.

    Args:
        work_dir: Folder to write to.
        images: Case -> image file.
        min_size: Smallest object, in pixels.
    """

    def __init__(self, work_dir: Path, images: Mapping[str, Path], min_size: int = 0) -> None:
        self.work_dir, self.images, self.min_size = Path(work_dir), images, min_size
        self.written: list[dict[str, str]] = []

    def attach(self, engine: Any) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Any) -> None:
        case = engine.state.batch[0]["case"]
        prob = predicted(engine)
        is_nifti = str(image_suffix(self.images[case].name)).startswith(".nii")
        like = read_image(self.images[case]) if is_nifti else None
        map_type = ".nii.gz" if is_nifti else ".tif"
        mask_type = ".png" if prob.ndim == 2 and not is_nifti else map_type
        mask = prob.numpy() > THRESHOLD
        paths = {kind: self.work_dir / kind / case for kind in ("prob", "masks", "instances", "uncertainty")}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        write_map(f"{paths['prob']}{map_type}", prob.numpy(), like)
        write_map(f"{paths['uncertainty']}{map_type}", uncertainty(prob).numpy(), like)
        write_mask(f"{paths['masks']}{mask_type}", mask, like)
        write_labels(f"{paths['instances']}{map_type}", label_objects(mask, min_size=self.min_size), like)
        self.written.append(
            {
                "case": case,
                "path": f"masks/{case}{mask_type}",
                "prob": f"prob/{case}{map_type}",
                "uncertainty": f"uncertainty/{case}{map_type}",
            }
        )

    def annotations(self, members: Sequence[Member], held_out: bool | None) -> pd.DataFrame:
        """One row per mask written, as `annotations.csv` has them; paths are relative to the folder."""
        table = pd.DataFrame(self.written, columns=["case", "path", "prob", "uncertainty"])
        table.insert(1, "annotator", ensemble_name(members))
        table.insert(2, "kind", "ensemble" if len(members) > 1 else "model")
        for column in ("strategy", "trained_on", "fold", "seed"):
            values = {getattr(member, column) for member in members}
            table[column] = values.pop() if len(values) == 1 else ""
        table["held_out"] = "" if held_out is None else held_out
        return table


def predicted(engine: Any) -> torch.Tensor:
    """Probability `(*spatial)` of the case just predicted, on the CPU."""
    return engine.state.output[0]["pred"][0].float().cpu()


class ScoreCases:
    """Compare each member and the ensemble with the raters' consensus and the reference, case by case.

    Args:
        dataset: Raters, reference, ignored areas and smallest object.
        members: In the order of the network's checkpoints.
        trained_on: What the models should reproduce: a rater, or `staple`.
        figures_dir: Folder for overlays.
        n_figures: How many cases get an overlay, evenly spaced.
    """

    def __init__(
        self,
        dataset: Dataset,
        members: Sequence[Member],
        trained_on: str,
        figures_dir: Path,
        cases: Sequence[str],
        n_figures: int,
    ) -> None:
        self.dataset, self.members, self.trained_on = dataset, list(members), trained_on
        self.figures_dir = Path(figures_dir)
        self.drawn = {cases[i * len(cases) // max(n_figures, 1)] for i in range(min(n_figures, len(cases)))}
        if len(cases) <= n_figures:
            self.drawn = set(cases)
        self.member_masks: dict[str, np.ndarray] = {}
        self.rows: list[dict[str, Any]] = []
        self.not_scored: list[str] = []

    def attach(self, engine: Any) -> None:
        """Register with the evaluator and its ensemble."""
        engine.add_event_handler(Events.STARTED, self._watch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._score)

    def _watch(self, engine: Any) -> None:
        engine.network.observe = self._keep_member

    def _keep_member(self, number: int, prob: torch.Tensor) -> None:
        if len(self.members) > 1:
            self.member_masks[member_label(self.members, number)] = (prob[0, 0] > THRESHOLD).cpu().numpy()

    def _score(self, engine: Any) -> None:
        case = engine.state.batch[0]["case"]
        masks = self.member_masks | {ensemble_name(self.members): predicted(engine).numpy() > THRESHOLD}
        targets = self._targets(case)
        if not targets:
            self.not_scored.append(case)
        counts = {"ignore": read_case_ignore(self.dataset, case), "region": read_case_region(self.dataset, case)}
        min_size = self.dataset.min_object_size
        target_objects = {name: label_objects(target, min_size=min_size, **counts) for name, target in targets.items()}
        for annotator, mask in masks.items():
            objects = label_objects(mask, min_size=min_size, **counts)
            for name, target in targets.items():
                matches = match_objects(target_objects[name], objects)
                dice, iou = pixel_agreement(target, mask, **counts)
                for t, threshold in enumerate(IOU_THRESHOLDS):
                    self.rows.append(
                        {
                            "case": case,
                            "annotator_a": name,
                            "annotator_b": annotator,
                            "iou_threshold": threshold,
                            "n_a": matches.n_a,
                            "n_b": matches.n_b,
                            "tp": matches.tp[t],
                            "precision": matches.precision[t],
                            "recall": matches.recall[t],
                            "f1": matches.f1[t],
                            "mean_iou": matches.mean_iou,
                            "dice": dice,
                            "iou": iou,
                        }
                    )
        if case in self.drawn:
            first = {name: target > 0 for name, target in list(targets.items())[:1]}
            self._draw(case, first | {"prediction": masks[ensemble_name(self.members)]})

    def _targets(self, case: str) -> dict[str, np.ndarray]:
        """Own training target first, then the published reference; what is missing for this case is left out."""
        targets = {}
        raters = self.dataset.raters if self.trained_on == CONSENSUS else [self.trained_on]
        if any(case in self.dataset.masks[rater] for rater in raters):
            targets[target_name(self.trained_on)] = read_target(self.dataset, case, self.trained_on)
        if case in self.dataset.reference:
            reference = str(self.dataset.reference_name)
            targets[reference] = read_case_mask(self.dataset, reference, case)
        return targets

    def _draw(self, case: str, masks: Mapping[str, np.ndarray]) -> None:
        self.figures_dir.mkdir(parents=True, exist_ok=True)
        image = read_case_image(self.dataset, case).array
        figure = overlay(image, masks, title=f"{case}, held out: {ensemble_name(self.members)}")
        figure.savefig(self.figures_dir / f"{case}.png")

    def agreement(self) -> pd.DataFrame:
        """One row per case × target × annotator × IoU threshold."""
        if not self.rows:
            raise DataError(
                f"{self.dataset.folder}: none of the held-out cases has a mask of {self.trained_on} to compare with"
            )
        return pd.DataFrame(self.rows)


def target_name(trained_on: str) -> str:
    """Annotator name of the training target."""
    return f"consensus_{CONSENSUS}" if trained_on == CONSENSUS else trained_on


def member_label(members: Sequence[Member], number: int) -> str:
    """Annotator name of a member; with its fold where seeds repeat over folds."""
    name = members[number].name
    repeated = sum(member.name == name for member in members) > 1
    return f"{name} fold {members[number].fold}" if repeated else name


def summarise(agreement: pd.DataFrame) -> pd.DataFrame:
    """Mean scores over cases at IoU > 0.5, one row per target × annotator, with the cases counted."""
    table = agreement[agreement["iou_threshold"] == IOU_THRESHOLDS[0]]
    groups = table.groupby(["annotator_a", "annotator_b"], sort=False)
    means = groups[["f1", "precision", "recall", "mean_iou", "dice"]].mean()
    means["n_cases"] = groups.size()
    means["n_undefined"] = groups["mean_iou"].agg(lambda values: int(values.isna().sum()))
    return means.reset_index()


def evaluate(
    *,
    evaluator: Engine,
    writer: WritePredictions,
    scores: ScoreCases,
    work_dir: Path,
    experiment: str,
) -> Path:
    """Run the evaluator, write the tables, log them to MLflow, and print the scores.

    Inside a training's MLflow run the scores join that run; else the evaluation is a run of its own.

    Returns:
        The finished output folder.
    """
    dataset, members = scores.dataset, scores.members
    name = ensemble_name(members)
    if tracking.is_active():
        with whole_or_nothing(work_dir):
            _evaluate(evaluator, writer, scores, work_dir)
    else:
        tags = {
            "kind": "evaluation",
            "annotator": name,
            "trained_on": scores.trained_on,
            "segassay": segassay.__version__,
        }
        params = {"data_hash": data_hash(dataset), "n_members": len(members), "dataset": dataset.name}
        with whole_or_nothing(work_dir), tracking.run(experiment, f"evaluate {name}", tags=tags, params=params):
            _evaluate(evaluator, writer, scores, work_dir)
    final = publish_output(work_dir)
    if not tracking.is_active():
        logger.info(f"written: {final}")
        logger.info(f"to see all runs: {tracking.ui_command()}")
    return final


def _evaluate(evaluator: Engine, writer: WritePredictions, scores: ScoreCases, work_dir: Path) -> None:
    evaluator.run()
    agreement = scores.agreement()
    summary = summarise(agreement)
    agreement.to_csv(work_dir / "agreement.csv", index=False)
    summary.to_csv(work_dir / "scores.csv", index=False)
    writer.annotations(scores.members, held_out=True).to_csv(work_dir / "annotations.csv", index=False)
    own_target, ensemble = target_name(scores.trained_on), ensemble_name(scores.members)
    tracking.log_metrics(_metrics(summary, own_target, ensemble))
    for table in ("agreement.csv", "scores.csv"):
        tracking.log_files(work_dir / table, "tables")
    if scores.drawn:
        tracking.log_files(scores.figures_dir, "overlays")
    show(summary, own_target, scores.not_scored)


def _metrics(summary: pd.DataFrame, own_target: str, ensemble: str) -> dict[str, float]:
    """`validity/<measure>_<target>` of the ensemble, and beside it the mean of its members."""
    metrics: dict[str, float] = {}
    measures = ["f1", "precision", "recall", "mean_iou", "dice"]
    for target, rows in summary.groupby("annotator_a", sort=False):
        label = "own_training_target" if target == own_target else str(target)
        whole = rows[rows["annotator_b"] == ensemble].iloc[0]
        members = rows[rows["annotator_b"] != ensemble]
        for measure in measures:
            metrics[f"validity/{measure}_{label}"] = float(whole[measure])
            if len(members):
                metrics[f"validity/{measure}_{label}_mean_of_members"] = float(members[measure].mean())
        metrics[f"validity/n_cases_{label}"] = float(whole["n_cases"])
        metrics[f"validity/mean_iou_{label}.n_undefined"] = float(whole["n_undefined"])
    return metrics


def show(summary: pd.DataFrame, own_target: str, not_scored: Sequence[str]) -> None:
    """Print the scores as a table for people."""
    table = Table(title="Held-out images, means over n images")
    for column in ("prediction", "compared with"):
        table.add_column(column, no_wrap=True)
    for column in ("F1", "precision", "recall", "Dice", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in summary.itertuples():
        target = str(row.annotator_a) + (" *" if row.annotator_a == own_target else "")
        numbers = [f"{getattr(row, measure):.3f}" for measure in ("f1", "precision", "recall", "dice")]
        table.add_row(str(row.annotator_b), target, *numbers, str(row.n_cases))
    console = Console()
    console.print(table)
    console.print("F1: objects found and right, at an overlap (IoU) above one half; Dice: pixels.", highlight=False)
    console.print("* the models' own training target; do not set beside scores of people", highlight=False)
    if not_scored:
        logger.warning(f"{len(not_scored)} held-out case(s) have no mask to compare with: {', '.join(not_scored[:5])}")


def predict(*, evaluator: Engine, writer: WritePredictions, members: Sequence[Member], work_dir: Path) -> Path:
    """Run the evaluator on images without masks and write what the ensemble predicts.

    Whether a member was trained on one of these images is not known, so `held_out` is left empty.
    """
    with whole_or_nothing(work_dir):
        evaluator.run()
        writer.annotations(members, held_out=None).to_csv(work_dir / "annotations.csv", index=False)
    final = publish_output(work_dir)
    logger.info(f"{len(writer.written)} images predicted by {len(members)} member(s): {final}")
    return final
