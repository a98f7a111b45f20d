"""The bundle as its users run it: `monai.bundle run` on simulated and real images, and what MLflow shows afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import run
from PIL import Image

from bundles import TINY, broken, bundle, train
from segassay import cli
from segassay.data.dataset import read_dataset
from segassay.data.published.download import download
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import bundle_root, config_path
from segassay_monai.bundle.workflow import WORKFLOW, Workflow
from segassay_monai.targets import read_target
from segassay_monai.training.progress import TrackTraining
from segassay_monai.training.selection import ObjectF1

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine images, smaller in one direction than the tile."""
    settings = Simulation(shape=(56, 96), n_cases=9, images_per_subject=1, n_nuclei=5)
    return simulate(tmp_path_factory.mktemp("bundle") / "data", settings)


@pytest.fixture(scope="module")
def store(new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_store(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(autouse=True)
def _own_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)


def evaluate(dataset: Path, models: Any, out: Path, **settings: Any) -> Path:
    paths = {"dataset_dir": str(dataset), "models": models, "output_dir": str(out)}
    bundle("evaluating", "evaluate.yaml", **paths, **{"channels": TINY["channels"], "n_figures": 1} | settings)
    return out


@pytest.fixture(scope="module")
def members(dataset: Path, store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two members of fold 0, seeds 0 and 1, trained once for all tests of this file."""
    folder = tmp_path_factory.mktemp("members")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        for seed in (0, 1):
            train(dataset, folder / f"seed{seed}", seed=seed)
    return folder


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["model"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def last_run(experiment: str = "simulation_0", **tags: str) -> Any:
    wanted = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())
    found = mlflow.search_runs(
        experiment_names=[experiment], filter_string=wanted, output_format="list", order_by=["start_time DESC"]
    )
    return found[0]


def test_training_leaves_a_checkpoint_its_configuration_and_the_held_out_scores(members: Path) -> None:
    state = torch.load(members / "seed0" / "model.pt", weights_only=True)["member"]
    seen, held_out = {*state["train"], *state["val"]}, set(state["held_out"])
    assert len(seen | held_out) == 9
    assert not seen & held_out
    assert not set(state["train"]) & set(state["val"])
    table = pd.read_csv(members / "seed0" / "held_out" / "agreement.csv", dtype={"case": str})
    assert set(table["case"]) == held_out
    assert set(table["annotator_a"]) == {"consensus_staple"}
    assert (members / "seed0" / "config.yaml").read_text().count("seed: 0") == 1
    assert not list(members.glob("*.partial"))


def test_the_saved_configuration_repeats_the_run(dataset: Path, members: Path, tmp_path: Path) -> None:
    overrides = {"output_dir": str(tmp_path / "again"), "logging_file": False, "workflow_name": WORKFLOW}
    meta = str(config_path("metadata.json"))
    run(run_id="training", config_file=str(members / "seed1" / "config.yaml"), meta_file=meta, **overrides)
    assert same(weights(tmp_path / "again" / "model.pt"), weights(members / "seed1" / "model.pt"))


def test_mlflow_has_parameters_curves_scores_and_pictures(members: Path) -> None:
    run = last_run(kind="member", seed="1")
    assert run.info.status == "FINISHED"
    assert run.data.tags["strategy"] == "consensus:staple"
    assert run.data.tags["trained_on"] == "staple"
    assert run.data.tags["fold"] == "0"
    assert run.data.params["training/epochs"] == "2"
    assert run.data.params["network/channels"] == "[4, 8]"
    assert len(run.data.params["data/hash"]) == 64
    assert {"val/f1", "val/dice", "val/best_f1", "validity/f1_own_training_target"} <= set(run.data.metrics)
    assert all(np.isfinite(value) for value in run.data.metrics.values())
    client = mlflow.MlflowClient()
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val/f1")] == [3, 6]
    scores = pd.read_csv(members / "seed1" / "held_out" / "scores.csv")
    assert run.data.metrics["validity/f1_own_training_target"] == pytest.approx(scores["f1"].item())
    names = {
        item.path for folder in (None, "overlays", "tables") for item in client.list_artifacts(run.info.run_id, folder)
    }
    assert {"config.yaml", "tables/agreement.csv"} <= names
    model = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
    attached = {metric.key: metric.value for metric in model.metrics}
    assert attached["validity/f1_own_training_target"] == pytest.approx(scores["f1"].item())
    assert sum(name.startswith("overlays/") for name in names) == 3


def test_loss_and_learning_rate_are_logged_within_epochs(dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path / "m", iterations_per_epoch=10, epochs=2)
    client, run = mlflow.MlflowClient(), last_run(kind="member")
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [10, 20]
    first, last = (point.value for point in client.get_metric_history(run.info.run_id, "train/learning_rate"))
    assert last < first / 10
    assert 0 <= run.data.metrics["train/waiting_for_data"] < 1


def test_same_seed_gives_the_same_weights_and_another_seed_does_not(
    dataset: Path, members: Path, tmp_path: Path
) -> None:
    train(dataset, tmp_path / "again", seed=0)
    assert same(weights(tmp_path / "again" / "model.pt"), weights(members / "seed0" / "model.pt"))
    assert not same(weights(members / "seed0" / "model.pt"), weights(members / "seed1" / "model.pt"))
    tables = [folder / "held_out" / "agreement.csv" for folder in (tmp_path / "again", members / "seed0")]
    assert tables[0].read_bytes() == tables[1].read_bytes()


@pytest.mark.parametrize(("scores", "best"), [([0.2, 0.9, 0.4], 1), ([0.0, 0.0, 0.0], 2), ([0.5, 0.1, 0.3], 0)])
def test_the_state_with_the_highest_f1_on_whole_images_is_kept(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scores: list[float], best: int
) -> None:
    """Catches a selection of the lowest score, of the last state, or on tiles; ties go to the later state."""
    told, snapshots, shapes = iter(scores), [], []
    monkeypatch.setattr(ObjectF1, "aggregate", lambda self: torch.tensor(next(told), dtype=torch.float64))

    def snapshot(self: TrackTraining, evaluator: Any, trainer: Any) -> None:
        shapes.append(tuple(evaluator.state.output[0]["pred"].shape))
        snapshots.append({name: value.clone() for name, value in evaluator.network.state_dict().items()})

    monkeypatch.setattr(TrackTraining, "_validated", snapshot)
    train(dataset, tmp_path / "m", epochs=3)
    assert shapes == [(1, 56, 96)] * 3
    assert not same(snapshots[0], snapshots[1])
    assert same(weights(tmp_path / "m" / "model.pt"), snapshots[best])


def test_the_held_out_images_are_not_read_before_the_training_is_over(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segassay_monai.training import tiles

    read, original = [], tiles.read_seen_image
    monkeypatch.setattr(tiles, "read_seen_image", lambda data, case: read.append(case) or original(data, case))
    train(dataset, tmp_path / "m", n_cached=0)
    state = torch.load(tmp_path / "m" / "model.pt", weights_only=True)["member"]
    first_image_of_the_dataset = {"case_0000"}  # read once for its number of channels
    assert set(read) >= set(state["val"])
    assert set(read) - first_image_of_the_dataset <= {*state["train"], *state["val"]}


def test_the_ensemble_is_the_mean_of_its_members(dataset: Path, members: Path, tmp_path: Path) -> None:
    ensemble = evaluate(dataset, str(members), tmp_path / "both")
    one, two = (evaluate(dataset, [str(members / name / "model.pt")], tmp_path / name) for name in ("seed0", "seed1"))
    names = sorted(path.name for path in (ensemble / "prob").iterdir())
    assert len(names) == 3
    for name in names:
        prob, first, second = (read_image(folder / "prob" / name).array[0] for folder in (ensemble, one, two))
        np.testing.assert_allclose(prob, (first + second) / 2, atol=1e-6)
        assert np.abs(first - second).max() > 0.01
        assert prob.shape == (56, 96)
        np.testing.assert_array_equal(read_mask(ensemble / "masks" / name.replace(".tif", ".png")) > 0, prob > 0.5)
        uncertainty = read_image(ensemble / "uncertainty" / name).array[0]
        assert uncertainty.min() >= 0
        assert uncertainty.max() <= 1
    table = pd.read_csv(ensemble / "scores.csv")
    assert list(table["annotator_b"]) == ["staple/s0", "staple/s1", "staple/s0-1"]
    annotations = pd.read_csv(ensemble / "annotations.csv", dtype=str)
    assert set(annotations["annotator"]) == {"staple/s0-1"}
    assert all(
        (ensemble / path).is_file() for column in ("path", "prob", "uncertainty") for path in annotations[column]
    )
    run = last_run(kind="ensemble", annotator="staple/s0-1")
    mean = table["f1"][:2].mean()
    assert run.data.metrics["validity/f1_own_training_target_mean_of_members"] == pytest.approx(mean)


def test_an_expert_model_learns_that_rater(dataset: Path, tmp_path: Path) -> None:
    train(dataset, tmp_path / "m", rater="strict", fold=1)
    table = pd.read_csv(tmp_path / "m" / "held_out" / "agreement.csv")
    assert set(table["annotator_a"]) == {"strict"}
    assert set(table["annotator_b"]) == {"strict/s0"}
    assert last_run(kind="member").data.tags["strategy"] == "expert"


def test_inference_predicts_a_folder_of_images(dataset: Path, members: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(dataset / "images", folder)
    settings = {"dataset_dir": str(folder), "models": str(members), "output_dir": str(tmp_path / "out")}
    bundle("inference", "inference.yaml", **settings, channels=TINY["channels"])
    table = pd.read_csv(tmp_path / "out" / "annotations.csv", dtype=str, keep_default_na=False)
    assert list(table["case"]) == [f"case_{i:04}" for i in range(9)]
    assert set(table["held_out"]) == {""}
    assert read_mask(tmp_path / "out" / "masks" / "case_0003.png").shape == (56, 96)


def test_a_case_that_a_member_trained_on_is_never_scored(dataset: Path, members: Path, tmp_path: Path) -> None:
    state = torch.load(members / "seed1" / "model.pt", weights_only=True)["member"]
    for used in (state["train"][0], state["val"][0]):
        with pytest.raises(DataError, match=f"case {used} was used in the training of"):
            evaluate(dataset, str(members), tmp_path / "out", cases=[used])
    assert not list(tmp_path.iterdir())


def test_the_same_weights_twice_are_no_ensemble(dataset: Path, members: Path, tmp_path: Path) -> None:
    shutil.copy(members / "seed0" / "model.pt", tmp_path / "copy.pt")
    with pytest.raises(DataError, match="same weights"):
        evaluate(dataset, [str(members / "seed0" / "model.pt"), str(tmp_path / "copy.pt")], tmp_path / "out")


def test_a_crash_closes_its_run_as_failed_and_leaves_nothing(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: TrackTraining, evaluator: Any, trainer: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(TrackTraining, "_validated", crash)
        with pytest.raises(RuntimeError):
            train(dataset, tmp_path / "m", seed=5)
    failed = last_run(seed="5")
    assert failed.info.status == "FAILED"
    assert "the disk is full" in failed.data.tags["error"]
    assert not list(tmp_path.iterdir())
    train(dataset, tmp_path / "m", seed=5)
    again = last_run(seed="5")
    assert again.info.run_id != failed.info.run_id
    assert again.info.status == "FINISHED"
    assert mlflow.get_run(failed.info.run_id).data.metrics.keys() == failed.data.metrics.keys()


def test_a_checkpoint_of_another_architecture_is_refused(dataset: Path, members: Path, tmp_path: Path) -> None:
    paths = {"dataset_dir": str(dataset), "models": str(members), "output_dir": str(tmp_path / "out")}
    with pytest.raises(Exception, match=r"model.pt: the weights do not fit the network .* --channels"):
        bundle("evaluating", "evaluate.yaml", **paths, channels=[8, 16])
    with pytest.raises(UsageError, match="found none"):
        bundle("evaluating", "evaluate.yaml", **paths | {"models": str(dataset)}, channels=[8, 16])
    (tmp_path / "model.pt").write_bytes(b"no checkpoint")
    with pytest.raises(DataError, match="not a checkpoint"):
        bundle("evaluating", "evaluate.yaml", **paths | {"models": str(tmp_path / "model.pt")})
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("kind", ["rgb", "16 bit"])
def test_colour_and_16_bit_images_are_trained_on(dataset: Path, tmp_path: Path, kind: str) -> None:
    folder = broken(dataset, tmp_path)
    for path in (folder / "images").iterdir():
        grey = np.array(Image.open(path))
        image = np.stack([grey, grey // 2, grey // 4], axis=-1) if kind == "rgb" else grey.astype(np.uint16) * 200
        Image.fromarray(image).save(path)
    train(folder, tmp_path / "m", epochs=1)
    assert (tmp_path / "m" / "held_out" / "agreement.csv").is_file()


def test_volumes_are_trained_on_and_predicted_with_their_affine(tmp_path: Path) -> None:
    settings = Simulation(shape=(8, 24, 32), n_cases=4, images_per_subject=1, n_nuclei=3, spacing_um=(2, 1, 1))
    folder = simulate(tmp_path / "data", settings)
    train(folder, tmp_path / "m", spatial_dims=3, tile_size=16, epochs=1)
    (mask, *_) = sorted((tmp_path / "m" / "held_out" / "masks").iterdir())
    assert mask.name.endswith(".nii.gz")
    assert read_mask(mask).shape == (8, 24, 32)
    np.testing.assert_array_equal(read_image(mask).affine, read_image(folder / "images" / mask.name).affine)


def test_ignored_areas_stay_out_of_the_scores(dataset: Path, tmp_path: Path) -> None:
    """Everything but one corner is ignored, so only objects of that corner are counted, on both sides."""
    folder = broken(dataset, tmp_path)
    ignored = np.full((56, 96), 255, np.uint8)
    ignored[:28, :48] = 0
    (folder / "ignored").mkdir()
    for path in (folder / "images").iterdir():
        Image.fromarray(ignored).save(folder / "ignored" / path.name)
    settings = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(settings + "ignore: ignored\n")
    train(folder, tmp_path / "m", epochs=1)
    train(dataset, tmp_path / "whole", epochs=1)
    columns = ["n_a", "n_b"]
    corner, whole = (
        pd.read_csv(tmp_path / name / "held_out" / "agreement.csv")[columns].sum() for name in ("m", "whole")
    )
    assert 0 < corner["n_a"] < whole["n_a"]
    data = read_dataset(folder)
    for case in torch.load(tmp_path / "m" / "model.pt", weights_only=True)["member"]["held_out"]:
        target = read_target(data, case, "staple")
        table = pd.read_csv(tmp_path / "m" / "held_out" / "agreement.csv")
        expected = label_objects(target, min_size=data.min_object_size, ignore=ignored > 0).max()
        assert set(table.loc[table["case"] == case, "n_a"]) == {expected}


def test_real_images_of_lab_inns1(data_dir: Path, tmp_path: Path) -> None:
    folder = download(tmp_path, labs=["inns1"], mirror=data_dir)[0].folder
    train(folder, tmp_path / "m", fold=1, epochs=1, tile_size=128)
    table = pd.read_csv(tmp_path / "m" / "held_out" / "agreement.csv", dtype={"case": str})
    assert set(table["annotator_a"]) == {"consensus_staple", "est_GT"}
    assert read_mask(tmp_path / "m" / "held_out" / "masks" / f"{table['case'][0]}.png").shape == (1024, 1344)
    counts = table.groupby("annotator_a")["n_a"].sum()
    assert counts["consensus_staple"] == counts["est_GT"]  # our consensus is the published one
    assert last_run("lab-inns1", kind="member").info.status == "FINISHED"


def test_metadata_follow_the_schema_of_the_model_zoo(data_dir: Path) -> None:
    schema = data_dir.parent / "schema" / "meta_schema_20240725.json"
    if not schema.is_file():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"schema not found: {schema}")
    metadata = json.loads(config_path("metadata.json").read_text())
    jsonschema.validate(metadata, json.loads(schema.read_text()))
    assert Path(metadata["schema"]).name == schema.name


@pytest.mark.parametrize(
    ("config", "kind"), [("train.yaml", "train"), ("evaluate.yaml", "infer"), ("inference.yaml", "infer")]
)
def test_the_bundle_has_the_properties_that_monai_expects(
    dataset: Path, members: Path, tmp_path: Path, config: str, kind: str
) -> None:
    settings: dict[str, Any] = {"dataset_dir": str(dataset), "output_dir": str(tmp_path / "out"), "channels": [4, 8]}
    if kind == "infer":
        settings["models"] = str(members)
    workflow = Workflow(config_file=str(config_path(config)), workflow_type=kind, logging_file=False, **settings)
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.version == json.loads(config_path("metadata.json").read_text())["version"]


COMMAND = """
import os, runpy, sys
words, calls = {words}, {calls}
for folder, *more in calls:
    os.chdir(folder)
    sys.argv = ["monai.bundle", "run", "training", *words, *more]
    try:
        runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        print("ENDED", end.code or 0)
        print("ENDED", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def called(
    dataset: Path, new_store: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, tuple[str, str, str]]]:
    """One process without PYTHONPATH, in the folders one after the other: exit code, output and errors of each call.

    As with `python -m`, the current folder is where Python looks first for a module; the first is that with most in it.
    """
    folder = tmp_path_factory.mktemp("anywhere")
    config = config_path("train.yaml")
    calls = {
        "root": [bundle_root().parent, "--config_file", "bundle/configs/train.yaml"],
        "bundle": [bundle_root(), "--config_file", "configs/train.yaml"],
        "elsewhere": [folder, "--config_file", config],
        "wrong": [folder, "--config_file", config, "--epoch", "3"],
    }
    for place, call in calls.items():
        call += ["--output_dir", folder / place]
    words = ["--dataset_dir", str(dataset), *(str(word) for k, v in TINY.items() for word in (f"--{k}", v))]
    code = COMMAND.format(words=words, calls=[[str(word) for word in call] for call in calls.values()])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["MLFLOW_TRACKING_URI"] = new_store(tmp_path_factory.mktemp("store"))
    process = [sys.executable, "-c", code]
    done = subprocess.run(process, cwd=calls["root"][0], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    codes = re.findall(r"^ENDED (.*)$", done.stdout, re.MULTILINE)
    printed = re.split(r"^ENDED.*\n", done.stdout, flags=re.MULTILINE)[:-1]
    errors = re.split(r"^ENDED\n", done.stderr, flags=re.MULTILINE)[:-1]
    return folder, dict(zip(calls, zip(codes, printed, errors, strict=True), strict=True))


@pytest.mark.parametrize("place", ["root", "bundle", "elsewhere"])
def test_the_command_works_from_any_folder(called: tuple[Path, dict[str, tuple[str, str, str]]], place: str) -> None:
    folder, calls = called
    code, printed, errors = calls[place]
    assert code == "0", errors
    assert (folder / place / "model.pt").is_file()
    assert "epoch 2/2" in errors
    assert "consensus_staple" in printed


def test_a_wrong_call_ends_with_its_exit_code(called: tuple[Path, dict[str, tuple[str, str, str]]]) -> None:
    code, _, errors = called[1]["wrong"]
    assert code == "2"
    assert errors.splitlines()[-1] == "error: unknown setting --epoch; did you mean --epochs?"
    assert "Traceback" not in errors


def test_segassay_train_is_the_same_call(
    dataset: Path, members: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["segassay", "train", str(dataset), "--seed", "1", "--out", str(tmp_path / "m")]
    words += [f"--{name}={value}" for name, value in TINY.items()]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert same(weights(tmp_path / "m" / "model.pt"), weights(members / "seed1" / "model.pt"))
