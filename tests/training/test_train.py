"""A training whose MLflow server is gone all the time loses nothing: its model and curves are sent afterwards."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from bundles import TINY, train
from mlflow_server import Server
from segassay import tracking
from segassay.simulation.dataset import Simulation, simulate
from segassay.tracking import sending
from segassay.tracking.sending import send
from segassay_monai.ensemble.registry import register_ensemble

pytestmark = pytest.mark.usefixtures("unrendered")


def interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


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
    with tracking.run("lab", "ensemble", tags={}, params={}, may_wait=True):
        register_ensemble([tmp_path / "m" / "model.pt"], name="lab", tags={})
    server.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sending, "_send_versions", interrupt)
            with pytest.raises(KeyboardInterrupt):
                send()
        assert send() == 2
        (version,) = mlflow.MlflowClient(server.uri).search_model_versions("name = 'lab'")
        assert mlflow.MlflowClient(server.uri).get_model_version_by_alias("lab", "best").version == version.version
        client = mlflow.MlflowClient(server.uri)
        experiments = [one.experiment_id for one in client.search_experiments()]
        (run,) = client.search_runs(experiments, "tags.kind = 'member'")
        assert run.info.status == "FINISHED"
        epochs = client.get_metric_history(run.info.run_id, "val/f1")
        assert [point.step for point in epochs] == [3 * (epoch + 1) for epoch in range(TINY["epochs"])]
        logged = client.search_logged_models(experiments)
        assert sorted(model.name for model in logged) == ["ensemble", "model"]  # each once
        (model,) = (model for model in logged if model.name == "model")
        assert (model.source_run_id, str(model.status)) == (run.info.run_id, "READY")
        assert {metric.key for metric in model.metrics} >= {"val/best_f1"}
        place = Path(mlflow.artifacts.download_artifacts(f"models:/{model.model_id}"))
        (weights,) = place.rglob("0000.pt")
        assert weights.read_bytes() == (tmp_path / "m" / "model.pt").read_bytes()
    finally:
        server.stop()
