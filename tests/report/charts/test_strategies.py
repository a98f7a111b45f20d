"""Figures of strategies side by side and of what was spent."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from segassay.figures.style import encode_figure
from segassay.judgement.measures import build_scores
from segassay.judgement.strategies import (
    annotator_points,
    spending_groups,
    strategy_table,
)
from segassay.qualities.scores.groups import strategy_groups
from segassay.qualities.scores.table import Findings
from segassay.report.charts.strategies import spending_figure, strategies_figure
from segassay.simulation.study_tables import simulate_tables
from strategy_findings import (
    STUDY,
    by_name,
    spent,
)


@pytest.fixture(scope="module")
def simulated() -> Findings:
    return dataclasses.replace(simulate_tables(STUDY).findings())


@pytest.fixture(scope="module")
def table(simulated: Findings) -> pd.DataFrame:
    return strategy_table(simulated)


@pytest.fixture(scope="module")
def points(simulated: Findings) -> pd.DataFrame:
    scores = build_scores(simulated.tables, simulated.annotations, simulated.clusters)
    return annotator_points(strategy_groups(simulated.annotations), scores, simulated.effects)


def drawn(figure) -> None:
    """Drawn without complaint: nothing collapses, nothing is without a letter."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode_figure(figure, "png").startswith(b"\x89PNG")


def test_the_figure_has_a_row_per_group_and_a_panel_per_question(table, points):
    figure = strategies_figure(table, points)
    drawn(figure)
    assert [axes.get_xlabel().split("\n")[0] for axes in figure.axes] == [
        "F1 against",
        "F1 of two annotators",
        "η² of count",
        "η² of mean intensity",
    ]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[0]) == (5, "raters\N{NO-BREAK SPACE}(4)")
    band = figure.axes[0].patches[0].get_extents().width
    assert band > 0


def test_a_panel_without_values_is_left_out_and_one_annotator_is_no_dot_beside_its_mean(table, points):
    rows = table[table["group"].eq("expert models") & table["measure"].eq("f1_leave_one_out")]
    for own, n_lines in ((points, 3), (points.drop_duplicates(["group", "measure"]), 2)):
        figure = strategies_figure(rows, own)
        drawn(figure)
        (axes,) = figure.axes
        assert len(axes.lines) == n_lines


def test_many_groups_with_long_names_and_one_group_only(table, points):
    one = table[table["group"].isin(["raters", "expert models"]) & table["contrast"].eq("")]
    figure = strategies_figure(one, points)
    drawn(figure)
    assert len(figure.axes) == 2
    drawn(strategies_figure(one[one["group"] == "expert models"], points))
    long = [
        one[one["group"] == "expert models"].replace(
            {"expert models": f"{number} raters times twelve images, drawn anew, models"}
        )
        for number in range(12)
    ]
    figure = strategies_figure(pd.concat(long), points)
    drawn(figure)
    assert max(len(line) for text in figure.axes[0].get_yticklabels() for line in text.get_text().split("\n")) <= 30


def test_spending_is_drawn_in_the_order_of_raters(simulated, points):
    table = strategy_table(dataclasses.replace(simulated, annotations=spent(simulated.annotations)))
    names = spending_groups(table)
    figure = spending_figure(table, points, names[:2])
    drawn(figure)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1 × 24", "4 × 6"]
    assert figure.get_supxlabel() == "raters × images (24 masks)"
    means = by_name(table).loc[[(name, "f1_leave_one_out") for name in names[:2]], "value"]
    joined = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(joined, means)
    figure = spending_figure(table, points, names)
    drawn(figure)
    labels = [text.get_text().replace("\n", " ") for text in figure.axes[0].get_xticklabels()]
    assert labels == ["1 × 24", "4 × 6 consensus:staple", "4 × 6 consensus:staple without one rater"]
