"""Score members and their ensemble on held-out images, case by case.

Prediction of a case + target, reference -> ScoreCases -> agreement.csv -> summarise -> scores.csv, MLflow, terminal
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy import ndimage

import segassay
from segassay import tracking
from segassay.data.cases import read_case_classes, read_case_image, read_case_mask
from segassay.data.dataset import Dataset, data_hash
from segassay.errors import DataError
from segassay.figures.overlays import overlay
from segassay.figures.planes import largest_cut
from segassay.figures.style import encode_figure
from segassay.io.csv_tables import csv_text
from segassay.io.images import write_bytes
from segassay.io.outputs import prepare_output, publish_output, whole_or_nothing
from segassay.masks.objects import counted_pixels
from segassay.masks.overlaps import IOU_THRESHOLDS, Matches, label_objects, match_objects, pixel_agreement
from segassay_monai.ensemble.classes import SEPARATE, TOUCHING, Classes, metric_names, names_of, same_classes
from segassay_monai.ensemble.ensemble_net import Prediction
from segassay_monai.ensemble.members import Member
from segassay_monai.ensemble.names import MEAN_OF_CLASSES, run_name, seed_range
from segassay_monai.ensemble.prediction import WritePredictions, areas, ensemble_name, predicted
from segassay_monai.ensemble.stop import stop_between_steps
from segassay_monai.ensemble.touching import touching_objects
from segassay_monai.ensemble.uncertainty import (
    show_uncertainty,
    summarise_uncertainty,
    uncertainty_metrics,
)
from segassay_monai.targets import is_labelled, masks_of, read_instances, read_target, target_name

logger = logging.getLogger("segassay")


class ScoreCases:
    """Compare each member and the ensemble with the own training target and the reference, case by case.

    Args:
        dataset: The dataset, with raters, reference, ignored areas and smallest object.
        members: Members in the order of the network's checkpoints.
        trained_on: Target to compare with, one of `segassay_monai.targets.targets_of`.
        figures_dir: Folder for overlays.
        cases: Cases that are scored.
        n_figures: Number of cases with an overlay, evenly spaced.
        classes: Of the members, as in `ensemble.classes`; each is compared alone. By default one foreground.
        objects: Of the members, as in `ensemble.classes`; objects that touch are compared as such, also in the target.

    Raises:
        DataError: If the dataset has other classes, or none.
    """

    def __init__(
        self,
        dataset: Dataset,
        members: Sequence[Member],
        trained_on: str,
        figures_dir: Path,
        cases: Sequence[str],
        n_figures: int,
        classes: Classes = (),
        objects: str = SEPARATE,
    ) -> None:
        check_classes(classes, dataset)
        self.classes, self.objects = classes, objects
        self.dataset, self.members, self.trained_on = dataset, list(members), trained_on
        self.figures_dir = Path(figures_dir)
        self.cases = list(cases)
        self.drawn = {cases[i * len(cases) // max(n_figures, 1)] for i in range(min(n_figures, len(cases)))}
        if len(cases) <= n_figures:
            self.drawn = set(cases)
        self.rows: list[dict[str, Any]] = []
        self.not_scored: list[str] = []

    def attach(self, engine: Any) -> None:
        """Register with the evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._score)

    def _score(self, engine: Any) -> None:
        case = engine.state.batch[0]["case"]
        prediction = predicted(engine)
        masks = self._found(prediction, case)
        targets = self._targets(case)
        if not targets:
            self.not_scored.append(case)
        for number, of_class in enumerate(self._names()):
            one, other = ({name: mask[number] for name, mask in of.items()} for of in (targets, masks))
            self.rows += self._compare(case, of_class, one, other)
        if case in self.drawn:
            first = dict(list(targets.items())[:1]) | {"prediction": masks[ensemble_name(self.members)]}
            names = [f": {name}" for name, _ in self.classes] or [""]
            drawn = {
                f"{of}{name}": _apart(mask[i]) if self.objects == TOUCHING else mask[i] > 0
                for i, name in enumerate(names)
                for of, mask in first.items()
                if not self.classes or mask[i].any()  # a legend of all classes would not fit
            }
            self._draw(case, drawn)

    def _found(self, prediction: Prediction, case: str) -> dict[str, np.ndarray]:
        """Masks of each member, then of the ensemble, `(K, *spatial)`; label images if touching objects are divided."""
        n_members = len(self.members) if len(self.members) > 1 else 0  # a single member is the ensemble
        names = {member_label(self.members, number): number for number in range(n_members)}
        whole = ensemble_name(self.members)
        if prediction.depth is None:
            masks = {name: prediction.member_masks(number) for name, number in names.items()}
            return masks | {whole: prediction.masks()}
        everything = np.ones(prediction.prob.shape[2:], dtype=bool)
        words: dict[str, Any] = {
            "min_size": self.dataset.min_object_size,
            "counted": counted_pixels(everything, **areas(self.dataset, case)),
        }
        masks = {name: touching_objects(prediction, member=n, **words)[None] for name, n in names.items()}
        return masks | {whole: touching_objects(prediction, **words)[None]}

    def _names(self) -> list[dict[str, str]]:
        """What a row says of its class; nothing without classes."""
        return [{"class": name} for name, _ in self.classes] or [{}]

    def _compare(
        self,
        case: str,
        of_class: Mapping[str, str],
        targets: Mapping[str, np.ndarray],
        masks: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Rows that compare every mask of a class with every target; the objects of each mask are labelled once."""
        counted = areas(self.dataset, case)
        min_size = self.dataset.min_object_size
        objects_of = {name: label_objects(target, min_size=min_size, **counted) for name, target in targets.items()}
        rows: list[dict[str, Any]] = []
        for annotator, mask in masks.items():
            objects = label_objects(mask, min_size=min_size, **counted)
            for name, target in targets.items():
                names = {"case": case, "annotator_a": name, "annotator_b": annotator, **of_class}
                dice, iou = pixel_agreement(target, mask, **counted)
                pixels = {"dice": dice, "iou": iou}
                rows += [names | row | pixels for row in _object_rows(match_objects(objects_of[name], objects))]
        return rows

    def _targets(self, case: str) -> dict[str, np.ndarray]:
        """Own training target, then the published reference; those missing for this case are left out.

        Each is `(K, *spatial)`.
        """
        targets = {}
        if is_labelled(self.dataset, self.trained_on, case):
            if self.objects == TOUCHING:
                target = read_instances(self.dataset, case, self.trained_on)
            else:
                target = read_target(self.dataset, case, self.trained_on, classes=self.classes)
            targets[target_name(self.trained_on)] = target if self.classes else target[None]
        if case in self.dataset.reference:
            reference = str(self.dataset.reference_name)
            if self.classes:
                targets[reference] = masks_of(read_case_classes(self.dataset, reference, case), self.classes)
            else:
                targets[reference] = read_case_mask(self.dataset, reference, case)[None]
        return targets

    def _draw(self, case: str, masks: Mapping[str, np.ndarray]) -> None:
        self.figures_dir.mkdir(parents=True, exist_ok=True)
        picture = read_case_image(self.dataset, case)
        marked = np.any(list(masks.values()), axis=0)
        cut = largest_cut(marked, picture.spacing_um, picture.affine)
        image = np.stack([cut.proportioned(channel) for channel in picture.array])
        shown = {name: cut.proportioned(mask) for name, mask in masks.items()}
        where = cut.in_words(marked.shape)
        title = f"{case}, {where + ', ' if where else ''}held out: {ensemble_name(self.members)}"
        figure = overlay(image, shown, title=title)
        write_bytes(self.figures_dir / f"{case}.png", encode_figure(figure, "png", dpi=round(figure.dpi), level=1))

    def agreement(self) -> pd.DataFrame:
        """One row per case × target × annotator × IoU threshold."""
        if not self.rows:
            what = (
                f"has no mask of {self.trained_on} for any of the held-out cases, so there is nothing to compare with"
            )
            raise DataError.of(self.dataset.folder, what, "add such masks, or choose another --rater")
        return pd.DataFrame(self.rows)


def _apart(mask: np.ndarray) -> np.ndarray:
    """Foreground of a label image with a pixel of background between neighbours, so that each has an outline."""
    return (mask > 0) & (ndimage.maximum_filter(mask, size=3) == mask)


def _object_rows(matches: Matches) -> list[dict[str, Any]]:
    """Scores of objects at each IoU threshold."""
    return [
        {
            "iou_threshold": threshold,
            "n_a": matches.n_a,
            "n_b": matches.n_b,
            "tp": matches.tp[t],
            "precision": matches.precision[t],
            "recall": matches.recall[t],
            "f1": matches.f1[t],
            "mean_iou": matches.mean_iou,
        }
        for t, threshold in enumerate(IOU_THRESHOLDS)
    ]


def member_label(members: Sequence[Member], number: int) -> str:
    """Annotator name of a member; with its fold if seeds repeat over folds."""
    name = members[number].name
    repeated = sum(member.name == name for member in members) > 1
    return f"{name} fold {members[number].fold}" if repeated else name


_MEASURES = ["f1", "precision", "recall", "mean_iou", "dice"]


def check_classes(classes: Classes, dataset: Dataset) -> None:
    """Refuse a dataset whose classes are not those of a model, in any order; a model of one foreground fits every one.

    Raises:
        DataError: If they differ, in their names or values.
    """
    own = [] if dataset.classes is None else dataset.classes.names
    if classes and not same_classes(classes, own):
        what = f"has {names_of(own)}, but the model was trained on {names_of(classes)}"
        action = "name these classes and values in dataset.yaml, or give a model of the classes of the dataset"
        raise DataError.of(dataset.folder, what, action, kind="other-classes")


def summarise(agreement: pd.DataFrame) -> pd.DataFrame:
    """Mean scores over cases at IoU > 0.5, and numbers of cases, one row per target × annotator.

    With classes one row for their mean, then one for each class.
    """
    table = agreement[agreement["iou_threshold"] == IOU_THRESHOLDS[0]]
    of_class = ["class"] if "class" in table else []
    groups = table.groupby(["annotator_a", "annotator_b", *of_class], sort=False)
    means = groups[_MEASURES].mean()
    means["n_cases"] = groups.size()
    means["n_undefined"] = groups["mean_iou"].agg(lambda values: int(values.isna().sum()))
    means = means.reset_index()
    return _with_means(means) if of_class else means


def _with_means(means: pd.DataFrame) -> pd.DataFrame:
    """The rows of each target and annotator, those of the classes after their mean."""
    parts = []
    for _, rows in means.groupby(["annotator_a", "annotator_b"], sort=False):
        mean: dict[str, Any] = {measure: rows[measure].mean() for measure in _MEASURES}
        mean |= {"class": MEAN_OF_CLASSES, "n_undefined": int(rows["n_undefined"].sum())}
        parts += [rows.iloc[:1].assign(**mean), rows]
    return pd.concat(parts, ignore_index=True)


def run_evaluating(
    *,
    evaluator: Engine,
    writer: WritePredictions,
    scores: ScoreCases,
    work_dir: Path,
    experiment: str,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Run the evaluator, write the tables, log them to MLflow, and print the scores.

    Within the MLflow run of a training, scores are logged to that run; else the evaluation has a run of its own.
    `output_dir` and `overwrite` are as of `run_inference`.

    Returns:
        The finished output folder.
    """
    if output_dir is not None:
        prepare_output(output_dir, overwrite)
    dataset, members = scores.dataset, scores.members
    name = ensemble_name(members)
    if tracking.is_active():
        with whole_or_nothing(work_dir):
            _evaluate(evaluator, writer, scores, work_dir)
    else:
        tags, digest = _tags(members) | {"annotator": name, "segassay": segassay.__version__}, data_hash(dataset)
        params = {"data/hash": digest, "data/dataset": dataset.name, "ensemble/n_members": len(members)}
        with whole_or_nothing(work_dir), tracking.run(experiment, _run_name(members), tags=tags, params=params):
            n_cases = len(scores.cases)
            tracking.log_dataset(dataset.name, digest, context="evaluation", source=dataset.folder, cases=n_cases)
            _evaluate(evaluator, writer, scores, work_dir)
    final = publish_output(work_dir)
    if not tracking.is_active():
        logger.info(f"written: {final}")
        logger.info(f"to see all runs: {tracking.ui_command()}")
    return final


def _run_name(members: Sequence[Member]) -> str:
    """Name of the MLflow run of an evaluation on its own."""
    folds = {member.fold for member in members}
    trained_on = "+".join(dict.fromkeys(member.trained_on for member in members))
    return run_name(trained_on, [member.seed for member in members], folds.pop() if len(folds) == 1 else None)


def _tags(members: Sequence[Member]) -> dict[str, Any]:
    """Tags of an MLflow run: ensemble or single model, and what all members have in common."""
    tags: dict[str, Any] = {"kind": "ensemble" if len(members) > 1 else "evaluation"}
    for name in ("strategy", "trained_on", "fold"):
        values = {getattr(member, name) for member in members}
        if len(values) == 1:
            tags[name] = values.pop()
    return tags | {"seeds": seed_range([member.seed for member in members])}


def _evaluate(evaluator: Engine, writer: WritePredictions, scores: ScoreCases, work_dir: Path) -> None:
    stop_between_steps(evaluator)
    evaluator.run()
    agreement = scores.agreement()
    summary = summarise(agreement)
    uncertainty = summarise_uncertainty(writer.uncertainty())
    (work_dir / "agreement.csv").write_bytes(csv_text(agreement).encode())
    (work_dir / "scores.csv").write_bytes(csv_text(summary).encode())
    writer.write_tables(scores.members, held_out=True)
    own_target, ensemble = target_name(scores.trained_on), ensemble_name(scores.members)
    tracking.log_metrics(_metrics(summary, own_target, ensemble, scores.classes) | uncertainty_metrics(uncertainty))
    tracking.log_table(summary, "view/scores.json")
    for table in ("agreement.csv", "scores.csv", "uncertainty.csv"):
        tracking.log_files(work_dir / table, "tables")
    if scores.drawn:
        tracking.log_files(scores.figures_dir, "overlays")
    show(summary, own_target, scores.not_scored)
    show_uncertainty(uncertainty, *["per pixel"] * bool(scores.classes))


def _metrics(summary: pd.DataFrame, own_target: str, ensemble: str, classes: Classes = ()) -> dict[str, float]:
    """MLflow numbers `validity/<measure>_<target>` of the ensemble, and the means of its members.

    With classes these are means over the classes; those of each class end in its name.
    """
    metrics: dict[str, float] = {}
    measures = _MEASURES
    endings = {MEAN_OF_CLASSES: ""} | {
        name: f"_{word}" for (name, _), word in zip(classes, metric_names(classes), strict=True)
    }
    of_class = summary["class"] if classes else pd.Series(MEAN_OF_CLASSES, index=summary.index)
    for (target, name), rows in summary.groupby(["annotator_a", of_class.rename("class")], sort=False):
        label = "own_training_target" if target == own_target else str(target)
        label += endings[str(name)]
        whole = rows[rows["annotator_b"] == ensemble].iloc[0]
        members = rows[rows["annotator_b"] != ensemble]
        for measure in measures:
            metrics[f"validity/{measure}_{label}"] = float(whole[measure])
            if len(members):
                metrics[f"validity/{measure}_{label}_mean_of_members"] = float(members[measure].mean())
        metrics[f"validity/n_cases_{label}"] = float(whole["n_cases"])
        if whole["n_undefined"]:
            metrics[f"validity/mean_iou_{label}.n_undefined"] = float(whole["n_undefined"])
    return metrics


def show(summary: pd.DataFrame, own_target: str, not_scored: Sequence[str]) -> None:
    """Print the scores as a table; with classes as one for each target, in which each class has a row."""
    console = Console()
    named = summary.assign(
        prediction=summary["annotator_b"].astype(str),
        target=[f"{name} *" if name == own_target else str(name) for name in summary["annotator_a"]],
    )
    if "class" not in summary:
        columns = {"prediction": "prediction", "target": "compared with"}
        console.print(_score_table("Held-out images, means over n images", named, columns))
    else:
        for target, rows in named.groupby("target", sort=False):
            once = rows.assign(prediction=rows["prediction"].mask(rows["prediction"].duplicated(), ""))
            title = f"Held-out images compared with {target}, means over n images"
            console.print(_score_table(title, once, {"prediction": "prediction", "class": "class"}))
    console.print("F1: objects matched at an overlap (IoU) above one half; Dice: overlap of pixels.", highlight=False)
    console.print(
        "* the models' own training target; do not compare these scores with those of raters", highlight=False
    )
    if not_scored:
        logger.warning(f"{len(not_scored)} held-out case(s) have no mask to compare with: {', '.join(not_scored[:5])}")


def _score_table(title: str, rows: pd.DataFrame, names: Mapping[str, str]) -> Table:
    """Scores of some rows; `names` are the columns before them, each with its heading."""
    table = Table(title=escape(title), box=SIMPLE_HEAD, pad_edge=False)
    for heading in names.values():
        table.add_column(heading, overflow="fold")
    for heading in ("F1", "precision", "recall", "Dice", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for _, row in rows.iterrows():
        numbers = [f"{row[measure]:.3f}" for measure in ("f1", "precision", "recall", "dice")]
        table.add_row(*(escape(str(row[name])) for name in names), *numbers, str(row["n_cases"]))
    return table
