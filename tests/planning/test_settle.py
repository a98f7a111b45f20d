"""What would settle a verdict: numbers that can be checked by hand."""

import pandas as pd
import pytest

from segassay.judgement.criteria import Criterion, Number, What, Why, above, undecided
from segassay.judgement.judged import Judged
from segassay.judgement.judgement import Judgement
from segassay.planning.settle import images_to_settle, remedies


def judgement(*criteria: Criterion) -> Judgement:
    return Judgement("reliability", Judged(("staple/s0-3",), "ensemble", ("staple",), True, True), criteria)


def trained(*names: str) -> pd.DataFrame:
    """Annotations of models and ensembles of one training, by the seeds in their names."""
    kinds = ["ensemble" if "-" in name else "model" for name in names]
    plain = {"case": "1", "fold": pd.NA, "n_raters": pd.NA, "n_train": pd.NA, "seed": pd.NA, "held_out": True}
    return pd.DataFrame({"annotator": names, "kind": kinds, "strategy": "staple", "trained_on": "staple", **plain})


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["staple/s0", "staple/s1", "staple/s2", "staple/s3", "staple/s0-3"], "4 more seeds"),
        (["staple/s0", "staple/s1"], "2 more seeds"),
        (["staple/s0-1", "staple/s2"], "1 more seed,"),
    ],
)
def test_seeds_for_two_ensembles_without_a_common_member(names, text):
    (found,) = remedies(judgement(undecided(What.ENSEMBLES, Why.NO_NUMBER)), trained(*names))
    assert found.startswith(text)


def test_four_times_the_images_halve_an_interval():
    """The line is half of the way to the end of the interval."""
    number = Number(0.5, 0.3, 0.7, 10)
    assert images_to_settle(number, 0.4) == 30
    assert above(What.STANDING, Number(0.5, 0.4001, 0.6, 40), 0.4).met


def test_a_ratio_must_leave_both_lines():
    assert images_to_settle(Number(1.0, 0.5, 2.0, 10), 2**0.5, ratio=True) == 30
    assert images_to_settle(Number(0.0, 0.0, 2.0, 10), 1.3, ratio=True) is None


@pytest.mark.parametrize("line", [0.5, 0.51])
def test_nobody_is_sent_for_a_thousand_images(line):
    assert images_to_settle(Number(0.5, 0.3, 0.7, 10), line) is None
    (found,) = remedies(judgement(above(What.STANDING, Number(0.5, 0.3, 0.7, 10), line)), pd.DataFrame())
    assert "so close to its limit" in found


def test_the_most_images_of_several_numbers_are_asked_for_once():
    few, many = (above(What.STANDING, Number(0.5, 0.3, 0.7, 10), line) for line in (0.35, 0.4))
    assert remedies(judgement(few, many), pd.DataFrame()) == ("about 30 more images, if the numbers stay as they are",)


def test_a_third_rater_is_asked_for():
    assert remedies(judgement(undecided(What.NEUTRAL, Why.NO_THIRD_RATER)), trained()) == ("masks of a third rater",)


def test_a_verdict_that_is_settled_asks_for_nothing():
    open_one = undecided(What.STANDING, Why.FEW_CASES, Number(0.1, 0.0, 0.2, 4))
    assert remedies(judgement(Criterion(What.STANDING, False), open_one), pd.DataFrame()) == ()
    assert remedies(judgement(open_one), pd.DataFrame()) == ("6 more images in which something is marked",)
