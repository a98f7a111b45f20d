"""Windows of large TIFF files: the same pixels as of the whole file, in every layout that microscopes write."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segassay.errors import DataError, UsageError
from segassay.io.images import read_image
from segassay.io.windows import TiffWindows, write_strips

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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_are_parts_of_the_whole(tmp_path: Path, layout: str) -> None:
    array, words = LAYOUTS[layout]
    path = tmp_path / ("a.ome.tif" if layout == "ome" else "a.tif")
    tifffile.imwrite(path, array, **{"photometric": "minisblack"} | words)
    whole = read_image(path)
    with TiffWindows(path) as image:
        assert (image.shape, image.dtype, image.spacing_um) == (whole.array.shape, whole.array.dtype, whole.spacing_um)
        for rows, columns in (
            (slice(0, 300), slice(0, 411)),
            (slice(63, 65), slice(31, 34)),
            (slice(299, 300), slice(400, 411)),
            (slice(100, 101), slice(0, 411)),
        ):
            np.testing.assert_array_equal(image.read(rows, columns), whole.array[:, rows, columns])
        np.testing.assert_array_equal(np.concatenate(list(image.strips(77)), axis=1), whole.array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.stack([GREY] * 3), {"metadata": {"axes": "ZYX"}}),
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


def test_strips_become_the_same_image_with_its_pixel_size(tmp_path: Path) -> None:
    array = RNG.random((700, 900)).astype(np.float32)
    for name, height in (("a", 256), ("b", 512)):
        strips = (array[start : start + height] for start in range(0, 700, height))
        write_strips(tmp_path / f"{name}.tif", strips, (700, 900), np.float32, (0.5, 0.25))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    picture = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.array[0], array)
    assert picture.spacing_um == (0.5, 0.25)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.is_tiled


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path) -> None:
    def strips() -> Any:
        yield np.zeros((256, 9), np.uint8)
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match="cannot be written: No space left"):
        write_strips(tmp_path / "a.tif", strips(), (600, 9), np.uint8)
    assert not list(tmp_path.iterdir())
