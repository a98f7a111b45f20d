"""Training on classes: what the network learns, from a drawn dataset to its scores."""

import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from monai.bundle import run
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

import bundles
from bundles import QUICK, bundle
from class_datasets import EXCLUSIVE, NESTED, RATERS, draw_dataset
from segassay.data.cases import read_case_classes
from segassay.data.dataset import of_class, read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.ensemble.members import read_members
from segassay_monai.study.masks import list_masks
from segassay_monai.study.plan import plan_study
from segassay_monai.study.status import state_of
from segassay_monai.study.worker import do
from segassay_monai.targets import masks_of, read_labels, read_target
from segassay_monai.training.inputs import open_classes
from segassay_monai.training.loss import MaskedDiceCELoss
from segassay_monai.training.selection import ObjectF1, PixelDice
from segassay_monai.training.tiles import LoadCased, RandRaterd, RandTiled

pytestmark = pytest.mark.usefixtures("own_store", "unrendered", "unlogged_models")

SHORT: dict[str, Any] = QUICK | {"epochs": 2, "iterations_per_epoch": 16}
PAIRS = [(name, (value,)) for name, value in EXCLUSIVE.items()]
REGIONS = [(name, tuple(values)) for name, values in NESTED.items()]


def train(data: Path, out: Path, **settings: Any) -> Path:
    return bundles.train(data, out, **SHORT | settings)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("classes") / "discs")


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("classes") / "nested", NESTED)


@pytest.fixture(scope="module")
def member(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, tmp_path_factory.mktemp("member") / "m")


class TestTargets:
    @pytest.mark.parametrize("trained_on", ["ben", "staple", "majority", "union", "intersection", "object"])
    def test_each_pixel_has_one_class_at_most(self, data: Path, trained_on: str) -> None:
        label = read_labels(read_dataset(data), "c0", trained_on, classes=PAIRS)
        assert label.shape == (2, 48, 48)
        assert label.dtype == bool
        assert label.any(axis=(1, 2)).all()
        assert label.sum(axis=0).max() == 1
        np.testing.assert_array_equal(label, read_target(read_dataset(data), "c0", trained_on, classes=PAIRS))

    def test_a_rater_is_read_as_drawn(self, data: Path) -> None:
        dataset = read_dataset(data)
        values = read_case_classes(dataset, "anna", "c1")
        np.testing.assert_array_equal(read_target(dataset, "c1", "anna", classes=PAIRS), [values == 3, values == 7])
        turned = PAIRS[::-1]
        np.testing.assert_array_equal(read_target(dataset, "c1", "anna", classes=turned), [values == 7, values == 3])

    def test_soft_is_the_share_of_raters_and_random_rater_holds_them_one_after_another(self, data: Path) -> None:
        dataset = read_dataset(data)
        drawn = [masks_of(read_case_classes(dataset, rater, "c2"), PAIRS) for rater in RATERS]
        soft = read_labels(dataset, "c2", "soft", classes=PAIRS)
        np.testing.assert_allclose(soft, np.mean(drawn, axis=0), atol=1e-7)
        assert soft.dtype == np.float32
        each = read_labels(dataset, "c2", "random_rater", classes=PAIRS)
        np.testing.assert_array_equal(each, np.concatenate(drawn))
        some = read_labels(dataset, "c2", "soft_of_anna+cleo", classes=PAIRS)
        np.testing.assert_allclose(some, (drawn[0] + 0.0 + drawn[2]) / 2)

    @pytest.mark.parametrize("which", ["data", "nested"])
    def test_staple_is_computed_once_for_each_content_and_order_of_classes(
        self, which: str, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        dataset = read_dataset(request.getfixturevalue(which))
        classes = open_classes(dataset)
        first = read_target(dataset, "c0", "staple", tmp_path, classes)
        turned = read_target(dataset, "c0", "staple", tmp_path, classes[::-1])
        n_files = len(list(tmp_path.iterdir()))
        assert n_files == 2
        np.testing.assert_array_equal(read_target(dataset, "c0", "staple", tmp_path, classes), first)
        np.testing.assert_array_equal(turned, first[::-1])
        assert len(list(tmp_path.iterdir())) == n_files

    @pytest.mark.parametrize("method", ["staple", "majority", "union_without_ben"])
    def test_regions_are_fused_one_by_one(self, nested: Path, method: str) -> None:
        dataset = read_dataset(nested)
        found = read_target(dataset, "c0", method, classes=REGIONS)
        for number, (name, _) in enumerate(REGIONS):
            np.testing.assert_array_equal(found[number], read_target(of_class(dataset, name), "c0", method))
        assert found[2].sum() > found[0].sum() > found[1].sum() > 0

    def test_a_rater_with_fewer_classes_is_one_who_marks_none_of_the_other(self, tmp_path: Path) -> None:
        dataset = read_dataset(draw_dataset(tmp_path / "data", n=3, without={1: ["dark"]}))
        assert not read_target(dataset, "c1", "staple", classes=PAIRS)[1].any()


def batch(n_outputs: int, n_classes: int, *, soft: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels of exclusive classes."""
    rng = torch.Generator().manual_seed(1)
    shape = (3, 6, 7)
    logits = 2 * torch.randn((3, n_outputs, 6, 7), generator=rng)
    drawn = torch.randint(0, n_classes + 1, shape, generator=rng)
    label = torch.stack([(drawn == number + 1).float() for number in range(n_classes)], dim=1)
    return logits, label * torch.rand(3, 1, 6, 7, generator=rng) if soft else label


class TestLoss:
    def test_softmax_equals_the_cross_entropy_of_torch_and_dice_by_class(self) -> None:
        logits, label = batch(3, 2)
        ones = torch.ones(3, 1, 6, 7)
        whole = torch.cat([1 - label.sum(dim=1, keepdim=True), label], dim=1)
        prob = torch.softmax(logits, dim=1)[:, 1:]
        dice = [
            (2 * (prob[:, k] * label[:, k]).sum() + 1) / (prob[:, k].sum() + label[:, k].sum() + 1) for k in range(2)
        ]
        expected = cross_entropy(logits, whole.argmax(dim=1)) + 1 - (dice[0] + dice[1]) / 2
        found = MaskedDiceCELoss(PAIRS)(logits, torch.cat([label, ones], dim=1))
        assert found.item() == pytest.approx(expected.item(), abs=1e-6)

    def test_regions_are_the_mean_of_binary_losses(self) -> None:
        logits, label = batch(3, 3)
        ones = torch.ones(3, 1, 6, 7)
        alone = [
            MaskedDiceCELoss()(logits[:, k : k + 1], torch.cat([label[:, k : k + 1], ones], dim=1)) for k in range(3)
        ]
        found = MaskedDiceCELoss(REGIONS)(logits, torch.cat([label, ones], dim=1))
        assert found.item() == pytest.approx(torch.stack(alone).mean().item(), abs=1e-6)
        assert binary_cross_entropy_with_logits(logits, label).item() < found.item()

    @pytest.mark.parametrize(("classes", "n_outputs"), [(PAIRS, 3), (REGIONS, 3)], ids=["softmax", "regions"])
    def test_ignored_pixels_have_no_say(self, classes: Any, n_outputs: int) -> None:
        logits, label = batch(n_outputs, len(classes))
        valid = torch.ones(3, 1, 6, 7)
        valid[..., 4:] = 0
        other = torch.where(valid == 1, logits, 9 * torch.randn(logits.shape))
        loss = MaskedDiceCELoss(classes)
        half = loss(logits[..., :4], torch.cat([label, valid], dim=1)[..., :4])
        assert loss(logits, torch.cat([label, valid], dim=1)).item() == pytest.approx(half.item(), abs=1e-6)
        other_label = torch.where(valid == 1, label, 1 - label)
        assert loss(other, torch.cat([other_label, valid], dim=1)).item() == pytest.approx(half.item(), abs=1e-6)

    def test_a_soft_label_of_classes_is_best_predicted_by_itself(self) -> None:
        share = torch.tensor([0.2, 0.5])
        label = share.reshape(1, 2, 1, 1).expand(1, 2, 10, 10)
        target = torch.cat([label, torch.ones(1, 1, 10, 10)], dim=1)

        def cost(first: float, second: float) -> float:
            logits = torch.log(torch.tensor([1 - first - second, first, second]))
            return float(MaskedDiceCELoss(PAIRS)(logits.reshape(1, 3, 1, 1).expand(1, 3, 10, 10), target))

        tried = {(a / 20, b / 20): cost(a / 20, b / 20) for a in range(1, 19) for b in range(1, 19 - a)}
        assert min(tried, key=lambda at: tried[at]) == (0.2, 0.5)

    def test_one_foreground_is_computed_to_the_last_bit_as_before_there_were_classes(self) -> None:
        for seed in range(4):
            rng = torch.Generator().manual_seed(seed)
            logits = torch.randn((3, 1, 33, 17), generator=rng, requires_grad=True)
            label = torch.rand((3, 1, 33, 17), generator=rng)
            valid = (torch.rand((3, 1, 33, 17), generator=rng) < 0.9).float()
            loss = MaskedDiceCELoss()(logits, torch.cat([label, valid, 1 + label], dim=1))
            (now,) = torch.autograd.grad(loss, logits)
            former = _former_loss(logits, torch.cat([label, valid, 1 + label], dim=1))
            (then,) = torch.autograd.grad(former, logits)
            assert torch.equal(loss, former)
            assert torch.equal(now, then)


def _former_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss as it was written for one foreground alone."""
    label, valid = target[:, :1].float(), target[:, 1:2].float()
    weight = valid * target[:, 2:3].float()
    cross_entropy = (binary_cross_entropy_with_logits(logits, label, reduction="none") * weight).sum()
    cross_entropy = cross_entropy / weight.sum().clamp(min=1e-6)
    prob = torch.sigmoid(logits) * valid
    overlap = torch.minimum(prob, label * valid).sum()
    dice = (2 * overlap + 1) / (prob.sum() + (label * valid).sum() + 1)
    return cross_entropy + 1 - dice


class TestTiles:
    def test_a_class_of_one_pixel_is_in_as_many_tiles_as_a_large_one(self) -> None:
        label = torch.zeros(2, 64, 64, dtype=torch.uint8)
        label[0, :, :40] = 1
        label[1, 50, 60] = 1
        labelled = [torch.from_numpy(np.flatnonzero(mask)) for mask in label.numpy()]
        valid = torch.ones(1, 64, 64, dtype=torch.uint8)
        tiler = RandTiled(["image", "label", "valid"], [16, 16], foreground=1.0)
        tiler.set_random_state(0)
        case = {"image": torch.rand(1, 64, 64), "label": label, "valid": valid, "labelled": labelled}
        seen = [tiler(case)["label"].flatten(1).any(dim=1).tolist() for _ in range(200)]
        rare = np.mean([found[1] for found in seen])
        assert 0.4 < rare < 0.6

    def test_a_loaded_case_lists_the_pixels_of_the_classes_that_it_has(self, tmp_path: Path) -> None:
        dataset = read_dataset(draw_dataset(tmp_path / "data", n=3, without={0: ["bright"], 1: ["bright", "dark"]}))
        load = LoadCased(dataset, "anna", 1, classes=open_classes(dataset), weight_map=5.0)
        one, none, both = (load({"case": f"c{number}"}) for number in range(3))
        assert [len(case["labelled"]) for case in (one, none, both)] == [1, 0, 2]
        np.testing.assert_array_equal(one["labelled"][0], np.flatnonzero(one["label"][1]))
        assert [tuple(case["weight"].shape) for case in (one, none, both)] == [(1, 48, 48)] * 3
        tiler = RandTiled(["image", "label", "valid", "weight"], [32, 32], foreground=1.0)
        assert tiler(none)["label"].shape == (2, 32, 32)

    def test_a_rater_is_drawn_with_all_classes_and_the_weights(self) -> None:
        label = torch.arange(6).reshape(6, 1, 1)
        draw = RandRaterd(["label", "weight"], n_classes=2)
        draw.set_random_state(1)
        found = [draw({"label": label, "weight": 10 * torch.arange(3).reshape(3, 1, 1)}) for _ in range(30)]
        drawn = {(*case["label"].flatten().tolist(), *case["weight"].flatten().tolist()) for case in found}
        assert drawn == {(0, 1, 0), (2, 3, 10), (4, 5, 20)}


def test_selection_compares_class_by_class_and_drops_the_background() -> None:
    label = np.zeros((2, 9, 9), dtype=np.float32)
    label[0, 1:4, 1:4], label[1, 5:8, 5:8] = 1, 1
    target = torch.from_numpy(np.concatenate([label, np.ones((1, 9, 9), np.float32)]))[None]
    right = torch.from_numpy(np.concatenate([1 - label.sum(axis=0, keepdims=True), label]))[None]
    swapped = right[:, [0, 2, 1]]
    half = right.clone()
    half[:, 0] += half[:, 2]
    half[:, 2] = 0
    for prob, expected in ((right, 1.0), (swapped, 0.0), (half, 0.5)):
        for metric in (ObjectF1(classes=PAIRS), PixelDice(PAIRS)):
            metric(prob, target)
            assert metric.aggregate().item() == expected
    only = PixelDice(PAIRS, only=0)
    only(half, target)
    assert only.aggregate().item() == 1.0


def test_a_model_that_marks_nothing_is_not_selected_for_the_classes_that_an_image_lacks() -> None:
    label = np.zeros((2, 9, 9), dtype=np.float32)
    label[1, 5:8, 5:8] = 1
    target = torch.from_numpy(np.concatenate([label, np.ones((1, 9, 9), np.float32)]))[None]
    nothing = torch.zeros(1, 3, 9, 9)
    right = torch.from_numpy(np.concatenate([np.zeros((1, 9, 9), np.float32), label]))[None]
    more = right.clone()
    more[:, 1, 1:4, 1:4] = 1
    without = torch.from_numpy(np.concatenate([0 * label, np.ones((1, 9, 9), np.float32)]))[None]
    for prob, of_case, expected in (
        (nothing, target, 0),
        (right, target, 1),
        (more, target, 0.5),
        (nothing, without, 1),
    ):
        metric = ObjectF1(classes=PAIRS)
        metric(prob, of_case)
        assert metric.aggregate().item() == expected


def test_raters_who_differ_about_the_class_mark_the_pixel_as_their_majority_does() -> None:
    """Three raters: two classes and background; the class that comes first, as in the consensus."""
    share = torch.tensor(
        [[[[1.0]], [[0.0]], [[0.0]], [[1.0]], [[0.0]], [[0.0]], [[1.0]]]]
    )  # 3 raters x 2 classes, valid
    metric = PixelDice(PAIRS)
    metric(torch.tensor([[[[0.0]], [[1.0]], [[0.0]]]]), share)
    assert metric.aggregate().item() == 1.0


def test_a_member_learns_to_tell_the_classes(data: Path, member: Path) -> None:
    scores = pd.read_csv(member / "held_out" / "scores.csv").set_index("class")
    assert list(scores.index) == ["mean of classes", "bright", "dark"]
    assert (scores["dice"] > 0.7).all()
    assert scores.loc["mean of classes", "f1"] == pytest.approx(scores.loc[["bright", "dark"], "f1"].mean())
    table = pd.read_csv(member / "held_out" / "agreement.csv", dtype={"case": str})
    assert set(table["class"]) == {"bright", "dark"}
    checkpoint = torch.load(member / "model.pt", weights_only=True)
    assert checkpoint["network"]["classes"] == [["bright", [3]], ["dark", [7]]]
    for case in checkpoint["member"]["held_out"]:
        mask = read_image(member / "held_out" / "masks" / f"{case}.png").array[0]
        prob = read_image(member / "held_out" / "prob" / f"{case}.tif").array
        assert set(np.unique(mask)) == {0, 3, 7}
        assert prob.shape == (2, 48, 48)
        assert (prob.sum(axis=0) <= 1 + 1e-6).all()
        expected = np.where(prob.max(axis=0) > 1 - prob.sum(axis=0), np.array([3, 7])[prob.argmax(axis=0)], 0)
        np.testing.assert_array_equal(mask, expected)
        names = ("uncertainty", "disagreement", "doubt")
        maps = [read_image(member / "held_out" / name / f"{case}.tif").array[0] for name in names]
        assert 0 < maps[0].max() <= 1 + 1e-6
        np.testing.assert_allclose(maps[0], maps[1] + maps[2], atol=1e-6)
        instances = read_image(member / "held_out" / "instances" / f"{case}.tif").array[0]
        for number in range(1, instances.max() + 1):
            assert len(set(mask[instances == number])) == 1
        np.testing.assert_array_equal(instances > 0, mask > 0)
    runs = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("discs").experiment_id])
    metrics = next(run.data.metrics for run in runs if run.data.tags["kind"] == "member")
    assert metrics["validity/f1_own_training_target_dark"] == pytest.approx(scores.loc["dark", "f1"])
    assert metrics["validity/f1_own_training_target"] == pytest.approx(scores.loc["mean of classes", "f1"])
    assert {"val/dice", "val/dice_bright", "val/dice_dark"} <= set(metrics)


def test_a_study_trains_members_and_predicts_with_their_ensemble(data: Path, tmp_path: Path) -> None:
    settings = SHORT | {"epochs": 1, "iterations_per_epoch": 4}
    plan = {"dataset": str(data), "n_folds": 2, "folds": [0], "seeds": 2, "strategies": ["staple"]}
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump(plan | {"settings": settings}), encoding="utf-8")
    study = plan_study(tmp_path / "lab.yaml")
    for task in study.tasks.values():
        do(study, task)
        assert state_of(study, task)[1].startswith("F1 ")
    masks = list_masks(study)
    assert set(masks["annotator"]) == {"staple/s0", "staple/s1", "staple/s0-1"}
    assert all((study.out / name).is_file() for name in masks["path"])
    table = pd.read_csv(study.place(study.predictions[0]) / "agreement.csv")
    assert set(table["annotator_b"]) == {"staple/s0", "staple/s1", "staple/s0-1"}
    assert set(table["class"]) == set(EXCLUSIVE)
    quality = pd.read_csv(study.place(study.predictions[0]) / "uncertainty.csv")
    assert quality["quality"].between(0, 1).all()
    np.testing.assert_allclose(quality["total"], quality["disagreement"] + quality["doubt"], atol=1e-6)


def test_regions_are_learned_and_written_as_the_value_that_fits_best(nested: Path, tmp_path: Path) -> None:
    out = train(nested, tmp_path / "m", rater="soft")
    path = next((out / "held_out" / "masks").iterdir())
    mask = read_image(path).array[0]
    prob = read_image(out / "held_out" / "prob" / f"{path.stem}.tif").array
    of_values = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)  # core, edge and whole of 0 to 3
    n_wrong = ((prob > 0.5)[None] != of_values[:, :, None, None]).sum(axis=1)
    np.testing.assert_array_equal(mask, n_wrong.argmin(axis=0))
    scores = pd.read_csv(out / "held_out" / "scores.csv")
    assert scores.loc[scores["class"] == "whole", "dice"].item() > 0.6
    assert set(scores["annotator_a"]) == {"consensus_majority"}


def test_volumes_of_classes_are_trained_and_keep_their_place(tmp_path: Path) -> None:
    data = draw_dataset(tmp_path / "data", shape=(24, 24, 8), n=4, raters=["anna"])
    configs = [str(config_path(name)) for name in ("train.yaml", "spatial_3d.yaml")]
    words = {"dataset_dir": str(data), "output_dir": str(tmp_path / "m"), "rater": "random_rater"}
    settings = SHORT | {"tile_size": [16, 16, 8], "iterations_per_epoch": 4, "channels": [4, 8]}
    run(run_id="training", config_file=configs, workflow_name=WORKFLOW, logging_file=False, **words | settings)
    path = next((tmp_path / "m" / "held_out" / "masks").iterdir())
    image = read_image(data / "images" / path.name)
    for kind, n in (("masks", 1), ("instances", 1), ("prob", 2), ("uncertainty", 1)):
        written = read_image(tmp_path / "m" / "held_out" / kind / path.name)
        assert written.array.shape == (n, 24, 24, 8)
        np.testing.assert_allclose(np.asarray(written.affine), np.asarray(image.affine))
    assert set(np.unique(read_image(path).array)) <= {0, 3, 7}


class TestOtherClasses:
    def test_their_order_in_the_dataset_changes_the_order_of_the_probabilities_alone(
        self, data: Path, member: Path, tmp_path: Path
    ) -> None:
        turned = draw_dataset(tmp_path / "discs", dict(reversed(EXCLUSIVE.items())))
        for number in range(8):  # the same images and masks as before
            name = f"c{number}.png"
            for folder in ("images", *(f"labels/{rater}" for rater in RATERS)):
                (turned / folder / name).write_bytes((data / folder / name).read_bytes())
        out = tmp_path / "out"
        bundle("evaluating", "evaluate.yaml", dataset_dir=str(turned), models=str(member), output_dir=str(out))
        for path in (member / "held_out" / "prob").iterdir():
            own, other = (read_image(folder / "prob" / path.name).array for folder in (member / "held_out", out))
            np.testing.assert_array_equal(own, other[::-1])
            own, other = (read_image(of / "masks" / f"{path.stem}.png").array for of in (member / "held_out", out))
            np.testing.assert_array_equal(own, other)
        tables = [pd.read_csv(folder / "scores.csv") for folder in (member / "held_out", out)]
        pd.testing.assert_frame_equal(*tables)

    @pytest.mark.parametrize("classes", [{"bright": 7, "dark": 3}, {"bright": 3, "dim": 7}])
    def test_a_model_of_other_ones_is_refused(self, member: Path, tmp_path: Path, classes: dict[str, int]) -> None:
        other = draw_dataset(tmp_path / "discs", classes)
        words = {"dataset_dir": str(other), "models": str(member), "output_dir": str(tmp_path / "out"), "cases": ["c0"]}
        held_out = read_members([member / "model.pt"])[0].held_out
        with pytest.raises(DataError, match=r"but the model was trained on the classes bright \(3\), dark \(7\)"):
            bundle("evaluating", "evaluate.yaml", **words | {"cases": list(held_out)})
        assert not (tmp_path / "out").exists()

    def test_first_weights_of_other_outputs_are_refused(self, member: Path, tmp_path: Path) -> None:
        other = draw_dataset(tmp_path / "other", dict(reversed(EXCLUSIVE.items())), n=5, first=20)
        with pytest.raises(UsageError, match=r"initialise_from .*trained on the classes bright .* same order"):
            train(other, tmp_path / "out", initialise_from=str(member / "model.pt"))


def test_a_class_that_no_training_image_has_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = draw_dataset(tmp_path / "data", n=4, without={number: ["dark"] for number in range(4)})
    with caplog.at_level(logging.WARNING, logger="segassay"):
        out = train(data, tmp_path / "m", iterations_per_epoch=2, epochs=1, rater="anna")
    said = [record.message for record in caplog.records if "no pixel of the class" in record.message]
    assert len(said) == 1
    assert "the class dark in any of the" in said[0]
    table = pd.read_csv(out / "held_out" / "agreement.csv")
    assert set(table["class"]) == {"bright", "dark"}


def test_classes_without_any_pixel_cannot_be_trained(tmp_path: Path) -> None:
    data = draw_dataset(tmp_path / "data", n=4, without={number: ["bright", "dark"] for number in range(4)})
    with pytest.raises(DataError, match="has no object in any of"):
        train(data, tmp_path / "m", rater="anna")


@pytest.mark.parametrize("value", [300, 65_000])
def test_values_beyond_a_byte_are_kept(tmp_path: Path, value: int) -> None:
    data = draw_dataset(tmp_path / "data", {"bright": value, "dark": 2}, n=4, raters=["anna"])
    out = train(data, tmp_path / "m", rater="anna")
    mask = read_image(next((out / "held_out" / "masks").iterdir())).array
    assert set(np.unique(mask)) == {0, 2, value}
