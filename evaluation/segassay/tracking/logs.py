"""What a run holds: numbers, curves, tables, files, the data that it used, and a description.

All functions log to the active run.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segassay.tracking.store import load_mlflow
from segassay.tracking.waiting import kept

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Point",
    "describe",
    "describe_experiment",
    "log_dataset",
    "log_figure",
    "log_files",
    "log_image",
    "log_metrics",
    "log_points",
    "log_table",
    "logged_metrics",
    "set_tags",
]

_NOTE = "mlflow.note.content"  # shown as the description, as Markdown
_LONGEST_NOTE = 7900  # characters; MLflow takes 8000
_LONGEST_DIGEST = 12  # characters of a data hash; MLflow takes 36, and shows them in a narrow column
_BATCH = 900  # MLflow takes 1000 numbers at a time


class Point(NamedTuple):
    """Numbers at one step of a curve.

    Attributes:
        step: Place on the curve, such as the number of the iteration.
        time: When they were measured, in seconds since 1970, as `time.time` gives it.
        metrics: Name -> number.
    """

    step: int
    time: float
    metrics: Mapping[str, float]


@kept
def log_metrics(metrics: Mapping[str, float], step: int | None = None, *, model: str | None = None) -> None:
    """Log numbers; an undefined one (NaN, infinite) is left out and counted as `<name>.n_undefined`.

    A count that the caller passes under that name is kept.

    Args:
        metrics: Name -> number; any number of them.
        step: Place on a curve.
        model: Id of a logged model that they are about, which then shows them too.
    """
    numbers = list(_defined(metrics).items())
    for start in range(0, len(numbers), _BATCH):
        load_mlflow().log_metrics(dict(numbers[start : start + _BATCH]), step=step, model_id=model)


def _defined(metrics: Mapping[str, float]) -> dict[str, float]:
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    undefined = {f"{name}.n_undefined": 1.0 for name, value in metrics.items() if not math.isfinite(value)}
    return undefined | finite


@kept
def log_points(points: Iterable[Point]) -> None:
    """Log parts of curves at once, each number with the time at which it was measured; undefined ones are counted."""
    from mlflow.entities import Metric

    numbers = [
        Metric(name, value, int(point.time * 1000), point.step)
        for point in points
        for name, value in _defined(point.metrics).items()
    ]
    run_id = load_mlflow().active_run().info.run_id
    for start in range(0, len(numbers), _BATCH):
        load_mlflow().MlflowClient().log_batch(run_id, metrics=numbers[start : start + _BATCH])


@kept
def log_table(table: pd.DataFrame, path: str) -> None:
    """Keep a table that the user interface shows as one; an undefined number is an empty cell.

    Args:
        table: Any table.
        path: Name of the artifact, such as `scores.json`.
    """
    cells = table.astype(object).where(table.notna(), None)
    load_mlflow().log_table(cells.reset_index(drop=True), path)


@kept
def log_figure(figure: Any, path: str) -> None:
    """Keep a matplotlib figure as an artifact, such as `overlays/0144.png`."""
    load_mlflow().log_figure(figure, path)


@kept
def log_image(image: Any, path: str) -> None:
    """Keep a picture, of Pillow or an array, as an artifact."""
    load_mlflow().log_image(image, path)


@kept
def log_files(path: Path, folder: str | None = None) -> None:
    """Keep a file, or all files of a folder, as artifacts."""
    if path.is_dir():
        load_mlflow().log_artifacts(str(path), folder)
    else:
        load_mlflow().log_artifact(str(path), folder)


@kept
def set_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the active run; `None` is left out."""
    load_mlflow().set_tags({name: str(value) for name, value in tags.items() if value is not None})


@kept
def log_dataset(
    name: str, digest: str, *, context: str, source: str | os.PathLike[str] | None = None, **sizes: int
) -> None:
    """Say which data the run used, for the dataset column of the user interface.

    Args:
        name: Name of the dataset.
        digest: Hash of its content, of which the first 12 characters are kept.
        context: What it was used for: `training` or `evaluation`.
        source: Its folder or table, if there is one.
        **sizes: Numbers that describe it, such as `cases`.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    place = json.dumps({"uri": "in memory" if source is None else str(source)})
    used = Dataset(name[:500], digest[:_LONGEST_DIGEST], "local", place, profile=json.dumps(sizes))
    run_id = load_mlflow().active_run().info.run_id
    tags = [InputTag("mlflow.data.context", context)]
    load_mlflow().MlflowClient().log_inputs(run_id, [DatasetInput(used, tags)])


@kept
def logged_metrics() -> dict[str, float]:
    """The last value of every number of the active run."""
    mlflow = load_mlflow()
    return dict(mlflow.get_run(mlflow.active_run().info.run_id).data.metrics)


def describe(text: str) -> None:
    """Describe the active run in Markdown; MLflow shows it on the run's page, and cuts what is too long."""
    set_tags({_NOTE: text[:_LONGEST_NOTE]})


@kept
def describe_experiment(text: str) -> None:
    """Describe the MLflow experiment of the active run in Markdown, unless it has a description."""
    mlflow = load_mlflow()
    number = mlflow.active_run().info.experiment_id
    client = mlflow.MlflowClient()
    if _NOTE not in client.get_experiment(number).tags:
        client.set_experiment_tag(number, _NOTE, text[:_LONGEST_NOTE])
