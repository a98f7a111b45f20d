"""The verdict rules on simulated tables: an honest study, and what one dishonest change does to its verdicts.

benchmarks/cheats.py and test_cheats.py do the same with masks.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import raters_of
from segassay.judgement import amounts, preconditions, verdicts
from segassay.judgement.conclusions import LARGE_EFFECT
from segassay.judgement.criteria import Number, What, Why
from segassay.judgement.evidence import evidence_of, mean_of
from segassay.judgement.summary import summarise
from segassay.judgement.words import RULES, sentence
from segassay.qualities.scores.table import THRESHOLD, Findings, annotator_kinds, score_rows
from segassay.simulation.study_tables import BIASED, NULL, SimulatedStudy, simulate_tables
from segassay.tables.cells import RESEMBLING_COLUMNS

SMALL = {"n_seeds": 1, "n_consensus_seeds": 4, "seed_sd": 0.005, "n_subjects": 15, "count_effects": (1.0, 1.4)}
FOUR = {"log_count_bias": (0.0,) * 4, "agreeableness": (0.0,) * 4, "n_regions": 1}  # one can be left out of them
HONEST = replace(NULL, **SMALL, **FOUR)
ENSEMBLES = ("staple/s0-1", "staple/s2-3")
QUALITIES = ("objectivity", "reliability", "validity")

judge = lru_cache(maxsize=4)(verdicts.judge)  # most tests ask several times about the same findings


@lru_cache(maxsize=4)
def simulated(study: SimulatedStudy) -> Findings:
    """Tables at the one threshold that verdicts read."""
    found = simulate_tables(study).findings()
    agreement, others = found.tables.agreement, found.tables.leave_one_out
    return with_tables(
        found,
        agreement=agreement[agreement["iou_threshold"] == THRESHOLD].reset_index(drop=True),
        leave_one_out=others[others["iou_threshold"] == THRESHOLD].reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def honest() -> Findings:
    return simulated(HONEST)


def said(found: Findings) -> dict[str, bool | None]:
    return {quality: one.supported for quality, one in judge(found).items()}


def whys(found: Findings, quality: str) -> set[tuple[What, Why]]:
    return {(one.of, one.why) for criterion in judge(found)[quality].criteria for one in criterion.missing}


def with_tables(found: Findings, **changed: pd.DataFrame) -> Findings:
    return replace(found, tables=replace(found.tables, **changed))


def of_pairs(found: Findings, wanted: Callable[[str, str], bool], **values: float) -> Findings:
    """The same with other agreement of some pairs, in either order; a C₋r is called `-rater`."""
    agreement, others = found.tables.agreement, found.tables.leave_one_out
    return with_tables(
        found,
        agreement=_shifted(agreement, agreement["annotator_a"], agreement["annotator_b"], wanted, values),
        leave_one_out=_shifted(others, "-" + others["rater"].astype(str), others["annotator"], wanted, values),
    )


def _shifted(
    table: pd.DataFrame, one: pd.Series, other: pd.Series, wanted: Callable[[str, str], bool], values: dict[str, float]
) -> pd.DataFrame:
    """Values of the wanted pairs moved by so much, within 0 to 1."""
    pairs = pd.MultiIndex.from_arrays([one, other])
    chosen = [(a, b) for a, b in pairs.unique() if wanted(a, b) or wanted(b, a)]
    mask = pairs.isin(chosen)
    moved = {name: table[name].mask(mask, (table[name] + by).clip(0, 1)) for name, by in values.items()}
    return table.assign(**moved)


def judged(name: str) -> bool:
    return name in ENSEMBLES


def test_an_honest_study_is_supported(honest: Findings) -> None:
    assert said(honest) == dict.fromkeys(QUALITIES, True)
    found = summarise(score_rows([]), honest)
    assert {judgement["verdict"] for judgement in found.values()} == {"supported"}
    assert "models trained on one rater carry an imprint of at most" in found["objectivity"]["sentence"].lower()
    assert "Two ensembles without a common member agree on objects with a mean F1" in found["reliability"]["sentence"]
    assert "times the number of objects, " in found["validity"]["sentence"]


def test_raters_who_differ_make_their_models_biased_and_leave_the_consensus_objective() -> None:
    found = simulated(replace(BIASED, **SMALL))
    experts = found.annotations[~found.annotations["trained_on"].str.startswith("staple")]
    assert said(replace(found, annotations=experts))["objectivity"] is False
    assert said(found)["objectivity"]


def test_without_models_that_leave_a_rater_out_an_imprint_leaves_the_consensus_open() -> None:
    found = simulated(replace(BIASED, **SMALL))
    whole = found.annotations[~found.annotations["trained_on"].str.contains("_without_")]
    lacking = replace(found, annotations=whole)
    assert said(lacking)["objectivity"] is None
    assert (What.CONSENSUS_IMPRINT, Why.NO_NUMBER) in whys(lacking, "objectivity")


def test_a_rater_whose_models_are_left_out_may_be_the_one_that_models_follow() -> None:
    found = simulated(replace(NULL, **SMALL, n_regions=1))
    on = found.annotations["trained_on"]
    single = replace(found, annotations=found.annotations[~on.str.contains("_without_")])
    assert said(single)["objectivity"]
    lacking = replace(single, annotations=single.annotations[single.annotations["trained_on"] != "expert_1"])
    assert said(lacking)["objectivity"] is None
    assert (What.IMPRINT, Why.UNTESTED) in whys(lacking, "objectivity")
    assert "no models trained on expert_1 alone" in summarise(score_rows([]), lacking)["objectivity"]["verdict"]
    alone = replace(
        lacking, annotations=lacking.annotations[~lacking.annotations["trained_on"].str.startswith("staple")]
    )
    imitated = of_pairs(alone, lambda a, b: a == "expert_2" and b.startswith("expert_2/"), f1=0.25, dice=0.25)
    assert said(imitated)["objectivity"] is False  # what is tested can refute


def test_ensembles_whose_members_nobody_sees_are_not_reliable(honest: Findings) -> None:
    seeds = honest.annotations["seed"] + 100
    others = honest.annotations.assign(
        seed=seeds.where(honest.annotations["kind"] == "model", honest.annotations["seed"])
    )
    found = replace(honest, annotations=others)
    assert (What.MEMBERS, Why.NO_MEMBERS) in whys(found, "reliability")
    assert said(found)["reliability"] is None
    assert said(found)["validity"]


def test_one_imprint_is_not_hidden_by_the_mean() -> None:
    """Of .20 on one of five raters the mean is .04, below the line."""
    found = simulated(replace(NULL, **SMALL, n_regions=1))
    own = of_pairs(found, lambda a, b: a == "expert_1" and b.startswith("expert_1/"), f1=0.25, dice=0.25)
    without = own.annotations[~own.annotations["trained_on"].str.startswith("staple")]
    assert said(replace(own, annotations=without))["objectivity"] is False


def test_a_consensus_that_depends_on_one_rater_is_not_objective(honest: Findings) -> None:
    """Models of the consensus agree with one rater less if that rater was left out, and models of raters imitate."""
    less = of_pairs(
        honest, lambda a, b: a == "expert_1" and b.startswith("staple_without_expert_1/"), f1=-0.3, dice=-0.3
    )
    both = of_pairs(less, lambda a, b: a == "expert_1" and b.startswith("expert_1/"), f1=0.3, dice=0.3)
    assert said(less)["objectivity"]  # nothing to be imitated
    assert said(both)["objectivity"] is False


@pytest.mark.parametrize("measure", ["f1", "dice"])
def test_finding_and_outlines_are_judged_apart(honest: Findings, measure: str) -> None:
    worse = of_pairs(honest, lambda a, b: judged(a) and not judged(b), **{measure: -0.3})
    assert said(worse)["validity"] is False
    assert said(worse)["objectivity"] is False
    apart = of_pairs(honest, lambda a, b: judged(a) and judged(b), **{measure: -0.5})
    assert said(apart)["reliability"] is False


def test_a_measure_on_which_all_agree_leaves_the_verdict_to_the_other(honest: Findings) -> None:
    """One object in every image: F1 is 1 for everyone."""
    agreement, others = honest.tables.agreement.assign(f1=1.0), honest.tables.leave_one_out.assign(f1=1.0)
    found = with_tables(honest, agreement=agreement, leave_one_out=others)
    assert said(found)["objectivity"]
    assert not all(criterion.counts for criterion in judge(found)["objectivity"].criteria)
    drifting = of_pairs(found, lambda a, b: judged(a) and judged(b), dice=-0.5)
    assert said(drifting)["reliability"] is False
    near = honest.tables.surface_shares.assign(share=1.0)
    everything = {"agreement": agreement.assign(dice=1.0), "leave_one_out": others.assign(dice=1.0)}
    assert said(with_tables(found, **everything, surface_shares=near))["objectivity"] is None


@pytest.mark.parametrize(("factor", "expected"), [(0.5, False), (2.0, False), (1.05, True), (0.75, None)])
@pytest.mark.parametrize("amount", ["n_objects", "area_px"])
def test_amounts_are_compared_as_they_are(honest: Findings, amount: str, factor: float, expected: bool | None) -> None:
    """Dividing by the control group hides that half of the objects are missed everywhere."""
    counts = honest.tables.counts
    changed = counts[amount].mask(
        counts["annotator"].isin(ENSEMBLES), (counts[amount] * factor).round().astype("Int64")
    )
    assert said(with_tables(honest, counts=counts.assign(**{amount: changed})))["validity"] is expected


def test_validity_without_an_experiment_rests_on_agreement_and_amounts(honest: Findings) -> None:
    found = replace(honest, effects=honest.effects.iloc[:0])
    assert said(found)["validity"]
    assert "no experiment" in summarise(score_rows([]), found)["validity"]["sentence"]


@pytest.mark.parametrize(
    ("pair", "qualities"),
    [
        (("staple/s0-1", "expert_3"), QUALITIES),
        (("staple/s0-1", "staple/s2-3"), QUALITIES),
        (("staple/s0-1", "=staple"), QUALITIES),
        (("expert_1", "expert_2"), QUALITIES),  # one rater under two names
        (("staple/s0", "staple/s1"), ("reliability",)),
    ],
)
def test_copies_support_nothing(honest: Findings, pair: tuple[str, str], qualities: tuple[str, ...]) -> None:
    cases = honest.annotations["case"].unique()
    few, most = (
        with_tables(honest, identical=pd.DataFrame({"case": cases[:n], "annotator_a": pair[0], "annotator_b": pair[1]}))
        for n in (2, len(cases))
    )
    assert said(few) == dict.fromkeys(QUALITIES, True)
    assert {quality for quality, supported in said(most).items() if supported is None} == set(qualities)
    assert all((What.ORIGINAL, Why.COPIES) in whys(most, quality) for quality in qualities)


@pytest.mark.parametrize("other", ["expert_1", "expert_2/s0", "truth"])
def test_copied_models_of_raters_prove_no_absence_of_bias(honest: Findings, other: str) -> None:
    alone = honest.annotations[~honest.annotations["trained_on"].str.contains("_without_")]
    same = pd.DataFrame({"case": alone["case"].unique(), "annotator_a": "expert_1/s0", "annotator_b": other})
    found = with_tables(replace(honest, annotations=alone), identical=same)
    assert said(found)["objectivity"] is None
    assert (What.IMPRINT, Why.COPIES) in whys(found, "objectivity")


def test_masks_no_better_than_mirrored_support_nothing(honest: Findings) -> None:
    """As all-empty or all-full masks, which are the same after every training."""
    mirrored = honest.tables.mirrored
    dice = mirrored["dice"].mask(mirrored["annotator"].isin(ENSEMBLES), 1.0)
    found = with_tables(honest, mirrored=mirrored.assign(dice=dice))
    assert said(found) == dict.fromkeys(QUALITIES)
    assert (What.CREDIBLE, Why.NO_BETTER_THAN_MIRRORED) in whys(found, "reliability")


@pytest.mark.parametrize("f1", [-1.0, -0.3])
def test_poor_models_of_raters_prove_no_absence_of_bias(honest: Findings, f1: float) -> None:
    """Empty, shifted or missing ones imitate nobody."""
    alone = replace(honest, annotations=honest.annotations[~honest.annotations["trained_on"].str.contains("_without_")])
    poor = of_pairs(alone, lambda a, b: a.startswith("expert_1/") and "/" not in b, f1=f1, dice=f1)
    assert said(poor)["objectivity"] is None
    why = Why.WEAK_MODELS if f1 > -1 else Why.NO_BETTER_THAN_MIRRORED
    assert (What.IMPRINT, why) in whys(poor, "objectivity")


def test_models_with_mixed_up_raters_prove_no_absence_of_bias() -> None:
    found = simulated(replace(BIASED, **SMALL))
    names = [f"expert_{number}" for number in range(1, 6)]
    turned = found.annotations["trained_on"].replace(dict(zip(names, [*names[1:], names[0]], strict=True)))
    experts = ~found.annotations["trained_on"].str.startswith("staple")
    mixed = replace(found, annotations=found.annotations.assign(trained_on=turned)[experts])
    assert said(mixed)["objectivity"] is not True


def test_masks_that_agree_with_a_rater_more_than_is_possible_support_nothing(honest: Findings) -> None:
    """A copy moved by a pixel is no copy, yet agrees with the rater better than anybody can who did not see it."""
    near = of_pairs(honest, lambda a, b: judged(a) and b == "expert_3", f1=0.5, dice=0.5)
    assert said(near) == dict.fromkeys(QUALITIES)
    assert (What.PLAUSIBLE, Why.TOO_ALIKE) in whys(near, "validity")


def test_masks_near_another_rater_in_each_image_support_nothing(honest: Findings) -> None:
    """On average over images they are as near to each rater as honest ones are."""
    agreement = honest.tables.agreement
    place = pd.Series(pd.factorize(agreement["case"])[0] % 4, agreement.index)
    pairs = [agreement[side] for side in ("annotator_a", "annotator_b")]
    changed = {name: agreement[name].copy() for name in ("f1", "dice")}
    for number in range(4):
        one = pairs[0].isin(ENSEMBLES) & pairs[1].eq(f"expert_{number + 1}")
        one |= pairs[1].isin(ENSEMBLES) & pairs[0].eq(f"expert_{number + 1}")
        for name, values in changed.items():
            changed[name] = values.mask(one, (values + np.where(place == number, 0.3, -0.1)).clip(0, 1))
    found = with_tables(honest, agreement=agreement.assign(**changed))
    assert said(found) == dict.fromkeys(QUALITIES)
    assert (What.PLAUSIBLE, Why.TOO_ALIKE) in whys(found, "objectivity")
    rests_on = {one.against for one in _shown(found, What.PLAUSIBLE)}
    assert rests_on == {"another rater in each image"}


def _shown(found: Findings, of: What) -> list[Number]:
    criteria = [one for judgement in judge(found).values() for one in judgement.criteria if one.of is of]
    return [one.rests_on for one in criteria if isinstance(one.rests_on, Number)]


def test_following_one_rater_is_not_objective(honest: Findings) -> None:
    follows = of_pairs(honest, lambda a, b: judged(a) and b == "expert_3", f1=0.14, dice=0.14)
    assert said(follows)["objectivity"] is None
    assert said(follows)["reliability"]


def test_a_careless_rater_moves_no_bar(honest: Findings) -> None:
    """Half of a model's agreement with the raters is lost; an all-empty sixth rater must not make up for that."""
    worse = of_pairs(honest, lambda a, b: judged(a) and not judged(b), f1=-0.3, dice=-0.3)
    careless = of_pairs(worse, lambda a, b: "expert_4" in (a, b) or b == "-expert_4", f1=-1.0, dice=-1.0)
    mirrored = careless.tables.mirrored
    zero = mirrored["dice"].mask(mirrored["annotator"].eq("expert_4") | mirrored["rater"].eq("expert_4"), 0.0)
    found = with_tables(careless, mirrored=mirrored.assign(dice=zero))
    assert said(found)["validity"] is False
    assert judge(found)["validity"].left_out == ("expert_4",)
    assert "marks at random: expert_4." in summarise(score_rows([]), found)["validity"]["sentence"]


def test_images_in_which_nobody_marks_anything_do_not_count(honest: Findings) -> None:
    """Of all images but six, which are too few to judge; two empty masks agree perfectly."""
    counts = honest.tables.counts
    empty = ~counts["case"].isin(counts["case"].unique()[:6])
    found = with_tables(honest, counts=counts.assign(n_objects=counts["n_objects"].mask(empty, 0)))
    for quality in QUALITIES:
        assert any(why is Why.FEW_CASES for _, why in whys(found, quality)), quality
        assert said(found)[quality] is None


@pytest.mark.parametrize(
    ("far", "n_near", "again"), [(0.0, 4, True), (0.09, 3, True), (0.0, 2, False), (0.11, 4, False)]
)
def test_an_image_entered_again_does_not_count(honest: Findings, far: float, n_near: int, again: bool) -> None:
    """If masks of most of four raters are nearer to those of an earlier image than a tenth of what raters differ."""
    cases, raters = honest.tables.counts["case"].unique(), raters_of(annotator_kinds(honest.annotations))
    rows = [
        (case, cases[place % 6], rater, far * 0.2 if number < n_near else 0.2, 0.2)
        for place, case in enumerate(cases)
        if place >= 6
        for number, rater in enumerate(raters)
    ]
    assert len(raters) == 4
    found = with_tables(honest, resembling=pd.DataFrame(rows, columns=list(RESEMBLING_COLUMNS)))
    for quality in QUALITIES:
        assert any(why is Why.FEW_CASES for _, why in whys(found, quality)) == again, quality


def test_masks_that_agree_with_raters_of_other_images_as_well_support_nothing(honest: Findings) -> None:
    elsewhere = honest.tables.elsewhere
    of_judged = elsewhere["annotator"].isin(ENSEMBLES)
    found = with_tables(honest, elsewhere=elsewhere.assign(elsewhere=elsewhere["elsewhere"].mask(of_judged, 1.0)))
    for quality in QUALITIES:
        assert (What.OWN_IMAGE, Why.NO_BETTER_THAN_ELSEWHERE) in whys(found, quality)
    assert set(said(found).values()) == {None}


def test_validity_says_how_much_of_what_raters_marked_does_not_count(honest: Findings) -> None:
    rater = raters_of(annotator_kinds(honest.annotations))[0]
    table = pd.DataFrame({"case": ["a", "b"], "rater": rater, "n_px": [60, 40], "n_px_counted": [60, 15]})
    found = with_tables(honest, uncounted=table.assign(n_objects=[5, 5], n_objects_counted=[5, 0]))
    summary = summarise(score_rows([]), found)
    assert summary["validity"]["uncounted"] == {"pixels": 0.25, "objects": 0.5}
    assert "25 % of the pixels and 50 % of the objects do not count" in summary["validity"]["sentence"]
    assert "uncounted" not in summarise(score_rows([]), honest)["validity"]


def test_leaving_out_images_supports_nothing(honest: Findings) -> None:
    counts = honest.tables.counts
    gone = counts["annotator"].eq(ENSEMBLES[0]) & counts["case"].isin(counts["case"].unique()[:8])
    found = with_tables(honest, counts=counts[~gone])
    assert (What.COMPLETE, Why.SOME_IMAGES) in whys(found, "validity")
    assert said(found)["validity"] is None


def without_some_masks(found: Findings) -> Findings:
    """No model has a mask of the first eight images."""
    models = found.annotations.loc[found.annotations["kind"].isin(["model", "ensemble"]), "annotator"].unique()
    tables = found.tables
    first = tables.counts["case"].unique()[:8]
    changed = {}
    for name, columns in (("agreement", ["annotator_a", "annotator_b"]), ("leave_one_out", ["annotator"])):
        table = getattr(tables, name)
        changed[name] = table[~(table["case"].isin(first) & table[columns].isin(models).any(axis=1))]
    gone = tables.counts["case"].isin(first) & tables.counts["annotator"].isin(models)
    return with_tables(found, counts=tables.counts[~gone], **changed)


def test_images_that_all_models_leave_out_support_nothing_unless_they_were_in_training(honest: Findings) -> None:
    found = without_some_masks(honest)
    assert (What.COMPLETE, Why.NO_MASKS) in whys(found, "validity")
    verdict = summarise(score_rows([]), found)["validity"]["verdict"]
    assert "staple/s0-1 has no mask of 8 of the " in verdict
    late = honest.tables.counts["case"].unique()[8:]
    assert said(replace(found, test_cases=tuple(late)))["validity"]
    one_fold = honest.annotations.assign(fold=honest.annotations["fold"].mask(honest.annotations["kind"] != "human", 0))
    assert said(replace(found, annotations=one_fold))["validity"]


def test_an_ensemble_as_near_to_members_of_another_one_supports_nothing(honest: Findings) -> None:
    """Whatever was done to the copy, its own members are no nearer to it; nor is what was never made of members."""
    own = of_pairs(honest, lambda a, b: a in ("staple/s2", "staple/s3") and b == ENSEMBLES[1], dice=-0.12)
    for quality in ("objectivity", "reliability", "validity"):
        assert (What.OWN_MEMBERS, Why.NO_NEARER) in whys(own, quality)
    assert set(said(own).values()) == {None}


def test_masks_that_go_with_single_votes_support_nothing(honest: Findings) -> None:
    votes = honest.tables.single_votes
    split = votes["annotator"].eq(ENSEMBLES[0]) & votes["n_others"].eq(2)
    knowing = votes.assign(
        n_marked_with=votes["n_marked_with"].mask(split, votes["n_with"]),
        n_marked_without=votes["n_marked_without"].mask(split, 0),
    )
    for quality in ("objectivity", "validity", "reliability"):
        assert (What.PLAUSIBLE, Why.KNOWS_VOTES) in whys(with_tables(honest, single_votes=knowing), quality)


def test_of_volumes_the_verdict_says_volume(honest: Findings) -> None:
    """What counts call area is a volume there."""
    of_volumes = summarise(score_rows([]), replace(honest, of_volumes=True))["validity"]
    of_areas = summarise(score_rows([]), honest)["validity"]
    assert "times the volume" in of_volumes["sentence"]
    assert "area" not in of_volumes["sentence"]
    assert "times the area" in of_areas["sentence"]
    assert [one["holds"] for one in of_volumes["criteria"]] == [one["holds"] for one in of_areas["criteria"]]
    assert "ratio to the median rater (volume)" in [one["name"] for one in of_volumes["criteria"]]


def test_a_rater_with_few_masks_takes_no_part(honest: Findings) -> None:
    counts, agreement, others = honest.tables.counts, honest.tables.agreement, honest.tables.leave_one_out
    late = counts["case"].unique()[2:]
    found = with_tables(
        honest,
        counts=counts[~(counts["annotator"].eq("expert_4") & counts["case"].isin(late))],
        agreement=agreement[
            ~(agreement["case"].isin(late) & agreement[["annotator_a", "annotator_b"]].eq("expert_4").any(axis=1))
        ],
        leave_one_out=others[~(others["case"].isin(late) & others["rater"].eq("expert_4"))],
    )
    assert judge(found)["validity"].left_out == ("expert_4",)
    assert said(found)["validity"]


@pytest.mark.parametrize("quality", QUALITIES)
def test_nothing_is_supported_by_images_that_may_have_been_trained_on(honest: Findings, quality: str) -> None:
    unknown = honest.annotations.assign(held_out=pd.array([pd.NA] * len(honest.annotations), dtype="boolean"))
    found = replace(honest, annotations=unknown)
    assert said(found)[quality] is None
    assert (What.HELD_OUT, Why.NO_NUMBER) in whys(found, quality)


def test_raters_alone(honest: Findings) -> None:
    alone = replace(honest, annotations=honest.annotations[honest.annotations["kind"] == "human"])
    assert {quality: found["verdict"] for quality, found in summarise(score_rows([]), alone).items()} == {
        "raters": "not supported",  # their outlines agree with a Dice of 0.65
    } | dict.fromkeys(QUALITIES, "cannot be judged: no model or ensemble among the annotators")


def test_one_rater(honest: Findings) -> None:
    one = honest.annotations[honest.annotations["annotator"].eq("expert_1") | honest.annotations["kind"].ne("human")]
    found = summarise(score_rows([]), replace(honest, annotations=one))
    assert found["objectivity"]["verdict"] == "cannot be judged: no second rater"


def test_of_two_raters_nobody_can_tell_whom_masks_follow(honest: Findings) -> None:
    raters = sorted(honest.annotations.query("kind == 'human'")["annotator"].unique())
    two = replace(honest, annotations=honest.annotations[~honest.annotations["annotator"].isin(raters[2:])])
    assert said(two)["objectivity"] is None
    assert (What.NEUTRAL, Why.NO_THIRD_RATER) in whys(two, "objectivity")
    three = replace(honest, annotations=honest.annotations[~honest.annotations["annotator"].isin(raters[3:])])
    assert (What.NEUTRAL, Why.NO_THIRD_RATER) not in whys(three, "objectivity")


def test_models_without_ensembles(honest: Findings) -> None:
    models = honest.annotations[honest.annotations["kind"] != "ensemble"]
    found = summarise(score_rows([]), replace(honest, annotations=models))
    assert found["reliability"]["verdict"] == "cannot be judged: no two ensembles without a common member"


def test_what_is_supported_with_unequal_subjects_says_how_often_that_is_by_mistake(honest: Findings) -> None:
    names = honest.clusters.unique()
    of_one = honest.clusters.where(~honest.clusters.isin(names[: len(names) // 4]), names[0])
    equal, unequal = (judge(one)["reliability"] for one in (honest, replace(honest, clusters=of_one)))
    refuted = replace(unequal, criteria=tuple(replace(one, met=False) for one in unequal.criteria))
    assert (equal.supported, unequal.supported, refuted.supported) == (True, True, False)
    said = [sentence(one, score_rows([]), honest.effects) for one in (equal, unequal, refuted)]
    assert "by mistake in up to 11.4 % of simulated studies (20 subjects" in said[1]
    assert "by mistake" not in said[0] + said[2]


def test_few_images_neither_support_nor_refute() -> None:
    few = replace(HONEST, n_subjects=2)
    for study in (few, replace(few, consensus_gain=-0.5)):
        assert set(said(simulated(study)).values()) == {None}


def test_rules_name_every_line() -> None:
    text = " ".join(RULES.values())
    for line in (
        verdicts.IMPRINT_MATTERS,
        verdicts.IMPRINT_OF_ONE_MATTERS,
        -verdicts.STANDING_ABOVE,
        -verdicts.ENSEMBLES_ABOVE_MODELS,
        LARGE_EFFECT,
    ):
        assert f"{line:g}" in text
    assert f"{amounts.AMOUNT_WITHIN:.2f}" in text
    assert f"{100 - 100 * verdicts.SHARE_OF_DISAGREEMENT:.0f} %" in text


def test_a_study_without_bias_is_never_refuted() -> None:
    assert False not in said(simulated(replace(NULL, n_seeds=1, n_consensus_seeds=4))).values()


def test_no_interval_of_three_images_says_more_than_can_be() -> None:
    evidence: Any = SimpleNamespace(clusters=np.arange(3), level=0.95)
    found = mean_of(evidence, np.array([-0.9, 0.6, 0.9]))
    assert found is not None
    assert (found.low, found.high) == (-1.0, 1.0)
    assert found.value == pytest.approx(0.2)


def test_a_model_of_a_rater_that_fails_in_two_images_is_no_poor_model(honest: Findings) -> None:
    """The interval of that model alone reaches far below its value; that of all models of raters does not."""
    poor = of_pairs(honest, lambda a, b: a.startswith("expert_1/") and "/" not in b, f1=-1.0, dice=-1.0)
    two = honest.tables.agreement["case"].unique()[:2]
    old, new = ((found.tables.agreement, found.tables.leave_one_out) for found in (honest, poor))
    agreement, others = (b.where(b["case"].isin(two), a) for a, b in zip(old, new, strict=True))
    twice = with_tables(honest, agreement=agreement, leave_one_out=others)
    evidence = evidence_of(twice)
    model = next(name for name in evidence.marks if name.startswith("expert_1/"))
    alone = mean_of(evidence, preconditions._below_teacher(evidence, model, "expert_1", "f1"))
    assert alone is not None
    assert alone.low < preconditions.TEACHER_WITHIN < alone.value
    assert (What.IMPRINT, Why.WEAK_MODELS) not in whys(twice, "objectivity")
    assert said(twice)["objectivity"]
