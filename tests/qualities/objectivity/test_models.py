"""A model beside raters: masks of six pixels, published numbers, and second computations in the test."""

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.objectivity.models import alternative_annotator, energy_distance, williams
from segassay.qualities.scores.pairs import mean_of_known, pair_values
from segassay.qualities.scores.table import SCORE_COLUMNS


def compared(masks: list[dict[str, str]], **trained_on: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Agreement, annotations and clusters of cases `{annotator: mask}`; names with `/` are models."""
    rows, listed = [], []
    for number, case in enumerate(masks):
        pixels = {name: np.array(list(mask)) == "1" for name, mask in case.items()}
        for place, a in enumerate(case):
            kind = "model" if "/" in a else "human"
            trained = a.split("/")[0] if "/" in a else ""
            listed.append({"case": str(number), "annotator": a, "kind": kind, "trained_on": trained, "strategy": ""})
            for b in list(case)[place + 1 :]:
                shared, either = (pixels[a] & pixels[b]).sum(), (pixels[a] | pixels[b]).sum()
                iou = shared / either if either else 1.0
                rows.append((str(number), a, b, 0.5, 2 * iou / (1 + iou), iou))
                rows.append((str(number), a, b, 0.55, -9.0, -9.0))
    columns = ["case", "annotator_a", "annotator_b", "iou_threshold", "dice", "iou"]
    cases = [str(number) for number in range(len(masks))]
    annotations = pd.DataFrame(listed, columns=list(ANNOTATION_COLUMNS))
    return pd.DataFrame(rows, columns=columns), annotations, pd.Series(cases, cases)


def row_of(table: pd.DataFrame, measure: str, target: str) -> pd.Series:
    (row,) = [row for _, row in table[(table["measure"] == measure) & (table["target"] == target)].iterrows()]
    return row


HAND = {"anna": "111000", "ben": "110000", "cleo": "011100", "m/s0": "111000"}
RATERS = ("anna", "ben", "cleo")


def test_published_index_of_a_model_and_that_of_each_rater():
    """Dice .8, .667, .4 between raters; 1, .8, .667 of the model. anna's own: (.8 + .667)/2 over .4."""
    found = williams(*compared([HAND, HAND]))
    model = row_of(found, "williams_index", "m/s0")
    assert model["value"] == pytest.approx(1.32143, abs=5e-6)
    assert row_of(found, "williams_index", "anna")["value"] == pytest.approx((0.8 + 2 / 3) / 2 / 0.4)
    assert row_of(found, "williams_index", "cleo")["value"] == pytest.approx((2 / 3 + 0.4) / 2 / 0.8)
    assert (model["human_low"], model["human_high"]) == pytest.approx((2 / 3, 11 / 6))


def test_the_index_is_a_ratio_of_means_over_cases():
    hardly = {"anna": "100000", "ben": "011000", "cleo": "111100", "m/s0": "100000"}
    agreement, annotations, clusters = compared([HAND, hardly])
    dice = pair_values(agreement, "dice")
    with_raters = dice.between(["m/s0"], RATERS).mean()
    between = np.nanmean(dice.between(RATERS, RATERS))  # nobody with themselves
    found = row_of(williams(agreement, annotations, clusters), "williams_index", "m/s0")
    assert found["value"] == pytest.approx(with_raters / between)


def test_a_model_like_one_more_rater_has_an_index_near_1():
    rng = np.random.default_rng(0)
    names = [*RATERS, "dora", "m/s0"]
    masks = [{name: "".join(map(str, rng.integers(0, 2, 40))) for name in names} for _ in range(60)]
    row = row_of(williams(*compared(masks)), "williams_index", "m/s0")
    assert row["low"] < 1 < row["high"]
    assert not row["approximate"]


def test_a_model_that_learned_from_a_rater_says_so():
    own = {name.replace("m/", "ben/"): mask for name, mask in HAND.items()}
    assert row_of(williams(*compared([own])), "williams_index", "ben/s0")["note"].startswith("trained on ben")
    assert row_of(williams(*compared([HAND])), "williams_index", "m/s0")["note"] == ""


def test_a_model_is_judged_on_the_cases_that_it_has():
    without = {name: mask for name, mask in HAND.items() if name != "m/s0"}
    row = row_of(williams(*compared([HAND, without])), "williams_index", "m/s0")
    assert (row["n_cases"], row["n_undefined"]) == (1, 0)


def test_advantage_by_hand():
    """Alignment with the others, model : rater.

    Without anna .733 : .733, as good; without ben .833 : .6; without cleo .9 : .533.
    """
    found = alternative_annotator(*compared([HAND] * 3))
    assert row_of(found, "alt_test_advantage", "m/s0")["value"] == 1
    assert set(found["measure"]) == {"alt_test_advantage"}  # ω needs 30 cases


def test_a_model_behind_everybody_does_not_pass_and_one_ahead_does():
    behind = {**HAND, "m/s0": "000011"}
    for masks, rate, verdict in (([HAND] * 30, 1.0, "passed: beats 3 of 3"), ([behind] * 30, 0.0, "not passed")):
        row = row_of(alternative_annotator(*compared(masks)), "alt_test_winning_rate", "m/s0")
        assert (row["value"], row["n_cases"]) == (rate, 30)
        assert row["note"].startswith(verdict)


def test_alignment_over_raters_that_the_case_has():
    """ben has no mask of the second case: nothing is said of ben, and anna and cleo are judged with each other."""
    without_ben = {name: mask for name, mask in HAND.items() if name != "ben"}
    row = row_of(alternative_annotator(*compared([HAND, without_ben])), "alt_test_advantage", "m/s0")
    assert (row["value"], row["n_cases"]) == (1, 2)  # without anna .667 : .667, without cleo 1 : .667


def test_the_alt_test_needs_three_raters():
    two = {name: mask for name, mask in HAND.items() if name != "cleo"}
    assert alternative_annotator(*compared([two] * 30)).empty


def test_published_distance_of_two_raters_and_two_models():
    """P = {1100, 1100}, Y = {1100, 1110}: .16667 by the V-statistic, for sets of one size."""
    masks = {"anna": "1100", "ben": "1100", "m/s0": "1100", "m/s1": "1110"}
    row = row_of(energy_distance(*compared([masks, masks])), "generalized_energy_distance", "m models")
    assert row["value"] == pytest.approx(0.16667, abs=5e-6)
    assert row["note"].startswith("V-statistic")


def test_sets_of_different_size_by_the_unbiased_statistic():
    """Raters differ by 1/2, 1/3 and 2/3, models by 0, and a model from the raters by 0, 1/3 and 1/2."""
    masks = {**HAND, "m/s1": "111000"}
    row = row_of(energy_distance(*compared([masks])), "generalized_energy_distance", "m models")
    between = np.mean([0, 1 / 3, 1 / 2])
    within = np.mean([1 / 3, 1 / 2, 3 / 4])
    assert row["value"] == pytest.approx(2 * between - within)
    assert row["note"] == "U-statistic, 3 raters, 2 models"


def test_models_of_single_raters_form_a_set_of_their_own():
    """Models that copy their raters differ from them as a set by nothing."""
    masks = {"anna": "1100", "ben": "0110", "anna/s0": "1100", "ben/s0": "0110"}
    found = energy_distance(*compared([masks]))
    assert found["target"].tolist() == ["models of single raters"]
    assert found["value"].tolist() == pytest.approx([0])


def test_a_case_without_one_of_the_raters_is_undefined():
    masks = {**HAND, "m/s1": "111000"}
    without_ben = {name: mask for name, mask in masks.items() if name != "ben"}
    row = row_of(energy_distance(*compared([masks, without_ben])), "generalized_energy_distance", "m models")
    assert (row["n_cases"], row["n_undefined"]) == (1, 1)


@pytest.mark.parametrize("measure", [williams, alternative_annotator, energy_distance])
class TestAll:
    def test_the_order_and_names_of_raters_do_not_matter(self, measure):
        masks = [{**HAND, "m/s1": "011100"}, {**HAND, "anna": "111111", "m/s1": "001100"}] * 15
        new = {"anna": "zoe", "ben": "9", "cleo": "10"}
        turned = [{new.get(name, name): case[name] for name in reversed(list(case))} for case in masks]
        before, after = (measure(*compared(rows)).set_index(["measure", "target"]) for rows in (masks, turned))
        for name, target in before.index:
            columns = ["value", "low", "high", "n_cases"]
            found = after.loc[(name, new.get(target, target)), columns]
            np.testing.assert_allclose(found.astype(float), before.loc[(name, target), columns].astype(float))

    def test_nothing_to_compare_gives_no_rows(self, measure):
        only_people = {name: HAND[name] for name in RATERS}
        only_models = {"m/s0": HAND["m/s0"], "m/s1": HAND["anna"]}
        for masks in ([only_models], []):
            found = measure(*compared(masks))
            assert (len(found), tuple(found)) == (0, SCORE_COLUMNS)
        assert "m/s0" not in set(measure(*compared([only_people]))["target"])


def test_pairs_are_found_in_either_order_and_gaps_are_nan():
    pairs = pair_values(compared([HAND])[0], "iou")
    one, other = pairs.between(["anna"], ["m/s0", "nobody"]), pairs.between(["m/s0", "nobody"], ["anna"])
    np.testing.assert_array_equal(one, [[[1, np.nan]]])
    np.testing.assert_array_equal(one[0].T, other[0])
    assert pair_values(compared([])[0], "iou").between(["anna"], ["ben"]).shape == (0, 1, 1)


def test_mean_of_known_over_any_axis():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    np.testing.assert_array_equal(mean_of_known(values, axis=0), [2, np.nan])
