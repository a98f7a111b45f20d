"""Objects as GeoJSON, as QuPath imports it: one FeatureCollection for each image.

labels (*spatial), label -> confidence, measurements  ->  polygons in pixels, the most confident object first
"""

import json
import math
import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from segassay.io.images import written
from segassay.io.rois import outlined

__all__ = ["CLASS_COLOURS", "write_geojson"]

ORANGE = (230, 159, 0)
"""Colour of the classification in QuPath, from Okabe and Ito's colour-blind safe palette."""

CLASS_COLOURS = (
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
    (0, 114, 178),
)
"""Colours of classes in their order, repeated after the last: all of that palette, those that differ most first."""


def write_geojson(
    path: str | os.PathLike[str],
    labels: np.ndarray,
    confidence: Mapping[int, float] | None = None,
    *,
    measurements: pd.DataFrame | None = None,
    classification: str = "object",
    object_type: Literal["annotation", "detection"] = "detection",
    boxes: Mapping[int, tuple[slice, ...]] | None = None,
    class_of: Mapping[int, str] | None = None,
    colours: Mapping[str, tuple[int, int, int]] | None = None,
) -> None:
    """Write one feature for each object; rasterised, its polygon has exactly the object's pixels.

    Coordinates are in pixels from the top left corner, which is how QuPath counts. An object in several pieces is a
    MultiPolygon. In a volume an object has one feature for each plane, with QuPath's `plane` (`z` from 0 on).

    Args:
        path: Ends in .geojson; its folder exists, an older file is replaced.
        labels: Whole numbers, `(rows, columns)` or `(planes, rows, columns)`, 0 for background. The first axis of a
            NIfTI runs along the columns: hand over `labels.T`.
        confidence: Label -> confidence; becomes the measurement `confidence` and the order, as for `write_rois`.
        measurements: A row for each object, with a column `label`, as `object_properties` gives it: its other columns
            become measurements; empty values are left out.
        classification: Name of QuPath's class of all objects without another one.
        object_type: A detection cannot be edited in QuPath and is fast for many thousands; an annotation can be edited.
        boxes: As for `write_rois`.
        class_of: Label -> name of its class, the name of QuPath's class.
        colours: Class -> its colour; by default orange.

    Raises:
        ValueError: If `labels` has not two or three axes.
        UsageError: If the file cannot be written; no partial file remains.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_geojson(f"{folder}/0144.geojson", np.array([[0, 1], [0, 0]]), {1: 0.75})
        ...     feature = json.load(open(f"{folder}/0144.geojson"))["features"][0]
        >>> feature["geometry"]["coordinates"], feature["properties"]["measurements"]
        ([[[1, 0], [2, 0], [2, 1], [1, 1], [1, 0]]], {'confidence': 0.75})

    References:
        Butler et al. (2016), RFC 7946, doi:10.17487/RFC7946; QuPath, qupath.lib.io.QuPathTypeAdapters.
    """
    measured = _measured(measurements, confidence)

    def feature(label: int, plane: int | None, polygons: list[list[np.ndarray]]) -> bytes:
        name = (class_of or {}).get(label, classification)
        properties = {
            "objectType": object_type,
            "name": str(label),
            "classification": {"name": name, "color": (colours or {}).get(name, ORANGE)},
            "measurements": measured.get(label, {}),
        }
        found = {"type": "Feature", "geometry": _geometry(polygons, plane), "properties": properties}
        return json.dumps(found, ensure_ascii=False, allow_nan=False).encode()

    start = b'{"type": "FeatureCollection", "features": [\n'
    with written(path) as file:  # one feature after another, since all of a large image are large
        for outline in outlined(labels, confidence, boxes):
            file.write(start + feature(*outline))
            start = b",\n"
        file.write(start * (start != b",\n") + b"\n]}\n")


def _geometry(polygons: list[list[np.ndarray]], plane: int | None) -> dict[str, Any]:
    rings = [[[*loop.tolist(), loop[0].tolist()] for loop in polygon] for polygon in polygons]
    geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": rings}
    if len(rings) == 1:
        geometry = {"type": "Polygon", "coordinates": rings[0]}
    return geometry if plane is None else geometry | {"plane": {"c": -1, "z": plane, "t": 0}}


def _measured(table: pd.DataFrame | None, confidence: Mapping[int, float] | None) -> dict[int, dict[str, float]]:
    """Label -> name -> value; JSON has no NaN."""
    found: dict[int, dict[str, float]] = {}
    if table is not None:
        for row in table.to_dict("records"):
            found[int(row.pop("label"))] = {str(name): float(value) for name, value in row.items()}
    for label, value in () if confidence is None else confidence.items():
        found.setdefault(int(label), {})["confidence"] = float(value)
    return {
        label: {name: value for name, value in values.items() if math.isfinite(value)}
        for label, values in found.items()
    }
