"""Counts per subject and effects of predicted masks: the same numbers as an evaluation of the same masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay import evaluate
from segassay.assay.evaluation import Evaluation
from segassay.data.cases import read_case_image, read_case_mask
from segassay.data.dataset import Dataset, read_dataset
from segassay.errors import DataError, UsageError
from segassay.masks.objects import label_objects
from segassay.simulation.dataset import simulate
from segassay.simulation.settings import Effect, Region, Simulation
from segassay_monai.prediction.subjects import (
    ExperimentTables,
    count_case,
    experiment_tables,
    read_experiment_file,
    subjects,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """24 images of 12 animals, two groups, two regions; the effect is a count of 2.5 times the control's."""
    settings = Simulation(
        n_cases=24,
        shape=(96, 96),
        n_nuclei=8,
        groups={"control": Effect(), "treated": Effect(count=2.5)},
        regions={"CA1": Region(), "DG": Region(density=1.5)},
        min_object_size=8,
    )
    return read_dataset(simulate(tmp_path_factory.mktemp("simulated") / "data", settings))


@pytest.fixture(scope="module")
def evaluated(dataset: Dataset) -> Evaluation:
    """An evaluation in which the masks of the rater `average` are those of a model, too."""
    masks = {case: read_case_mask(dataset, "average", case) for case in dataset.masks["average"]}
    return evaluate(dataset.folder, masks={"net": masks})


@pytest.fixture(scope="module")
def cases(dataset: Dataset) -> pd.DataFrame:
    """What a prediction writes into cases.csv if its masks are those of the rater `average`."""
    rows = []
    for case in dataset.masks["average"]:
        labels = label_objects(read_case_mask(dataset, "average", case), min_size=dataset.min_object_size)
        rows.append({"case": case} | count_case(labels, read_case_image(dataset, case).array[0]))
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables(dataset: Dataset, cases: pd.DataFrame) -> ExperimentTables:
    assert dataset.experiment is not None
    return experiment_tables(cases, dataset.experiment, dataset.settings.control_group, "net")


def test_counts_are_those_of_the_evaluation(cases: pd.DataFrame, evaluated: Evaluation) -> None:
    expected = evaluated.counts[evaluated.counts["annotator"] == "net"].set_index("case").loc[cases["case"]]
    for column in ("n_objects", "area_px", "mean_intensity", "region_area_px", "density"):
        np.testing.assert_array_equal(cases[column], expected[column].astype(float))


def test_effects_are_those_of_the_evaluation(tables: ExperimentTables, evaluated: Evaluation) -> None:
    expected = evaluated.effects[evaluated.effects["annotator"] == "net"].reset_index(drop=True)
    assert {"higher"} < set(expected["verdict"]), "without any effect equal tables say little"
    assert {"subject", "case"} == set(expected["unit"])
    assert {"", "CA1", "DG"} == set(expected["region"])
    pd.testing.assert_frame_equal(tables.effects, expected, check_exact=True)


def test_normalised_values_of_subjects_are_those_that_are_tested(tables: ExperimentTables) -> None:
    """The test of the pooled counts can be repeated from subjects.csv alone."""
    from scipy.stats import mannwhitneyu

    pooled = tables.subjects[tables.subjects["region"] == ""]
    values = {group: rows["count_normalised"].round(12) for group, rows in pooled.groupby("group")}
    effects = tables.effects
    tested = effects[
        (effects["measure"] == "count")
        & (effects["region"] == "")
        & (effects["unit"] == "subject")
        & (effects["test"] == "mann_whitney")
    ].iloc[0]
    found = mannwhitneyu(values[tested["group_1"]], values[tested["group_2"]], method="asymptotic")
    assert (tested["statistic"], tested["p_value"]) == pytest.approx((found.statistic, found.pvalue))


def test_every_image_is_in_one_subject_of_each_region(tables: ExperimentTables, cases: pd.DataFrame) -> None:
    of_regions = tables.subjects[tables.subjects["region"] != ""]
    pooled = tables.subjects[tables.subjects["region"] == ""]
    for rows in (of_regions, pooled):
        assert rows["n_images"].sum() == len(cases)
        assert rows["n_objects"].sum() == cases["n_objects"].sum()
    assert not tables.subjects.duplicated(["subject", "region"]).any()
    assert tables.notes == ()


def test_two_animals_drawn_by_hand() -> None:
    counts = pd.DataFrame({"case": list("abcd"), "n_objects": [2, 4, 9, 0], "density": [0.2, 0.4, 0.9, 0.0]})
    counts["mean_intensity"] = [10.0, 20.0, 30.0, np.nan]
    experiment = pd.DataFrame({"case": list("abcd"), "group": list("HHCC"), "subject": ["m2", "m2", "m10", "m10"]})
    table = experiment_tables(counts, experiment, "H").subjects.set_index("subject")
    assert list(table.index) == ["m2", "m10"], "in natural order"
    assert table.loc["m2", ["n_images", "n_objects", "count", "count_normalised"]].tolist() == [2, 6, 3, 1]
    assert table.loc["m10", ["n_objects", "count", "count_normalised"]].tolist() == [9, 4.5, 1.5]
    assert table.loc["m10", "mean_intensity"] == 30, "an image without objects has no intensity, rather than 0"


def test_images_without_subjects_are_units() -> None:
    counts = pd.DataFrame({"case": ["a", "b"], "n_objects": [2, 4], "density": 0.1, "mean_intensity": 1.0})
    table = experiment_tables(counts, pd.DataFrame({"case": ["a", "b"], "group": ["H", "C"]}), "H").subjects
    assert table[["unit", "subject", "count_normalised"]].to_numpy().tolist() == [["case", "a", 1], ["case", "b", 2]]


def test_an_image_without_row_is_counted_and_said() -> None:
    counts = pd.DataFrame({"case": ["a", "b", "x"], "n_objects": 1, "density": 0.1, "mean_intensity": 1.0})
    found = experiment_tables(counts, pd.DataFrame({"case": ["a", "b", "q"], "group": ["H", "C", "C"]}), "H")
    assert found.subjects["subject"].tolist() == ["a", "b"]
    assert found.notes == (
        "1 image without a row in the experiment table, left out of subjects and effects: x",
        "1 row of the experiment table without a predicted image: q",
    )


def test_without_control_group_nothing_is_tested() -> None:
    counts = pd.DataFrame({"case": ["a", "b"], "n_objects": [2, 4], "density": 0.1, "mean_intensity": 1.0})
    found = experiment_tables(counts, pd.DataFrame({"case": ["a", "b"], "group": ["H", "C"]}), None)
    assert found.effects.empty
    assert found.subjects["count"].tolist() == [2, 4]
    assert found.subjects["count_normalised"].isna().all()
    assert "no control group" in found.notes[-1]


def test_columns_of_cases_do_not_clash_with_those_of_the_experiment() -> None:
    counts = pd.DataFrame({"case": ["a", "b"], "n_objects": [2, 4], "density": 0.1, "mean_intensity": 1.0})
    counts = counts.assign(group="?", region="?", subject="?")
    experiment = pd.DataFrame({"case": ["a", "b"], "group": ["H", "C"]})
    assert experiment_tables(counts, experiment, "H").subjects["group"].tolist() == ["H", "C"]


HEADER = "case,group,subject\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "a,H,m1\nb,C,m1\n", "subject 'm1' is in the groups H, C"),
        (HEADER + "a,X,m1\nb,C,m2\n", "control_group 'H' is not one of the groups C, X"),
        (HEADER + "a,H,m1\na,C,m2\n", "case 'a' has several rows"),
        (HEADER + "a,H,m1\nb,,m2\n", "case 'b' has no group"),
        (HEADER + "a,H,m1\nb,C,\n", "case 'b' has no subject"),
        ("image,group\na,H\n", "no column case"),
        (HEADER + "x.left,H,m1\ny.left,C,m2\n", "has a row for none of the images: its cases are x.left, y.left"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "experiment.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"experiment\.csv") as error:
        read_experiment_file(path, "H", {"a": Path("a.tif"), "b": Path("b.tif")})
    assert message in str(error.value)


def test_a_part_of_an_experiment_may_be_predicted(tmp_path: Path) -> None:
    path = tmp_path / "experiment.csv"
    path.write_text(HEADER + "a,H,m1\nb,C,m2\n0144,C,m3\n")
    assert read_experiment_file(path, "H", {"a": Path("a.tif")})["case"].tolist() == ["a", "b", "0144"]


def test_two_annotators_are_not_mixed() -> None:
    table = pd.DataFrame({"annotator": ["a", "b"]})
    with pytest.raises(UsageError, match="one annotator"):
        subjects(table)


def test_no_image_of_the_experiment_is_an_error() -> None:
    counts = pd.DataFrame({"case": ["a"], "n_objects": 1, "density": 0.1, "mean_intensity": 1.0})
    with pytest.raises(DataError, match="table has a row for none of the images: its cases are b, the images are a"):
        experiment_tables(counts, pd.DataFrame({"case": ["b"], "group": ["H"]}), "H")
