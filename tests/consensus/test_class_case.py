"""The command `consensus` on classes: values in masks, a channel of probability each, rows by class, figures."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from command import run
from label_scenes import draw_labels
from segassay.consensus.classes import METHODS, fuse_classes
from segassay.consensus.describe import describe_consensus
from segassay.consensus.write import COLUMNS, write_consensus
from segassay.data.cases import read_case_classes
from segassay.data.dataset import read_dataset
from segassay.io.images import Picture, read_image, write_labels
from small_datasets import make_dataset

ANNA = draw_labels("......... .111.222. .111.222. .111.222. .........")
BEN = draw_labels("......... .1111222. .1111222. .111.222. .........")
CLEO = draw_labels("......... .111.111. .111.111. .111.111. .........")
CLASSES = {"cell": 3, "nucleus": {"value": 1, "colour": "#0072b2"}, "debris": 2}
VALUES = [3, 1, 2]


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    masks = {"anna": {"1": ANNA, "2": ANNA}, "ben": {"1": BEN, "2": BEN}, "cleo": {"1": CLEO}}
    return make_dataset(tmp_path / "lab", masks, classes=CLASSES).folder


@pytest.mark.parametrize("method", METHODS)
def test_masks_probabilities_and_rows_are_those_of_the_consensus(lab, tmp_path, method):
    table = write_consensus(lab, tmp_path / "out", method=method)
    known = fuse_classes([ANNA, BEN, CLEO], VALUES, method)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/masks/1.png")), known.labels)
    np.testing.assert_array_equal(read_image(tmp_path / "out/prob/1.tif").array, known.prob[1:])
    with Image.open(tmp_path / "out/figures/1.png") as figure:
        assert figure.width > 600
    written = pd.read_csv(tmp_path / "out/raters.csv")
    assert list(written) == [*COLUMNS[:2], "class", *COLUMNS[2:]]
    assert len(written) == len(table) == 2 * 3 * 3
    of_case = written[written["case"] == 1].set_index(["rater", "class"])
    for row, rater in enumerate(["anna", "ben", "cleo"]):
        for column, name in enumerate(CLASSES):
            for measure in ("sensitivity", "specificity"):
                expected = getattr(known, measure)[row, column]
                assert of_case.loc[(rater, name), measure] == pytest.approx(expected, nan_ok=True)
    n_objects = of_case["n_objects"].unstack()[list(CLASSES)]
    assert n_objects.to_numpy().tolist() == [[0, 1, 1], [0, 1, 1], [0, 2, 0]]
    assert of_case["n_objects_consensus"].isna().sum() == 0
    assert not written[(written["case"] == 2) & (written["rater"] == "cleo")]["annotated"].any()
    assert of_case["n_supported"].notna().all() == (method == "object")
    assert of_case["converged"].notna().all() == (method == "staple")


def test_a_consensus_is_read_again_as_the_masks_of_a_rater(lab, tmp_path):
    write_consensus(lab, lab / "consensus", method="majority")
    (lab / "dataset.yaml").write_text((lab / "dataset.yaml").read_text() + "reference: consensus/masks\n")
    dataset = read_dataset(lab)
    found = read_case_classes(dataset, "masks", "1")
    np.testing.assert_array_equal(found, fuse_classes([ANNA, BEN, CLEO], VALUES, "majority").labels)


def test_raters_needed_and_objects_are_counted_by_class(lab, tmp_path):
    table = write_consensus(lab, tmp_path / "out", method="majority")
    of_case = table[table["case"] == "1"].groupby("class", sort=False).first()
    assert of_case["n_raters_needed"].isna().tolist() == [True, False, False]
    assert of_case["n_raters_needed"].tolist()[1:] == [3, 2]  # Cleo takes the right object for a nucleus
    assert of_case["n_objects_consensus"].tolist() == [0, 1, 1]
    lines = describe_consensus(table, "majority")
    assert lines[0] == "consensus of 3 raters by majority: 2 images"
    assert "cell: in the consensus of 0 images; a rater saw it in 0" in lines
    assert "nucleus: in the consensus of 2 images; a rater saw it in 2" in lines


def test_regions_are_written_as_values_with_a_channel_each(tmp_path):
    masks = {"anna": {"1": ANNA}, "ben": {"1": BEN}, "cleo": {"1": CLEO}}
    folder = make_dataset(tmp_path / "lab", masks, classes={"whole": [1, 2], "core": 2}).folder
    write_consensus(folder, tmp_path / "out")
    prob = read_image(tmp_path / "out/prob/1.tif").array
    labels = np.asarray(Image.open(tmp_path / "out/masks/1.png"))
    np.testing.assert_array_equal(labels > 0, prob[0] > 0.5)
    np.testing.assert_array_equal(labels == 2, prob[1] > 0.5)


def test_values_that_no_png_can_hold_are_written_as_tiff(tmp_path):
    large = np.array([0, 70_000, 2])
    masks = {rater: {"1": large[mask % 3]} for rater, mask in (("anna", ANNA), ("ben", BEN))}
    lab = make_dataset(tmp_path / "lab", {rater: {"1": of["1"] > 0} for rater, of in masks.items()})
    for rater, of in masks.items():
        [path] = (lab.folder / "labels" / rater).iterdir()
        path.unlink()
        write_labels(path.with_suffix(".tif"), of["1"], Picture(of["1"][None]))
    (lab.folder / "dataset.yaml").write_text("classes: {cell: 70000, debris: 2}\n")
    write_consensus(lab.folder, tmp_path / "out", method="majority")
    assert [path.name for path in (tmp_path / "out/masks").iterdir()] == ["1.tif"]
    known = fuse_classes([masks["anna"]["1"], masks["ben"]["1"]], [70_000, 2], "majority")
    np.testing.assert_array_equal(read_image(tmp_path / "out/masks/1.tif").array[0], known.labels)


def test_a_volume_keeps_its_place(tmp_path):
    folder, affine = tmp_path / "lab", np.diag([-0.7, 0.5, 2.0, 1.0])
    for name in ("images", "labels/anna", "labels/ben"):
        (folder / name).mkdir(parents=True)
    volume = np.stack([ANNA, BEN, ANNA], axis=-1)
    like = Picture(volume[None].astype(np.int16), (700.0, 500.0, 2000.0), affine)
    write_labels(folder / "images/1.nii.gz", volume, like)
    for rater in ("anna", "ben"):
        write_labels(folder / "labels" / rater / "1.nii.gz", volume, like)
    (folder / "dataset.yaml").write_text("classes: {a: 1, b: 2}")
    write_consensus(folder, tmp_path / "out")
    mask, prob = nibabel.load(tmp_path / "out/masks/1.nii.gz"), nibabel.load(tmp_path / "out/prob/1.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), volume)
    assert prob.shape == (*volume.shape, 2)
    for file in (mask, prob):
        np.testing.assert_allclose(file.affine, affine)
    np.testing.assert_allclose(read_image(tmp_path / "out/prob/1.nii.gz").array[1], volume == 2, atol=1e-6)


def test_same_dataset_same_bytes(lab, tmp_path):
    for name in ("one", "two"):
        write_consensus(lab, tmp_path / name)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


def test_a_value_that_is_no_class_stops_the_command_and_nothing_is_written(lab, tmp_path, monkeypatch, capsys):
    (lab / "dataset.yaml").write_text("classes: {a: 1, b: 7}")
    assert run(monkeypatch, "consensus", lab, "--out", tmp_path / "out") == 1
    assert "holds the value 2; dataset.yaml names 0, 1, 7" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_one_class_is_written_as_a_binary_mask(tmp_path):
    masks = {"anna": {"1": (ANNA == 1) * 4}, "ben": {"1": (BEN == 1) * 4}}
    folder = make_dataset(tmp_path / "lab", masks, classes={"cell": 4}).folder
    table = write_consensus(folder, tmp_path / "out")
    assert list(table) == list(COLUMNS)
    assert set(np.unique(np.asarray(Image.open(tmp_path / "out/masks/1.png")))) == {0, 255}
