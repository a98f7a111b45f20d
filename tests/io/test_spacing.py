"""Pixel sizes as headers give them: of prints, in unusual units, and such as are no numbers."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from segassay.checks.check import check_dataset
from segassay.io.images import image_shape, read_image, write_mask
from segassay.io.windows import TiffWindows

GREY = np.arange(40, dtype=np.uint16).reshape(5, 8)


def imagej(path: Path, resolution: float, unit: str, **metadata: Any) -> Path:
    """A file as ImageJ writes it; a volume of three planes if there is a depth."""
    array = np.stack([GREY] * 3) if metadata else GREY
    axes = "ZYX" if metadata else "YX"
    about = {"axes": axes, "unit": unit} | metadata
    tifffile.imwrite(path, array, imagej=True, resolution=(resolution, resolution), metadata=about)
    return path


def ome(path: Path, **said: str) -> Path:
    """An OME-TIFF whose sizes of pixels are these words, of four letters."""
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.75}
    tifffile.imwrite(path, GREY, metadata={"axes": "YX", **sizes})
    content = path.read_bytes()
    for name, words in said.items():
        old = f'{name}="{sizes[name]}"'.encode()
        assert content.count(old) == 1
        content = content.replace(old, f'{name}="{words}"'.encode())
    path.write_bytes(content)
    return path


def nifti(path: Path, code: int) -> Path:
    """A volume with this number of its unit."""
    image = nibabel.Nifti1Image(np.stack([GREY.astype(np.int16)] * 3), np.diag([2, 0.5, 0.25, 1]))
    image.header["xyzt_units"] = code
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("dpi", [72, 92, 96, 150, 300, 600, 1200, 2400])
def test_inches_of_a_print_are_no_pixel_size(tmp_path: Path, dpi: int) -> None:
    assert read_image(imagej(tmp_path / "a.tif", dpi, "inch")).spacing_um is None


@pytest.mark.parametrize("dpi", [72, 96, 300, 600])
@pytest.mark.parametrize("digits", [2, 6])
def test_centimetres_of_a_print_are_no_pixel_size(tmp_path: Path, dpi: int, digits: int) -> None:
    assert read_image(imagej(tmp_path / "a.tif", round(dpi / 2.54, digits), "cm")).spacing_um is None


@pytest.mark.parametrize(
    ("resolution", "unit", "um"),
    [
        (20000, "cm", 0.5),
        (10000, "cm", 1),
        (2000, "cm", 5),
        (50, "cm", 200),
        (50800, "inch", 0.5),
        (300 / 25.4, "mm", 25400 / 300),
    ],
)
def test_a_measured_pixel_size_counts_in_every_unit(tmp_path: Path, resolution: float, unit: str, um: float) -> None:
    """Of microscopes, which are finer than prints, and of macro lenses, whose scale somebody has set."""
    assert read_image(imagej(tmp_path / "a.tif", resolution, unit)).spacing_um == pytest.approx((um, um))


@pytest.mark.parametrize(("dpi", "unit"), [(72, 2), (20000, 3)])
def test_resolution_tags_alone_are_no_pixel_size(tmp_path: Path, dpi: int, unit: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(dpi, dpi), resolutionunit=unit)
    assert read_image(tmp_path / "a.tif").spacing_um is None


@pytest.mark.parametrize("value", [(5, 0), (0, 0), (0, 1)])
def test_pixels_beside_a_resolution_that_is_no_number_are_read(tmp_path: Path, value: tuple[int, int]) -> None:
    path = imagej(tmp_path / "a.tif", 2, "um")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags["XResolution"].overwrite(value)
    picture = read_image(path)
    np.testing.assert_array_equal(picture.array[0], GREY)
    assert picture.spacing_um is None
    assert picture.unread == f"XResolution={value[0]}/{value[1]}"


def test_planes_whose_distance_is_no_number_are_read(tmp_path: Path) -> None:
    picture = read_image(imagej(tmp_path / "a.tif", 2, "um", spacing="abc"))
    assert (picture.array.shape, picture.spacing_um, picture.unread) == ((1, 3, 5, 8), None, "spacing=abc")


def test_a_size_that_is_not_needed_is_not_missed(tmp_path: Path) -> None:
    about = {"unit": "um", "spacing": "abc"}
    tifffile.imwrite(tmp_path / "a.tif", GREY, imagej=True, resolution=(2, 4), metadata=about)
    picture = read_image(tmp_path / "a.tif")
    assert (picture.spacing_um, picture.unread) == ((0.25, 0.5), "")


@pytest.mark.parametrize(
    ("said", "unread"),
    [
        ({"PhysicalSizeX": "0,25"}, 'PhysicalSizeX="0,25"'),
        ({"PhysicalSizeX": "-inf", "PhysicalSizeY": "????"}, 'PhysicalSizeY="????", PhysicalSizeX="-inf"'),
        ({"PhysicalSizeX": "0.00"}, 'PhysicalSizeX="0.00"'),
    ],
)
def test_pixels_beside_ome_sizes_that_are_no_numbers_are_read(
    tmp_path: Path, said: dict[str, str], unread: str
) -> None:
    picture = read_image(ome(tmp_path / "a.ome.tif", **said))
    np.testing.assert_array_equal(picture.array[0], GREY)
    assert (picture.spacing_um, picture.unread) == (None, unread)


def test_large_images_that_are_read_by_windows_say_so_too(tmp_path: Path) -> None:
    with TiffWindows(ome(tmp_path / "a.ome.tif", PhysicalSizeX="0,25")) as image:
        assert (image.frame.spacing_um, image.frame.unread) == (None, 'PhysicalSizeX="0,25"')


@pytest.mark.parametrize("code", [4, 5, 7, 255])
def test_voxels_in_a_unit_that_nifti_lacks_are_read(tmp_path: Path, code: int) -> None:
    picture = read_image(nifti(tmp_path / "a.nii", code))
    assert (picture.array.shape, picture.spacing_um) == ((1, 3, 5, 8), None)
    assert picture.unread == f"xyzt_units={code}"


def test_an_unknown_unit_of_time_leaves_that_of_length(tmp_path: Path) -> None:
    picture = read_image(nifti(tmp_path / "a.nii", 3 + 96))
    assert (picture.spacing_um, picture.unit, picture.unread) == ((2, 0.5, 0.25), "µm", "")


def test_a_mask_takes_over_a_unit_that_nifti_lacks(tmp_path: Path) -> None:
    picture = read_image(nifti(tmp_path / "a.nii", 7))
    write_mask(tmp_path / "mask.nii", picture.array[0] > 3, picture)
    assert int(nibabel.load(tmp_path / "mask.nii").header["xyzt_units"]) == 7
    assert image_shape(tmp_path / "mask.nii") == (3, 5, 8)


def test_a_check_names_the_file_and_its_words_once_unless_dataset_yaml_gives_the_size(tmp_path: Path) -> None:
    for folder in ("images", "labels/anna", "labels/ben"):
        (tmp_path / folder).mkdir(parents=True)
    ome(tmp_path / "images/a.ome.tif", PhysicalSizeX="0,25")
    for rater in ("anna", "ben"):
        write_mask(tmp_path / f"labels/{rater}/a.png", GREY > 30)
    (found,) = [one for one in check_dataset(tmp_path).problems if one.kind == "spacing-unread"]
    assert (Path(found.file).name, found.level) == ("a.ome.tif", "warning")
    assert 'the header gives PhysicalSizeX="0,25", which is not a valid pixel size' in found.what
    (tmp_path / "dataset.yaml").write_text("spacing_um: [0.75, 0.25]")
    assert "spacing-unread" not in {one.kind for one in check_dataset(tmp_path).problems}
