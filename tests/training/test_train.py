"""A training whose MLflow server is gone all the time loses nothing: its model and curves are sent afterwards."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from bundles import TINY, train
from mlflow_server import Server
from segassay.simulation.dataset import Simulation, simulate
from segassay.tracking.sending import send


def test_a_whole_training_without_its_server(
    tmp_path: Path, new_store: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = simulate(tmp_path / "data", Simulation(shape=(56, 96), n_cases=6, images_per_subject=1, n_nuclei=5))
    server = Server(tmp_path, new_store(tmp_path))
    for proxy in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)
    train(data, tmp_path / "m")
    assert (tmp_path / "m" / "model.pt").is_file()
    server.start()
    try:
        assert send() == 1
        client = mlflow.MlflowClient(server.uri)
        experiments = [one.experiment_id for one in client.search_experiments()]
        (run,) = client.search_runs(experiments)
        assert run.info.status == "FINISHED"
        epochs = client.get_metric_history(run.info.run_id, "val/f1")
        assert [point.step for point in epochs] == [3 * (epoch + 1) for epoch in range(TINY["epochs"])]
        (model,) = client.search_logged_models(experiments)
        assert (model.source_run_id, str(model.status)) == (run.info.run_id, "READY")
        assert {metric.key for metric in model.metrics} >= {"val/best_f1"}
        place = Path(mlflow.artifacts.download_artifacts(f"models:/{model.model_id}"))
        (weights,) = place.rglob("0000.pt")
        assert weights.read_bytes() == (tmp_path / "m" / "model.pt").read_bytes()
    finally:
        server.stop()
