"""Warnings beside intervals: the shares are the published ones, and means need none."""

import json
from pathlib import Path

import pytest

from segassay.qualities.scores.coverage import ENOUGH, MEASURED, Coverage, coverage_warning

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "truthfulness.json"


@pytest.mark.parametrize("kind", [kind for kind in MEASURED if kind.share], ids=lambda kind: "-".join(kind.benchmark))
def test_shares_are_those_of_the_benchmark(kind: Coverage) -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    measured = {row["n_cases"]: row["coverage"] for row in rows if (row["measure"], row["method"]) == kind.benchmark}
    assert kind.share == pytest.approx(measured, abs=0.005)


def test_what_covers_badly_in_the_benchmark_has_a_warning() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    bad = {row["measure"].split(" ")[0] for row in rows if row["method"] == "BCa" and row["coverage"] < ENOUGH}
    assert bad == {"η²", "ratio", "ICC(A,1)", "ICC(A,k)", "Williams", "variance"}  # the package has no interval of η²


WARNED = {"icc_ak_count": "jackknife-t", "phi_count": "BCa", "variance_f1": "BCa", "count_eta_squared_ratio": "BCa"}


@pytest.mark.parametrize(("measure", "method"), WARNED.items())
@pytest.mark.parametrize("n_clusters", [2, 15, 40, 500])
def test_badly_covered_measures_are_warned_of(measure: str, method: str, n_clusters: int) -> None:
    assert "hold the truth" in coverage_warning(measure, method, n_clusters)


@pytest.mark.parametrize("measure", ["williams_index", "variance_f1"])
def test_the_warning_is_of_the_method_that_was_used(measure: str) -> None:
    assert "hold the truth" in coverage_warning(measure, "BCa", 15)
    assert coverage_warning(measure, "jackknife-t", 15) == ""


@pytest.mark.parametrize(
    "measure", ["Williams index of Dice", "variance component case", "variance component residual"]
)
def test_what_is_not_warned_of_by_the_jackknife_covers_well(measure: str) -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    shares = [r["coverage"] for r in rows if r["measure"].startswith(measure) and r["method"] == "jackknife-t"]
    assert len(shares) == 3
    assert min(shares) >= ENOUGH


def test_the_spread_over_seeds_says_what_it_rests_on() -> None:
    assert "scatter normally" in coverage_warning("sd_f1", "chi-square", 20)


@pytest.mark.parametrize("measure", ["f1", "imprint", "removal_of_bias", "log_count_ratio", "f1_minus_raters"])
def test_means_need_no_warning(measure: str) -> None:
    assert coverage_warning(measure, "bootstrap-t", 10) == ""
