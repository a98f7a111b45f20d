"""Windows of large files: the same pixels as of the whole file, in every layout that microscopes write."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from ome_zarr import write_ome_zarr
from segassay.errors import DataError, UsageError
from segassay.io.encoding import encode
from segassay.io.images import read_image
from segassay.io.tiled_files import write_parts
from segassay.io.windows import NiftiWindows, TiffWindows, Windows, open_windows, strips_of

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 6000, (300, 411)).astype(np.uint16)
COLOURS = RNG.integers(0, 255, (300, 411, 3)).astype(np.uint8)
LAYOUTS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "tiles": (GREY, {"tile": (64, 32), "compression": "zlib"}),
    "plain": (GREY, {}),
    "big-endian": (GREY.astype(">u2"), {"byteorder": ">"}),
    "strips": (GREY.astype(np.float32), {"rowsperstrip": 7, "compression": "zlib"}),
    "colours": (COLOURS, {"photometric": "rgb", "tile": (32, 32), "compression": "zlib"}),
    "channels": (np.stack([GREY, GREY[::-1]]), {"metadata": {"axes": "CYX"}, "tile": (32, 32)}),
    "ome": (np.stack([GREY, GREY[::-1]]), {"metadata": {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}}),
}


VOLUME = RNG.integers(0, 6000, (7, 40, 33)).astype(np.int16)
STACKS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "stack.tif": (VOLUME.astype(np.uint16), {"metadata": {"axes": "ZYX"}, "tile": (16, 16)}),
    "channels.tif": (np.stack([VOLUME, VOLUME[::-1]]), {"metadata": {"axes": "CZYX"}}),
    "planes.ome.tif": (np.stack([VOLUME, VOLUME[::-1]], axis=1), {"metadata": {"axes": "ZCYX"}}),
    "colours.tif": (RNG.integers(0, 255, (5, 20, 30, 3)).astype(np.uint8), {"photometric": "rgb"}),
    "imagej.tif": (np.stack([VOLUME.astype(np.uint16)] * 2, axis=1), {"imagej": True, "metadata": {"axes": "ZCYX"}}),
}


def same_windows(image: Windows, path: Path) -> None:
    whole = read_image(path)
    array, shape = whole.array, whole.array.shape[1:]
    found = image.frame
    assert (found.array.shape, found.array.dtype, found.spacing_um) == (array.shape, array.dtype, whole.spacing_um)
    assert found.array.strides == (0,) * array.ndim, "it takes no memory"
    middle = tuple(slice(length // 2 - 1, length // 2 + 1) for length in shape)
    end = tuple(slice(length - 1, length) for length in shape)
    for window in (tuple(slice(0, length) for length in shape), middle, end, (slice(1, 2), *middle[1:])):
        np.testing.assert_array_equal(image.read(*window), array[(slice(None), *window)])
    np.testing.assert_array_equal(np.concatenate(list(strips_of(image, 3)), axis=1), array)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_parts_of_the_whole(tmp_path: Path, layout: str) -> None:
    array, words = LAYOUTS[layout]
    path = tmp_path / ("a.ome.tif" if layout == "ome" else "a.tif")
    tifffile.imwrite(path, array, **{"photometric": "minisblack"} | words)
    with open_windows(path, tmp_path) as image:
        same_windows(image, path)
        whole = read_image(path).array
        for rows, columns in ((slice(63, 65), slice(31, 34)), (slice(100, 101), slice(0, 411))):
            np.testing.assert_array_equal(image.read(rows, columns), whole[:, rows, columns])


@pytest.mark.parametrize("name", STACKS)
def test_windows_of_stacks(tmp_path: Path, name: str) -> None:
    array, words = STACKS[name]
    tifffile.imwrite(tmp_path / name, array, **{"photometric": "minisblack"} | words)
    with open_windows(tmp_path / name, tmp_path) as image:
        same_windows(image, tmp_path / name)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(9, 8, 7), (9, 8, 1), (9, 8), (9, 8, 7, 2), (9, 8, 7, 1, 3), (9, 8, 1, 2)])
def test_windows_of_nifti(tmp_path: Path, ending: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / f"a{ending}"
    volume = nibabel.Nifti1Image(RNG.integers(-9, 9, shape).astype(np.int16), np.diag([0.5, 0.6, 2, 1]))
    if shape == (9, 8, 7):
        volume.header.set_slope_inter(2, 1)
    nibabel.save(volume, path)
    with open_windows(path, tmp_path) as image:
        same_windows(image, path)


def test_a_nifti_that_is_cut_or_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), path)
    content = gzip.decompress(path.read_bytes())
    good = gzip.compress(content)
    for data in (good[:-5000], gzip.compress(content[:-50]), good[:-8] + bytes(8)):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"a\.nii\.gz is truncated or broken"):
            NiftiWindows(path, tmp_path)
    plain = tmp_path / "b.nii"
    plain.write_bytes(content[:-50])
    with pytest.raises(DataError, match="truncated or broken"):
        NiftiWindows(plain, tmp_path).read(slice(0, 7), slice(0, 40), slice(0, 33))


def test_windows_of_zarr(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.ome.zarr", VOLUME, "zyx", chunk=(2, 16, 16), scale=(2, 1, 1))
    with open_windows(path, tmp_path) as image:
        same_windows(image, path)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (GREY, {"photometric": "miniswhite"}),
        (np.dstack([COLOURS, COLOURS[..., :1]]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (GREY, {"compression": "lzw"}),
        (GREY, {"extratags": [(274, 3, 1, 6, True)]}),
    ],
)
def test_what_needs_the_whole_file_is_not_read_by_windows(
    tmp_path: Path, array: np.ndarray, words: dict[str, Any]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", array, **{"photometric": "minisblack"} | words)
    with pytest.raises(ValueError, match=r"by windows"):
        TiffWindows(tmp_path / "a.tif")


def test_broken_and_missing_tiles_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, tile=(64, 64), compression="zlib", photometric="minisblack")
    data = bytearray(path.read_bytes())
    data[5000:5100] = bytes(100)
    path.write_bytes(data)
    with TiffWindows(path) as image, pytest.raises(DataError, match=r"a\.tif is truncated or broken"):
        image.read(slice(0, 300), slice(0, 411))
    path.write_bytes(b"no TIFF")
    with pytest.raises(DataError, match="is truncated or broken"):
        TiffWindows(path)


@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
@pytest.mark.parametrize("shape", [(700, 300), (3, 270, 90), (1, 30, 40)])
def test_parts_become_the_same_image_with_its_pixel_size(tmp_path: Path, ending: str, shape: tuple[int, ...]) -> None:
    array = RNG.random(shape).astype(np.float32)
    if shape[0] == 1 and ending == ".ome.tif":
        return  # written as .tif, since OME has no volume of one plane
    spacing = (2.0, 0.5, 0.25)[-len(shape) :]
    frame = read_frame(array, spacing)
    for name in "ab":
        write_parts(tmp_path / f"{name}{ending}", [lambda *window: array[window]], frame, np.float32)
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    picture = read_image(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(picture.array[0].reshape(shape), array)
    assert picture.spacing_um == (spacing if shape[0] != 1 else None)
    with tifffile.TiffFile(tmp_path / f"a{ending}") as file:
        assert file.pages.first.is_tiled
        assert file.is_ome == (ending == ".ome.tif")


def read_frame(array: np.ndarray, spacing: tuple[float, ...]) -> Any:
    from segassay.io.picture import Picture

    return Picture(np.broadcast_to(np.zeros((), array.dtype), (1, *array.shape)), spacing)


@pytest.mark.parametrize("shape", [(30, 40), (9, 30, 40)])
def test_a_nifti_in_parts_has_the_bytes_of_one_at_once(tmp_path: Path, shape: tuple[int, ...]) -> None:
    like = nibabel.Nifti1Image(np.zeros(shape, np.int16), np.diag([0.5, 0.6, 2, 1]))
    like.header.set_xyzt_units("mm")
    nibabel.save(like, tmp_path / "like.nii")
    array = RNG.integers(0, 9, shape).astype(np.uint16)
    with open_windows(tmp_path / "like.nii", tmp_path) as image:
        write_parts(tmp_path / "a.nii.gz", [lambda *window: array[window]], image.frame, np.uint16)
    at_once = encode(".nii", array, read_image(tmp_path / "like.nii"))
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == at_once


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path) -> None:
    def read(*window: slice) -> np.ndarray:
        if window[0].start:
            raise OSError(28, "No space left on device")
        return np.zeros((256, 9), np.uint8)

    with pytest.raises(UsageError, match="cannot be written: No space left"):
        write_parts(tmp_path / "a.tif", [read], read_frame(np.zeros((600, 9), np.uint8), (1, 1)), np.uint8)
    assert not list(tmp_path.iterdir())
