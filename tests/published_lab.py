"""lab-wue1 of Segebarth et al. 2020, downloaded and compared once for all tests, in whatever process they run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from segassay.data.annotations import read_annotations
from segassay.data.dataset import Dataset, read_dataset
from segassay.data.published.download import download
from segassay.selftest import run as selftest
from segassay.tables.build import Tables, build_tables


@dataclass(frozen=True, eq=False)
class Lab:
    """The five raters and `est_GT`, as `segassay download` leaves them, and all their tables."""

    dataset: Dataset
    annotations: pd.DataFrame
    tables: Tables


def compare_lab(folder: Path, mirror: Path) -> Lab:
    """Download the lab into an empty folder, and compare its masks."""
    dataset = read_dataset(download(folder, labs=["wue1"], mirror=mirror)[0].folder)
    annotations = read_annotations(dataset)
    return Lab(dataset, annotations, build_tables(dataset, annotations, n_jobs=1))


def files_of(dataset: Dataset) -> dict[str, bytes]:
    """What a dataset holds, by its place."""
    paths = (path for path in dataset.folder.rglob("*") if path.is_file())
    return {path.relative_to(dataset.folder).as_posix(): path.read_bytes() for path in paths}


def use_tables(monkeypatch: pytest.MonkeyPatch, lab: Lab, user: ModuleType = selftest) -> list[int]:
    """Let a module have the tables of the lab if it asks for those of the same files; returns its `n_jobs`.

    Comparing takes half a minute, and gives the same for any number of processes.
    """
    asked = []

    def known(dataset: Dataset, annotations: pd.DataFrame, *, n_jobs: int, **_: object) -> Tables:
        assert files_of(dataset) == files_of(lab.dataset)
        columns = annotations.columns.drop("path")
        pd.testing.assert_frame_equal(annotations[columns], lab.annotations[columns])
        asked.append(n_jobs)
        return lab.tables

    monkeypatch.setattr(user, "build_tables", known)
    return asked


def with_copies(tables: Tables, copies: Mapping[str, str]) -> Tables:
    """Agreement and counts of models too that draw as an annotator of the lab does, as `build_tables` gives them.

    Args:
        tables: Of the raters and `est_GT`.
        copies: Annotator -> its model. With the consensus of the other raters only the model of the one left out is
            compared, by whose rows it has.
    """
    known, counts = tables.agreement, tables.counts
    turned = known.rename(columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a"})
    perfect = counts.assign(annotator_a=counts["annotator"], annotator_b=counts["annotator"])
    perfect = perfect.merge(pd.DataFrame({"iou_threshold": known["iou_threshold"].unique()}), how="cross")
    perfect = perfect[["case", "annotator_a", "annotator_b", "iou_threshold"]].assign(f1=1.0, mean_iou=1.0, dice=1.0)
    beside = pd.concat([known, turned, perfect])
    beside["annotator_b"] = beside["annotator_b"].map(copies)
    models = known.assign(**{side: known[side].map(copies) for side in ("annotator_a", "annotator_b")})
    own = tables.leave_one_out.query("annotator == rater")
    return replace(
        tables,
        agreement=pd.concat([known, beside, models], ignore_index=True),
        leave_one_out=pd.concat([tables.leave_one_out, own.assign(annotator=own["annotator"].map(copies))]),
        counts=pd.concat([counts, counts.assign(annotator=counts["annotator"].map(copies))], ignore_index=True),
    )
