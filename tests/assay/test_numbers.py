"""Every case twice within its subject: no estimate and no interval of the evaluation knows more than before."""

import numpy as np
import pandas as pd
import pytest

from lab_like import doubled, lab, with_fewer_members
from segassay import Evaluation, evaluate

KEY = ["quality", "measure", "target"]
NUMBERS = ["value", "low", "high", "human_low", "human_high", "bound"]
MAY_CHANGE = {
    "objectivity/krippendorff_alpha": "its published formula counts the judgements, n - 1",
    "objectivity/limit_low": "the published standard deviation of the differences counts the cases, n - 1",
    "objectivity/limit_high": "as the lower limit",
    "validity/amount_limit_low": "as the limits of raters",
    "validity/amount_limit_high": "as the limits of raters",
    "reliability/image_aurc": "a curve over images, whose steps double",
    "objectivity/alt_test_winning_rate": "is not judged below 30 cases",
    "validity/specifications_significant": "tests of specifications have images as units, and say so",
}


@pytest.fixture(scope="module")
def once_and_twice() -> tuple[Evaluation, Evaluation]:
    arguments = with_fewer_members(lab())
    return evaluate(**arguments), evaluate(**doubled(arguments))


def changed(one: pd.DataFrame, two: pd.DataFrame) -> np.ndarray:
    """Rows of numbers that differ."""
    numbers = (table[NUMBERS].to_numpy(dtype=float) for table in (one, two))
    return np.asarray(~np.isclose(*numbers, rtol=1e-8, atol=1e-10, equal_nan=True).all(axis=1))


def test_values_and_intervals_stay(once_and_twice: tuple[Evaluation, Evaluation]) -> None:
    once, twice = (found.scores.set_index(KEY) for found in once_and_twice)
    assert len(once) > 1400
    new = twice.loc[twice.index.difference(once.index, sort=False), "record"]
    assert set(new) <= {"objectivity/alt_test_winning_rate"}
    twice = twice.reindex(once.index)
    assert set(once.loc[changed(once, twice), "record"]) <= set(MAY_CHANGE)
    assert (twice["n_cases"] >= once["n_cases"]).all()


def test_what_changes_does_so_by_less_than_the_number_of_cases_explains(
    once_and_twice: tuple[Evaluation, Evaluation],
) -> None:
    once, twice = (found.scores.set_index(KEY) for found in once_and_twice)
    once = once[once["record"].isin(MAY_CHANGE)]
    twice = twice.reindex(once.index)
    scale = (once["high"] - once["low"]).fillna(1)
    assert ((twice["value"] - once["value"]).abs() <= 0.05 * scale).all()


def test_tests_of_subjects_stay(once_and_twice: tuple[Evaluation, Evaluation]) -> None:
    once, twice = (found.effects[found.effects["unit"] == "subject"] for found in once_and_twice)
    assert len(once) > 50
    for column in ("p_value", "p_adjusted", "eta_squared", "statistic"):
        np.testing.assert_allclose(once[column].astype(float), twice[column].astype(float), rtol=1e-8)
    assert once["verdict"].tolist() == twice["verdict"].tolist()


def test_verdicts_stay(once_and_twice: tuple[Evaluation, Evaluation]) -> None:
    once, twice = once_and_twice
    assert once.verdicts == twice.verdicts
