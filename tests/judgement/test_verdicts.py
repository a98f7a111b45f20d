"""The verdict rules on tables written by hand: every outcome of every quality, lines exactly met, missing pieces."""

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement import verdicts
from segassay.judgement.conclusions import LARGE_EFFECT, conclusions
from segassay.judgement.criteria import (
    Number,
    What,
    Why,
    above,
    all_met,
    any_met,
    either,
    lowest_above,
    number_of,
    undecided,
)
from segassay.judgement.judged import judged_annotators
from segassay.judgement.measures import build_scores
from segassay.judgement.summary import summarise
from segassay.judgement.verdicts import judge
from segassay.judgement.words import RULES, who
from segassay.qualities.objectivity import imprint as of_models
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.objectivity.imprint import rater_imprint, removal_of_bias
from segassay.qualities.objectivity.models import williams
from segassay.qualities.reliability import records as reliability
from segassay.qualities.reliability.ensembles import ensembles_beside
from segassay.qualities.scores.measure import PAIRWISE, Form
from segassay.qualities.scores.table import SCORE_COLUMNS, Agreement
from segassay.qualities.validity import records as validity
from segassay.qualities.validity.ceiling import human_range
from segassay.qualities.validity.detection import Compared
from segassay.simulation.study_tables import BIASED, NULL, SimulatedStudy, simulate_tables
from segassay.statistics.intervals import Resampling
from segassay.tables.effects import EFFECT_COLUMNS

RATERS = ("anna", "ben", "cleo", "dora")
ENSEMBLES = ("staple/s0-1", "staple/s2-3")
ANNOTATIONS = [
    *(("human", rater, "", "", None, None) for rater in RATERS),
    *(("model", f"{rater}/s0", "expert", rater, 0, True) for rater in RATERS),
    *(("model", f"staple/s{seed}", "consensus:staple", "staple", seed, True) for seed in range(4)),
    ("model", "staple_without_anna/s0", "consensus:staple", "staple_without_anna", 0, True),
    *(("ensemble", name, "consensus:staple", "staple", None, True) for name in ENSEMBLES),
]
Row = tuple[str, str, str, float, float, float]
OBJECTIVITY: list[Row] = [
    ("objectivity", "imprint", "all raters", 0.01, -0.01, 0.03),
    ("objectivity", "removal_of_bias", "all raters", 0.03, 0.01, 0.05),
    *(("objectivity", "williams_index", name, 1.0, 0.97, 1.03) for name in ENSEMBLES),
]
RELIABILITY: list[Row] = [
    ("reliability", "f1", "staple ensembles", 0.8, 0.77, 0.83),
    ("reliability", "f1_minus_raters", "staple ensembles", 0.2, 0.17, 0.23),
    ("reliability", "f1_minus_models", "staple ensembles", 0.05, 0.03, 0.07),
]
VALIDITY: list[Row] = [
    row
    for name in ENSEMBLES
    for row in (
        ("validity", "f1_leave_one_out", name, 0.6, 0.57, 0.63),
        ("validity", "f1_leave_one_out_minus_raters", name, 0.0, -0.02, 0.02),
        ("validity", "f1_leave_one_out_minus_worst_rater", name, 0.1, 0.06, 0.14),
    )
]
ALL = [*OBJECTIVITY, *RELIABILITY, *VALIDITY]


def scores_of(rows: list[Row], n_cases: int = 20) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["quality", "measure", "target", "value", "low", "high"])
    return table.assign(n_cases=n_cases, n_undefined=0, note="1 pair").reindex(columns=list(SCORE_COLUMNS))


def annotations_of(rows: list[tuple[Any, ...]], **changed: Any) -> pd.DataFrame:
    names = ["kind", "annotator", "strategy", "trained_on", "seed", "held_out"]
    table = pd.DataFrame(rows, columns=names).assign(case="1", **changed).reindex(columns=list(ANNOTATION_COLUMNS))
    return table.astype({"seed": "Int64", "fold": "Int64", "held_out": "boolean"})


def effects_of(
    unit: str = "subject", *, of_raters: str = "higher", of_ensembles: str = "higher", **shift: float
) -> pd.DataFrame:
    """One contrast of counts; a shift of 0.5 with an interval of ± 0.2 unless said otherwise."""
    rows = []
    for name in (*RATERS, *ENSEMBLES):
        verdict = of_raters if name in RATERS else of_ensembles
        at = shift.get("raters" if name in RATERS else "ensembles", 0.5)
        interval = {"hl_shift": at, "hl_low": at - 0.2, "hl_high": at + 0.2}
        rows.append({"annotator": name, "verdict": verdict, "direction": 1 if at > 0 else -1, **interval})
    fixed = {"measure": "count", "region": "", "unit": unit, "test": "mann_whitney", "group_1": "H", "group_2": "C"}
    table = pd.DataFrame(rows).assign(**fixed, statistic=1.0, eta_squared=0.5)
    return table.reindex(columns=list(EFFECT_COLUMNS))


NO_EFFECTS = pd.DataFrame(columns=list(EFFECT_COLUMNS))


def replaced(rows: list[Row], measure: str, low: float, high: float) -> list[Row]:
    """The rows with another interval of one measure; the value is its middle."""
    return [(*row[:3], (low + high) / 2, low, high) if row[1] == measure else row for row in rows]


def without(rows: list[Row], *measures: str) -> list[Row]:
    return [row for row in rows if row[1] not in measures]


def verdict(quality: str, rows: list[Row], effects: pd.DataFrame | None = None, **how: Any) -> str:
    annotations = how.pop("annotations", annotations_of(ANNOTATIONS))
    judged = summarise(scores_of(rows, **how), effects_of() if effects is None else effects, annotations)
    return judged[quality]["verdict"]


# ----------------------------------------------------------------------------------------------- each of 3 × 3 outcomes


def test_all_three_are_supported():
    judged = summarise(scores_of(ALL), effects_of(), annotations_of(ANNOTATIONS))
    assert {quality: found["verdict"] for quality, found in judged.items()} == dict.fromkeys(judged, "supported")
    assert judged["objectivity"]["sentence"] == (
        "Models trained on one rater carry an imprint of 0.01 (−0.01 to 0.03) F1; models of the consensus agree better "
        "with a rater they never saw than other raters' models do, by 0.03 (0.01 to 0.05) F1; the Williams index of "
        "the 2 staple ensembles is 1.00 (0.97 to 1.03) or more (20 images)."
    )
    assert judged["reliability"]["sentence"] == (
        "Two ensembles without a common member agree on objects with a mean F1 of 0.80 (0.77 to 0.83) (staple "
        "ensembles, 1 pair): 0.20 (0.17 to 0.23) more than two raters, and 0.05 (0.03 to 0.07) more than two single "
        "models (20 images)."
    )
    assert judged["validity"]["sentence"] == (
        "Against the consensus of the other raters, the 2 staple ensembles reach an F1 of 0.60 (0.57 to 0.63) or more, "
        "a difference of 0.10 (0.06 to 0.14) from the worst rater and 0.00 (−0.02 to 0.02) from the raters' mean (20 "
        "images); the masks lead to the conclusion of a rater in 100 % of comparisons, those of another rater in "
        "100 %."
    )


CANNOT, NOT = "cannot be judged: too few images: the ", "not supported"


@pytest.mark.parametrize(
    ("quality", "measure", "low", "high", "expected"),
    [
        ("objectivity", "williams_index", 0.80, 0.94, NOT),
        ("objectivity", "williams_index", 0.90, 0.96, f"{CANNOT}Williams index, 0.93 (0.90 to 0.96), may lie on"),
        ("reliability", "f1_minus_raters", -0.10, 0.04, NOT),
        ("reliability", "f1_minus_raters", 0.04, 0.20, f"{CANNOT}gain over raters, 0.12 (0.04 to 0.20), may lie on"),
        ("reliability", "f1_minus_models", -0.10, -0.03, NOT),
        ("reliability", "f1_minus_models", -0.03, 0.01, f"{CANNOT}gain over models, −0.01 (−0.03 to 0.01), may lie on"),
        ("reliability", "f1_minus_models", -0.01, 0.01, "supported"),
        ("validity", "f1_leave_one_out_minus_worst_rater", -0.12, -0.06, NOT),
        (
            "validity",
            "f1_leave_one_out_minus_worst_rater",
            -0.06,
            0.10,
            f"{CANNOT}difference from the worst rater, 0.02",
        ),
        ("validity", "f1_leave_one_out_minus_raters", -0.20, -0.11, NOT),
        ("validity", "f1_leave_one_out_minus_raters", -0.11, 0.00, f"{CANNOT}difference from the raters' mean, −0.06"),
        (
            "validity",
            "f1_leave_one_out_minus_raters",
            -0.09,
            -0.02,
            "supported",
        ),  # surely lower, but not by enough to matter
    ],
)
def test_intervals_decide_and_not_values(quality, measure, low, high, expected):
    assert verdict(quality, replaced(ALL, measure, low, high)).startswith(expected)


@pytest.mark.parametrize(
    ("imprint", "removal", "expected"),
    [
        ((-0.01, 0.03), (-0.03, -0.01), "supported"),  # nothing is there to be removed
        ((0.08, 0.12), (0.01, 0.03), "supported"),  # it is there, and the consensus removes it
        ((0.08, 0.12), (-0.03, -0.01), "not supported"),
        ((0.08, 0.12), (-0.01, 0.03), "cannot be judged: too few images: the removal of bias"),
        ((0.03, 0.07), (-0.03, -0.01), "cannot be judged: too few images: the imprint, 0.05 (0.03 to 0.07)"),
        ((0.03, 0.07), (-0.01, 0.01), "cannot be judged: too few images: the imprint"),
        ((0.02, 0.06), (-0.03, -0.01), "cannot be judged: too few images: the imprint, 0.04 (0.02 to 0.06)"),
    ],
)
def test_an_imprint_must_not_matter_or_be_removed(imprint, removal, expected):
    rows = replaced(replaced(ALL, "imprint", *imprint), "removal_of_bias", *removal)
    assert verdict("objectivity", rows).startswith(expected)


@pytest.mark.parametrize(
    ("quality", "measure", "line"),
    [
        ("objectivity", "williams_index", verdicts.WILLIAMS_AT_LEAST),
        ("reliability", "f1_minus_raters", verdicts.ENSEMBLES_ABOVE_RATERS),
        ("validity", "f1_leave_one_out_minus_raters", verdicts.SCORE_ABOVE_MEAN_RATER),
    ],
)
def test_a_limit_on_the_line_decides_nothing(quality, measure, line):
    for low, high in ((line, line + 0.1), (line - 0.1, line)):
        assert verdict(quality, replaced(ALL, measure, low, high)).startswith("cannot be judged")
    assert verdict(quality, replaced(ALL, measure, line + 1e-6, line + 0.1)) == "supported"
    assert verdict(quality, replaced(ALL, measure, line - 0.1, line - 1e-6)) == "not supported"


def test_the_least_of_several_ensembles_decides():
    rows = [row if row[2] != ENSEMBLES[1] else (*row[:3], 0.9, 0.88, 0.93) for row in OBJECTIVITY]
    assert verdict("objectivity", rows) == "not supported"


# ------------------------------------------------------------------------------------------------------ what is missing


@pytest.mark.parametrize(
    ("quality", "left_out", "expected"),
    [
        (
            "objectivity",
            ("imprint", "removal_of_bias"),
            "no held-out models trained on single raters, of 3 raters or more; ",
        ),
        ("objectivity", ("williams_index",), "no agreement of the judged annotators with two raters"),
        ("reliability", ("f1", "f1_minus_raters", "f1_minus_models"), "no two models that differ only by the seed"),
        ("reliability", ("f1_minus_models",), "no two single models trained as the ensembles were"),
        ("validity", ("f1_leave_one_out_minus_worst_rater",), "no score of the raters on the same images"),
    ],
)
def test_what_is_missing_is_named(quality, left_out, expected):
    assert verdict(quality, without(ALL, *left_out)).startswith(f"cannot be judged: {expected}")


def test_a_matter_that_is_settled_needs_no_more():
    """Refuted by one criterion, whatever else is missing."""
    rows = replaced(without(ALL, "imprint", "removal_of_bias"), "williams_index", 0.5, 0.6)
    assert verdict("objectivity", rows) == "not supported"
    low = replaced(ALL, "f1_leave_one_out_minus_raters", -0.4, -0.3)
    assert verdict("validity", low, NO_EFFECTS) == "not supported"
    assert verdict("validity", ALL, NO_EFFECTS) == "cannot be judged: no experiment with a control group"


@pytest.mark.parametrize("quality", ["objectivity", "reliability", "validity"])
def test_few_images_neither_support_nor_refute(quality):
    assert "fewer than 10 images" in verdict(quality, ALL, n_cases=9)
    bad = [(*row[:3], -1.0, -1.1, -0.9) for row in ALL]
    assert verdict(quality, bad, n_cases=9).startswith("cannot be judged")
    assert verdict(quality, ALL, n_cases=10) == "supported"


@pytest.mark.parametrize("quality", ["objectivity", "reliability", "validity"])
def test_no_interval_decides_nothing(quality):
    rows = [(*row[:4], math.nan, math.nan) for row in ALL]
    assert "no interval of the" in verdict(quality, rows)


@pytest.mark.parametrize("quality", ["objectivity", "reliability", "validity"])
def test_nothing_is_supported_by_images_that_may_have_been_trained_on(quality):
    unknown = annotations_of([(*row[:5], None) for row in ANNOTATIONS])
    assert verdict(quality, ALL, annotations=unknown) == (
        "cannot be judged: unknown whether the 2 staple ensembles saw these images in training (column held_out)"
    )
    bad = replaced(replaced(ALL, "williams_index", 0.1, 0.2), "f1_minus_raters", -0.2, -0.1)
    bad = replaced(bad, "f1_leave_one_out_minus_raters", -0.4, -0.3)
    assert verdict(quality, bad, annotations=unknown) == "not supported"


def test_raters_alone():
    rows = [
        ("objectivity", "f1", "between raters", 0.5, 0.4, 0.6),
        ("objectivity", "f1_leave_one_out", "all raters", 0.99, 0.9, 1.0),
        ("objectivity", "f1_leave_one_out", "anna", 0.7, 0.6, 0.8),
        ("objectivity", "f1_leave_one_out", "ben", 0.6, 0.5, 0.7),
    ]
    judged = summarise(scores_of(rows), NO_EFFECTS, annotations_of(ANNOTATIONS[:4]))
    assert judged["objectivity"]["sentence"] == (
        "Two raters agree on objects with a mean F1 of 0.50 (0.40 to 0.60) over 20 images; single raters reach 0.60 "
        "(ben) to 0.70 (anna) against the consensus of the other raters."
    )
    assert {quality: found["verdict"] for quality, found in judged.items()} == {
        "objectivity": "cannot be judged: no model or ensemble among the annotators",
        "reliability": "cannot be judged: no two models that differ only by the seed",
        "validity": "cannot be judged: no model or ensemble among the annotators",
    }


def test_one_rater():
    judged = summarise(scores_of([]), NO_EFFECTS, annotations_of(ANNOTATIONS[:1]))
    assert judged["objectivity"]["verdict"] == "cannot be judged: no second rater"
    assert judged["objectivity"]["sentence"].startswith("There is at most one rater")


def test_models_without_ensembles():
    rows = [("reliability", "f1", "staple models", 0.7, 0.6, 0.8)]
    models = annotations_of([row for row in ANNOTATIONS if row[0] != "ensemble"])
    judged = summarise(scores_of(rows), NO_EFFECTS, models)
    assert judged["reliability"]["verdict"] == "cannot be judged: no two ensembles without a common member"
    assert "staple models with F1 0.70 (0.60 to 0.80)" in judged["reliability"]["sentence"]


def test_too_few_raters_for_a_consensus_of_the_others():
    rows = [(row[0], row[1].replace("_leave_one_out", "_pairwise"), *row[2:]) for row in VALIDITY]
    judged = summarise(scores_of(rows), effects_of(), annotations_of(ANNOTATIONS))["validity"]
    assert judged["verdict"] == "supported"
    assert judged["sentence"].startswith("Against single raters (too few for a consensus of the others), the 2 staple")


# -------------------------------------------------------------------------------------------------------- who is judged


def test_who_is_judged():
    assert judged_annotators(annotations_of(ANNOTATIONS)).names == ENSEMBLES
    models = [row for row in ANNOTATIONS if row[0] != "ensemble"]
    judged = judged_annotators(annotations_of(models))
    assert judged.names == tuple(f"staple/s{seed}" for seed in range(4))  # and none without anna
    experts = judged_annotators(annotations_of([row for row in models if "staple" not in row[1]]))
    assert (experts.names, experts.of_consensus) == (tuple(f"{rater}/s0" for rater in RATERS), False)
    assert who(judged_annotators(annotations_of([("model", "cellpose", "", "", None, None)]))) == "cellpose"
    assert judged_annotators(annotations_of(ANNOTATIONS[:4])).names == ()


def test_the_largest_ensembles_are_judged():
    whole = ("ensemble", "staple/s0-3", "consensus:staple", "staple", None, True)
    assert judged_annotators(annotations_of([*ANNOTATIONS, whole])).names == ("staple/s0-3",)


def test_models_of_single_raters_are_judged_by_the_imprint_alone():
    experts = annotations_of([row for row in ANNOTATIONS if "staple" not in row[1]])
    rows = [*OBJECTIVITY[:2], *(("objectivity", "williams_index", f"{r}/s0", 1.0, 0.97, 1.03) for r in RATERS)]
    assert verdict("objectivity", rows, annotations=experts) == "supported"
    imprinted = replaced(rows, "imprint", 0.08, 0.12)  # a removal is no help to them
    assert verdict("objectivity", imprinted, annotations=experts) == "not supported"


# -------------------------------------------------------------------------------------------- effects of the experiment


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        (effects_of(of_raters="none", of_ensembles="none"), "supported"),
        (effects_of(of_ensembles="lower", ensembles=-0.5), "not supported"),  # the opposite
        (effects_of(of_ensembles="none", ensembles=0.2), "not supported"),  # 0.0 to 0.4 excludes 0.5
        (
            effects_of(of_ensembles="none", ensembles=0.35),
            "cannot be judged: too few units of the experiment: conclusions",
        ),
        (effects_of(of_raters="not_testable", of_ensembles="not_testable"), "cannot be judged: too few units"),
    ],
)
def test_effects(effects, expected):
    assert verdict("validity", ALL, effects).startswith(expected)


def test_raters_who_differ_set_the_standard():
    """One of four raters finds nothing: raters share a conclusion with 3 of 6 others, or 2 of 3; nobody more."""
    effects = effects_of(of_ensembles="none", ensembles=0.4)
    effects.loc[effects["annotator"] == "dora", ["verdict", "hl_shift"]] = ["none", 0.3]
    assert verdict("validity", ALL, effects) == "supported"  # as often as dora, whose effect it has


def test_images_as_units_are_judged_by_size():
    effects = effects_of("case").assign(verdict="none")
    assert set(conclusions(effects).to_numpy().ravel()) == {"higher"}
    assert set(conclusions(effects.assign(eta_squared=0.13)).to_numpy().ravel()) == {"none"}
    assert conclusions(effects.assign(verdict="not_testable")).isna().all(axis=None)
    assert set(conclusions(effects_of().assign(eta_squared=0.0)).to_numpy().ravel()) == {"higher"}


def test_densities_that_repeat_the_counts_count_once():
    counts = effects_of()
    both = pd.concat([counts, counts.assign(measure="density")], ignore_index=True)
    assert len(conclusions(both)) == 1
    other = pd.concat([counts, counts.assign(measure="density", statistic=2.0)], ignore_index=True)
    assert len(conclusions(other)) == 2


# ----------------------------------------------------------------------------------------- criteria, before any words


def number(low: float, high: float, n_cases: int = 20) -> Number:
    return Number((low + high) / 2, low, high, n_cases)


@pytest.mark.parametrize(
    ("found", "met", "why"),
    [
        (number(0.1, 0.2), True, None),
        (number(-0.2, -0.1), False, None),
        (number(-0.1, 0.1), None, Why.EITHER_SIDE),
        (number(0.1, 0.2, n_cases=9), None, Why.FEW_CASES),
        (number(math.nan, math.nan), None, Why.NO_INTERVAL),
        (None, None, Why.NO_SECOND_RATER),
    ],
)
def test_a_criterion_says_whether_it_is_met_on_what_it_rests_and_what_is_missing(found, met, why):
    criterion = above(What.GAIN_OVER_RATERS, found, 0.0, lack=Why.NO_SECOND_RATER)
    assert (criterion.met, criterion.rests_on) == (met, found)
    assert [missing.why for missing in criterion.missing] == ([] if why is None else [why])


def test_all_and_any_of_criteria():
    good, bad = above(What.IMPRINT, number(1, 2), 0), above(What.IMPRINT, number(-2, -1), 0)
    open_ = undecided(What.IMPRINT, Why.NO_NUMBER)
    assert [all_met(of) for of in ((good, good), (good, open_), (open_, bad), ())] == [True, None, False, True]
    assert [any_met(of) for of in ((bad, bad), (bad, open_), (open_, good), ())] == [False, None, True, False]
    assert either(What.IMPRINT_OR_REMOVAL, [bad, open_]).missing == open_.missing
    assert either(What.IMPRINT_OR_REMOVAL, [good, open_]).missing == ()


def test_of_several_numbers_all_must_lie_above_and_the_lowest_is_shown():
    numbers = [number(0.3, 0.4), number(0.1, 0.2)]
    assert lowest_above(What.WILLIAMS, numbers, 0.0).met
    assert lowest_above(What.WILLIAMS, numbers, 0.25).met is False
    assert lowest_above(What.WILLIAMS, [*numbers, None], 0.0).met is None
    assert lowest_above(What.WILLIAMS, [*numbers, None], 0.0).rests_on == numbers[1]
    assert lowest_above(What.WILLIAMS, [], 0.0).missing[0].why is Why.NO_NUMBER


def test_a_judgement_needs_no_words():
    found = judge(scores_of(without(ALL, "f1_minus_models")), effects_of(), annotations_of(ANNOTATIONS))
    assert {quality: one.supported for quality, one in found.items()} == {
        "objectivity": True,
        "reliability": None,
        "validity": True,
    }
    (missing,) = (missing for criterion in found["reliability"].criteria for missing in criterion.missing)
    assert (missing.of, missing.why) == (What.GAIN_OVER_MODELS, Why.NO_NUMBER)


@pytest.mark.parametrize(
    ("module", "record"),
    [
        (objectivity, "IMPRINT"),
        (of_models, "REMOVAL_OF_BIAS"),
        (objectivity, "WILLIAMS_INDEX"),
        (reliability, "F1"),
        (reliability, "MINUS_MODELS"),
        (reliability, "MINUS_RATERS"),
        (validity, "F1"),
        (validity, "MINUS_RATERS"),
        (validity, "MINUS_WORST_RATER"),
    ],
)
def test_a_measure_is_found_by_its_record_whatever_its_name(monkeypatch, module, record):
    known = getattr(module, record)
    renamed = replace(known, name=f"{known.name}_renamed")
    monkeypatch.setattr(module, record, renamed)
    rows = [(row[0], row[1].replace(known.name, renamed.name), *row[2:]) for row in ALL if row[0] == known.quality]
    assert rows != [row for row in ALL if row[0] == known.quality]
    assert verdict(known.quality, rows) == "supported"


# ------------------------------------------------------------------------------------------------------------ the rules


def test_rules_name_every_line():
    text = " ".join(RULES.values())
    for line in (
        verdicts.IMPRINT_MATTERS,
        verdicts.WILLIAMS_AT_LEAST,
        verdicts.ENSEMBLES_ABOVE_RATERS,
        -verdicts.ENSEMBLES_ABOVE_MODELS,
        -verdicts.SCORE_ABOVE_WORST_RATER,
        -verdicts.SCORE_ABOVE_MEAN_RATER,
        LARGE_EFFECT,
    ):
        assert f"{line:g}" in text


# ---------------------------------------------------------------------------------------------- simulated studies


def judged_study(study: SimulatedStudy, **kinds: Any) -> dict[str, str]:
    """Verdicts on a simulated study, of whose annotators only some strategies may be kept."""
    return {quality: judged["verdict"] for quality, judged in summarise(*measured_study(study, **kinds)).items()}


def measured_study(study: SimulatedStudy, **kinds: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Scores, effects and annotations of a simulated study."""
    found = simulate_tables(study).findings()
    annotations, few = found.annotations, Resampling(n_resamples=200)
    if kinds.get("experts_alone"):
        annotations = annotations[~annotations["trained_on"].str.startswith("staple")]
    tables, clusters = found.tables, found.clusters
    compared = Compared(tables.agreement, tables.leave_one_out)
    rows = [
        build_scores(tables, annotations, clusters, n_resamples=200),
        rater_imprint(tables.agreement, annotations, clusters, resampling=few),
        removal_of_bias(tables.agreement, annotations, clusters, resampling=few),
        williams(tables.agreement, annotations, clusters, resampling=few),
        human_range(compared, annotations, clusters, resampling=few),
    ]
    scores = pd.concat([part for part in rows if len(part)], ignore_index=True)
    return scores, found.effects, annotations


SMALL = {"n_seeds": 1, "n_consensus_seeds": 4}


def test_every_number_that_a_verdict_asks_for_is_measured(monkeypatch):
    unknown = set[str]()

    def ask(scores: pd.DataFrame, form: Form, target: str) -> Number | None:
        number = number_of(scores, form, target)
        unknown.update([form.name] if number is None else [])
        return number

    monkeypatch.setattr(verdicts, "number_of", ask)
    judge(*measured_study(replace(BIASED, **SMALL)))
    assert unknown == {validity.F1.form(comparison=PAIRWISE).name}  # which stands in where raters are too few


def test_a_study_without_bias_is_never_refuted():
    assert "not supported" not in judged_study(replace(NULL, **SMALL)).values()


def test_models_of_single_raters_who_differ_are_not_objective_and_those_of_their_consensus_are():
    assert judged_study(replace(BIASED, **SMALL), experts_alone=True)["objectivity"] == "not supported"
    assert judged_study(replace(BIASED, **SMALL))["objectivity"] == "supported"


def test_seeds_that_change_more_than_people_do_are_not_reliable():
    """Ensembles are worse than what the simulation knows, so the agreement of models is lowered in its tables."""
    simulated = simulate_tables(replace(NULL, **SMALL))
    agreement = simulated.tables.agreement
    models = agreement["annotator_a"].str.startswith("staple/") & agreement["annotator_b"].str.startswith("staple/")
    lowered = agreement.assign(f1=agreement["f1"].where(~models, agreement["f1"] - 0.3))
    scores = build_scores(
        replace(simulated.tables, agreement=lowered), simulated.annotations, simulated.clusters, n_resamples=200
    )
    judged = summarise(scores, simulated.findings().effects, simulated.annotations)
    assert judged["reliability"]["verdict"] == "not supported"


def test_differences_to_raters_and_models_are_paired():
    simulated = simulate_tables(replace(NULL, **SMALL))
    agreement = Agreement(simulated.tables.agreement, simulated.tables.leave_one_out)
    found = {score.measure: score.values for score in ensembles_beside(agreement, simulated.annotations)}
    rows = simulated.tables.agreement.query("iou_threshold == 0.5").set_index(["annotator_a", "annotator_b", "case"])[
        "f1"
    ]
    case = simulated.annotations["case"].iloc[0]
    own = rows["staple/s0-1", "staple/s2-3", case]
    raters = [f"expert_{number}" for number in range(1, 6)]
    people = [rows[a, b, case] for a, b in combinations(raters, 2)]
    assert set(found) == {"f1_minus_models", "f1_minus_raters"}
    assert found["f1_minus_raters"][case] == pytest.approx(own - sum(people) / len(people))
