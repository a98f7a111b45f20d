"""Masks and images kept for later steps: decoded once, read again where a file has changed, never beyond the limit."""

import os
from pathlib import Path

import numpy as np
import pytest

from segassay.errors import DataError
from segassay.io import images, kept_pictures
from segassay.io.images import read_image, read_mask, write_labels, write_map, write_mask
from segassay.io.kept_pictures import pictures_kept


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were decoded."""
    names: list[str] = []
    decode = images._read

    def watched(path: Path, *, as_mask: bool) -> images.Picture:
        names.append(Path(path).name)
        return decode(path, as_mask=as_mask)

    monkeypatch.setattr(images, "_read", watched)
    return names


def corner(n: int, shape: tuple[int, ...] = (5, 7)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[:n, :n] = True
    return mask


@pytest.mark.parametrize("name", ["1.png", "1.tif", "1.nii.gz"])
def test_a_mask_is_decoded_once_and_is_the_same(tmp_path: Path, decoded: list[str], name: str):
    write_mask(tmp_path / name, corner(3))
    with pictures_kept():
        first, again = read_mask(tmp_path / name), read_mask(tmp_path / name)
    assert decoded == [name]
    np.testing.assert_array_equal(first, corner(3))
    np.testing.assert_array_equal(again, first)
    assert again.dtype == bool


def test_whoever_changes_a_mask_changes_only_his_own(tmp_path: Path):
    write_mask(tmp_path / "1.png", corner(3))
    with pictures_kept():
        read_mask(tmp_path / "1.png")[:] = False
        read_mask(tmp_path / "1.png")[:] = True
        np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), corner(3))


def test_a_file_that_changes_is_read_again(tmp_path: Path):
    with pictures_kept():
        for n in (3, 2, 4):
            write_mask(tmp_path / "1.png", corner(n))
            np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), corner(n))


def test_a_file_of_another_time_is_read_again(tmp_path: Path):
    path = tmp_path / "1.nii"  # not compressed
    write_mask(path, corner(2))
    other = tmp_path / "other.nii"
    write_mask(other, corner(4))
    assert path.stat().st_size == other.stat().st_size
    with pictures_kept():
        read_mask(path)
        path.write_bytes(other.read_bytes())  # in place: the same inode and size
        os.utime(path, ns=(0, 10**9))
        np.testing.assert_array_equal(read_mask(path), corner(4))


def test_a_file_that_is_gone_is_missing(tmp_path: Path):
    write_mask(tmp_path / "1.png", corner(3))
    with pictures_kept():
        read_mask(tmp_path / "1.png")
        (tmp_path / "1.png").unlink()
        with pytest.raises(DataError, match="does not exist"):
            read_mask(tmp_path / "1.png")


def test_nothing_is_kept_outside_of_the_block_or_of_the_next(tmp_path: Path, decoded: list[str]):
    write_mask(tmp_path / "1.png", corner(3))
    read_mask(tmp_path / "1.png")
    with pictures_kept():
        read_mask(tmp_path / "1.png")
    with pictures_kept():
        read_mask(tmp_path / "1.png")
    assert decoded == ["1.png"] * 3


def test_label_images_are_read_each_time(tmp_path: Path, decoded: list[str]):
    write_labels(tmp_path / "1.png", corner(3).astype(int) + corner(2))
    with pictures_kept():
        assert read_mask(tmp_path / "1.png").max() == read_mask(tmp_path / "1.png").max() == 2
    assert decoded == ["1.png"] * 2


def test_memory_is_bounded(tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_pictures, "MOST_BYTES", 8)  # one mask of 35 pixels
    for name in ("1.png", "2.png"):
        write_mask(tmp_path / name, corner(3))
    with pictures_kept():
        for name in ("1.png", "2.png", "1.png", "2.png"):
            np.testing.assert_array_equal(read_mask(tmp_path / name), corner(3))
    assert decoded == ["1.png", "2.png", "2.png"]


def test_an_image_is_decoded_once_and_whoever_changes_it_changes_only_his_own(tmp_path: Path, decoded: list[str]):
    write_labels(tmp_path / "1.png", corner(3).astype(int))
    with pictures_kept():
        for _ in range(3):
            picture = read_image(tmp_path / "1.png")
            np.testing.assert_array_equal(picture.array[0], corner(3))
            picture.array[:] = 7
        write_labels(tmp_path / "1.png", corner(2).astype(int))
        np.testing.assert_array_equal(read_image(tmp_path / "1.png").array[0], corner(2))
    read_image(tmp_path / "1.png")
    assert decoded == ["1.png"] * 3


def test_an_image_and_a_mask_of_one_file_stay_apart(tmp_path: Path):
    write_mask(tmp_path / "1.png", corner(3))
    with pictures_kept():
        for _ in range(2):
            assert read_mask(tmp_path / "1.png").dtype == bool
            assert read_image(tmp_path / "1.png").array.max() == 255


def test_maps_are_read_each_time_and_images_have_a_limit(
    tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
):
    write_map(tmp_path / "p.tif", corner(3).astype(np.float32))
    for name in ("1.png", "2.png"):
        write_labels(tmp_path / name, corner(3).astype(int))
    monkeypatch.setattr(kept_pictures, "MOST_OF_IMAGES", read_image(tmp_path / "1.png").array.nbytes)
    decoded.clear()
    with pictures_kept():
        for name in ("p.tif", "1.png", "2.png") * 2:
            read_image(tmp_path / name)
    assert decoded == ["p.tif", "1.png", "2.png", "p.tif", "2.png"]
