"""How tests run the bundle: in this process, with the smallest network there is."""

import shutil
from pathlib import Path
from typing import Any

from monai.bundle import run

from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW

TINY = {"channels": [4, 8], "epochs": 2, "iterations_per_epoch": 3, "batch_size": 2, "tile_size": 64, "val_interval": 1}


def bundle(run_id: str, config: str, **settings: Any) -> None:
    """Run the bundle in this process; an error of ours is raised as such."""
    config_file = str(config_path(config))
    run(run_id=run_id, config_file=config_file, workflow_name=WORKFLOW, logging_file=False, **settings)


def train(dataset: Path, out: Path, **settings: Any) -> Path:
    paths = {"dataset_dir": str(dataset), "output_dir": str(out)}
    bundle("training", "train.yaml", **paths | TINY | settings)
    return out


QUICK: dict[str, Any] = {"channels": [8, 16], "batch_size": 4, "tile_size": 32, "val_interval": 1}
"""Settings with which a few steps learn something; `epochs` and `iterations_per_epoch` are each file's own."""


def run_exported(bundle: Path, out: Path, folder: Path, run_id: str = "run", **words: Any) -> None:
    """Run an exported bundle of the zoo in this process."""
    config = str(bundle / "configs" / "inference.json")
    words = {"config_file": config, "dataset_dir": str(folder), "output_dir": str(out), "logging_file": False} | words
    run(run_id=run_id, **words)


def broken(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "broken"))
