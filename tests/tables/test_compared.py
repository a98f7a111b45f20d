"""Masks of one case, however they are stored, are compared pixel by pixel in the axes of the image."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image
from roifile import ImagejRoi

from segassay.errors import DataError
from segassay.io.images import write_map, write_mask
from segassay.tables import map_rows
from segassay.tables.compared import compare_case
from segassay.tables.jobs import Annotator, Job
from segassay.tables.maps import read_map

AFFINE = np.diag([-1.0, -1, 2, 1])
MIRROR = np.array([[-1.0, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def _volume(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(array.astype(np.uint8), affine), path)
    return path


def _job(files: dict[str, Path], image: Path | None) -> Job:
    annotators = tuple(Annotator(name, "human", path) for name, path in files.items())
    return Job("1", annotators, image=() if image is None else (image,))


@pytest.mark.parametrize("with_image", [True, False])
def test_a_mirrored_mask_is_the_same_mask(tmp_path: Path, with_image: bool) -> None:
    """Without an image, the axes are those of the first mask."""
    mask = np.zeros((6, 5, 4))
    mask[:2, 1:4, 1:3] = 1
    files = {
        "anna": _volume(tmp_path / "anna.nii", mask, AFFINE),
        "ben": _volume(tmp_path / "ben.nii", mask[::-1], AFFINE @ MIRROR),
    }
    image = _volume(tmp_path / "image.nii", np.arange(120).reshape(mask.shape), AFFINE) if with_image else None
    found = compare_case(_job(files, image)).masks
    np.testing.assert_array_equal(found["anna"], mask > 0)
    np.testing.assert_array_equal(found["ben"], mask > 0)


def test_a_mask_of_another_place_is_named_with_its_image(tmp_path: Path) -> None:
    shifted = AFFINE.copy()
    shifted[0, 3] = 3
    mask = np.ones((6, 5, 4))
    files = {"anna": _volume(tmp_path / "anna.nii", mask, AFFINE), "ben": _volume(tmp_path / "ben.nii", mask, shifted)}
    image = _volume(tmp_path / "image.nii", np.arange(120).reshape(mask.shape), AFFINE)
    with pytest.raises(DataError, match=r"ben\.nii lies up to 3 voxels away from its image .*image\.nii"):
        compare_case(_job(files, image))


def test_outlines_are_compared_with_pixels_and_are_objects_whatever_their_order(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    for number, (row, column) in enumerate([(2, 3), (2, 12), (10, 3)], start=1):
        labels[row : row + 5, column : column + 6] = number
    Image.fromarray(np.arange(600).reshape(20, 30).astype(np.uint8)).save(tmp_path / "image.png")
    Image.fromarray(labels).save(tmp_path / "anna.png")
    for row, column in [(10, 3), (2, 3), (2, 12)]:
        square = [[column, row], [column + 6, row], [column + 6, row + 5], [column, row + 5]]
        ImagejRoi.frompoints(square, name=f"{row}-{column}").tofile(tmp_path / "ben.zip")
    files = {"anna": tmp_path / "anna.png", "ben": tmp_path / "ben.zip"}
    case = compare_case(_job(files, tmp_path / "image.png"))
    np.testing.assert_array_equal(case.masks["ben"] > 0, labels > 0)
    assert len(np.unique(case.labels["ben"])) == 4
    assert case.outlined == {"ben"}


def test_the_consensus_of_others_keeps_objects_apart_that_touch(tmp_path: Path) -> None:
    """Rater d joins two neighbours that the others keep apart; binary masks have one object there, as before."""
    drawn = {name: np.zeros((12, 20), np.uint8) for name in "abcde"}
    for number, labels in enumerate(drawn.values()):
        labels[2:10, 2 : 9 + number % 2], labels[2:10, 9 + number % 2 : 17] = 1, 2
    drawn["d"] = np.minimum(drawn["d"], 1)
    for suffix, masks in {
        "labels": drawn,
        "binary": {name: np.minimum(mask, 1) for name, mask in drawn.items()},
    }.items():
        files = {name: tmp_path / f"{name}_{suffix}.png" for name in masks}
        for name, path in files.items():
            Image.fromarray(masks[name] if suffix == "labels" else masks[name] * 255).save(path)
        found = compare_case(replace(_job(files, None), instances=suffix == "labels"))
        n_objects = {name: int(found.labels[f"-{name}"].max()) for name in "abcde"}
        assert n_objects == dict.fromkeys("abcde", 2 if suffix == "labels" else 1)
        np.testing.assert_array_equal(found.labels["-a"] > 0, drawn["a"] > 0)
    assert found.labels["-a"][5].max() == 1


def test_neighbours_of_the_consensus_are_divided_with_the_raters_of_other_persons_only(tmp_path: Path) -> None:
    apart, joined = np.zeros((12, 20), np.uint8), np.zeros((12, 20), np.uint8)
    apart[2:10, 2:9], apart[2:10, 9:17], joined[2:10, 2:17] = 1, 2, 1
    said = {"a1": apart, "a2": apart, "a3": apart, "a4": apart, "b": joined, "c": joined, "d": joined, "e": apart}
    annotators = []
    for name, mask in said.items():
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
        annotators.append(Annotator(name, "human", tmp_path / f"{name}.png", person=name[0]))
    found = compare_case(Job("1", tuple(annotators), instances=True))
    assert found.labels["-a1"].max() == 1
    assert found.labels["-b"].max() == 2


def test_each_map_is_read_once_for_all_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 2:5] = True
    models = []
    for number, name in enumerate(("net", "other")):
        write_mask(tmp_path / f"{name}.png", mask)
        write_map(tmp_path / f"{name}.tif", np.full((8, 8), 0.25 + number / 2, dtype=np.float32))
        models.append(Annotator(name, "model", tmp_path / f"{name}.png", prob=tmp_path / f"{name}.tif"))
    read: list[Path] = []
    monkeypatch.setattr(map_rows, "read_map", lambda path, *rest: read.append(path) or read_map(path, *rest))
    job = Job("1", (*models, Annotator("anna", "human", tmp_path / "net.png")), other_min_sizes=(1, 80))
    rows = map_rows.rows_of_maps(compare_case(job))
    assert read == [tmp_path / "net.tif", tmp_path / "other.tif"]
    assert [row[:4] for row in rows["calibration"]] == [
        ("net", "consensus_staple", 4, 64),
        ("other", "consensus_staple", 14, 64),
    ]
    assert [row[:5] for row in rows["prob_votes"]] == [
        ("net", 2, 1, 0, 55),
        ("net", 2, 1, 1, 9),
        ("other", 7, 1, 0, 55),
        ("other", 7, 1, 1, 9),
    ]
    found = {row[:3]: row[3] for row in rows["recounts"] if row[0] == "other"}  # all 64 pixels are above 0.7
    assert [found["other", 0.7, size] for size in (1, 80)] == [1, 0]
    assert all(np.isnan(row[1]) for row in rows["recounts"] if row[0] == "anna")
