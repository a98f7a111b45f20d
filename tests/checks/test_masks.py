"""What `check` says about masks that other tools wrote, and that its advice makes them right."""

import io
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image
from rich.console import Console

from segassay.checks.check import Check, check_dataset
from segassay.checks.facts import spacing_text
from segassay.checks.report import print_check

SHAPE = (40, 50)
BOXES = [(2, 2), (2, 20), (15, 5), (15, 30), (28, 12), (28, 40)]


def _labels(case: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for number, (row, column) in enumerate(BOXES[: 5 + case % 2], start=1):
        labels[row : row + 6, column : column + 5 + case] = number
    return labels


def _make(folder: Path, masks: dict[str, object], settings: object = None, n_cases: int = 3) -> Path:
    """A dataset with a mask of each rater, made of the label image of its case."""
    rng = np.random.default_rng(0)
    for case in range(n_cases):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, SHAPE).astype(np.uint8)).save(folder / "images" / f"{case}.png")
        for rater, mask in masks.items():
            (folder / "labels" / rater).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / "labels" / rater / f"{case}.tif", mask(_labels(case)))
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings or {}), encoding="utf-8")
    return folder


def _binary(labels: np.ndarray) -> np.ndarray:
    return (labels > 0) * np.uint8(255)


def _inverted(labels: np.ndarray) -> np.ndarray:
    return (labels == 0) * np.uint8(255)


def _n_objects(check: Check) -> dict[str, int]:
    assert check.summary is not None
    return {rater["name"]: rater["n_objects"] for rater in check.summary["raters"]}


def test_inverted_masks_are_proposed_once_per_rater_and_read_as_proposed(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": _binary, "ben": _inverted})
    check = check_dataset(folder)
    found = [problem for problem in check.problems if problem.kind in ("inverted", "foreground-share")]
    assert [(problem.kind, Path(problem.file).name, problem.level) for problem in found] == [
        ("inverted", "ben", "warning")
    ]
    assert "`invert: [ben]`" in found[0].action
    (folder / "dataset.yaml").write_text("invert: [ben]\n")
    check = check_dataset(folder)
    assert _n_objects(check) == {"anna": 16, "ben": 16}
    assert [problem.kind for problem in check.problems] == ["copy"]


def test_all_raters_can_be_inverted_and_what_is_no_longer_swapped_is_told(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": _inverted, "ben": _inverted}, {"invert": True})
    assert _n_objects(check_dataset(folder)) == {"anna": 16, "ben": 16}
    folder = _make(tmp_path / "2", {"anna": _binary, "ben": _binary}, {"invert": True})
    found = [problem for problem in check_dataset(folder).problems if problem.kind == "inverted"]
    assert len(found) == 2
    assert "take `invert` out" in found[0].action


def test_the_meaning_of_masks_is_part_of_the_hash(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": _inverted})
    hashes = set()
    for text in ("", "invert: true\n", "invert: [anna]\n", "foreground: [255]\n", "name: x\n"):
        (folder / "dataset.yaml").write_text(text)
        hashes.add(check_dataset(folder).summary["data_hash"])
    assert len(hashes) == 4


def test_a_segmentation_of_ilastik_has_no_background_until_the_foreground_is_named(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": lambda labels: np.where(labels > 0, 1, 2).astype(np.uint8)})
    check = check_dataset(folder)
    assert {problem.kind for problem in check.errors} == {"numbers-like-classes"}
    assert "no pixel is 0, the background: the numbers are 1, 2, as ilastik" in check.errors[0].what
    assert "`foreground: [1]`" in check.errors[0].action
    (folder / "dataset.yaml").write_text("foreground: [1]\n")
    check = check_dataset(folder)
    assert check.errors == ()
    assert _n_objects(check) == {"anna": 16}


def test_one_class_of_several_can_be_named(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": lambda labels: (labels > 0) * (labels % 2 + 1)}, {"foreground": [2]})
    assert _n_objects(check_dataset(folder)) == {"anna": 9}


def test_a_crowded_label_image_is_no_segmentation_of_ilastik(tmp_path: Path) -> None:
    crowd = np.kron(np.arange(1, 21).reshape(4, 5), np.ones((10, 10))).astype(np.uint8)
    check = check_dataset(_make(tmp_path, {"anna": lambda labels: crowd + 1}, {"objects": "instances"}))
    assert check.errors == ()
    assert _n_objects(check) == {"anna": 60}


def test_probabilities_in_8_bits_are_told_as_such(tmp_path: Path) -> None:
    from scipy.ndimage import gaussian_filter

    def soft(labels: np.ndarray) -> np.ndarray:
        return np.clip(gaussian_filter((labels > 0).astype(float), 1.5) * 250, 0, 255).astype(np.uint8)

    errors = check_dataset(_make(tmp_path, {"anna": soft})).errors
    assert errors
    assert "as in a map of probabilities or a grey image" in errors[0].what
    assert errors[0].action.startswith("threshold it first")


@pytest.mark.parametrize("name", ["staple", "majority", "soft", "object", "random_rater", "expert", "truth"])
def test_a_rater_with_the_name_of_something_else_is_told(tmp_path: Path, name: str) -> None:
    check = check_dataset(_make(tmp_path, {"anna": _binary, name: _binary}))
    assert [problem.level for problem in check.problems if problem.kind == "rater-name"] == ["warning"]


def test_values_that_a_training_refuses_are_found(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": _binary})
    image = np.ones(SHAPE)
    image[0, :3] = -1.7976931348623157e308
    (folder / "images" / "0.png").unlink()
    tifffile.imwrite(folder / "images" / "0.tif", image)
    (error,) = check_dataset(folder).errors
    assert error.what.startswith("3 of 2000 pixel values are NaN or infinite, or beyond 3.4e38")


def test_an_orientation_tag_is_a_warning(tmp_path: Path) -> None:
    folder = _make(tmp_path, {"anna": _binary})
    exif = Image.Exif()
    exif[274] = 3
    Image.open(folder / "images" / "0.png").save(folder / "images" / "0.png", exif=exif)
    found = [problem for problem in check_dataset(folder).problems if problem.kind == "turned"]
    assert [(Path(problem.file).name, problem.level) for problem in found] == [("0.png", "warning")]


@pytest.mark.parametrize(
    ("spacing", "text"),
    [
        ((0.62, 0.62), "0.62 × 0.62 µm"),
        ((2000.0, 500.0, 500.0), "2 × 0.5 × 0.5 mm"),
        ((5.0, 0.2, 0.2), "5 × 0.2 × 0.2 µm"),
        ((100.0, 100.0), "0.1 × 0.1 mm"),
        ((2000.0, 10.0, 10.0), "2000 × 10 × 10 µm"),
    ],
)
def test_spacings_of_scanners_are_shown_in_millimetres(spacing: tuple[float, ...], text: str) -> None:
    assert spacing_text(spacing, 6) == text


def _volume(path: Path, unit: str) -> None:
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.uint8).reshape(3, 4, 5), np.diag([0.5, 0.25, 0.008, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


def _volumes(folder: Path, thickness: list[float]) -> Path:
    (folder / "images").mkdir()
    (folder / "labels/anna").mkdir(parents=True)
    for number, thick in enumerate(thickness):
        array = np.random.default_rng(number).integers(0, 200, (6, 5, 4), dtype=np.uint8)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([0.7, 0.7, thick, 1])), folder / f"images/{number}.nii")
        nibabel.save(nibabel.Nifti1Image((array > 99) * np.uint8(1), np.eye(4)), folder / f"labels/anna/{number}.nii")
    return folder


def test_volumes_that_all_have_other_slices_give_one_warning_with_their_range(tmp_path: Path) -> None:
    """Scanners fit the slices to the patient; one image that differs from most others is still named."""
    report = check_dataset(_volumes(tmp_path, [1.0, 1.25, 2.0, 2.5, 3.0, 2.5, 0.5]))
    (found,) = [problem for problem in report.problems if problem.kind == "spacing-differs"]
    assert (Path(found.file).name, found.level) == ("images", "warning")
    assert found.what == "7 images have 6 spacings, 0.7 × 0.7 × 0.5 to 3 mm"
    assert "min_object_size is in voxels" in found.action
    assert "a training does not resample: first resample images that differ from the median" in found.action
    # the median is 2 mm: 1.25 and 2.5 are at most a quarter away only above it
    assert found.action.endswith("along an axis: 0.nii, 1.nii, 4.nii, 6.nii")
    console = Console(file=io.StringIO(), width=100)
    print_check(report, console)
    assert re.search(r"spacing +0\.7 × 0\.7 × 0\.5 to 3 mm \(6 different\) *\n", console.file.getvalue())
    assert re.search(r"image size +6 × 5 × 4 *\n", console.file.getvalue())


def test_one_volume_that_differs_from_most_is_named(tmp_path: Path) -> None:
    report = check_dataset(_volumes(tmp_path, [1.0, 1.0, 2.0, 1.0]))
    (found,) = [problem for problem in report.problems if problem.kind == "spacing-differs"]
    assert Path(found.file).name == "2.nii"
    assert found.what == "spacing 0.7 × 0.7 × 2 mm, but 3 of 4 images have 0.7 × 0.7 × 1 mm"
    assert found.action.endswith("resample image and masks before a training, which does not")


def test_a_little_difference_of_spacing_needs_no_resampling(tmp_path: Path) -> None:
    report = check_dataset(_volumes(tmp_path, [1.0, 1.0, 1.2, 1.0]))
    (found,) = [problem for problem in report.problems if problem.kind == "spacing-differs"]
    assert Path(found.file).name == "2.nii"
    assert "resample" not in found.action


def _plane(path: Path, unit: str) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 4, "PhysicalSizeY": 8}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(path, np.arange(20, dtype=np.uint8).reshape(4, 5), metadata=metadata)


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("1.nii", "mm", "0.5 × 0.25 × 0.008 mm"),
        ("1.nii", "unknown", "0.5 × 0.25 × 0.008 mm"),
        ("1.nii", "micron", "0.5 × 0.25 × 0.008 µm"),
        ("1.ome.tif", "nm", "8 × 4 nm"),
        ("1.ome.tif", "µm", "8 × 4 µm"),
        ("1.tif", "micron", "2 × 1 µm"),
        ("1.tif", "mm", "2 × 1 mm"),
    ],
)
def test_a_spacing_is_shown_in_the_unit_of_its_file(tmp_path: Path, name: str, unit: str, text: str) -> None:
    (tmp_path / "images").mkdir()
    if name == "1.tif":
        array = np.arange(20, dtype=np.uint8).reshape(4, 5)
        of_imagej = {"resolution": (1, 0.5), "metadata": {"unit": unit, "axes": "YX"}}
        tifffile.imwrite(tmp_path / "images" / name, array, imagej=True, **of_imagej)
    else:
        (_volume if name == "1.nii" else _plane)(tmp_path / "images" / name, unit)
    (tmp_path / "labels/anna").mkdir(parents=True)
    console = Console(file=io.StringIO(), width=100)
    print_check(check_dataset(tmp_path), console)
    assert re.search(rf"spacing +{text} *\n", console.file.getvalue())
    n_axes = text.count("×") + 1
    (tmp_path / "dataset.yaml").write_text(f"spacing_um: {[0.7] * n_axes}\n")
    (found,) = [problem.what for problem in check_dataset(tmp_path).warnings if problem.kind == "spacing-settings"]
    assert found.startswith(f"spacing_um is {' × '.join(['0.7'] * n_axes)} µm, but {name} says {text}")


@pytest.mark.parametrize(("size", "is_told"), [(30, False), (36, True)])
def test_objects_that_do_not_count_are_told_from_five_percent_on(tmp_path: Path, size: int, is_told: bool) -> None:
    """Of three images with 5, 6 and 5 objects of 30, 36 and 42 pixels, by two raters."""
    found = check_dataset(_make(tmp_path, {"anna": _binary, "ben": _binary}, {"min_object_size": size}))
    told = [problem.what for problem in found.warnings if problem.kind == "uncounted"]
    assert told == ["0% of the pixels and 31% of the objects that raters marked do not count"] * is_told
