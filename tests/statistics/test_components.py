"""Variance components: published data, statsmodels, ANOVA where no component is negative, and the boundary."""

from collections.abc import Callable
from functools import partial
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize

from segassay.statistics.components import (
    TERMS,
    _anova,
    _codes,
    _reml_of_cells,
    crossed_components,
    crossed_mean_squares,
    one_way_components,
    three_way_components,
    two_way_components,
)
from segassay.statistics.jackknife import VARIANCE, jackknife_t
from segassay.statistics.reliability import icc_a1, icc_a1_of_subjects

# Davies (1947), as in lme4: yields of dyestuff from six batches
DYESTUFF = np.array(
    [
        [1545, 1440, 1440, 1520, 1580],
        [1540, 1555, 1490, 1560, 1495],
        [1595, 1550, 1605, 1510, 1560],
        [1445, 1440, 1595, 1465, 1545],
        [1595, 1630, 1515, 1635, 1625],
        [1520, 1455, 1450, 1480, 1445],
    ],
    dtype=float,
)
PLANTED = {"case": 1.0, "rater": 0.25, "seed": 0.1, "case:rater": 0.2, "case:seed": 0.1, "rater:seed": 0.05}
PLANTED |= {"residual": 0.3}

small_grids = hnp.arrays(
    float, st.tuples(st.integers(2, 4), st.integers(2, 3), st.integers(2, 3)), elements=st.integers(0, 5).map(float)
)


def draw_scores(n_cases: int, n_raters: int, n_seeds: int, rng: np.random.Generator, planted=PLANTED) -> np.ndarray:
    """Scores `(N, R, S)` with planted variances; a term left out has none."""
    sizes = {"case": n_cases, "rater": n_raters, "seed": n_seeds}
    scores = np.zeros(tuple(sizes.values()))
    for term, variance in planted.items():
        shape = [size if name in term or term == "residual" else 1 for name, size in sizes.items()]
        scores = scores + np.sqrt(variance) * rng.normal(size=shape)
    return scores


def long_form(scores: np.ndarray, keep: np.ndarray | None = None) -> pd.DataFrame:
    case, rater, seed = np.indices(scores.shape).reshape(3, -1)
    cells = pd.DataFrame({"value": scores.ravel(), "case": case, "rater": rater, "seed": seed})
    return cells if keep is None else cells[keep.ravel()].reset_index(drop=True)


def components_of(cells: pd.DataFrame) -> pd.DataFrame:
    return three_way_components(cells["value"], case=cells["case"], seed=cells["seed"], rater=cells["rater"])


def deviance_of(cells: pd.DataFrame) -> Callable[[np.ndarray], float]:
    """Components -> minus twice the restricted log-likelihood, by its definition with the whole covariance matrix."""
    levels = [cells.groupby(term.split(":")).ngroup().to_numpy() for term in TERMS[:-1]]
    alike = np.array([level[:, None] == level for level in levels] + [np.eye(len(cells))], dtype=float)
    return partial(_deviance, alike=alike, values=cells["value"].to_numpy())


def _deviance(components: np.ndarray, alike: np.ndarray, values: np.ndarray) -> float:
    covariance = np.tensordot(components, alike, axes=1)
    inverse, one = np.linalg.inv(covariance), np.ones(len(values))
    information = one @ inverse @ one
    residual = values - one @ inverse @ values / information
    return float(np.linalg.slogdet(covariance)[1] + np.log(information) + residual @ inverse @ residual)


def test_published_variances_of_dyestuff():
    found = one_way_components(DYESTUFF)
    assert found["reml"].round(2).tolist() == [1764.05, 2451.25]
    np.testing.assert_allclose(found["anova"], found["reml"], rtol=1e-6)
    assert found["n_levels"].tolist() == [6, 30]


def test_published_variances_of_four_judges():
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = two_way_components(scores)
    assert found["reml"].round(4).to_dict() == {"case": 2.5556, "rater": 5.2444, "residual": 1.0194}
    np.testing.assert_allclose(found["anova"], found["reml"])


def test_mean_squares_equal_to_those_of_statsmodels():
    cells = long_form(draw_scores(4, 3, 3, np.random.default_rng(0)))
    model = sm.formula.ols("value ~ (C(case) + C(rater) + C(seed)) ** 2", data=cells).fit()
    theirs = sm.stats.anova_lm(model)["mean_sq"].to_numpy()
    ours = crossed_mean_squares(np.ones((1, 4)), cells["value"].to_numpy().reshape(4, 3, 3))
    np.testing.assert_allclose(ours.value[0], theirs, rtol=1e-9)
    assert ours.df[0].tolist() == [3, 2, 2, 6, 6, 4, 12]


def test_expected_mean_squares_are_those_of_the_textbook():
    """Case: residual + S case:rater + R case:seed + R S case; no rater:seed."""
    found = crossed_mean_squares(np.ones((1, 7)), draw_scores(7, 3, 2, np.random.default_rng(0)))
    assert found.terms == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert found.coefficient[0, 0].tolist() == [6, 0, 0, 2, 3, 0, 1]
    assert found.coefficient[0, 1].tolist() == [0, 14, 0, 2, 0, 7, 1]
    assert found.coefficient[0, -1].tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_planted_variances_are_found():
    rng = np.random.default_rng(0)
    found = [crossed_mean_squares(np.ones((1, 30)), draw_scores(30, 6, 5, rng)) for _ in range(300)]
    anova = np.stack([np.linalg.solve(one.coefficient[0], one.value[0]) for one in found])
    planted = [PLANTED[term] for term in TERMS]
    assert (np.abs(anova.mean(axis=0) - planted) < 4 * anova.std(axis=0) / np.sqrt(300)).all()


def test_reml_is_anova_where_nothing_is_negative():
    found = components_of(long_form(draw_scores(20, 5, 4, np.random.default_rng(2))))
    assert (found["anova"] > 0).all()
    np.testing.assert_allclose(found["reml"], found["anova"], rtol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_no_other_components_are_more_likely(seed):
    """Without gaps and with them, at the boundary or not: compared with a general optimiser on the full matrix."""
    rng = np.random.default_rng(seed)
    planted = {term: variance * (term in ("case", "rater", "residual")) for term, variance in PLANTED.items()}
    scores = draw_scores(5, 3, 3, rng, planted)
    for keep in (np.ones(scores.shape, dtype=bool), rng.random(scores.shape) < 0.8):
        cells = long_form(scores, keep)
        found, deviance = components_of(cells)["reml"].to_numpy(), deviance_of(cells)
        start = np.full(7, cells["value"].var() / 7)
        best = minimize(deviance, start, bounds=[(0, None)] * 6 + [(1e-6, None)], options={"ftol": 1e-13})
        assert deviance(found) <= best.fun + 1e-6
        for term in range(7):  # nor can a small change of any component help
            step = np.eye(7)[term] * 1e-4
            assert deviance(found) <= deviance(found + step)
            assert found[term] < 1e-4 or deviance(found) <= deviance(found - step)


@pytest.mark.filterwarnings("ignore")
def test_equal_to_statsmodels_mixed_model():
    """Crossed effects in statsmodels are variance components of one group that holds everything."""
    scores = draw_scores(8, 4, 3, np.random.default_rng(7), {"case": 1.0, "rater": 0.5, "seed": 0.3, "residual": 0.2})
    keep = np.random.default_rng(0).random(scores.shape) < 0.9
    cells = long_form(scores, keep).assign(everything=1)
    names = {"case": "C(case)", "rater": "C(rater)", "seed": "C(seed)"}
    pairs = {f"{a}:{b}": f"C({a}):C({b})" for a, b in combinations(names, 2)}
    formula = {term: f"0 + {code}" for term, code in (names | pairs).items()}
    model = sm.MixedLM.from_formula("value ~ 1", cells, groups="everything", vc_formula=formula, re_formula="0")
    fit = model.fit(reml=True, method=["lbfgs", "powell"])
    theirs = dict(zip(model.exog_vc.names, fit.vcomp, strict=True)) | {"residual": fit.scale}
    found = components_of(cells)["reml"]
    np.testing.assert_allclose(found, [theirs[term] for term in TERMS], rtol=0.02, atol=2e-3)


def test_at_the_boundary_zero_is_exact():
    rng = np.random.default_rng(0)
    found = components_of(long_form(draw_scores(10, 4, 3, rng, {"residual": 1.0})))
    assert (found["anova"] < 0).any()
    assert (found["reml"] >= 0).all()
    assert (found.loc[found["anova"] < -0.02, "reml"] == 0).all()
    alike = two_way_components([[1, 2], [2, 1], [1, 2], [2, 1]])
    assert alike["anova"]["case"] < 0
    assert alike["reml"].to_list() == pytest.approx([0, 0, 2 / 7])


def test_a_missing_cell_hardly_moves_what_many_cells_say():
    scores = draw_scores(20, 4, 3, np.random.default_rng(5))
    keep = np.ones(scores.shape, dtype=bool)
    keep[3, 1, 2] = False
    whole, gap = components_of(long_form(scores)), components_of(long_form(scores, keep))
    np.testing.assert_allclose(gap["reml"], whole["reml"], atol=0.03)
    assert gap["anova"].isna().all()
    assert gap["n_levels"].tolist() == [20, 4, 3, 80, 60, 12, 239]
    undefined = long_form(np.where(keep, scores, np.nan))
    pd.testing.assert_frame_equal(components_of(undefined), gap)


@settings(max_examples=30, deadline=None)
@given(small_grids)
def test_names_and_order_scale_and_shift_do_not_matter(scores):
    cells = long_form(scores)
    found = components_of(cells)["reml"]
    assert (found >= 0).all()
    other = cells.sample(frac=1, random_state=0)
    other = other.assign(
        value=other["value"] * 10 - 3, case=other["case"].map(dict(enumerate("dxaw"))), rater=-other["rater"]
    )
    np.testing.assert_allclose(components_of(other)["reml"], found * 100, atol=1e-5 * (1 + found.max() * 100))


@settings(max_examples=30, deadline=None)
@given(small_grids)
def test_raters_and_seeds_can_change_places(scores):
    found = components_of(long_form(scores))["reml"]
    swapped = components_of(long_form(scores.transpose(0, 2, 1)))["reml"]
    order = ["case", "seed", "rater", "case:seed", "case:rater", "rater:seed", "residual"]
    np.testing.assert_allclose(swapped[order], found, atol=1e-6 * (1 + found.max()))


def test_both_ways_of_fitting_agree_without_gaps():
    for seed in range(5):
        cells = long_form(draw_scores(6, 3, 3, np.random.default_rng(seed), {"case": 1.0, "residual": 1.0}))
        codes = [_codes(cells[term.split(":")].to_numpy()) for term in TERMS[:-1]]
        np.testing.assert_allclose(
            _reml_of_cells(cells["value"].to_numpy(), codes), components_of(cells)["reml"], atol=1e-6
        )


def test_one_seed_leaves_cases_and_raters():
    scores = draw_scores(12, 4, 1, np.random.default_rng(0))
    found, plain = components_of(long_form(scores))["reml"], two_way_components(scores[:, :, 0])["reml"]
    assert found.dropna().to_dict() == pytest.approx(plain.to_dict())
    assert list(found.dropna().index) == ["case", "rater", "residual"]


def test_rater_by_seed_needs_two_seeds_of_every_rater():
    scores = draw_scores(12, 4, 3, np.random.default_rng(0))
    keep = np.ones(scores.shape, dtype=bool)
    keep[:, 2, 1:] = False
    found = components_of(long_form(scores, keep))["reml"]
    assert list(found.index[found.isna()]) == ["rater:seed"]


def test_seeds_that_differ_between_raters_are_not_told_from_them():
    """Each rater's model has a seed of its own: seed and rater are one and the same."""
    cells = long_form(draw_scores(12, 4, 1, np.random.default_rng(0))).assign(seed=lambda table: table["rater"] + 10)
    found = components_of(cells)["reml"]
    assert list(found.dropna().index) == ["case", "rater", "residual"]


def test_a_single_rater_leaves_cases_and_seeds():
    scores = draw_scores(12, 1, 5, np.random.default_rng(0))
    found = components_of(long_form(scores))["reml"].dropna()
    assert list(found.index) == ["case", "seed", "residual"]
    assert found.to_list() == pytest.approx(two_way_components(scores[:, 0])["reml"].to_list())


def test_nothing_varies():
    assert (components_of(long_form(np.full((3, 3, 3), 0.7)))["reml"] == 0).all()
    keep = np.ones((3, 3, 3), dtype=bool)
    keep[0, 0, 0] = False
    assert (components_of(long_form(np.full((3, 3, 3), 0.7), keep))["reml"] == 0).all()
    assert two_way_components(np.full((4, 3), 2.0))["reml"].tolist() == [0, 0, 0]
    assert one_way_components(np.full((4, 3), 2.0))["reml"].tolist() == [0, 0]
    assert one_way_components([[1, 1], [3, 3]])["reml"].tolist() == [2, 0]


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (1, 3), (3, 1)])
def test_too_little_is_undefined(shape):
    assert two_way_components(np.zeros(shape))["reml"].isna().all()
    assert len(two_way_components(np.zeros(shape))) == 3


def test_no_values_are_undefined():
    found = three_way_components([], case=[], seed=[], rater=[])
    assert found[["anova", "reml"]].isna().all(axis=None)
    assert found["n_levels"].tolist() == [0] * 7
    assert one_way_components(np.zeros((0, 2)))["reml"].isna().all()
    assert one_way_components([[1, np.nan], [2, np.nan]])["reml"].isna().all()
    assert one_way_components([[1, 2]])[["anova", "reml"]].isna().all(axis=None)


def test_unequal_repetitions():
    repeats = DYESTUFF.copy()
    repeats[0, 3:] = repeats[4, 4] = np.nan
    cells = pd.DataFrame(repeats).stack().dropna().rename("value").reset_index()
    fit = sm.MixedLM.from_formula("value ~ 1", cells, groups="level_0").fit(reml=True)
    expected = [float(np.asarray(fit.cov_re)[0, 0]), fit.scale]
    np.testing.assert_allclose(one_way_components(repeats)["reml"], expected, rtol=1e-3)


def test_weights_are_cases_given_several_times():
    scores = draw_scores(6, 3, 2, np.random.default_rng(0))
    weights = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 1, 0, 3, 0]])
    expected = [crossed_components(np.ones((1, row.sum())), np.repeat(scores, row, axis=0))[0] for row in weights]
    np.testing.assert_allclose(crossed_components(weights, scores), expected, atol=1e-9)
    assert np.isnan(crossed_components([[1, 0, 0, 0, 0, 0], [0] * 6], scores)).all()


def test_interval_by_leaving_out_cases():
    scores = draw_scores(25, 4, 3, np.random.default_rng(0))
    interval = jackknife_t(
        lambda weights, values: crossed_components(weights, values)[:, 0], scores, np.arange(25), VARIANCE
    )
    assert 0 < interval.low < interval.value < interval.high


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="one case, seed and rater per value"):
        three_way_components([1.0, 2.0], case=["a"], seed=[0, 0], rater=["r", "r"])
    with pytest.raises(ValueError, match="must come once"):
        three_way_components([1.0, 2.0], case=["a", "a"], seed=[0, 0], rater=["r", "r"])
    with pytest.raises(ValueError, match="got infinity"):
        three_way_components([np.inf], case=["a"], seed=[0], rater=["r"])


def test_components_that_gaps_mix_up_are_refused():
    """Two blocks of cases, each with a rater and seeds of its own, all pairs of which coincide in part."""
    cells = pd.DataFrame({"case": list("aabb"), "rater": list("rrst"), "seed": [0, 1, 0, 0]})
    cells["value"] = [1.0, 2.0, 4.0, 3.0]
    with pytest.raises(ValueError, match="cannot be told apart"):
        components_of(cells)


# several cases of a subject: equal ones are no more than one, and nothing is biased

SHAPES = [(18, 4), (18, 3, 2)]


def draw_subjects(seed: int, shape: tuple[int, ...], n_per_subject: int) -> tuple[np.ndarray, np.ndarray]:
    """Values with planted variances: subject 1, case .5, rater .5, rest .25; and the subject of each case."""
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(shape[0] // n_per_subject), n_per_subject)
    of_case = rng.normal(size=subject.max() + 1)[subject] + np.sqrt(0.5) * rng.normal(size=len(subject))
    of_rater = np.sqrt(0.5) * rng.normal(size=shape[1])
    axes = (1,) * (len(shape) - 2)
    values = of_case.reshape(-1, 1, *axes) + of_rater.reshape(1, -1, *axes) + 0.5 * rng.normal(size=shape)
    return values, subject


def anova(values: np.ndarray, subject: np.ndarray | None = None) -> np.ndarray:
    return np.asarray(_anova(crossed_mean_squares(np.ones((1, len(values))), values, subject))[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_every_case_twice_changes_nothing(shape: tuple[int, ...], seed: int):
    values, subject = draw_subjects(seed, shape, 3)
    twice, subjects = np.concatenate([values, values]), np.concatenate([subject, subject])
    once = crossed_components(np.ones((1, len(values))), values, subject)
    np.testing.assert_allclose(
        crossed_components(np.ones((1, len(twice))), twice, subjects), once, rtol=1e-6, atol=1e-9
    )
    assert not np.allclose(crossed_components(np.ones((1, len(twice))), twice), once, rtol=1e-3)


@pytest.mark.parametrize("shape", [(6, 4), (6, 3, 2)])
def test_the_slow_way_takes_one_case_of_each_subject(shape: tuple[int, ...]):
    """Mean over all such choices: each is a sample of independent cases."""
    values, subject = draw_subjects(1, (2 * shape[0], *shape[1:]), 2)
    picks = product(*(np.flatnonzero(subject == one) for one in range(shape[0])))
    slow = np.mean([anova(values[list(pick)]) for pick in picks], axis=0)
    np.testing.assert_allclose(anova(values, subject), slow, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_subjects_with_one_case_each_are_the_cases(shape: tuple[int, ...]):
    values, _ = draw_subjects(2, shape, 3)
    weights = np.random.default_rng(0).multinomial(18, np.full(18, 1 / 18), size=20)
    ours = crossed_components(weights, values, np.arange(18)[::-1])
    np.testing.assert_array_equal(ours, crossed_components(weights, values))


def test_subjects_drawn_twice_are_two_subjects():
    values, subject = draw_subjects(3, (18, 4), 3)
    times = np.array([2, 0, 1, 1, 1, 1])
    rows = np.concatenate([np.flatnonzero(subject == one) for one, n in enumerate(times) for _ in range(n)])
    expected = anova(values[rows], np.repeat(np.arange(6), 3))
    found = _anova(crossed_mean_squares(times[subject][None], values, subject))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_components_have_their_planted_means_where_those_of_cases_are_too_small():
    drawn = [draw_subjects(seed, (18, 4), 3) for seed in range(1500)]
    ours = np.mean([anova(values, subject) for values, subject in drawn], axis=0)
    plain = np.mean([anova(values) for values, _ in drawn], axis=0)
    assert ours == pytest.approx([1.5, 0.5, 0.25], abs=0.06)
    assert plain[0] < 1.4


def test_the_correlation_of_published_judges_stays():
    """Shrout & Fleiss (1979), ICC(A,1) .2898; and the same with every target twice."""
    scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    assert icc_a1(scores) == pytest.approx(0.2898, abs=5e-5)
    twice, subject = np.vstack([scores, scores]), np.tile(np.arange(6), 2)
    assert icc_a1_of_subjects(np.ones((1, 12)), twice, subject)[0] == pytest.approx(icc_a1(scores))
    assert abs(icc_a1(twice) - icc_a1(scores)) > 0.005


@pytest.mark.parametrize("subject", [np.zeros(6), np.repeat([0, 1], 3), np.tile([0, 1], 3)])
def test_few_subjects_and_equal_ones_are_finite(subject: np.ndarray):
    values = np.array([[1.0, 2.0], [2.0, 3.5], [4.0, 4.0], [1.0, 2.0], [2.0, 3.5], [4.0, 4.0]])
    assert np.isfinite(crossed_components(np.ones((1, 6)), values, subject)).all()
    assert (crossed_components(np.ones((1, 6)), np.ones((6, 2)), subject) == 0).all()
