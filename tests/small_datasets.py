"""Datasets of a few drawn masks, and one row of a table."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.io.images import write_labels, write_mask
from segassay.tables.build import Tables, build_tables


def make_dataset(
    folder: Path,
    masks: dict[str, dict[str, np.ndarray]],
    images: dict[str, np.ndarray] | None = None,
    areas: dict[str, dict[str, np.ndarray]] | None = None,
    **settings: object,
) -> Dataset:
    """Masks by annotator and case; blank images and no areas (`ignore`, `region_masks`) unless given."""
    cases = {case: mask for of_rater in masks.values() for case, mask in of_rater.items()}
    for case, mask in cases.items():
        save(folder / "images" / f"{case}.png", (images or {}).get(case, np.zeros(mask.shape, dtype=int)))
    for rater, of_rater in masks.items():
        for case, mask in of_rater.items():
            save(folder / "labels" / rater / f"{case}.png", mask)
    for area, of_case in (areas or {}).items():
        settings[area] = area
        for case, mask in of_case.items():
            save(folder / area / f"{case}.png", mask)
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))  # classes have an order
    return read_dataset(folder)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (write_mask if array.dtype == bool else write_labels)(path, array)


def tables_of(dataset: Dataset, rows: str = "", columns: str = "session,held_out") -> Tables:
    """Tables of a dataset and of foreign masks: rows of annotations.csv with case, annotator, kind, path and others."""
    path = dataset.folder.parent / "annotations.csv"
    path.write_text(f"case,annotator,kind,path,{columns}\n{rows}")
    return build_tables(dataset, read_annotations(dataset, path if rows else None), n_jobs=1)


def row(table: pd.DataFrame, **where: object) -> pd.Series:
    """The one row with these values; at the threshold .5 where there are several."""
    where = {"iou_threshold": 0.5} | where if "iou_threshold" in table else where
    found = table[np.logical_and.reduce([table[column] == value for column, value in where.items()])]
    assert len(found) == 1
    return found.iloc[0]
