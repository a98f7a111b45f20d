"""Overlay of objects as a PNG: which pixels are marked, in which colour, of which plane, at which size."""

import imagecodecs
import numpy as np
import pytest

from segassay.figures.overlays import overlay_png

YELLOW = (240, 228, 66)


def shown(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    png = overlay_png(image, labels)
    assert png == overlay_png(image, labels)
    return imagecodecs.png_decode(png)


def is_line(picture: np.ndarray) -> np.ndarray:
    return (picture == YELLOW).all(axis=2)


def big_scene() -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((900, 1000), int)
    labels[100:200, 100:200], labels[100:200, 200:260] = 1, 2
    return np.random.default_rng(0).integers(0, 4000, (1, 900, 1000)).astype(np.uint16), labels


def test_the_outermost_pixels_of_each_object_are_marked():
    image, labels = big_scene()
    picture = shown(image, labels)
    assert picture.shape == (900, 1000, 3)
    line = is_line(picture)
    assert not line[labels == 0].any()
    for number in (1, 2):
        inside = np.zeros_like(line)
        rows, columns = np.nonzero(labels == number)
        inside[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()] = True
        np.testing.assert_array_equal(line[labels == number], ~inside[labels == number])
    dark = picture[99, 100:260].astype(float).mean(), picture[50, 100:260].astype(float).mean()
    assert dark[0] == pytest.approx(dark[1] / 2, rel=0.15), "a dark edge around the line"


def test_a_mask_is_drawn_as_well_as_labels():
    image, labels = big_scene()
    assert overlay_png(image, labels == 1) == overlay_png(image, (labels == 1).astype(np.int32) * 7)
    assert not is_line(shown(image, labels * 0)).any()


def test_brightness_runs_from_the_1st_to_the_998th_percentile():
    image = np.linspace(1000, 3000, 10**6).reshape(1, 1000, 1000)
    picture = shown(image, np.zeros((1000, 1000), int))
    assert (picture[..., 0] == picture[..., 1]).all()
    assert (picture[0, 0, 0], picture[-1, -1, 0]) == (0, 255)
    low, high = np.percentile(image, [1, 99.8])
    expected = np.clip((image[0] - low) / (high - low) * 255, 0, 255)
    assert np.abs(picture[..., 0] - expected).max() < 1
    assert len(np.unique(shown(image * 0 + 7, np.zeros((1000, 1000), int)))) == 1


@pytest.mark.parametrize(("n", "colours"), [(2, [(255, 0, 255), (0, 255, 0)]), (3, [(255, 0, 0), (0, 255, 0)])])
def test_channels_are_colours(n: int, colours: list[tuple[int, int, int]]):
    image = np.zeros((n, 1000, 1000))
    image[0, :500], image[1, 500:] = 1, 1
    image[2:, 700:] = 1
    picture = shown(image, np.zeros((1000, 1000), int))
    assert [tuple(picture[row, 0].tolist()) for row in (0, 600)] == colours
    more = np.concatenate([image, image])
    assert overlay_png(more[:4], np.zeros((1000, 1000), int)) == overlay_png(more[:3], np.zeros((1000, 1000), int))


def test_of_a_volume_the_plane_with_most_foreground():
    labels = np.zeros((4, 900, 800), int)
    labels[1, :3, :3], labels[2, 10:50, 10:50] = 1, 2
    image = np.zeros((1, 4, 900, 800))
    image[0, 2, 600:] = 5
    picture = shown(image, labels)
    assert picture.shape == (900, 800, 3)
    assert is_line(picture)[10, 10:50].all()
    assert not is_line(picture)[:3, :3].any()
    assert picture[700, 700, 0] == 255


def test_small_images_are_enlarged_and_large_ones_reduced():
    labels = np.zeros((40, 60), int)
    labels[10:20, 10:30] = 1
    picture = shown(labels[None] * 1.0, labels)
    assert picture.shape == (800, 1200, 3)
    assert is_line(picture)[200, 200:600].all()
    large = np.zeros((3, 9000), int)
    assert max(shown(large[None], large).shape) <= 4096
    assert shown(np.zeros((1, 1, 1)), np.ones((1, 1), int)).shape == (800, 800, 3)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="must have the shape"):
        overlay_png(np.zeros((1, 4, 5)), np.zeros((5, 4), int))


def test_an_image_with_holes_in_its_numbers_is_shown():
    image = np.linspace(0, 1, 10**6).reshape(1, 1000, 1000)
    image[0, :2, :2], image[0, 900, 900], image[0, 901, 900] = np.nan, np.inf, -np.inf
    picture = shown(image, np.zeros((1000, 1000), int))
    assert picture[0, 0, 0] == picture[900, 900, 0] == picture[901, 900, 0] == 0
    assert picture[500, 500, 0] == pytest.approx(127, abs=3)
    assert not shown(image * np.nan, np.zeros((1000, 1000), int)).any()


@pytest.mark.parametrize(("shape", "drawn"), [((1, 40), (102, 4080)), ((3, 5), (798, 1330)), ((1, 1999), (2, 3998))])
def test_a_tiny_or_narrow_image_is_no_huge_picture(shape: tuple[int, int], drawn: tuple[int, int]) -> None:
    labels = np.zeros(shape, int)
    labels[0, 1] = 1
    picture = imagecodecs.png_decode(overlay_png(labels[None] / 2, labels))
    assert picture.shape == (*drawn, 3)
    scale = drawn[0] // shape[0]
    assert picture[scale // 2, scale + min(scale // 2, 15) // 2].tolist() == [240, 228, 66]
