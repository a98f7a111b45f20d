"""Images whose pixels are not those of most: which are named, and what is read to know it."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from segassay.data.dataset import read_dataset
from segassay.data.spacings import case_spacing, unlike_spacing
from segassay.io.images import Picture, write_image, write_mask


def test_named_are_those_beyond_a_quarter_of_the_median_along_any_axis() -> None:
    spacings = {"a": (3.0, 1.0, 1.0), "b": (3.75, 1.0, 1.0), "c": (3.8, 1.0, 1.0), "d": (3.0, 1.0, 0.79)}
    spacings |= {"e": (2.4, 1.0, 1.0), "f": (3.0, 1.0, 1.0)}
    assert unlike_spacing(spacings) == ["c", "d"]


def test_unknown_spacings_and_other_axes_are_left_out() -> None:
    assert unlike_spacing({}) == unlike_spacing({"a": None, "b": None}) == unlike_spacing({"a": (1.0, 1.0)}) == []
    assert unlike_spacing({"a": (1.0, 1.0), "b": None, "c": (1.0, 1.0), "d": (9.0, 1.0, 1.0)}) == []


def test_spacing_is_that_of_the_settings_else_of_the_file(tmp_path: Path) -> None:
    for folder in ("images", "labels/anna"):
        (tmp_path / folder).mkdir(parents=True)
    volume = nibabel.Nifti1Image(np.zeros((6, 5, 4), np.uint8), np.diag([0.7, 0.7, 3, 1]))
    volume.header.set_xyzt_units("mm")
    nibabel.save(volume, tmp_path / "images/a.nii")
    write_mask(tmp_path / "labels/anna/a.png", np.ones((6, 5), bool))
    write_image(tmp_path / "images/b.ome.tif", Picture(np.zeros((1, 6, 5), np.uint8), spacing_um=(0.5, 0.25)))
    write_image(tmp_path / "images/c.png", Picture(np.zeros((1, 6, 5), np.uint8)))
    dataset = read_dataset(tmp_path)
    assert case_spacing(dataset, "a") == pytest.approx((700, 700, 3000))
    assert case_spacing(dataset, "b") == pytest.approx((0.5, 0.25))
    assert case_spacing(dataset, "c") is None
    (tmp_path / "dataset.yaml").write_text("spacing_um: [2, 2]")
    assert case_spacing(read_dataset(tmp_path), "c") == (2, 2)
