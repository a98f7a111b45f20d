"""Predictions replace nothing that they are made of, and do not lie among it."""

import shutil
from pathlib import Path

import pytest

from folders import contents
from segassay.errors import UsageError
from segassay_monai.prediction.run import predict


@pytest.mark.parametrize("of", ["", "images", "images/case_0000.png"])
@pytest.mark.parametrize("out", ["lab", "lab/images", "lab/labels", "lab/labels/new", "models", "models/s14"])
def test_overwriting_never_removes_images_masks_or_the_model(
    dataset: Path, models: Path, tmp_path: Path, of: str, out: str
) -> None:
    """Masks of a dataset are safe even if its images alone are given."""
    lab = Path(shutil.copytree(dataset, tmp_path / "lab"))
    copy = Path(shutil.copytree(models, tmp_path / "models"))
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=rf"{out} (contains|lies in).*that are read.*; give another folder"):
        predict(copy, lab / of, out=tmp_path / out, overwrite=True)
    assert contents(tmp_path) == before


def test_predictions_may_lie_beside_the_images(dataset: Path, models: Path, tmp_path: Path) -> None:
    lab = Path(shutil.copytree(dataset, tmp_path / "lab"))
    before = contents(lab)
    for _ in range(2):
        predict(models, lab, out=lab / "predicted", overwrite=True)
    assert before.items() <= contents(lab).items()
