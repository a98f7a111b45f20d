"""Data in memory: use arrays and tables instead of the files of a dataset folder.

    {annotator: {case: mask}}  ->  HeldImage  ->  read_annotations, as for files
    images, areas, experiment  ->  Dataset

No file is written: functions that read a file accept the array instead (`segassay.io.held`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from pydantic import ValidationError

from segassay.data.class_rules import rules_broken
from segassay.data.dataset import Dataset, classes_of
from segassay.data.design import problems_of_experiment
from segassay.data.measurements import checked_endpoints, measurement_problems
from segassay.data.named_channels import broken_channel_names, channel_problems, find_channels, intensity_places
from segassay.data.names import natural_key
from segassay.data.settings import DatasetFile
from segassay.errors import DataError, Problem, UsageError, raise_problems, wrong_value
from segassay.io.held import HeldImage
from segassay.io.images import image_shape
from segassay.io.picture import Picture

__all__ = ["dataset_of_arrays", "hold_masks", "hold_table"]

_IN_MEMORY = Path("data in memory")
_CELLS = ("path", "prob", "uncertainty")


def hold_masks(masks: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap arrays of masks as `HeldImage`; folders stay as they are.

    Args:
        masks: Annotator -> a folder, or case -> array `(*spatial)`: boolean, 0 and 255, or one number per object.

    Returns:
        The same mapping, for `segassay.data.annotations.read_annotations`.

    Raises:
        UsageError: If something is neither a folder nor a mapping of arrays.
    """
    held: dict[str, Any] = {}
    for name, place in masks.items():
        if isinstance(place, (str, os.PathLike)):
            held[name] = place
        elif isinstance(place, Mapping):
            held[name] = {str(case): _hold(f"masks[{name!r}][{case!r}]", mask) for case, mask in place.items()}
        else:
            came = type(place).__name__
            raise UsageError(f"masks[{name!r}] is a {came}; expected a folder, or a dictionary of one array per case")
    return held


def hold_table(annotations: pd.DataFrame) -> pd.DataFrame:
    """A table of annotations whose arrays, in the columns path, prob and uncertainty, are `HeldImage`."""
    table = annotations.reset_index(drop=True)
    for column in (name for name in _CELLS if name in table):
        held = [
            _hold(f"{column} of row {row}", cell) if isinstance(cell, np.ndarray) else cell
            for row, cell in enumerate(table[column])
        ]
        table[column] = pd.Series(held, dtype=object)
    return table


def _hold(name: str, array: Any, spacing_um: tuple[float, ...] | None = None) -> HeldImage:
    """An image of one channel."""
    array = np.asarray(array)
    if array.dtype.kind not in "buif" or array.ndim == 0:
        raise UsageError(f"{name} must be an array of numbers, got {array.dtype} of shape {array.shape}")
    return HeldImage(name, Picture(array[None], spacing_um, None))


def dataset_of_arrays(
    annotations: pd.DataFrame,
    *,
    images: Mapping[str, Any],
    ignore: Mapping[str, np.ndarray],
    regions: Mapping[str, np.ndarray],
    experiment: pd.DataFrame | None,
    settings: Mapping[str, Any],
    endpoints: pd.DataFrame | None = None,
) -> Dataset:
    """Make a dataset without a folder; its masks are those of the annotations.

    Args:
        annotations: From `read_annotations`; its cases are those of the dataset.
        images: Case -> array `(*spatial)` or `(C, *spatial)`, or file. Without images, intensities are unknown.
        ignore: Case -> boolean array `(*spatial)` of the ignored area.
        regions: Case -> boolean array `(*spatial)` of the region in which objects count.
        experiment: Table with the columns case and group, perhaps region, subject and batch.
        settings: As in `dataset.yaml`.
        endpoints: Table with the columns case, endpoint and value, perhaps unit and annotator.

    Raises:
        DataError: If an image is missing or has another shape than its masks, or the experiment or the endpoints have
            problems.
        UsageError: If a setting is wrong.
    """
    checked = _settings(settings)
    masks = annotations[~annotations["missing"]].drop_duplicates("case").set_index("case")["path"]
    cases = sorted(annotations["case"].unique(), key=natural_key)
    given = {str(case): image for case, image in images.items()}
    if given and (without := [case for case in cases if case not in given]):
        raise DataError.of("images", f"has no case {without[0]!r}", "give the image of every case, or none")
    shapes = {case: image_shape(masks[case]) for case in masks.index}
    files = {case: _image(case, given.get(case), shapes.get(case), checked.spacing_um) for case in cases}
    areas = [
        {str(case): _hold(f"{what}[{case!r}]", area) for case, area in of_case.items()}
        for what, of_case in (("ignore", ignore), ("regions", regions))
    ]
    own = None if endpoints is None else _endpoints(endpoints, annotations, cast(dict[str, Path], files))
    channels, named_by_files = find_channels(checked, (), cast(dict[str, Path], files))
    raise_problems("channels", list(broken_channel_names("channels", checked.channels or ())))
    raise_problems("channels", channel_problems("channels", checked, channels))
    intensities = intensity_places(checked, channels)
    raise_problems("measurements", measurement_problems("measurements", checked, own, intensities))
    return Dataset(
        folder=_IN_MEMORY,
        name=_IN_MEMORY.name,
        settings=checked,
        images=cast(dict[str, Path], files),  # a HeldImage is read like a file
        masks={},
        ignore=cast(dict[str, Path], areas[0]),
        region_masks=cast(dict[str, Path], areas[1]),
        experiment=None if experiment is None else _experiment(experiment, checked, cast(dict[str, Path], files)),
        endpoints=own,
        channels=channels,
        named_by_files=named_by_files,
        classes=classes_of(checked, said_in="classes"),
    )


def _settings(settings: Mapping[str, Any]) -> DatasetFile:
    try:
        checked = DatasetFile.model_validate(dict(settings))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UsageError(wrong_value(str(wrong["loc"][0]), wrong)) from None
    for _, problem in rules_broken("classes", checked):
        raise UsageError(str(problem))
    return checked


def _image(
    case: str, image: Any, shape: tuple[int, ...] | None, spacing_um: tuple[float, ...] | None
) -> str | os.PathLike[str]:
    """The image of a case; without one, an image of no value that gives the masks their shape and spacing."""
    if isinstance(image, (str, os.PathLike)):
        return Path(image)
    name = f"images[{case!r}]"
    if image is None:
        blank = np.broadcast_to(np.float32(np.nan), shape or (1, 1))
        return _hold(name, blank, spacing_um)
    held = _hold(name, image, spacing_um)
    if shape is not None and held.shape != shape and held.shape[1:] == shape:
        return HeldImage(name, Picture(held.picture.array[0], spacing_um, None))
    if shape is not None and held.shape != shape:
        what = f"has shape {held.shape}, but its masks have {shape}"
        raise DataError.of(name, what, expected="that, or channels first")
    return held


def _experiment(table: pd.DataFrame, settings: DatasetFile, images: dict[str, Path]) -> pd.DataFrame:
    if missing := {"case", "group"} - set(table):
        what = f"no column {' and '.join(sorted(missing))}; expected case, group"
        raise DataError.of_problem(Problem("experiment", what, "name the columns so", kind="table-columns"))
    text = _as_text(table)
    raise_problems("experiment", problems_of_experiment("experiment", text, settings, images))
    return text


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(object).where(table.notna(), "").astype(str)


def _endpoints(table: pd.DataFrame, annotations: pd.DataFrame, images: dict[str, Path]) -> pd.DataFrame:
    checked, problems = checked_endpoints("endpoints", _as_text(table), images, list(annotations["annotator"].unique()))
    raise_problems("endpoints", [problem for problem in problems if problem.level == "error"])
    assert checked is not None, "a table that cannot be used has a problem"
    return checked
