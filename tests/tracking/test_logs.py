"""What runs hold besides numbers: curves with their times, tables, data, and descriptions."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from segassay import tracking


@pytest.fixture(autouse=True)
def _inside_a_run(new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    with tracking.run("lab", "run", tags={}, params={}):
        yield


def active() -> mlflow.entities.Run:
    return mlflow.MlflowClient().get_run(str(tracking.active_run()))


def test_points_of_a_curve_keep_their_step_and_time_and_undefined_ones_are_counted():
    points = [tracking.Point(10, 1000.5, {"loss": 0.5}), tracking.Point(20, 1010.0, {"loss": 0.25, "f1": np.nan})]
    tracking.log_points(points)
    history = mlflow.MlflowClient().get_metric_history(active().info.run_id, "loss")
    assert [(point.step, point.timestamp, point.value) for point in history] == [
        (10, 1000500, 0.5),
        (20, 1010000, 0.25),
    ]
    assert active().data.metrics == {"loss": 0.25, "f1.n_undefined": 1.0}


def test_more_numbers_than_mlflow_takes_at_once_are_logged():
    tracking.log_metrics({f"m{number}": number for number in range(1001)})
    tracking.log_points([tracking.Point(step, 1.0, {"curve": step}) for step in range(1001)])
    assert len(active().data.metrics) == 1002


def test_a_table_is_read_back_with_its_empty_cells():
    tracking.log_table(pd.DataFrame({"target": ["a", "b"], "value": [0.5, np.nan]}, index=[7, 3]), "view/scores.json")
    info = active().info
    table = mlflow.MlflowClient().load_table(info.experiment_id, "view/scores.json", [info.run_id])
    assert table["target"].to_list() == ["a", "b"]
    assert table["value"].isna().to_list() == [False, True]


def test_data_and_description_are_where_the_user_interface_looks():
    for _ in range(2):  # a run that is resumed says it again
        tracking.log_dataset("lab", "0123456789abcdef", context="evaluation", source="labs/lab", cases=3)
    tracking.describe("x" * 10_000)
    tracking.describe_experiment("first")
    tracking.describe_experiment("second")
    (used,) = active().inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.dataset.profile) == ("lab", "0123456789ab", '{"cases": 3}')
    assert len(active().data.tags["mlflow.note.content"]) == 7900
    experiment = mlflow.get_experiment(active().info.experiment_id)
    assert experiment.tags["mlflow.note.content"] == "first"


def test_warnings_of_mlflow_and_sqlalchemy_stay_inside():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with tracking.run("lab", "inner", tags={}, params={}):
            for module in ("mlflow.store.db", "sqlalchemy.engine", "numpy"):
                warnings.warn_explicit(f"of {module}", UserWarning, "file.py", 1, module=module)
    assert [str(one.message) for one in caught] == ["of numpy"]
