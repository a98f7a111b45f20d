"""The reader of a bundle gives the pixels of this package's reader, in every format; the writer what was given."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor
from PIL import Image

from segassay.errors import DataError
from segassay.io.images import IMAGE_SUFFIXES, image_suffix, read_image, strip_suffix
from segassay_monai.sharing.zoo.scripts import image_files
from segassay_monai.sharing.zoo.scripts.image_files import (
    LoadImageFiled,
    LoadImageMaskd,
    SaveImageFiled,
    check_images,
    find_images,
    find_labelled,
    read_pixels,
    split_name,
    write_like,
)

GREY = np.arange(40, dtype=np.uint8).reshape(5, 8)
GREY16 = (np.arange(40).reshape(5, 8) * 1500).astype(np.uint16)
RGB = np.stack([GREY, GREY + 100, GREY + 200], axis=2)
STACK = np.arange(3 * 5 * 8, dtype=np.uint16).reshape(3, 5, 8)
COLORMAP = (np.arange(3 * 256).reshape(3, 256) * 64).astype(np.uint16)
SCALED = nibabel.Nifti1Header()
SCALED.set_slope_inter(2.5, -3)
COLOURS = np.zeros((5, 8, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
COLOURS["G"] = 7


def _palette(path: Path) -> None:
    picture = Image.fromarray(GREY % 4)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 255])
    picture.save(path)


def _tiff(array: np.ndarray, **words: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, array, **words)


def _nifti(array: np.ndarray, header: nibabel.Nifti1Header | None = None) -> Callable[[Path], None]:
    return lambda path: nibabel.save(nibabel.Nifti1Image(array, np.diag([2.0, 3, 4, 1]), header), path)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "grey": ("a.png", lambda path: Image.fromarray(GREY).save(path)),
    "16 bits": ("a.PNG", lambda path: Image.fromarray(GREY16).save(path, format="PNG")),
    "colours": ("a.png", lambda path: Image.fromarray(RGB).save(path)),
    "alpha": ("a.png", lambda path: Image.fromarray(np.dstack([RGB, GREY])).save(path)),
    "grey with alpha": ("a.png", lambda path: Image.fromarray(np.dstack([GREY, GREY + 1]), mode="LA").save(path)),
    "palette": ("a.png", _palette),
    "one bit": ("a.png", lambda path: Image.fromarray(GREY > 9).save(path)),
    "tiff": ("a.tif", _tiff(GREY16)),
    "big-endian": ("a.TIFF", _tiff(STACK, photometric="minisblack", metadata=None, byteorder=">")),
    "planes": ("a.tif", _tiff(STACK, photometric="minisblack", metadata=None)),
    "ImageJ": ("a.tif", _tiff(STACK, imagej=True, metadata={"axes": "ZYX"})),
    "OME channels": ("a.ome.tif", _tiff(STACK, metadata={"axes": "CYX"})),
    "OME planes and channels": ("a.ome.tiff", _tiff(np.stack([STACK, STACK + 9], 1), metadata={"axes": "ZCYX"})),
    "tiff colours": ("a.tif", _tiff(RGB, photometric="rgb")),
    "tiff alpha": ("a.tif", _tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unassalpha"])),
    "tiff palette": ("a.tif", _tiff(GREY, photometric="palette", colormap=COLORMAP)),
    "white is zero": ("a.tif", _tiff(GREY, photometric="miniswhite")),
    "tiles": ("a.tif", _tiff(np.tile(GREY, (9, 9)), tile=(16, 16), compression="lzw", predictor=True)),
    "real numbers": ("a.tif", _tiff(GREY.astype(np.float32) / 3)),
    "nifti": ("a.nii", _nifti(STACK)),
    "nifti plane": ("a.nii.gz", _nifti(GREY)),
    "nifti channels": ("a.nii", _nifti(np.stack([STACK, STACK + 1], axis=3))),
    "nifti scaled": ("a.nii", _nifti(STACK.astype(np.float64), SCALED)),
    "nifti colours": ("a.nii", _nifti(COLOURS)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_pixels_are_those_of_this_package(tmp_path, name):
    file, write = WRITERS[name]
    write(tmp_path / file)
    expected, (found, affine) = read_image(tmp_path / file), read_pixels(tmp_path / file)
    np.testing.assert_array_equal(found, expected.array)
    assert found.dtype == expected.array.dtype.newbyteorder("=")
    assert (affine is None) == (expected.affine is None)
    channels, spatial = len(expected.array), expected.array.ndim - 1
    tensor = LoadImageFiled("image", channels, spatial)({"image": str(tmp_path / file)})["image"]
    assert isinstance(tensor, MetaTensor)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), expected.array.astype(np.float32))


@pytest.mark.parametrize("name", ["mouse 3.left.OME.TIF", "a.b.nii.gz", "x.png", "notes.txt", "a.tif.txt", ".nii"])
def test_names_are_split_as_by_this_package(name):
    assert split_name(f"folder/{name}") == (strip_suffix(name), (image_suffix(name) or "").lower())


def test_it_reads_the_formats_of_this_package():
    assert set(image_files.SUFFIXES) == set(IMAGE_SUFFIXES)


def test_an_incomplete_tiff_is_refused_rather_than_filled_with_zeros(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata=None, compression="zlib")
    data = (tmp_path / "a.tif").read_bytes()
    for length in range(40, len(data), 7):
        (tmp_path / "cut.tif").write_bytes(data[:length])
        with pytest.raises(DataError):
            read_image(tmp_path / "cut.tif")
        with pytest.raises((ValueError, struct.error, zlib.error, RuntimeError, OSError, IndexError)):
            read_pixels(tmp_path / "cut.tif")


@pytest.mark.parametrize(
    ("file", "write", "message"),
    [
        ("a.ome.tif", _tiff(STACK, metadata={"axes": "TYX"}), "has the axes TYX"),
        ("a.nii", _nifti(np.zeros((2, 2, 2, 2, 2))), "has the shape"),
        ("a.jpg", lambda path: path.touch(), "expected a name ending in"),
    ],
)
def test_what_is_no_single_image_is_refused(tmp_path, file, write, message):
    write(tmp_path / file)
    with pytest.raises(ValueError, match=message):
        read_pixels(tmp_path / file)


def test_other_channels_axes_or_no_numbers_are_refused(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"expected 1 channel\(s\) and 2 axes, got 3 and 2"):
        LoadImageFiled("image", 1, 2)({"image": str(tmp_path / "a.png")})
    tifffile.imwrite(tmp_path / "a.tif", np.array([[np.nan, 1]], np.float32))
    with pytest.raises(ValueError, match="NaN or infinite"):
        LoadImageFiled("image", 1, 2)({"image": str(tmp_path / "a.tif")})


def test_folders_of_images_and_masks(tmp_path):
    for name in ("images/b.png", "images/a.tif", "images/.hidden.png", "images/notes.txt", "masks/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert [Path(item["image"]).name for item in found] == ["a.tif", "b.png"]
    assert find_images(tmp_path / "images") == found
    assert find_images(tmp_path / "nowhere") == []
    labelled = find_labelled(tmp_path, tmp_path / "masks")
    assert labelled == [found[0] | {"label": str(tmp_path / "masks" / "a.png")}]
    check_images(found, tmp_path)


def test_no_image_and_two_images_of_one_case_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with"):
        check_images([], tmp_path)
    with pytest.raises(ValueError, match="two images of one case"):
        check_images([{"image": "x/a.png"}, {"image": "x/a.tif"}], tmp_path)


@pytest.mark.parametrize(("image", "mask", "map_"), [("a.png", "a.png", "a.tif"), ("a.ome.tif", "a.tif", "a.tif")])
def test_masks_and_maps_are_read_as_they_were_written(tmp_path, image, mask, map_):
    marked = GREY > 20
    assert write_like(image, tmp_path, marked.astype(np.uint8)).name == mask
    np.testing.assert_array_equal(read_image(tmp_path / mask).array, [marked * np.uint8(255)])
    assert write_like(image, tmp_path, GREY / 255.0).name == map_
    np.testing.assert_array_equal(read_image(tmp_path / map_).array, [np.float32(GREY / 255.0)])


def test_a_nifti_keeps_its_place_and_unit(tmp_path):
    image = nibabel.Nifti1Image(STACK, np.array([[0, -2.0, 0, 7], [1, 0, 0, 8], [0, 0, 3, 9], [0, 0, 0, 1]]))
    image.header.set_xyzt_units("micron")
    image.header.set_slope_inter(2.0, 5.0)
    nibabel.save(image, tmp_path / "a.nii")
    path = write_like(str(tmp_path / "a.nii"), tmp_path, (STACK > 50).astype(np.uint8))
    found = nibabel.load(path)
    assert path.name == "a.nii.gz"
    np.testing.assert_array_equal(found.affine, image.affine)
    assert found.header.get_xyzt_units()[0] == "micron"
    np.testing.assert_array_equal(np.asanyarray(found.dataobj), (STACK > 50) * 255)
    np.testing.assert_array_equal(read_image(path).spacing_um, read_image(tmp_path / "a.nii").spacing_um)


def test_the_transforms_of_labels_and_results(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    label = LoadImageMaskd("label")({"label": str(tmp_path / "a.png")})["label"]
    assert label.shape == (1, 5, 8)
    assert set(label.unique().tolist()) <= {0.0, 1.0}
    data = {"image": MetaTensor(torch.zeros(1, 5, 8), meta={"filename_or_obj": "x/a.png"}), "pred": label.bool()}
    assert SaveImageFiled("pred", tmp_path / "new" / "masks")(data)["pred"] is data["pred"]
    assert (tmp_path / "new" / "masks" / "a.png").is_file()
