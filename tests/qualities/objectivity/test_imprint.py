"""Rater imprint and removal of bias: worked by hand, planted in a simulated study, and what must leave them alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.objectivity.imprint import imprint, rater_imprint, removal_of_bias
from segassay.qualities.scores.table import ALL_RATERS, SCORE_COLUMNS
from segassay.simulation.study_tables import SimulatedStudy, simulate_tables

squares = hnp.arrays(
    float, st.integers(3, 6).map(lambda n: (2, n, n)), elements=st.integers(0, 100).map(lambda x: x / 100)
)


def imprint_in_words(agreement: np.ndarray, r: int) -> float:
    """[a(M_r, r) - mean over s≠r of a(M_s, r)] - mean over j≠r of [a(M_r, j) - mean over s∉{r, j} of a(M_s, j)]."""
    everyone = range(len(agreement))
    with_own = agreement[r, r] - np.mean([agreement[s, r] for s in everyone if s != r])
    with_others = [
        agreement[r, j] - np.mean([agreement[s, j] for s in everyone if s not in (r, j)]) for j in everyone if j != r
    ]
    return float(with_own - np.mean(with_others))


def test_worked_by_hand():
    """Rows are models of anna, ben and cleo, columns the raters.

    anna: [.8 - (.5 + .4)/2] - [(.6 - .5) + (.3 - .3)]/2 = .35 - .05 = .30
    ben:  [.7 - (.6 + .5)/2] - [(.5 - .4) + (.3 - .3)]/2 = .15 - .05 = .10
    cleo: [.9 - (.3 + .3)/2] - [(.4 - .5) + (.5 - .6)]/2 = .60 + .10 = .70
    """
    agreement = np.array([[0.8, 0.6, 0.3], [0.5, 0.7, 0.3], [0.4, 0.5, 0.9]])
    np.testing.assert_allclose(imprint(agreement), [0.3, 0.1, 0.7])


@given(squares)
def test_equal_to_the_definition_term_by_term(agreement):
    expected = [[imprint_in_words(case, r) for r in range(len(case))] for case in agreement]
    np.testing.assert_allclose(imprint(agreement), expected, atol=1e-12)


@given(squares, st.integers(0, 2**32 - 1))
def test_what_a_rater_has_with_all_models_and_a_model_with_all_raters_cancels(agreement, seed):
    rng = np.random.default_rng(seed)
    of_rater, of_model = rng.normal(size=(2, agreement.shape[-1]))
    shifted = agreement + of_rater + of_model[:, None]
    np.testing.assert_allclose(imprint(shifted), imprint(agreement), atol=1e-9)


@pytest.mark.parametrize("n_raters", [3, 4, 5, 8])
def test_models_that_learned_nothing_of_their_rater_have_none(n_raters):
    """Agreement is a sum of how good the model and how agreeable the rater is, nothing else."""
    rng = np.random.default_rng(n_raters)
    agreement = 0.5 + rng.normal(size=(20, n_raters, 1)) + rng.normal(size=(20, 1, n_raters))
    np.testing.assert_allclose(imprint(agreement), 0, atol=1e-12)


@given(squares, st.randoms())
def test_the_order_of_raters_does_not_matter(agreement, random):
    order = random.sample(range(agreement.shape[-1]), agreement.shape[-1])
    np.testing.assert_allclose(imprint(agreement[:, order][:, :, order]), imprint(agreement)[:, order], atol=1e-12)


def test_a_rater_without_mask_or_model_takes_no_part_on_either_side():
    agreement = np.random.default_rng(0).uniform(size=(4, 4))
    without_mask, without_model = agreement.copy(), agreement.copy()
    without_mask[:, 3], without_model[3] = np.nan, np.nan
    expected = imprint(agreement[:3, :3])
    for found in (imprint(without_mask), imprint(without_model)):
        np.testing.assert_allclose(found[:3], expected)
        assert np.isnan(found[3])


def test_the_imprint_stays_0_where_a_rater_lacks_a_case():
    rng = np.random.default_rng(1)
    agreement = 0.5 + rng.normal(size=(5, 1)) + rng.normal(size=(1, 5))
    agreement[:, 2] = np.nan
    np.testing.assert_allclose(imprint(agreement)[[0, 1, 3, 4]], 0, atol=1e-12)


def test_undefined_below_three_raters_and_where_a_single_value_is():
    assert np.isnan(imprint(np.ones((2, 2)))).all()
    assert imprint(np.ones((0, 3, 3))).shape == (0, 3)
    one_gap = np.ones((3, 3))
    one_gap[0, 1] = np.nan
    assert np.isnan(imprint(one_gap)).all()


def test_a_bad_shape_is_named():
    with pytest.raises(ValueError, match=r"models of s with rater r, got \(2, 3\)"):
        imprint(np.ones((2, 3)))


RATERS = ("anna", "ben", "cleo")


def study(f1: dict[str, tuple[float, ...]], held_out: object = True) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Agreement and annotations of `ben/s0 anna` -> F1 per case, or a hole for None; clusters are the cases."""
    rows = [
        (str(case + 1), *pair.split(), threshold, value if threshold == 0.5 else -9.0)
        for pair, values in f1.items()
        for case, value in enumerate(values)
        for threshold in (0.5, 0.55)
        if value is not None
    ]
    agreement = pd.DataFrame(rows, columns=["case", "annotator_a", "annotator_b", "iou_threshold", "f1"])
    named = {name: agreement[(agreement[["annotator_a", "annotator_b"]] == name).any(axis=1)] for name in RATERS}
    models = sorted({name for pair in f1 for name in pair.split()} - set(RATERS))
    named |= {name: agreement[(agreement[["annotator_a", "annotator_b"]] == name).any(axis=1)] for name in models}
    annotations = [
        {"case": case, "annotator": name, "kind": "human" if name in RATERS else "model"}
        | {"trained_on": "" if name in RATERS else name.split("/")[0], "strategy": ""}
        | {"held_out": pd.NA if name in RATERS else held_out}
        for name, part in named.items()
        for case in part["case"].unique()
    ]
    table = pd.DataFrame(annotations, columns=list(ANNOTATION_COLUMNS)).astype({"held_out": "boolean"})
    cases = agreement["case"].unique()
    return agreement, table, pd.Series(cases, cases)


def by_target(table: pd.DataFrame, measure: str = "imprint") -> pd.DataFrame:
    return table[table["measure"] == measure].set_index("target")


HAND = {
    "anna anna/s0": (0.8, 0.8), "ben anna/s0": (0.6, 0.6), "cleo anna/s0": (0.3, 0.3),
    "anna ben/s0": (0.5, 0.5), "ben ben/s0": (0.7, 0.7), "cleo ben/s0": (0.3, 0.3),
    "anna cleo/s0": (0.4, 0.4), "ben cleo/s0": (0.5, 0.5), "cleo cleo/s0": (0.9, 0.9),
}  # fmt: skip


def test_rows_of_each_rater_and_of_all():
    found = by_target(rater_imprint(*study(HAND)))
    assert list(found.index) == [*RATERS, ALL_RATERS]
    np.testing.assert_allclose(found["value"].astype(float), [0.3, 0.1, 0.7, 1.1 / 3])
    assert set(found["quality"]) == {"objectivity"}
    assert found["n_cases"].tolist() == [2] * 4


def test_seeds_are_averaged_first():
    seeds = {pair.replace("s0", "s1"): tuple(x + 0.1 for x in f1) for pair, f1 in HAND.items() if "anna/s0" in pair}
    changed = seeds | {"anna anna/s1": (1.0, 1.0)}  # the two seeds together: .9, .65, .35
    found = by_target(rater_imprint(*study(HAND | changed)))
    assert found.loc["anna", "value"] == pytest.approx((0.9 - 0.45) - ((0.65 - 0.5) + (0.35 - 0.3)) / 2)


def test_models_of_another_strategy_on_the_same_masks_are_not_mixed_in():
    """Models of few images by anna beside the models of everybody: her imprint is that of the latter."""
    few = {pair.replace("s0", "s9"): (0.0, 0.0) for pair in HAND if "anna/s0" in pair}
    agreement, annotations, clusters = study(HAND | few)
    models = annotations["kind"] == "model"
    annotations.loc[models, "strategy"] = np.where(annotations.loc[models, "annotator"] == "anna/s9", "a few", "expert")
    found = by_target(rater_imprint(agreement, annotations, clusters))
    np.testing.assert_allclose(found["value"].astype(float), [0.3, 0.1, 0.7, 1.1 / 3])


def test_the_interval_is_that_of_a_mean_over_cases():
    """cleo agrees with its own model by .1 more, then .1 less: the t interval of two cases reaches 12.7 times .1."""
    found = by_target(rater_imprint(*study(HAND | {"cleo cleo/s0": (1.0, 0.8)})))
    row = found.loc["cleo"]
    assert (row["value"], row["method"]) == (pytest.approx(0.7), "t")
    assert (row["low"], row["high"]) == pytest.approx((0.7 - 1.2706, 0.7 + 1.2706), abs=1e-4)


@pytest.mark.parametrize("held_out", [False, pd.NA])
def test_only_cases_known_to_be_held_out_count(held_out):
    found = rater_imprint(*study(HAND, held_out))
    assert (len(found), tuple(found)) == (0, SCORE_COLUMNS)


def test_a_case_that_one_model_was_trained_on_does_not_count_for_it():
    agreement, annotations, clusters = study(HAND | {"anna anna/s0": (0.8, 0.1)})
    seen = (annotations["annotator"] == "anna/s0") & (annotations["case"] == "2")
    annotations.loc[seen, "held_out"] = False
    row = by_target(rater_imprint(agreement, annotations, clusters)).loc["anna"]
    assert (row["value"], row["n_cases"], row["n_undefined"]) == (pytest.approx(0.3), 1, 1)


def test_a_missing_prediction_counts_as_no_agreement():
    f1 = HAND | {"anna anna/s0": (0.8, 0.0)}
    row = by_target(rater_imprint(*study(f1))).loc["anna"]
    assert row["value"] == pytest.approx(0.3 - 0.4)


def test_a_rater_without_model_takes_no_part():
    fourth = {pair: f1 for pair, f1 in HAND.items() if "cleo/s0" not in pair}
    assert rater_imprint(*study(fourth)).empty


WITHOUT = {
    "anna staple_without_anna/s0": (0.7, 0.9), "anna staple_without_anna/s1": (0.5, 0.7),
    "ben staple_without_ben/s0": (0.5, 0.5), "ben staple_without_anna/s0": (0.1, 0.1),
}  # fmt: skip


def test_consensus_models_that_never_saw_a_rater_beside_other_raters_models():
    """anna: mean .6, .8 minus (.5 + .4)/2; ben: .5 minus (.6 + .5)/2; nobody's own models take part."""
    found = by_target(removal_of_bias(*study(HAND | WITHOUT)), "removal_of_bias")
    assert list(found.index) == ["anna", "ben", ALL_RATERS]
    np.testing.assert_allclose(found["value"].astype(float), [0.7 - 0.45, 0.5 - 0.55, (0.25 - 0.05) / 2])


def test_removal_of_bias_by_another_consensus_has_a_name_of_its_own():
    majority = {"anna majority_without_anna/s0": (0.6, 0.6)}
    found = removal_of_bias(*study(HAND | WITHOUT | majority))
    assert set(found["measure"]) == {"removal_of_bias", "removal_of_bias_majority"}


def test_no_removal_of_bias_without_such_models():
    assert removal_of_bias(*study(HAND)).empty
    only_consensus = {pair: f1 for pair, f1 in WITHOUT.items() if pair.startswith("anna")}
    assert removal_of_bias(*study(only_consensus)).empty


def test_renaming_raters_changes_names_alone():
    agreement, annotations, clusters = study(HAND | WITHOUT)
    new = {"anna": "zoe", "ben": "10", "cleo": "9"}

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        for column in table.columns[[pd.api.types.is_string_dtype(of) for of in table.dtypes]]:
            for old, name in new.items():
                table[column] = table[column].astype("object").str.replace(old, name)
        return table

    for measure in (rater_imprint, removal_of_bias):
        before = measure(agreement, annotations, clusters).set_index("target")
        after = measure(renamed(agreement), renamed(annotations), clusters).set_index("target")
        for name in before.index:
            columns = ["value", "low", "high"]
            expected, found = (table.loc[key, columns] for table, key in ((before, name), (after, new.get(name, name))))
            np.testing.assert_allclose(found.astype(float), expected.astype(float))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_is_planted_is_found(share):
    settings = SimulatedStudy(imprint=share, n_subjects=40, n_consensus_seeds=1)
    study = simulate_tables(settings)
    for name, measure in (("imprint", rater_imprint), ("removal_of_bias", removal_of_bias)):
        found = by_target(measure(study.tables.agreement, study.annotations, study.clusters), name)
        planted = study.truth[study.truth["measure"] == name].set_index("target")["value"]
        assert set(planted.index) == {*settings.raters}
        errors = found.loc[planted.index, "value"].astype(float) - planted
        assert errors.abs().max() < 0.015  # about four standard errors
        overall = found.loc[ALL_RATERS]
        assert overall["low"] < planted.mean() < overall["high"]
