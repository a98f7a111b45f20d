"""ImageJ itself opens what is written: ROIs are filled by its own rule, label images and pixel sizes by its own reader.

Runs where the environment variable `SEGASSAY_IJ_JAR` names ImageJ's ij.jar and JPype is installed. Debian's package
libij-java has it in /usr/share/java.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outline_scenes import DRAWN, noisy_labels
from rois import read_filled
from segassay.io.images import Picture, write_labels, write_map, write_mask
from segassay.io.rois import write_rois

JAR = os.environ.get("SEGASSAY_IJ_JAR", "")
if not JAR:
    pytest.skip("SEGASSAY_IJ_JAR names no ij.jar, so ImageJ was not asked", allow_module_level=True)
jpype = pytest.importorskip("jpype", reason="JPype is not installed, so that Java cannot be called")


@pytest.fixture(scope="module")
def ij() -> Any:
    if not jpype.isJVMStarted():
        jpype.startJVM("-Djava.awt.headless=true", "-Xmx512m", classpath=[JAR])
    return jpype.JPackage("ij")


def filled_by_imagej(ij: Any, path: Path, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Name of each ROI -> the pixels that ImageJ's Edit › Fill changes."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            roi = ij.io.RoiDecoder(jpype.JArray(jpype.JByte)(archive.read(name)), name).getRoi()
            image = ij.process.ByteProcessor(shape[-1], shape[-2])
            image.setValue(255)
            image.fill(roi)
            found[str(roi.getName())] = np.array(image.getPixels()).reshape(shape[-2:]) != 0
    return found


@pytest.mark.parametrize("labels", [*DRAWN.values(), *(noisy_labels(seed) for seed in range(50))])
def test_no_pixel_is_wrong(ij: Any, tmp_path: Path, labels: np.ndarray) -> None:
    labels = labels.astype(np.int32)
    write_rois(tmp_path / "a.zip", labels)
    found = filled_by_imagej(ij, tmp_path / "a.zip", labels.shape)
    assert len(found) == len(np.unique(labels[labels > 0]))
    for name, pixels in found.items():
        np.testing.assert_array_equal(pixels, labels == int(name))
        np.testing.assert_array_equal(pixels, read_filled(tmp_path / "a.zip", labels.shape)[name])


def test_planes_names_and_confidence(ij: Any, tmp_path: Path) -> None:
    labels = np.zeros((12, 4, 5), np.int32)
    labels[10, 1:3, 1:3] = 7
    for n_channels, place in ((1, (11, 11)), (2, (0, 11))):
        write_rois(tmp_path / "a.zip", labels, {7: 0.25}, n_channels=n_channels)
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            (name,) = archive.namelist()
            roi = ij.io.RoiDecoder(jpype.JArray(jpype.JByte)(archive.read(name)), name).getRoi()
        assert name == "0007_z11.roi"
        assert (roi.getPosition(), roi.getZPosition()) == place
        assert float(str(roi.getProperty("confidence"))) == 0.25


@pytest.mark.parametrize("corner", [40_000, 65_530, 70_000, 2**24 - 20])
def test_far_from_the_origin(ij: Any, tmp_path: Path, corner: int) -> None:
    labels = np.zeros((3, corner + 12), np.uint8)
    labels[:2, corner : corner + 9] = 1
    labels[0, corner + 4] = 0
    write_rois(tmp_path / "a.zip", labels)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        data = archive.read("0001.roi")
    roi = ij.io.RoiDecoder(jpype.JArray(jpype.JByte)(data), "a.roi").getRoi()
    bounds = roi.getBounds()
    assert (bounds.x, bounds.y, bounds.width, bounds.height) == (corner, 0, 9, 2)
    inside = [bool(roi.contains(x, y)) for y in range(2) for x in range(corner - 1, corner + 10)]
    assert inside == (labels[:2, corner - 1 : corner + 10] > 0).ravel().tolist()


FLAT = np.arange(40).reshape(5, 8)
DEEP = np.arange(120).reshape(3, 5, 8)


def opened(ij: Any, path: Path) -> tuple[Any, np.ndarray]:
    """The image as ImageJ opens it, and its pixels as real numbers."""
    image = ij.IJ.openImage(str(path))
    stack = image.getStack()
    planes = [np.array(stack.getProcessor(z + 1).convertToFloat().getPixels()) for z in range(stack.getSize())]
    return image, np.array(planes).reshape(-1, image.getHeight(), image.getWidth())


@pytest.mark.parametrize("values", [FLAT, DEEP], ids=["image", "volume"])
@pytest.mark.parametrize(
    ("write", "factor", "bits"), [(write_labels, 1, 16), (write_labels, 70_000, 32), (write_map, 0.5, 32)]
)
def test_pixels_and_pixel_size(
    ij: Any, tmp_path: Path, values: np.ndarray, write: Any, factor: float, bits: int
) -> None:
    like = Picture(values[None], spacing_um=(2.5, 0.325, 0.1625)[-values.ndim :])
    for suffix in (".tif", ".ome.tif"):
        write(tmp_path / f"a{suffix}", values * factor, like)
        image, pixels = opened(ij, tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(pixels.reshape(values.shape), values * factor)
        assert image.getBitDepth() == bits
    image, _ = opened(ij, tmp_path / "a.tif")
    size = image.getCalibration()
    assert str(size.getUnit()) == "µm"
    assert (size.pixelHeight, size.pixelWidth) == pytest.approx((0.325, 0.1625), rel=1e-12)
    if values.ndim == 3:
        assert size.pixelDepth == 2.5
        assert (image.getNSlices(), image.getNChannels(), image.getNFrames()) == (3, 1, 1)


def test_a_mask_is_black_and_white(ij: Any, tmp_path: Path) -> None:
    write_mask(tmp_path / "a.tif", FLAT > 20, Picture(FLAT[None], spacing_um=(0.5, 0.5)))
    image, pixels = opened(ij, tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels[0], (FLAT > 20) * 255.0)
    assert image.getBitDepth() == 8
    assert not image.isInvertedLut()
