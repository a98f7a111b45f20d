"""Volumes with thick slices through the same configurations: trained with an overlay, then evaluated and predicted."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser, run

from bundles import TINY, bundle
from segassay.io.images import read_image, read_mask
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import WORKFLOW
from segassay_monai.ensemble.network import network_strides, size_divisor

pytestmark = pytest.mark.usefixtures("own_store", "unlogged_models")

CONFIGS = [str(config_path(name)) for name in ("train.yaml", "spatial_3d.yaml")]
SHAPE, SPACING_UM = (8, 32, 40), (3.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=SHAPE, n_cases=4, images_per_subject=1, n_nuclei=5, spacing_um=SPACING_UM)
    return simulate(tmp_path_factory.mktemp("volumes") / "data", settings)


def train_volumes(dataset: Path, out: Path, **settings: Any) -> Path:
    paths: dict[str, Any] = {"dataset_dir": str(dataset), "output_dir": str(out), "logging_file": False}
    settings = TINY | {"tile_size": [8, 16, 16]} | settings
    run(run_id="training", config_file=CONFIGS, workflow_name=WORKFLOW, **paths | settings)
    return out


@pytest.fixture(scope="module")
def member(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_volumes(dataset, tmp_path_factory.mktemp("member") / "m")


def test_a_member_learns_from_volumes_and_scores_those_held_out(dataset: Path, member: Path) -> None:
    checkpoint = torch.load(member / "model.pt", weights_only=True)
    assert checkpoint["network"]["spatial_dims"] == 3
    assert checkpoint["network"]["strides"] == [[1, 2, 2]]  # thick slices are not halved with their plane
    held_out = checkpoint["member"]["held_out"]
    scores = pd.read_csv(member / "held_out" / "agreement.csv", dtype={"case": str})
    assert set(scores["case"]) == set(held_out)
    assert (scores["n_a"] > 0).all()
    for case in held_out:
        image = read_image(dataset / "images" / f"{case}.nii.gz")
        prob = read_image(member / "held_out" / "prob" / f"{case}.nii.gz")
        mask = read_mask(member / "held_out" / "masks" / f"{case}.nii.gz") > 0
        np.testing.assert_array_equal(prob.affine, image.affine)
        assert prob.array.shape == image.array.shape == (1, *SHAPE)
        np.testing.assert_array_equal(mask, prob.array[0] > 0.5)
        assert (member / "held_out" / "figures" / f"{case}.png").is_file()


def test_evaluation_needs_no_overlay(dataset: Path, member: Path, tmp_path: Path) -> None:
    paths = {"dataset_dir": str(dataset), "models": str(member), "output_dir": str(tmp_path / "out")}
    bundle("evaluating", "evaluate.yaml", **paths)
    tables = [(folder / "agreement.csv").read_bytes() for folder in (member / "held_out", tmp_path / "out")]
    assert tables[0] == tables[1]


def predict(images: Path, member: Path, out: Path, **settings: Any) -> np.ndarray:
    """Probabilities of all images, `(n, *spatial)`."""
    paths = {"dataset_dir": str(images), "models": str(member), "output_dir": str(out)}
    bundle("inference", "inference.yaml", **paths, **settings)
    return np.stack([read_image(path).array[0] for path in sorted((out / "prob").iterdir())])


def test_a_volume_above_the_allowance_is_predicted_in_windows(
    dataset: Path, member: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    monkeypatch.setattr("segassay_monai.ensemble.inferer.SlidingWindowInferer", _recording(sizes))
    whole = predict(dataset / "images", member, tmp_path / "whole")
    assert not sizes
    n_voxels = int(np.prod(SHAPE))
    fewer = n_voxels // 9  # than those of which an eighth allows level by level
    windows = predict(dataset / "images", member, tmp_path / "windows", max_pixels=fewer)
    assert sizes
    assert max(map(np.prod, sizes)) <= fewer
    assert windows.shape == whole.shape == (4, *SHAPE)
    difference = np.abs(windows - whole)
    assert 0 < np.quantile(difference, 0.9) < 0.05  # they differ at borders of windows, where less is seen


def _recording(sizes: list[tuple[int, ...]]) -> Any:
    from monai.inferers import SlidingWindowInferer

    def build(roi: Any, **settings: Any) -> SlidingWindowInferer:
        sizes.append(tuple(roi))
        return SlidingWindowInferer(roi, **settings)

    return build


def test_predictions_have_the_affine_of_their_image(dataset: Path, member: Path, tmp_path: Path) -> None:
    """An oblique one, with another axis order and an origin."""
    (tmp_path / "images").mkdir()
    array = read_image(dataset / "images" / "case_0000.nii.gz").array[0]
    affine = np.array([[0, 0.8, -0.6, 7], [0, 0.6, 0.8, -3], [-3, 0, 0, 11], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "images" / "case_0000.nii.gz")
    prob = predict(tmp_path / "images", member, tmp_path / "out")[0]
    for kind in ("prob", "masks", "instances"):
        written = read_image(tmp_path / "out" / kind / "case_0000.nii.gz")
        np.testing.assert_allclose(np.asarray(written.affine), affine, atol=1e-6)
        assert written.array.shape == (1, *SHAPE)
    np.testing.assert_array_equal(prob, predict(dataset / "images", member, tmp_path / "all")[0])


@pytest.mark.parametrize(
    ("spacing_um", "shape"),
    [
        ((1.0, 1.0, 1.0), [64, 64, 64]),
        ((3.0, 1.0, 1.0), [40, 80, 80]),
        ((1.0, 1.0, 3.0), [80, 80, 40]),
        ((10.0, 1.0, 1.0), [16, 128, 128]),
    ],
)
def test_a_tile_of_thick_slices_has_fewer_of_them(spacing_um: tuple[float, ...], shape: list[int]) -> None:
    parser = ConfigParser()
    parser.read_config(CONFIGS[1])
    parser["imports"] = ["$import segassay_monai"]
    parser["strides"] = network_strides(spacing_um, 4)
    assert parser.get_parsed_content("tile_size") == shape
    assert all(
        length % step == 0 for length, step in zip(shape, size_divisor(network_strides(spacing_um, 4)), strict=True)
    )


def test_the_overlay_names_only_settings_that_exist() -> None:
    plain, both = ConfigParser(), ConfigParser()
    plain.read_config(CONFIGS[0])
    both.read_config(CONFIGS)
    assert set(both.get()) == set(plain.get())
    assert both.get("spatial_dims") == 3
