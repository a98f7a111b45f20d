"""Sections of the report: each measure in its place and in words, warnings beside the number."""

import math

import pandas as pd
import pytest

from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.report.charts.models import imprint_matrix, saturation_figure
from segassay.report.sections import MAX_ROWS, core_scores, in_words, sections


def scores_of(*rows: tuple[str, str, str], **columns: object) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["quality", "measure", "target"]).assign(value=0.5, low=0.4, high=0.6)
    table = table.assign(n_cases=20, n_undefined=0, note="", approximate=False, method="BCa").assign(**columns)
    return table.reindex(columns=list(SCORE_COLUMNS))


@pytest.mark.parametrize(
    ("quality", "measure", "title"),
    [
        ("objectivity", "imprint", "Does a model carry the hand of its rater?"),
        ("objectivity", "gwet_ac1_pixels", "Agreement of raters beyond chance"),
        ("objectivity", "icc_a1_count", "Do raters measure the same?"),
        ("objectivity", "limit_low_count", "Two raters side by side (Bland–Altman)"),
        ("reliability", "sd_f1", "How far does a result move with the seed?"),
        ("reliability", "phi_count", "Where the variance comes from, and how many raters and seeds are needed"),
        ("reliability", "disagreement_f1_2", "What more members bring"),
        ("reliability", "brier", "Do probabilities and uncertainties mean what they say?"),
        ("validity", "f1_leave_one_out_over_raters", "Models by the ceiling of people"),
        ("validity", "pq_leave_one_out", "Objects found, and how well they are drawn"),
        ("objectivity", "pq_leave_one_out", "Objects found, and how well they are drawn"),
        ("validity", "recall_30_60px_leave_one_out", "Are small objects missed?"),
        ("validity", "count_eta_squared_sd", "Would others have drawn the same conclusion?"),
        ("validity", "count_difference", "Are measurements equivalent?"),
    ],
)
def test_each_measure_has_one_place(quality, measure, title):
    (section,) = sections(scores_of((quality, measure, "anna")))
    assert section.title == title
    assert section.table.rows[0][1] == "anna"
    assert core_scores(scores_of((quality, measure, "anna"))).empty


def test_tables_of_their_own_hold_the_core():
    names = ["f1", "dice_leave_one_out", "f1_leave_one_out_minus_raters", "mean_iou_against_truth", "hd95_um_pairwise"]
    scores = scores_of(*(("validity", name, "anna") for name in [*names, "f1_minus_raters", "ap_leave_one_out"]))
    assert core_scores(scores)["measure"].to_list() == names


def test_who_is_judged_stands_first_and_nothing_is_lost_silently():
    scores = scores_of(*(("objectivity", "williams_index", f"m{i}") for i in range(MAX_ROWS + 5)))
    scores = pd.concat([scores, scores_of(("objectivity", "imprint", "all raters"))], ignore_index=True)
    (section,) = sections(scores, first=["m33"])
    assert [row[1] for row in section.table.rows[:3]] == ["all raters", "m33", "m0"]
    assert (len(section.table.rows), section.n_more) == (MAX_ROWS, 6)
    assert section.key == "imprint (all raters): 0.50 (0.40 to 0.60)"


def test_warnings_stand_beside_the_number():
    approximate = scores_of(("objectivity", "icc_a1_count", "all raters"), approximate=True, note="one rater")
    assert sections(approximate)[0].table.rows[0][-1] == "approximate interval; one rater"
    few = scores_of(("reliability", "sd_f1", "staple models"), approximate=True, method="not judged", low=math.nan)
    assert sections(few)[0].table.rows[0][-1] == "interval not judged: too few"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001824, "0.00182 (0.4 to 0.6)"), (-20718.3, "−20,718 (0.4 to 0.6)"), (0.5, "0.50 (0.40 to 0.60)")],
)
def test_small_and_large_numbers_stay_readable(value, text):
    (section,) = sections(scores_of(("objectivity", "difference_area", "a minus b"), value=value))
    assert section.table.rows[0][2] == text


def test_no_scores_no_sections():
    assert sections(pd.DataFrame(columns=list(SCORE_COLUMNS))) == []


def test_measures_are_words():
    assert in_words("krippendorff_alpha_count") == "Krippendorff’s α of count"
    assert in_words("f1_leave_one_out_minus_worst_rater").endswith("difference to the worst rater")


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
