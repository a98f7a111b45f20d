"""A rater with a few images decides nothing about a model: neither means over raters, nor the worst or best of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lab_like import lab
from segassay import Evaluation, evaluate
from segassay.qualities.validity.raters import raters_with_enough, without_note

FEW = 2


@pytest.fixture(scope="module")
def arguments() -> dict[str, Any]:
    """24 images; of the models one consensus model only, so that it is quick."""
    found = lab()
    table = found["annotations"]
    return found | {"annotations": table[(table["kind"] == "human") | (table["annotator"] == "staple/s0")]}


def with_fifth_rater(arguments: dict[str, Any], n: int, mask: np.ndarray) -> Evaluation:
    """One more rater, who drew the same in the first `n` images."""
    table = arguments["annotations"]
    cases = table["case"].unique()[:n]
    new = pd.DataFrame({"case": cases, "annotator": "zoe", "kind": "human", "path": [mask] * n}).reindex(
        columns=table.columns, fill_value=""
    )
    return evaluate(**arguments | {"annotations": pd.concat([table, new], ignore_index=True)})


@pytest.fixture(scope="module")
def careless(arguments: dict[str, Any]) -> Evaluation:
    """With a rater who found nothing in two images."""
    return with_fifth_rater(arguments, FEW, np.zeros((48, 48), dtype=bool))


def of_model(found: Evaluation) -> pd.DataFrame:
    scores = found.scores[found.scores["target"].str.startswith("staple/s0")]
    return scores[scores["quality"] == "validity"]


def test_such_a_rater_is_never_the_worst_nor_in_the_range(careless: Evaluation):
    scores = of_model(careless)
    worst = scores.loc[scores["base"] == "minus_worst_rater", "note"]
    assert len(worst) > 3
    assert not worst.str.startswith("zoe").any()
    rater_f1 = scores.loc[scores["measure"] == "f1_leave_one_out", "human_low"].item()
    assert rater_f1 > 0.3  # that of zoe is 0


def test_notes_name_the_rater_and_the_number_of_images(careless: Evaluation):
    scores = of_model(careless)
    quantity = scores["of"].where(scores["base"] == "minus_raters", scores["base"])
    against_others = scores[quantity.isin(["f1", "dice", "iou", "nsd"]) & (scores["comparison"] == "leave_one_out")]
    assert len(against_others) >= 4
    assert against_others["note"].str.contains("without zoe (2 images)", regex=False).all()
    ratios = scores[scores["base"] == "eta_squared_ratio"]
    assert len(ratios)
    assert ratios["note"].str.contains("without zoe (0 units)", regex=False).all()  # none has a control
    assert (ratios["n_cases"] == 12).all()


def test_such_a_rater_moves_no_difference_from_the_raters(arguments: dict[str, Any], careless: Evaluation):
    """Only the consensus of the others changes in the two images, and only where zoe is one of them."""
    key = ["measure", "target"]
    before = of_model(evaluate(**arguments)).set_index(key)["value"]
    after = of_model(careless).set_index(key)["value"].reindex(before.index)
    same = before.index.get_level_values("measure").str.fullmatch("(f1|dice)_leave_one_out(_minus_raters)?")
    moved = (after - before)[same]
    assert len(moved) == 4
    assert moved.abs().max() < 0.04  # with a fifth of the weight, zoe would move them by .1 and more


def test_a_rater_with_ten_images_counts(arguments: dict[str, Any]):
    scores = of_model(with_fifth_rater(arguments, 10, np.zeros((48, 48), dtype=bool)))
    worst = scores.loc[scores["measure"] == "f1_leave_one_out_minus_worst_rater", "note"].item()
    assert worst.startswith("zoe")


@pytest.mark.parametrize(
    ("n_cases", "kept"),
    [
        ({"anna": 24, "ben": 24, "zoe": 2}, ["anna", "ben"]),
        ({"anna": 3, "ben": 2, "zoe": 1}, ["anna", "ben"]),
        ({"anna": 2000, "zoe": 10}, ["anna", "zoe"]),
        ({"zoe": 1}, ["zoe"]),
        ({"anna": 0, "zoe": 0}, ["anna", "zoe"]),
        ({}, []),
    ],
)
def test_enough_is_ten_images_or_half_of_the_most(n_cases: dict[str, int], kept: list[str]):
    assert raters_with_enough(n_cases) == kept
    assert bool(without_note(n_cases)) == (len(kept) < len(n_cases))
