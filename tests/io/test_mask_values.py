"""Masks as tools save them: what they hold, never merged, lost or invented objects."""

import io
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from drawing import draw
from label_scenes import draw_labels
from segassay.data.classes import ClassMap, read_classes, read_foreground
from segassay.errors import DataError
from segassay.io.images import image_shape, read_image, read_mask

MASK = draw("######.. #....... ........ ........ .......#")
LABELS = (MASK * np.array([[1, 1, 2, 2, 3, 3, 4, 8]])).astype(np.uint8)


def voc_colours(n: int = 256) -> np.ndarray:
    """The colours of PASCAL VOC, which CVAT, labelme and others write: the bits of each number, spread."""
    bits = (np.arange(n)[:, None] >> np.arange(8)) & 1
    places = np.array([7, 7, 7, 6, 6, 6, 5, 5])
    return np.stack([(bits[:, channel::3] << places[channel::3]).sum(axis=1) for channel in range(3)], 1).astype(
        np.uint8
    )


def test_colours_of_voc_are_known() -> None:
    assert voc_colours()[[0, 1, 2, 3, 8, 15]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [64, 0, 0],
        [192, 128, 128],
    ]


@pytest.mark.parametrize("kind", ["palette.tif", "palette.png", "rgb.png", "rgb.tif"])
def test_instances_in_colours_are_kept_apart_also_dark_ones(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    colours = voc_colours()
    if kind == "palette.tif":
        table = (colours.astype(np.uint16) * 257).T
        tifffile.imwrite(path, LABELS, photometric="palette", colormap=table)
    elif kind == "palette.png":
        image = Image.fromarray(LABELS, "P")
        image.putpalette(colours.ravel().tolist())
        image.save(path)
    else:
        Image.fromarray(colours[LABELS]).save(path)
    mask = read_mask(path)
    assert mask.dtype == np.int32
    assert len({*zip(mask.ravel().tolist(), LABELS.ravel().tolist(), strict=True)}) == len(np.unique(LABELS))
    np.testing.assert_array_equal(mask > 0, MASK)


@pytest.mark.parametrize("palette", [[0] * 768, np.repeat(np.arange(256), 3).tolist()], ids=["black", "grey"])
def test_mode_p_of_pillow_keeps_its_numbers(tmp_path: Path, palette: list[int]) -> None:
    image = Image.fromarray(LABELS, "P")
    image.putpalette(palette)
    image.save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), LABELS)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits_keep_their_numbers(tmp_path: Path, bits: int) -> None:
    numbers = LABELS % 2**bits
    image = Image.fromarray(numbers, "P")
    image.putpalette([0, 0, 0] + [200, 10, 10] + [10, 90, 10] + [10, 10, 220] * 13)
    image.save(tmp_path / "1.png", bits=bits)
    expected = numbers > 0 if bits == 1 else numbers
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), expected)


@pytest.mark.parametrize("bits", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_labels_of_napari_have_any_whole_numbers(tmp_path: Path, bits: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(bits), compression="zlib")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), LABELS)


def test_one_dark_colour_does_not_vanish(tmp_path: Path) -> None:
    Image.fromarray(MASK[..., None] * np.array([64, 0, 0], np.uint8)).save(tmp_path / "rgb.png")
    image = Image.fromarray(MASK.astype(np.uint8) * 8, "P")
    image.putpalette(voc_colours().ravel().tolist())
    image.save(tmp_path / "palette.png")
    for name in ("rgb.png", "palette.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), MASK)


def test_soft_edges_of_one_colour_are_binary(tmp_path: Path) -> None:
    soft = np.where(MASK, 255, 0)
    soft[3] = [0, 20, 60, 100, 120, 126, 200, 0]
    colours = np.stack([soft, soft // 10, soft * 0], axis=-1).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), soft > 127)


def test_a_mask_after_jpeg_is_binary(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :64]
    disc = (rows - 30) ** 2 + (columns - 25) ** 2 < 150
    packed = io.BytesIO()
    Image.fromarray((disc * 255).astype(np.uint8)).save(packed, "JPEG", quality=75)
    Image.open(packed).save(tmp_path / "1.png")
    assert len(np.unique(np.array(Image.open(packed)))) > 20
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), disc)


@pytest.mark.parametrize("values", [[0, 1, 2, 255], list(range(256)), [0, 1, 2, 3, 250, 251, 252]])
def test_labels_near_0_and_255_stay_labels(tmp_path: Path, values: list[int]) -> None:
    labels = np.resize(np.array(values, np.uint8), (16, 17))
    tifffile.imwrite(tmp_path / "1.tif", labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "1.tif"), labels)


@pytest.mark.parametrize("top", [0.9882353, 0.9999999, 1.0000001])
def test_nearly_1_is_1(tmp_path: Path, top: float) -> None:
    tifffile.imwrite(tmp_path / "1.tif", MASK.astype(np.float32) * np.float32(top))
    np.testing.assert_array_equal(read_mask(tmp_path / "1.tif"), MASK)


@pytest.mark.parametrize("top", [0.5, 0.9])
def test_two_values_of_a_map_are_no_mask(tmp_path: Path, top: float) -> None:
    tifffile.imwrite(tmp_path / "1.tif", MASK.astype(np.float32) * np.float32(top))
    with pytest.raises(DataError, match="holds fractions"):
        read_mask(tmp_path / "1.tif")


def test_a_mask_stored_with_a_scale_factor_is_binary_and_labels_keep_their_numbers(tmp_path: Path) -> None:
    for name, array, slope in (("mask", MASK * np.uint8(255), 1 / 255), ("labels", LABELS, 1.0001)):
        path = tmp_path / f"{name}.nii"
        nibabel.save(nibabel.Nifti1Image(array[..., None], np.eye(4)), path)
        raw = bytearray(path.read_bytes())
        raw[112:120] = struct.pack("<ff", slope, 0.0)
        path.write_bytes(raw)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii"), MASK)
    np.testing.assert_array_equal(read_mask(tmp_path / "labels.nii"), LABELS)


def test_cmyk_is_refused(tmp_path: Path) -> None:
    Image.fromarray(MASK * np.uint8(255)).convert("RGB").convert("CMYK").save(tmp_path / "1.tif")
    for read in (read_image, read_mask):
        with pytest.raises(DataError, match="is in CMYK"):
            read(tmp_path / "1.tif")


def test_a_fourth_channel_without_a_name_is_a_channel_of_an_image_and_no_part_of_a_mask(tmp_path: Path) -> None:
    four = np.dstack([MASK * np.uint8(255)] * 3 + [np.full(MASK.shape, 255, np.uint8)])
    tifffile.imwrite(tmp_path / "1.tif", four, photometric="rgb", extrasamples=[0])
    np.testing.assert_array_equal(read_image(tmp_path / "1.tif").array, np.moveaxis(four, -1, 0))
    np.testing.assert_array_equal(read_mask(tmp_path / "1.tif"), MASK)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_orientation_tags_are_followed(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"1{suffix}"
    turn = {  # of Pillow: how a viewer shows it, so its inverse is how it is stored
        1: lambda array: array,
        2: np.fliplr,
        3: lambda array: np.rot90(array, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda array: np.rot90(array, 1),
        7: lambda array: np.rot90(array, 2).T,
        8: lambda array: np.rot90(array, -1),
    }[orientation]
    stored = np.ascontiguousarray(turn(LABELS))
    if suffix == ".tif":
        tifffile.imwrite(path, stored, extratags=[(274, "H", 1, orientation, False)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(stored).save(path, exif=exif)
    np.testing.assert_array_equal(read_mask(path), LABELS)
    picture = read_image(path)
    assert picture.turned == (orientation > 1)
    assert picture.array.shape[1:] == image_shape(path) == LABELS.shape


@pytest.mark.parametrize("unit", ["microns", "micrometer", "um", "\\u00B5m", "Micron"])
def test_every_name_of_the_micrometre_is_known(tmp_path: Path, unit: str) -> None:
    stack = np.zeros((3, 4, 5), np.uint8)
    metadata = {"axes": "ZYX", "unit": unit, "spacing": -20.0}
    tifffile.imwrite(tmp_path / "1.tif", stack, imagej=True, resolution=(0.1, 0.1), metadata=metadata)
    assert read_image(tmp_path / "1.tif").spacing_um == pytest.approx((20, 10, 10))


@pytest.mark.parametrize(("dtype", "top"), [(np.float16, 2048), (np.float32, 2**24), (np.float64, 2**31 - 1)])
def test_real_numbers_that_make_objects_equal_are_refused(tmp_path: Path, dtype: type, top: int) -> None:
    """Numbers above these are no longer all different, so that two objects became one."""
    numbers = np.array([[0, top - 1, top]])
    tifffile.imwrite(tmp_path / "1.tif", numbers.astype(dtype))
    assert read_mask(tmp_path / "1.tif").tolist() == numbers.tolist()
    tifffile.imwrite(tmp_path / "1.tif", np.add(numbers, [0, 2, 2]).astype(dtype))
    with pytest.raises(DataError, match=rf"object numbers up to {top} in float"):
        read_mask(tmp_path / "1.tif")


def squares_of(*numbers: int, width: int = 5) -> np.ndarray:
    """Squares of these numbers side by side, the last four times as long."""
    labels = np.zeros((width + 2, (len(numbers) + 3) * (width + 1)), dtype=np.uint8)
    for place, number in enumerate(numbers):
        start = place * (width + 1)
        labels[1 : width + 1, start : start + width * (4 if number == numbers[-1] else 1)] = number
    return labels


@pytest.mark.parametrize("labels", [squares_of(1, 3, 4, 255), squares_of(127, 254, 255)])
def test_grey_objects_beside_a_large_white_one_are_not_taken_for_its_soft_edge(tmp_path: Path, labels: np.ndarray):
    assert 2 * np.count_nonzero(labels == 255) >= np.count_nonzero(labels)
    Image.fromarray(labels).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), labels)


@pytest.mark.parametrize("sigma", [0.6, 1.5, 3.0])
def test_blurred_edges_are_soft_edges(tmp_path: Path, sigma: float):
    disc = np.hypot(*(np.indices((160, 160)) - 79)) < 60
    soft = np.round(ndimage.gaussian_filter(disc * 255.0, sigma)).astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "1.png"), soft > 127)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("foreground", [(1, 2, 3), (1,)], ids=["classes", "foreground"])
def test_numbers_that_were_given_greys_to_be_seen_are_the_classes(
    tmp_path: Path, ending: str, foreground: tuple[int, ...]
) -> None:
    """As `imwrite(classes, gray(4), …)` in MATLAB."""
    numbers = draw_labels("1122. 3..0. .....").astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    save_palette(path, numbers, [0, 85, 170, 255])
    classes = ClassMap(foreground, others=len(foreground) == 1, names=(("a", foreground),))
    np.testing.assert_array_equal(read_foreground(path, classes), np.isin(numbers, foreground))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_grey_image_made_smaller_keeps_its_greys(tmp_path: Path, ending: str) -> None:
    """As `quantize` of Pillow writes classes 1 and 2: its palette begins with the brightest."""
    greys = draw_labels("1122. 2...1 .....").astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    save_palette(path, 2 - greys, [2, 1, 0])
    np.testing.assert_array_equal(read_classes(path, ClassMap((1, 2))), greys)
    np.testing.assert_array_equal(read_mask(path), greys)
    save_palette(path, 2 - greys, [120, 60, 0])
    np.testing.assert_array_equal(read_classes(path, ClassMap((60, 120))), 60 * greys)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_greys_that_are_classes_stay_so_though_more_numbers_look_like_classes(tmp_path: Path, ending: str) -> None:
    """Class 3 does not count and class 2 is not there, but 0, 1 and 2 are the numbers behind the palette."""
    greys = draw_labels(".113 331. ....").astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    save_palette(path, np.array([2, 1, 9, 0], np.uint8)[greys], [3, 1, 0])
    expected = np.where(greys == 1, 1, 0)
    np.testing.assert_array_equal(read_classes(path, ClassMap((1, 2), others=True)), expected)
    save_palette(path, greys, [0, 85, 170, 255])
    np.testing.assert_array_equal(read_classes(path, ClassMap((1, 2), others=True)), expected)


def save_palette(path: Path, numbers: np.ndarray, greys: list[int]) -> None:
    if path.suffix == ".png":
        image = Image.fromarray(numbers, "P")
        image.putpalette(np.repeat(greys, 3).tolist())
        image.save(path)
    else:
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(greys)] = 257 * np.array(greys)
        tifffile.imwrite(path, numbers, photometric="palette", colormap=table)
