"""The summary: numbers of the tables beside verdicts and sentences, fit for JSON."""

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from scored import scored
from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement.summary import QUALITIES, concordance, format_interval, summarise
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, Form
from segassay.qualities.scores.table import Findings
from segassay.qualities.validity import records as validity
from segassay.tables.build import Tables
from segassay.tables.case import CASE_TABLES
from segassay.tables.columns import Columns
from segassay.tables.effects import EFFECT_COLUMNS

NO_EFFECTS = pd.DataFrame(columns=list(EFFECT_COLUMNS))


def scores_of(*rows: tuple[Form, str, float]) -> pd.DataFrame:
    """Rows of form, target and value; intervals are ± .1, of 9 images."""
    values = np.array([value for *_, value in rows], dtype=float)
    table = scored(*((form, target) for form, target, _ in rows), value=values, low=values - 0.1, high=values + 0.1)
    return table.assign(n_cases=9)


def annotations_of(**kinds: str) -> pd.DataFrame:
    rows = [{"annotator": name, "kind": kind, "trained_on": "", "strategy": ""} for name, kind in kinds.items()]
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


def effects_of(**verdicts: str) -> pd.DataFrame:
    rows = [{"annotator": name, "verdict": verdict} for name, verdict in verdicts.items()]
    fixed = {"measure": "count", "region": "", "unit": "case", "test": "mann_whitney", "group_1": "H", "group_2": "C"}
    return pd.DataFrame(rows).assign(**fixed).reindex(columns=list(EFFECT_COLUMNS))


def findings_of(effects: pd.DataFrame = NO_EFFECTS, **kinds: str) -> Findings:
    """An evaluation without any mask."""
    known = {field.name for field in fields(Tables)}
    empty = {name: Columns(table.columns).frame() for name, table in CASE_TABLES.items() if name in known}
    tables = Tables(**empty, raters=pd.DataFrame(), missing=pd.DataFrame(), notes=[])
    return Findings(tables, annotations_of(**kinds), pd.Series(dtype=object), effects)


def test_every_quality_has_its_verdict_sentence_rule_and_numbers():
    scores = scores_of(
        (objectivity.F1.form(), "between raters", 0.5),
        (objectivity.F1.form(comparison=LEAVE_ONE_OUT), "anna", 0.7),
        (validity.F1.form(comparison=AGAINST, reference="truth"), "anna", 0.6),
    )
    summary = summarise(scores, findings_of(anna="human", ben="human"))
    assert tuple(summary) == ("raters", *QUALITIES)
    assert {quality: len(judged["numbers"]) for quality, judged in summary.items()} == {
        "raters": 0,
        "objectivity": 2,
        "reliability": 0,
        "validity": 1,
    }
    assert summary["validity"]["sentence"] == "Annotators reach an F1 of 0.60 (anna) against truth."
    for judged in summary.values():
        assert set(judged) == {"verdict", "outcome", "missing", "sentence", "numbers", "rule", "criteria"}
        assert judged["outcome"] == "cannot be judged"
        assert judged["verdict"] == f"cannot be judged: {judged['missing']}"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_reference_that_contains_the_raters_is_called_so():
    scores = scores_of((validity.F1.form(comparison=AGAINST, reference="gt"), "anna", 0.6)).assign(contains_raters=True)
    sentence = summarise(scores, findings_of(anna="human"))["validity"]["sentence"]
    assert sentence == "Annotators reach an F1 of 0.60 (anna) against gt, which contains the raters."


def test_conclusions_are_counted():
    effects = effects_of(anna="higher", ben="higher", cleo="none", dora="not_testable")
    assert concordance(effects)["votes"].item() == {"higher": 2, "none": 1, "not_testable": 1}
    sentence = summarise(scores_of(), findings_of(effects, anna="human"))["validity"]["sentence"]
    assert "C against H: higher (2 annotators), no difference (1 annotator), not testable (1 annotator)." in sentence


def test_a_number_that_does_not_exist_is_null():
    scores = scores_of((objectivity.MEAN_IOU.form(), "between raters", np.nan))
    (number,) = summarise(scores, findings_of(anna="human"))["objectivity"]["numbers"]
    assert json.loads(json.dumps(number, allow_nan=False))["value"] is None


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((-0.25, -0.5, 0.001), "−0.25 (−0.50 to 0.00)"), ((-0.001, np.nan, 1), "0.00"), ((np.nan, 0, 1), "undefined")],
)
def test_intervals_for_people(numbers, text):
    assert format_interval(*numbers) == text
