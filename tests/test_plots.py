"""Overlays: outlines where the masks are, whatever the image."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from drawing import draw
from segassay.plots import overlay

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


def test_a_volume_is_shown_in_its_middle_plane():
    volume = np.zeros((1, 5, *MASK.shape))
    volume[0, 2] = MASK
    masks = np.zeros((5, *MASK.shape), bool)
    masks[2] = MASK
    figure = overlay(volume, {"expert_1": masks})
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
