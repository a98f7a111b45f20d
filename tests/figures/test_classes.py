"""Figures of classes: colours, and what is shown of an image."""

import numpy as np

from segassay.figures.classes import CLASS_COLOURS, class_colours, class_overview


def test_each_class_has_its_colour():
    colours = class_colours(["a", "b", "c"], {"c": CLASS_COLOURS[0]})
    assert colours == {"a": CLASS_COLOURS[1], "b": CLASS_COLOURS[2], "c": CLASS_COLOURS[0]}
    many = class_colours([str(number) for number in range(40)])
    assert len(set(many.values())) == 40


def test_a_figure_shows_what_was_marked_and_names_what_it_leaves_out():
    masks = np.zeros((2, 300, 400), bool)
    masks[0, 100:120, 200:230], masks[1, 105:110, 205:210] = True, True
    raters = {f"r{number}": masks for number in range(13)}
    figure = class_overview(np.zeros((1, 300, 400)), raters, masks, class_colours(["a", "b"]), title="7")
    titles = [axes.get_title(loc="left") for axes in figure.axes[:12]]
    assert titles == ["consensus", *(f"r{number}" for number in range(10)), "raters who differ"]
    assert "3 more raters are not shown" in str(figure.get_suptitle())
    width = figure.axes[0].get_xlim()[1]
    assert width < 60
    fill = np.asarray(figure.axes[0].get_images()[1].get_array())
    inner = fill[fill.shape[0] // 2 - 3, fill.shape[1] // 2 - 8]
    np.testing.assert_allclose(inner[:3], [86 / 255, 180 / 255, 233 / 255], atol=1e-6)  # the smaller class is on top
