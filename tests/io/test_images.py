"""Single files: every picture here is asymmetric, so that a transposed or mirrored one cannot pass."""

import gzip
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from drawing import draw
from segassay.errors import DataError, UsageError
from segassay.io.images import (
    Picture,
    image_shape,
    read_image,
    read_mask,
    sha256,
    strip_suffix,
    write_bytes,
    write_labels,
    write_map,
    write_mask,
)

MASK = draw("######.. #....... ........ ........ .......#")
GREY = np.arange(40, dtype=np.uint8).reshape(5, 8)
GREY16 = (np.arange(40).reshape(5, 8) * 1500).astype(np.uint16)
RGB = np.stack([GREY, GREY + 100, GREY + 200], axis=2)
STACK = np.arange(3 * 5 * 8, dtype=np.uint16).reshape(3, 5, 8)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("0144.ome.tif", "0144"),
        ("0144.TIFF", "0144"),
        ("a.b.nii.gz", "a.b"),
        ("x.png", "x"),
        ("readme.txt", "readme.txt"),
    ],
)
def test_case_is_the_name_without_the_suffix(name: str, case: str) -> None:
    assert strip_suffix(name) == case


@pytest.mark.parametrize("grey", [GREY, GREY16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".PNG"])
def test_grey_image_keeps_rows_columns_and_type(tmp_path: Path, grey: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"0001{suffix}"
    Image.fromarray(grey).save(path)
    picture = read_image(path)
    assert picture.array.dtype == grey.dtype
    np.testing.assert_array_equal(picture.array, grey[np.newaxis])
    assert picture.spacing_um is None
    assert image_shape(path) == (5, 8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_become_channels_and_alpha_is_dropped(tmp_path: Path, suffix: str, alpha: bool) -> None:
    path = tmp_path / f"0001{suffix}"
    Image.fromarray(np.dstack([RGB, np.full((5, 8), 77, np.uint8)]) if alpha else RGB).save(path)
    np.testing.assert_array_equal(read_image(path).array, np.moveaxis(RGB, 2, 0))
    assert image_shape(path) == (5, 8)


def test_an_image_of_one_bit_has_numbers(tmp_path: Path) -> None:
    for suffix in (".png", ".tif"):
        Image.fromarray(MASK).save(tmp_path / f"0001{suffix}")
        array = read_image(tmp_path / f"0001{suffix}").array
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array[0] > 0, MASK)
    assert read_mask(tmp_path / "0001.tif").dtype == bool


def test_grey_with_alpha_is_one_channel(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([GREY, GREY + 1]), mode="LA").save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_image(tmp_path / "0001.png").array, GREY[np.newaxis])


def test_16_bit_colours_are_not_reduced_to_8(tmp_path: Path) -> None:
    colours = np.dstack([GREY16, GREY16 + 1, GREY16 + 2])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 8, 5, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    png = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    (tmp_path / "0001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    np.testing.assert_array_equal(read_image(tmp_path / "0001.png").array, np.moveaxis(colours, 2, 0))


def test_palette_is_resolved_to_colours(tmp_path: Path) -> None:
    image = Image.fromarray(MASK.astype(np.uint8), mode="P")
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_image(tmp_path / "0001.png").array[:, 0, 0], [200, 100, 0])
    np.testing.assert_array_equal(read_image(tmp_path / "0001.png").array[:, 4, 0], [10, 20, 30])


def test_palette_and_white_is_zero_tiffs_show_what_a_viewer_shows(tmp_path: Path) -> None:
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 0] = 65535  # white to black
    tifffile.imwrite(tmp_path / "palette.tif", MASK.astype(np.uint8), photometric="palette", colormap=colormap)
    tifffile.imwrite(tmp_path / "white.tif", np.where(MASK, 0, 255).astype(np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.tif"), ~MASK)
    np.testing.assert_array_equal(read_mask(tmp_path / "white.tif"), MASK)


def test_ome_channels_and_pixel_size(tmp_path: Path) -> None:
    size = {"PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "0001.ome.tif", STACK, metadata={"axes": "CYX", **size})
    picture = read_image(tmp_path / "0001.ome.tif")
    np.testing.assert_array_equal(picture.array, STACK)
    assert picture.spacing_um == (0.25, 0.5)
    assert image_shape(tmp_path / "0001.ome.tif") == (5, 8)


def test_ome_stack_with_channels_puts_channels_first(tmp_path: Path) -> None:
    stack = np.arange(3 * 2 * 5 * 8, dtype=np.uint16).reshape(3, 2, 5, 8)
    size = {f"PhysicalSize{axis}": value for axis, value in {"Z": 2, "Y": 0.25, "X": 0.5}.items()}
    tifffile.imwrite(tmp_path / "0001.ome.tif", stack, metadata={"axes": "ZCYX", **size})
    picture = read_image(tmp_path / "0001.ome.tif")
    np.testing.assert_array_equal(picture.array, stack.transpose(1, 0, 2, 3))
    assert picture.spacing_um == (2, 0.25, 0.5)
    assert image_shape(tmp_path / "0001.ome.tif") == (3, 5, 8)


def test_imagej_stack_has_its_pixel_size(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 2, "unit": "um"}
    tifffile.imwrite(tmp_path / "0001.tif", STACK, imagej=True, resolution=(4, 2), metadata=metadata)
    picture = read_image(tmp_path / "0001.tif")
    np.testing.assert_array_equal(picture.array, STACK[np.newaxis])
    assert picture.spacing_um == (2, 0.5, 0.25)


def test_pages_without_names_are_a_stack(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0001.tif", STACK, photometric="minisblack", metadata=None, byteorder=">")
    picture = read_image(tmp_path / "0001.tif")
    np.testing.assert_array_equal(picture.array, STACK[np.newaxis])
    assert picture.array.dtype == np.uint16
    assert picture.array.dtype.isnative


def test_time_series_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0001.ome.tif", STACK, metadata={"axes": "TYX"})
    with pytest.raises(DataError, match=r"0001\.ome\.tif has the axes TYX"):
        read_image(tmp_path / "0001.ome.tif")
    with pytest.raises(DataError, match="TYX"):
        image_shape(tmp_path / "0001.ome.tif")


def test_two_images_in_one_tiff_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "0001.ome.tif") as tif:
        tif.write(GREY, metadata={"axes": "YX"})
        tif.write(GREY16.astype(np.uint8), metadata={"axes": "YX"})
    with pytest.raises(DataError, match="holds 2 images"):
        read_image(tmp_path / "0001.ome.tif")


@pytest.mark.parametrize(("unit", "um"), [("mm", 1000), ("micron", 1), ("unknown", 1000), ("meter", 1e6)])
def test_nifti_spacing_is_in_micrometres(tmp_path: Path, unit: str, um: float) -> None:
    affine = np.array([[0, 0.5, 0, 7], [0.25, 0, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    image = nibabel.Nifti1Image(STACK, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "0001.nii.gz")
    picture = read_image(tmp_path / "0001.nii.gz")
    np.testing.assert_array_equal(picture.array, STACK[np.newaxis])
    assert picture.spacing_um == (0.25 * um, 0.5 * um, 2 * um)
    np.testing.assert_array_equal(picture.affine, affine)
    assert image_shape(tmp_path / "0001.nii.gz") == (3, 5, 8)


def test_a_nifti_that_is_not_as_compressed_as_its_name_says_is_told_how_to_name_it(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(STACK, np.eye(4))
    (tmp_path / "plain.nii.gz").write_bytes(image.to_bytes())
    (tmp_path / "second.nii.gz").write_bytes(nibabel.Nifti2Image(STACK, np.eye(4)).to_bytes())
    (tmp_path / "packed.nii").write_bytes(gzip.compress(image.to_bytes()))
    for name, message in (
        ("plain.nii.gz", r"is a NIfTI image that is not compressed, although its name ends in .gz; rename it to .nii,"),
        (
            "second.nii.gz",
            r"is a NIfTI image that is not compressed, although its name ends in .gz; rename it to .nii,",
        ),
        ("packed.nii", r"is compressed with gzip, although its name ends in .nii; rename it to .nii.gz"),
    ):
        for read in (read_image, read_mask, image_shape):
            with pytest.raises(DataError, match=message):
                read(tmp_path / name)


def test_nifti_of_another_byte_order_is_read_in_this_machines(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">u2")
    nibabel.save(nibabel.Nifti1Image(STACK.astype(">u2"), np.eye(4), header), tmp_path / "0001.nii")
    array = read_image(tmp_path / "0001.nii").array
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, STACK[np.newaxis])


def test_nifti_fourth_axis_is_channels(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.stack([STACK, STACK + 1], axis=3), np.eye(4)), tmp_path / "0001.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "0001.nii").array, np.stack([STACK, STACK + 1]))
    assert image_shape(tmp_path / "0001.nii") == (3, 5, 8)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "0001.png").write_text("not a picture")
    with pytest.raises(DataError, match=r"0002\.png does not exist"):
        read_image(tmp_path / "0002.png")
    for read in (read_image, read_mask, image_shape):
        with pytest.raises(DataError, match=r"0001\.png is truncated or broken"):
            read(tmp_path / "0001.png")
    with pytest.raises(DataError, match=r"table\.csv is not an image .* \.png"):
        read_image(tmp_path / "table.csv")


def read_if_whole(path: Path) -> np.ndarray | None:
    """Pixels of an image, None if it is refused by an error that names it; any other error fails the test."""
    try:
        read_mask(path)
        return read_image(path).array
    except DataError as error:
        if str(path) not in str(error):
            raise
        return None


@pytest.mark.parametrize("name", ["0001.png", "0001.tif", "0001.ome.tif", "0001.nii", "0001.nii.gz"])
def test_file_cut_anywhere_is_refused_or_complete(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("png"):
        Image.fromarray(GREY16).save(path)
    elif "nii" in name:
        nibabel.save(nibabel.Nifti1Image(STACK, np.eye(4)), path)
    else:
        tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "CYX"} if "ome" in name else None)
    whole, expected, n_refused = path.read_bytes(), read_image(path).array, 0
    for length in [*range(0, len(whole) - 60, 7), *range(len(whole) - 60, len(whole) - 12)]:
        path.write_bytes(whole[:length])
        read = read_if_whole(path)
        n_refused += read is None
        if read is not None:
            np.testing.assert_array_equal(read, expected)
    assert n_refused > len(whole) / 20


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii", ".nii.gz"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.booleans(), junk=st.binary(max_size=400))
def test_any_bytes_give_an_image_or_a_data_error(tmp_path: Path, suffix: str, start: bool, junk: bytes) -> None:
    path = tmp_path / f"0001{suffix}"
    write_mask(path, MASK)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + junk if start else junk)
    read_if_whole(path)


@pytest.mark.parametrize("high", [1, 255, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_two_values_are_a_binary_mask_in_any_type(tmp_path: Path, high: int, dtype: type) -> None:
    nibabel.save(nibabel.Nifti1Image((MASK * high).astype(dtype), np.eye(4)), tmp_path / "0001.nii")
    mask = read_mask(tmp_path / "0001.nii")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK)


@pytest.mark.parametrize("value", [0, 255])
def test_empty_and_full_masks(tmp_path: Path, value: int) -> None:
    Image.fromarray(np.full((5, 8), value, np.uint8)).save(tmp_path / "0001.png")
    mask = read_mask(tmp_path / "0001.png")
    assert mask.dtype == bool
    assert mask.all() if value else not mask.any()


def test_one_bit_png_and_tiff(tmp_path: Path) -> None:
    for name in ("0001.png", "0001.tif"):
        Image.fromarray(MASK).save(tmp_path / name)
        np.testing.assert_array_equal(read_mask(tmp_path / name), MASK)


def test_soft_edges_are_cut_at_127(tmp_path: Path) -> None:
    soft = np.where(MASK, 255, 0).astype(np.uint8)
    soft[2, :2] = [127, 128]
    Image.fromarray(soft).save(tmp_path / "0001.png")
    expected = MASK.copy()
    expected[2, 1] = True
    mask = read_mask(tmp_path / "0001.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)


def test_8_bit_labels_up_to_255_stay_labels(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(labels).save(tmp_path / "0001.png")
    read = read_mask(tmp_path / "0001.png")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize("n_objects", [3, 300, 70_000])
@pytest.mark.parametrize("suffix", [".tif", ".png", ".nii.gz"])
def test_label_images_of_any_number_of_objects_survive(tmp_path: Path, n_objects: int, suffix: str) -> None:
    labels = np.arange(300 * 240).reshape(300, 240)
    labels[labels > n_objects] = 0
    path = tmp_path / f"0001{suffix}"
    if n_objects > 65535 and suffix == ".png":
        with pytest.raises(UsageError, match=r"0001\.png cannot hold"):
            write_labels(path, labels)
        assert not list(tmp_path.iterdir())
        return
    write_labels(path, labels)
    assert read_image(path).array.dtype == (np.uint32 if n_objects > 65535 else np.uint16)
    read = read_mask(path)
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)


def test_label_image_stored_as_float_stays_a_label_image(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(GREY.astype(np.float64), np.eye(4)), tmp_path / "0001.nii")
    read = read_mask(tmp_path / "0001.nii")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, GREY)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_colour_mask_is_its_brightest_channel(tmp_path: Path, alpha: bool, channel: int) -> None:
    colours = np.zeros((5, 8, 4 if alpha else 3), np.uint8)
    if alpha:
        colours[:, :, 3] = 255
    colours[:, :, channel] = np.where(MASK, 128, 127)
    Image.fromarray(colours).save(tmp_path / "0001.png")
    mask = read_mask(tmp_path / "0001.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK)


def test_colour_mask_of_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([MASK] * 3).astype(np.uint8)).save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "0001.png"), MASK)


@pytest.mark.parametrize(("palette", "inverted"), [([255] * 3 + [0] * 3, True), ([0] * 3 + [255] * 3, False)])
def test_palette_mask_is_judged_by_its_colours(tmp_path: Path, palette: list[int], inverted: bool) -> None:
    image = Image.fromarray(MASK.astype(np.uint8), mode="P")
    image.putpalette(palette)
    image.save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "0001.png"), ~MASK if inverted else MASK)


def test_palette_of_several_colours_is_a_label_image_of_its_numbers(tmp_path: Path) -> None:
    numbers = MASK * np.uint8(2) + (np.arange(8) == 7) * np.uint8(1)
    image = Image.fromarray(numbers, mode="P")
    image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 250])
    image.save(tmp_path / "0001.png")
    mask = read_mask(tmp_path / "0001.png")
    assert mask.dtype == np.int32
    np.testing.assert_array_equal(mask, numbers)


def test_palette_of_greys_is_a_grey_image(tmp_path: Path) -> None:
    image = Image.fromarray(GREY % 4, mode="P")
    image.putpalette(np.repeat(np.arange(256), 3).tolist())  # the palette of grey: object 3 has the colour (3, 3, 3)
    image.save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "0001.png"), GREY % 4)


def test_grey_in_three_channels_is_grey(tmp_path: Path) -> None:
    Image.fromarray(np.repeat((GREY % 4)[..., np.newaxis], 3, axis=2)).save(tmp_path / "0001.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "0001.png"), GREY % 4)


def test_mask_in_dark_colours_is_refused_rather_than_empty(tmp_path: Path) -> None:
    red = (GREY % 4)[..., np.newaxis] * np.array([1, 0, 0], np.uint8)
    Image.fromarray(red).save(tmp_path / "0001.png")
    with pytest.raises(DataError, match=r"0001\.png is a colour image with nothing brighter than 3"):
        read_mask(tmp_path / "0001.png")


@pytest.mark.parametrize(("bad", "message"), [(0.5, "fractions"), (np.nan, "NaN"), (-1, "negative"), (3e9, "number")])
def test_what_cannot_be_a_mask_is_refused(tmp_path: Path, bad: float, message: str) -> None:
    values = np.where(MASK, float(bad), 0) + (np.arange(8) == 3)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "0001.nii")
    with pytest.raises(DataError, match=message):
        read_mask(tmp_path / "0001.nii")


def test_every_real_mask_is_binary_and_agrees_with_pillow(data_dir: Path) -> None:
    paths = sorted((data_dir / "segebarth2020" / "lab-inns1" / "labels").glob("*/*.png"))
    assert len(paths) == 25
    for path in paths:
        mask = read_mask(path)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, np.asarray(Image.open(path).convert("RGB")).max(axis=2) > 127)
        assert image_shape(path) == mask.shape == (1024, 1344)


@pytest.mark.parametrize("name", ["0001.png", "0001.tif", "0001.tiff", "0001.nii", "0001.nii.gz"])
def test_masks_survive_and_give_the_same_bytes_twice(tmp_path: Path, name: str) -> None:
    write_mask(tmp_path / name, MASK)
    first = (tmp_path / name).read_bytes()
    write_mask(tmp_path / name, MASK)
    assert (tmp_path / name).read_bytes() == first
    assert set(np.unique(read_image(tmp_path / name).array)) == {0, 255}
    np.testing.assert_array_equal(read_mask(tmp_path / name), MASK)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    write_mask(tmp_path / name, MASK.T)  # a view, its rows not one after the other in memory
    np.testing.assert_array_equal(read_mask(tmp_path / name), MASK.T)


@pytest.mark.parametrize("suffix", [".tif", ".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(5, 8), (3, 5, 8), (4, 5, 8), (1, 5, 8)])
def test_maps_survive_in_two_and_three_axes(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    values = np.linspace(0, 1, np.prod(shape)).reshape(shape)
    write_map(tmp_path / f"0001{suffix}", values)
    array = read_image(tmp_path / f"0001{suffix}").array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values.astype(np.float32)[np.newaxis])


def test_other_programs_read_what_is_written(tmp_path: Path) -> None:
    write_mask(tmp_path / "0001.png", MASK)
    write_map(tmp_path / "0001.tif", MASK * 0.5)
    write_labels(tmp_path / "0001.nii.gz", STACK)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "0001.png")) > 0, MASK)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(tmp_path / "0001.tif")), MASK * 0.5)
    itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(tmp_path / "0001.nii.gz"))  # ITK's arrays are (z, y, x)
    np.testing.assert_array_equal(itk, STACK.transpose(2, 1, 0))


@pytest.mark.parametrize("unit", ["mm", "micron", "meter"])
def test_nifti_takes_over_affine_and_spacing_of_its_image(tmp_path: Path, unit: str) -> None:
    image = nibabel.Nifti1Image(STACK, np.array([[0, 0.5, 0, 7], [0.25, 0, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "image.nii.gz")
    like = read_image(tmp_path / "image.nii.gz")
    write_mask(tmp_path / "mask.nii.gz", STACK > 7, like)
    written = read_image(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(written.affine, like.affine)
    assert written.spacing_um == like.spacing_um


def test_nifti_of_another_format_keeps_the_spacing(tmp_path: Path) -> None:
    write_mask(tmp_path / "0001.nii", MASK, Picture(GREY[np.newaxis], spacing_um=(0.5, 0.25)))
    assert read_image(tmp_path / "0001.nii").spacing_um == (0.5, 0.25)


def test_compressed_nifti_carries_no_time(tmp_path: Path) -> None:
    write_mask(tmp_path / "0001.nii.gz", MASK)
    data = (tmp_path / "0001.nii.gz").read_bytes()
    assert data[4:8] == bytes(4)
    assert gzip.decompress(data)


def test_wrong_calls_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="boolean"):
        write_mask(tmp_path / "0001.png", GREY)
    with pytest.raises(TypeError, match="whole numbers"):
        write_labels(tmp_path / "0001.png", GREY * 0.5)
    with pytest.raises(ValueError, match="negative"):
        write_labels(tmp_path / "0001.png", GREY.astype(int) - 1)
    for name, mask in {"0001.png": STACK > 3, "0001.jpg": MASK, "0001.ome.tif": MASK[None]}.items():
        with pytest.raises(UsageError, match="cannot hold"):
            write_mask(tmp_path / name, mask)
    with pytest.raises(UsageError, match=r"expected the image's shape \(5, 8\), got \(8, 5\)"):
        write_mask(tmp_path / "0001.png", MASK.T, Picture(GREY[np.newaxis]))
    with pytest.raises(UsageError, match="cannot be written"):
        write_mask(tmp_path / "no folder" / "0001.png", MASK)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "0001.png", b"older")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("segassay.io.images.os.replace", fail)
    with pytest.raises(UsageError, match=r"0001\.png cannot be written: No space left"):
        write_bytes(tmp_path / "0001.png", b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["0001.png"]
    assert (tmp_path / "0001.png").read_bytes() == b"older"


def test_sha256_of_a_published_example(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(DataError, match="does not exist"):
        sha256(tmp_path / "missing")
