"""What `check` says where each image was cut out around its one object."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from segassay.checks.check import check_dataset
from segassay.checks.places import centre_of

SHAPE = (40, 50)


def _make(folder: Path, corners: np.ndarray, more: int = 0) -> Path:
    """One image for each corner of a box of 4 × 6 pixels, with so many more objects."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels/anna"):
        (folder / name).mkdir(parents=True)
    for number, (row, column) in enumerate(corners):
        mask = np.zeros(SHAPE, np.uint8)
        mask[row : row + 4, column : column + 6] = 255
        for place in range(more):
            mask[4 * place, :2] = 255
        tifffile.imwrite(folder / "images" / f"{number}.tif", rng.integers(0, 255, SHAPE).astype(np.uint8))
        tifffile.imwrite(folder / "labels" / "anna" / f"{number}.tif", mask)
    return folder


def _n_in_the_middle(folder: Path) -> list[str]:
    return [
        problem.what.split(" images")[0]
        for problem in check_dataset(folder).problems
        if problem.kind == "in-the-middle"
    ]


MIDDLE = np.tile([18, 22], (10, 1))


def test_objects_in_the_middle_of_every_image_are_noticed(tmp_path: Path) -> None:
    shaken = MIDDLE + np.random.default_rng(1).integers(-1, 2, MIDDLE.shape)
    assert _n_in_the_middle(_make(tmp_path / "all", shaken)) == ["10 of 10"]
    shaken[3] = 2, 40
    assert _n_in_the_middle(_make(tmp_path / "nearly all", shaken)) == ["9 of 10"]


@pytest.mark.parametrize(
    ("corners", "more"),
    [
        pytest.param(MIDDLE[:7], 0, id="few images"),
        pytest.param(MIDDLE, 2, id="several objects"),
        pytest.param(np.where(np.arange(10)[:, None] < 2, [2, 2], MIDDLE), 0, id="two elsewhere"),
        pytest.param(np.stack([np.arange(0, 30, 3), np.full(10, 22)], axis=1), 0, id="along one axis"),
        pytest.param(np.random.default_rng(2).integers(0, 34, (60, 2)), 0, id="anywhere"),
    ],
)
def test_other_places_are_no_problem(tmp_path: Path, corners: np.ndarray, more: int) -> None:
    assert _n_in_the_middle(_make(tmp_path / "lab", corners, more)) == []


def test_the_centre_of_a_box_is_that_of_all_its_pixels() -> None:
    mask = np.zeros((5, 4, 10), bool)
    assert centre_of(mask) == ()
    mask[2, 0, 9] = True
    assert centre_of(mask) == (0.5, 0.125, 0.95)
    assert centre_of(np.ones((3, 7))) == (0.5, 0.5)


def test_the_published_nodules_lie_in_the_middle(multirater_dir: Path) -> None:
    assert _n_in_the_middle(multirater_dir / "lidc_nodules_3d") == ["38 of 39"]
