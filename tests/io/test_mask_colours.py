"""Colours of masks as programs and people leave them: objects on black, on white, on a transparent layer; pictures."""

import io
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from drawing import draw
from segassay.errors import DataError
from segassay.io.images import read_mask

MASK = draw("##...... ##...##. .....##. ........ #.......")
LABELS = np.where(MASK, 1 + np.arange(8) // 4 + (np.arange(5) == 4)[:, None] * 2, 0)
RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)
COLOURS = np.array([BLACK, (128, 0, 0), (0, 128, 0), (64, 0, 0)], np.uint8)


def painted(mask: np.ndarray, inside: tuple[int, ...], outside: tuple[int, ...]) -> np.ndarray:
    return np.where(mask[..., None], np.array(inside), np.array(outside)).astype(np.uint8)


def saved(path: Path, array: np.ndarray) -> Path:
    if path.suffix == ".png":
        Image.fromarray(array).save(path)
    else:
        extra = {"extrasamples": ["unassalpha"]} if array.shape[-1] == 4 else {}
        tifffile.imwrite(path, array, photometric="rgb", **extra)
    return path


def same_objects(found: np.ndarray, labels: np.ndarray) -> None:
    np.testing.assert_array_equal(found > 0, labels > 0)
    pairs = {*zip(found.ravel().tolist(), labels.ravel().tolist(), strict=True)}
    assert len(pairs) == len(np.unique(labels)) == len(np.unique(found))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("outside", [BLACK, WHITE])
@pytest.mark.parametrize("inside", [RED, (255, 255, 0), (0, 0, 200), (90, 0, 0)])
def test_one_colour_on_black_or_white(
    tmp_path: Path, suffix: str, inside: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    mask = read_mask(saved(tmp_path / f"a{suffix}", painted(MASK, inside, outside)))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK)


@pytest.mark.parametrize("white", [False, True])
def test_several_colours_on_black_or_white(tmp_path: Path, white: bool) -> None:
    picture = np.where(white & (LABELS == 0)[..., None], np.uint8(255), COLOURS[LABELS])
    same_objects(read_mask(saved(tmp_path / "a.png", picture)), LABELS)


def test_black_and_coloured_objects_on_white(tmp_path: Path) -> None:
    picture = np.where(
        (LABELS == 0)[..., None], np.uint8(255), (COLOURS * [[1], [0], [1], [1]]).astype(np.uint8)[LABELS]
    )
    same_objects(read_mask(saved(tmp_path / "a.png", picture)), LABELS)


def test_soft_edges_on_white_are_no_objects(tmp_path: Path) -> None:
    picture = painted(MASK, RED, WHITE)
    picture[3, 0], picture[3, 5] = (255, 200, 200), (255, 100, 100)
    mask = read_mask(saved(tmp_path / "a.png", picture))
    assert mask.dtype == bool
    assert np.argwhere(mask != MASK).tolist() == [[3, 5]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("under", [BLACK, WHITE, GREEN])
@pytest.mark.parametrize("inside", [RED, BLACK, WHITE])
def test_drawn_on_a_transparent_layer(
    tmp_path: Path, suffix: str, inside: tuple[int, ...], under: tuple[int, ...]
) -> None:
    picture = painted(MASK, (*inside, 255), (*under, 0))
    np.testing.assert_array_equal(read_mask(saved(tmp_path / f"a{suffix}", picture)), MASK)


@pytest.mark.parametrize("alpha", [0, 255])
def test_transparency_that_is_the_same_everywhere_says_nothing(tmp_path: Path, alpha: int) -> None:
    picture = painted(MASK, (*RED, alpha), (*BLACK, alpha))
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", picture)), MASK)


def test_grey_drawn_on_a_transparent_layer(tmp_path: Path) -> None:
    Image.fromarray(np.where(MASK[..., None], np.array([0, 255]), np.array([255, 0])).astype(np.uint8), "LA").save(
        tmp_path / "a.png"
    )
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), MASK)


@pytest.mark.parametrize("colours", [(RED, GREEN), (WHITE, RED), (RED, WHITE), ((200, 200, 200), WHITE)])
def test_two_bright_colours_of_a_palette(tmp_path: Path, colours: tuple[tuple[int, ...], ...]) -> None:
    """As Trainable Weka Segmentation saves two classes: the second one, but never a white background."""
    table = np.zeros((3, 256), np.uint16)
    table[:, :2] = np.array(colours).T * 257
    tifffile.imwrite(tmp_path / "a.tif", MASK.astype(np.uint8), photometric="palette", colormap=table)
    expected = ~MASK if colours == (RED, WHITE) else MASK
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), expected)


def test_two_bright_colours_without_numbers_are_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither a black nor a white background, but the colour \(0, 255, 0\)"):
        read_mask(saved(tmp_path / "a.png", painted(MASK, RED, GREEN)))


def test_pictures_are_no_masks(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(1, 200, (32, 32)).astype(np.uint8)
    outlined = np.dstack([grey] * 3)
    outlined[4:9, 5] = (255, 255, 0)
    file = io.BytesIO()
    Image.fromarray(COLOURS[np.kron(LABELS, np.ones((7, 7), int))]).save(file, "JPEG", quality=75)
    photograph = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    for number, picture in enumerate([outlined, np.array(Image.open(file)), photograph]):
        with pytest.raises(DataError, match=r"is a picture of \d+ colours|neither a black nor a white"):
            read_mask(saved(tmp_path / f"{number}.png", picture))


def test_white_on_black_in_colour_after_jpeg_is_a_mask(tmp_path: Path) -> None:
    large = np.kron(MASK, np.ones((16, 16), bool))
    file = io.BytesIO()
    Image.fromarray(painted(large, WHITE, BLACK)).save(file, "JPEG", quality=75)
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", np.array(Image.open(file)))), large)


@pytest.mark.parametrize("n_channels", [2, 3, 4])
def test_channels_that_are_no_colours_are_refused_unless_they_are_equal(tmp_path: Path, n_channels: int) -> None:
    """An image beside its mask, probabilities of ilastik, one channel for each class or segment."""
    grey = np.random.default_rng(0).integers(1, 200, MASK.shape).astype(np.uint8)
    mask = (MASK * 255).astype(np.uint8)
    channels = np.stack([grey, *[mask] * (n_channels - 1)])
    for name, array in (("b", channels), ("c", np.stack([~MASK, *[MASK] * (n_channels - 1)]))):
        tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack", metadata={"axes": "CYX"})
        with pytest.raises(DataError, match=f"has {n_channels} channels that differ and are no colours"):
            read_mask(tmp_path / f"{name}.tif")
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(channels, 0, -1)[:, :, None], np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match="save the channel of the mask alone"):
        read_mask(tmp_path / "a.nii")
    tifffile.imwrite(
        tmp_path / "d.tif", np.stack([mask] * n_channels), photometric="minisblack", metadata={"axes": "CYX"}
    )
    np.testing.assert_array_equal(read_mask(tmp_path / "d.tif"), MASK)


def test_the_inverting_colour_table_of_imagej_changes_no_number(tmp_path: Path) -> None:
    """Convert to Mask without black background: objects are 255 and shown black; other programs mean white is 0."""
    mask = (MASK * 255).astype(np.uint8)
    for description, expected in (("ImageJ=1.54f\n", MASK), ("GIMP", ~MASK)):
        tifffile.imwrite(tmp_path / "a.tif", mask, photometric="miniswhite", description=description, metadata=None)
        np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), expected)


def test_the_border_of_pascal_voc_belongs_to_no_object(tmp_path: Path) -> None:
    image = Image.fromarray(np.where(LABELS == 1, 255, LABELS).astype(np.uint8), "P")
    palette = np.random.default_rng(0).integers(1, 200, (256, 3))
    palette[0] = 0
    for last, expected in (((224, 224, 192), np.where(LABELS == 1, 0, LABELS)), ((9, 9, 200), LABELS)):
        palette[255] = last
        image.putpalette(palette.ravel().tolist())
        image.save(tmp_path / "a.png")
        same_objects(read_mask(tmp_path / "a.png"), expected)
