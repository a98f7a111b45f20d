"""Round trips of every format: what other libraries write is read pixel for pixel, and what is written they read back.

No axis is as long as another, so a transposed or turned image cannot pass.
"""

import sys
from pathlib import Path

import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from segassay import cli
from segassay.io.images import (
    Picture,
    image_shape,
    read_image,
    read_mask,
    write_labels,
    write_map,
    write_mask,
)

FLAT, DEEP = (5, 7), (3, 5, 7)
OBLIQUE = np.array([[0.4, 0.3, 0.0, 7], [-0.3, 0.4, 0.1, 8], [0.0, -0.1, 2.0, 9], [0, 0, 0, 1.0]])


def ramp(shape: tuple[int, ...], dtype: str = "uint8") -> np.ndarray:
    """Every pixel another value."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


WRITTEN = [
    (".png", FLAT),
    *((suffix, shape) for suffix in (".tif", ".tiff", ".nii", ".nii.gz") for shape in (FLAT, DEEP)),
]


@pytest.mark.parametrize(("suffix", "shape"), WRITTEN)
def test_masks_labels_and_maps_come_back_as_they_were(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    path, values = tmp_path / f"0144{suffix}", ramp(shape)
    write_mask(path, values % 3 == 1)
    np.testing.assert_array_equal(read_mask(path), values % 3 == 1)
    assert image_shape(path) == shape
    write_labels(path, values)
    np.testing.assert_array_equal(read_mask(path), values)
    assert read_mask(path).dtype == np.int32
    if suffix != ".png":
        write_map(path, values / 7)
        np.testing.assert_array_equal(read_image(path).array[0], (values / 7).astype(np.float32))


@pytest.mark.parametrize("n_objects", [300, 70_000])
@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
def test_many_objects_keep_their_numbers_in_volumes(tmp_path: Path, suffix: str, n_objects: int) -> None:
    labels = np.zeros((3, 200, 150), np.int64)
    labels.flat[:n_objects] = np.arange(1, n_objects + 1)
    write_labels(tmp_path / f"0144{suffix}", labels)
    np.testing.assert_array_equal(read_mask(tmp_path / f"0144{suffix}"), labels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_imageio_and_pillow(tmp_path: Path, suffix: str, dtype: str) -> None:
    grey = ramp(FLAT, dtype) * 7
    for write in (lambda path: imageio.imwrite(path, grey), lambda path: Image.fromarray(grey).save(path)):
        write(tmp_path / f"0144{suffix}")
        picture = read_image(tmp_path / f"0144{suffix}")
        np.testing.assert_array_equal(picture.array, grey[np.newaxis])
        assert picture.array.dtype == dtype


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("n_samples", [3, 4])
def test_colours_of_imageio(tmp_path: Path, suffix: str, n_samples: int) -> None:
    colours = ramp((*FLAT, n_samples))
    imageio.imwrite(tmp_path / f"0144{suffix}", colours)
    np.testing.assert_array_equal(read_image(tmp_path / f"0144{suffix}").array, np.moveaxis(colours, 2, 0)[:3])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palettes_of_pillow(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(ramp(FLAT), mode="P")
    palette = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    image.putpalette(palette.tobytes())
    image.save(tmp_path / f"0144{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"0144{suffix}").array, np.moveaxis(palette[ramp(FLAT)], 2, 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"byteorder": ">"}, {"bigtiff": True}])
def test_tiffs_of_tifffile(tmp_path: Path, dtype: str, compression: str | None, options: dict[str, object]) -> None:
    stack = ramp((3, 20, 37), dtype)
    tifffile.imwrite(tmp_path / "0144.tif", stack, photometric="minisblack", compression=compression, **options)
    picture = read_image(tmp_path / "0144.tif")
    np.testing.assert_array_equal(picture.array, stack[np.newaxis])
    assert picture.array.dtype == dtype


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", DEEP), ("CYX", DEEP), ("ZCYX", (2, *DEEP)), ("CZYX", (2, *DEEP))])
def test_ome_and_imagej_hyperstacks_have_channels_first_and_their_spacing(
    tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    array = ramp(shape, "uint16")
    size = {f"PhysicalSize{axis}": um for axis, um in {"Z": 2.0, "Y": 0.25, "X": 0.5}.items() if axis in axes}
    tifffile.imwrite(tmp_path / "0144.ome.tif", array, photometric="minisblack", metadata={"axes": axes, **size})
    expected = array if "C" not in axes else np.moveaxis(array, axes.index("C"), 0)
    expected = expected if "C" in axes else expected[np.newaxis]
    spacing = (2.0, 0.25, 0.5) if "Z" in axes else (0.25, 0.5)
    found = [read_image(tmp_path / "0144.ome.tif")]
    if axes != "CZYX":  # ImageJ has its axes in the order TZCYXS
        metadata = {"axes": axes, "unit": "um"} | ({"spacing": 2.0} if "Z" in axes else {})
        tifffile.imwrite(tmp_path / "0144.tif", array, imagej=True, resolution=(2, 4), metadata=metadata)
        found.append(read_image(tmp_path / "0144.tif"))
    for picture in found:
        np.testing.assert_array_equal(picture.array, expected)
        assert picture.spacing_um == pytest.approx(spacing)
    assert image_shape(tmp_path / "0144.ome.tif") == expected.shape[1:]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_of_nibabel_with_an_oblique_affine_and_scaled_integers(tmp_path: Path, suffix: str) -> None:
    image = nibabel.Nifti1Image(ramp(DEEP, "int16"), OBLIQUE)
    image.header.set_slope_inter(0.5, -3)
    image.header.set_xyzt_units("mm")
    stored = nibabel.Nifti1Image(ramp(DEEP) * 0.5 - 3, OBLIQUE, image.header)
    nibabel.save(stored, tmp_path / f"0144{suffix}")
    picture = read_image(tmp_path / f"0144{suffix}")
    np.testing.assert_allclose(picture.array[0], ramp(DEEP) * 0.5 - 3, atol=0.01)
    np.testing.assert_array_equal(picture.array[0], nibabel.load(tmp_path / f"0144{suffix}").get_fdata())
    np.testing.assert_allclose(picture.affine, OBLIQUE, atol=1e-6)
    assert picture.spacing_um == pytest.approx(1000 * np.linalg.norm(OBLIQUE[:3, :3], axis=0))


def test_nifti_of_simpleitk_and_back(tmp_path: Path) -> None:
    image = SimpleITK.GetImageFromArray(ramp(DEEP, "uint16"))  # (z, y, x)
    image.SetSpacing((0.5, 0.25, 2.0))
    image.SetOrigin((3.0, -4.0, 5.0))
    SimpleITK.WriteImage(image, str(tmp_path / "itk.nii.gz"))
    picture = read_image(tmp_path / "itk.nii.gz")
    np.testing.assert_array_equal(picture.array[0], ramp(DEEP).transpose(2, 1, 0))
    assert picture.spacing_um == (500.0, 250.0, 2000.0)
    write_mask(tmp_path / "mask.nii.gz", picture.array[0] % 3 == 1, picture)
    mask = SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz"))
    assert (mask.GetSpacing(), mask.GetOrigin()) == (image.GetSpacing(), image.GetOrigin())
    assert mask.GetDirection() == image.GetDirection()
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(mask) > 0, ramp(DEEP) % 3 == 1)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [FLAT, DEEP])
def test_spacing_of_any_image_is_that_of_a_nifti_written_for_it(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    spacing = (2.0, 0.25, 0.5)[-len(shape) :]
    like = Picture(ramp(shape)[np.newaxis], spacing_um=spacing)
    write_map(tmp_path / f"0144{suffix}", ramp(shape) / 7, like)
    assert read_image(tmp_path / f"0144{suffix}").spacing_um == pytest.approx(spacing)


def write_png(path: Path) -> None:
    Image.fromarray(ramp((24, 37))).save(path.with_name("0144.png"))


def write_ome(path: Path) -> None:
    metadata = {"axes": "CYX", "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.5}
    tifffile.imwrite(path.with_name("0144.ome.tif"), ramp((2, 24, 37), "uint16"), metadata=metadata)


def write_stack(path: Path) -> None:
    tifffile.imwrite(path.with_name("0144.tif"), ramp((3, 24, 37), "uint16"), photometric="minisblack")


def write_nifti(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(ramp((6, 24, 37), "uint16"), OBLIQUE), path.with_name("0144.nii.gz"))


@pytest.mark.parametrize("write", [write_png, write_ome, write_stack, write_nifti])
def test_a_consensus_lies_on_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write) -> None:
    for name in ("images", "labels/anna", "labels/ben"):
        (tmp_path / "data" / name).mkdir(parents=True)
    write(tmp_path / "data" / "images" / "0144")
    (image,) = (tmp_path / "data" / "images").iterdir()
    picture = read_image(image)
    mask = np.zeros(picture.array.shape[1:], dtype=bool)
    mask[..., 2:9, 20:35] = True
    suffix = ".nii.gz" if picture.affine is not None else ".tif"
    for rater in ("anna", "ben"):
        write_mask(tmp_path / "data" / "labels" / rater / f"0144{suffix}", mask, picture)
    monkeypatch.setattr(sys, "argv", ["segassay", "consensus", str(tmp_path / "data"), "--out", str(tmp_path / "out")])
    cli.app(standalone_mode=False)
    for folder in ("masks", "prob"):
        (written,) = (tmp_path / "out" / folder).iterdir()
        assert written.name.startswith("0144.")
        found = read_image(written)
        np.testing.assert_array_equal(found.array[0] > found.array.max() / 2, mask)
        if picture.affine is not None:
            np.testing.assert_array_equal(found.affine, picture.affine)
            assert found.spacing_um == picture.spacing_um
