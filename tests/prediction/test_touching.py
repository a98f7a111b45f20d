"""Predictions of models that tell touching objects apart: in memory, in windows, in every table and file."""

from pathlib import Path

import numpy as np
import pytest
from roifile import roiread

from drawn_members import write_members
from large_images import write_blobs
from registered import assert_served_as_predicted
from segassay.io.images import read_image, read_mask
from segassay.masks.objects import label_objects
from segassay.masks.overlaps import match_objects
from segassay_monai.prediction import large as module
from segassay_monai.prediction.run import predict


@pytest.fixture(scope="module")
def touching(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_members(tmp_path_factory.mktemp("touching"), dataset, seeds=(14, 16), objects="touching")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blobs of many sizes that touch, over the whole image."""
    return write_blobs(tmp_path_factory.mktemp("large") / "images" / "big.tif", (97, 131), radius=6, n=60)


@pytest.mark.parametrize("tile", [16, 40])
def test_no_object_is_cut_where_two_windows_meet(
    touching: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    whole = predict(touching, image, out=tmp_path / "whole", min_object_size=3)
    monkeypatch.setattr(module, "LARGEST", 100)
    parts = predict(touching, image, out=tmp_path / "parts", save=["mask"], min_object_size=3, tile=tile)
    one, other = (read_mask(done.out / "instances" / "big.tif") for done in (whole, parts))
    prob = read_image(predict(touching, image, out=tmp_path / "p", save=["prob"]).out / "prob" / "big.tif").array[0]
    assert one.max() > label_objects(prob > 0.5, min_size=3).max() + 5, "the depth divides"
    np.testing.assert_array_equal(one > 0, other > 0)
    matches = match_objects(one, other)  # the last digits of a depth may move single pixels between parts
    assert matches.n_a == matches.n_b == matches.tp[8], "all at IoU 0.9"
    assert len(parts.objects) == len(whole.objects) == one.max()
    np.testing.assert_allclose(parts.objects["area_px"], whole.objects["area_px"], atol=2)
    assert Path(parts.annotations["path"].item()).parts[-2:] == ("instances", "big.tif")
    assert len(roiread(whole.out / "rois" / "big.zip")) == one.max()


def test_the_option_to_split_changes_nothing(touching: Path, image: Path, tmp_path: Path) -> None:
    done = [predict(touching, image, out=tmp_path / str(split), split_touching=split) for split in (False, True)]
    one, other = (read_mask(each.out / "instances" / "big.tif") for each in done)
    np.testing.assert_array_equal(one, other)


def test_ignored_areas_hold_no_part_of_an_object(touching: Path, dataset: Path, tmp_path: Path) -> None:
    done = predict(touching, dataset, out=tmp_path / "out")
    assert len(done.cases) == 6
    for case, n in zip(done.cases["case"], done.cases["n_objects"], strict=True):
        assert read_mask(next((done.out / "instances").glob(f"{case}.*"))).max() == n


def test_a_registered_model_gives_the_foreground(
    touching: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_store: object
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path))
    assert_served_as_predicted(touching, image, tmp_path)


def test_another_backend_predicts_the_same(touching: Path, image: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: pip install segassay[onnx]")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segassay[onnx]")
    words = {"torch": tmp_path / "torch", "onnxruntime": tmp_path / "onnxruntime"}
    labels = [
        read_mask(predict(touching, image, out=out, backend=backend).out / "instances" / "big.tif")
        for backend, out in words.items()
    ]
    matches = match_objects(*labels)
    assert matches.n_a == matches.n_b == matches.tp[8]
