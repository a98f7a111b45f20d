"""Volumes stored in other axes than those of the training: the same masks, in the axes of each file."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from drawn_members import write_members
from segassay.data.dataset import read_dataset
from segassay.errors import DataError, UsageError
from segassay_monai.ensemble.familiar import FAMILIAR, describe_training
from segassay_monai.ensemble.members import held_out_cases, read_members
from segassay_monai.prediction import large
from segassay_monai.prediction.run import predict

SPACING = (0.7, 0.7, 2.5)
SHAPE = (30, 24, 10)
N_CASES = 12
AFFINE = np.diag([*SPACING, 1.0]) + np.array([[0, 0, 0, -40.0], [0, 0, 0, 7], [0, 0, 0, 90], [0, 0, 0, 0]])
STORED = ("RAS", "LPS", "SRA", "PIR")


def turned(image: nibabel.Nifti1Image, axes: str) -> nibabel.Nifti1Image:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(axes)))


def save(path: Path, array: np.ndarray, axes: str = "RAS", affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(turned(image, axes), path)


def ball(case: int) -> np.ndarray:
    grid = np.indices(SHAPE)
    middle = 9 + case, 8 + case % 3, 4 + case % 2
    return sum(((grid[axis] - middle[axis]) * SPACING[axis]) ** 2 for axis in range(3)) < (3 + case / 4) ** 2


def drawn(case: int) -> np.ndarray:
    return (100 * ball(case) + np.random.default_rng(case).normal(0, 9, SHAPE)).astype(np.int16)


def draw_data(folder: Path, axes: dict[int, str]) -> Path:
    for case in range(N_CASES):
        save(folder / "images" / f"c{case}.nii.gz", drawn(case), axes.get(case, "RAS"))
        save(folder / "labels" / "anna" / f"c{case}.nii.gz", ball(case).astype(np.uint8), axes.get(case, "RAS"))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("turned") / "data", {})


def members(folder: Path, data: Path, objects: str = "separate") -> Path:
    """Members that say what their training was like; weights are drawn, so each direction gives other masks."""
    write_members(folder, data, seeds=(14, 15), spacing=SPACING, objects=objects)
    for path in folder.rglob("model.pt"):
        describe_training(path, read_dataset(data))
    return folder


@pytest.fixture(scope="module")
def models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return members(tmp_path_factory.mktemp("models"), data)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One new volume in several axes."""
    folder = tmp_path_factory.mktemp("images")
    for axes in STORED:
        save(folder / f"{axes}.nii.gz", drawn(20), axes)
    return folder


@pytest.mark.parametrize("by_windows", [False, True])
def test_the_mask_of_a_turned_volume_is_the_turned_mask(
    models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_windows: bool
) -> None:
    if by_windows:
        monkeypatch.setattr(large, "LARGEST", 10)
    done = predict(models, images, out=tmp_path / "out", save=["all"], tile=8 if by_windows else None)
    assert done.failed.empty
    assert not done.notes
    for kind in ("masks", "prob", "uncertainty", "disagreement"):
        of = {axes: nibabel.load(tmp_path / "out" / kind / f"{axes}.nii.gz") for axes in STORED}
        first = np.asarray(of["RAS"].dataobj)
        assert first.min() < first.max()
        for axes in STORED[1:]:
            np.testing.assert_array_equal(np.asarray(turned(of[axes], "RAS").dataobj), first)
            np.testing.assert_allclose(of[axes].affine, nibabel.load(images / f"{axes}.nii.gz").affine, rtol=1e-6)
    numbers = done.cases.drop(columns=["case", "image"]).select_dtypes("number")
    np.testing.assert_allclose(numbers, np.broadcast_to(numbers.iloc[:1], numbers.shape), rtol=1e-6)


def test_touching_objects_of_turned_volumes_are_divided_alike(data: Path, images: Path, tmp_path: Path) -> None:
    """The depth is turned with the probability; predicted in all mirror images."""
    folder = members(tmp_path / "touching", data, "touching")
    done = predict(folder, images, out=tmp_path / "out", save=["instances"], flips=True)
    first, *others = (nibabel.load(tmp_path / "out" / "instances" / f"{axes}.nii.gz") for axes in STORED)
    marked = np.asarray(first.dataobj) > 0
    assert 0 < marked.mean() < 1
    for other in others:
        np.testing.assert_array_equal(np.asarray(turned(other, "RAS").dataobj) > 0, marked)
    sizes = done.objects.groupby("case")["area_px"].apply(sorted)
    assert len(set(map(tuple, sizes))) == 1


def test_a_volume_whose_header_says_that_its_place_is_unknown_is_not_turned(models: Path, tmp_path: Path) -> None:
    """nibabel gives it an affine that is mirrored along x."""
    image = nibabel.Nifti1Image(drawn(20), None)
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 0
    (tmp_path / "images").mkdir()
    nibabel.save(image, tmp_path / "images/unknown.nii.gz")
    save(tmp_path / "images/known.nii.gz", drawn(20))
    predict(models, tmp_path / "images", out=tmp_path / "out", save=["mask"])
    masks = [np.asarray(nibabel.load(tmp_path / f"out/masks/{of}.nii.gz").dataobj) for of in ("known", "unknown")]
    np.testing.assert_array_equal(*masks)


def test_predictions_of_volumes_as_stored_are_not_mixed_with_turned_ones(
    models: Path, images: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(models, tmp_path / "models"))
    described = {path: path.read_text() for path in folder.rglob(FAMILIAR)}
    for path in described:
        path.unlink()
    predict(folder, images, out=tmp_path / "out", save=["mask"])
    for path, text in described.items():
        path.write_text(text)
    with pytest.raises(UsageError, match="axes None, now RAS"):
        predict(folder, images, out=tmp_path / "out", save=["mask"])


def test_without_the_axes_of_the_training_volumes_are_predicted_as_stored(
    data: Path, images: Path, tmp_path: Path
) -> None:
    """So it was in earlier versions, and is where the training had volumes of several orders."""
    folder = members(tmp_path / "mixed", draw_data(tmp_path / "data", dict(enumerate(STORED * 3))))
    assert "axes" not in json.loads(next(folder.rglob(FAMILIAR)).read_text())
    done = predict(folder, images, out=tmp_path / "out", save=["mask"])
    masks = [nibabel.load(tmp_path / "out" / "masks" / f"{axes}.nii.gz") for axes in ("RAS", "SRA")]
    assert (np.asarray(turned(masks[1], "RAS").dataobj) != np.asarray(masks[0].dataobj)).any()
    assert done.failed.empty


def test_slices_along_another_axis_whose_affine_says_nothing_are_named(models: Path, tmp_path: Path) -> None:
    """A script stored slices first, with sizes alone: by its affine the first axis runs to the right."""
    slices_first = np.diag([2.5, 0.7, 0.7, 1.0])
    save(tmp_path / "images" / "a.nii.gz", drawn(20).transpose(2, 0, 1), affine=slices_first)
    (note,) = predict(models, tmp_path / "images", out=tmp_path / "out", save=["mask"]).notes
    assert note.startswith("1 of 1 image has pixels 3.57 times, 1 times and 0.28 times as long along the axes of the ")
    assert "Store the axes in the order of the training" in note


@pytest.mark.parametrize("by_windows", [False, True])
def test_a_volume_of_the_training_is_known_in_any_axes(
    data: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_windows: bool
) -> None:
    if by_windows:
        monkeypatch.setattr(large, "LARGEST", 10)
    found = read_members(sorted(models.rglob("model.pt")))
    seen = found[0].train[0]
    for axes in STORED:
        save(tmp_path / "images" / f"{axes}.nii.gz", drawn(int(seen[1:])), axes)
    save(tmp_path / "images" / "new.nii.gz", drawn(20), "LPS")
    done = predict(models, tmp_path / "images", out=tmp_path / "out", save=["mask"])
    assert list(done.annotations["case"]) == ["new"]
    other = tmp_path / "other"
    shutil.copytree(data, other)
    (other / "dataset.yaml").write_text("name: other\n")
    for case in range(N_CASES):
        for folder in (other / "images", other / "labels" / "anna"):
            path = folder / f"c{case}.nii.gz"
            nibabel.save(turned(nibabel.load(path), "PIR"), path)
    with pytest.raises(DataError, match="was used in the training"):
        held_out_cases(read_dataset(other), found, [seen])


def test_members_of_volumes_in_other_axes_know_them_too(tmp_path: Path) -> None:
    """The training stored LPS; RAS, LPS and SRA are known."""
    folder = members(tmp_path / "models", draw_data(tmp_path / "data", dict.fromkeys(range(N_CASES), "LPS")))
    seen = read_members(sorted(folder.rglob("model.pt")))[0].train[0]
    for axes in STORED:
        save(tmp_path / "images" / f"{axes}.nii.gz", drawn(int(seen[1:])), axes)
    assert predict(folder, tmp_path / "images", out=tmp_path / "out", save=["mask"]).annotations.empty


def test_real_nodules_are_predicted_alike_in_any_axes(multirater_dir: Path, tmp_path: Path) -> None:
    source = multirater_dir / "lidc_nodules_3d"
    for image in sorted((source / "images").iterdir())[:6]:
        for path in (image, source / "labels" / "reader_1" / image.name):
            target = tmp_path / "data" / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    folder = members(tmp_path / "models", tmp_path / "data")
    new = sorted((source / "images").iterdir())[6]
    for axes in STORED:
        (tmp_path / "images").mkdir(exist_ok=True)
        nibabel.save(turned(nibabel.load(new), axes), tmp_path / "images" / f"{axes}.nii.gz")
    assert predict(folder, tmp_path / "images", out=tmp_path / "out", save=["mask"]).failed.empty
    masks = {axes: nibabel.load(tmp_path / "out" / "masks" / f"{axes}.nii.gz") for axes in STORED}
    for axes in STORED:
        np.testing.assert_array_equal(turned(masks[axes], "RAS").dataobj, turned(masks["RAS"], "RAS").dataobj)
