"""Warnings beside intervals: the shares are the published ones, and means need none."""

import json
from pathlib import Path

import pytest

from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.coverage import ENOUGH, MEANS, Coverage, coverage_warning
from segassay.qualities.scores.measure import Measure
from segassay.qualities.validity import records as validity

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "truthfulness.json"
KNOWN = list({id(kind): kind for record in CATALOGUE.values() for kind in record.coverage}.values())


@pytest.mark.parametrize("kind", [kind for kind in KNOWN if kind.share], ids=lambda kind: "-".join(kind.benchmark))
def test_shares_are_those_of_the_benchmark(kind: Coverage) -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    measured = {row["n_cases"]: row["coverage"] for row in rows if (row["measure"], row["method"]) == kind.benchmark}
    assert kind.share == pytest.approx(measured, abs=0.005)


def test_what_covers_badly_in_the_benchmark_has_a_warning() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    bad = {row["measure"].split(" ")[0] for row in rows if row["method"] == "BCa" and row["coverage"] < ENOUGH}
    assert bad == {"η²", "ratio", "ICC(A,1)", "ICC(A,k)", "Williams", "variance"}  # the package has no interval of η²


WARNED = [
    (objectivity.ICC_AK, "jackknife-t"),
    (reliability.PHI, "BCa"),
    (reliability.VARIANCE, "BCa"),
    (validity.ETA_SQUARED_RATIO, "BCa"),
]


@pytest.mark.parametrize(("record", "method"), WARNED)
@pytest.mark.parametrize("n_clusters", [2, 15, 40, 500])
def test_badly_covered_measures_are_warned_of(record: Measure, method: str, n_clusters: int) -> None:
    assert "hold the truth" in coverage_warning(record.coverage, method, n_clusters)


@pytest.mark.parametrize("record", [objectivity.WILLIAMS_INDEX, reliability.VARIANCE])
def test_the_warning_is_of_the_method_that_was_used(record: Measure) -> None:
    assert "hold the truth" in coverage_warning(record.coverage, "BCa", 15)
    assert coverage_warning(record.coverage, "jackknife-t", 15) == ""


@pytest.mark.parametrize(
    "measure", ["Williams index of Dice", "variance component case", "variance component residual"]
)
def test_what_is_not_warned_of_by_the_jackknife_covers_well(measure: str) -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["other"]["rows"]
    shares = [r["coverage"] for r in rows if r["measure"].startswith(measure) and r["method"] == "jackknife-t"]
    assert len(shares) == 3
    assert min(shares) >= ENOUGH


def test_the_spread_over_seeds_says_what_it_rests_on() -> None:
    for record in (reliability.SD, reliability.CV):
        assert "scatter normally" in coverage_warning(record.coverage, "chi-square", 20)


MEANS_OVER_CASES = (
    *(objectivity.F1, objectivity.IMPRINT, objectivity.REMOVAL_OF_BIAS, objectivity.LOG_COUNT_RATIO),
    reliability.MINUS_RATERS,
)


@pytest.mark.parametrize("record", MEANS_OVER_CASES, ids=lambda record: record.key)
def test_means_need_no_warning(record: Measure) -> None:
    assert record.coverage == (MEANS,)
    assert coverage_warning(record.coverage, "bootstrap-t", 10) == ""
