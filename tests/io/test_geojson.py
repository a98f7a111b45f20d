"""GeoJSON: valid polygons (by GEOS, where shapely is here), the same pixels, and the fields that QuPath reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from outline_scenes import DRAWN, noisy_labels
from rois import filled
from segassay.errors import UsageError
from segassay.io.geojson import write_geojson
from segassay.masks.properties import object_properties

SCENES = [*DRAWN.values(), *(noisy_labels(seed) for seed in range(40))]


def features(path: Path, labels: np.ndarray, *args: Any, **options: Any) -> list[dict[str, Any]]:
    write_geojson(path / "a.geojson", labels, *args, **options)
    collection = json.loads((path / "a.geojson").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert list(collection) == ["type", "features"]
    assert collection["type"] == "FeatureCollection"
    return collection["features"]


def polygons_of(feature: dict[str, Any]) -> list[list[list[list[int]]]]:
    geometry = feature["geometry"]
    return [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]


@pytest.mark.parametrize("labels", SCENES)
def test_rings_are_closed_and_give_the_same_pixels(tmp_path: Path, labels: np.ndarray) -> None:
    found = features(tmp_path, labels.astype(int))
    assert [int(feature["properties"]["name"]) for feature in found] == np.unique(labels[labels > 0]).tolist()
    for feature in found:
        rings = [np.array(ring) for polygon in polygons_of(feature) for ring in polygon]
        assert all((ring[0] == ring[-1]).all() and len(ring) > 4 for ring in rings)
        pixels = filled([ring[:-1] for ring in rings], labels.shape)
        np.testing.assert_array_equal(pixels, labels == int(feature["properties"]["name"]))


@pytest.mark.parametrize("labels", SCENES)
def test_geos_calls_them_valid_and_rightly_oriented(tmp_path: Path, labels: np.ndarray) -> None:
    pytest.importorskip("shapely", reason="shapely is not installed, a second judge of polygons")
    import shapely

    for feature in features(tmp_path, labels.astype(int)):
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid, shapely.is_valid_reason(shape)
        assert shape.area == np.count_nonzero(labels == int(feature["properties"]["name"]))
        for polygon in getattr(shape, "geoms", [shape]):
            assert polygon.exterior.is_ccw
            assert not any(hole.is_ccw for hole in polygon.interiors)


def test_what_qupath_reads(tmp_path: Path) -> None:
    labels = np.array([[1, 1, 0, 2], [0, 0, 2, 0]])
    measured = object_properties(labels, prob=np.where(labels == 1, 0.75, 0.5))
    first, second = features(tmp_path, labels, {1: 0.75, 2: 0.5}, measurements=measured, classification="c-Fos β")
    assert first["type"] == "Feature"
    assert first["geometry"] == {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]]]}
    assert second["geometry"]["type"] == "MultiPolygon"
    properties = first["properties"]
    assert properties["objectType"] == "detection"
    assert properties["name"] == "1"
    assert properties["classification"] == {"name": "c-Fos β", "color": [230, 159, 0]}
    assert properties["measurements"]["confidence"] == 0.75
    assert properties["measurements"]["area_px"] == 2
    assert properties["measurements"]["touches_border"] == 1
    assert "area_um2" not in properties["measurements"], "JSON has no NaN"
    assert all(isinstance(value, float) for value in properties["measurements"].values())
    assert features(tmp_path, labels, object_type="annotation")[0]["properties"]["objectType"] == "annotation"


def test_the_most_confident_comes_first(tmp_path: Path) -> None:
    labels = np.array([[1, 0, 2, 0, 3]])
    for confidence in ({2: 0.9, 3: 0.95}, pd.Series([0.9, 0.95], index=[2, 3])):
        assert [feature["properties"]["name"] for feature in features(tmp_path, labels, confidence)] == ["3", "2", "1"]


def test_a_volume_has_one_feature_for_each_plane(tmp_path: Path) -> None:
    labels = np.zeros((3, 2, 2), int)
    labels[1:, 0, 0] = 4
    found = features(tmp_path, labels)
    assert [feature["geometry"]["plane"] for feature in found] == [{"c": -1, "z": z, "t": 0} for z in (1, 2)]
    assert {feature["properties"]["name"] for feature in found} == {"4"}


def test_empty_and_impossible(tmp_path: Path) -> None:
    assert features(tmp_path, np.zeros((4, 5), int)) == []
    with pytest.raises(UsageError, match="cannot be written"):
        write_geojson(tmp_path / "no folder" / "a.geojson", np.ones((2, 2), int))
