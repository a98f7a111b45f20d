"""The mean of exchangeable raters: by hand, raters who change places, and measurements that nobody has."""

import numpy as np
import pandas as pd

from segassay.tables.mean_rater import MEAN_OF_RATERS, mean_counts, mean_measured

COUNTS = pd.DataFrame(
    {
        "case": ["1", "1", "1", "2", "2", "3"],
        "annotator": ["a", "b", "net", "a", "b", "net"],
        "n_objects": [1, 2, 50, 4, 0, 7],
        "mean_intensity": [0.1, 0.7, 0.2, np.nan, np.nan, 0.3],
    }
)


def test_by_hand_without_models_and_cases_that_no_rater_has():
    found = mean_counts(COUNTS, ["a", "b"])
    assert found["case"].tolist() == ["1", "2"]
    assert set(found["annotator"]) == {MEAN_OF_RATERS}
    assert found["n_objects"].tolist() == [1.5, 2.0]
    np.testing.assert_allclose(found["mean_intensity"], [0.4, np.nan])


def test_not_even_the_last_bit_knows_who_is_who():
    rng = np.random.default_rng(0)
    rows = [{"case": str(i // 7), "annotator": f"r{i % 7}", "area": rng.lognormal(0, 9)} for i in range(140)]
    table = pd.DataFrame(rows)
    moved = table.assign(annotator=table["annotator"].map(lambda name: f"r{(int(name[1]) * 3 + 1) % 7}"))
    names = [f"r{i}" for i in range(7)]
    pd.testing.assert_frame_equal(mean_counts(table, names), mean_counts(moved, names), check_exact=True)


def test_measurements_without_annotator_stay_and_others_become_means():
    measured = pd.DataFrame(
        {
            "case": ["1", "1", "1", "2"],
            "annotator": ["a", "b", "", ""],
            "measure": ["area", "area", "freezing", "freezing"],
            "value": [2.0, 4.0, 9.0, 8.0],
            "unit": ["um2", "um2", "", ""],
        }
    )
    found = mean_measured(measured, ["a", "b"])[["case", "annotator", "measure", "value"]].to_numpy().tolist()
    assert sorted(found) == [["1", "", "freezing", 9.0], ["1", MEAN_OF_RATERS, "area", 3.0], ["2", "", "freezing", 8.0]]


def test_nobody():
    assert mean_counts(COUNTS, ["nobody"]).empty
    assert mean_measured(pd.DataFrame(columns=["case", "annotator", "measure", "value"]), ["a"]).empty
