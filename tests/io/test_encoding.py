"""Pixel size and placement of written files, read back by us and by tifffile, nibabel and SimpleITK."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile

from segassay.errors import UsageError
from segassay.io.encoding import encode
from segassay.io.images import Picture, read_image, read_mask, write_labels, write_map, write_maps, write_mask

FLAT = np.arange(40, dtype=np.uint8).reshape(5, 8)
DEEP = np.arange(120, dtype=np.uint8).reshape(3, 5, 8)
SPACINGS = [(0.325, 0.5), (2.0, 0.1625, 0.1625), (1500.0, 12.5, 7.0), (1 / 3, 0.65), (0.02, 0.004, 0.004)]


def picture(spacing: tuple[float, ...]) -> Picture:
    return Picture((DEEP if len(spacing) == 3 else FLAT)[np.newaxis], spacing_um=spacing)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".ome.tif", ".ome.tiff"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_masks_labels_and_maps_keep_the_pixel_size(tmp_path: Path, suffix: str, spacing: tuple[float, ...]) -> None:
    like, path = picture(spacing), tmp_path / f"a{suffix}"
    values = like.array[0].astype(np.int64)
    for write, given, expected in (
        (write_mask, values % 3 == 1, (values % 3 == 1) * 255),
        (write_labels, values, values),
        (write_labels, values * 70_000, values * 70_000),
        (write_map, values / 7, (values / 7).astype(np.float32)),
    ):
        write(path, given, like)
        first = path.read_bytes()
        write(path, given, like)
        assert path.read_bytes() == first
        read = read_image(path)
        np.testing.assert_array_equal(read.array[0], expected)
        assert read.spacing_um == spacing


@pytest.mark.parametrize("spacing", [0.32499998807907104, np.pi, 1 / 3 + 1e-12, 1e-4, 54321.123456789, 4e9])
def test_any_pixel_size_is_exact_in_ome_and_to_ten_digits_in_imagej(tmp_path: Path, spacing: float) -> None:
    like = picture((float(spacing), 1.0))
    write_mask(tmp_path / "a.ome.tif", FLAT > 7, like)
    assert read_image(tmp_path / "a.ome.tif").spacing_um == like.spacing_um
    write_mask(tmp_path / "a.tif", FLAT > 7, like)
    assert read_image(tmp_path / "a.tif").spacing_um == pytest.approx(like.spacing_um, rel=1e-9)


def test_what_imagej_and_tifffile_find(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.tif", DEEP, picture((2.0, 0.5, 0.25)))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "ZYX"
        about = file.imagej_metadata
        assert about is not None
        assert (about["images"], about["slices"], about["spacing"], about["unit"]) == (3, 3, 2.0, "\\u00B5m")
        tags = file.pages.first.tags
        assert (tags["XResolution"].value, tags["YResolution"].value) == ((4, 1), (2, 1))
        assert tags["ResolutionUnit"].value == 1
        assert file.series[0].dtype == np.uint16
        assert "DateTime" not in tags


def test_ome_metadata_says_what_is_there_and_nothing_that_changes(tmp_path: Path) -> None:
    write_map(tmp_path / "a.ome.tif", DEEP / 7, picture((2.0, 0.5, 0.25)))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "ZYX"
        xml = file.ome_metadata
        assert xml is not None
        assert "DateTime" not in file.pages.first.tags
    (pixels,) = (e for e in ElementTree.fromstring(xml).iter() if e.tag.endswith("}Pixels"))
    expected = {"SizeX": "8", "SizeY": "5", "SizeZ": "3", "SizeC": "1", "SizeT": "1", "Type": "float"}
    expected |= {"PhysicalSizeX": "0.25", "PhysicalSizeY": "0.5", "PhysicalSizeZ": "2.0", "PhysicalSizeZUnit": "µm"}
    assert expected.items() <= pixels.attrib.items()
    assert not any(word in xml for word in ("UUID", "AcquisitionDate", "tifffile"))


def test_without_a_pixel_size_none_is_written(tmp_path: Path) -> None:
    for name in ("a.tif", "a.ome.tif"):
        for like in (None, Picture(FLAT[None])):
            write_mask(tmp_path / name, FLAT > 7, like)
            assert read_image(tmp_path / name).spacing_um is None
            np.testing.assert_array_equal(read_mask(tmp_path / name), FLAT > 7)


def test_a_volume_of_one_plane_stays_a_volume(tmp_path: Path) -> None:
    like = Picture(DEEP[None, :1], spacing_um=(2.0, 0.5, 0.5))
    write_mask(tmp_path / "a.tif", DEEP[:1] > 7, like)
    assert read_mask(tmp_path / "a.tif").shape == (1, 5, 8)
    with pytest.raises(UsageError, match="more than one plane"):
        write_mask(tmp_path / "a.ome.tif", DEEP[:1] > 7, like)


TURN = np.deg2rad(20)
OBLIQUE = np.array([[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]])
AFFINES = {
    "plain": nibabel.affines.from_matvec(np.diag([0.5, 0.25, 2]), [7, 8, 9]),
    "negative": nibabel.affines.from_matvec(np.diag([-0.5, -0.25, 2]), [7, 8, 9]),
    "oblique": nibabel.affines.from_matvec(OBLIQUE @ np.diag([-0.5, 0.25, 2]), [-7, 8, 9]),
    "swapped": nibabel.affines.from_matvec(np.array([[0, 0.5, 0], [0.25, 0, 0], [0, 0, -2.0]]), [7, 8, 9]),
}
FORMS = [(1, 0), (0, 2), (1, 1), (4, 3), (0, 0)]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("forms", FORMS)
def test_a_nifti_keeps_affine_forms_and_units(
    tmp_path: Path, suffix: str, affine: np.ndarray, forms: tuple[int, int]
) -> None:
    image = nibabel.Nifti1Image(DEEP, affine)
    image.set_qform(affine, forms[0])
    image.set_sform(affine, forms[1])
    image.header.set_xyzt_units("micron", "sec")
    image.header["descrip"] = b"patient 0144"
    nibabel.save(image, tmp_path / f"image{suffix}")
    like = read_image(tmp_path / f"image{suffix}")
    write_mask(tmp_path / f"mask{suffix}", (DEEP > 7)[::1], like)
    image, mask = (nibabel.load(tmp_path / f"{name}{suffix}") for name in ("image", "mask"))
    np.testing.assert_array_equal(mask.affine, image.affine)
    for form in ("get_qform", "get_sform"):
        ours, theirs = (getattr(file, form)(coded=True) for file in (mask, image))
        assert ours[1] == theirs[1]
        np.testing.assert_array_equal(ours[0], theirs[0])
    assert mask.header.get_xyzt_units() == image.header.get_xyzt_units() == ("micron", "sec")
    assert mask.header.get_zooms() == image.header.get_zooms()
    assert read_image(tmp_path / f"mask{suffix}").spacing_um == like.spacing_um
    assert not bytes(mask.header["descrip"]).strip(b"\0"), "what else the header says stays behind"
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask{suffix}"), DEEP > 7)


@pytest.mark.parametrize("forms", [(1, 0), (0, 2), (1, 1)])
def test_itk_places_image_and_mask_alike(tmp_path: Path, forms: tuple[int, int]) -> None:
    image = nibabel.Nifti1Image(DEEP, AFFINES["oblique"])
    image.set_qform(AFFINES["oblique"], forms[0])
    image.set_sform(AFFINES["oblique"], forms[1])
    nibabel.save(image, tmp_path / "image.nii")
    write_labels(tmp_path / "labels.nii.gz", DEEP, read_image(tmp_path / "image.nii"))
    image, labels = (SimpleITK.ReadImage(tmp_path / name) for name in ("image.nii", "labels.nii.gz"))
    assert labels.GetDirection() == image.GetDirection()
    assert labels.GetOrigin() == image.GetOrigin()
    assert labels.GetSpacing() == image.GetSpacing()


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii.gz"])
def test_arrays_that_run_backwards_in_memory(tmp_path: Path, suffix: str) -> None:
    like = picture((2.0, 0.5, 0.25))
    backwards = DEEP[::-1, :, ::-1]
    write_labels(tmp_path / f"a{suffix}", backwards, like)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}").array[0], backwards)


def test_an_affine_that_was_changed_wins_over_the_header(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(DEEP, AFFINES["plain"]), tmp_path / "image.nii")
    like = read_image(tmp_path / "image.nii")
    moved = Picture(like.array, like.spacing_um, AFFINES["negative"], like.placement)
    write_mask(tmp_path / "mask.nii", DEEP > 7, moved)
    np.testing.assert_allclose(nibabel.load(tmp_path / "mask.nii").affine, AFFINES["negative"])


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 4, 5, 7), (2, 1, 5, 7)])
@pytest.mark.parametrize("spacing", [None, (0.5, 0.25)])
@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
def test_channels_are_read_as_they_were_written(
    tmp_path: Path, shape: tuple[int, ...], spacing: tuple[float, ...] | None, suffix: str
) -> None:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    if spacing is not None:
        spacing = (2.0, *spacing) if len(shape) == 4 else spacing
    write_maps(tmp_path / f"a{suffix}", values, Picture(values[:1], spacing))
    found = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(found.array.reshape(shape), values)
    if spacing is not None and 1 not in shape:
        np.testing.assert_allclose(found.spacing_um, spacing, rtol=1e-6)
    if suffix == ".tif" and spacing is not None and 1 not in shape:
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            assert tif.is_imagej
            assert tif.imagej_metadata["channels"] == shape[0]


def test_channels_that_no_file_can_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot hold 2 channels of 2 axes; expected \.tif"):
        write_maps(tmp_path / "a.png", np.zeros((2, 3, 4)))
    with pytest.raises(UsageError, match=r"expected the image's shape \(3, 5\), got \(3, 4\)"):
        write_maps(tmp_path / "a.tif", np.zeros((2, 3, 4)), Picture(np.zeros((1, 3, 5))))


def _compressions(data: bytes) -> set[int]:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return {page.compression for page in file.pages}


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
@pytest.mark.parametrize("shape", [(200, 300), (3, 90, 200)])
def test_real_numbers_that_hardly_shrink_are_not_compressed(suffix, shape):
    noise = np.random.default_rng(0).random(shape).astype(np.float32)
    empty, half = np.zeros(shape, np.float32), noise * (np.arange(shape[-1]) < shape[-1] // 2)
    sizes = {}
    for name, values in {"noise": noise, "empty": empty, "half": half.astype(np.float32)}.items():
        data = encode(suffix, values, None)
        if data is None:  # OME has no planes of an image
            continue
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            np.testing.assert_array_equal(file.asarray().reshape(shape), values)
            assert len(file.pages[0].dataoffsets) > 0
        sizes[name] = len(data), _compressions(data)
    if sizes:
        assert sizes["noise"][1] == {1}
        assert sizes["empty"][1] == sizes["half"][1] == {8}
        assert noise.nbytes < sizes["noise"][0] < 1.02 * noise.nbytes
        assert sizes["half"][0] < 0.6 * noise.nbytes


def test_whole_numbers_are_compressed_however_they_look():
    noise = np.random.default_rng(0).integers(0, 2**16, (200, 300)).astype(np.uint16)
    assert _compressions(encode(".tif", noise, None)) == {8}
