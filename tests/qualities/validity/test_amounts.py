"""Amounts of models beside the median rater: published meters, the plain estimators, and totals that hide errors."""

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.qualities.validity.amounts import amounts_against_raters
from segassay.qualities.validity.records import AMOUNT_RATIO
from segassay.statistics.equivalence import ratio_equivalence
from segassay.statistics.methods import bland_altman, lins_ccc

# Bland & Altman (1986): peak expiratory flow of 17 people by two meters
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
RATERS = ("anna", "ben", "cara")


def found_of(
    model: list[float], raters: list[list[float]], *, column: str = "n_objects", subjects: list[str] | None = None
) -> pd.DataFrame:
    """Rows of a model `m` and of raters, one number per case each; NaN: nothing measured."""
    names = dict(zip(RATERS, raters, strict=False)) | ({"m": model} if model else {})
    rows = [
        {"case": str(i), "annotator": name, "n_objects": np.nan, "area_px": np.nan, "mean_intensity": np.nan}
        | {column: value}
        for name, values in names.items()
        for i, value in enumerate(values)
    ]
    kinds = [(name, "model" if name == "m" else "human") for name in names]
    annotations = pd.DataFrame([{"annotator": n, "kind": k} for n, k in kinds], columns=list(ANNOTATION_COLUMNS))
    counts = pd.DataFrame(rows, columns=["case", "annotator", "n_objects", "area_px", "mean_intensity"])
    cases = [str(i) for i in range(len(raters[0]) if raters else len(model))]
    clusters = pd.Series(subjects or cases, cases)
    return amounts_against_raters(counts, annotations, clusters, margin=0.2)


def values_of(table: pd.DataFrame) -> dict[str, float]:
    assert tuple(table) == SCORE_COLUMNS
    return dict(zip(table["measure"], table["value"], strict=True))


def test_published_limits_of_two_meters():
    found = values_of(found_of(WRIGHT, [MINI]))
    assert round(found["amount_bias_count"], 1) == -2.1
    assert round(found["amount_limit_low_count"]) == -78
    assert round(found["amount_limit_high_count"]) == 74
    assert round(found["amount_ccc_count"], 3) == 0.943


def test_equal_to_the_plain_estimators():
    rng = np.random.default_rng(3)
    people = rng.poisson(20, (12, 1)) + rng.poisson(4, (12, 3))
    model = rng.poisson(24, 12)
    table = found_of(model.tolist(), people.T.tolist(), column="area_px")
    found, median = values_of(table), np.median(people, axis=1)
    plain, ratio = bland_altman(model, median), ratio_equivalence(model, median, margin=0.2)
    assert found["amount_bias_area"] == pytest.approx(plain.bias)
    assert found["amount_limit_low_area"] == pytest.approx(plain.low)
    assert found["amount_limit_high_area"] == pytest.approx(plain.high)
    assert found["amount_slope_area"] == pytest.approx(plain.slope)
    assert found["amount_ccc_area"] == pytest.approx(lins_ccc(model, median))
    row = table[table["measure"] == "amount_ratio_area"].iloc[0]
    assert (row["value"], row["low"], row["high"]) == pytest.approx((ratio.ratio, ratio.low, ratio.high))
    assert set(table["quality"]) == {"validity"}
    assert len(table) == 6


def test_right_totals_from_swapped_images_do_not_agree():
    """A model that hands in the masks of other images has the raters' total exactly, and measures nothing."""
    people = [float(n) for n in (20, 21, 25, 30, 32, 35, 38, 40, 41, 45, 48, 50) * 4]
    swapped = np.random.default_rng(1).permutation(people).tolist()
    table = found_of(swapped, [people, people, people]).set_index("measure")
    assert table.loc["amount_ratio_count", "value"] == 1
    assert table.loc["amount_ratio_count", "note"].startswith("equivalent")
    assert table.loc["amount_ccc_count", "value"] < 0.4
    assert table.loc["amount_limit_low_count", "value"] < -20


def test_few_units_and_equal_ratios_are_not_called_equivalent():
    people = [20.0, 31.0, 25.0, 43.0, 38.0, 29.0, 33.0, 27.0, 45.0]
    notes = {}
    for name, model in {"few": [n + i % 2 for i, n in enumerate(people)], "equal": people, "one": people[:1]}.items():
        row = found_of(model, [people[: len(model)]]).set_index("measure").loc["amount_ratio_count"]
        notes[name] = row["note"]
    assert notes["few"].startswith("not shown to be equivalent")
    assert "cannot be relied on: 9 units, 10 are needed" in notes["few"]
    assert notes["equal"] == "all ratios are equal, 9 units, so the test decides nothing"
    assert notes["one"] == "a single unit"


def test_what_is_called_equivalent_says_how_often_that_is_wrong():
    people = [20.0, 31.0, 25.0, 43.0, 38.0, 29.0, 33.0, 27.0, 45.0, 30.0, 36.0, 24.0]
    row = (
        found_of([n + (-1) ** i for i, n in enumerate(people)], [people]).set_index("measure").loc["amount_ratio_count"]
    )
    assert row["note"].startswith("equivalent within 0.2")
    assert AMOUNT_RATIO.errors is not None
    assert AMOUNT_RATIO.errors.words in row["note"]


def test_one_careless_rater_does_not_move_the_median():
    people = [10.0, 20.0, 30.0, 40.0, 50.0]
    found = values_of(found_of(people, [people, people, [0.0] * 5]))
    assert found["amount_bias_count"] == 0
    assert found["amount_ccc_count"] == 1


def test_a_missing_prediction_is_counted_and_not_measured():
    people = [10.0, 20.0, 30.0, 40.0, 50.0]
    table = found_of([*people[:3], np.nan, np.nan], [people])
    assert set(table["n_undefined"]) == {2}
    assert set(table["n_cases"]) == {3}


def test_subjects_are_the_units_and_repeated_cases_change_no_ratio():
    people, model = [10.0, 20.0, 30.0, 40.0], [12.0, 19.0, 33.0, 41.0]
    once = found_of(model, [people])
    twice = found_of(model * 2, [people * 2], subjects=["0", "1", "2", "3"] * 2)
    columns = ["measure", "value", "low", "high", "note"]
    ratios = [table.loc[table["measure"] == "amount_ratio_count", columns] for table in (once, twice)]
    pd.testing.assert_frame_equal(*(part.reset_index(drop=True) for part in ratios))


def test_intensities_below_0_have_a_bias_and_no_ratio():
    table = found_of([-5.0, 3.0, 8.0], [[-4.0, 2.0, 9.0]], column="mean_intensity")
    assert "amount_bias_mean_intensity" in set(table["measure"])
    assert "amount_ratio_mean_intensity" not in set(table["measure"])


def test_without_a_model_or_raters_there_is_nothing():
    assert found_of([], [[1.0, 2.0]]).empty
    assert found_of([1.0, 2.0], []).empty
    assert found_of([np.nan, np.nan], [[1.0, 2.0]]).empty
