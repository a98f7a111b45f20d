"""Read the objects of a GeoJSON file, as QuPath exports them, also in a zip.

file -> features -> Outline of each

Coordinates are pixels of the full image, from its upper left corner. If a file holds detections or cells, these are the
objects, and annotations, in which QuPath looked for them, are left out.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from segassay.errors import DataError, why_unreadable
from segassay.io.outlines import Outline

__all__ = ["is_zipped_geojson", "read_geojson"]

_MAX_BYTES = 2**30
_FOUND = ("detection", "cell", "tile")


def read_geojson(path: Path) -> list[Outline]:
    """Outlines of the objects, in the order of the file.

    Raises:
        DataError: If the file is broken, too large, holds no features, or one without area; the message names it.
    """
    try:
        content = json.loads(_content(path).decode("utf-8-sig"))
    except (ValueError, RecursionError, zipfile.BadZipFile, zlib.error) as error:
        what = f"cannot be read as GeoJSON: {why_unreadable(error)}"
        raise DataError.of(path, what, "export it again", kind="damaged") from error
    numbered = [(f"feature {number}", one) for number, one in enumerate(_features(path, content), start=1)]
    kinds = [_kind(feature) for _, feature in numbered]
    objects = [one for one, kind in zip(numbered, kinds, strict=True) if kind in _FOUND] or numbered
    return [Outline(name, _paths(path, name, feature), _plane(feature)) for name, feature in objects]


def is_zipped_geojson(path: Path) -> bool:
    """Whether a file is a zip of one .geojson, as QuPath writes it if asked to compress."""
    if path.suffix.lower() != ".zip":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return [PurePosixPath(name).suffix.lower() for name in archive.namelist()] == [".geojson"]
    except (OSError, zipfile.BadZipFile):
        return False


def _content(path: Path) -> bytes:
    """The bytes of the file, or of the one file in a zip; no more than the limit are read."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            data = file.read(_MAX_BYTES + 1)
    else:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise DataError.of(path, "is larger than 1 GiB", "export the objects of one image", kind="too-large")
    return data


def _features(path: Path, content: Any) -> list[Any]:
    if isinstance(content, Mapping):
        content = content.get("features") if content.get("type") == "FeatureCollection" else [content]
    if not isinstance(content, list):
        what = "holds no features"
        raise DataError.of(path, what, "in QuPath: File › Export objects as GeoJSON", kind="no-features")
    return content


def _kind(feature: Any) -> str:
    properties = feature.get("properties") if isinstance(feature, Mapping) else None
    return str(properties.get("objectType", "")).lower() if isinstance(properties, Mapping) else ""


def _plane(feature: Mapping[str, Any]) -> int | None:
    """Number of the plane in a stack, from 0, where QuPath names one."""
    plane = feature["geometry"].get("plane")
    z = plane.get("z") if isinstance(plane, Mapping) else None
    return z if isinstance(z, int) and not isinstance(z, bool) else None


def _paths(path: Path, name: str, feature: Any) -> tuple[np.ndarray, ...]:
    geometry = feature.get("geometry") if isinstance(feature, Mapping) else None
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if not isinstance(geometry, Mapping) or kind not in ("Polygon", "MultiPolygon"):
        what = f"{name} is a {kind}, which has no area" if kind else f"{name} has no geometry"
        action = "remove it, or draw the outline of the object, and export the objects again"
        raise DataError.of(path, what, action, kind="feature-without-area")
    coordinates: Any = geometry.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    try:
        rings = [np.array([point[:2] for point in ring], dtype=float) for polygon in polygons for ring in polygon]
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise DataError.of(path, f"{name} has broken coordinates", "export it again", kind="damaged") from error
    if any(ring.shape[1:] != (2,) for ring in rings):
        raise DataError.of(path, f"{name} has broken coordinates", "export it again", kind="damaged")
    return tuple(rings)
