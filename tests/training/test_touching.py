"""Training on objects that touch: from label images of raters to instances of a model."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from monai.bundle import run

import bundles
from bundles import QUICK
from class_datasets import draw_dataset
from segassay.assay.run import evaluate
from segassay.consensus.instances import keep_instances
from segassay.data.cases import read_case_mask
from segassay.data.dataset import read_dataset
from segassay.errors import UsageError
from segassay.io.images import read_image, read_mask, write_mask
from segassay.masks.depth import depth_map, split_by_depth
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay.simulation.dataset import RaterHabit, Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.prediction.run import predict
from segassay_monai.study import run as study_run
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import plan_study
from segassay_monai.study.worker import do
from segassay_monai.targets import read_instances, read_label_instances, read_target
from segassay_monai.training.loss import MaskedDiceCELoss
from segassay_monai.training.selection import ObjectF1, PixelDice
from segassay_monai.training.tiles import LoadCased, RandRaterd, RandTiled

CROWDED = Simulation(
    shape=(64, 64),
    n_cases=6,
    images_per_subject=1,
    regions={},
    n_nuclei=16,
    radius_px=(4, 7),
    touching_fraction=0.9,
    bright_fraction=1.0,
    min_object_size=8,
    instances=True,
    raters=tuple(RaterHabit(name, jitter_px=0.4, merge_rate=0.05) for name in ("anna", "ben", "cleo")),
)
SHORT: dict[str, Any] = QUICK | {"epochs": 1, "iterations_per_epoch": 30}
TOUCHING: dict[str, Any] = SHORT | {"objects": "touching"}


def train(data: Path, out: Path, **settings: Any) -> Path:
    return bundles.train(data, out, **TOUCHING | settings)


pytestmark = pytest.mark.usefixtures("own_store", "unrendered", "unlogged_models")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("touching") / "crowded", CROWDED)


@pytest.fixture(scope="module")
def member(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("member") / "m")


class TestTargets:
    def test_of_one_rater_they_are_the_rater_s_own_objects(self, data: Path) -> None:
        dataset = read_dataset(data)
        case = dataset.cases[0]
        own = read_case_mask(dataset, "anna", case)
        assert label_objects(own > 0).max() < own.max()
        np.testing.assert_array_equal(read_instances(dataset, case, "anna"), own)

    @pytest.mark.parametrize("method", ["staple", "majority", "union", "staple_without_anna", "majority_of_anna+ben"])
    def test_a_consensus_by_pixels_keeps_its_foreground(self, data: Path, method: str) -> None:
        dataset = read_dataset(data)
        for case in dataset.cases[:2]:
            mask, found = read_target(dataset, case, method), read_instances(dataset, case, method)
            np.testing.assert_array_equal(found > 0, mask)
            assert found.max() > 1.5 * label_objects(mask).max()

    def test_of_several_raters_each_has_objects_of_its_own(self, data: Path) -> None:
        dataset = read_dataset(data)
        case = dataset.cases[0]
        for target in ("soft", "random_rater"):
            each = read_label_instances(dataset, case, target)
            for rater, labels in zip(dataset.raters, each, strict=True):
                np.testing.assert_array_equal(labels, read_case_mask(dataset, rater, case))
        some = read_label_instances(dataset, case, "random_rater_of_anna+cleo")
        np.testing.assert_array_equal(some[1], read_case_mask(dataset, "cleo", case))
        masks = [read_case_mask(dataset, rater, case) for rater in dataset.raters]
        expected = keep_instances(np.mean(np.stack(masks) > 0, axis=0) > 0.5, masks)
        np.testing.assert_array_equal(read_instances(dataset, case, "soft"), expected)


class TestLoadedCase:
    @pytest.mark.parametrize("rater", ["anna", "staple", "object", "soft", "random_rater"])
    def test_the_label_is_foreground_and_depth(self, data: Path, rater: str) -> None:
        dataset = read_dataset(data)
        case = dataset.cases[1]
        loaded = LoadCased(dataset, rater, 1, objects="touching", weight_map=5.0)({"case": case})
        each = read_label_instances(dataset, case, rater)
        pairs = np.stack([[labels > 0, depth_map(labels)] for labels in each]).astype(np.float32)
        expected = pairs.mean(axis=0) if rater == "soft" else pairs.reshape(-1, 64, 64)
        np.testing.assert_allclose(loaded["label"], expected, atol=1e-6)
        assert loaded["label"].dtype == torch.float32
        np.testing.assert_array_equal(loaded["labelled"], np.flatnonzero((expected > 0).any(axis=0)))
        np.testing.assert_array_equal(loaded["instances"][0], read_instances(dataset, case, rater))
        assert len(loaded["weight"]) == (3 if rater == "random_rater" else 1)
        assert loaded["weight"].max() <= 6, "weights of gaps, none where objects touch"

    def test_what_is_ignored_is_in_no_part_of_it(self, data: Path, tmp_path: Path) -> None:
        dataset = read_dataset(_with_ignored(data, tmp_path))
        loaded = LoadCased(dataset, "anna", 1, objects="touching")({"case": dataset.cases[0]})
        assert loaded["valid"][0, :20].sum() == 0
        assert loaded["label"][:, :20].sum() == loaded["instances"][:, :20].sum() == 0
        whole = depth_map(read_case_mask(dataset, "anna", dataset.cases[0]))
        np.testing.assert_allclose(loaded["label"][1, 20:], whole[20:], atol=1e-6)

    def test_a_tile_has_both_of_one_rater(self, data: Path) -> None:
        dataset = read_dataset(data)
        loaded = LoadCased(dataset, "random_rater", 1, objects="touching")({"case": dataset.cases[0]})
        cut = RandTiled(["image", "label", "valid"], [32, 32])
        cut.set_random_state(0)
        tile = cut(loaded)
        assert "instances" not in tile, "it has the size of the image"
        assert tile["label"].shape == (6, 32, 32)
        draw = RandRaterd(["label"], n_classes=2)
        draw.set_random_state(0)
        drawn = {tuple(draw(dict(tile))["label"].flatten().tolist()) for _ in range(30)}
        assert drawn == {tuple(tile["label"][first : first + 2].flatten().tolist()) for first in (0, 2, 4)}


def _with_ignored(data: Path, folder: Path) -> Path:
    """The same dataset with the upper rows of each image ignored."""
    copy = Path(shutil.copytree(data, folder / "copy"))
    area = np.zeros((64, 64), dtype=bool)
    area[:20] = True
    for path in (copy / "images").iterdir():
        (copy / "ignored").mkdir(exist_ok=True)
        write_mask(copy / "ignored" / path.name, area)
    settings = yaml.safe_load((copy / "dataset.yaml").read_text()) | {"ignore": "ignored"}
    (copy / "dataset.yaml").write_text(yaml.safe_dump(settings))
    return copy


def test_the_loss_is_smallest_at_foreground_and_depth() -> None:
    rng = torch.Generator().manual_seed(0)
    depth = torch.rand(2, 1, 8, 8, generator=rng) * (torch.rand(2, 1, 8, 8, generator=rng) > 0.5)
    target = torch.cat([(depth > 0).float(), depth, torch.ones_like(depth)], dim=1)
    best = torch.logit(target[:, :2].clamp(1e-4, 1 - 1e-4)).requires_grad_()
    loss = MaskedDiceCELoss(objects="touching")
    lowest = loss(best, target)
    for _ in range(20):
        assert loss(best + 0.5 * torch.randn(best.shape, generator=rng), target) > lowest
    parts = [MaskedDiceCELoss()(best[:, n : n + 1], target[:, [n, 2]]) for n in (0, 1)]
    torch.testing.assert_close(lowest, sum(parts) / 2, msg="the mean of both")


class TestSelection:
    labels = np.kron(np.array([[1, 2, 0, 3]]), np.ones((8, 8))).astype(np.int32)

    def score(self, metric: Any, depth: np.ndarray, valid: np.ndarray | None = None) -> float:
        prob = np.where(self.labels > 0, 0.9, 0.1)
        area = np.ones_like(self.labels) if valid is None else valid
        metric(torch.from_numpy(np.stack([prob, depth])[None]), torch.from_numpy(np.stack([self.labels, area])[None]))
        return float(metric.aggregate())

    def test_objects_count_as_the_depth_divides_them(self) -> None:
        flat = np.where(self.labels > 0, 0.5, 0.0)
        assert self.score(ObjectF1(objects="touching"), depth_map(self.labels)) == 1
        assert self.score(ObjectF1(objects="touching"), flat) == pytest.approx(2 * 1 / 5)
        assert self.score(PixelDice(objects="touching"), flat) == 1

    def test_ignored_pixels_do_not_count(self) -> None:
        valid = np.ones_like(self.labels)
        valid[:, 24:] = 0
        assert (
            self.score(ObjectF1(objects="touching"), np.where(self.labels > 2, 0.0, depth_map(self.labels)), valid) == 1
        )

    def test_small_parts_join_before_they_are_compared(self) -> None:
        assert self.score(ObjectF1(min_size=64, objects="touching"), depth_map(self.labels)) == 1
        assert self.score(ObjectF1(min_size=65, objects="touching"), depth_map(self.labels)) == 0


def test_a_trained_member_writes_instances_and_is_compared_by_them(data: Path, member: Path) -> None:
    assert torch.load(member / "model.pt", weights_only=True)["network"]["objects"] == "touching"
    held_out = member / "held_out"
    table = pd.read_csv(held_out / "annotations.csv")
    assert table["path"].str.startswith("instances/").all()
    dataset = read_dataset(data)
    scores = pd.read_csv(held_out / "agreement.csv").query("iou_threshold == 0.5").set_index("case")
    n_divided = 0
    for case, path in zip(table["case"], table["path"], strict=True):
        found = read_mask(held_out / path)
        prob = read_image(held_out / "prob" / f"{case}.tif").array[0]
        np.testing.assert_array_equal(found > 0, label_objects(prob > 0.5, min_size=8) > 0)
        n_divided += int(found.max()) - int(label_objects(prob > 0.5, min_size=8).max())
        target = label_objects(read_instances(dataset, case, "staple"), min_size=8)
        matches = match_objects(target, found, iou_thresholds=[0.5])
        assert scores.loc[case, "f1"] == pytest.approx(matches.f1[0])
        assert scores.loc[case, "n_a"] == target.max()
    assert n_divided > 0
    runs = mlflow.search_runs(experiment_names=["simulation_0"])
    assert (runs["params.network/objects"] == "touching").any()


def test_predict_gives_the_same_instances_and_measures_each(data: Path, member: Path, tmp_path: Path) -> None:
    held_out = pd.read_csv(member / "held_out" / "annotations.csv").set_index("case")["path"]
    done = predict(member, data, out=tmp_path / "out", save=["mask"])
    assert done.failed.empty
    assert {Path(path).parent.name for path in done.annotations["path"]} == {"instances"}
    for case, path in held_out.items():
        labels = read_mask(next((tmp_path / "out" / "instances").glob(f"{case}.*")))
        np.testing.assert_array_equal(labels, read_mask(member / "held_out" / path))
        own = done.objects[done.objects["case"] == case]
        assert list(own["area_px"]) == np.bincount(labels.ravel())[1:].tolist()
        assert done.cases.set_index("case").loc[case, "n_objects"] == labels.max()
    settings = yaml.safe_load((tmp_path / "out" / "settings.yaml").read_text())
    assert "instances" in settings["save"]


def test_the_default_merges_what_it_does_not_learn_to_divide(data: Path, member: Path, tmp_path: Path) -> None:
    bundles.train(data, tmp_path / "m", **SHORT)
    state = torch.load(tmp_path / "m" / "model.pt", weights_only=True)
    assert "objects" not in state["network"]
    table = pd.read_csv(tmp_path / "m" / "held_out" / "annotations.csv")
    assert table["path"].str.startswith("masks/").all()
    with pytest.raises(UsageError, match=r"trained with `objects: separate` and has other outputs"):
        train(data, tmp_path / "t", initialise_from=str(tmp_path / "m" / "model.pt"))
    with pytest.raises(UsageError, match=r"trained with `objects: touching` and has other outputs"):
        train(data, tmp_path / "s", objects="separate", initialise_from=str(member / "model.pt"))
    train(data, tmp_path / "further", iterations_per_epoch=1, initialise_from=str(member / "model.pt"))


def test_a_study_evaluates_instances(data: Path, tmp_path: Path) -> None:
    settings = TOUCHING | {"iterations_per_epoch": 8}
    plan = {"dataset": str(data), "n_folds": 2, "folds": [0], "seeds": 2, "strategies": ["staple"]}
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(plan | {"settings": settings}), encoding="utf-8")
    study = plan_study(tmp_path / "lab.yaml")
    for task in study.tasks.values():
        do(study, task)
    masks = list_masks(study)
    assert set(masks["annotator"]) == {"staple/s0", "staple/s1", "staple/s0-1"}
    assert all(Path(path).parent.name == "instances" for path in masks["path"])
    masks.to_csv(study.out / "masks.csv", index=False)
    judged = evaluate(data, annotations=study.out / "masks.csv")
    counts = judged.counts.set_index(["case", "annotator"])["n_objects"]
    for row in masks.itertuples():
        assert counts[row.case, row.annotator] == read_mask(study.out / row.path).max()


def test_binary_masks_are_said_to_show_no_touching_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flat = simulate(tmp_path / "flat", replace(CROWDED, instances=False, n_cases=4))
    with caplog.at_level(logging.WARNING, logger="segassay"):
        train(flat, tmp_path / "m", iterations_per_epoch=1)
    said = [record.message for record in caplog.records if "holds instances" in record.message]
    assert len(said) == 1
    assert "anna, ben, cleo" in said[0]


def test_a_study_says_it_before_it_trains(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = simulate(tmp_path / "flat", replace(CROWDED, instances=False, n_cases=4))
    monkeypatch.setattr(study_run, "work_side_by_side", _stop)
    for folder, n in ((flat, 2), (data, 0)):
        strategies = ["staple", {"target": "anna", "name": "other"}, {"target": "ben", "settings": SHORT}]
        plan = {"dataset": str(folder), "n_folds": 2, "folds": [0], "seeds": 2, "settings": TOUCHING}
        strategies[2]["settings"] = {"objects": "separate"}  # type: ignore[index]
        path = tmp_path / f"{folder.name}.yaml"
        path.write_text(yaml.safe_dump(plan | {"strategies": strategies}), encoding="utf-8")
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="segassay"), pytest.raises(KeyboardInterrupt):
            study_run.run_study(plan_study(path))
        assert len([record for record in caplog.records if "holds instances" in record.message]) == n


def _stop(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


def test_label_images_are_not_said_to(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="segassay"):
        train(data, tmp_path / "m", iterations_per_epoch=1, rater="random_rater")
    assert not [record for record in caplog.records if "holds instances" in record.message]


def test_classes_are_refused(tmp_path: Path) -> None:
    data = draw_dataset(tmp_path / "classes", n=4, raters=["anna"])
    with pytest.raises(UsageError, match=r"--objects touching: .* has the classes bright \(3\), dark \(7\)"):
        train(data, tmp_path / "m")
    with pytest.raises(UsageError, match="--objects instances: expected separate or touching"):
        train(data, tmp_path / "m", objects="instances")


def test_volumes(tmp_path: Path) -> None:
    spaced = {"shape": (8, 32, 32), "spacing_um": (2.0, 1.0, 1.0), "n_nuclei": 8}
    data = simulate(tmp_path / "volumes", replace(CROWDED, **spaced, n_cases=4))
    dataset = read_dataset(data)
    loaded = LoadCased(dataset, "anna", 1, 3, objects="touching")({"case": dataset.cases[0]})
    own = read_case_mask(dataset, "anna", dataset.cases[0])
    spacing = read_image(dataset.images[dataset.cases[0]]).spacing_um
    assert len(set(spacing or ())) == 2
    np.testing.assert_allclose(loaded["label"][1], depth_map(own, spacing), atol=1e-6)
    assert not np.allclose(loaded["label"][1], depth_map(own))
    configs = [str(config_path(name)) for name in ("train.yaml", "spatial_3d.yaml")]
    words = {"dataset_dir": str(data), "output_dir": str(tmp_path / "m"), "tile_size": [16, 16, 8], "channels": [4, 8]}
    settings = TOUCHING | {"iterations_per_epoch": 3} | words
    if loaded["image"].shape[1:] == (8, 32, 32):
        settings["tile_size"] = [8, 16, 16]
    run(run_id="training", config_file=configs, workflow_name=WORKFLOW, logging_file=False, **settings)
    path = next((tmp_path / "m" / "held_out" / "instances").iterdir())
    labels, prob = read_mask(path), read_image(tmp_path / "m" / "held_out" / "prob" / path.name).array[0]
    np.testing.assert_array_equal(labels > 0, label_objects(prob > 0.5, min_size=8) > 0)
    assert split_by_depth(prob > 0.5, prob, 8).shape == labels.shape
