"""A small version of benchmarks/error_rates.py: tests hold their level, and the page has the measured rates."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from segassay.qualities import catalogue
from segassay.qualities.scores.error_rates import (
    BIAS,
    CONCLUSION,
    EQUIVALENT,
    EQUIVALENT_RATIO,
    IMPRINT,
    LINE,
    OMNIBUS,
    ErrorRate,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import error_rates  # noqa: E402

DOUBT = 1e-3


def may_be(row: dict[str, Any], at_most: float) -> bool:
    """Whether a rate up to `at_most` may give as many rejections."""
    return bool(stats.binom.sf(round(row["rate"] * row["n"]) - 1, row["n"], at_most) >= DOUBT)


def rows_of(rows: list[dict[str, Any]], **values: object) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def test_a_noisy_rater_is_not_biased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (20,))
    rows = list(error_rates.bias(150))
    alike = [row for row in rows_of(rows, test="bias test") if row["raters"].startswith("one mean")]
    assert len(alike) == 4
    assert all(may_be(row, 0.06) for row in alike)
    assert not any(
        may_be(row, 0.06) for row in rows_of(rows, test="Friedman", scatter="15 %, one 80 %", raters="one mean")
    )
    (found,) = rows_of(rows, test="bias test", raters="one counts 25 % more", scatter="15 % each")
    assert found["rate"] > 0.7


def test_skewed_differences_at_the_margin_are_not_equivalent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (10, 40))
    other = ("normal, mean at half the margin", error_rates.RARE)
    rows = [row for row in error_rates.equivalence(300) if row["differences"] not in other]
    assert all(may_be(row, 0.07) for row in rows_of(rows, test="called equivalent"))
    assert sum(not may_be(row, 0.07) for row in rows_of(rows, test="two t tests alone (before)")) >= 6


def test_ratios_at_the_margin_are_not_equivalent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (10,))
    rows = [row for row in error_rates.ratios(300) if row["amounts"] != error_rates.RARE_IMAGES]
    assert len(rows) == 24
    assert all(may_be(row, 0.06) for row in rows_of(rows, test="called equivalent"))


def test_a_model_like_the_raters_is_neither_better_than_the_worst_nor_worse_than_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (20,))
    rows = list(error_rates.range_(100))
    assert all(may_be(row, 0.035) for row in rows_of(rows, test="above the worst"))
    assert all(may_be(row, 0.035) for row in rows_of(rows, test="below the best"))
    ours, before = (
        sum(row["rate"] for row in rows_of(rows, test=test))
        for test in ("above the worst", "above the worst, taken as given (before)")
    )
    assert before > 1.5 * ours


def test_groups_of_unequal_spread_are_no_difference() -> None:
    rows = list(error_rates.groups(100))
    level = [row for row in rows_of(rows, test="conclusion") if row["spread"] != "equal, 1.5 sd apart"]
    assert len(level) == 36
    assert all(may_be(row, 0.085) for row in level)
    assert not any(may_be(row, 0.06) for row in rows_of(rows, test="mixed model alone (before)", sizes="6, 24"))
    assert all(may_be(row, 0.06) for row in rows_of(rows, test="mixed model, 3 images each", sizes="6, 24"))


def test_models_without_imprint_have_none_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (20,))
    rows = list(error_rates.imprint(60))
    assert all(may_be(row, 0.025) for row in rows_of(rows, raters="alike"))
    assert all(row["rate"] == 0 for row in rows_of(rows, test="above .05"))


def test_a_mean_at_the_line_is_rarely_below_it_with_animals_of_unequal_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_rates, "SIZES", (20,))
    rows = list(error_rates.reliability(400))
    ours = rows_of(rows, test="below the line")
    assert all(may_be(row, 0.025) for row in ours if row["disagreement"] in ("normal", "a tail of less"))
    assert all(may_be(row, LINE.highest) for row in ours)
    before = rows_of(rows, test="over images (before)", disagreement="normal", n_animals=20)
    assert not any(may_be(row, 0.03) for row in before)


@pytest.mark.parametrize("section", list(error_rates.COLUMNS))
def test_the_page_has_the_measured_rates(section: str) -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "error_rates.json").read_text(encoding="utf-8"))[section]
    assert found["command"].startswith("python benchmarks/error_rates.py")
    assert {"segassay", "numpy", "scipy"} <= set(found["versions"])
    page = (ROOT / "docs" / "truthfulness.md").read_text(encoding="utf-8")
    assert error_rates.table(section, found["rows"]) in page, "run benchmarks/error_rates.py"


@pytest.mark.parametrize(
    "known", [BIAS, EQUIVALENT, EQUIVALENT_RATIO, CONCLUSION, OMNIBUS, IMPRINT, LINE], ids=lambda known: known.test
)
def test_sentences_state_the_highest_measured_rate(known: ErrorRate) -> None:
    """Of the settings where there is nothing to find; each is named in the sentence."""
    found = json.loads((ROOT / "benchmarks" / "results" / "error_rates.json").read_text(encoding="utf-8"))
    of_test = rows_of(found[known.section]["rows"], test=known.test)
    something = ("one counts 25 % more", "normal, mean at half the margin", "equal, 1.5 sd apart")
    rates = [row["rate"] for row in of_test if not set(something) & set(map(str, row.values()))]
    assert max(rates) == pytest.approx(known.highest, abs=5e-4)


def test_every_sentence_of_a_test_states_how_often_it_errs() -> None:
    stated = {measure.name: measure.errors for measure in catalogue.CATALOGUE.values() if measure.errors is not None}
    assert stated == {
        "bias_test": BIAS,
        "difference": EQUIVALENT,
        "amount_ratio": EQUIVALENT_RATIO,
        "same_verdict": CONCLUSION,
        "imprint": IMPRINT,
    }
    assert max(known.highest for known in stated.values()) > 0.06  # why they are stated


def test_publishing_replaces_a_table_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- error rates: bias -->\nold\n<!-- end of error rates: bias -->\nafter\n", encoding="utf-8"
    )
    row = {"raters": "a", "scatter": "b", "test": "c", "n_cases": 10, "rate": 0.5}
    error_rates.publish("bias", [row], page)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1], lines[-3]) == ("before", "after", "| a | b | c | 50.0 |")
