"""Figures of much: their pixels, and the memory for them, stop growing with the images and annotators."""

import itertools

import numpy as np
import pandas as pd
import pytest

from segassay.figures import overlays
from segassay.figures.overlays import consensus_overview
from segassay.report.charts.tables import agreement_matrix


def matrix(n_annotators: int):
    names = [f"rater_{number:02d}" for number in range(n_annotators)]
    rows = [("1", one, other, 0.5, 0.5) for one, other in itertools.combinations(names, 2)]
    columns = ["case", "annotator_a", "annotator_b", "iou_threshold", "f1"]
    return agreement_matrix(pd.DataFrame(rows, columns=columns), names)


def test_the_figure_of_sixty_annotators_is_no_larger_than_that_of_thirty():
    thirty, sixty = matrix(30), matrix(60)
    assert list(sixty.get_size_inches()) == list(thirty.get_size_inches())
    assert max(sixty.get_size_inches()) < 20
    assert not sixty.axes[0].texts
    labels = sixty.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [f"rater_{number:02d}" for number in range(60)]
    assert labels[0].get_size() < thirty.axes[0].get_yticklabels()[0].get_size()
    assert len(matrix(12).axes[0].texts) == 12 * 11


def test_a_large_image_is_reduced_and_the_box_lies_where_raters_disagree(monkeypatch):
    monkeypatch.setattr(overlays, "_WHOLE_PX", 200)
    monkeypatch.setattr(overlays, "_ZOOM_PX", 30)
    image = np.zeros((1, 500, 900))
    anna, ben = np.zeros((2, 500, 900), dtype=bool)
    anna[20:60, 20:60] = ben[20:60, 20:60] = True
    ben[305:330, 710:740] = True
    figure = consensus_overview(image, {"anna": anna, "ben": ben}, anna, title="1")
    whole, zoomed = figure.axes[:2]
    assert whole.get_images()[0].get_array().shape == (100, 180)
    (box,) = whole.patches
    (x, y), wide, high = box.get_xy(), box.get_width(), box.get_height()
    assert x <= 710 / 5 < 740 / 5 <= x + wide + 1
    assert y <= 305 / 5 < 330 / 5 <= y + high + 1
    assert zoomed.get_images()[0].get_array().shape == pytest.approx((high * 5, wide * 5))
    votes = figure.axes[2].get_images()[0].get_array()
    assert (votes == 1).sum() == 25 * 30


def test_thin_lines_are_kept_and_sums_do_not_overflow():
    line = np.zeros((50, 70), dtype=bool)
    line[:, 33] = True
    assert overlays._blocks(np.logical_or, line, 4)[:, 8].all()
    assert overlays._blocks(np.add, np.full((50, 70), 200, np.uint8), 4).sum() == 50 * 70 * 200
