"""Training from Python, by running the bundle.

dataset folder -> train -> folder of a member
"""

import os
from pathlib import Path
from typing import Any

from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay_monai.bundle.needs import training_needs
from segassay_monai.bundle.typed import as_path

__all__ = ["train"]


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
        from segassay_monai.bundle.unchanged import process_unchanged
        from segassay_monai.bundle.workflow import OF_MONAI, run_config
        from segassay_monai.ensemble.members import member_folder

    name = read_dataset(dataset).name
    folder = models_dir() / name / member_folder(rater, fold, seed) if out is None else Path(out)
    own: dict[str, Any] = {
        "dataset_dir": as_path(os.fspath(dataset)),
        "rater": rater,
        "fold": fold,
        "seed": seed,
        "output_dir": as_path(str(folder)),
    }
    for name, argument in {"output_dir": "out", "dataset_dir": "dataset"}.items():
        if name in settings:
            raise UsageError(f"{name} is a name of the bundle; give the folder as {argument}=")
    if taken := sorted(settings.keys() & OF_MONAI):
        raise UsageError(f"{taken[0]} is not a setting of train.yaml; the function itself passes it to MONAI")
    options = ("out", "overwrite=True")
    with process_unchanged():
        run_config("training", "train.yaml", own | settings, options=options, logging_file=False)
    return folder
