"""Warnings beside intervals: the shares are the published ones, and means need none."""

import json
from pathlib import Path
from typing import Any

import pytest

from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.coverage import (
    CLUMPED,
    ENOUGH,
    MEANS,
    SHIFTS,
    SPREAD,
    TOO_MUCH,
    UNEQUAL,
    Coverage,
    coverage_warning,
)
from segassay.qualities.scores.measure import Measure
from segassay.qualities.validity import records as validity

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results" / "truthfulness.json"
KNOWN = list({id(kind): kind for record in CATALOGUE.values() for kind in record.coverage}.values())
UNEQUAL_SUBJECTS = ", unequal subjects"
OF_NO_RECORD = [CLUMPED, SHIFTS, *UNEQUAL.values()]


def rows_of_the_benchmark() -> list[dict[str, Any]]:
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    return [*found["intervals"]["rows"], *found["further"]["rows"], *found["rare"]["rows"], *found["unequal"]["rows"]]


def measured(kind: Coverage) -> dict[int, tuple[float, float]]:
    """Lowest and highest share at each size, over kinds of data."""
    found: dict[int, list[float]] = {}
    for row in rows_of_the_benchmark():
        if row["measure"] == kind.benchmark and kind.data in ("", row["data"]):
            found.setdefault(row["n_cases"], []).append(row["coverage"])
    return {n: (min(shares), max(shares)) for n, shares in found.items()}


@pytest.mark.parametrize(
    "kind", [*OF_NO_RECORD, *(kind for kind in KNOWN if kind.share)], ids=lambda kind: kind.benchmark
)
def test_shares_are_those_of_the_benchmark(kind: Coverage) -> None:
    assert set(kind.share) == {10, 20, 40}
    for n, shares in measured(kind).items():
        assert kind.share[n] == pytest.approx(shares, abs=0.005)


def test_every_kind_of_interval_of_the_benchmark_is_known() -> None:
    known = {kind.benchmark for kind in [*OF_NO_RECORD, *KNOWN]}
    of_no_record = {"TOST, 90 %", "shift", "variance", "contrast at which half are marked", "mean, few far off"}
    measures = {row["measure"].split(" component")[0] for row in rows_of_the_benchmark()}
    assert {measure for measure in measures if not measure.endswith(UNEQUAL_SUBJECTS)} - of_no_record <= known


def test_indices_of_unequal_subjects_hold_what_those_of_equal_ones_do() -> None:
    """So that one warning is enough for both; within three standard errors of 200 studies."""
    lowest = {kind.benchmark: min(low for low, _ in kind.share.values()) for kind in KNOWN if kind.share}
    rows = [row for row in rows_of_the_benchmark() if row["measure"].endswith(UNEQUAL_SUBJECTS)]
    rows = [row for row in rows if row["measure"] != f"mean{UNEQUAL_SUBJECTS}"]  # has a warning of its own
    assert len(rows) == 60
    for row in rows:
        expected = min(lowest[row["measure"].removesuffix(UNEQUAL_SUBJECTS)], 0.93)
        assert row["coverage"] >= expected - 3 * (expected * (1 - expected) / row["n"]) ** 0.5, row


def test_what_covers_badly_in_the_benchmark_has_a_warning() -> None:
    for kind in KNOWN:
        if kind.share and not kind.always:
            worst, best = (
                pick(shares) for pick, shares in zip((min, max), zip(*kind.share.values(), strict=True), strict=True)
            )
            warned = any(coverage_warning([kind], "jackknife-t", n) for n in (10, 20, 40))
            off = worst < kind.level - ENOUGH or best >= kind.level + TOO_MUCH
            assert warned == off, kind.benchmark


WARNED = [
    (objectivity.ICC_AK, "jackknife-t"),
    (objectivity.CCC, "jackknife-t"),
    (reliability.SEM, "jackknife-t"),
    (validity.ETA_SQUARED_RATIO, "jackknife-t"),
]


@pytest.mark.parametrize(("record", "method"), WARNED)
@pytest.mark.parametrize("n_clusters", [20, 25, 40, 500])
def test_badly_covered_measures_are_warned_of(record: Measure, method: str, n_clusters: int) -> None:
    assert "hold the truth" in coverage_warning(record.coverage, method, n_clusters)


@pytest.mark.parametrize("record", [validity.DIFFERENCE, validity.AMOUNT_RATIO])
def test_intervals_of_90_percent_are_warned_of_as_such(record: Measure) -> None:
    assert coverage_warning(record.coverage, "TOST, 90 %", 20).startswith("of such 90 % intervals ")


def test_very_unequal_subjects_are_warned_of() -> None:
    assert "about 91 %" in coverage_warning([MEANS], "Hall-t", 40, unequal=True)
    assert coverage_warning([MEANS], "Hall-t", 40) == ""


@pytest.mark.parametrize(("record", "n_clusters"), [(objectivity.WILLIAMS_INDEX, 10), (validity.RECALL, 40)])
def test_intervals_that_are_too_wide_say_so(record: Measure, n_clusters: int) -> None:
    assert coverage_warning(record.coverage, "jackknife-t", n_clusters).endswith("wider than need be")


@pytest.mark.parametrize("record", [objectivity.FLEISS_KAPPA, reliability.PHI, objectivity.KRIPPENDORFF_ALPHA])
@pytest.mark.parametrize("n_clusters", [10, 25, 500])
def test_what_covers_well_needs_no_warning(record: Measure, n_clusters: int) -> None:
    assert coverage_warning(record.coverage, "jackknife-t", n_clusters) == ""


@pytest.mark.parametrize("method", ["constant", "binomial"])
def test_equal_values_say_why_there_is_no_ordinary_interval(method: str) -> None:
    assert "all cases say the same" in coverage_warning([MEANS], method, 20)


def test_the_spread_over_seeds_says_what_it_rests_on() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["seeds"]["rows"]
    shares = [100 * row["coverage"] for row in rows if row["luck"] == SPREAD.data]
    for record in (reliability.SD, reliability.CV):
        warning = coverage_warning(record.coverage, "chi-square", 20)
        assert "scatter normally" in warning
        assert f"{min(shares):.0f} to {max(shares):.0f} %" in warning


MEANS_OVER_CASES = (
    *(objectivity.F1, objectivity.IMPRINT, objectivity.REMOVAL_OF_BIAS, objectivity.LOG_COUNT_RATIO),
    reliability.MINUS_RATERS,
)


@pytest.mark.parametrize("record", MEANS_OVER_CASES, ids=lambda record: record.key)
def test_means_need_no_warning_unless_most_cases_have_one_value(record: Measure) -> None:
    assert record.coverage == (MEANS,)
    assert coverage_warning(record.coverage, "Hall-t", 10) == ""
    assert "about 90 %" in coverage_warning(record.coverage, "Hall-t", 10, clumped=True)
