"""Designs of cases, raters and seeds, and what their variance components say; planted and published numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from seed_tables import CLUSTERS, agreement_of, annotators, counts_of, values_in
from segassay.qualities.reliability.designs import Design, designs_of, two_way_reml
from segassay.qualities.reliability.variance import (
    generalizability,
    numbers_for_phi,
    repeatability,
    variance_components,
)
from segassay.qualities.scores.groups import part_of_target
from segassay.statistics.components import crossed_components
from segassay.statistics.reliability import d_study, phi, repeatability_coefficient


def designs(counts: pd.DataFrame, models: pd.DataFrame, clusters: pd.Series) -> list[Design]:
    """Without any score."""
    return designs_of(agreement_of({}), counts, models, clusters)


def test_closed_form_of_reml_at_the_boundary_is_that_of_the_iteration():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(9, 4)) + 0.4 * rng.normal(size=(9, 1))
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=200).astype(float)
    found = two_way_reml(weights, values)
    assert (found[:, :2] == 0).any(axis=0).all()
    np.testing.assert_allclose(found, crossed_components(weights, values), atol=1e-5)
    assert np.isnan(two_way_reml(np.ones((1, 3)), np.ones((3, 1)))).any()


def test_published_error_of_measurement_with_seeds_in_place_of_judges():
    scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    counts = counts_of({f"staple/s{seed}": scores[:, seed] for seed in range(4)})
    models = annotators(*(f"staple/s{seed}" for seed in range(4)))
    found = values_in(repeatability(designs(counts, models, CLUSTERS)))
    assert found["sem_count", "staple models"] == pytest.approx(2.5028, abs=1e-4)
    assert found["mdc95_count", "staple models"] == pytest.approx(6.9373, abs=1e-4)
    expected = repeatability_coefficient(scores)
    assert found["repeatability_coefficient_count", "staple models"] == pytest.approx(expected)
    found = values_in(generalizability(designs(counts, models, CLUSTERS)))
    assert found["phi_count", "staple models"] == pytest.approx(0.2898, abs=1e-4)
    assert found["seeds_for_phi_0.9_count", "staple models"] == 23


def test_number_of_raters_is_the_first_that_a_decision_study_calls_enough():
    components = {"case": 4.0, "rater": 0.5, "seed": 0.1, "case:rater": 0.4, "case:seed": 0.1, "rater:seed": 0.2}
    components |= {"residual": 1.0}
    for n_seeds in (1, 2, 5):
        for nested in (True, False):
            table = d_study(components, n_raters=range(1, 200), n_seeds=[n_seeds], nested=nested)
            first = table.loc[table["phi"] >= 0.9, "n_raters"].min()
            assert numbers_for_phi(components, n_seeds=n_seeds, nested=nested) == first


def test_more_raters_do_not_help_where_seeds_or_nothing_but_error_vary():
    shared = {"case": 1.0, "rater": 1.0, "seed": 0.5, "residual": 1.0}
    assert numbers_for_phi(shared, nested=False) == math.inf
    assert numbers_for_phi(shared) == 23, "with seeds of their own, more raters are more seeds"
    assert numbers_for_phi({"case": 0.0, "rater": 0.0, "residual": 1.0}) == math.inf
    assert numbers_for_phi({"case": 1.0, "rater": 0.0, "residual": 0.0}) == 1
    assert np.isnan(numbers_for_phi({"case": 0.0, "rater": 0.0, "residual": 0.0}))
    with pytest.raises(ValueError, match="wanted"):
        numbers_for_phi({"case": 1.0, "rater": 1.0, "residual": 1.0}, wanted=1.0)


def crossed_counts(n_cases: int, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Models of four raters with three seeds; variances of case 100, rater 25, residual 9."""
    rng = np.random.default_rng(seed)
    case, rater = rng.normal(scale=10, size=n_cases), rng.normal(scale=5, size=4)
    counts = {
        f"r{r}/s{s}": 200 + case + rater[r] + rng.normal(scale=3, size=n_cases) for r in range(4) for s in range(3)
    }
    clusters = pd.Series(np.arange(n_cases), [str(number) for number in range(1, n_cases + 1)])
    return counts_of(counts), annotators(*counts, *(f"r{r}" for r in range(4)), n_cases=1), clusters


def test_variance_components_find_what_was_planted():
    counts, models, clusters = crossed_counts(300)
    rows = variance_components(designs(counts, models, clusters))
    found = {part_of_target(target): value for (_, target), value in values_in(rows).items()}
    assert found["case"] == pytest.approx(100, rel=0.15)
    assert found["residual"] == pytest.approx(9, rel=0.1)
    assert 1 < found["rater"] < 100  # four raters
    assert max(found[term] for term in ("seed", "case:rater", "case:seed", "rater:seed")) < 1
    interval = rows.set_index("target").loc["models of single raters: case"]
    assert interval["low"] < 100 < interval["high"]
    assert "4 raters × 3 seeds; analysis of variance" in interval["note"]


def test_generalizability_of_raters_and_seeds_is_that_of_the_components():
    counts, models, clusters = crossed_counts(40)
    rows = variance_components(designs(counts, models, clusters))
    components = {part_of_target(target): value for (_, target), value in values_in(rows).items()}
    found = values_in(generalizability(designs(counts, models, clusters)))
    assert found["phi_count", "models of single raters"] == pytest.approx(phi(components, 1, 1))
    for n_seeds, each in ((1, "1 seed each"), (3, "3 seeds each")):
        n_raters = found["raters_for_phi_0.9_count", f"models of single raters: {each}"]
        assert phi(components, int(n_raters), n_seeds) >= 0.9
        assert n_raters == 1 or phi(components, int(n_raters) - 1, n_seeds) < 0.9


def test_rater_by_seed_needs_two_seeds_of_every_rater():
    counts, models, clusters = crossed_counts(10)
    only_one = models[models["annotator"].ne("r0/s1") & models["annotator"].ne("r0/s2")]
    assert variance_components(designs(counts, only_one, clusters)).empty
    assert not generalizability(designs(counts, only_one, clusters)).empty
    alone = models[models["annotator"] == "r0/s0"]
    assert repeatability(designs(counts, alone, clusters)).empty
    assert generalizability(designs(counts, alone, clusters)).empty


def test_designs_hold_what_was_measured_of_every_case_at_every_level():
    scores = {"r0/s0": [1, 2, 3], "r0/s1": [4, 5, 6], "r1/s0": [7, 8, 9], "r1/s1": [1, 3, 5], "r0": [2, 2, math.nan]}
    counts = counts_of(scores | {"r1": [5, 7, 9]})
    found = designs(counts, annotators(*scores, "r1"), CLUSTERS)
    assert [(one.target, one.facets, one.values.shape, one.n_left_out) for one in found] == [
        ("raters", ("rater",), (2, 2), 1),
        ("r0 models", ("seed",), (3, 2), 0),
        ("r1 models", ("seed",), (3, 2), 0),
        ("models of single raters", ("rater", "seed"), (3, 2, 2), 0),
    ]
    crossed = found[-1]
    assert crossed.values[1].tolist() == [[2, 5], [8, 3]]  # raters × seeds of the second case
    assert crossed.terms == ("case", "rater", "seed", "case:rater", "case:seed", "rater:seed", "residual")
    assert crossed.components.whole.shape == (1, 7)
    assert crossed.components.without.shape == (3, 7)


def test_a_cell_without_any_model_leaves_no_crossed_design():
    scores = {f"r{r}/s{s}": [1.0, 2.0 + r + s, 3.0] for r in range(2) for s in range(2)}
    models = annotators(*scores, "r0", "r1")
    facets = {one.facets for one in designs(counts_of(scores), models, CLUSTERS)}
    assert facets == {("seed",), ("rater", "seed")}
    del scores["r0/s1"]  # listed, but not counted
    assert {one.facets for one in designs(counts_of(scores), models, CLUSTERS)} == {("seed",)}
