"""Agreement on classes beyond chance: published tables through the tables of an evaluation, and what must hold."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats import inter_rater

from segassay.qualities.objectivity.classes import agreement_on_classes
from segassay.tables.classes import ClassTables

_ = np.nan
KRIPPENDORFF_2011 = np.array(  # 4 observers, 12 units, 5 values: nominal alpha .743
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)
KRIPPENDORFF_2004 = np.array(  # 3 coders, 15 units, 4 values: nominal alpha .691
    [
        [_, _, _, _, _, 3, 4, 1, 2, 1, 1, 3, 3, _, 3],
        [1, _, 2, 1, 3, 3, 4, 3, _, _, _, _, _, _, _],
        [_, _, 2, 1, 3, 4, 4, _, 2, 1, 1, 3, 3, _, 4],
    ]
)
# Fleiss (1971), table 1: 30 patients, 6 psychiatrists, 5 diagnoses: kappa .430
DIAGNOSES = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
NO_PAIRS = pd.DataFrame(columns=["case", "annotator_a", "annotator_b", "class_a", "class_b", "n_pixels"])


def votes_of(items: list[str], unit: str = "objects") -> pd.DataFrame:
    """A case per item: its text has the class that each rater gave, one letter each."""
    rows = [
        (str(place), unit, 0, letter, item.count(letter), 1)
        for place, item in enumerate(items)
        for letter in sorted(set(item))
    ]
    return pd.DataFrame(rows, columns=["case", "unit", "pattern", "class", "n_raters", "n_items"])


def coefficients(items: list[str]) -> pd.Series:
    votes = votes_of([item for item in items if len(item) > 1])
    clusters = pd.Series({str(place): str(place) for place in range(len(items))})
    table = agreement_on_classes(ClassTables(votes, NO_PAIRS, NO_PAIRS, votes), "12345", clusters)
    return table[table["unit"] == "objects"].set_index("measure")["value"]


def as_items(values: np.ndarray) -> list[str]:
    return ["".join(f"{value:.0f}" for value in unit if not np.isnan(value)) for unit in values.T]


def test_published_values() -> None:
    assert coefficients(DIAGNOSES.split())["fleiss_kappa"] == pytest.approx(0.430245, abs=5e-7)
    assert coefficients(as_items(KRIPPENDORFF_2011))["krippendorff_alpha"] == pytest.approx(0.743, abs=5e-4)
    assert coefficients(as_items(KRIPPENDORFF_2004))["krippendorff_alpha"] == pytest.approx(0.691, abs=5e-4)


def test_it_does_not_matter_who_said_what() -> None:
    items = DIAGNOSES.split()
    rng = np.random.default_rng(0)
    shuffled = ["".join(rng.permutation(list(item))) for item in items]
    pd.testing.assert_series_equal(coefficients(shuffled), coefficients(items))


def confusion(cells: dict[tuple[str, str], int], amount: str = "n_pixels") -> pd.DataFrame:
    """Half of each cell in each of two cases."""
    rows = [(case, "anna", "ben", *pair, n // 2) for case in ("1", "2") for pair, n in cells.items()]
    return pd.DataFrame(rows, columns=["case", "annotator_a", "annotator_b", "class_a", "class_b", amount])


def test_kappa_of_a_pair_equals_that_of_statsmodels() -> None:
    cells = {("1", "1"): 40, ("1", "2"): 10, ("2", "1"): 6, ("2", "2"): 30, ("background", "1"): 8}
    pixels = confusion(cells | {("background", "background"): 1000})
    objects = confusion({("1", "1"): 20, ("2", "1"): 4, ("2", "2"): 6}, "n_objects")
    tables = ClassTables(pixels, pixels, objects, votes_of([]))
    found = agreement_on_classes(tables, "12", pd.Series({"1": "1", "2": "2"})).set_index("unit")["value"]
    squares = {
        "pixels": [[0, 8, 0], [0, 40, 10], [0, 6, 30]],
        "marked_pixels": [[40, 10], [6, 30]],
        "objects": [[20, 0], [4, 6]],
    }
    for unit, square in squares.items():
        assert found[unit] == pytest.approx(inter_rater.cohens_kappa(np.array(square)).kappa, abs=1e-12)


def test_exchanged_classes_are_far_below_chance() -> None:
    pixels = confusion({("1", "2"): 50, ("2", "1"): 50, ("background", "background"): 1000})
    tables = ClassTables(pixels, pixels, NO_PAIRS, votes_of([]))
    found = agreement_on_classes(tables, "12", pd.Series({"1": "1", "2": "2"}))
    assert found.loc[found["unit"] == "pixels", "value"].tolist() == [-1.0]
    assert found.loc[found["unit"] == "objects", "value"].isna().all()


def test_a_case_without_any_item_is_counted_as_undefined() -> None:
    votes = votes_of(["11", "12", "22"])
    clusters = pd.Series({str(place): str(place) for place in range(5)})
    found = agreement_on_classes(ClassTables(votes, NO_PAIRS, NO_PAIRS, votes), "12", clusters)
    assert found.set_index("unit").loc["objects", "n_undefined"].unique().tolist() == [2]
    assert found.set_index("unit").loc["pixels", "value"].isna().all()


def test_cases_of_one_subject_are_left_out_together() -> None:
    items = ["11", "12", "22", "21", "11", "22", "11", "22", "12", "22", "11", "11"]
    votes = votes_of(items)
    tables = ClassTables(votes, NO_PAIRS, NO_PAIRS, votes)
    alone = agreement_on_classes(tables, "12", pd.Series({str(n): str(n) for n in range(12)}))
    paired = agreement_on_classes(tables, "12", pd.Series({str(n): str(n // 2) for n in range(12)}))
    own = [table.set_index(["unit", "measure"]).loc[("objects", "fleiss_kappa")] for table in (alone, paired)]
    assert own[0]["value"] == own[1]["value"]
    assert own[0]["low"] != own[1]["low"]
    assert own[0]["low"] < own[0]["value"] < own[0]["high"]
