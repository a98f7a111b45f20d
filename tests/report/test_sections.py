"""Sections of the report: each measure in its place and in words, warnings beside the number."""

import math

import pandas as pd
import pytest

from scored import scored
from segassay.qualities.objectivity import records as objectivity
from segassay.qualities.reliability import records as reliability
from segassay.qualities.scores.measure import AGAINST, LEAVE_ONE_OUT, PAIRWISE, Form
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.qualities.validity import records as validity
from segassay.report.charts.models import imprint_matrix, saturation_figure
from segassay.report.sections import MAX_ROWS, core_scores, sections


@pytest.mark.parametrize(
    ("form", "title"),
    [
        (objectivity.IMPRINT.form(), "Does a model imitate the rater it was trained on?"),
        (objectivity.GWET_AC1.form("pixels"), "Agreement of raters beyond chance"),
        (objectivity.ICC_A1.form("count"), "Do raters measure the same?"),
        (objectivity.LIMIT_LOW.form("count"), "Two raters side by side (Bland–Altman)"),
        (reliability.SD.form("f1"), "How much does a result change with the seed?"),
        (
            reliability.PHI.form("count"),
            "Where does the variance come from, and how many raters and seeds are needed?",
        ),
        (reliability.DISAGREEMENT.form("f1"), "Do more members help?"),
        (reliability.BRIER.form(), "Do probabilities and uncertainties mean what they say?"),
        (validity.OVER_RATERS.form("f1", LEAVE_ONE_OUT), "Models compared with the worst and the best rater"),
        (validity.PQ.form(comparison=LEAVE_ONE_OUT), "Are objects found, and how well are they drawn?"),
        (
            validity.PQ.form(comparison=LEAVE_ONE_OUT, quality="objectivity"),
            "Are objects found, and how well are they drawn?",
        ),
        (validity.RECALL.form(comparison=LEAVE_ONE_OUT, variant="30_60px"), "Are small objects missed?"),
        (validity.ETA_SQUARED_SD.form("count"), "Would other annotators lead to the same conclusion?"),
        (validity.DIFFERENCE.form("count"), "Are measurements equivalent?"),
    ],
    ids=lambda part: f"{part.quality}/{part.name}" if isinstance(part, Form) else "",
)
def test_each_measure_has_one_place(form, title):
    (section,) = sections(scored((form, "anna")))
    assert section.heading.title == title
    assert section.table.rows[0][1] == "anna"
    assert core_scores(scored((form, "anna"))).empty


def test_tables_of_their_own_hold_the_core():
    core = [
        objectivity.F1.form(),
        validity.DICE.form(comparison=LEAVE_ONE_OUT),
        validity.MINUS_RATERS.form("f1", LEAVE_ONE_OUT),
        validity.MEAN_IOU.form(comparison=AGAINST, reference="truth"),
        validity.HD95.form(comparison=PAIRWISE, variant="um"),
    ]
    others = [reliability.MINUS_RATERS.form("f1"), validity.AP.form(comparison=LEAVE_ONE_OUT)]
    scores = scored(*((form, "anna") for form in [*core, *others]))
    assert core_scores(scores)["measure"].to_list() == [form.name for form in core]


def test_sections_leave_to_the_table_what_readers_would_misread():
    """Objects against a reference that contains the raters, and quantities that nobody asks for first."""
    contained = (validity.AP.form(comparison=AGAINST, reference="gt"), "anna")
    assert len(sections(scored(contained))) == 1
    assert sections(scored(contained, contains_raters=True)) == []
    assert sections(scored((validity.OVER_RATERS.form("iou", LEAVE_ONE_OUT), "anna"))) == []


def test_who_is_judged_stands_first_and_nothing_is_lost_silently():
    scores = scored(*((objectivity.WILLIAMS_INDEX.form(), f"m{i}") for i in range(MAX_ROWS + 5)))
    scores = pd.concat([scores, scored((objectivity.IMPRINT.form(), "all raters"))], ignore_index=True)
    (section,) = sections(scores, first=["m33"])
    assert [row[1] for row in section.table.rows[:3]] == ["all raters", "m33", "m0"]
    assert (len(section.table.rows), section.n_more) == (MAX_ROWS, 6)
    assert section.key == "Imprint of the rater that a model was trained on (all raters): 0.50 (0.40 to 0.60)"


def test_warnings_stand_beside_the_number():
    approximate = scored((objectivity.ICC_A1.form("count"), "all raters"), approximate=True, note="one rater")
    assert sections(approximate)[0].table.rows[0][-1] == "approximate interval; one rater"
    few = scored((reliability.SD.form("f1"), "staple models"), approximate=True, method="not judged", low=math.nan)
    assert sections(few)[0].table.rows[0][-1] == "interval not judged: too few"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001824, "0.00182 (0.4 to 0.6)"), (-20718.3, "−20,718 (0.4 to 0.6)"), (0.5, "0.50 (0.40 to 0.60)")],
)
def test_small_and_large_numbers_stay_readable(value, text):
    (section,) = sections(scored((objectivity.DIFFERENCE.form("area"), "a minus b"), value=value))
    assert section.table.rows[0][2] == text


def test_no_scores_no_sections():
    assert sections(pd.DataFrame(columns=list(SCORE_COLUMNS))) == []


def test_a_p_value_is_shown_as_one():
    scores = scored((objectivity.BIAS_TEST.form("count"), "anna"), value=0.00001)
    assert sections(scores)[0].table.rows[0][2] == "p < .0001"


def test_own_raters_are_framed():
    table = pd.DataFrame([[0.8, 0.5], [0.5, 0.7], [0.6, math.nan]], ["anna", "ben", "staple"], ["anna", "ben"])
    axes = imprint_matrix(table).axes[0]
    assert len(axes.patches) == 2
    assert sorted(text.get_text() for text in axes.texts) == ["0.50", "0.50", "0.60", "0.70", "0.80"]


def test_saturation_shows_every_training():
    curve = pd.DataFrame(
        {"trained_on": ["a", "a", "b", "b"], "n_members": [1, 2, 1, 2], "agreement": 0.5, "fitted": 0.5}
    )
    axes = saturation_figure(curve).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
