"""A drawn study is what it was planted to be: means of many cases against the expectations written down."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segassay.simulation.study import BIASED, NULL, SimulatedStudy
from segassay.simulation.study_draws import draw
from segassay.simulation.study_means import mean_agreement
from segassay.simulation.study_members import cast
from segassay.simulation.study_truth import expectation, planted

SMALL = SimulatedStudy(n_seeds=1, n_consensus_seeds=4)


def value(table: pd.DataFrame, measure: str, target: str) -> float:
    return float(table.loc[(table["measure"] == measure) & (table["target"] == target), "value"].iloc[0])


@pytest.mark.parametrize("skewed", [False, True])
def test_planted_values_are_the_means_of_drawn_cases(skewed: bool) -> None:
    study = replace(SMALL, skewed=skewed)
    both = planted(study).merge(
        expectation(study, 20_000), on=["quality", "measure", "target"], suffixes=("", "_drawn")
    )
    assert len(both) == len(planted(study))
    off = (both["value"] - both["value_drawn"]).abs().groupby(both["measure"]).max()
    assert off["log_count_ratio"] < 0.01  # planted for large numbers of objects
    assert off.drop("log_count_ratio").max() < 0.003


def test_imprint_is_the_share_of_the_habit_that_models_inherit_however_agreeable_raters_are() -> None:
    study = replace(SMALL, imprint=0.6, habit=0.2, agreeableness=(-0.1, 0.0, 0.05, 0.02, 0.0), seed_sd=0.0)
    for rater in study.raters:
        assert value(planted(study), "imprint", rater) == pytest.approx(0.12)


def test_models_inherit_a_share_of_how_agreeable_their_rater_is() -> None:
    study = replace(SMALL, imprint=0.5, agreeableness=(0.1, 0.0, 0.0, 0.0, 0.0), seed_sd=0.0)
    own, other = (value(planted(study), "f1_leave_one_out", f"expert_{r}/s0") for r in (1, 2))
    assert own - other == pytest.approx(0.05)


def test_removal_of_bias_is_the_gain_of_consensus_models_where_all_raters_are_as_agreeable() -> None:
    study = replace(SMALL, consensus_gain=0.07, agreeableness=(0.0,) * 5, seed_sd=0.0)
    assert value(planted(study), "removal_of_bias", "expert_2") == pytest.approx(0.07)


def test_nothing_is_planted_in_the_null_study_and_much_in_the_biased_one() -> None:
    null, biased = planted(replace(NULL, seed_sd=0.0)), planted(BIASED)
    for rater in NULL.raters:
        for measure in ("imprint", "removal_of_bias", "log_count_ratio"):
            assert value(null, measure, rater) == pytest.approx(0, abs=1e-12)
        assert value(biased, "imprint", rater) > 0.1
    assert value(biased, "log_count_ratio", "expert_1") < -0.8


def test_groups_differ_in_counts_and_light_by_the_planted_factors() -> None:
    study = replace(NULL, count_effects=(1.0, 1.5), light_effects=(1.0, 0.8), n_subjects=400, n_seeds=0)
    drawn = draw(study, pairs=np.array([[0, 1]]))
    for values, factor in ((drawn.counts, 1.5), (drawn.light, 0.8)):
        control, other = np.split(values[0, :, 0], 2)
        assert other.mean() / control.mean() == pytest.approx(factor, rel=0.03)


def test_scores_of_one_subject_are_alike_and_have_the_planted_spread() -> None:
    study = replace(SMALL, subject_sd=0.06, case_sd=0.04, annotator_sd=0.03, noise_sd=0.02, n_subjects=300)
    f1 = draw(study, pairs=np.array([[1, 3]])).f1[0, :, 0].reshape(-1, 2)
    assert f1.var() == pytest.approx(0.06**2 + 0.04**2 + 2 * 0.03**2 + 0.02**2, rel=0.15)
    assert np.cov(f1.T)[0, 1] == pytest.approx(0.06**2, rel=0.25)


def test_skewed_scores_have_a_tail_of_bad_cases() -> None:
    quiet: dict[str, Any] = {"subject_sd": 0.0, "annotator_sd": 0.0, "noise_sd": 0.0, "n_subjects": 2000}
    f1 = draw(replace(SMALL, skewed=True, **quiet), pairs=np.array([[1, 3]])).f1.ravel()
    skewness = ((f1 - f1.mean()) ** 3).mean() / f1.std() ** 3
    assert skewness == pytest.approx(-1.05, abs=0.2)


def test_ensembles_spread_less_over_seeds_than_their_members() -> None:
    study = replace(SMALL, n_consensus_seeds=400, ensemble_size=4, n_seeds=0, seed_sd=0.05)
    with_others = mean_agreement(study)[1][0]
    kind = np.array([member.kind if member.trained_on == "staple" else "" for member in cast(study)])
    assert with_others[kind == "model"].std() == pytest.approx(0.05, rel=0.15)
    assert with_others[kind == "ensemble"].std() == pytest.approx(0.025, rel=0.2)


def test_ensembles_have_no_member_in_common() -> None:
    seeds = [seed for member in cast(SMALL) if member.kind == "ensemble" for seed in member.seeds]
    assert sorted(seeds) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"agreeableness": (0.0,)}, "each of at least 2 raters"),
        ({"light_effects": (1.0,)}, "two effects for each group"),
    ],
)
def test_what_is_no_study_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulatedStudy(**wrong)
