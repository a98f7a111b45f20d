"""The published labs: their names, their files, and what is written beside them."""

import pytest
import yaml

from segassay.data.published.segebarth2020 import LABS, find_labs, lab_notes, read_manifest
from segassay.data.settings import DatasetFile
from segassay.errors import DataError, UsageError

GROUPS = "file_id,group_id\n0092,3\n0001,8\n0144,1\n"


def test_all_labs_in_the_order_of_the_publication():
    names = ["lab-wue1", "lab-inns1", "lab-mue", "lab-inns2", "lab-wue2"]
    assert [lab.name for lab in find_labs(None)] == names
    assert [lab.name for lab in find_labs(reversed(names))] == names
    assert [lab.name for lab in find_labs(["wue2", " lab-mue ", "mue"])] == ["lab-mue", "lab-wue2"]


@pytest.mark.parametrize("names", [["mue", "wue3"], [""], [], ["lab-"], ["MUE"], ["wue"]])
def test_an_unknown_lab_names_the_five(names):
    with pytest.raises(UsageError, match=r"no lab .*; expected some of wue1, inns1, mue, inns2, wue2$"):
        find_labs(names)


def test_manifest_lists_every_file_of_every_lab():
    manifest = read_manifest()
    assert {name.split("/")[0] for name in manifest} == {lab.name for lab in LABS}
    n_files = [sum(name.startswith(f"{lab.name}/") for name in manifest) for lab in LABS]
    assert n_files == [36 * 7 + 1, 30, 30, 30, 30]
    assert all(len(digest) == 64 for digest in manifest.values())
    assert not any(".." in name or name.startswith("/") or "\\" in name for name in manifest)


def test_manifest_is_that_of_the_data(data_dir):
    published = (data_dir / "segebarth2020" / "SHA256SUMS").read_text().split("\n")
    assert sorted(published[:-1]) == sorted(f"{digest}  {name}" for name, digest in read_manifest().items())


@pytest.mark.parametrize(
    ("short", "size", "suffix"),
    [
        ("wue1", 30, "_cFOS"),
        ("inns1", 16, "_cFOS"),
        ("mue", 30, "_cFOS"),
        ("inns2", 60, "_cFOS"),
        ("wue2", 112, "_GABA"),
    ],
)
def test_dataset_yaml_of_every_lab(tmp_path, short, size, suffix):
    (lab,) = find_labs([short])
    (tmp_path / "groups_wue1.csv").write_text(GROUPS)
    notes = lab_notes(lab, tmp_path)
    assert list(notes) == sorted({"dataset.yaml", "SOURCE.txt"} | ({"experiment.csv"} if short == "wue1" else set()))
    settings = DatasetFile.model_validate(yaml.safe_load(notes["dataset.yaml"]))
    expected = {"name": lab.name, "raters": "labels/expert_*", "mask_suffix": suffix, "min_object_size": size}
    expected |= {"reference": "labels/est_GT"}
    if short == "wue1":
        expected |= {"experiment": "experiment.csv", "control_group": "H", "spacing_um": (0.62, 0.62)}
    if short == "wue2":
        expected |= {"ignore": "ignored_regions", "ignore_suffix": "_ignore"}
    assert settings.model_dump(exclude_unset=True) == expected
    assert (b"our reading" in notes["dataset.yaml"]) == (short == "wue1")
    for word in (
        "10.5061/dryad.4b8gtht9d",
        "eafeb5f8e1312ab29416144df0212761ddf4cfc4",
        "Apache",
        f"train_data/{lab.name}",
    ):
        assert word in notes["SOURCE.txt"].decode()


def test_codes_are_conditions_and_regions(tmp_path):
    (tmp_path / "groups_wue1.csv").write_text(GROUPS)
    table = lab_notes(LABS[0], tmp_path)["experiment.csv"]
    assert table == b"case,group,region\n0092,context_1,region_0\n0001,H,region_2\n0144,context_0,region_1\n"


@pytest.mark.parametrize(
    "text", ["", "file_id\n1\n", "file_id,group_id\n1,9\n", "file_id,group_id\n1,\n", "a,b\n1,2\n"]
)
def test_a_table_without_codes_is_one_message(tmp_path, text):
    (tmp_path / "groups_wue1.csv").write_text(text)
    with pytest.raises(DataError, match=r"groups_wue1\.csv"):
        lab_notes(LABS[0], tmp_path)
