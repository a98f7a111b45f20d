"""Measured objects: drawn by hand, and column by column against scikit-image."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops, regionprops_table

from drawing import draw
from segassay.masks.objects import label_objects
from segassay.masks.properties import object_properties, perimeters


def blobs(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return label_objects(noise > 0.5 * noise.std(), min_size=5)


def scene(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return blobs(shape) * 3, rng.integers(0, 2**16, (2, *shape)).astype(np.uint16), rng.random(shape)


DRAWN = np.array(
    [
        [5, 5, 0, 0, 0, 0],
        [5, 0, 0, 9, 9, 0],
        [0, 0, 0, 9, 9, 0],
        [0, 0, 0, 0, 0, 0],
    ]
)


def test_drawn_by_hand():
    image = np.arange(24).reshape(1, 4, 6)
    table = object_properties(DRAWN, image, np.where(DRAWN == 5, 0.9, 0.75), (0.5, 0.25)).set_index("label")
    assert table.index.tolist() == [5, 9]
    expected = {
        "area_px": (3, 4), "area_um2": (0.375, 0.5), "centroid_y": (1 / 3, 1.5), "centroid_x": (1 / 3, 3.5),
        "bbox_y_min": (0, 1), "bbox_y_max": (2, 3), "bbox_x_min": (0, 3), "bbox_x_max": (2, 5),
        "mean_intensity": (7 / 3, 12.5), "min_intensity": (0, 9), "max_intensity": (6, 16), "sum_intensity": (7, 50),
        "solidity": (3 / 3.5, 1), "confidence": (0.9, 0.75), "touches_border": (True, False),
    }  # fmt: skip
    for column, values in expected.items():
        assert table[column].tolist() == pytest.approx(list(values)), column
    assert table["eccentricity"][9] == pytest.approx(np.sqrt(0.75)), "2 × 2 pixels of 0.5 × 0.25 µm"


@pytest.mark.parametrize("shape", [(150, 170), (20, 50, 60)])
def test_every_column_is_that_of_scikit_image(shape):
    labels, image, prob = scene(shape)
    spacing = (2.0, 0.5, 0.5)[-len(shape) :]
    ours = object_properties(labels, image, prob, spacing)
    names = ["label", "num_pixels", "area", "centroid", "bbox", "intensity_mean", "intensity_min", "intensity_max"]
    channels = np.moveaxis(image, 0, -1).astype(float)
    theirs = regionprops_table(labels, channels, properties=names)
    physical = regionprops_table(labels, channels, properties=["area"], spacing=spacing)["area"]
    assert len(ours) >= 10
    axes = "zyx"[-len(shape) :]
    pairs = {"label": "label", "area_px": "num_pixels"}
    for number, axis in enumerate(axes):
        pairs |= {f"centroid_{axis}": f"centroid-{number}", f"bbox_{axis}_min": f"bbox-{number}"}
        pairs |= {f"bbox_{axis}_max": f"bbox-{number + len(axes)}"}
    for channel in (0, 1):
        pairs |= {f"{what}_intensity_{channel}": f"intensity_{what}-{channel}" for what in ("mean", "min", "max")}
    for mine, other in pairs.items():
        np.testing.assert_allclose(ours[mine], theirs[other], rtol=1e-12, err_msg=mine)
    np.testing.assert_allclose(ours["area_um2" if len(shape) == 2 else "volume_um3"], physical)
    for channel in (0, 1):
        total = ndimage.sum_labels(image[channel].astype(float), labels, ours["label"])
        np.testing.assert_allclose(ours[f"sum_intensity_{channel}"], total)
    np.testing.assert_allclose(ours["confidence"], ndimage.mean(prob, labels, ours["label"]))


def test_shape_is_that_of_scikit_image():
    labels, _, _ = scene((150, 170))
    ours = object_properties(labels)
    regions = regionprops(labels)
    eccentricity = [region.eccentricity for region in regions]
    np.testing.assert_allclose(ours["eccentricity"], eccentricity, atol=1e-6)
    crofton = [perimeter_crofton(np.pad(region.image, 1), directions=4) for region in regions]
    np.testing.assert_allclose(ours["perimeter_px"], crofton, rtol=1e-9)
    # theirs counts the pixels in the hull of the middles of pixel edges, which is smaller
    theirs = np.array([region.solidity for region in regions])
    assert (ours["solidity"] <= theirs + 1e-9).all()
    large = ours["area_px"] > 100
    np.testing.assert_allclose(ours["solidity"][large], theirs[large], atol=0.05)


def test_eccentricity_in_micrometres_is_that_of_scikit_image():
    labels, _, _ = scene((150, 170))
    theirs = []
    for region in regionprops(labels, spacing=(2.0, 0.5)):
        large, small = region.inertia_tensor_eigvals
        theirs.append(np.sqrt(1 - small / large))
    np.testing.assert_allclose(object_properties(labels, spacing_um=(2.0, 0.5))["eccentricity"], theirs, atol=1e-6)


@pytest.mark.parametrize("spacing", [(1, 1), (2, 1), (0.5, 2), (0.3, 0.1)])
def test_the_perimeter_of_an_ellipse_drawn_with_oblong_pixels(spacing):
    down, right = spacing
    radius = 40 * max(spacing)
    y, x = np.mgrid[-radius - 2 : radius + 2 : down, -radius - 2 : radius + 2 : right]
    disc = (y**2 + x**2 <= radius**2).astype(int)
    assert perimeters(disc, spacing) == pytest.approx(2 * np.pi * radius, rel=0.03)
    assert perimeters(disc * 0).shape == (0,)


def test_the_outline_of_a_hole_counts_and_so_does_the_edge_of_the_image():
    full, ring = np.ones((30, 30), int), np.ones((30, 30), int)
    ring[10:20, 10:20] = 0
    hole = (ring == 0).astype(int)
    assert perimeters(ring)[0] == pytest.approx(perimeters(full)[0] + perimeters(hole)[0])
    assert perimeters(full)[0] == pytest.approx(perimeters(np.pad(full, 5))[0])
    assert perimeters(np.array([[1, 2], [1, 2]])).tolist() == perimeters(np.array([[1, 0, 2], [1, 0, 2]])).tolist()


def test_what_is_not_known_is_empty_and_never_guessed():
    table = object_properties(DRAWN)
    assert table[["area_um2", "perimeter_um", "confidence"]].isna().all(axis=None)
    assert table[["area_px", "perimeter_px", "solidity"]].notna().all(axis=None)
    assert not any("intensity" in column for column in table)
    assert np.isnan(object_properties(np.array([[0, 1, 0]]))["eccentricity"][0])
    assert object_properties(DRAWN, np.where(DRAWN == 5, np.nan, 1.0)[None])["mean_intensity"].isna().tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6)])
def test_without_objects_all_columns_and_no_row(shape):
    empty = np.zeros(shape, int)
    given = {"image": np.zeros((2, *shape)), "prob": np.zeros(shape), "spacing_um": (1.0,) * len(shape)}
    table = object_properties(empty, **given)
    assert len(table) == 0
    one = empty.copy()
    one.flat[0] = 1
    assert table.dtypes.to_dict() == object_properties(one, **given).dtypes.to_dict()
    assert list(pd.concat([table, object_properties(one, **given)])) == list(table)


def test_axes_of_a_nifti_have_their_names():
    labels = np.zeros((4, 5, 6), int)
    labels[3, 0, 2] = 1
    table = object_properties(labels, axes="xyz")
    assert table[["centroid_x", "centroid_y", "centroid_z"]].iloc[0].tolist() == [3, 0, 2]
    assert "perimeter_px" not in table
    assert table["touches_border"].tolist() == [True]


def test_a_number_in_two_pieces_is_one_object():
    table = object_properties(draw("#..#").astype(int) * 4)
    assert table[["label", "area_px", "centroid_x"]].values.tolist() == [[4, 2, 1.5]]


def test_wrong_calls():
    with pytest.raises(TypeError, match="whole numbers"):
        object_properties(DRAWN > 0)
    with pytest.raises(ValueError, match="two or three axes"):
        object_properties(DRAWN[0])
    with pytest.raises(ValueError, match=r"\(C, 4, 6\)"):
        object_properties(DRAWN, DRAWN)
    with pytest.raises(ValueError, match="prob must have the shape"):
        object_properties(DRAWN, prob=np.zeros((6, 4)))
    with pytest.raises(ValueError, match="spacing_um must have one entry for each of 2 axes"):
        object_properties(DRAWN, spacing_um=(1, 1, 1))
    with pytest.raises(ValueError, match="axes must have"):
        object_properties(DRAWN, axes="xyz")
    with pytest.raises(ValueError, match="two axes"):
        perimeters(DRAWN[None])


@pytest.mark.parametrize(
    ("row", "column", "touches"), [(0, 2, 1), (3, 2, 1), (2, 0, 1), (2, 5, 1), (1, 1, 0), (2, 4, 0)]
)
def test_each_of_the_four_edges_is_a_border(row: int, column: int, touches: int):
    labels = np.zeros((4, 6), int)
    labels[row, column] = 1
    assert object_properties(labels)["touches_border"].tolist() == [touches]
