"""Sentences and verdicts: what is missing is named, and the numbers in a sentence are those of the table."""

import json

import numpy as np
import pandas as pd
import pytest

from segassay.annotations import ANNOTATION_COLUMNS
from segassay.experiment import EFFECT_COLUMNS
from segassay.scores import SCORE_COLUMNS
from segassay.summary import concordance, format_interval, summarise

NO_EFFECTS = pd.DataFrame(columns=list(EFFECT_COLUMNS))


def scores_of(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Rows of quality, measure, target and value; intervals are ± .1, of 9 images."""
    table = pd.DataFrame(rows, columns=["quality", "measure", "target", "value"])
    table = table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1, n_cases=9, n_undefined=0, note="")
    return table.reindex(columns=list(SCORE_COLUMNS))


def annotations_of(**kinds: str) -> pd.DataFrame:
    rows = [{"annotator": name, "kind": kind, "trained_on": name.split("_")[0]} for name, kind in kinds.items()]
    return pd.DataFrame(rows, columns=list(ANNOTATION_COLUMNS))


def effects_of(**verdicts: str) -> pd.DataFrame:
    rows = [{"annotator": name, "verdict": verdict} for name, verdict in verdicts.items()]
    fixed = {"measure": "count", "region": "", "unit": "case", "test": "mann_whitney", "group_1": "H", "group_2": "C"}
    return pd.DataFrame(rows).assign(**fixed).reindex(columns=list(EFFECT_COLUMNS))


def test_raters_alone():
    scores = scores_of(
        ("objectivity", "f1", "between raters", 0.5),
        ("objectivity", "f1_leave_one_out", "all raters", 0.99),
        ("objectivity", "f1_leave_one_out", "anna", 0.7),
        ("objectivity", "f1_leave_one_out", "ben", 0.6),
    )
    summary = summarise(scores, NO_EFFECTS, annotations_of(anna="human", ben="human"))
    assert summary["objectivity"]["sentence"] == (
        "Two raters agree on objects with a mean F1 of 0.50 (0.40 to 0.60) over 9 images; against the consensus of the "
        "others, single raters reach 0.60 (ben) to 0.70 (anna)."
    )
    verdicts = {quality: judged["verdict"] for quality, judged in summary.items()}
    assert verdicts == {
        "objectivity": "cannot be judged: no models trained on single raters",
        "reliability": "cannot be judged: no models that differ by nothing but the seed",
        "validity": "cannot be judged: no model or ensemble among the annotators",
    }
    assert len(summary["objectivity"]["numbers"]) == 4


def test_what_is_missing_depends_on_what_is_there():
    annotations = annotations_of(anna="human", ben="human", anna_1="model", ben_1="model")
    scores = scores_of(("reliability", "f1", "anna ensembles", 0.9), ("validity", "f1_leave_one_out", "anna_1", 0.5))
    summary = summarise(scores, effects_of(anna="higher"), annotations)
    assert all("no rule for this verdict" in judged["verdict"] for judged in summary.values())
    without_experiment = summarise(scores, NO_EFFECTS, annotations)
    assert without_experiment["validity"]["verdict"] == "cannot be judged: no experiment with a control group"
    members = summarise(scores.replace("anna ensembles", "anna models"), NO_EFFECTS, annotations)
    assert members["reliability"]["verdict"] == "cannot be judged: no ensembles without a common member"


def test_models_stand_beside_the_human_range_and_a_truth_is_no_model():
    scores = scores_of(("validity", "f1_leave_one_out", "m", 0.5), ("validity", "f1_leave_one_out", "truth", 0.9))
    scores = scores.assign(human_low=0.4, human_high=0.6)
    sentence = summarise(scores, NO_EFFECTS, annotations_of(m="model", truth="truth"))["validity"]["sentence"]
    assert sentence == (
        "Against the consensus of the other raters, 0.50 (m) is the F1 of models, where the raters themselves reach "
        "0.40 to 0.60."
    )


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
