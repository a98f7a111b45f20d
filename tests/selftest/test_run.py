"""The self-test: it has every estimator with a published value, and notices when any of them changes."""

import dataclasses
import importlib
import inspect
import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from command import run
from published_lab import Lab, use_tables
from segassay.errors import DataError
from segassay.qualities.catalogue import CATALOGUE
from segassay.selftest import lab_wue1
from segassay.selftest.lab_wue1 import CHECKS_OF_LAB_WUE1
from segassay.selftest.published_values import CHECKS
from segassay.selftest.run import Outcome, run_checks, run_checks_of_images
from segassay.selftest.show import print_outcomes

ESTIMATORS = sorted({check.estimator for check in CHECKS})
WITHOUT_PUBLISHED_VALUE = {
    "masks.overlaps": {
        "dice_iou",
        "joint_overlaps",
        "label_objects",
        "match_each",
        "match_overlaps",
        "overlap_table",
    },  # steps of match_objects
    "consensus.pixels": {  # counting and votes: what they give is their definition
        *("count_decisions", "decisions_of_marked", "fuse_decisions", "staple_mask_of_decisions"),
        *("staple_of_decisions", "without_rater"),
        *("intersection", "majority_vote", "soft_mean", "union"),
    },
    "masks.outlines": {"boundary_shift", "image_diagonal", "joint_surface_distances", "surface_shares"},
    "statistics.groups": {  # medians and sorted p-values: equal to scipy and statsmodels; the larger of two tests
        *("hodges_lehmann", "holm", "unequal_spread_p"),
    },
    "statistics.methods": {  # two t tests: equal to statsmodels; limit_of_agreement of several z
        *("equivalence_test", "limits_of_agreement_at"),
    },
    "statistics.raters": {"alt_test", "bias_test", "log_ratio_to_others"},
    "statistics.equivalence": {"gap_of"},  # Cochran's rule of thumb
    "statistics.reliability": {"icc_a1_of_subjects"},  # icc_a1_weighted where a subject has several cases
    "statistics.components": {"as_scores", "crossed_mean_squares", "three_way_components"},
}
"""Public functions that the self-test does not call."""


def test_every_estimator_gives_its_published_value():
    assert [outcome for outcome in run_checks() if not outcome.passed] == []


MODULES = (
    "masks.overlaps",
    "statistics.chance",
    "consensus.pixels",
    "masks.outlines",
    "masks.shape",
    "masks.free_response",
    "statistics.groups",
    "statistics.reliability",
    "statistics.methods",
    "statistics.raters",
    "statistics.components",
    "statistics.equivalence",
    "statistics.sets",
    "statistics.permutation",
)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_estimator_is_in_it(module):
    found = importlib.import_module(f"segassay.{module}")
    public = {
        name
        for name, function in inspect.getmembers(found, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == found.__name__
    }
    called = {e.rpartition(".")[2] for e in ESTIMATORS if e.rpartition(".")[0] == module}
    assert public - WITHOUT_PUBLISHED_VALUE.get(module, set()) == called


@pytest.mark.parametrize("estimator", sorted({name for record in CATALOGUE.values() for name in record.estimators}))
def test_what_a_measure_rests_on_is_checked_or_has_no_published_value(estimator):
    module, _, name = estimator.rpartition(".")
    assert estimator in ESTIMATORS or name in WITHOUT_PUBLISHED_VALUE[module]


def test_it_names_the_measures_that_rest_on_an_estimator():
    console = Console(width=170, record=True, file=io.StringIO())
    print_outcomes(run_checks(), console)
    text = console.export_text()
    assert "measures in scores.csv: fleiss_kappa" in text
    assert "measures in scores.csv: williams_index" in text


def changed(result: Any) -> Any:
    """The same kind of result, every number of it a hundredth larger, and what is true or false turned around."""
    if isinstance(result, bool | np.bool_):
        return not result
    if isinstance(result, int | float | np.number):
        return result * 1.01 + 0.01
    if isinstance(result, np.ndarray):
        return ~result if result.dtype == bool else result * 1.01 + 0.01
    if isinstance(result, pd.DataFrame):
        return result.map(changed)
    if isinstance(result, tuple):
        return tuple(map(changed, result))
    if dataclasses.is_dataclass(result):
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        return dataclasses.replace(result, **{name: changed(value) for name, value in fields.items()})
    raise TypeError(f"no way to change {type(result)}")


def perturb(monkeypatch: pytest.MonkeyPatch, estimator: str) -> None:
    module, _, name = estimator.rpartition(".")
    found = importlib.import_module(f"segassay.{module}")
    original: Callable[..., Any] = getattr(found, name)
    monkeypatch.setattr(found, name, lambda *words, **options: changed(original(*words, **options)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_notices_a_change_of_any_estimator(estimator, monkeypatch):
    perturb(monkeypatch, estimator)
    outcomes = run_checks([check for check in CHECKS if check.estimator == estimator])
    assert not all(outcome.passed for outcome in outcomes)
    assert not [o for o in outcomes if o.passed and o.tolerance < 0.01]  # each sees it; one digit is too coarse


def test_an_estimator_that_raises_has_failed_and_says_why(monkeypatch):
    monkeypatch.setattr(importlib.import_module("segassay.statistics.methods"), "lins_ccc", lambda *_: 1 / 0)
    failed = [outcome for outcome in run_checks() if not outcome.passed]
    assert {outcome.estimator for outcome in failed} == {"statistics.methods.lins_ccc"}
    assert {outcome.problem for outcome in failed} == {"ZeroDivisionError: division by zero"}


@pytest.mark.parametrize(
    ("computed", "passed"), [((0.4999,), True), ((0.51,), True), ((0.5101,), False), ((np.nan,), False), ((), False)]
)
def test_a_difference_up_to_the_tolerance_passes(computed, passed):
    outcome = Outcome("statistics.reliability.icc", "", computed, expected=(0.5,), tolerance=0.01, source="")
    assert outcome.passed is passed


def test_tolerances_are_no_wider_than_the_last_published_digit():
    for check in CHECKS:
        if check.what.endswith("p between 0 and .001"):
            continue  # published as a bound
        digits = max(len(f"{number:.12g}".partition(".")[2]) for number in check.expected)
        assert check.tolerance <= max(0.5 * 10.0**-digits, 1e-4) * 1.0001 or check.expected == (0.4,), check
        assert check.source


def test_the_command_shows_all_and_needs_nothing(monkeypatch, capsys):
    assert run(monkeypatch, "selftest") == 0
    shown = capsys.readouterr().out
    for check in CHECKS:
        assert check.estimator in shown
    assert "0.430245" in shown
    assert "doi:10.1037/h0031619" in shown
    assert f"{len(CHECKS)} of {len(CHECKS)} checks match the published values" in shown
    assert f"{len(CHECKS_OF_LAB_WUE1)} not run: needs lab-wue1" in shown


def test_the_command_fails_where_an_estimator_is_wrong(monkeypatch, capsys):
    perturb(monkeypatch, "statistics.chance.gwet_ac1")
    assert run(monkeypatch, "selftest") == 1
    shown = capsys.readouterr().out
    assert shown.count("WRONG") == 1
    assert f"{len(CHECKS) - 1} of {len(CHECKS)} checks" in shown


def test_a_narrow_terminal_loses_nothing():
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_outcomes(run_checks(), console)
    text = console.export_text()
    assert "0.430245" in text
    assert "…" not in text


def test_a_folder_that_is_not_the_lab_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(DataError, match=r"no dataset\.yaml; expected the folder lab-wue1 of: segassay download"):
        run_checks_of_images(tmp_path)
    assert run(monkeypatch, "selftest", "--data", tmp_path) == 1
    assert "segassay download segebarth2020" in capsys.readouterr().err


def test_values_of_the_real_images(lab_wue1: Lab, monkeypatch: pytest.MonkeyPatch):
    asked = use_tables(monkeypatch, lab_wue1)
    outcomes = run_checks_of_images(lab_wue1.dataset.folder.parent, n_jobs=2)
    assert [outcome for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == len(CHECKS_OF_LAB_WUE1)
    assert asked == [2]


def test_a_changed_table_of_images_fails(monkeypatch):
    rows = {"annotator": [*lab_wue1._EXPERTS, "est_GT"], "n_objects": [1559, 3297, 3612, 3900, 3315, 3296]}
    (totals,) = (check for check in CHECKS_OF_LAB_WUE1 if check.estimator == "masks.objects.label_objects")
    assert tuple(totals.pick({"counts": pd.DataFrame(rows)})) == totals.expected
    rows["n_objects"][3] += 1
    assert tuple(totals.pick({"counts": pd.DataFrame(rows)})) != totals.expected
