"""Registered ensembles: what MLflow loads by name is held against the ensemble itself."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from segassay import tracking
from segassay.errors import UsageError
from segassay_monai.ensemble import registry
from segassay_monai.ensemble.ensemble_net import EnsembleNet
from segassay_monai.ensemble.errors import PredictionError
from segassay_monai.ensemble.familiar import description_path
from segassay_monai.ensemble.images import NormalisePercentiled
from segassay_monai.ensemble.inferer import WholeImageInferer
from segassay_monai.ensemble.network import NetworkSettings, residual_unet, size_divisor
from segassay_monai.ensemble.registry import register_ensemble

SETTINGS = NetworkSettings(spatial_dims=2, in_channels=2, channels=[4, 8], strides=[[2, 2]])


@pytest.fixture(scope="module")
def store(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for this file."""
    return new_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def _inside_a_run(store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with tracking.run("lab", "ensemble", tags={}, params={}):
        yield


def save(folder: Path, *seeds: int, settings: NetworkSettings = SETTINGS) -> list[Path]:
    """A checkpoint with weights of its own for each seed; all are called model.pt, as those of trainings."""
    paths = [folder / f"s{seed}" / "model.pt" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            weights = residual_unet(**settings.arguments()).state_dict()
        path.parent.mkdir(parents=True)
        torch.save({"model": weights, "network": settings.state_dict()}, path)
    return paths


def images(n: int) -> np.ndarray:
    """Raw intensities as a camera has them, `(n, 2, 21, 34)`; each image brighter than the one before."""
    drawn = np.random.default_rng(0).integers(100, 4000, size=(n, 2, 21, 34))
    return (drawn * np.arange(1, n + 1).reshape(-1, 1, 1, 1)).astype(np.float32)


@torch.no_grad()
def predicted_by_ensemble(paths: list[Path], image: np.ndarray) -> np.ndarray:
    """Probability `(1, *spatial)` of one image `(C, *spatial)`, without MLflow."""
    net = EnsembleNet(residual_unet(**SETTINGS.state_dict()), paths, WholeImageInferer(size_divisor(SETTINGS.strides)))
    raw = torch.from_numpy(image.astype(np.float32))
    return net(NormalisePercentiled("image")({"image": raw})["image"][None])[0].numpy()


def versions(name: str) -> dict[str, ModelVersion]:
    found = MlflowClient().search_model_versions(f"name = '{name}'")
    return {str(version.version): version for version in found}


def version_named(name: str, alias: str) -> str:
    return str(MlflowClient().get_model_version_by_alias(name, alias).version)


def logged_files(version: ModelVersion) -> dict[str, Path]:
    folder = Path(mlflow.artifacts.download_artifacts(version.source))
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_a_model_loaded_by_name_predicts_as_its_ensemble(tmp_path):
    paths = save(tmp_path, 0, 1, 2)
    register_ensemble(paths, name="predicts", tags={})
    for path in paths:
        path.unlink()  # the model has copies
    model = mlflow.pyfunc.load_model("models:/predicts@best")
    batch = images(2)
    prob = model.predict(batch)
    assert (prob.shape, prob.dtype) == ((2, 1, 21, 34), np.float32)
    again = save(tmp_path / "again", 0, 1, 2)
    expected = np.stack([predicted_by_ensemble(again, image) for image in batch])
    np.testing.assert_array_equal(prob, expected)
    np.testing.assert_array_equal(model.predict(batch[1:]), expected[1:])
    assert np.abs(prob - predicted_by_ensemble(again[:1], batch[0])).max() > 0.01, "one member would do as well"


def test_members_keep_their_order_and_number_beyond_ten(tmp_path):
    paths = save(tmp_path, *range(12))
    register_ensemble(paths, name="twelve", tags={})
    image = images(1)
    prob = mlflow.pyfunc.load_model("models:/twelve@best").predict(image)
    np.testing.assert_array_equal(prob[0], predicted_by_ensemble(paths, image[0]))


def test_an_ensemble_is_registered_once_and_the_alias_follows_the_latest(tmp_path, capsys):
    paths = save(tmp_path, 0, 1)
    tags = {"strategy": "consensus", "seeds": [0, 1], "f1": 0.71, "fold": None}
    assert register_ensemble(paths, name="lab", tags=tags) == "1"
    assert register_ensemble(save(tmp_path / "again", 1, 0), name="lab", tags=tags) == "1"
    (first,) = versions("lab").values()
    assert {key: first.tags[key] for key in ("strategy", "seeds", "f1")} == {
        "strategy": "consensus",
        "seeds": "[0, 1]",
        "f1": "0.71",
    }
    assert "fold" not in first.tags
    assert first.run_id == tracking.active_run()
    assert register_ensemble(save(tmp_path / "other", 0, 2), name="lab", tags=tags) == "2"
    assert register_ensemble(paths, name="lab", tags=tags | {"f1": 0.72}) == "3"
    assert version_named("lab", "best") == "3"
    assert register_ensemble(paths, name="lab", tags=tags) == "1"
    assert version_named("lab", "best") == "1"
    assert register_ensemble(paths, name="lab", tags=tags, alias="published") == "1"
    assert version_named("lab", "published") == "1"
    assert "registered model" not in capsys.readouterr().err.lower()  # MLflow's own lines
    assert set(versions("lab")) == {"1", "2", "3"}
    assert register_ensemble(paths, name="another's lab", tags={}) == "1"
    assert register_ensemble(paths, name="another's lab", tags=tags) == "2"


def test_a_model_is_code_and_weights_and_names_its_packages(tmp_path):
    register_ensemble(save(tmp_path, 0, 1), name="files", tags={})
    files = logged_files(versions("files")["1"])
    assert {name for name in files if name.endswith((".py", ".pt", ".pkl"))} == {
        "served_model.py",
        "artifacts/members/0000.pt",
        "artifacts/members/0001.pt",
    }
    flavour = yaml.safe_load(files["MLmodel"].read_text())["flavors"]["python_function"]
    assert "python_model" not in flavour, "a pickled object"
    lines = files["requirements.txt"].read_text().split()
    assert [line.split("==")[0] for line in lines] == ["mlflow", "monai", "numpy", "torch"]  # ours is in no registry
    assert all("==" in line and "+" not in line for line in lines)
    assert yaml.safe_load(files["MLmodel"].read_text())["metadata"] == {"segassay": version("segassay")}


def test_a_model_without_its_package_says_what_it_needs(monkeypatch):
    code = (Path(registry.__file__).with_name("served_model.py")).read_text()
    monkeypatch.setitem(sys.modules, "segassay_monai", None)
    with pytest.raises(ModuleNotFoundError, match="this model needs SegAssay, which is not installed here; install"):
        exec(compile(code, "served_model.py", "exec"), {"__name__": "served_model"})


def test_numbers_of_the_training_images_stay_beside_their_member(tmp_path):
    paths = save(tmp_path, 0, 1)
    description_path(paths[1]).write_text("{}")
    register_ensemble(paths, name="familiar", tags={})
    files = logged_files(versions("familiar")["1"])
    assert {name for name in files if name.startswith("artifacts/members/")} == {
        "artifacts/members/0000.pt",
        "artifacts/members/0001.pt",
        "artifacts/members/0001.familiar.json",
    }
    prob = mlflow.pyfunc.load_model("models:/familiar@best").predict(images(1))
    np.testing.assert_array_equal(prob[0], predicted_by_ensemble(paths, images(1)[0]))


def test_a_server_may_predict_several_images_at_once(tmp_path):
    register_ensemble(save(tmp_path, 0, 1, 2, 3), name="server", tags={})
    model = mlflow.pyfunc.load_model("models:/server@best")
    drawn = images(8)
    with ThreadPoolExecutor(8) as threads:
        at_once = np.concatenate(list(threads.map(model.predict, drawn[:, None])))
    np.testing.assert_array_equal(at_once, model.predict(drawn))


def test_volumes_are_predicted_too(tmp_path):
    settings = NetworkSettings(spatial_dims=3, in_channels=1, channels=[4, 8], strides=[[1, 2, 2]])
    register_ensemble(save(tmp_path, 0, settings=settings), name="volumes", tags={})
    model = mlflow.pyfunc.load_model("models:/volumes@best")
    assert model.predict(np.ones((1, 1, 5, 12, 10), np.float32)).shape == (1, 1, 5, 12, 10)
    with pytest.raises(MlflowException, match=r"does not match expected shape \(-1, 1, -1, -1, -1\)"):
        model.predict(np.ones((1, 4, 5, 12, 10), np.float32))


def test_a_registered_model_scales_images_by_the_range_of_its_training(tmp_path):
    settings = replace(SETTINGS, intensity_range=(100, 9000))
    paths = save(tmp_path, 0, settings=settings)
    register_ensemble(paths, name="ranged", tags={})
    image = images(1)[0]
    net = EnsembleNet(residual_unet(**SETTINGS.state_dict()), paths, WholeImageInferer(size_divisor(SETTINGS.strides)))
    with torch.no_grad():
        expected = net(torch.from_numpy((image - 100) / 8900)[None])[0].numpy()
    found = mlflow.pyfunc.load_model("models:/ranged@best").predict(image[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(found - predicted_by_ensemble(paths, image)).max() > 1e-3, "percentiles would do as well"


def test_a_version_shows_what_goes_in_how_good_it_is_and_its_card(tmp_path):
    card = "# A model card"
    metrics = {"validity/f1_pairwise": 0.71, "validity/f1_pairwise_low": 0.6}
    register_ensemble(save(tmp_path, 0, 1), name="shown", tags={}, metrics=metrics, card=card)
    version = versions("shown")["1"]
    assert version.description == card
    model = mlflow.get_logged_model(version.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in model.metrics} == metrics
    info = mlflow.models.get_model_info("models:/shown@best")
    assert [(spec.type, spec.shape) for spec in info.signature.inputs] == [(np.dtype("float32"), (-1, 2, -1, -1))]
    assert [spec.shape for spec in info.signature.outputs] == [(-1, 1, -1, -1)]
    loaded = mlflow.pyfunc.load_model("models:/shown@best")
    assert loaded.predict(loaded.input_example).shape == (1, 1, 16, 16)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.ones((8, 8), np.float32), r"expected shape \(-1, 2, -1, -1\)"),
        (np.ones((1, 2, 8, 8), np.uint16), "dtype of input uint16 does not match expected dtype float32"),
        (np.full((1, 2, 8, 8), np.nan, np.float32), "image 0: has pixels that are NaN"),
    ],
)
def test_an_image_that_does_not_fit_is_one_message(tmp_path, image, message):
    register_ensemble(save(tmp_path, 0), name="refuses", tags={})
    with pytest.raises((PredictionError, MlflowException), match=message):
        mlflow.pyfunc.load_model("models:/refuses@best").predict(image)


def test_what_is_no_ensemble_is_refused_and_nothing_is_registered(tmp_path):
    (path,) = save(tmp_path, 0)
    (tmp_path / "text.pt").write_text("no checkpoint")
    other = NetworkSettings(spatial_dims=2, in_channels=1, channels=[4, 8], strides=[[2, 2]])
    with pytest.raises(UsageError, match="'none': an ensemble needs at least one checkpoint"):
        register_ensemble([], name="none", tags={})
    for name, what in {"missing.pt": "missing", "text.pt": "not a checkpoint"}.items():
        with pytest.raises(PredictionError, match=rf"{name}: {what}"):
            register_ensemble([path, tmp_path / name], name="none", tags={})
    with pytest.raises(PredictionError, match="its network differs from that of"):
        register_ensemble([path, *save(tmp_path, 1, settings=other)], name="none", tags={})
    assert not versions("none")


def test_a_name_that_mlflow_refuses_is_one_message(tmp_path):
    paths = save(tmp_path, 0)
    with pytest.raises(UsageError, match=r"refuses model 'lab/wue1' .*cannot contain '/'.*give another name"):
        register_ensemble(paths, name="lab/wue1", tags={})
    with pytest.raises(UsageError, match=r"alias 'v1'.*reserved"):
        register_ensemble(paths, name="alias", tags={}, alias="v1")


def test_outside_a_run_nothing_is_registered(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "is_active", lambda: False)
    with pytest.raises(RuntimeError, match="active MLflow run"):
        register_ensemble(save(tmp_path, 0), name="outside", tags={})
