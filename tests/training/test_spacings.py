"""A training says which of its images have pixels of another size, as it does not resample."""

import logging
from pathlib import Path

import nibabel
import numpy as np
import pytest

from segassay.data.dataset import read_dataset
from segassay_monai.training.train import warn_of_spacing


def draw(folder: Path, thickness: list[float]) -> Path:
    for name in ("images", "labels/anna"):
        (folder / name).mkdir(parents=True)
        for number, thick in enumerate(thickness):
            volume = nibabel.Nifti1Image(np.ones((6, 5, 4), np.uint8), np.diag([0.7, 0.7, thick, 1]))
            nibabel.save(volume, folder / name / f"v{number}.nii")
    return folder


@pytest.mark.parametrize(
    ("thickness", "said"),
    [
        ([1.0, 1.0, 1.0, 2.5], "1 of 4 images differ by more than a quarter from the median along an axis (v3)"),
        ([1, 1.2, 1], ""),
    ],
)
def test_images_of_another_spacing_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, thickness: list[float], said: str
) -> None:
    dataset = read_dataset(draw(tmp_path / "lab", thickness))
    with caplog.at_level(logging.WARNING, logger="segassay"):
        warn_of_spacing(dataset, dataset.cases)
    assert bool(caplog.messages) == bool(said)
    assert said in "".join(caplog.messages)
    caplog.clear()
    (tmp_path / "lab" / "dataset.yaml").write_text("spacing_um: [700, 700, 1000]")
    warn_of_spacing(read_dataset(tmp_path / "lab"), dataset.cases)
    assert not caplog.messages
