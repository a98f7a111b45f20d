"""The experiment, on drawn-up tables that one can check in the head and on the groups of lab-wue1."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segassay.errors import DataError
from segassay.io.images import read_mask
from segassay.masks.objects import label_objects
from segassay.statistics.groups import kruskal_wallis, mann_whitney
from segassay.tables.effects import EFFECT_COLUMNS, IMAGES_AS_UNITS, UNEQUAL_SPREAD, effects
from segassay.tables.normalise import normalise
from segassay.tables.prerequisites import PREREQUISITE_COLUMNS, prerequisites


def counts_of(numbers: list[float], annotator: str = "anna") -> pd.DataFrame:
    """Counts table of cases c0, c1 … with these numbers of objects, density a tenth, and equal intensities."""
    table = pd.DataFrame({"case": [f"c{i}" for i in range(len(numbers))], "annotator": annotator})
    n_objects = np.array(numbers, dtype=float)
    return table.assign(n_objects=n_objects, mean_intensity=100.0, density=n_objects / 10)


def experiment_of(groups: str, **columns: str | list[str]) -> pd.DataFrame:
    """Experiment table of cases c0, c1 …, one letter per case."""
    table = pd.DataFrame({"case": [f"c{i}" for i in range(len(groups))], "group": list(groups)})
    return table.assign(**{name: list(values) for name, values in columns.items()})


def rows_of(table: pd.DataFrame, **key: str) -> pd.DataFrame:
    for column, wanted in ({"measure": "count"} | key).items():
        table = table[table[column] == wanted]
    return table.reset_index(drop=True)


def test_values_are_divided_by_the_control_of_their_region_and_batch():
    experiment = experiment_of("HCHCHC", region="aabbbb", batch="xxxxyy")
    table = rows_of(normalise(counts_of([2, 6, 10, 5, 4, 8]), experiment, "H"))
    assert table["control_mean"].to_list() == [2, 2, 10, 10, 4, 4]
    assert table["value"].to_list() == [1, 3, 1, 0.5, 1, 2]


def test_every_annotator_is_divided_by_its_own_control():
    both = pd.concat([counts_of([4, 8, 6, 20]), counts_of([40, 80, 60, 200], annotator="ben")])
    table = rows_of(normalise(both, experiment_of("HHCC"), "H"))
    anna, ben = (table.loc[table["annotator"] == name, "value"].to_list() for name in ("anna", "ben"))
    assert anna == ben == [pytest.approx(4 / 6), pytest.approx(8 / 6), 1, pytest.approx(20 / 6)]


def test_equal_fractions_of_different_strata_stay_tied():
    numbers = [3, 3, 4, 3, 9, 9, 12, 9]  # 3 / (10/3) and 9 / (30/3)
    table = rows_of(normalise(counts_of(numbers), experiment_of("HHHCHHHC", region="aaaabbbb"), "H"))
    assert table["value"].iloc[3] == table["value"].iloc[7]


def test_effects_and_prerequisites_have_the_columns_of_the_contract():
    normalised = normalise(counts_of(list(range(1, 11))), experiment_of("HHHHHCCCCC"), "H")
    table = effects(normalised)
    assert tuple(table) == EFFECT_COLUMNS
    assert tuple(prerequisites(normalised)) == PREREQUISITE_COLUMNS
    assert table["measure"].unique().tolist() == ["count", "density", "mean_intensity"]
    assert table["test"].to_list() == ["kruskal_wallis", "mann_whitney"] * 3
    assert (table["region"] == "").all()
    assert (table["note"] == IMAGES_AS_UNITS).all()


def test_control_comes_first_then_the_natural_order():
    groups = ["day10", "day10", "day2", "day2", "home", "home", "day2", "home"]
    normalised = normalise(counts_of(list(range(1, 9))), experiment_of("abcdefgh").assign(group=groups), "home")
    pairs = rows_of(effects(normalised), test="mann_whitney")
    assert list(zip(pairs["group_1"], pairs["group_2"], strict=True)) == [
        ("home", "day2"),
        ("home", "day10"),
        ("day2", "day10"),
    ]


@pytest.mark.parametrize(("factor", "direction", "verdict"), [(4, 1, "higher"), (0.25, -1, "lower"), (1, 0, "none")])
def test_direction_and_verdict_are_of_group_2_against_control(factor: float, direction: int, verdict: str):
    control = [10, 11, 12, 13, 14, 15]
    numbers = [value * factor for value in control] + control  # C stands before H in the file
    row = rows_of(effects(normalise(counts_of(numbers), experiment_of("CCCCCCHHHHHH"), "H")), test="mann_whitney").loc[
        0
    ]
    assert (row["group_1"], row["group_2"]) == ("H", "C")
    assert (row["direction"], row["verdict"]) == (direction, verdict)
    assert row["hl_shift"] == pytest.approx(factor - 1, abs=0.3 * factor)
    assert np.sign(-row["rank_biserial"]) == direction


def test_groups_of_unequal_spread_need_more_than_ranks():
    """Four scattered counts above eight like ones: Mann-Whitney alone would call them higher."""
    numbers = [30, 52, 130, 44, 20, 21, 22, 23, 24, 25, 26, 27]
    row = rows_of(effects(normalise(counts_of(numbers), experiment_of("CCCCHHHHHHHH"), "H")), test="mann_whitney").loc[
        0
    ]
    assert row["p_adjusted"] < 0.05 < row["p_unequal"]
    assert (row["direction"], row["verdict"]) == (1, "none")
    assert row["note"] == f"{IMAGES_AS_UNITS}; {UNEQUAL_SPREAD}"


def test_pairs_are_adjusted_by_their_number_and_not_by_the_number_of_groups():
    numbers = [*range(1, 7), *range(2, 8), *range(3, 9), *range(30, 36)]
    pairs = rows_of(
        effects(normalise(counts_of(numbers), experiment_of("H" * 6 + "A" * 6 + "B" * 6 + "C" * 6), "H")),
        test="mann_whitney",
    )
    assert len(pairs) == 6
    smallest = pairs["p_value"].idxmin()
    assert pairs.loc[smallest, "p_adjusted"] == pytest.approx(6 * pairs.loc[smallest, "p_value"])


def test_four_against_four_in_three_contrasts_cannot_be_tested():
    numbers = [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24]
    table = rows_of(effects(normalise(counts_of(numbers), experiment_of("HHHHAAAABBBB"), "H")))
    assert (table.loc[table["test"] == "mann_whitney", "verdict"] == "not_testable").all()
    omnibus = rows_of(table, test="kruskal_wallis").loc[0]
    assert omnibus["p_value"] < 0.05
    assert omnibus["verdict"] == ""  # significant, and without direction
    assert pd.isna(omnibus["direction"])


def test_ties_cannot_make_four_against_four_testable():
    """Equal values within a group push the asymptotic p below what any permutation can reach."""
    numbers = [1] * 4 + [2] * 4 + [3] * 4
    pairs = rows_of(effects(normalise(counts_of(numbers), experiment_of("HHHHAAAABBBB"), "H")), test="mann_whitney")
    assert (pairs["p_adjusted"] < 0.05).all()
    assert (pairs["verdict"] == "not_testable").all()


def verdicts(sizes: dict[str, int]) -> list[str]:
    """Verdicts of the pairs where no group overlaps another."""
    groups = "".join(name * n for name, n in sizes.items())
    numbers = list(range(1, len(groups) + 1))
    return rows_of(effects(normalise(counts_of(numbers), experiment_of(groups), "H")), test="mann_whitney")[
        "verdict"
    ].to_list()


def test_none_is_said_only_where_the_test_could_have_said_otherwise():
    assert verdicts({"H": 3, "C": 3}) == ["not_testable"]
    assert verdicts({"H": 4, "C": 4}) == ["higher"]
    # Exact tests could reach .048 in all three contrasts, the asymptotic p that is used stays above .059.
    assert verdicts({"H": 4, "A": 4, "B": 5}) == ["not_testable"] * 3
    # Holm takes 5 against 5 by three and 4 against 5 by two only.
    assert verdicts({"H": 4, "A": 5, "B": 5}) == ["higher"] * 3


def test_stratum_without_control_leaves_the_pooled_test_and_is_counted():
    experiment = experiment_of("HHHHHCCCCCDDDDD" * 2, region=["a"] * 15 + ["b"] * 15)
    experiment = experiment[~((experiment["group"] == "H") & (experiment["region"] == "b"))]
    numbers = [*range(1, 6), *range(11, 16), *range(21, 26)] * 2
    table = rows_of(effects(normalise(counts_of(numbers), experiment, "H")), test="mann_whitney")
    pooled, b = rows_of(table, region=""), rows_of(table, region="b")
    assert pooled["n_1"].to_list() == [5, 5, 5]
    assert (pooled["n_left_out"] == 10).all()
    assert pooled["note"].str.startswith("10 cases in 1 strata left out").all()
    assert b["n_1"].to_list() == [0, 0, 5]
    assert b["verdict"].to_list()[:2] == ["not_testable", "not_testable"]
    assert b["statistic"].to_list()[2] == 0  # C against D still tested, on raw values
    assert b["hl_shift"].to_list()[2] == 10
    assert b["note"].str.startswith("raw values").all()


def test_control_without_any_object_leaves_the_pooled_test_but_not_that_of_its_region():
    numbers = [0, 0, 0, 0, 0, 0, 7, 8, 9, 10, 11, 12]
    row = rows_of(
        effects(normalise(counts_of(numbers), experiment_of("HHHHHHCCCCCC", region="a" * 12), "H")), test="mann_whitney"
    )
    assert row["region"].to_list() == ["", "a"]
    assert row["n_left_out"].to_list() == [12, 0]
    assert row["verdict"].to_list() == ["not_testable", "higher"]


def test_undefined_measurements_are_counted():
    counts = counts_of([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    counts.loc[[2, 7, 8], "mean_intensity"] = np.nan
    row = rows_of(effects(normalise(counts, experiment_of("HHHHHCCCCC"), "H")), measure="mean_intensity").loc[1]
    assert (row["n_1"], row["n_2"], row["n_undefined"], row["n_left_out"]) == (4, 3, 3, 0)


def animals(effect: float, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two groups of five mice with six images each; mice differ more than the images of one mouse."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(10), 6)
    level = 50 + effect * (subject >= 5) + rng.normal(0, 10, 10)[subject] + rng.normal(0, 2, 60)
    experiment = experiment_of("H" * 30 + "C" * 30, subject=[f"m{i}" for i in subject])
    return counts_of(level.round().tolist()), experiment


def test_subject_means_are_units_beside_the_cases():
    counts, experiment = animals(effect=60)
    table = rows_of(effects(normalise(counts, experiment, "H")))
    assert table.groupby("unit", sort=False)["test"].apply(list).to_dict() == {
        "case": ["kruskal_wallis", "mann_whitney", "mixed_model"],
        "subject": ["kruskal_wallis", "mann_whitney"],
    }
    pair = rows_of(table, unit="subject", test="mann_whitney").loc[0]
    assert (pair["n_1"], pair["n_2"], pair["verdict"]) == (5, 5, "higher")
    means = counts["n_objects"].to_numpy().reshape(10, 6).mean(axis=1)
    assert pair["eta_squared"] == mann_whitney(means[:5], means[5:]).eta_squared
    assert rows_of(table, test="mixed_model").loc[0, "verdict"] == "higher"
    assert pair["note"] == ""


def test_images_as_units_find_effects_that_are_not_there_and_animals_do_not():
    found = {"case": 0, "subject": 0, "mixed": 0}
    for seed in range(40):
        table = effects(rows_of(normalise(*animals(effect=0, seed=seed), "H")))
        pairs = rows_of(table, test="mann_whitney").set_index("unit")["verdict"].isin(["higher", "lower"])
        found["case"] += pairs["case"]
        found["subject"] += pairs["subject"]
        found["mixed"] += rows_of(table, test="mixed_model").loc[0, "verdict"] in ("higher", "lower")
    assert found["case"] > 12
    assert found["subject"] <= 5
    assert found["mixed"] <= 5


def test_animals_of_unequal_spread_need_more_than_the_mixed_model():
    """Three scattered animals beside eight like ones: one variance for all makes their mean look certain."""
    level = np.repeat([90.0, 54, 78, 50, 51, 49, 50, 52, 48, 50, 51], 3) + np.tile([0.0, 1, 2], 11)
    experiment = experiment_of("C" * 9 + "H" * 24, subject=[f"m{i // 3}" for i in range(33)])
    row = rows_of(effects(normalise(counts_of(level.tolist()), experiment, "H")), test="mixed_model").loc[0]
    assert row["p_adjusted"] < 0.05 < row["p_unequal"]
    assert (row["verdict"], row["note"]) == ("none", UNEQUAL_SPREAD)


def test_mixed_model_that_cannot_be_fitted_says_so():
    experiment = experiment_of("HHHHHCCCCC", subject=[f"m{i}" for i in range(10)])
    row = rows_of(effects(normalise(counts_of(list(range(1, 11))), experiment, "H")), test="mixed_model").loc[0]
    assert pd.isna(row["p_value"])
    assert pd.isna(row["p_adjusted"])
    assert row["verdict"] == "not_testable"
    assert "no subject with two cases" in row["note"]


def test_prerequisites_name_the_outlier_and_remove_nothing():
    numbers = [10, 11, 12, 13, 14, 15, 11, 12, 10, 99]
    normalised = normalise(counts_of(numbers), experiment_of("HHHHHCCCCC"), "H")
    table = rows_of(prerequisites(normalised))
    assert rows_of(table, test="grubbs")[["group", "outlier"]].to_numpy().tolist() == [["C", "c9"], ["H", ""]]
    assert rows_of(table, test="shapiro_wilk")["rejected"].to_list() == [True, False]
    assert rows_of(table, test="levene")["n"].to_list() == [10]
    assert rows_of(effects(normalised), test="mann_whitney")["n_2"].to_list() == [5]


def test_prerequisites_that_cannot_be_tested_are_empty():
    table = rows_of(prerequisites(normalise(counts_of([5, 5, 5, 5, 7, 9]), experiment_of("HHHHCC"), "H")))
    assert table["rejected"].isna().all()
    assert table["statistic"].isna().all()


def test_no_counts_give_tables_without_rows():
    normalised = normalise(counts_of([]), experiment_of("HC"), "H")
    assert len(normalised) == len(effects(normalised)) == len(prerequisites(normalised)) == 0
    assert tuple(effects(normalised)) == EFFECT_COLUMNS


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (experiment_of("CCDD"), "control group 'H' is not a group of the experiment: C, D"),
        (experiment_of("HHCC", subject=["m1", "m2", "m2", "m3"]), "subject 'm2' is in the groups H, C"),
        (experiment_of("HHCC", subject=["m1", "", "m2", "m3"]), "case 'c1' has no subject"),
        (experiment_of("HHCC").drop(columns="group"), "lacks the column 'group'"),
        (experiment_of("HHCC").replace("c3", "c2"), "c2 is repeated"),
    ],
)
def test_tables_that_make_no_sense_are_refused(experiment: pd.DataFrame, message: str):
    with pytest.raises(DataError, match=message):
        normalise(counts_of([1, 2, 3, 4]), experiment, "H")


@pytest.fixture(scope="module")
def wue1(data_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Objects of at least 30 px of `est_GT`, and the groups: 3 × condition + region, condition 2 the control."""
    lab = data_dir / "segebarth2020" / "lab-wue1"
    codes = pd.read_csv(lab / "groups_wue1.csv", dtype={"file_id": str, "group_id": int})
    masks = (read_mask(lab / "labels" / "est_GT" / f"{case}_cFOS.png") for case in codes["file_id"])
    n_objects = [int(label_objects(mask, min_size=30).max()) for mask in masks]
    experiment = pd.DataFrame({"case": codes["file_id"], "region": (codes["group_id"] % 3).astype(str)})
    experiment["group"] = (codes["group_id"] // 3).map({0: "context_0", 1: "context_1", 2: "H"})
    return counts_of(n_objects, annotator="est_GT").assign(case=codes["file_id"].to_numpy()), experiment


def test_effects_of_lab_wue1(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    counts, experiment = wue1
    assert counts["n_objects"].sum() == 3296
    table = rows_of(effects(normalise(counts, experiment, "H")), region="")
    assert round(rows_of(table, test="kruskal_wallis").loc[0, "statistic"], 2) == 21.84
    pairs = rows_of(table, test="mann_whitney").set_index(["group_1", "group_2"])
    assert pairs.index.to_list() == [("H", "context_0"), ("H", "context_1"), ("context_0", "context_1")]
    assert pairs["eta_squared"].round(3).to_list() == [0.623, 0.681, 0.056]
    assert [f"{p:.1e}" for p in pairs["p_value"]] == ["1.2e-04", "6.0e-05", "2.6e-01"]
    assert pairs["verdict"].to_list() == ["higher", "higher", "none"]
    assert (pairs[["n_1", "n_2"]] == 12).all(axis=None)
    assert pairs["p_adjusted"].iloc[1] == pytest.approx(3 * pairs["p_value"].iloc[1])


def test_lab_wue1_region_by_region_is_not_testable(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    table = rows_of(effects(normalise(*wue1, "H")), test="mann_whitney")
    regions = table[table["region"] != ""]
    assert regions["region"].unique().tolist() == ["0", "1", "2"]
    assert (regions["verdict"] == "not_testable").all()


def test_tests_of_lab_wue1_do_not_depend_on_the_order_of_rows(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    counts, experiment = wue1
    backwards = effects(normalise(counts[::-1], experiment[::-1], "H"))
    pd.testing.assert_frame_equal(backwards, effects(normalise(counts, experiment, "H")))


def test_without_normalisation_the_published_numbers_do_not_come_out(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    counts, experiment = wue1
    merged = counts.merge(experiment, on="case")
    raw = kruskal_wallis([part["n_objects"].to_numpy() for _, part in merged.groupby("group")])
    assert round(raw.statistic, 2) == 23.99


def test_equal_means_of_subjects_are_ties_whatever_their_rounding():
    """Of two subjects with 15 objects, in multiples of the control mean, the means differ in the last bit."""
    numbers = [1.0, 1.0, 5.0, 4.0, 5.0, 6.0, 3.0, 2.0, 6.0, 4.0, 8.0, 1.0, 6.0, 6.0, 3.0, 1.0, 3.0, 4.0]
    experiment = experiment_of("H" * 9 + "C" * 9, subject=list("aaabbbcccdddeeefff"))
    orders = [np.array(order) for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0])]
    found = []
    for order in orders:
        shuffled = np.reshape(numbers, (6, 3))[:, order].ravel()
        tested = effects(normalise(counts_of(list(shuffled)), experiment, "H"))
        found.append(rows_of(tested, unit="subject", test="mann_whitney").loc[0])
    means = np.reshape(numbers, (6, 3)).sum(axis=1)  # exact, because these numbers are whole
    assert {row["statistic"] for row in found} == {mann_whitney(means[:3], means[3:]).statistic}
    assert {row["p_value"] for row in found} == {mann_whitney(means[:3], means[3:]).p_value}
