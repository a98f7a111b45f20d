"""A small version of benchmarks/truthfulness.py: intervals cover, tests hold their level, and wrong ones are caught."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from segassay.qualities.validity.effects import weighted_eta_squared
from segassay.simulation.study import NULL
from segassay.statistics.raters import bias_test

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import intervals  # noqa: E402
import planted  # noqa: E402
import truthfulness  # noqa: E402
import truthfulness_report  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "truthfulness.json"
N_STUDIES, DOUBT = 600, 1e-3


def is_within(n: int, n_studies: int, low: float, high: float) -> bool:
    """Whether a share between `low` and `high` may give n of n_studies."""
    too_few = stats.binom.cdf(n, n_studies, low) < DOUBT
    too_many = stats.binom.sf(n - 1, n_studies, high) < DOUBT
    return not too_few and not too_many


def covers(method: str, values: np.ndarray, cluster: np.ndarray, truth: float) -> bool:
    """Whether intervals of the rows of `values` may cover 93 to 97 %."""
    found = truthfulness.mean_coverage(method, values, cluster, truth)
    return is_within(round(found["coverage"] * found["n"]), found["n"], 0.93, 0.97)


@pytest.mark.parametrize("n_cases", [10, 40])
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_of_means_and_paired_differences_cover(n_cases: int, skewed: bool) -> None:
    who, study = planted.Cast(planted.STUDY), planted.study_of(n_cases, skewed=skewed)
    truth = planted.planted_means(study, who, 20_000)
    (drawn,) = planted.drawn_in_parts(study, N_STUDIES, who, at_once=10**6)
    for name, values in planted.case_means(drawn, who).items():
        assert covers("Hall-t", values, np.arange(n_cases), truth[name]), name


def test_percentile_intervals_of_10_cases_are_caught() -> None:
    scores = np.random.default_rng(1).beta(9, 1, size=(N_STUDIES, 10))
    assert covers("Hall-t", scores, np.arange(10), 0.9)
    assert not covers("percentile", scores, np.arange(10), 0.9)


def test_images_as_units_are_caught_where_animals_repeat() -> None:
    study = replace(planted.STUDY, n_subjects=10, n_regions=2, n_images=2, subject_sd=0.06)
    who = planted.Cast(study)
    truth = planted.planted_means(study, who, 20_000)["f1 between raters"]
    (drawn,) = planted.drawn_in_parts(study, N_STUDIES, who, at_once=10**6)
    values = planted.case_means(drawn, who)["f1 between raters"]
    assert covers("Hall-t", values, np.arange(study.n_cases) // 4, truth)
    assert not covers("Hall-t", values, np.arange(study.n_cases), truth)


def test_raters_without_bias_are_called_biased_in_at_most_6_percent() -> None:
    who = planted.Cast(planted.STUDY)
    study = replace(NULL, n_seeds=2, n_consensus_seeds=1, ensemble_size=1, n_regions=1, n_subjects=10)
    (drawn,) = planted.drawn_in_parts(study, N_STUDIES, who, at_once=10**6)
    n_biased = sum(bias_test(counts)["biased"].any() for counts in drawn.counts[..., who.raters])
    assert is_within(int(n_biased), N_STUDIES, 0.0, 0.06)


def test_groups_without_difference_are_told_apart_by_images_but_not_by_subjects() -> None:
    rows = {(row["n_subjects"], row["test"]): row for row in truthfulness.groups(200)}
    for n_subjects in truthfulness.SIZES:
        for test in ("Mann-Whitney, subjects as units", "mixed model, random subject"):
            row = rows[n_subjects, test]
            assert is_within(round(row["rate"] * row["n"]), row["n"], 0.0, 0.06), test
        row = rows[n_subjects, "Mann-Whitney, images as units"]
        assert not is_within(round(row["rate"] * row["n"]), row["n"], 0.0, 0.06)


def test_weighted_statistics_are_those_of_drawn_cases() -> None:
    rng = np.random.default_rng(2)
    values = np.column_stack([rng.poisson(20, 12), np.repeat([0, 1], 6)]).astype(float)
    weights = rng.multinomial(12, np.full(12, 1 / 12), size=5)
    for row in weights:
        drawn = np.repeat(values, row, axis=0)
        x, y = (drawn[drawn[:, 1] == group, 0] for group in (0, 1))
        expected = truthfulness.mann_whitney(x, y).eta_squared
        second = values[:, 1] > 0
        of_weights = weighted_eta_squared(row[None, ~second], row[None, second], values[~second, 0], values[second, 0])
        assert of_weights[0] == pytest.approx(expected)


def test_the_true_effect_of_the_intervals_is_that_of_mann_and_whitney() -> None:
    """Of many cases, from ranks; η² of a finite sample has N + 1 instead of N."""
    values = intervals._groups(0.8, 0.4, np.random.default_rng(3), 400)
    x, y = (values[values[:, -1] == group, 0] for group in (0, 1))
    expected = truthfulness.mann_whitney(x, y).eta_squared * 401 / 400
    assert intervals._squared_correlations(values)[0] * 0.75 == pytest.approx(expected)


@pytest.mark.parametrize("name", ["coverage", "false_alarms"])
def test_each_figure_says_where_it_comes_from(name: str) -> None:
    figure = ROOT / "docs" / "figures" / f"truthfulness_{name}.png"
    about = json.loads(figure.with_suffix(".json").read_text(encoding="utf-8"))
    assert figure.is_file()
    assert about["command"].startswith("python benchmarks/truthfulness.py")
    assert len(about["commit"].split()[0]) == 40
    assert len(about["data_hash"]) == 64


def test_published_numbers_keep_the_promises() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    ours = [row for row in found["means"]["rows"] if row["method"] == "Hall-t"]
    assert {row["n_cases"] for row in ours} == {10, 20, 40}
    assert found["means"]["replicates"] >= 1000
    for row in ours:
        if not row["scores"].startswith("Beta"):
            assert 0.93 <= row["coverage"] <= 0.97, row
    for row in found["bias"]["rows"]:
        assert row["rate"] <= 0.06 or row["test"] != "bias test" or row["raters"] != "no bias", row
    for row in found["groups"]["rows"]:
        assert (row["rate"] <= 0.06) == ("images" not in row["test"]), row


def test_the_page_shows_the_published_numbers() -> None:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "truthfulness.md").read_text(encoding="utf-8")
    for name, table in truthfulness_report.tables(found).items():
        assert table in page, f"{name} differs; run benchmarks/truthfulness.py"
