"""Large images of each kind, by windows as in memory: OME-Zarr, volumes, touching objects, unlike the training."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.testing import assert_array_equal

from drawn_members import write_members
from ome_zarr import write_ome_zarr
from segassay.data.dataset import read_dataset
from segassay.io import rois
from segassay.io.images import read_image
from segassay.io.windows import open_windows
from segassay_monai.ensemble.familiar import description_path, read_member_network
from segassay_monai.ensemble.image_features import intensity_features, network_features
from segassay_monai.ensemble.members import pixel_hash
from segassay_monai.prediction import large, large_files, window_run
from segassay_monai.prediction.large import LargePixels
from segassay_monai.prediction.run import Predicted, predict


@pytest.fixture(scope="module")
def volume_models(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Members for volumes with thick planes."""
    return write_members(tmp_path_factory.mktemp("volumes"), dataset, seeds=(3,), spacing=(1, 1, 1))


def blobs(*shape: int) -> np.ndarray:
    """Bright blobs, some of which touch."""
    rng = np.random.default_rng(1)
    grid = np.indices(shape)
    pixels = rng.normal(300, 20, shape)
    for _ in range(10):
        middle = [int(rng.integers(0, length)) for length in shape]
        square = sum((place - centre) ** 2 for place, centre in zip(grid, middle, strict=True))
        pixels += 900 * np.exp(-square / (2 * rng.integers(2, 6) ** 2))
    return pixels.astype(np.uint16)


IMAGE = blobs(52, 75)


def both(
    model: Path, image: Path, out: Path, monkeypatch: pytest.MonkeyPatch, tile: int = 16, **words: object
) -> tuple[Predicted, Predicted]:
    """The same image in memory and by windows."""
    words = {"save": ["all"]} | words
    whole = predict(model, image, out=out / "whole", **words)
    with monkeypatch.context() as patch:
        patch.setattr(large, "LARGEST", 100)
        patch.setattr(window_run, "_STRIP", 1)  # one row, or plane, at a time
        parts = predict(model, image, out=out / "parts", tile=tile, **words)
    for done in (whole, parts):
        assert done.failed.empty, done.failed.to_dict("records")
    return whole, parts


def same(whole: Predicted, parts: Predicted, least: int = 2) -> dict[str, Path]:
    """Check that all files and tables agree; the files of the parts by their folder."""
    pd.testing.assert_frame_equal(parts.objects, whole.objects, rtol=1e-4)
    pd.testing.assert_frame_equal(parts.cases, whole.cases, rtol=1e-4)
    paths = ["path", "prob", "uncertainty"]
    pd.testing.assert_frame_equal(parts.annotations.drop(columns=paths), whole.annotations.drop(columns=paths))
    assert len(whole.objects) >= least
    found = {}
    for folder in ("masks", "instances", "prob", "uncertainty", "disagreement", "doubt"):
        ours, theirs = (next(iter((done.out / folder).iterdir())) for done in (parts, whole))
        mine, other = read_image(ours), read_image(theirs)
        np.testing.assert_allclose(mine.array, other.array, atol=0 if folder in ("masks", "instances") else 3e-6)
        if not theirs.name.endswith(".png"):
            assert (ours.name, mine.spacing_um) == (theirs.name, other.spacing_um)
            assert_array_equal(mine.affine, other.affine)
        found[folder] = ours
    for folder in ("rois", "overlays", "geojson"):
        ours, theirs = (next(iter((done.out / folder).iterdir())) for done in (parts, whole))
        if folder == "overlays":
            assert ours.read_bytes() == theirs.read_bytes()
        else:
            assert ours.name == theirs.name
    return found


def test_an_ome_zarr_becomes_ome_tiff_with_its_pixel_size(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_ome_zarr(tmp_path / "images" / "a.ome.zarr", IMAGE, scale=(0.5, 0.25), chunk=(20, 20))
    files = same(*both(models, path, tmp_path, monkeypatch))
    assert files["masks"].name == "a.ome.tif"
    assert read_image(files["instances"]).spacing_um == (0.5, 0.25)
    with tifffile.TiffFile(files["masks"]) as file:
        assert file.is_ome
        assert file.pages.first.is_tiled


@pytest.mark.parametrize("is_volume", [False, True])
def test_objects_as_large_as_the_image_are_measured_and_outlined_in_strips(
    models: Path,
    volume_models: Path,
    is_volume: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(large_files, "_BLOCK", {2: 3, 3: 3})
    monkeypatch.setattr(large_files, "_STRIP", 100)
    path = tmp_path / "images" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, blobs(13, 22, 29) if is_volume else IMAGE, metadata={"axes": "ZYX"[not is_volume :]})
    whole, parts = both(volume_models if is_volume else models, path, tmp_path, monkeypatch)
    monkeypatch.setattr(rois, "_STRIP", 100)
    again = both(volume_models if is_volume else models, path, tmp_path / "again", monkeypatch)[1]
    same(whole, parts, least=1)
    for name in ("rois/a.zip", "geojson/a.geojson"):
        assert (again.out / name).read_bytes() == (parts.out / name).read_bytes()
    assert whole.objects["area_px"].max() > 60


def test_a_folder_of_zarr_images_is_read_like_one_of_files(models: Path, tmp_path: Path) -> None:
    """Also where folders are searched: an OME-Zarr is one image, and no folder of images."""
    for version, place in ((2, "a.ome.zarr"), (3, "deep/b.zarr")):
        write_ome_zarr(tmp_path / "images" / place, IMAGE, version=version)
    tifffile.imwrite(tmp_path / "images" / "c.tif", IMAGE)
    (tmp_path / "images" / "d.zarr" / "0").mkdir(parents=True)
    done = predict(models, tmp_path / "images", out=tmp_path / "out", recursive=True, save=["mask"])
    assert list(done.cases["image"]) == ["a.ome.zarr", "c.tif", "deep/b.zarr"]
    assert list(done.cases["case"]) == ["a", "c", "deep__b"]
    assert done.cases["n_objects"].nunique() == 1
    assert done.failed["file"].tolist() == [str(tmp_path / "images" / "d.zarr")]
    assert "has no `multiscales`" in done.failed["what"].item()
    again = predict(models, tmp_path / "images" / "a.ome.zarr", out=tmp_path / "one", save=["mask"])
    assert again.cases["image"].item() == "a.ome.zarr"


def test_touching_objects_are_separated_as_in_memory(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    words = {"min_object_size": 12}
    whole, parts = both(models, tmp_path / "a.tif", tmp_path, monkeypatch, split_touching=True, **words)
    same(whole, parts)
    joined = predict(models, tmp_path / "a.tif", out=tmp_path / "joined", save=["mask"], **words)
    assert len(joined.objects) < len(whole.objects)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.ome.tif", "a.tif", "a.ome.zarr"])
def test_volumes(volume_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    volume, path = blobs(13, 22, 29), tmp_path / name
    if name == "a.nii.gz":
        image = nibabel.Nifti1Image(volume.T, np.array([[0, 0.2, 0, 7], [0.2, 0, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1]]))
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
    elif name == "a.ome.zarr":
        write_ome_zarr(path, volume, "zyx", chunk=(4, 16, 16), scale=(2, 0.5, 0.5))
    else:
        size = {"PhysicalSizeZ": 2, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5} if "ome" in name else {}
        tifffile.imwrite(path, volume, photometric="minisblack", metadata={"axes": "ZYX", **size})
    whole, parts = both(volume_models, path, tmp_path, monkeypatch, split_touching=True, min_object_size=20)
    files = same(whole, parts)
    ending = {"a.nii.gz": ".nii.gz", "a.tif": ".tif"}.get(name, ".ome.tif")
    assert files["masks"].name == f"a{ending}"


def test_windows_of_a_volume_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the network sees more than fits; then windows overlap by less, which the log says."""
    for shape, divisors, halo in (
        ((40, 4096, 4096), (8, 8, 8), (56, 56, 56)),
        ((900, 900, 900), (8, 8, 8), (56, 56, 56)),
        ((900, 900, 900), (16, 16, 16), (112, 112, 112)),
        ((60, 3000, 3000), (2, 8, 8), (20, 56, 56)),
    ):
        core, used = window_run._sides(shape, divisors, halo, None)
        wide = [min(side + 2 * h, length) for side, h, length in zip(core, used, shape, strict=True)]
        assert np.prod(wide) <= window_run._VOXELS
        assert all(side % divisor == 0 for side, divisor in zip(core, divisors, strict=True))
        assert (used == list(halo)) == (divisors[2] == 8)


def test_images_unlike_those_of_the_training_are_found_by_the_same_numbers(
    dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_members(tmp_path / "members", dataset, seeds=(14,)) / "s14" / "model.pt"
    network, settings = read_member_network(checkpoint)
    strides = settings.strides
    arrays = [read_image(path).array for path in read_dataset(dataset).images.values()]
    content = {
        "version": 1,
        "n_training": len(arrays),
        "intensity": [[*intensity_features(array, (1, 1)).tolist()] for array in arrays],
        "network": [network_features(array, network, strides).tolist() for array in arrays],
    }
    description_path(checkpoint).write_text(json.dumps(content))
    path = write_ome_zarr(tmp_path / "a.ome.zarr", np.tile(IMAGE, (4, 5)), chunk=(50, 70))
    whole, parts = both(checkpoint, path, tmp_path, monkeypatch, tile=400, save=["mask"], min_object_size=200)
    assert parts.cases["unlike_training"].item() == whole.cases["unlike_training"].item() > 0
    for array in (np.tile(IMAGE, (4, 5))[None], np.stack([np.tile(IMAGE, (3, 3))] * 2)):
        write_ome_zarr(tmp_path / f"{len(array)}.zarr", array, "cyx", chunk=(1, 50, 70))
        monkeypatch.setattr("segassay_monai.ensemble.image_features._MAX_PIXELS", 5000)
        with open_windows(tmp_path / f"{len(array)}.zarr", tmp_path) as image:
            pixels = LargePixels(image)
            assert_array_equal(intensity_features(pixels, (1, 2)), intensity_features(array, (1, 2)))
            step = pixels.every(3)
            assert_array_equal(step, array[:, ::3, ::3])
            if len(array) == 1:
                ours, theirs = (network_features(one, network, strides) for one in (pixels, array))
                assert_array_equal(ours, theirs)


def test_an_image_of_the_training_is_known_by_the_same_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_run, "_STRIP", 1)
    array = np.stack([IMAGE, IMAGE[::-1]])
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": "CYX"})
    with open_windows(tmp_path / "a.tif", tmp_path) as image:
        assert LargePixels(image).hash() == pixel_hash(array)
