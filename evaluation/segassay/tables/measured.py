"""Further measurements for the experiment: area, volume, size and shape of objects, and a lab's own endpoints.

ComparedCase             ->  measured_rows  ->  case, annotator, measure, value in pixels, size of a pixel
these rows of all cases  ->  in_units       ->  case, annotator, measure, value, unit; then those of endpoints.csv
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from segassay.data.dataset import Dataset
from segassay.data.measurements import OF_ALL
from segassay.errors import DataError
from segassay.masks.shape import axis_ratios, solidities
from segassay.tables.compared import ComparedCase
from segassay.tables.notes import Note

__all__ = [
    "MEASURED_COLUMNS",
    "REMEASURED_COLUMNS",
    "SIZE_OF_ALL",
    "areas_in_mm",
    "in_units",
    "measured_rows",
    "notes_on_measured",
    "pixel_size",
    "with_endpoints",
]

MEASURED_COLUMNS = ("case", "annotator", "measure", "value", "unit")
REMEASURED_COLUMNS = ("case", "annotator", "threshold", "min_size", "measure", "value", "unit")

SIZE_OF_ALL = {"area": 2, "volume": 3}
"""Size of all objects, and the number of axes of the images that have it."""

_SIZES = (*SIZE_OF_ALL, "object_size")
_UNITS = {2: "mm2", 3: "mm3"}
_MM = 1e-3  # per µm
_SAME_SIZE = 1e-6  # by rounding


def measured_rows(case: ComparedCase) -> Iterator[tuple[Any, ...]]:
    """Measurements of the masks of a case that its job asks for.

    Yields:
        Annotator, measure, value (NaN if the prediction is missing or, except for area and volume, without objects),
        size of a pixel in mm² or mm³ (NaN if it is unknown or has no meaning), and number of axes.

    Raises:
        DataError: If an area is asked for of a volume, or a volume of an image with two axes.
    """
    if not case.job.measured or case.shape is None:
        return
    n_axes, pixel = len(case.shape), pixel_size(case)
    for measure in case.job.measured:
        if SIZE_OF_ALL.get(measure, n_axes) != n_axes:
            right = next(name for name, number in SIZE_OF_ALL.items() if number == n_axes)
            what = f"has {n_axes} axes, so it has no {measure}"
            raise DataError.of(case.job.image[0], what, f"write {right} into `measurements` of dataset.yaml instead")
        for name in case.names:
            index = case.position(name)
            value = math.nan if index is None else _value(case, name, index, measure)
            yield name, measure, value, pixel if measure in _SIZES else math.nan, n_axes


def pixel_size(case: ComparedCase) -> float:
    """Of one pixel in mm² or mm³; NaN if it is unknown."""
    spacing = None if case.picture is None else case.picture.spacing_um
    return math.nan if spacing is None else float(np.prod(np.asarray(spacing, dtype=float) * _MM))


def _value(case: ComparedCase, name: str, index: int, measure: str) -> float:
    sizes = case.joint.sizes[index]
    if measure in SIZE_OF_ALL:
        return float(sizes.sum())
    if not len(sizes):
        return math.nan
    if measure == "object_size":
        return float(sizes.mean())
    labels = _large_enough(case.labels[name], case.job.min_size)
    if measure == "solidity":
        return _rounded(solidities(labels))
    ratios = axis_ratios(labels, None if case.picture is None else case.picture.spacing_um)
    return _rounded(ratios[np.isfinite(ratios)])


def _rounded(shapes: np.ndarray) -> float:
    """Mean, without the digits in which equal shapes differ, so that these stay tied; NaN without any."""
    return round(float(shapes.mean()), 12) if len(shapes) else math.nan


def _large_enough(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Objects 1..n without gaps of at least `min_size` pixels."""
    kept = np.bincount(labels.ravel()) >= max(min_size, 1)
    kept[0] = False
    return np.asarray(np.where(kept, np.cumsum(kept), 0)[labels])


def in_units(rows: pd.DataFrame) -> pd.DataFrame:
    """Sizes in mm² or mm³ where the size of a pixel is known for every case, else in pixels.

    Args:
        rows: Of all cases, with the columns measure, value (in pixels), pixel_size and n_axes.

    Returns:
        The rows with `unit` in place of the last two; empty for what has no unit.

    Example:
        >>> rows = pd.DataFrame({"measure": ["area", "solidity"], "value": [50.0, 0.9], "pixel_size": [0.01, np.nan]})
        >>> in_units(rows.assign(n_axes=2)).to_numpy().tolist()
        [['area', 0.5, 'mm2'], ['solidity', 0.9, '']]
    """
    sizes = rows["measure"].isin(_SIZES)
    known = bool(rows.loc[sizes, "pixel_size"].notna().all() and rows.loc[sizes, "n_axes"].nunique() < 2)
    units = rows["n_axes"].map(_UNITS) if known else "px"
    value = rows["value"] * rows["pixel_size"].where(sizes & known, 1.0)
    return rows.assign(value=value, unit=np.where(sizes, units, "")).drop(columns=["pixel_size", "n_axes"])


def areas_in_mm(counts: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Counts for scores, with areas in mm² (volumes: mm³) where images differ in the size of a pixel.

    Numbers of pixels of such images cannot be compared: the same nodule has five times as many voxels in slices of
    0.5 mm as in those of 2.5 mm.

    Args:
        counts: Table `counts`; `area_px` in pixels.
        measured: What `in_units` returns, perhaps with rows of endpoints.

    Returns:
        The table as it is, unless `area` or `volume` was measured in mm, and its ratio to the number of pixels differs
        between cases. Then `area_px` holds the size in mm² or mm³.

    Example:
        >>> counts = pd.DataFrame({"case": ["1", "2"], "annotator": "anna", "area_px": [100, 100]})
        >>> measured = counts[["case", "annotator"]].assign(measure="volume", value=[50.0, 250.0], unit="mm3")
        >>> areas_in_mm(counts, measured)["area_px"].tolist()
        [50.0, 250.0]
    """
    sizes = measured[measured["measure"].isin(SIZE_OF_ALL) & measured["unit"].isin(_UNITS.values())]
    if sizes.empty:
        return counts
    keys = ["case", "annotator"]
    known = counts[keys].merge(sizes.drop_duplicates(keys)[[*keys, "value"]], on=keys, how="left")["value"]
    in_pixels = counts["area_px"].astype(float).to_numpy()
    in_mm = known.to_numpy(dtype=float)
    of_pixel = in_mm[in_pixels > 0] / in_pixels[in_pixels > 0]
    if np.isnan(of_pixel).any() or not len(of_pixel) or np.allclose(of_pixel, of_pixel[0], rtol=_SAME_SIZE, atol=0):
        return counts
    return counts.assign(area_px=in_mm)


def with_endpoints(measured: pd.DataFrame, dataset: Dataset | None, annotators: list[str]) -> pd.DataFrame:
    """Measurements of masks, and the lab's endpoints that are tested.

    Args:
        measured: What `in_units` returns.
        dataset: It may have endpoints.
        annotators: Those of the evaluation; values of others are left out.

    Returns:
        Table with `MEASURED_COLUMNS`; `annotator` is empty for an endpoint that was measured without masks.
    """
    endpoints = _endpoints(dataset)
    own = endpoints[endpoints["annotator"].isin([OF_ALL, *annotators])].rename(columns={"endpoint": "measure"})
    parts = [part[list(MEASURED_COLUMNS)] for part in (measured, own) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else measured[list(MEASURED_COLUMNS)]


def _endpoints(dataset: Dataset | None) -> pd.DataFrame:
    """Rows of the lab's endpoints that are tested."""
    if dataset is None or dataset.endpoints is None or dataset.settings.control_group is None:
        return pd.DataFrame(columns=["case", "endpoint", "value", "unit", "annotator"])
    return dataset.endpoints[dataset.endpoints["endpoint"].isin(dataset.measurements)]


def notes_on_measured(rows: pd.DataFrame, dataset: Dataset | None, annotators: list[str]) -> Iterator[Note]:
    """Notes on sizes in pixels, and on endpoints of annotators who are not evaluated."""
    sizes = rows[rows["measure"].isin(_SIZES)].drop_duplicates("case")
    n_unknown = int(sizes["pixel_size"].isna().sum())
    if n_unknown:
        yield Note("pixel_size_unknown", n=n_unknown, n_all=len(sizes))
    endpoints = _endpoints(dataset)
    others = endpoints[~endpoints["annotator"].isin([OF_ALL, *annotators])]
    for name, n in others.groupby("annotator", sort=False).size().items():
        yield Note("endpoints_not_used", str(name), n=int(n))
