"""The summary: numbers of the tables beside verdicts and sentences, fit for JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.judgement.summary import QUALITIES, concordance, format_interval, summarise
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.tables.effects import EFFECT_COLUMNS

NO_EFFECTS = pd.DataFrame(columns=list(EFFECT_COLUMNS))


def scores_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Rows of quality, measure, target and value; intervals are ± .1, of 9 images."""
    table = pd.DataFrame(rows, columns=["quality", "measure", "target", "value"])
    table = table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1, n_cases=9, n_undefined=0, note="")
    return table.reindex(columns=list(SCORE_COLUMNS))


def annotations_of(**kinds: str) -> pd.DataFrame:
    rows = [{"annotator": name, "kind": kind, "trained_on": "", "strategy": ""} for name, kind in kinds.items()]
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


def effects_of(**verdicts: str) -> pd.DataFrame:
    rows = [{"annotator": name, "verdict": verdict} for name, verdict in verdicts.items()]
    fixed = {"measure": "count", "region": "", "unit": "case", "test": "mann_whitney", "group_1": "H", "group_2": "C"}
    return pd.DataFrame(rows).assign(**fixed).reindex(columns=list(EFFECT_COLUMNS))


def test_every_quality_has_its_verdict_sentence_rule_and_numbers():
    scores = scores_of(
        ("objectivity", "f1", "between raters", 0.5),
        ("objectivity", "f1_leave_one_out", "anna", 0.7),
        ("validity", "f1_against_truth", "anna", 0.6),
    )
    summary = summarise(scores, NO_EFFECTS, annotations_of(anna="human", ben="human"))
    assert tuple(summary) == QUALITIES
    assert {quality: len(judged["numbers"]) for quality, judged in summary.items()} == {
        "objectivity": 2,
        "reliability": 0,
        "validity": 1,
    }
    for judged in summary.values():
        assert set(judged) == {"verdict", "sentence", "numbers", "rule", "criteria"}
        assert judged["verdict"].startswith("cannot be judged: ")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_conclusions_are_counted():
    effects = effects_of(anna="higher", ben="higher", cleo="none", dora="not_testable")
    assert concordance(effects)["votes"].item() == {"higher": 2, "none": 1, "not_testable": 1}
    sentence = summarise(scores_of(), effects, annotations_of(anna="human"))["validity"]["sentence"]
    assert "C against H: higher with 2, no difference with 1, not testable with 1." in sentence


def test_a_number_that_does_not_exist_is_null():
    scores = scores_of(("objectivity", "mean_iou", "between raters", np.nan))
    (number,) = summarise(scores, NO_EFFECTS, annotations_of(anna="human"))["objectivity"]["numbers"]
    assert json.loads(json.dumps(number, allow_nan=False))["value"] is None


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((-0.25, -0.5, 0.001), "−0.25 (−0.50 to 0.00)"), ((-0.001, np.nan, 1), "0.00"), ((np.nan, 0, 1), "undefined")],
)
def test_intervals_for_people(numbers, text):
    assert format_interval(*numbers) == text
