"""Effects of several annotators, written by hand or made of a few numbers, and those of the raters of lab-wue1."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from published_lab import Lab
from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.qualities.scores.error_rates import EQUIVALENT
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.qualities.validity.concordance import effect_ratios, equivalence, same_verdicts, type_s_and_m
from segassay.qualities.validity.effects import (
    decisive_effects,
    strategies,
    variation_per_effect,
    variation_per_model,
    votes,
    weighted_eta_squared,
    without_repeats,
)
from segassay.statistics.groups import mann_whitney
from segassay.tables.effects import effects
from segassay.tables.normalise import normalise


def annotations_of(**kinds: str) -> pd.DataFrame:
    """A model's name is `<strategy>_<number>`."""
    rows = [
        {"case": "1", "annotator": name, "kind": kind, "trained_on": ""}
        | {"strategy": name.split("_")[0] if kind in ("model", "ensemble") else ""}
        for name, kind in kinds.items()
    ]
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


RATERS = {"anna": "human", "ben": "human", "cleo": "human"}


def effects_of(**rows: tuple[str, float, float]) -> pd.DataFrame:
    """Counts of C and D against H: `annotator__group` -> verdict, η², shift; and rows that must not be read."""
    table = pd.DataFrame(
        [
            {"annotator": name.split("__")[0], "group_2": name.split("__")[1], "verdict": verdict}
            | {"eta_squared": eta_squared, "hl_shift": shift, "direction": np.sign(shift)}
            for name, (verdict, eta_squared, shift) in rows.items()
        ]
    )
    table = table.assign(measure="count", group_1="H", region="", unit="case", test="mann_whitney")
    misleading = table.assign(verdict="lower", eta_squared=9.0, hl_shift=-9.0, direction=-1)
    others = [misleading.assign(test="mixed_model"), misleading.assign(region="CA1")]
    return pd.concat([table, *others], ignore_index=True)


def scores(table: pd.DataFrame) -> pd.DataFrame:
    assert tuple(table) == SCORE_COLUMNS
    return table.set_index(["measure", "target"])


EFFECTS = effects_of(
    anna__C=("higher", 0.5, 1.0),
    ben__C=("higher", 0.6, 2.0),
    cleo__C=("none", 0.1, 0.2),
    e_1__C=("higher", 0.4, 1.5),
    e_2__C=("none", 0.2, -0.1),
    anna__D=("none", 0.1, 0.1),
    ben__D=("none", 0.0, 0.0),
    cleo__D=("lower", 0.3, -0.5),
    e_1__D=("lower", 0.3, -0.4),
    e_2__D=("not_testable", 0.2, 0.3),
)
PEOPLE_AND_MODELS = annotations_of(**RATERS, e_1="model", e_2="model")


def test_subjects_decide_where_there_are_any():
    both = pd.concat([EFFECTS, EFFECTS.assign(unit="subject", verdict="none")])
    assert decisive_effects(both)["verdict"].eq("none").all()
    assert decisive_effects(EFFECTS)["contrast"].unique().tolist() == ["C against H", "D against H"]
    assert len(decisive_effects(EFFECTS.iloc[:0])) == 0


def test_strategies_are_told_apart_by_kind_and_fall_back_on_the_training_target():
    annotations = annotations_of(anna="human", e_1="model", e_2="model", e_3="ensemble", e_4="ensemble", x="model")
    assert strategies(annotations) == {"e models": ["e_1", "e_2"], "e ensembles": ["e_3", "e_4"]}
    assert strategies(annotations.assign(strategy="", trained_on="staple"))["staple models"] == ["e_1", "e_2", "x"]
    assert strategies(annotations.assign(strategy="")) == {}


class TestVariationPerEffect:
    def test_sd_over_the_annotators_of_a_strategy(self):
        table = scores(variation_per_effect(EFFECTS, PEOPLE_AND_MODELS))
        row = table.loc["count_eta_squared_sd", "raters: C against H"]
        assert row["value"] == pytest.approx(np.std([0.5, 0.6, 0.1], ddof=1))
        assert (row["n_cases"], row["method"]) == (3, "not judged")
        assert table.loc["count_eta_squared_sd", "e models: C against H"]["value"] == pytest.approx(0.1414, abs=1e-4)

    def test_no_two_annotators_alike(self):
        assert len(variation_per_effect(EFFECTS, annotations_of(anna="human", e_1="model"))) == 0
        assert len(variation_per_effect(EFFECTS.iloc[:0], PEOPLE_AND_MODELS)) == 0

    @pytest.mark.parametrize("function", [variation_per_effect, votes, variation_per_model, same_verdicts])
    def test_order_of_annotators_does_not_matter(self, function):
        one, other = (scores(function(rows, PEOPLE_AND_MODELS)) for rows in (EFFECTS, EFFECTS[::-1]))
        pd.testing.assert_frame_equal(one.sort_index(), other.sort_index())


class TestVotes:
    def test_annotators_by_verdict(self):
        table = scores(votes(EFFECTS, PEOPLE_AND_MODELS))["value"]
        assert table["count_votes_higher", "raters: C against H"] == 2
        assert table["count_votes_none", "raters: C against H"] == 1
        assert table["count_votes_not_testable", "e models: D against H"] == 1
        assert ("count_votes_lower", "raters: C against H") not in table.index

    def test_everybody_votes_once_per_effect(self):
        table = votes(EFFECTS, PEOPLE_AND_MODELS)
        assert (table.groupby("target")["value"].sum() == table.groupby("target")["n_cases"].first()).all()

    def test_nobody_votes(self):
        assert len(votes(EFFECTS.iloc[:0], PEOPLE_AND_MODELS)) == 0

    def test_deviations_from_the_majority(self):
        table = scores(variation_per_model(EFFECTS, PEOPLE_AND_MODELS)).loc["count_deviations_from_majority"]
        assert table["value"].loc[["anna", "ben", "cleo", "raters"]].tolist() == [0, 0, 2, pytest.approx(2 / 3)]
        assert table.loc["cleo"]["n_cases"] == 2
        row = table.loc["e_1"]  # two models that disagree have no majority
        assert np.isnan(row["value"])
        assert (row["n_cases"], row["n_undefined"]) == (0, 2)


class TestSameVerdicts:
    def test_shares_over_effects_and_raters(self):
        table = scores(same_verdicts(EFFECTS, PEOPLE_AND_MODELS))
        row = table.loc["count_same_verdict", "e_1"]
        assert row["value"] == pytest.approx((2 + 1) / 6)
        assert (row["human_low"], row["human_high"]) == (0, 0.5)  # cleo with nobody, anna with ben in both effects
        row = table.loc["count_same_verdict", "e_2"]  # D could not be tested
        assert (row["value"], row["n_cases"], row["n_undefined"]) == (pytest.approx(1 / 3), 3, 3)
        assert table.loc["count_same_verdict", "anna"]["note"] == "against the other raters"

    def test_signs(self):
        table = scores(same_verdicts(EFFECTS, PEOPLE_AND_MODELS)).loc["count_sign_disagreement"]
        assert table.loc["e_2"]["value"] == pytest.approx((3 + 1) / 5)  # ben has no sign in D
        assert table.loc["e_2"]["n_undefined"] == 1
        assert table.loc["e_1"]["value"] == pytest.approx((0 + 1) / 5)

    def test_nobody_to_compare_with(self):
        assert len(same_verdicts(EFFECTS, annotations_of(e_1="model", e_2="model"))) == 0
        assert len(same_verdicts(EFFECTS.iloc[:0], PEOPLE_AND_MODELS)) == 0


class TestEffectRatios:
    @given(
        hnp.arrays(float, 4, elements=st.integers(0, 5).map(float)),
        hnp.arrays(float, 3, elements=st.integers(0, 5).map(float)),
        hnp.arrays(int, 7, elements=st.integers(0, 3)),
    )
    def test_weights_count_values_as_often_as_they_were_drawn(self, x, y, times):
        found = weighted_eta_squared(times[None, :4].astype(float), times[None, 4:].astype(float), x, y)
        expected = mann_whitney(np.repeat(x, times[:4]), np.repeat(y, times[4:])).eta_squared
        np.testing.assert_allclose(found, [expected], atol=1e-12)

    def test_published_effect_sizes(self):
        lower, higher = np.arange(10.0), np.arange(10.0, 20.0)  # Segebarth 2020, table 1: n 10 and 10, U 0
        assert weighted_eta_squared(np.ones((1, 10)), np.ones((1, 10)), lower, higher).round(2) == [0.71]
        other = np.array([*range(10, 18), 0.5])  # n 10 and 9, U 10: below all but one of nine, above that by nine
        x = np.array([0.0, *range(1, 9), 10.5])
        assert mann_whitney(x, other).statistic == 10
        assert weighted_eta_squared(np.ones((1, 10)), np.ones((1, 9)), x, other).round(2) == [0.43]

    def test_a_models_effect_by_the_mean_of_the_raters(self):
        normalised = study(ben=lambda values: np.round(values, 1), cleo=lambda values: np.sin(9 * values), e_1=np.sqrt)
        table = scores(effect_ratios(normalised, PEOPLE_AND_MODELS))
        sizes = effects(normalised).query("test == 'mann_whitney' and measure == 'count'")
        eta_squared = sizes.set_index("annotator")["eta_squared"]
        row = table.loc["count_eta_squared_ratio", "e_1: C against H"]
        assert row["value"] == pytest.approx(eta_squared["e_1"] / eta_squared[["anna", "ben", "cleo"]].mean())
        assert row["low"] < row["value"] < row["high"]
        assert (row["n_cases"], row["method"], row["approximate"]) == (20, "jackknife-t", False)
        own = table.loc["count_eta_squared_ratio", "cleo: C against H"]
        assert own["value"] == pytest.approx(eta_squared["cleo"] / eta_squared[["anna", "ben"]].mean())
        people = [table.loc["count_eta_squared_ratio", f"{name}: C against H"]["value"] for name in RATERS]
        assert (row["human_low"], row["human_high"]) == (min(people), max(people))

    def test_any_increasing_measurement_has_the_same_ratio_of_one(self):
        table = effect_ratios(study(ben=np.sqrt, cleo=np.square, e_1=np.log1p), PEOPLE_AND_MODELS)
        np.testing.assert_allclose(table["value"], 1)
        assert set(table["method"]) == {"constant"}, "no unit changes the ratio, so nothing says how far it varies"
        assert table[["low", "high"]].isna().all(axis=None)

    def test_only_units_that_all_have(self):
        normalised = study(ben=np.sqrt, cleo=np.square, e_1=np.sin)
        gaps = normalised.assign(value=normalised["value"].mask(normalised["case"].isin(["0", "1"])))
        one = gaps[~((gaps["case"] == "2") & (gaps["annotator"] == "ben"))]
        row = scores(effect_ratios(one, PEOPLE_AND_MODELS)).loc["count_eta_squared_ratio", "e_1: C against H"]
        assert (row["n_cases"], row["n_undefined"]) == (17, 3)
        none = effect_ratios(normalised.assign(value=np.nan), PEOPLE_AND_MODELS)
        assert none["value"].isna().all()
        assert none["n_undefined"].eq(20).all()

    def test_subjects_are_the_units_and_repeated_cases_change_nothing(self):
        normalised = study(ben=np.sqrt, cleo=np.sin, e_1=np.cos)
        subjects = normalised.assign(subject="s" + normalised["case"])
        twice = pd.concat([subjects, subjects.assign(case=subjects["case"] + "b")])
        one, other = (effect_ratios(rows, PEOPLE_AND_MODELS).drop(columns="note") for rows in (subjects, twice))
        pd.testing.assert_frame_equal(one, other)
        assert one["n_cases"].eq(20).all()

    def test_without_raters_there_is_nothing_to_divide_by(self):
        normalised = study(ben=np.sqrt, cleo=np.square, e_1=np.sin)
        assert len(effect_ratios(normalised, annotations_of(e_1="model"))) == 0
        assert len(effect_ratios(normalised.iloc[:0], PEOPLE_AND_MODELS)) == 0


def study(**of_annotator) -> pd.DataFrame:
    """Measurements of 10 cases of H and 10 of C by anna, and what the others make of them; values as they are."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.gamma(4, 1, 10), rng.gamma(6, 1, 10)])
    groups = np.repeat(["H", "C"], 10)
    frame = pd.DataFrame({"case": np.arange(20).astype(str), "group": groups, "control": groups == "H"})
    frame = frame.assign(measure="count", region="", subject="", batch="", control_mean=1.0)
    named = {"anna": lambda values: values} | of_annotator
    return pd.concat(
        [frame.assign(annotator=name, raw=change(values), value=change(values)) for name, change in named.items()],
        ignore_index=True,
    )


class TestEquivalence:
    def shifted(self, by: float) -> pd.DataFrame:
        return study(ben=lambda v: v + 0.02, cleo=lambda v: v - 0.02, e_1=lambda v: v + by + 0.01 * np.sin(50 * v))

    def test_equal_to_statsmodels(self):
        normalised = self.shifted(0.09)
        row = scores(equivalence(normalised, PEOPLE_AND_MODELS, margin=0.1)).loc["count_difference", "e_1"]
        treated = normalised[normalised["group"] == "C"].pivot(index="case", columns="annotator", values="value")
        people = treated[["anna", "ben", "cleo"]].mean(axis=1)
        p_value, *_ = ttost_paired(treated["e_1"], people, -0.1, 0.1)
        assert row["value"] == pytest.approx((treated["e_1"] - people).mean())
        errs = f"said {EQUIVALENT.words}"
        assert row["note"] == f"equivalent within 0.1 of the control mean, p = {p_value:.2g} ({errs})"
        assert (row["n_cases"], row["method"]) == (10, "TOST, 90 %")

    def test_the_interval_lies_within_the_margin_where_they_are_equivalent(self):
        for by, equivalent in ((0.05, True), (0.098, False), (0.3, False), (-0.05, True)):
            row = scores(equivalence(self.shifted(by), PEOPLE_AND_MODELS, margin=0.1)).loc["count_difference", "e_1"]
            assert (max(abs(row["low"]), abs(row["high"])) < 0.1) == equivalent
            assert row["note"].startswith("equivalent") == equivalent

    def test_a_rare_large_difference_is_not_called_equivalent(self):
        """Nine of ten images agree exactly and one differs by .3: small samples of such images often look alike."""
        normalised = study(ben=lambda v: v, cleo=lambda v: v, e_1=lambda v: v + 0.3 * (v == v.max()))
        row = scores(equivalence(normalised, PEOPLE_AND_MODELS, margin=0.1)).loc["count_difference", "e_1"]
        assert max(abs(row["low"]), abs(row["high"])) < 0.1
        assert row["note"].startswith("not shown to be equivalent within 0.1 of the control mean, p = ")
        assert "cannot be relied on: skewness 2.7, which needs more than 177 units" in row["note"]
        assert row["approximate"]

    def test_swapping_model_and_reference_turns_the_sign(self):
        kinds = annotations_of(anna="consensus", e_1="model"), annotations_of(anna="model", e_1="consensus")
        normalised = study(e_1=np.sqrt)
        one = scores(equivalence(normalised, kinds[0], margin=0.1)).loc["count_difference_against_anna", "e_1"]
        other = scores(equivalence(normalised, kinds[1], margin=0.1)).loc["count_difference_against_e_1", "anna"]
        limits = [other["value"], other["high"], other["low"]]
        np.testing.assert_allclose([one["value"], one["low"], one["high"]], np.negative(limits))

    def test_nobody_to_compare_with(self):
        assert len(equivalence(study(), annotations_of(anna="human"), margin=0.1)) == 0


class TestTypeSAndM:
    annotations = annotations_of(truth="truth", anna="human", e_1="model")

    def test_wrong_signs_and_exaggeration_of_what_is_significant(self):
        table = effects_of(
            truth__C=("none", 0.1, 0.5),
            truth__D=("lower", 0.3, -1.0),
            truth__E=("none", 0.0, 0.0),
            e_1__C=("lower", 0.4, -1.0),
            e_1__D=("lower", 0.4, -3.0),
            e_1__E=("higher", 0.4, 1.0),
            anna__C=("none", 0.1, -0.4),
            anna__D=("lower", 0.3, -1.0),
        )
        found = scores(type_s_and_m(table, self.annotations))
        assert found.loc["count_type_s", "e_1"]["value"] == 0.5
        assert found.loc["count_type_m", "e_1"]["value"] == (2 + 3) / 2
        assert tuple(found.loc["count_type_m", "e_1"][["n_cases", "n_undefined"]]) == (2, 1)
        assert found.loc["count_type_s", "anna"]["value"] == 0
        assert found.loc["count_type_m", "anna"]["value"] == 1

    def test_as_in_the_article_by_simulation(self):
        """Gelman & Carlin (2014), section on menstrual cycles: true effect 2, standard error 8.1: S .24, M 9.7."""
        estimates = 2 + 8.1 * np.random.default_rng(0).standard_normal(40_000)
        significant = estimates[np.abs(estimates) > 1.96 * 8.1]
        verdicts = np.where(significant > 0, "higher", "lower")
        rows = {f"e_1__{i}": (verdicts[i], 0.1, float(value)) for i, value in enumerate(significant)}
        truth = effects_of(truth__0=("none", 0.1, 2.0)).iloc[:1]
        all_true = pd.concat([truth] * len(rows)).assign(group_2=[str(i) for i in range(len(rows))])
        found = scores(type_s_and_m(pd.concat([effects_of(**rows), all_true]), self.annotations))
        assert found.loc["count_type_s", "e_1"]["value"] == pytest.approx(0.24, abs=0.03)
        assert found.loc["count_type_m", "e_1"]["value"] == pytest.approx(9.7, abs=0.5)

    def test_nothing_significant_and_no_truth(self):
        table = effects_of(truth__C=("none", 0.1, 0.5), e_1__C=("none", 0.1, -0.5))
        row = scores(type_s_and_m(table, self.annotations)).loc["count_type_s", "e_1"]
        assert np.isnan(row["value"])
        assert row["n_cases"] == 0
        assert len(type_s_and_m(EFFECTS, PEOPLE_AND_MODELS)) == 0


@pytest.fixture(scope="module")
def wue1(lab_wue1: Lab) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Annotations and normalised counts of lab-wue1."""
    counts = lab_wue1.tables.counts
    totals = counts.groupby("annotator", sort=True)["n_objects"].sum()
    assert totals.tolist() == [3296, 1559, 3297, 3612, 3900, 3315]  # est_GT, expert_1 … expert_5, as published
    return lab_wue1.annotations, normalise(counts.assign(mean_intensity=np.nan), lab_wue1.dataset.experiment, "H")


def test_variation_per_effect_of_the_raters_of_lab_wue1(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    annotations, normalised = wue1
    table = scores(variation_per_effect(effects(normalised), annotations)).loc["count_eta_squared_sd"]
    assert table["value"].round(3).to_dict() == {
        "raters: context_0 against H": 0.043,
        "raters: context_1 against H": 0.055,
        "raters: context_1 against context_0": 0.020,
    }
    assert (table["n_cases"] == 5).all()
    counts = normalised[(normalised["measure"] == "count") & (normalised["annotator"] != "est_GT")]
    sizes = []
    for _, rows in counts.groupby("annotator"):
        one, other = (rows.loc[rows["group"] == group, "value"] for group in ("context_0", "H"))
        u = stats.mannwhitneyu(one, other).statistic
        sizes.append((u - 72) ** 2 / (144 * 25 / 12) / 24)
    assert table["value"].iloc[0] == pytest.approx(np.std(sizes, ddof=1))


def test_votes_of_the_raters_of_lab_wue1(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    annotations, normalised = wue1
    table = effects(normalised)
    found = scores(votes(table, annotations))["value"].loc[["count_votes_higher", "count_votes_none"]]
    assert found.to_list() == [5, 5, 5]
    assert scores(variation_per_model(table, annotations)).loc["count_deviations_from_majority"]["value"].eq(0).all()
    shares = scores(same_verdicts(table, annotations))
    assert shares.loc[("count_same_verdict", "est_GT"), "value"] == 1
    assert shares.loc[("count_sign_disagreement", "est_GT"), "value"] == 0
    ratio = scores(effect_ratios(normalised, annotations))
    assert ratio.loc[("count_eta_squared_ratio", "est_GT: context_0 against H"), "value"] == pytest.approx(
        1.023, abs=5e-4
    )


def test_densities_that_repeat_the_counts_are_left_out(wue1: tuple[pd.DataFrame, pd.DataFrame]):
    assert kept_measurements(wue1[1]) == ["count", "mean_intensity"]
    halved = wue1[1]["value"].where((wue1[1]["measure"] == "count") | (wue1[1]["case"] > "0300"), 0.5)
    assert kept_measurements(wue1[1].assign(value=halved)) == ["count", "density"]  # as is the intensity


def kept_measurements(normalised: pd.DataFrame) -> list[str]:
    tested = pd.DataFrame({"measure": ["count", "density", "mean_intensity"]})
    return list(without_repeats(tested, normalised)[1]["measure"].unique())
