"""The reader of a bundle gives what this package's reader gives, in every format; the writer the same bytes."""

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
from segassay.io.images import FOLDER_SUFFIXES, IMAGE_SUFFIXES, image_suffix, read_image, strip_suffix
from segassay_monai.ensemble.case_files import write_case
from segassay_monai.sharing.zoo.scripts import image_files
from segassay_monai.sharing.zoo.scripts.image_files import (
    LoadImageFiled,
    LoadImageMaskd,
    SaveImageFiled,
    check_images,
    find_images,
    find_labelled,
    read_picture,
    split_name,
    write_like,
)

GREY = np.arange(40, dtype=np.uint8).reshape(5, 8)
GREY16 = (np.arange(40).reshape(5, 8) * 1500).astype(np.uint16)
RGB = np.stack([GREY, GREY + 100, GREY + 200], axis=2)
FOUR = np.dstack([RGB, GREY])
STACK = np.arange(3 * 5 * 8, dtype=np.uint16).reshape(3, 5, 8)
COLORMAP = (np.arange(3 * 256).reshape(3, 256) * 64).astype(np.uint16)
SCALED = nibabel.Nifti1Header()
SCALED.set_slope_inter(2.5, -3)
MICRON = nibabel.Nifti1Header()
MICRON.set_xyzt_units("micron")
MICRON["descrip"] = b"of mouse Berta"
_IMAGEJ: dict = {"imagej": True, "resolution": (1 / 0.325, 1 / 0.65), "metadata": {"unit": "um"}}
_IMAGEJ_STACK = _IMAGEJ | {"metadata": {"axes": "ZYX", "unit": "um", "spacing": 2.5}}
_OME = {"axes": "ZYX"} | {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", (2.0, 0.325, 0.65), strict=True)}
COLOURS = np.zeros((5, 8, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
COLOURS["G"] = 7


def _palette(path: Path) -> None:
    picture = Image.fromarray(GREY % 4)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 255])
    picture.save(path)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def _turned(orientation: int) -> list[tuple]:
    return [(274, 3, 1, orientation, True)]


def _tiff(array: np.ndarray, **words: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, array, **words)


def _nifti(array: np.ndarray, header: nibabel.Nifti1Header | None = None) -> Callable[[Path], None]:
    return lambda path: nibabel.save(nibabel.Nifti1Image(array, np.diag([2.0, 3, 4, 1]), header), path)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "grey": ("a.png", lambda path: Image.fromarray(GREY).save(path)),
    "16 bits": ("a.PNG", lambda path: Image.fromarray(GREY16).save(path, format="PNG")),
    "turned colours": ("a.png", lambda path: Image.fromarray(RGB).save(path, exif=_exif(6))),
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
    "tiff of one bit": ("a.tif", _tiff(GREY > 9)),
    "tiff colours": ("a.tif", _tiff(RGB, photometric="rgb")),
    "tiff alpha": ("a.tif", _tiff(np.dstack([RGB, GREY]), photometric="rgb", extrasamples=["unassalpha"])),
    "tiff fourth channel": ("a.tif", _tiff(FOUR, photometric="rgb", extrasamples=["unspecified"])),
    "tiff planes of colours": ("a.tif", _tiff(np.stack([RGB, RGB + 9]), photometric="rgb")),
    "tiff palette": ("a.tif", _tiff(GREY, photometric="palette", colormap=COLORMAP)),
    "white is zero": ("a.tif", _tiff(GREY, photometric="miniswhite")),
    "tiles": ("a.tif", _tiff(np.tile(GREY, (9, 9)), tile=(16, 16), compression="lzw", predictor=True)),
    "turned": ("a.tif", _tiff(GREY16, extratags=_turned(6))),
    "mirrored planes": (
        "a.tif",
        _tiff(STACK, photometric="minisblack", metadata=None, extratags=[(274, 3, 1, 2, True)]),
    ),
    "one time of planes": ("a.ome.tif", _tiff(STACK[None], metadata={"axes": "TZYX"})),
    "ImageJ pixel size": ("a.tif", _tiff(GREY, **_IMAGEJ)),
    "ImageJ voxel size": ("a.tif", _tiff(STACK, **_IMAGEJ_STACK)),
    "turned with pixel size": ("a.tif", _tiff(GREY, **_IMAGEJ, extratags=_turned(8))),
    "OME voxel size": ("a.ome.tif", _tiff(STACK, metadata=_OME)),
    "OME pixel size": ("a.ome.tif", _tiff(GREY, metadata=_OME | {"axes": "YX"})),
    "real numbers": ("a.tif", _tiff(GREY.astype(np.float32) / 3)),
    "nifti": ("a.nii", _nifti(STACK)),
    "nifti flat": ("a.nii.gz", _nifti(GREY[..., None])),
    "nifti micron": ("a.nii", _nifti(STACK, MICRON)),
    "nifti plane": ("a.nii.gz", _nifti(GREY)),
    "nifti channels": ("a.nii", _nifti(np.stack([STACK, STACK + 1], axis=3))),
    "nifti scaled": ("a.nii", _nifti(STACK.astype(np.float64), SCALED)),
    "nifti colours": ("a.nii", _nifti(COLOURS)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_pixels_are_those_of_this_package(tmp_path, name):
    file, write = WRITERS[name]
    write(tmp_path / file)
    expected, found = read_image(tmp_path / file), read_picture(tmp_path / file)
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.array.dtype == expected.array.dtype.newbyteorder("=")
    assert found.spacing_um == expected.spacing_um
    assert (found.affine is None) == (expected.affine is None)
    channels, spatial = len(expected.array), expected.array.ndim - 1
    tensor = LoadImageFiled("image", channels, spatial)({"image": str(tmp_path / file)})["image"]
    assert isinstance(tensor, MetaTensor)
    assert tensor.dtype == torch.float32
    np.testing.assert_array_equal(tensor.numpy(), expected.array.astype(np.float32))


@pytest.mark.parametrize("name", ["mouse 3.left.OME.TIF", "a.b.nii.gz", "x.png", "notes.txt", "a.tif.txt", ".nii"])
def test_names_are_split_as_by_this_package(name):
    assert split_name(f"folder/{name}") == (strip_suffix(name), (image_suffix(name) or "").lower())


def test_it_reads_the_formats_of_this_package():
    """But for OME-Zarr, a folder, which no reader of the zoo takes."""
    assert set(image_files.SUFFIXES) == set(IMAGE_SUFFIXES) - set(FOLDER_SUFFIXES)


def test_an_incomplete_tiff_is_refused_rather_than_filled_with_zeros(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", metadata=None, compression="zlib")
    data = (tmp_path / "a.tif").read_bytes()
    for length in range(40, len(data), 7):
        (tmp_path / "cut.tif").write_bytes(data[:length])
        with pytest.raises(DataError):
            read_image(tmp_path / "cut.tif")
        with pytest.raises((ValueError, struct.error, zlib.error, RuntimeError, OSError, IndexError)):
            read_picture(tmp_path / "cut.tif")


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
        read_picture(tmp_path / file)


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


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_those_of_this_package_in_every_byte(tmp_path, name):
    file, write = WRITERS[name]
    write(tmp_path / file)
    picture = read_image(tmp_path / file)
    values = picture.array[0] % 7
    arrays = {"masks": values > 3, "instances": values.astype(np.int32), "prob": values / np.float32(7)}
    written = write_case(tmp_path / "ours", "a", tmp_path / file, picture, arrays)
    for kind, array in arrays.items():
        (tmp_path / "theirs" / kind).mkdir(parents=True)
        path = write_like(str(tmp_path / file), tmp_path / "theirs" / kind, array)
        assert path.relative_to(tmp_path / "theirs").as_posix() == written[kind]
        assert path.read_bytes() == (tmp_path / "ours" / written[kind]).read_bytes()
        if picture.spacing_um is not None:
            assert read_image(path).spacing_um == pytest.approx(picture.spacing_um)


def test_many_objects_need_32_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    path = write_like(str(tmp_path / "a.tif"), tmp_path, GREY.astype(np.int32) + 70_000)
    assert tifffile.imread(path).dtype == np.uint32
    assert tifffile.imread(path).max() == 70_039


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
    data = {"image": MetaTensor(torch.zeros(1, 5, 8), meta={"filename_or_obj": "x/a.png"}), "pred": label.byte()}
    assert SaveImageFiled("pred", tmp_path / "new" / "masks")(data)["pred"] is data["pred"]
    assert (tmp_path / "new" / "masks" / "a.png").is_file()
