"""Images, masks and areas of one case, as they are read from the dataset folder."""

from pathlib import Path

import numpy as np
import pytest

from dataset_folders import MASK, make
from segassay.data.cases import read_case_ignore, read_case_image, read_case_mask, read_case_region
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay.io.images import write_labels, write_mask


def test_mask_of_another_size_names_both_files(tmp_path: Path) -> None:
    write_mask(make(tmp_path) / "labels/expert_2/0002_cFOS.png", MASK.T)
    dataset = read_dataset(tmp_path)
    with pytest.raises(DataError, match=r"expert_2/0002_cFOS\.png has shape \(8, 5\), .*images/0002\.png has \(5, 8\)"):
        read_case_mask(dataset, "expert_2", "0002")


def test_label_images_come_as_they_are_and_areas_as_masks(tmp_path: Path) -> None:
    labels = np.arange(40).reshape(5, 8)
    make(tmp_path, "ignored/0002.png", ignore="ignored")
    for name in ("labels/expert_2/0002_cFOS.png", "ignored/0002.png"):
        write_labels(tmp_path / name, labels)
    dataset = read_dataset(tmp_path)
    np.testing.assert_array_equal(read_case_mask(dataset, "expert_2", "0002"), labels)
    ignored = read_case_ignore(dataset, "0002")
    assert ignored is not None
    np.testing.assert_array_equal(ignored, labels > 0)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path))
    with pytest.raises(UsageError, match=r"no rater 'anna'; expected one of expert_2, expert_10"):
        read_case_mask(dataset, "anna", "0002")
    with pytest.raises(UsageError, match=r"case '0010' has no mask by expert_10"):
        read_case_mask(dataset, "expert_10", "0010")
    for read in (read_case_image, read_case_ignore, read_case_region):
        with pytest.raises(UsageError, match=r"no case '002'; did you mean '0002'"):
            read(dataset, "002")


def test_spacing_of_another_number_of_axes(tmp_path: Path) -> None:
    dataset = read_dataset(make(tmp_path, spacing_um=[1, 1, 1]))
    with pytest.raises(DataError, match=r"spacing_um has 3 numbers, but .*0002\.png has 2 axes"):
        read_case_image(dataset, "0002")
