"""Tables of all predicted images, made of their records.

CasePrediction -> case_row, records -> cases.csv, objects.csv, annotations.csv
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd

from segassay.data.named_channels import intensities_in
from segassay.io.csv_tables import csv_text
from segassay.io.images import write_bytes
from segassay_monai.ensemble.members import common_value
from segassay_monai.ensemble.uncertainty import MEANS
from segassay_monai.prediction.models import Model
from segassay_monai.prediction.records import Record

__all__ = ["annotations_table", "case_row", "cases_table", "objects_of", "objects_table", "write_table"]

_COUNTED = ("case", "image", "n_objects", "area_px", "region_area_px", "density", "mean_intensity")
_OBJECTS = ("label", "area_px", "confidence", "touches_border")
"""Columns where no image could be predicted; the others depend on the images."""


def case_row(
    counts: Mapping[str, Any], summary: Mapping[str, Any], spacing_um: Sequence[float] | None, n_axes: int
) -> dict[str, Any]:
    """Row of cases.csv.

    Args:
        counts: Of the objects, as `subjects.count_case` gives them.
        summary: Uncertainties and quality, as in `ensemble.uncertainty`.
        spacing_um: Pixel size; None if it is unknown.
        n_axes: Number of axes of the image.

    Returns:
        Number of objects and their size in pixels and, where the pixel size is known, in µm² (µm³); size of the
        image without ignored areas; objects per pixel; mean over the objects of their mean intensity; the summary.
        Undefined values are None.
    """
    row: dict[str, Any] = {
        "n_objects": counts["n_objects"],
        "area_px": counts["area_px"],
        "area_um2" if n_axes == 2 else "volume_um3": None
        if spacing_um is None
        else counts["area_px"] * prod(spacing_um),
        **{name: counts[name] for name in ("region_area_px", "density", *intensities_in(list(counts)))},
        **{name: summary[name] for name in ("n_members", *MEANS)},
    }
    return {name: None if value != value else value for name, value in row.items()}


def cases_table(records: Mapping[str, Record]) -> pd.DataFrame:
    """One row per image, in their order; a number that no image has, such as a size in µm², is NaN."""
    rows = [record["case"] for record in records.values()]
    if not rows:
        return pd.DataFrame(columns=list(_COUNTED))
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns[table.isna().all()], float))


def objects_of(objects: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns and rows of objects.csv of one image, as plain values."""
    table = objects.to_dict("split", index=False)
    return {"columns": table["columns"], "rows": table["data"]}


def objects_table(records: Mapping[str, Record]) -> pd.DataFrame:
    """One row per object, by image and number."""
    known = [record["objects"]["columns"] for record in records.values()]
    columns = known[0] if known else list(_OBJECTS)
    if any(own != columns for own in known):  # images whose channels have other names
        frames = [pd.DataFrame(one["objects"]["rows"], columns=one["objects"]["columns"]) for one in records.values()]
        return pd.concat([frame.assign(case=case) for case, frame in zip(records, frames, strict=True)]).pipe(
            lambda table: table[["case", *table.columns.drop("case")]].reset_index(drop=True)
        )
    rows = [[case, *row] for case, record in records.items() for row in record["objects"]["rows"]]
    return pd.DataFrame(rows, columns=["case", *columns])


def annotations_table(model: Model, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row per mask, as `segassay evaluate --annotations` reads it; paths are relative to the folder.

    `held_out` is False if a member was trained on the image, True if it is known that none was, else empty.
    """
    columns: dict[str, Sequence[Any]] = {
        "case": list(records),
        "annotator": [model.name] * len(records),
        "kind": ["ensemble" if len(model.checkpoints) > 1 else "model"] * len(records),
        "path": [_mask_of(record["files"], record["split"]) for record in records.values()],
        "prob": [record["files"].get("prob", "") for record in records.values()],
        "uncertainty": [record["files"].get("uncertainty", "") for record in records.values()],
    }
    columns |= {
        name: [common_value(model.members, name)] * len(records) for name in ("strategy", "trained_on", "fold", "seed")
    }
    return pd.DataFrame(columns | {"held_out": [record["held_out"] for record in records.values()]})


def _mask_of(files: Mapping[str, str], split: bool) -> str:
    """The instance labels where touching objects were separated, which a mask cannot show."""
    return files["instances"] if split and "instances" in files else files["masks"]


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV table whole or not at all."""
    write_bytes(path, csv_text(table).encode())
