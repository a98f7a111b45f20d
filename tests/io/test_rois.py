"""ROIs of ImageJ: names, order, planes, and the same pixels when filled by ImageJ's rule."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import roifile

from drawing import draw
from outline_scenes import DRAWN, noisy_labels
from rois import read_filled
from segassay.errors import UsageError
from segassay.io.images import read_mask
from segassay.io.rois import write_rois

THREE = np.array([[1, 0, 12], [0, 0, 12], [3, 3, 0]])


@pytest.mark.parametrize("labels", [*DRAWN.values(), *(noisy_labels(seed) for seed in range(50))])
def test_no_pixel_is_wrong(tmp_path: Path, labels: np.ndarray) -> None:
    labels = labels.astype(int)
    write_rois(tmp_path / "a.zip", labels)
    found = read_filled(tmp_path / "a.zip", labels.shape)
    assert [int(name) for name in found] == np.unique(labels[labels > 0]).tolist()
    for name, pixels in found.items():
        np.testing.assert_array_equal(pixels, labels == int(name))


def test_every_real_nucleus_comes_back(tmp_path: Path, data_dir: Path) -> None:
    for path in sorted((data_dir / "segebarth2020" / "lab-wue1" / "labels" / "expert_1").glob("*.png"))[:3]:
        mask = read_mask(path)
        write_rois(tmp_path / "a.zip", mask.astype(int))
        np.testing.assert_array_equal(read_filled(tmp_path / "a.zip", mask.shape)["0001"], mask)


def test_names_are_labels_and_the_most_confident_comes_first(tmp_path: Path) -> None:
    def names(confidence: object) -> list[str]:
        write_rois(tmp_path / "a.zip", THREE, confidence)  # type: ignore[arg-type]
        return list(read_filled(tmp_path / "a.zip", THREE.shape))

    assert names(None) == ["0001", "0003", "0012"]
    assert names({1: 0.6, 3: 0.9, 12: 0.7}) == ["0003", "0012", "0001"]
    assert names({12: 0.1}) == ["0012", "0001", "0003"]
    assert names({1: float("nan"), 12: 0.5, 3: 0.5}) == ["0003", "0012", "0001"]
    assert names(pd.Series([0.6, 0.9], index=[1, 12])) == ["0012", "0001", "0003"]
    write_rois(tmp_path / "b.zip", THREE, {12: 0.125})
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:  # roifile before 2026 reads a part of it
        first = archive.read(archive.namelist()[0])
    assert first.endswith("confidence: 0.1250\n".encode("utf-16-be"))


def test_names_of_many_objects_sort_like_numbers(tmp_path: Path) -> None:
    labels = np.arange(1, 12001).reshape(100, 120) * (np.arange(100)[:, None] % 10 == 0)
    write_rois(tmp_path / "a.zip", labels)
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("00001.roi", "10920.roi")


def test_an_object_without_holes_is_traced_any_other_composite(tmp_path: Path) -> None:
    labels = np.zeros((9, 30), int)
    labels[1:4, 1:4], labels[1:6, 6:11] = 1, 2
    labels[3, 8] = 0
    labels[1, 13] = labels[2, 14] = 3
    write_rois(tmp_path / "a.zip", labels)
    kinds = {roi.name: (roi.roitype.name, roi.composite) for roi in roifile.roiread(tmp_path / "a.zip")}
    assert kinds == {"0001": ("TRACED", False), "0002": ("RECT", True), "0003": ("RECT", True)}


@pytest.mark.parametrize(("n_channels", "place"), [(1, "position"), (3, "z_position")])
def test_a_volume_has_one_roi_for_each_plane_of_an_object(tmp_path: Path, n_channels: int, place: str) -> None:
    labels = np.zeros((12, 4, 5), int)
    labels[[2, 3, 10], 1:3, 1:4] = np.array([1, 1, 2])[:, None, None]
    write_rois(tmp_path / "a.zip", labels, {2: 0.9, 1: 0.8}, n_channels=n_channels)
    rois = roifile.roiread(tmp_path / "a.zip")
    assert [roi.name for roi in rois] == ["0002_z11", "0001_z03", "0001_z04"]
    assert [getattr(roi, place) for roi in rois] == [11, 3, 4]
    filled = read_filled(tmp_path / "a.zip", labels.shape)
    for roi in rois:
        number, plane = int(roi.name[:4]), getattr(roi, place) - 1
        np.testing.assert_array_equal(filled[roi.name], labels[plane] == number)


def test_the_older_archive_is_replaced_and_bytes_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rois(tmp_path / "a.zip", noisy_labels(3))
    write_rois(tmp_path / "a.zip", THREE)
    first = (tmp_path / "a.zip").read_bytes()
    assert len(zipfile.ZipFile(tmp_path / "a.zip").namelist()) == 3
    assert {entry.date_time[0] for entry in zipfile.ZipFile(tmp_path / "a.zip").infolist()} == {1980}
    write_rois(tmp_path / "a.zip", THREE)
    assert (tmp_path / "a.zip").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_no_object_no_roi(tmp_path: Path) -> None:
    write_rois(tmp_path / "a.zip", np.zeros((4, 5), int), {})
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == []


@pytest.mark.parametrize("corner", [60_500, 60_530, 70_000])
def test_far_from_the_origin_nothing_wraps_around(tmp_path: Path, corner: int) -> None:
    labels = np.zeros((2, corner + 12), np.uint8)
    labels[:, corner : corner + 9] = 1
    write_rois(tmp_path / "a.zip", labels)
    (roi,) = roifile.roiread(tmp_path / "a.zip")
    assert roi.composite == (corner + 9 > 60_535)
    if roi.composite:
        np.testing.assert_array_equal(read_filled(tmp_path / "a.zip", labels.shape)["0001"], labels > 0)
    else:
        assert roi.left == corner


def test_an_image_that_no_roi_can_hold_is_refused_with_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.zip: ROIs hold coordinates up to 16777216"):
        write_rois(tmp_path / "a.zip", np.zeros((1, 2**24 + 1), np.uint8))
    with pytest.raises(ValueError, match="two or three axes"):
        write_rois(tmp_path / "a.zip", draw("#")[0].astype(int))
    with pytest.raises(UsageError, match="cannot be written"):
        write_rois(tmp_path / "no folder" / "a.zip", THREE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.int64, np.uint64])
def test_numbers_of_any_type_and_size(tmp_path: Path, dtype: type) -> None:
    top = min(np.iinfo(dtype).max, 2**40)
    labels = np.array([[0, top, top], [7, 0, top]], dtype=dtype)
    write_rois(tmp_path / "a.zip", labels, {top: 0.1, 7: 0.2})
    found = read_filled(tmp_path / "a.zip", labels.shape)
    assert [int(name) for name in found] == [7, top]
    for name, pixels in found.items():
        np.testing.assert_array_equal(pixels, labels == int(name))
