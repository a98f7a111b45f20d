"""Objects and pixels that are not there: counted in masks, through the real tables."""

import numpy as np
import pytest

from drawing import draw
from segassay import evaluate
from segassay.qualities.validity.objects import object_measures


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_counting_in_masks(seed):
    rng = np.random.default_rng(seed)
    a = {case: rng.random((20, 20)) > 0.8 for case in "123"}
    b = {case: rng.random((20, 20)) > 0.8 for case in "123"}
    a["2"][:], b["3"][:] = False, False
    found = object_measures(evaluate(masks={"truth": a, "m": b}).agreement).set_index("case")
    for case in "123":
        assert found.loc[case, "false_positive_px"] == (b[case] & ~a[case]).sum()
        assert found.loc[case, "false_positives"] == found.loc[case, "n_b"] - found.loc[case, "tp"]


def test_in_scores_and_not_the_other_way_round():
    truth, model = {"1": draw("##....## ##....##")}, {"1": draw("##.##... ##.##...")}
    scores = evaluate(masks={"truth": truth, "m": model}, kinds={"m": "model"}).scores
    value = scores[scores["target"] == "m"].set_index("measure")["value"]
    assert value["false_positives_against_truth"] == 1
    assert value["false_positive_px_against_truth"] == 4
