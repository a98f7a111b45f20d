"""What a check says about channels: names that do not fit the images, blank ones, and the summary."""

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from channel_datasets import NAMES, draw_channels
from command import run
from segassay.checks.check import check_dataset
from segassay.io.images import read_image, write_image
from segassay.io.picture import Picture


def test_a_sound_dataset_is_summarised_with_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_channels(tmp_path / "lab", n=4, turned=[2], segment_channels="DAPI")
    found = check_dataset(folder)
    assert [problem for problem in found.problems if problem.level == "error"] == []
    assert found.summary is not None
    assert found.summary["images"]["channels"] == list(NAMES)
    assert run(monkeypatch, "check", str(folder)) == 0
    assert re.search(r"^channels +2: DAPI, cFOS *$", capsys.readouterr().out, re.MULTILINE)
    assert run(monkeypatch, "check", str(folder), "--json") == 0
    assert json.loads(capsys.readouterr().out)["summary"]["images"]["channels"] == list(NAMES)


def test_names_and_channels_differ_in_number(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=4, channels=["DAPI", "cFOS", "GFP"])
    (problem,) = [one for one in check_dataset(folder).problems if one.level == "error"]
    assert (problem.file, problem.kind) == (str(folder / "dataset.yaml"), "channel-count")
    assert problem.what == "channels names DAPI, cFOS, GFP, but c0.ome.tif (and 3 more images) has 2 channels"


def test_one_image_has_other_channels_than_the_first(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=4)
    array = read_image(folder / "images" / "c2.ome.tif").array
    three = Picture(np.concatenate([array, array[:1]]), channel_names=("DAPI", "cFOS", "GFP"))
    write_image(folder / "images" / "c2.ome.tif", three)
    (problem,) = [one for one in check_dataset(folder).problems if one.level == "error"]
    assert (Path(problem.file).name, problem.kind) == ("c2.ome.tif", "channel-names")
    assert "has the channels DAPI, cFOS, GFP; expected DAPI, cFOS, as the first image" in str(problem)


def test_a_blank_channel_is_named(tmp_path: Path) -> None:
    folder = draw_channels(tmp_path / "lab", n=4, segment_channels="DAPI")
    picture = read_image(folder / "images" / "c1.ome.tif")
    write_image(
        folder / "images" / "c1.ome.tif", Picture(picture.array * np.uint8([[[1]], [[0]]]), channel_names=NAMES)
    )
    (problem,) = [one for one in check_dataset(folder).problems if one.kind == "blank-channel"]
    assert problem.what == "channel 'cFOS', from which intensities are read, has the value 0 everywhere"


@pytest.mark.parametrize("name", ["segment_channels", "intensity_channel"])
def test_an_unknown_name_is_one_error_and_the_rest_is_checked(tmp_path: Path, name: str) -> None:
    folder = draw_channels(tmp_path / "lab", n=4, **{name: "GFP"})
    found = check_dataset(folder)
    (problem,) = [one for one in found.problems if one.level == "error"]
    assert problem.what == f"{name} names 'GFP', which is no channel"
    assert found.summary is not None
    assert found.summary["n_readable_images"] == 4


def volumes(folder: Path, rows: np.ndarray, spacing: tuple[float, ...] = (1, 1, 2)) -> Path:
    """Three volumes whose headers have these rows of the affine and this size of the voxels."""
    for case in range(3):
        array = np.random.default_rng(case).integers(0, 255, (6, 7, 5)).astype(np.uint8)
        for name in ("images", "labels/anna", "labels/ben"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(array if name == "images" else array // 200, np.diag([*spacing, 1]))
            for axis, row in zip("xyz", rows, strict=True):
                image.header[f"srow_{axis}"] = [*row, 0]
            image.header["sform_code"], image.header["qform_code"] = 1, 0
            nibabel.save(nibabel.Nifti1Image(image.dataobj, None, image.header), folder / name / f"{case}.nii.gz")
    return folder


def test_a_header_with_two_sizes_of_a_voxel_is_named_unless_dataset_yaml_says_it(tmp_path: Path) -> None:
    oblique = [[0, 0.6, -1.6], [0, 0.8, 1.2], [1, 0, 0]]
    folder = volumes(tmp_path / "right", np.array(oblique))
    assert "two-spacings" not in {problem.kind for problem in check_dataset(folder).problems}
    folder = volumes(tmp_path / "wrong", np.diag([1, 1, 3]))
    found = [problem for problem in check_dataset(folder).problems if problem.kind == "two-spacings"]
    assert [(Path(problem.file).name, problem.level) for problem in found] == [
        (f"{case}.nii.gz", "warning") for case in range(3)
    ]
    assert "1 × 1 × 2 mm (pixdim), which distances use, and 1 × 1 × 3 mm by its affine" in found[0].what
    (folder / "dataset.yaml").write_text("spacing_um: [1000, 1000, 3000]")
    assert "two-spacings" not in {problem.kind for problem in check_dataset(folder).problems}


@pytest.mark.parametrize("rows", [np.diag([1, 1, 0]), np.diag([1, 1, np.nan])], ids=["flat", "NaN"])
def test_an_affine_that_is_no_place_is_one_message(tmp_path: Path, rows: np.ndarray) -> None:
    found = [problem for problem in check_dataset(volumes(tmp_path / "lab", rows)).problems if problem.level == "error"]
    assert {problem.kind for problem in found} == {"geometry"}
    assert "puts all voxels into one plane, or is no number" in found[0].what
