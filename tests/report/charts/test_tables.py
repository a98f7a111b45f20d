"""Overlays: outlines where the masks are, whatever the image."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from drawing import draw, fits
from segassay.figures.overlays import overlay
from segassay.figures.style import encode_figure
from segassay.report.charts.tables import agreement_matrix, effects_by_annotator, f1_over_threshold, rater_habits

MASK = draw("............ ..######.... ..######.... ..######.... ............ ............ ............ ............")


def pixels(figure: Figure) -> np.ndarray:
    """What is seen, `(height, width, 3)`."""
    file = io.BytesIO()
    figure.savefig(file)
    return np.asarray(Image.open(file).convert("RGB"))


def outline(figure: Figure, number: int = 0) -> np.ndarray:
    """Vertices (x, y) of one outline."""
    return np.concatenate([path.vertices for path in figure.axes[0].collections[number].get_paths()])


def test_outlines_run_around_the_mask_and_are_not_transposed():
    x, y = outline(overlay(np.zeros((1, *MASK.shape)), {"expert_1": MASK})).T
    assert (x.min(), x.max(), y.min(), y.max()) == (1.5, 7.5, 0.5, 3.5)


def test_the_image_is_shown_with_its_rows_from_the_top():
    figure = overlay(MASK[None].astype(np.uint8) * 200, {})
    shown = figure.axes[0].images[0]
    np.testing.assert_array_equal(np.asarray(shown.get_array()), MASK)
    assert figure.axes[0].get_ylim() == (7.5, -0.5)


def test_an_outline_closes_at_the_border():
    x, y = outline(overlay(np.zeros((1, 4, 6)), {"everything": np.ones((4, 6), bool)})).T
    assert (x.min(), x.max(), y.min(), y.max()) == (-0.5, 5.5, -0.5, 3.5)


def test_everybody_stands_in_the_legend_with_a_colour_of_their_own_even_without_an_object():
    masks = {"expert_1": MASK, "expert_2": np.zeros_like(MASK), "prediction": ~MASK}
    figure = overlay(np.zeros((1, *MASK.shape)), masks, title="0144")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(masks)
    colours = [line.get_color() for line in legend.get_lines()]
    assert len(set(colours)) == 3
    assert len(figure.axes[0].collections) == 2
    drawn = [collection.get_edgecolor()[0] for collection in figure.axes[0].collections]
    for colour, expected in zip(drawn, [colours[0], colours[2]], strict=True):
        assert "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3]) == expected


def test_more_annotators_than_colours_are_all_drawn():
    figure = overlay(np.zeros((1, *MASK.shape)), {f"expert_{number}": MASK for number in range(9)})
    assert len(figure.axes[0].collections) == 9
    pixels(figure)


@pytest.mark.parametrize("image", [np.zeros((1, 8, 12)), np.full((1, 8, 12), 7, np.uint16)], ids=["black", "grey"])
def test_a_constant_image_without_masks_is_drawn(image):
    assert pixels(overlay(image, {})).std() > 0


@pytest.mark.parametrize("across", [0, 1, 2])
def test_a_volume_is_shown_in_the_middle_plane_across_its_shortest_axis(across):
    masks = np.zeros((5, *MASK.shape), bool)
    masks[2] = MASK
    masks = np.moveaxis(masks, 0, across)
    figure = overlay(masks[None].astype(float), {"expert_1": masks})
    np.testing.assert_array_equal(np.asarray(figure.axes[0].images[0].get_array()), MASK)
    assert outline(figure)[:, 0].max() == 7.5


@pytest.mark.parametrize("n_channels", [2, 3, 4])
def test_channels_become_colours(n_channels):
    image = np.zeros((n_channels, *MASK.shape), np.uint8)
    image[0][MASK] = 255
    shown = np.asarray(overlay(image, {"expert_1": MASK}).axes[0].images[0].get_array())
    assert shown.shape == (*MASK.shape, 3)
    np.testing.assert_array_equal(shown[MASK], [[1, 0, 0]] * MASK.sum())
    assert not shown[~MASK].any()


def test_a_hot_pixel_does_not_dim_the_image():
    image = np.random.default_rng(0).random((1, 60, 60))
    image[0, 3, 3] = 1e6
    assert np.median(np.asarray(overlay(image, {}).axes[0].images[0].get_array())) == pytest.approx(0.5, abs=0.05)


def test_the_picture_is_at_least_as_sharp_as_the_image():
    assert pixels(overlay(np.zeros((1, 100, 1344)), {})).shape[1] >= 1344


def agreement_of(**f1: float) -> pd.DataFrame:
    """Pairs such as `a_b` with their F1 at .5, half of it at .55, in the cases 1 and 2."""
    rows = [
        (case, *pair.split("_"), threshold, value if threshold == 0.5 else value / 2)
        for case in ("1", "2")
        for pair, value in f1.items()
        for threshold in (0.5, 0.55)
    ]
    return pd.DataFrame(rows, columns=["case", "annotator_a", "annotator_b", "iou_threshold", "f1"])


def effects_of(*rows: tuple[str, str, str, float, str]) -> pd.DataFrame:
    """Rows of annotator, group_1, group_2, shift and verdict; the interval is the shift ± 1."""
    table = pd.DataFrame(rows, columns=["annotator", "group_1", "group_2", "hl_shift", "verdict"])
    table = table.assign(measure="count", region="", unit="case", test="mann_whitney")
    return table.assign(hl_low=table["hl_shift"] - 1, hl_high=table["hl_shift"] + 1)


def test_each_cell_of_the_matrix_is_the_mean_of_its_pair_on_both_sides():
    figure = agreement_matrix(agreement_of(a_b=0.5, a_c=0.25), ["a", "b", "c"])
    shown = np.ma.filled(figure.axes[0].collections[0].get_array().astype(float), np.nan).reshape(3, 3)
    np.testing.assert_array_equal(shown, [[np.nan, 0.5, 0.25], [0.5, np.nan, np.nan], [0.25, np.nan, np.nan]])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.50", "0.25", "0.50", "0.25"]


def test_fifteen_annotators_with_long_names_fit():
    names = [f"consensus-of-all-raters/seed-{i}" for i in range(15)]
    pairs = {f"{one}_{other}": 0.5 for one in names for other in names if one < other}
    assert fits(agreement_matrix(agreement_of(**pairs), names))


def test_the_habit_of_a_rater_is_a_row_with_intervals():
    rates = ["sensitivity", "specificity", "sensitivity_leave_one_out", "specificity_leave_one_out"]
    raters = pd.DataFrame({"rater": ["anna", "ben"], "log_count_ratio": [0.5, -0.5], "log_area_ratio": [0.1, -0.1]})
    raters = raters.assign(**dict.fromkeys(rates, 0.9))
    scores = pd.DataFrame(
        {"measure": "log_count_ratio", "target": ["ben", "anna"], "low": [-0.7, 0.2], "high": [0.0, 0.8]}
    )
    figure = rater_habits(raters, scores)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["anna", "ben"]
    assert axes.lines[-1].get_xdata().tolist() == [0.5, -0.5]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [[0.2, 0.8], [-0.7, 0.0]]
    assert "consensus of the others" in figure.axes[2].get_xlabel()
    assert fits(figure)
    alone = rater_habits(raters.assign(sensitivity_leave_one_out=np.nan, specificity_leave_one_out=np.nan), scores)
    assert "consensus of all raters" in alone.axes[2].get_xlabel()


def test_effects_have_a_panel_for_each_pair_of_groups_and_mark_what_is_not_testable():
    table = effects_of(
        ("anna", "H", "C", 2.0, "higher"), ("ben", "H", "C", 1.0, "not_testable"),
        ("anna", "H", "D", 0.1, "none"), ("ben", "H", "D", np.nan, "not_testable"),
    )  # fmt: skip
    figure = effects_by_annotator(table, "count")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["C − H", "D − H"]
    first, second = figure.axes
    points = first.collections[-1]
    assert points.get_offsets().tolist() == [[2.0, 0.0], [1.0, 1.0]]
    assert points.get_facecolors()[1].tolist() == [1, 1, 1, 1]
    assert points.get_facecolors()[0].tolist() != [1, 1, 1, 1]
    assert [text.get_text() for text in second.texts] == ["no value"]
    assert fits(figure)


def test_effects_of_a_measure_that_was_not_tested_are_refused():
    with pytest.raises(ValueError, match="no pair of groups for the measure 'density'"):
        effects_by_annotator(effects_of(("anna", "H", "C", 2.0, "higher")), "density")


def test_curves_are_means_over_raters_and_without_others_agreement_with_raters():
    kinds = {"gt": "consensus", "a": "human", "b": "human", "m": "model"}
    nobody = pd.DataFrame(columns=["case", "rater", "annotator", "iou_threshold", "f1"])
    pairs = agreement_of(gt_a=0.9, a_b=0.4, a_m=0.6, b_m=0.8)
    figure = f1_over_threshold(pairs, nobody, kinds)
    lines = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert lines == {"a": [0.4, 0.2], "b": [0.4, 0.2], "m": pytest.approx([0.7, 0.35])}
    assert "each of the other raters" in figure.axes[0].get_ylabel()
    left_out = agreement_of(a_a=0.5, b_b=0.3, a_m=0.2, b_m=0.4).set_axis(
        ["case", "rater", "annotator", "iou_threshold", "f1"], axis=1
    )
    figure = f1_over_threshold(pairs, left_out, kinds)
    lines = {line.get_label(): line.get_ydata().tolist() for line in figure.axes[0].lines}
    assert lines == {"a": [0.5, 0.25], "b": [0.3, 0.15], "m": pytest.approx([0.3, 0.15])}
    assert fits(figure)


def test_the_same_figure_has_the_same_bytes():
    for kind in ("svg", "png"):
        one, two = (encode_figure(agreement_matrix(agreement_of(a_b=0.5), ["a", "b"]), kind) for _ in range(2))
        assert one == two
    assert b"<dc:date>" not in encode_figure(agreement_matrix(agreement_of(a_b=0.5), ["a", "b"]), "svg")
