"""What other programs read of a prediction: ROIs by roifile, pixels and their size by tifffile, QuPath's objects."""

import json
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import roifile
import tifffile

from rois import read_filled
from segassay.io.images import Picture, read_image, write_image
from segassay_monai.prediction.run import predict

QUPATH = json.loads((Path(__file__).parent / "qupath_objects.schema.json").read_text(encoding="utf-8"))
SPACING_UM = (0.5, 0.25)


@pytest.fixture(scope="module")
def predicted(models: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One image of known pixel size as ImageJ's TIFF, as OME-TIFF and as PNG."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "images").mkdir()
    array = read_image(min((dataset / "images").iterdir())).array[:, ::-1]
    for name in ("imagej.tif", "ome.ome.tif", "plain.png"):
        write_image(folder / "images" / name, Picture(array, spacing_um=SPACING_UM))
    return predict(models, folder / "images", out=folder / "out", save=["all"])


def test_roifile_reads_each_object_with_its_pixels_and_confidence(predicted: Any) -> None:
    labels = tifffile.imread(predicted.out / "instances" / "imagej.tif")
    objects = predicted.objects[predicted.objects["case"] == "imagej"].set_index("label")
    rois = roifile.roiread(predicted.out / "rois" / "imagej.zip")
    filled = read_filled(predicted.out / "rois" / "imagej.zip", labels.shape)
    assert len(rois) == len(filled) == labels.max() > 0
    with zipfile.ZipFile(predicted.out / "rois" / "imagej.zip") as archive:  # roifile before 2026 reads a part of it
        texts = [archive.read(name).rpartition("confidence: ".encode("utf-16-be"))[2] for name in archive.namelist()]
    confidences = [float(text.decode("utf-16-be")) for text in texts]
    assert confidences == sorted(confidences, reverse=True)
    for roi, confidence in zip(rois, confidences, strict=True):
        number = int(roi.name)
        np.testing.assert_array_equal(filled[roi.name], labels == number)
        assert confidence == pytest.approx(objects.loc[number, "confidence"], abs=1e-4)


@pytest.mark.parametrize("kind", ["masks", "instances", "prob", "uncertainty"])
def test_imagej_finds_the_pixel_size_in_a_tiff(predicted: Any, kind: str) -> None:
    with tifffile.TiffFile(predicted.out / kind / "imagej.tif") as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata["unit"].replace("\\u00B5", "µ") == "µm"
        tags = tif.pages.first.tags
        across, down = (tags[name].value for name in ("XResolution", "YResolution"))
        assert (down[1] / down[0], across[1] / across[0]) == pytest.approx(SPACING_UM)
        assert tif.series[0].shape == (30, 44)


@pytest.mark.parametrize("kind", ["masks", "instances", "prob", "uncertainty"])
def test_bio_formats_finds_the_pixel_size_in_an_ome_tiff(predicted: Any, kind: str) -> None:
    with tifffile.TiffFile(predicted.out / kind / "ome.ome.tif") as tif:
        assert tif.is_ome
        assert (tif.series[0].shape, tif.series[0].axes) == ((30, 44), "YX")
        (pixels,) = [one for one in ElementTree.fromstring(tif.ome_metadata).iter() if one.tag.endswith("Pixels")]
    assert (pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeX")) == ("0.5", "0.25")
    assert {pixels.get(f"PhysicalSize{axis}Unit") for axis in "XY"} == {"µm"}


def test_programs_see_the_same_objects_in_every_format(predicted: Any) -> None:
    labels = [tifffile.imread(path) for path in sorted((predicted.out / "instances").iterdir())]
    assert all((one == labels[0]).all() and one.dtype == np.uint16 for one in labels)
    assert len(labels) == 3


def test_qupath_s_objects_follow_its_format(predicted: Any) -> None:
    for path in (predicted.out / "geojson").iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(content, QUPATH)
        assert len(content["features"]) == (predicted.objects["case"] == path.stem).sum() > 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("geometry", {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}),
        ("geometry", {"type": "Polygon", "coordinates": [[[0, 0, "z"], [1, 1], [1, 0], [0, 0]]]}),
        ("geometry", {"type": "Circle", "coordinates": []}),
        ("properties", {"objectType": "nucleus"}),
        ("properties", {"objectType": "detection", "measurements": {"area": "large"}}),
        ("properties", {"objectType": "detection", "classification": {"name": "a", "color": [256, 0, 0]}}),
        ("type", "Object"),
    ],
)
def test_the_schema_refuses_what_qupath_does_not_read(predicted: Any, key: str, value: object) -> None:
    content = json.loads((predicted.out / "geojson" / "plain.geojson").read_text(encoding="utf-8"))
    content["features"][0][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, QUPATH)
