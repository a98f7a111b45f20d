"""Masks saved as red, green and blue: equal channels are decoded once, with the same pixels and the same errors."""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from segassay.errors import DataError
from segassay.io.images import read_mask
from segassay.io.png_files import read_png

ROWS, COLUMNS = 40, 7


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(filtered: np.ndarray, filters: np.ndarray, *further: bytes, interlaced: bool = False) -> bytes:
    """A file of colours with these bytes `(rows, columns, 3)` before the filter of each row is undone."""
    lines = np.concatenate([filters[:, None], filtered.reshape(len(filters), -1)], axis=1).astype(np.uint8)
    header = struct.pack(">IIBBBBB", filtered.shape[1], filtered.shape[0], 8, 2, 0, 0, int(interlaced))
    parts = (chunk(b"IHDR", header), *further, chunk(b"IDAT", zlib.compress(lines.tobytes())), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def filtered() -> tuple[np.ndarray, np.ndarray]:
    """Random bytes, equal in all channels, and all five filters."""
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (ROWS, COLUMNS, 1))
    return np.repeat(one, 3, axis=2), np.arange(ROWS) % 5


def read(data: bytes, folder: Path) -> np.ndarray:
    path = folder / "mask.png"
    path.write_bytes(data)
    return read_png(path, as_mask=True).array


def is_one(array: np.ndarray) -> bool:
    """Whether one channel in memory stands for all."""
    return array.strides[0] == 0


def test_equal_channels_of_every_filter_are_those_of_the_decoder(filtered, tmp_path):
    data = png_of(*filtered)
    found = read(data, tmp_path)
    assert is_one(found)
    np.testing.assert_array_equal(np.moveaxis(found, 0, 2), imagecodecs.png_decode(data))


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("column", [0, COLUMNS - 1])
def test_one_number_of_another_colour_is_kept(filtered, channel, column, tmp_path):
    colours, filters = filtered
    colours[ROWS // 2, column, channel] ^= 1
    data = png_of(colours, filters)
    found = read(data, tmp_path)
    assert not is_one(found)
    np.testing.assert_array_equal(np.moveaxis(found, 0, 2), imagecodecs.png_decode(data))


def test_what_is_transparent_stays_background(filtered, tmp_path):
    colours, filters = filtered
    grey = int(imagecodecs.png_decode(png_of(colours, filters))[0, 0, 0])
    found = read(png_of(colours, filters, chunk(b"tRNS", struct.pack(">HHH", grey, grey, grey))), tmp_path)
    assert not is_one(found)
    assert not found[:, 0, 0].any()


def test_the_orientation_of_the_file_is_kept(filtered, tmp_path):
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    found = read(png_of(*filtered, chunk(b"eXIf", exif)), tmp_path)
    assert is_one(found)
    np.testing.assert_array_equal(found[0], np.rot90(imagecodecs.png_decode(png_of(*filtered))[..., 0], -1))


def test_damaged_files_are_errors_as_before(filtered, tmp_path):
    data = png_of(*filtered)
    of_pixels = data.index(b"IDAT")
    path = tmp_path / "mask.png"
    for place in (of_pixels + 40, len(data) - 13):  # of the pixels, and of their checksum
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        with pytest.raises(DataError, match="truncated or broken"):
            read_mask(path)
    path.write_bytes(
        png_of(filtered[0][: ROWS // 2], filtered[1][: ROWS // 2]).replace(
            struct.pack(">II", COLUMNS, ROWS // 2), struct.pack(">II", COLUMNS, ROWS)
        )
    )
    with pytest.raises(DataError, match="truncated or broken"):
        read_mask(path)


def test_lines_of_an_interlaced_file_are_left_to_the_decoder(tmp_path):
    lines = png_of(np.zeros((1, 1, 3)), np.zeros(1), interlaced=True)
    assert not is_one(read(lines, tmp_path))


@pytest.mark.parametrize("unlike", [[(0, 1), (0, 2), (1, 0)], [(0, 0), (0, 1)], [(6, 2)]], ids=str)
def test_few_bytes_that_are_not_zero_belong_to_one_pixel(unlike, tmp_path):
    """As in a mask with little foreground, where three bytes in a row may be of two pixels."""
    colours, filters = np.zeros((ROWS, COLUMNS, 3), np.uint8), np.zeros(ROWS, np.uint8)
    colours[3, 2] = colours[9, 6] = 200
    assert is_one(read(png_of(colours, filters), tmp_path))
    for column, channel in unlike:
        colours[5, column, channel] = 200
    found = read(png_of(colours, filters), tmp_path)
    assert not is_one(found)
    np.testing.assert_array_equal(np.moveaxis(found, 0, 2), colours)
