"""Training and prediction from Python, by running the bundle.

dataset folder -> train -> folder of a member -> predict -> table of masks, for `segassay.evaluate`
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs

__all__ = ["predict", "train"]

_FILES = ("path", "prob", "uncertainty")


def train(
    dataset: str | os.PathLike[str],
    *,
    rater: str = "staple",
    fold: int = 0,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Path:
    """Train one member of an ensemble, score it on the images that its fold holds out, and log it to MLflow.

    Args:
        dataset: Dataset folder with `images/` and `labels/<rater>/`.
        rater: Whose masks to learn: a rater; `staple`, `majority`, `union`, `intersection` or `object`, the consensus
            of all raters; `soft`, the share of raters; `random_rater`, one for each tile.
        fold: Fold that is held out.
        seed: Random seed, the only source of randomness.
        out: Folder to write; by default `<dataset>/<rater>_fold<fold>_seed<seed>` in the folder of models.
        **settings: Any other setting of the bundle's `train.yaml`, such as `epochs=40` or `overwrite=True`.

    Returns:
        The folder, with the checkpoint `model.pt`.

    Raises:
        UsageError: If a setting is unknown or invalid, there is no such rater or fold, or the folder exists.
        DataError: If the dataset has problems.

    Example:
        >>> from segassay_monai import train
        >>> train("nowhere", epochs=2)
        Traceback (most recent call last):
        segassay.errors.DataError: nowhere: is not a folder; give a dataset folder, which holds images/ and labels/
    """
    with training_needs():
        from segassay_monai.bundle.paths import models_dir
        from segassay_monai.ensemble.members import member_folder

    name = read_dataset(dataset).name
    folder = models_dir() / name / member_folder(rater, fold, seed) if out is None else Path(out)
    own = {"dataset_dir": os.fspath(dataset), "rater": rater, "fold": fold, "seed": seed, "output_dir": str(folder)}
    _run("training", "train.yaml", own, settings, dataset_dir="dataset")
    return folder


def predict(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    images: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    **settings: Any,
) -> pd.DataFrame:
    """Predict images with an ensemble: mask, probability, instance labels and uncertainty of each.

    Args:
        models: Folder with trained members, every `model.pt` below it; a checkpoint; or several checkpoints.
        images: Folder of images, or a dataset folder with `images/`.
        out: Folder to write.
        **settings: Any other setting of the bundle's `inference.yaml`, such as `flips=True` or `min_object_size=30`.

    Returns:
        One row per image: `case, annotator, kind, path, prob, uncertainty` and the target of the members; paths are
        absolute. `segassay.evaluate` takes it as `annotations`.

    Raises:
        UsageError: If a setting is unknown or invalid, there is no model, or the folder exists.
        DataError: If an image or a checkpoint cannot be used.

    Example:
        >>> from segassay_monai import predict
        >>> predict("nowhere", "images", out="predictions")
        Traceback (most recent call last):
        segassay.errors.UsageError: --models nowhere: expected a folder with trained members (model.pt), found none; \
train first
    """
    with training_needs():
        from segassay_monai.ensemble.members import find_checkpoints

    checkpoints = find_checkpoints(Path(models) if isinstance(models, (str, os.PathLike)) else list(map(Path, models)))
    own = {"dataset_dir": os.fspath(images), "models": [str(path) for path in checkpoints], "output_dir": str(out)}
    _run("inference", "inference.yaml", own, settings, dataset_dir="images")
    table = pd.read_csv(Path(out) / "annotations.csv", dtype=str, keep_default_na=False)
    for column in _FILES:
        table[column] = [os.path.abspath(Path(out) / name) if name else "" for name in table[column]]
    return table


def _run(
    run_id: str, config_name: str, own: Mapping[str, Any], settings: Mapping[str, Any], *, dataset_dir: str
) -> None:
    """Run the bundle in this process; `dataset_dir` is what the function calls that setting."""
    with training_needs():
        from segassay_monai.bundle.workflow import OF_MONAI, run_config

    for name, argument in {"output_dir": "out", "dataset_dir": dataset_dir}.items():
        if name in settings:
            raise UsageError(f"{name} is a name of the bundle; give the folder as {argument}=")
    if taken := sorted(settings.keys() & OF_MONAI):
        raise UsageError(f"{taken[0]} is not a setting of {config_name}; the function itself passes it to MONAI")
    run_config(run_id, config_name, {**own, **settings}, options=("out", "overwrite=True"), logging_file=False)
