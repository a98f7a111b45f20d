"""A lab's own endpoints, and the measurements that dataset.yaml chooses: what is read, and how it can be wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from segassay.checks.check import check_dataset
from segassay.data.dataset import data_hash, index_dataset, of_cases, read_dataset
from segassay.errors import DataError
from small_datasets import save

CASES = ("01", "02", "03", "04")
EXPERIMENT = "case,group\n01,H\n02,H\n03,C\n04,C\n"
FREEZING = "case,endpoint,value,unit\n01,freezing,12.5,%\n02,freezing,,%\n03,freezing,4e1,%\n04,freezing,0,%\n"


def folder_with(tmp_path: Path, table: str | None = FREEZING, **settings: object) -> Path:
    """Four cases by two raters in two groups, with this endpoints.csv."""
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 2:5] = True
    for case in CASES:
        save(tmp_path / "images" / f"{case}.png", np.ones((8, 8), dtype=int))
        for rater in ("anna", "ben"):
            save(tmp_path / "labels" / rater / f"{case}.png", mask)
    (tmp_path / "experiment.csv").write_text(EXPERIMENT)
    if table is not None:
        (tmp_path / "endpoints.csv").write_text(table)
    stated = {"experiment": "experiment.csv", "control_group": "H", "endpoints": "endpoints.csv"} | settings
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({k: v for k, v in stated.items() if v is not None}))
    return tmp_path


def problems_of(folder: Path) -> list[str]:
    _, problems = index_dataset(folder)
    assert all(problem.action for problem in problems)
    return [f"{problem.level}: {problem.what}; {problem.action}" for problem in problems]


def test_endpoints_are_numbers_and_an_empty_cell_is_unknown(tmp_path):
    dataset = read_dataset(folder_with(tmp_path))
    assert dataset.endpoints is not None
    assert dataset.endpoints["value"].fillna(-1).tolist() == [12.5, -1, 40, 0]
    assert set(dataset.endpoints["unit"]) == {"%"}
    assert set(dataset.endpoints["annotator"]) == {""}
    assert dataset.measurements == ("count", "density", "mean_intensity", "freezing")


def test_without_endpoints_the_usual_measurements_are_tested(tmp_path):
    dataset = read_dataset(folder_with(tmp_path, None, endpoints=None))
    assert dataset.endpoints is None
    assert dataset.measurements == ("count", "density", "mean_intensity")


def test_dataset_yaml_chooses_the_measurements_and_their_order(tmp_path):
    dataset = read_dataset(folder_with(tmp_path, measurements=["freezing", "area"]))
    assert dataset.measurements == ("freezing", "area")


def test_semicolons_and_a_byte_order_mark_are_read(tmp_path):
    dataset = read_dataset(folder_with(tmp_path, "\ufeff" + FREEZING.replace(",", ";")))
    assert dataset.measurements[-1] == "freezing"


def test_endpoints_count_in_the_hash_and_follow_the_cases(tmp_path):
    dataset = read_dataset(folder_with(tmp_path / "a"))
    other = read_dataset(folder_with(tmp_path / "b", FREEZING.replace("12.5", "12.6")))
    assert data_hash(dataset) != data_hash(other)
    kept = of_cases(dataset, ["03"]).endpoints
    assert kept is not None
    assert kept["case"].tolist() == ["03"]


ROW = "case,endpoint,value,annotator\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FREEZING + "1,freezing,3,%\n", "case '1' has no image; did a spreadsheet change '01'?"),
        (FREEZING + "99,freezing,3,%\n", "case '99' has no image"),
        (FREEZING + "01,freezing,3,%\n", "'freezing' of case '01' has several rows; keep one"),
        (ROW + "01,a,1,anna\n01,a,1,anna\n", "'a' of case '01' by 'anna' has several rows"),
        (FREEZING.replace("12.5", "high"), "'freezing' of case '01' is 'high'; expected a number with a decimal point"),
        (FREEZING.replace("12.5", '"12,5"'), "'freezing' of case '01' is '12,5'; expected a number"),
        (FREEZING.replace("12.5", "=B2*2"), "'freezing' of case '01' is '=B2*2'; expected a number"),
        (
            FREEZING.replace("12.5", "NaN"),
            "is 'NaN'; expected a number with a decimal point; correct",
        ),
        (FREEZING.replace("12.5", "inf"), "is 'inf'; expected a number"),
        (FREEZING.replace("12.5", "1e999"), "is '1e999'; expected a number"),
        (FREEZING.replace("12.5", "1_0"), "is '1_0'; expected a number"),
        (FREEZING.replace("12.5", "١٢"), "is '١٢'; expected a number"),
        (FREEZING.replace("12.5", "-0.5"), "is -0.5; expected 0 or more"),
        (FREEZING.replace("12.5,%", "12.5,s"), "the endpoint 'freezing' has several units: 's', '%'"),
        ("case,endpoint,value\n01,,3\n", "the endpoint '' has no usable name"),
        ("case,endpoint,value\n01,../../x,3\n", "the endpoint '../../x' has no usable name"),
        ("case,endpoint,value\n01,2nd,3\n", "the endpoint '2nd' has no usable name"),
        ("case,endpoint,value\n01,Area,3\n", "the endpoint 'Area' has the name of a measurement of masks"),
        ("case,endpoint,value\n01,fear,3\n01,Fear,3\n", "the endpoints 'fear' and 'Fear' differ only in capital"),
        ("case,endpoint\n01,fear\n", "no column value; expected case, endpoint, value"),
        ("case,endpoint,value,anotator\n01,fear,3,anna\n", "unknown column 'anotator'"),
        (ROW + "01,a,1,anna\n02,a,1,\n", "the endpoint 'a' has rows with and without annotator"),
        ("case,endpoint,value\n01,fear,3,4\n", "cannot be read as a CSV table"),
        ("", "cannot be read as a CSV table"),
        ("\0", "it holds a NUL character; save it again"),
        (None, "cannot be read as a CSV table"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, text, says):
    folder = folder_with(tmp_path, text)
    assert [line for line in problems_of(folder) if line.startswith("error") and says in line]
    with pytest.raises(DataError):
        read_dataset(folder)


def test_all_problems_of_a_table_come_at_once(tmp_path):
    text = "case,endpoint,value\n99,fear,x\n01,no-name,-1\n01,no-name,2\n"
    assert len([line for line in problems_of(folder_with(tmp_path, text)) if line.startswith("error")]) == 5


def test_an_annotator_who_is_no_rater_may_be_a_model_or_a_slip(tmp_path):
    problems = problems_of(folder_with(tmp_path, ROW + "01,a,1,anna\n01,a,1,bem\n"))
    assert problems == [
        "warning: annotator 'bem' is neither a rater nor the reference; correct the name, unless its masks are added "
        "to the evaluation"
    ]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"measurements": ["cuont"]}, "names 'cuont', which is neither measured on masks nor an endpoint"),
        ({"measurements": ["freezin"]}, "did you mean 'freezing'?"),
        ({"measurements": ["area", "area"]}, "measurements names 'area' twice"),
        ({"measurements": []}, "measurements is []; expected a list of names"),
        ({"measurements": "area"}, "measurements is 'area'; expected a list of names"),
        ({"endpoints": "../endpoints.csv"}, "expected a relative path inside the dataset folder"),
        ({"experiment": None, "control_group": None}, "endpoints is given without `experiment`"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, says):
    assert [
        line for line in problems_of(folder_with(tmp_path, **settings)) if line.startswith("error") and says in line
    ]


def test_a_table_that_is_not_named_is_not_used_and_that_is_said(tmp_path):
    folder = folder_with(tmp_path, endpoints=None)
    assert problems_of(folder) == ["warning: is not used; name it as `endpoints` in dataset.yaml, or move it away"]
    assert read_dataset(folder).endpoints is None


def test_a_table_without_rows_has_no_endpoint(tmp_path):
    dataset = read_dataset(folder_with(tmp_path, "case,endpoint,value\n"))
    assert dataset.measurements == ("count", "density", "mean_intensity")
    assert isinstance(dataset.endpoints, pd.DataFrame)


def test_the_check_finds_what_needs_the_images(tmp_path):
    wrong = check_dataset(folder_with(tmp_path / "a", measurements=["volume"]))
    assert [problem.what for problem in wrong.errors] == [
        "measurements names 'volume', but there are images with 2 axes"
    ]
    in_pixels = check_dataset(folder_with(tmp_path / "b", measurements=["object_size"]))
    assert not in_pixels.errors
    assert "so sizes are in pixels" in "".join(problem.what for problem in in_pixels.problems)
    fine = check_dataset(folder_with(tmp_path / "c", measurements=["area"], spacing_um=[1, 1]))
    assert not [problem for problem in fine.problems if problem.kind.startswith("measurement")]
