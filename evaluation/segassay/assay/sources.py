"""Input of an evaluation: a dataset folder, a table of masks, arrays in memory, or several of these together.

folder, CSV or DataFrame, {annotator: folder or arrays}  ->  Sources (dataset, annotations, files)
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pandas as pd

from segassay.data.annotations import read_annotations
from segassay.data.arrays import dataset_of_arrays, hold_masks, hold_table
from segassay.data.dataset import Dataset, data_hash, of_cases, read_dataset
from segassay.data.folders import data_places
from segassay.errors import DataError, UsageError
from segassay.io.images import sha256

__all__ = ["Sources", "check_kinds", "data_hash_of_masks", "hashes_of", "read_sources"]

_AREAS = ("images", "ignore", "regions")
_TABLES = ("experiment", "endpoints")


@dataclass(frozen=True, eq=False)
class Sources:
    """Input of an evaluation.

    Attributes:
        name: Name of the dataset, or of the table of masks.
        dataset: Images, areas, experiment and settings; None if there are only masks.
        annotations: One row per mask.
        files: Files and folders that are read.
        places: Folders of images, masks or areas among them, which hold nothing else.
        folder: The dataset folder with all of its cases; None if the dataset is in memory, or there is none.
    """

    name: str
    dataset: Dataset | None
    annotations: pd.DataFrame
    files: frozenset[str | Path]
    places: frozenset[str | Path]
    folder: Dataset | None = None


def read_sources(
    folder: str | os.PathLike[str] | None,
    annotations: str | os.PathLike[str] | pd.DataFrame | None,
    masks: Mapping[str, Any],
    *,
    kinds: Mapping[str, str],
    described: Mapping[str, Any],
    cases: Collection[str] | None = None,
) -> Sources:
    """List all masks of all annotators; no pixel of a file is read.

    Args:
        folder: Dataset folder.
        annotations: CSV file or table of masks.
        masks: Annotator -> folder, or case -> array.
        kinds: Annotator of `masks` -> kind.
        described: Description of a dataset in memory, without a folder: images, ignore, regions, experiment, settings.
        cases: Names of the cases to evaluate; by default all.

    Raises:
        UsageError: If there is nothing to evaluate, or a folder and `described` are both given.
        DataError: If the data has problems, or there is only one annotator.
    """
    if folder is None and annotations is None and not masks:
        raise UsageError("nothing to evaluate; give a dataset folder, a table as annotations=, or masks=")
    if folder is not None and described:
        raise UsageError(
            f"{next(iter(described))} is given together with a dataset folder, which has its own; leave one of them out"
        )
    source = hold_table(annotations) if isinstance(annotations, pd.DataFrame) else annotations
    whole = dataset = None if folder is None else read_dataset(folder)
    table = read_annotations(dataset, source, hold_masks(masks), kinds)
    if described:
        dataset = _in_memory(table, described)
    if cases is not None:
        dataset = None if dataset is None else of_cases(dataset, cases)
        table = table[table["case"].isin(list(cases))].reset_index(drop=True)
    _check_comparable(table)
    csv = None if annotations is None or isinstance(annotations, pd.DataFrame) else Path(annotations)
    name = dataset.name if dataset is not None else "masks" if csv is None else csv.stem
    given = [place for place in masks.values() if isinstance(place, (str, os.PathLike))]
    places = frozenset([*map(Path, given), *(() if folder is None else data_places(folder))])
    files = frozenset(_files(None if folder is None else Path(folder), csv, table, described or {}))
    return Sources(name, dataset, table, files, places, whole)


def _in_memory(table: pd.DataFrame, described: Mapping[str, Any]) -> Dataset:
    areas = {name: described.get(name, {}) for name in _AREAS}
    tables: dict[str, Any] = {name: described.get(name) for name in _TABLES}
    settings = {key: value for key, value in described.items() if key not in (*_AREAS, *_TABLES)}
    return dataset_of_arrays(table, settings=settings, **areas, **tables)


def check_kinds(
    masks: Mapping[str, Any], kinds: Mapping[str, str] | None, reference: str | None, *, default: str
) -> dict[str, str]:
    """Kind of each annotator of `masks`: as given, else the truth or the reference by its name, else the default.

    Raises:
        UsageError: If `kinds` or `reference` names an annotator that is not in `masks`.

    Example:
        >>> check_kinds({"anna": {}, "net": {}, "truth": {}}, {"net": "model"}, None, default="human")
        {'anna': 'human', 'net': 'model', 'truth': 'truth'}
    """
    given = {normalize("NFC", str(name)): kind for name, kind in (kinds or {}).items()}
    given |= {} if reference is None else {normalize("NFC", str(reference)): "consensus"}
    if unknown := [name for name in given if name not in masks]:
        raise UsageError(f"no masks by {unknown[0]!r} are given; expected one of {', '.join(masks) or 'masks'}")
    return {name: given.get(name, "truth" if name == "truth" else default) for name in masks}


def _check_comparable(annotations: pd.DataFrame) -> None:
    names = annotations["annotator"].unique()
    if len(names) < 2:
        what = f"{names[0]!r} is the only annotator, so there is nothing to compare"
        action = (
            "add a rater, a `reference` in dataset.yaml, or further masks: annotations (--annotations) or "
            "masks (--masks)"
        )
        raise DataError.of(None, what, action)


def _files(
    folder: Path | None, csv: Path | None, annotations: pd.DataFrame, described: Mapping[str, Any]
) -> Iterable[str | Path]:
    for column in ("path", "prob", "uncertainty"):
        yield from (os.path.dirname(path) for path in annotations[column] if isinstance(path, str) and path)
    yield from (Path(image) for image in described.get("images", {}).values() if isinstance(image, (str, os.PathLike)))
    yield from (place for place in (folder, csv) if place is not None)


def hashes_of(sources: Sources) -> dict[str, str]:
    """The hash of the dataset, and of what is evaluated if that is more or less than the dataset.

    Returns:
        `data_hash`, which is that of `segassay check` for a dataset folder whatever is compared with it, and
        `masks_hash` if there are further masks, as those of models, or not all cases are evaluated.
    """
    content = data_hash_of_masks(sources.dataset, sources.annotations)
    whole = content if sources.folder is None else data_hash(sources.folder)
    return {"data_hash": whole} | ({} if whole == content else {"masks_hash": content})


def data_hash_of_masks(dataset: Dataset | None, annotations: pd.DataFrame) -> str:
    """SHA-256 of the evaluated content: the hash of the dataset, if there are no further masks.

    Of further masks, case, annotator, kind, session and content count, but not their paths.
    """
    own = set()
    if dataset is not None:
        folders = [*dataset.masks.values(), dataset.reference]
        own = {os.path.abspath(path) for paths in folders for path in paths.values()}
    content = data_hash(dataset) if dataset is not None else ""
    if dataset is not None and dataset.experiment is not None and dataset.settings.experiment is None:
        content += dataset.experiment.to_csv(index=False)  # a table in memory is not a file of the dataset
    if dataset is not None and dataset.endpoints is not None and dataset.settings.endpoints is None:
        content += dataset.endpoints.to_csv(index=False)
    foreign = annotations[~annotations["path"].isin(own)]
    if foreign.empty:
        return content
    lines = [
        f"{case}\0{annotator}\0{kind}\0{session}\0{'' if missing else sha256(path)}\n"
        for case, annotator, kind, session, path, missing in foreign[
            ["case", "annotator", "kind", "session", "path", "missing"]
        ].itertuples(index=False)
    ]
    return hashlib.sha256("".join([content, *sorted(lines)]).encode()).hexdigest()
