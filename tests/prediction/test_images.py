"""Images to predict: every case once, or a message; no image is opened."""

import os
from pathlib import Path

import numpy as np
import pytest

from segassay.errors import DataError
from segassay.io.images import Picture, write_image
from segassay_monai.prediction.images import find_images


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_cases_of_sub_folders_are_named_by_their_path(tmp_path: Path) -> None:
    folder = touch(tmp_path, "2.png", "10.tif", "m1/2.png", "m1/left/2.ome.tif", ".hidden/3.png", "m1/a.png.png")
    assert list(find_images(folder).files) == ["2", "10"]
    found = find_images(folder, recursive=True).files
    assert list(found) == ["2", "10", "m1__2", "m1__a.png", "m1__left__2"]
    assert found["m1__left__2"] == (folder / "m1" / "left" / "2.ome.tif",)


@pytest.mark.parametrize(
    "names", [("a__b.png", "a/b.png"), ("a.png", "a.tif"), ("a.png", "A.tif"), ("x/a.png", "X__A.tif")]
)
def test_two_images_of_one_case_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match="would both be the case") as error:
        find_images(tmp_path, recursive=True)
    assert all(str(tmp_path / name) in str(error.value) for name in names)


def test_results_among_the_images_are_not_images(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.png", "out/masks/a.png", "out/overlays/a.png")
    assert list(find_images(folder, recursive=True, out=folder / "out").files) == ["a"]


def test_a_folder_without_images_says_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "m1/a.png", "notes.txt")
    with pytest.raises(DataError, match=r"holds no image; .*--recursive if they are in folders"):
        find_images(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not an image that can be read"):
        find_images(tmp_path / "notes.txt")


def test_hostile_names_are_problems_or_plain_names(tmp_path: Path) -> None:
    names = ("a;b&c.png", "<img src=x>.png", "50% ä.png", "-1+1.png", "..png", "a\\b.png")
    touch(tmp_path, *names)
    assert len(find_images(tmp_path).files) == len(names) - 1  # `..png` is hidden
    touch(tmp_path, "new\nline.png")
    with pytest.raises(DataError, match="letters that cannot be written"):
        find_images(tmp_path)
    os.remove(tmp_path / "new\nline.png")
    touch(tmp_path, "=1+1.png")
    with pytest.raises(DataError, match="the case '=1\\+1' looks like a formula"):
        find_images(tmp_path)
    os.remove(tmp_path / "=1+1.png")
    touch(tmp_path, "new\nfolder/a.png")
    with pytest.raises(DataError, match="letters that cannot be written"):
        find_images(tmp_path, recursive=True)


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "m1/a.png")
    (tmp_path / "m1" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list(find_images(tmp_path, recursive=True).files) == ["m1__a"]


def test_masks_and_pictures_of_cellpose_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_cp_masks.png", "a_flows_cp_masks.tif")
    assert list(find_images(tmp_path).files) == ["a"]


def test_a_dataset_gives_pixel_size_and_experiment_even_without_masks(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("m1", "m2"):
        write_image(tmp_path / "images" / f"{name}.png", Picture(np.zeros((1, 4, 5), np.uint8)))
    assert list(find_images(tmp_path).files) == ["m1", "m2"]
    (tmp_path / "dataset.yaml").write_text("spacing_um: [0.5, 0.5]\nexperiment: e.csv\ncontrol_group: H\n")
    (tmp_path / "e.csv").write_text("case,group\nm1,H\nm2,C\n")
    found = find_images(tmp_path, recursive=True)
    assert found.read("m1").spacing_um == (0.5, 0.5)
    assert found.experiment is not None
    assert found.control_group == "H"
    assert found.areas("m1") == {"ignore": None, "region": None}
    (tmp_path / "e.csv").write_text("case,group\nm1,H\nm1,C\n")
    with pytest.raises(DataError, match="several rows"):
        find_images(tmp_path)
