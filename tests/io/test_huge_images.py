"""Small files that claim to be huge images are refused before memory is taken; their headers can still be read."""

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from segassay.errors import DataError
from segassay.io import formats
from segassay.io.images import image_shape, read_image, read_mask

SIDE = 60_000


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path: Path, n_bytes: int) -> None:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", bytes(n_bytes)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def tiff(path: Path, n_bytes: int) -> None:
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib", tile=(64, 64))
    with tifffile.TiffFile(path, mode="r+b") as file:
        for tag in ("ImageWidth", "ImageLength"):
            file.pages.first.tags[tag].overwrite(SIDE)
    with path.open("ab") as file:
        file.write(bytes(n_bytes))


def nifti(path: Path, n_bytes: int) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header["dim"] = [3, 30_000, 30_000, 4, 1, 1, 1, 1]  # the format has 16 bits for each
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + bytes(n_bytes))


HUGE = {"a.png": png, "a.tif": tiff, "a.nii.gz": nifti}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("read", [read_image, read_mask, image_shape])
def test_a_small_file_cannot_claim_to_be_huge(tmp_path: Path, name: str, read: Callable[[Path], object]) -> None:
    HUGE[name](tmp_path / name, 100)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"claims .*0000 .* pixels, more than a file of \d+ bytes can hold") as caught:
        read(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert caught.value.kind == "damaged"


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_image_that_does_not_fit_is_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Two megabytes of zeros can hold as many pixels; the memory of this computer cannot."""
    HUGE[name](tmp_path / name, 2_000_000)
    monkeypatch.setattr(formats, "_free_memory", lambda: 10 << 30)
    expected = r"pixels and needs 16\.8 GiB of memory, but 10\.0 GiB are free; close other programs, use a computer"
    tracemalloc.start()
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match=expected) as caught:
            read(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert caught.value.kind == "memory"
    assert min(image_shape(tmp_path / name)[:2]) >= 30_000, "parts of it can still be read"


def test_free_memory_is_that_of_this_computer_and_limits_nothing_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 1 << 20 < formats._free_memory() < 1 << 50
    monkeypatch.setattr(formats, "_free_memory", lambda: 0)
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2000, 2000), np.uint16), compression="zlib")
    assert read_image(tmp_path / "a.tif").array.shape == (1, 2000, 2000)


def test_a_scaled_volume_is_counted_as_the_real_numbers_it_becomes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = nibabel.Nifti1Image(np.zeros((300, 300, 300), np.uint8), np.eye(4))
    nibabel.save(image, tmp_path / "plain.nii.gz")
    image.header.set_slope_inter(2, 0)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    monkeypatch.setattr(formats, "_free_memory", lambda: 0)
    assert read_image(tmp_path / "plain.nii.gz").array.dtype == np.uint8
    with pytest.raises(DataError, match=r"needs 0\.3 GiB"):
        read_image(tmp_path / "scaled.nii.gz")
