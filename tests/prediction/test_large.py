"""Large images by windows: the same files and tables as in memory."""

import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from roifile import roiread

from large_images import write_blobs
from networks import unet
from segassay.errors import DataError
from segassay.io.images import read_image
from segassay_monai.prediction import large as module
from segassay_monai.prediction.run import predict
from segassay_monai.prediction.window_run import receptive_radii

SHAPE = (97, 131)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blobs of many sizes, some of which lie across windows, and dark borders."""
    return write_blobs(tmp_path_factory.mktemp("large") / "images" / "big.tif", SHAPE, radius=12, n=18, dark_rows=20)


@pytest.mark.parametrize("tile", [16, 40])
def test_windows_give_what_the_whole_image_gives(
    models: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    whole = predict(models, image, out=tmp_path / "whole", save=["all"], min_object_size=3)
    monkeypatch.setattr(module, "LARGEST", 100)
    parts = predict(models, image, out=tmp_path / "parts", save=["all"], min_object_size=3, tile=tile)
    for kind in ("prob", "uncertainty", "disagreement", "doubt"):
        ours, theirs = (read_image(done.out / kind / "big.tif").array for done in (parts, whole))
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    labels = [read_image(done.out / "instances" / "big.tif").array for done in (parts, whole)]
    np.testing.assert_array_equal(*labels)
    assert labels[0].max() > 5, labels[0].max()
    mask = read_image(parts.out / "masks" / "big.tif").array
    np.testing.assert_array_equal(mask, read_image(whole.out / "masks" / "big.png").array)
    pd.testing.assert_frame_equal(parts.objects, whole.objects, rtol=1e-5)
    pd.testing.assert_frame_equal(parts.cases, whole.cases, rtol=1e-5)
    assert (parts.out / "overlays" / "big.png").read_bytes() == (whole.out / "overlays" / "big.png").read_bytes()
    rois, expected = ({roi.name for roi in roiread(done.out / "rois" / "big.zip")} for done in (parts, whole))
    assert rois == expected
    assert not list((parts.out / ".records").glob("*.partial"))
    again = predict(models, image, out=tmp_path / "parts", save=["all"], min_object_size=3, tile=tile)
    pd.testing.assert_frame_equal(again.objects, parts.objects)


def test_what_the_network_sees_is_measured_not_guessed() -> None:
    network = unet(0, channels=(4, 8, 8))
    radius, other = receptive_radii(network, in_channels=1, divisors=[4, 4])
    assert radius == other
    assert radius % 4 == 0
    image = torch.randn(1, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    changed = image.clone()
    changed[..., 256, 256] += 100
    with torch.no_grad():
        moved = ((network(image) - network(changed)).abs() > 0)[0, 0].nonzero() - 256
    assert 8 < int(moved.abs().max()) <= radius < 200


def test_a_large_image_with_missing_tiles_fails_with_a_reason(
    models: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    cut = shutil.copytree(image.parent, tmp_path / "cut") / "big.tif"
    data = bytearray(cut.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    cut.write_bytes(data)
    done = predict(models, cut, out=tmp_path / "out")
    assert "truncated or broken" in done.failed["what"].item()
    assert not list((tmp_path / "out" / ".records").iterdir())


def test_an_image_in_no_window_format_is_read_as_a_whole(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "lzw.tif", pixels, compression="lzw", metadata={"axes": "YX"})
    tifffile.imwrite(tmp_path / "plain.tif", pixels, metadata={"axes": "YX"})
    imagecodecs.imwrite(tmp_path / "a.png", pixels)
    opened = {}
    for name in ("lzw.tif", "plain.tif", "a.png"):
        with module.open_large([tmp_path / name], tmp_path / "work") as large:
            opened[name] = large is not None
        assert not (tmp_path / "work").exists()
    assert opened == {"lzw.tif": False, "plain.tif": True, "a.png": False}
    assert len(predict(models, tmp_path / "lzw.tif", out=tmp_path / "out").cases) == 1
    with pytest.raises(DataError), module.open_large([tmp_path / "gone.tif"], tmp_path / "work"):
        pass
