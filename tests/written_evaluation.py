"""An evaluation that is written and logged once: raters, models, an ensemble with probabilities, an experiment."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from lab_like import lab
from segassay import evaluate

CASES = {"00_0": "0144", "01_0": "NA", "02_0": "1e5", "03_0": "nan", "04_0": ' d, "e"', "05_0": "True"}
"""Names that a table without types would take for something else."""

LEFT_OUT = (
    "ben/s0",
    "ben/s1",
    "cleo/s0",
    "cleo/s1",
    "dora/s0",
    "dora/s1",
    "staple/s4-7",
    *(f"staple/s{seed}" for seed in range(1, 8)),
)


def small_lab(seed: int = 0) -> dict[str, Any]:
    """Arguments of `evaluate`: six images of two groups by four raters, two models of a rater, one of the consensus."""
    given = lab(n_images=1, seed=seed)
    rows = given["annotations"]
    rows = rows[rows["case"].isin(list(CASES)) & ~rows["annotator"].isin(LEFT_OUT)].reset_index(drop=True)
    uncertainty = rows["prob"].map(lambda prob: "" if isinstance(prob, str) else 1 - abs(2 * prob - 1))
    given["annotations"] = rows.assign(case=rows["case"].map(CASES), uncertainty=uncertainty)
    given["images"] = {new: given["images"][old] for old, new in CASES.items()}
    experiment = given["experiment"]
    given["experiment"] = experiment[experiment["case"].isin(list(CASES))].assign(case=experiment["case"].map(CASES))
    return given


def write_evaluation(folder: Path, store: str) -> SimpleNamespace:
    """The evaluation in memory, its folder, its MLflow run and the store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        found = evaluate(**small_lab(), out=folder / "out", track=True, mlflow_experiment="written", xlsx=True)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("written")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return SimpleNamespace(found=found, folder=folder / "out", run_id=run.info.run_id, store=store)
