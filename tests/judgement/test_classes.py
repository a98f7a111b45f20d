"""The mean over classes: equal to the class itself if there is one, and to means of cases if all are defined."""

import numpy as np
import pytest

from segassay import Evaluation, evaluate
from segassay.judgement.classes import MEAN, class_headlines, class_names, class_paths
from segassay.statistics.intervals import mean_interval

CASES = [f"{n}" for n in range(8)]


def square(at: int, size: int) -> np.ndarray:
    mask = np.zeros((24, 24), dtype=bool)
    mask[4 : 4 + size, at : at + size] = True
    return mask


def two_raters(shift: int, empty: int) -> Evaluation:
    """Two raters whose squares overlap by more in later cases; in the first cases nobody marks anything."""
    anna = {case: square(4, 0 if n < empty else 8) for n, case in enumerate(CASES)}
    ben = {case: square(4 + shift, 0 if n < empty else 4 + n % 5) for n, case in enumerate(CASES)}
    return evaluate(masks={"anna": anna, "ben": ben})


@pytest.fixture(scope="module")
def classes() -> dict[str, Evaluation]:
    return {"zone": two_raters(0, 0), "tumour": two_raters(1, 3)}


def row(table, of: str, measure: str) -> dict:
    (found,) = table[table["class"].eq(of) & table["measure"].eq(measure)].to_dict("records")
    return found


def test_the_mean_of_one_class_is_the_class_with_its_interval(classes):
    table = class_headlines({"zone": classes["zone"]})
    for measure in ("dice", "dice_where_marked"):
        own, mean = row(table, "zone", measure), row(table, MEAN, measure)
        assert mean["n_classes"] == 1
        assert own["low"] < own["value"] < own["high"]
        for number in ("value", "low", "high"):
            assert mean[number] == pytest.approx(own[number], abs=1e-9)


def test_the_mean_of_two_classes_is_over_their_means_of_cases(classes):
    found = row(class_headlines(classes), MEAN, "dice")
    of_case = np.mean(
        [one.agreement.query("iou_threshold == 0.5").set_index("case")["dice"].loc[CASES] for one in classes.values()],
        axis=0,
    )
    expected = mean_interval(of_case, np.array(CASES), bounds=(0, 1))
    assert (found["n_classes"], found["n_cases"]) == (2, 8)
    for number in ("value", "low", "high"):
        assert found[number] == pytest.approx(getattr(expected, number), abs=1e-9)


def test_cases_in_which_nobody_marks_a_class_are_undefined_where_marked(classes):
    table = class_headlines(classes)
    every, marked = (row(table, "tumour", measure) for measure in ("dice", "dice_where_marked"))
    assert (every["n_cases"], every["n_undefined"]) == (8, 0)
    assert (marked["n_cases"], marked["n_undefined"]) == (5, 3)
    assert every["value"] == pytest.approx((5 * marked["value"] + 3) / 8)
    mean = row(table, MEAN, "dice_where_marked")
    assert mean["value"] == pytest.approx((marked["value"] + row(table, "zone", "dice_where_marked")["value"]) / 2)


def test_a_mean_that_is_no_mean_over_cases_has_no_interval_and_says_so(classes):
    found = row(class_headlines(classes), MEAN, "icc_a1_count")
    assert np.isnan(found["low"])
    assert found["note"] in ("no interval: no mean over cases", "no class has a value")


def test_a_summary_without_classes_has_none():
    assert class_names({"raters": {}}) == ()
    assert class_paths(()) == {}
