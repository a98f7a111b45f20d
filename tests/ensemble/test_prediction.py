"""What an ensemble says of held-out images: files, uncertainty on one scale, quality, and what MLflow shows of it."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from bundles import bundle
from drawing import draw
from drawn_members import write_members
from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import read_image, read_mask, write_labels
from segassay.qualities.reliability.image_quality import image_quality
from segassay.qualities.scores.table import Agreement
from segassay.simulation.dataset import Simulation, simulate
from segassay.tables.build import build_tables
from segassay_monai.ensemble import prediction as module
from segassay_monai.ensemble.ensemble_net import Prediction, uncertainty
from segassay_monai.ensemble.uncertainty import (
    COLUMNS,
    MEANS,
    summarise_uncertainty,
    uncertainty_metrics,
    uncertainty_row,
)

pytestmark = pytest.mark.usefixtures("own_store")

MAPS = ("prob", "uncertainty", "disagreement", "doubt")


def prediction(*probs: np.ndarray) -> Prediction:
    """What an ensemble says whose members have these probabilities `(*spatial)`."""
    members = torch.from_numpy(np.stack(probs).astype(np.float32))[:, None, None]
    packed = np.packbits((members > 0.5).flatten(2).numpy(), axis=2)
    return Prediction(members.mean(dim=0), uncertainty(members).mean(dim=0), packed)


ANNA, BEN, CLEO = draw("##.. ...."), draw(".##. ...."), draw("##.. ..##")


def test_the_row_of_a_case_by_hand() -> None:
    """Sure members that differ in two of eight pixels; the ensemble marks the pixel that both mark."""
    row = uncertainty_row("7", prediction(ANNA, BEN))
    assert list(row) == list(COLUMNS)
    assert (row["case"], row["n_members"], row["n_pixels"], row["n_foreground"]) == ("7", 2, 8, 1)
    assert [row[name] for name in ("total", "disagreement", "doubt")] == [0.25, 0.25, 0]
    assert [row[f"{name}_foreground"] for name in ("total", "disagreement", "doubt")] == [0, 0, 0]
    assert row["quality"] == 0.5


def test_doubt_is_what_each_member_has_of_its_own() -> None:
    row = uncertainty_row("7", prediction(np.array([[0.75, 0.0]]), np.array([[0.75, 0.0]])))
    assert row["doubt"] == row["total"] == pytest.approx(0.811278 / 2, abs=1e-6)
    assert row["doubt_foreground"] == pytest.approx(0.811278, abs=1e-6)
    assert row["disagreement"] == row["disagreement_foreground"] == 0


def test_quality_is_the_mean_dice_of_all_pairs_whatever_their_order() -> None:
    expected = np.mean([0.5, 2 * 2 / 6, 2 * 1 / 6])
    for members in itertools.permutations([ANNA, BEN, CLEO]):
        assert uncertainty_row("7", prediction(*members))["quality"] == pytest.approx(expected)


def test_ignored_pixels_and_those_outside_the_region_do_not_count() -> None:
    both = prediction(ANNA, BEN)
    row = uncertainty_row("7", both, ignore=draw("#... ...."), region=draw("###. ####"))
    assert (row["n_pixels"], row["n_foreground"]) == (6, 1)
    assert row["total"] == pytest.approx(1 / 6)
    assert row["quality"] == pytest.approx(2 / 3)
    nothing = uncertainty_row("7", both, ignore=draw("#### ####"))
    assert nothing["n_pixels"] == 0
    assert all(np.isnan(nothing[name]) for name in MEANS if name != "quality")


def test_without_foreground_its_means_are_undefined_and_empty_masks_agree() -> None:
    row = uncertainty_row("7", prediction(np.zeros((2, 4)), np.full((2, 4), 0.25)))
    assert row["n_foreground"] == 0
    assert np.isnan([row[name] for name in MEANS if name.endswith("_foreground")]).all()
    assert row["total"] > row["doubt"] > 0
    assert row["quality"] == 1


def test_a_single_member_has_no_quality() -> None:
    row = uncertainty_row("7", prediction(np.full((2, 4), 0.75)))
    assert row["disagreement"] == 0
    assert np.isnan(row["quality"])


def test_undefined_values_are_left_out_and_counted() -> None:
    rows = [uncertainty_row("1", prediction(ANNA)), uncertainty_row("2", prediction(np.zeros((2, 4))))]
    summary = summarise_uncertainty(pd.DataFrame(rows))
    assert list(summary["measure"]) == list(MEANS)
    metrics = uncertainty_metrics(summary)
    assert "reliability/uncertainty.n_undefined" not in metrics
    assert metrics["reliability/quality.n_undefined"] == 2
    assert metrics["reliability/uncertainty_doubt_foreground.n_undefined"] == 1
    assert metrics["reliability/uncertainty_doubt_foreground"] == 0
    assert np.isnan(metrics["reliability/quality"])


def test_volumes_without_affine_are_written_as_tiff_stacks(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    write_labels(image, np.zeros((3, 5, 4), dtype=int))
    writer = module.WritePredictions(tmp_path, {"a": image})
    said = prediction(*np.random.default_rng(0).random((2, 3, 5, 4)))
    engine = SimpleNamespace(network=SimpleNamespace(last=said), state=SimpleNamespace(batch=[{"case": "a"}]))
    writer._write(engine)
    for kind, values in zip(MAPS, (said.prob, said.total, said.disagreement, said.doubt), strict=True):
        np.testing.assert_array_equal(read_image(tmp_path / kind / "a.tif").array[0], values[0, 0])
    assert read_mask(tmp_path / "masks" / "a.tif").shape == (3, 5, 4)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(30, 44), n_cases=6, images_per_subject=1, n_nuclei=4)
    return simulate(tmp_path_factory.mktemp("evaluation") / "data", settings)


@pytest.fixture(scope="module")
def models(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("models"), dataset, seeds=(0, 1, 2))


def evaluate(dataset: Path, models: Any, out: Path, **settings: Any) -> Path:
    paths = {"dataset_dir": str(dataset), "models": models, "output_dir": str(out), "n_figures": 0}
    bundle("evaluating", "evaluate.yaml", **paths | settings)
    return out


def infer(images: Path, models: Any, out: Path, **settings: Any) -> Path:
    paths = {"dataset_dir": str(images), "models": str(models), "output_dir": str(out)}
    bundle("inference", "inference.yaml", **paths, **settings)
    return out


def maps(folder: Path, kind: str) -> np.ndarray:
    return np.stack([read_image(path).array[0] for path in sorted((folder / kind).iterdir())])


def last_metrics() -> dict[str, float]:
    (run, *_) = mlflow.search_runs(experiment_names=["simulation_0"], output_format="list")
    return dict(run.data.metrics)


def test_uncertainty_of_an_ensemble_has_two_parts_in_files_table_and_mlflow(
    dataset: Path, models: Path, tmp_path: Path
) -> None:
    singles = [evaluate(dataset, [str(models / f"s{seed}" / "model.pt")], tmp_path / f"s{seed}") for seed in range(3)]
    alone = pd.read_csv(singles[0] / "uncertainty.csv", dtype={"case": str})
    assert (alone["disagreement"] == 0).all()
    assert not maps(singles[0], "disagreement").any()
    assert alone["quality"].isna().all()
    metrics = last_metrics()
    assert metrics["reliability/quality.n_undefined"] == len(alone) == 3
    assert "reliability/quality" not in metrics
    assert metrics["reliability/uncertainty_disagreement"] == 0

    ensemble = evaluate(dataset, str(models), tmp_path / "all")
    total, disagreement, doubt = (maps(ensemble, kind) for kind in MAPS[1:])
    np.testing.assert_allclose(disagreement + doubt, total, atol=1e-6)
    np.testing.assert_allclose(doubt, np.mean([maps(single, "uncertainty") for single in singles], axis=0), atol=1e-6)
    assert disagreement.max() > 0.05

    table = pd.read_csv(ensemble / "uncertainty.csv", dtype={"case": str})
    assert list(table.columns) == list(COLUMNS)
    assert list(table["case"]) == [path.name.removesuffix(".tif") for path in sorted((ensemble / "doubt").iterdir())]
    assert set(table["n_members"]) == {3}
    marked = maps(ensemble, "prob") > 0.5
    for name, values in (("total", total), ("disagreement", disagreement), ("doubt", doubt)):
        np.testing.assert_allclose(table[name], values.mean(axis=(1, 2)), rtol=1e-5)
        expected = [values[i][marked[i]].mean() for i in range(3)]
        np.testing.assert_allclose(table[f"{name}_foreground"], expected, rtol=1e-5)
        shown = last_metrics()["reliability/uncertainty" + ("" if name == "total" else f"_{name}")]
        assert shown == pytest.approx(table[name].mean())
    assert last_metrics()["reliability/quality"] == pytest.approx(table["quality"].mean())
    assert "reliability/quality.n_undefined" not in last_metrics()

    rows = pd.concat(
        [
            pd.read_csv(single / "annotations.csv", dtype=str).assign(
                path=lambda t, s=single: s.as_posix() + "/" + t["path"]
            )
            for single in singles
        ]
    )
    rows.drop(columns=["prob", "uncertainty"]).to_csv(tmp_path / "members.csv", index=False)
    annotations = read_annotations(read_dataset(dataset), tmp_path / "members.csv")
    tables = build_tables(read_dataset(dataset), annotations, n_jobs=1)
    quality = image_quality(Agreement(tables.agreement, tables.leave_one_out), annotations).squeeze(axis=1)
    assert quality[table["case"]].tolist() == pytest.approx(table["quality"].tolist())
    assert 0 < table["quality"].min() < table["quality"].max() < 1


def test_flips_and_windows_are_settings_of_every_prediction(dataset: Path, models: Path, tmp_path: Path) -> None:
    plain = infer(dataset, models, tmp_path / "plain")
    flipped = infer(dataset, models, tmp_path / "flipped", flips=True)
    windows = infer(dataset, models, tmp_path / "windows", max_pixels=160)  # less than an eighth of an image
    levels = infer(dataset, models, tmp_path / "levels", max_pixels=600)
    probs = [maps(folder, "prob") for folder in (plain, flipped, windows)]
    assert probs[0].shape == (6, 30, 44)
    np.testing.assert_allclose(maps(levels, "prob"), probs[0], atol=1e-5)
    for other in probs[1:]:
        assert 1e-3 < np.abs(probs[0] - other).max() < 0.5
    table = pd.read_csv(plain / "uncertainty.csv", dtype={"case": str})
    assert list(table["case"]) == [f"case_{i:04}" for i in range(6)]
    assert table["quality"].notna().all()
    with pytest.raises(UsageError, match="--flips sometimes: expected True or False"):
        infer(dataset, models, tmp_path / "wrong", flips="sometimes")
    with pytest.raises(UsageError, match="--max_pixels 0: expected 1 or more"):
        infer(dataset, models, tmp_path / "wrong", max_pixels=0)


def test_ignored_areas_stay_out_of_the_means(dataset: Path, models: Path, tmp_path: Path) -> None:
    data = read_dataset(dataset)
    writer = module.WritePredictions(tmp_path, data.images, dataset=data)
    evaluator = SimpleNamespace(
        network=SimpleNamespace(last=prediction(np.zeros((30, 44)), np.ones((30, 44)))),
        state=SimpleNamespace(batch=[{"case": data.cases[0]}]),
    )
    with pytest.MonkeyPatch.context() as patch:
        ignored = np.zeros((30, 44), dtype=bool)
        ignored[:10] = True
        patch.setattr(module, "read_case_ignore", lambda dataset, case: ignored)
        writer._write(evaluator)
    assert writer.uncertainty().loc[0, "n_pixels"] == 20 * 44


def test_anisotropic_volumes_are_predicted_by_the_network_of_the_checkpoint(tmp_path: Path) -> None:
    spacing = (3.0, 1.0, 1.0)
    settings = Simulation(shape=(7, 20, 26), n_cases=6, images_per_subject=1, n_nuclei=3, spacing_um=spacing)
    folder = simulate(tmp_path / "data", settings)
    models = write_members(tmp_path / "models", folder, seeds=(0, 1), spacing=spacing)
    out = evaluate(folder, str(models), tmp_path / "out", max_pixels=2000)
    (name, *_) = sorted(path.name for path in (out / "masks").iterdir())
    image = read_image(folder / "images" / name)
    for kind in MAPS:
        written = read_image(out / kind / name)
        assert written.array.shape == (1, 7, 20, 26)
        np.testing.assert_array_equal(written.affine, image.affine)


def test_members_of_different_networks_and_old_checkpoints_are_refused(
    dataset: Path, models: Path, tmp_path: Path
) -> None:
    content = torch.load(models / "s0" / "model.pt", weights_only=True)
    content["network"]["strides"] = [[1, 2]]
    torch.save(content, tmp_path / "other.pt")
    del content["network"]
    torch.save(content, tmp_path / "old.pt")
    with pytest.raises(DataError, match=r"other\.pt: its network differs from that of \S+model\.pt \(strides"):
        evaluate(dataset, [str(models / "s1" / "model.pt"), str(tmp_path / "other.pt")], tmp_path / "out")
    for run in (evaluate, infer):
        with pytest.raises(DataError, match=r"old\.pt: does not hold the settings of its network.* train it again"):
            run(dataset, str(tmp_path / "old.pt"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_checkpoint_says_of_its_network_can_be_overridden(dataset: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s0.model\.pt: the weights do not fit the network"):
        evaluate(dataset, str(models), tmp_path / "out", channels=[4, 8])
    with pytest.raises(DataError, match="expected 2 steps of 2 axes"):
        evaluate(dataset, str(models), tmp_path / "out", channels=[4, 8, 16])
