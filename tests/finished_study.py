"""A study of two tiny members and their ensemble, trained and evaluated in this process; its report is left out."""

import json
from pathlib import Path

import pytest
import yaml

from bundles import TINY
from segassay.assay import evaluate
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import Study, plan_study
from segassay_monai.study.worker import do

STUDY = {
    "dataset": "data",
    "n_folds": 2,
    "folds": [0],
    "seeds": 2,
    "strategies": ["staple"],
    "settings": {**TINY, "epochs": 1, "tile_size": 32},
}


def finish_study(folder: Path, store: str) -> Study:
    """Make the study in an empty folder, and log it to a store."""
    simulate(folder / "data", Simulation(shape=(32, 48), n_cases=6, images_per_subject=1, n_nuclei=3))
    (folder / "lab.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    study = plan_study(folder / "lab.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        for task in study.tasks.values():
            do(study, task)
    table = list_masks(study)
    table.to_csv(study.out / "annotations.csv", index=False)
    cases = tuple(dict.fromkeys(table["case"]))
    found = evaluate(study.dataset.folder, annotations=study.out / "annotations.csv", cases=cases)
    (study.out / "evaluation" / "tables").mkdir(parents=True)
    (study.out / "evaluation" / "summary.json").write_text(json.dumps(found.summary), encoding="utf-8")
    found.scores.to_csv(study.out / "evaluation" / "tables" / "scores.csv", index=False)
    return study
