"""How bright objects must be for a rater to mark them: the curve, and what planted raters give."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from segassay.data.annotations import read_annotations
from segassay.data.dataset import read_dataset
from segassay.qualities.objectivity.contrast import half_contrast, half_of_counts, logistic_curve
from segassay.simulation.dataset import Simulation, simulate
from segassay.simulation.habits import RaterHabit
from segassay.simulation.settings import Effect
from segassay.tables.build import build_tables
from segassay.tables.contrast import OTHER_RATERS

THRESHOLDS = {"generous": 0.8, "usual": 1.6, "strict": 3.2}


def test_the_curve_is_the_logistic_regression_of_statsmodels():
    rng = np.random.default_rng(3)
    contrast = np.log(np.arange(0.25, 6, 0.5))
    n = rng.poisson(20, (4, len(contrast))).astype(float)
    n_found = rng.binomial(n.astype(int), 1 / (1 + np.exp(-2 * (contrast - 0.4))))
    for row, fitted in enumerate(logistic_curve(contrast, n, n_found)):
        both = np.stack([n_found[row], n[row] - n_found[row]], axis=1)
        other = sm.GLM(both, sm.add_constant(contrast), family=sm.families.Binomial()).fit()
        np.testing.assert_allclose(fitted, other.params, atol=1e-3)


def test_perfect_separation_has_a_finite_half():
    contrast = np.array([1.0, 2.0, 4.0, 8.0])
    n = np.full((5, 4), 3.0)
    interval, curve = half_of_counts(contrast, n, n * [0, 0, 1, 1], np.arange(5))
    assert interval.value == pytest.approx(np.sqrt(8), rel=0.01)
    assert curve(np.array([2.0]))[0] < 0.01 < 0.99 < curve(np.array([4.0]))[0]


@pytest.mark.parametrize("found", [[0, 0, 0, 0], [3, 3, 3, 3], [3, 2, 1, 0]], ids=["none", "all", "the dark ones"])
def test_without_a_rise_through_one_half_there_is_no_number(found):
    interval, _ = half_of_counts(
        np.array([1.0, 2.0, 4.0, 8.0]), np.full((5, 4), 3.0), np.tile(found, (5, 1)), np.arange(5)
    )
    assert np.isnan([interval.value, interval.low, interval.high]).all()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Raters who differ in nothing but the brightness that they need; one draws far outside of the boundaries."""
    raters = [
        RaterHabit(name, brightness_threshold=at, miss_rate=0, merge_rate=0, false_positives=0, dilation_px=dilation)
        for (name, at), dilation in zip(THRESHOLDS.items(), (3, 0, 0), strict=True)
    ]
    groups = {"one": Effect()}
    settings = Simulation((160, 160), 6, n_nuclei=30, raters=tuple(raters), dim_contrast=1.5, groups=groups)
    folder = simulate(tmp_path_factory.mktemp("contrast") / "data", settings)
    dataset = read_dataset(folder)
    return build_tables(
        dataset, read_annotations(dataset, masks={"truth": folder / "truth"}), n_jobs=1
    ).recall_by_contrast


@pytest.mark.parametrize("reference", [OTHER_RATERS, "truth"])
def test_planted_thresholds_are_found_in_order(table: pd.DataFrame, reference: str) -> None:
    halves = {}
    for name in THRESHOLDS:
        rows = table[(table["annotator"] == name) & (table["reference"] == reference)]
        halves[name] = half_contrast(rows, pd.Series({case: case for case in rows["case"].unique()}))[0].value
    if reference == "truth":  # what other raters marked is too bright to tell where the generous one stops
        assert halves["generous"] < halves["usual"]
    assert 1.4 < halves["strict"] / halves["usual"] < 2.9  # twice the threshold for the brightest pixel, here the mean


def test_objects_are_counted_once_per_rater_and_image(table: pd.DataFrame) -> None:
    sums = table.groupby(["annotator", "reference"])[["n_objects", "n_found"]].sum()
    assert (sums["n_found"] <= sums["n_objects"]).all()
    assert sums.loc[("strict", "truth"), "n_objects"] == sums.loc[("usual", "truth"), "n_objects"] > 100
    assert ("truth", "truth") not in sums.index
