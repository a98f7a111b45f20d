"""The annotations table: one row for every mask of every annotator.

    dataset (raters, reference) + annotations.csv + folders of masks  ->  one row per mask

A rater, a model, an ensemble, a consensus and a known truth are all annotators. Cases are matched by name, never by
position, and a name that matches nothing is an error.
"""

import errno
import math
import os
import reprlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pandas as pd

from segassay.data.dataset import Dataset
from segassay.data.facets import EXCHANGEABLE, FACET_COLUMNS
from segassay.data.harmless import annotator_problems, name_problems, why_harmful_to_train
from segassay.data.mask_folder import find_masks_of_option
from segassay.data.names import is_image, names_of_cases, natural_key
from segassay.errors import DataError, number_of, raise_problems
from segassay.io.held import HeldImage
from segassay.io.text_tables import read_text_table

__all__ = [
    "ANNOTATION_COLUMNS",
    "KINDS",
    "SPENT_COLUMNS",
    "TRAINED",
    "WITHOUT",
    "annotator_order",
    "is_rater",
    "is_trained",
    "kind_label",
    "raters_of",
    "read_annotations",
]

RATER = "human"
"""Kind of a rater."""

TRAINED = ("model", "ensemble")
KINDS = (RATER, "consensus", *TRAINED, "truth")
"""Kinds of annotators."""

ANNOTATION_COLUMNS = (
    "case",
    "annotator",
    "kind",
    "path",
    "strategy",
    "trained_on",
    "fold",
    "seed",
    "held_out",
    "session",
    "prob",
    "uncertainty",
    "missing",
)
"""Columns of the table that `read_annotations` returns."""

SPENT_COLUMNS = ("n_raters", "n_train")
"""Further columns, only where a table has them: from how many raters, and on how many images, a model learned."""

WITHOUT = "_without_"
"""Consensus models are `trained_on` `<method>_without_<rater>` if this rater was left out of the consensus."""

_REQUIRED = ("case", "annotator", "kind", "path")
_PATHS = ("path", "prob", "uncertainty")
_WHOLE_NUMBERS = ("fold", "seed", "session")
_TRUTH_VALUES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": None}
_RANK = {"truth": 0, "consensus": 1}  # comes first in a pair: what the others are compared with
TRUTH = "truth"  # the masks of an annotator with this name are the truth


def is_rater(kind: str | None) -> bool:
    """Whether an annotator of this kind is a rater.

    Example:
        >>> is_rater("human"), is_rater("model"), is_rater(None)
        (True, False, False)
    """
    return kind == RATER


def is_trained(kind: str | None) -> bool:
    """Whether an annotator of this kind was trained: a model, or an ensemble of models.

    Example:
        >>> is_trained("ensemble"), is_trained("human"), is_trained(None)
        (True, False, False)
    """
    return kind in TRAINED


def kind_label(kind: str) -> str:
    """A kind as people read it.

    Example:
        >>> kind_label("human"), kind_label("model")
        ('rater', 'model')
    """
    return "rater" if is_rater(kind) else kind


def raters_of(kinds: Mapping[str, str]) -> list[str]:
    """Names of the raters among annotators, in the order given.

    Args:
        kinds: Annotator -> kind.

    Example:
        >>> raters_of({"est_GT": "consensus", "anna": "human", "unet": "model", "ben": "human"})
        ['anna', 'ben']
    """
    return [name for name, kind in kinds.items() if is_rater(kind)]


def annotator_order(annotator: str, kind: str) -> tuple[Any, ...]:
    """Key that sorts annotators: truth, then references and consensuses, then all others, each in natural order.

    Example:
        >>> kinds = {"expert_10": "human", "expert_2": "human", "est_GT": "consensus"}
        >>> sorted(kinds, key=lambda name: annotator_order(name, kinds[name]))
        ['est_GT', 'expert_2', 'expert_10']
    """
    return (_RANK.get(kind, 2), natural_key(annotator))


def read_annotations(
    dataset: Dataset | None,
    annotations: str | os.PathLike[str] | pd.DataFrame | None = None,
    masks: Mapping[str, str | os.PathLike[str] | Mapping[str, HeldImage]] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """List every mask and its annotator; no pixels are read.

    Args:
        dataset: Its raters are of kind `human`, its reference is a consensus. Without it, cases come from the table.
        annotations: Table, or CSV file, with the columns case, annotator, kind, path and perhaps strategy, trained_on,
            fold, seed, held_out, session, prob, uncertainty, n_raters, n_train. Paths are absolute or
            relative: to the CSV file, which they may not leave except into the dataset; for a table in memory to the
            current folder. A table may hold a `HeldImage` instead of a
            path. A mask of the dataset may be listed again.
        masks: Name of each further annotator -> the folder of its masks, where files are named after the cases,
            possibly with one suffix for all; or the masks by case.
        kinds: Kind of annotators in `masks`; by default a model, or the truth where the name is `truth`.

    Returns:
        One row per mask with `ANNOTATION_COLUMNS`, those of `SPENT_COLUMNS` that the table has, and, if `dataset.yaml`
        says who the raters are, `person`, `tool` and `site`, or `exchangeable` (`data.facets`); sorted by case,
        annotator (`annotator_order`) and session. `path`, `prob` and `uncertainty` are absolute or empty; `fold`,
        `seed`, `session`, `n_raters` and `n_train` Int64; `held_out` boolean, where `<NA>` is unknown; `missing` is
        True if the file does not exist: a failed prediction of a model or an ensemble, or a case that a rater did
        not annotate.

    Raises:
        DataError: Lists every problem found, one per line: missing columns, unknown kinds, two rows for one mask, cases
            the dataset does not have, a name used twice, files of a truth or consensus that do not exist, folders
            without masks, predictions on cases that the model was trained on, no masks at all.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "0144.png").touch()
        ...     table = read_annotations(None, masks={"net": folder})
        >>> table[["case", "annotator", "kind"]].values.tolist()
        [['0144', 'net', 'model']]
    """
    tables = [_of_dataset(dataset)] if dataset is not None else []
    problems: list[str] = []
    if annotations is not None:
        table, problems = _of_annotations(annotations, dataset)
        tables.append(table)
    listed = _joined(tables)
    cases = dict.fromkeys(dataset.cases if dataset is not None else listed["case"])
    for name, place in (masks or {}).items():
        if name in set(listed["annotator"]) or not name:
            problems.append(f"masks (--masks) of {name!r}: {name!r} is already an annotator; choose another name")
        kind = (kinds or {}).get(name, TRUTH if name == TRUTH else "model")
        table, of_masks = _of_masks(name, kind, place, cases, dataset)
        problems += of_masks
        tables.append(table)
    file = None if annotations is None or isinstance(annotations, pd.DataFrame) else os.fspath(annotations)
    source = file or str(dataset.folder if dataset is not None else "annotations")
    problems += _harmful_names(source, _joined(tables))
    raise_problems(Path(source), problems)
    table = _without_gaps(_joined(tables))
    if table["missing"].all():
        what = f"none of {len(table)} masks exists; expected paths that are absolute or relative to the folder of the "
        raise DataError(f"{file or 'the annotations'}: {what}table", file, f"{what}table")
    return _sorted(table)


def _harmful_names(source: str, table: pd.DataFrame) -> list[str]:
    found = annotator_problems(source, "annotator", table["annotator"].unique())
    for column in ("case", "strategy", "trained_on"):
        found += name_problems(source, column, table[column].unique(), why=why_harmful_to_train)
    return list(map(str, found))


def _as_text(cell: Any) -> Any:
    """A cell of a table in memory as text, as if from a file; images stay."""
    if isinstance(cell, HeldImage):
        return cell
    if cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _held(name: str, kind: str, masks: Mapping[str, HeldImage]) -> pd.DataFrame:
    rows = [(str(case), name, kind, mask) for case, mask in masks.items()]
    return pd.DataFrame(rows, columns=list(_REQUIRED), dtype=object)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([table for table in tables if len(table)] or [_rows([])], ignore_index=True)


def _without_gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Facets of annotators of whom nothing is said: none."""
    for column in (name for name in FACET_COLUMNS if name in table):
        table[column] = table[column].eq(True) if column == EXCHANGEABLE else table[column].fillna("")
    return table


def _rows(masks: list[tuple[str, str, str, Path]]) -> pd.DataFrame:
    """Table of masks with only case, annotator, kind and path known."""
    table = pd.DataFrame(masks, columns=list(_REQUIRED)).reindex(columns=list(ANNOTATION_COLUMNS))
    table["path"] = [os.path.abspath(path) for path in table["path"]]
    table["missing"] = False
    for column in ("strategy", "trained_on", "prob", "uncertainty"):
        table[column] = ""
    dtypes: dict[str, Any] = dict.fromkeys(_WHOLE_NUMBERS, "Int64") | {"held_out": "boolean"}
    return table.astype(dtypes | {"missing": bool})


def _of_dataset(dataset: Dataset) -> pd.DataFrame:
    masks = [
        (case, rater, TRUTH if rater == TRUTH else RATER, path)
        for rater, paths in dataset.masks.items()
        for case, path in paths.items()
    ]
    name = dataset.reference_name or ""
    kind = TRUTH if name == TRUTH else "consensus"
    table = _rows(masks + [(case, name, kind, path) for case, path in dataset.reference.items()])
    return _with_facets(table, dataset)


def _with_facets(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The same rows with person, tool, site and session of each rater; as they are if nothing is said."""
    if dataset.settings.exchangeable:
        return table.assign(**{EXCHANGEABLE: table["kind"].eq(RATER)})
    said = dataset.settings.facets
    if not said:
        return table
    of_rater = table["kind"].eq(RATER)
    columns = {
        name: [getattr(said.get(rater), name, None) or "" for rater in table["annotator"]] for name in ("tool", "site")
    }
    person = [getattr(said.get(rater), "person", None) or rater for rater in table["annotator"]]
    sessions = table["annotator"].map({rater: facets.session for rater, facets in said.items()}).astype("Int64")
    return table.assign(person=pd.Series(person).where(of_rater, ""), **columns, session=sessions)


def _of_annotations(
    annotations: str | os.PathLike[str] | pd.DataFrame, dataset: Dataset | None
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a table, in a file or in memory, without the dataset's own masks; and its problems."""
    if isinstance(annotations, pd.DataFrame):
        return _of_table(annotations.reset_index(drop=True).map(_as_text), Path(), "annotations", dataset)
    path = Path(annotations)
    table = read_text_table(path)
    leaving = _leaving_problems(table, path.parent, dataset)
    rows, problems = _of_table(table, path.parent, str(path), dataset)
    return rows, leaving + problems


def _of_masks(
    name: str,
    kind: str,
    place: str | os.PathLike[str] | Mapping[str, HeldImage],
    cases: dict[str, None],
    dataset: Dataset | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Masks of one annotator, in a folder or in memory; and their problems."""
    if isinstance(place, Mapping):
        return _of_table(_held(name, kind, place), Path(), f"masks[{name!r}]", dataset)
    masks, problems = find_masks_of_option(name, Path(place), cases)
    return _rows([(case, name, kind, path) for case, path in masks.items()]), problems


def _of_table(
    table: pd.DataFrame, folder: Path, source: str, dataset: Dataset | None
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a table of text, with paths relative to the folder; and its problems."""
    missing = [column for column in _REQUIRED if column not in table.columns]
    if missing:
        what = f"no column {', '.join(missing)}; expected {', '.join(_REQUIRED)}, got {', '.join(table.columns)}"
        raise DataError(f"{source}: {what}", source, what)
    raise_problems(source, _path_problems(table, folder))
    spent = [column for column in SPENT_COLUMNS if column in table]
    table = table.reindex(columns=[*ANNOTATION_COLUMNS, *spent], fill_value="")
    table["case"] = names_of_cases(table["case"], dataset.images if dataset is not None else ())
    for column in ("annotator", "strategy", "trained_on"):
        table[column] = [normalize("NFC", name) for name in table[column]]
    problems = [f"{source}: no rows; expected one for each mask"] if table.empty else []
    table.loc[table["annotator"] == TRUTH, "kind"] = TRUTH
    for column in _PATHS:
        table[column] = table[column].map(partial(_absolute, folder))
    table["missing"] = [not (isinstance(file, HeldImage) or os.path.isfile(file)) for file in table["path"]]
    problems += _cell_problems(table) + _file_problems(table) + _case_problems(source, table, dataset)
    if dataset is not None or not table["missing"].all():  # else one message about the whole table
        problems += _lost_models(table)
    table["held_out"] = table["held_out"].str.lower().map(_TRUTH_VALUES).astype("boolean")
    for column in (*_WHOLE_NUMBERS, *spent):
        table[column] = pd.to_numeric(table[column].where(table[column].str.fullmatch(r"-?\d{1,18}")), errors="coerce")
        table[column] = table[column].astype("Int64")
    problems += _name_problems(table, dataset)
    return _without_masks_of_dataset(table, dataset), problems


def _path_problems(table: pd.DataFrame, folder: Path) -> list[str]:
    """Cells that no system takes for a path."""
    problems = []
    for column in (name for name in _PATHS if name in table):
        for row, cell in table[column].items():
            why = None if isinstance(cell, HeldImage) else _why_no_path(folder / cell)
            if why is not None:
                problems.append(f"row {row}: {column} {reprlib.repr(cell)} {why}; correct the cell")
    return problems


def _why_no_path(path: Path) -> str | None:
    try:
        os.lstat(path)
    except OSError as error:
        return "is too long for a path" if error.errno == errno.ENAMETOOLONG else None
    except ValueError:
        return "holds a letter that no path can hold"
    return None


def _absolute(folder: Path, cell: Any) -> Any:
    """Absolute path of a file; an image in memory or an empty cell stays."""
    if isinstance(cell, HeldImage) or not cell:
        return cell
    of_windows = folder / cell.replace("\\", "/")
    return os.path.abspath(of_windows if not (folder / cell).exists() and of_windows.exists() else folder / cell)


def _leaving_problems(table: pd.DataFrame, folder: Path, dataset: Dataset | None) -> list[str]:
    """Relative paths to files that the user did not give: outside the folder of the table and of the dataset.

    A relative path says that table and masks belong together. One that leaves the folder may lead to any file of the
    computer, as `../../` in a table from someone else, which nobody sees; an absolute path is seen.
    """
    places = [os.path.abspath(place) for place in (folder, *([dataset.folder] if dataset is not None else []))]
    problems = []
    for column in (name for name in _PATHS if name in table):
        for row, cell in table[column].items():
            file = Path(os.path.abspath(folder / cell.replace("\\", "/")))  # as Windows writes it
            if cell and not os.path.isabs(cell) and not any(file.is_relative_to(place) for place in places):
                what = f"row {row}: {column} {cell!r} leaves the folder of the table"
                problems.append(f"{what}; move the table to a folder that holds the masks, or give the absolute path")
    return problems


def _cell_problems(table: pd.DataFrame) -> list[str]:
    """Problems of single rows."""
    problems = []
    for column in ("case", "annotator", "path"):
        problems += [f"row {row}: {column} is empty" for row in table.index[table[column] == ""]]
    for row, kind in table.loc[~table["kind"].isin(KINDS), "kind"].items():
        problems.append(f"row {row}: kind is {kind!r}; expected one of {', '.join(KINDS)}")
    for column in (column for column in (*_WHOLE_NUMBERS, *SPENT_COLUMNS) if column in table):
        wrong = table.loc[~table[column].str.fullmatch(r"(-?\d{1,18})?"), column]
        problems += [
            f"row {row}: {column} is {cell!r}; expected a whole number or nothing" for row, cell in wrong.items()
        ]
    known = table["held_out"].str.lower().isin(_TRUTH_VALUES)
    for row, cell in table.loc[~known, "held_out"].items():
        problems.append(f"row {row}: held_out is {cell!r}; expected true, false or nothing where it is unknown")
    used = table["held_out"].str.lower().map(_TRUTH_VALUES).eq(False) & table["kind"].isin(TRAINED)
    for row, annotator in table.loc[used, "annotator"].items():
        problems.append(f"row {row}: {annotator!r} was trained on this case (held_out is false); leave the row out")
    return problems


def _file_problems(table: pd.DataFrame) -> list[str]:
    problems = []
    for row, file in table.loc[~table["missing"], "path"].items():
        if not isinstance(file, HeldImage) and not is_image(os.path.basename(file), outlines=True):
            problems.append(f"row {row}: {file} has no image ending; expected .png, .tif, .tiff, .nii or .nii.gz")
    lost = table[table["missing"] & table["kind"].isin(["truth", "consensus"]) & (table["path"] != "")]
    for row, annotator, file in zip(lost.index, lost["annotator"], lost["path"], strict=True):
        problems.append(f"row {row}: {file} does not exist; a mask by {annotator!r} is what others are compared with")
    return problems


def _lost_models(table: pd.DataFrame) -> list[str]:
    """Models without a single file, if no model has one: a wrong folder, rather than predictions that failed."""
    trained = table[table["kind"].isin(TRAINED) & (table["path"] != "")]
    if trained["case"].nunique() < 2 or not trained["missing"].all():
        return []
    return [
        f"row {rows.index[0]}: none of {number_of(len(rows), 'file')} of {annotator!r} exists, such as "
        f"{rows['path'].iloc[0]}; correct the paths, which are relative to the folder of the table"
        for annotator, rows in trained.groupby("annotator", sort=False)
    ]


def _case_problems(source: str, table: pd.DataFrame, dataset: Dataset | None) -> list[str]:
    if dataset is None:
        return []
    known = set(dataset.cases)
    strange = table.loc[~table["case"].isin(known) & (table["case"] != ""), "case"]
    if len(strange) and len(strange) == len(table):
        first, case = strange.iloc[0], dataset.cases[0]
        return [f"{source} and {dataset.folder} have no case in common; the table has {first!r}, the dataset {case!r}"]
    without_zeros = {case.lstrip("0"): case for case in dataset.cases}
    problems = []
    for row, case in strange.items():
        near = without_zeros.get(case.lstrip("0"))
        hint = (
            f"did a spreadsheet remove the zeros of {near!r}? Format the column as text"
            if near
            else "leave the row out or add the image"
        )
        problems.append(f"row {row}: case {case!r} is not in {dataset.folder}; {hint}")
    return problems


def _name_problems(table: pd.DataFrame, dataset: Dataset | None) -> list[str]:
    """Names used for two kinds of annotators, and masks listed twice."""
    problems = []
    for annotator, kinds in table.groupby("annotator", sort=False)["kind"].unique().items():
        if len(kinds) > 1:
            problems.append(f"annotator {annotator!r} is {' and '.join(kinds)}; expected one kind for one name")
    first_row: dict[tuple[Any, ...], Any] = {}
    for row, *key in table[["case", "annotator", "session"]].itertuples():
        first = first_row.setdefault(tuple(map(str, key)), row)
        if first != row:
            problems.append(
                f"row {row}: second mask of case {key[0]!r} by {key[1]!r} in addition to row {first}; keep one, "
                "or number repeated annotations by one rater in the column session"
            )
    of_dataset: dict[str, str] = (
        {} if dataset is None else dict(_of_dataset(dataset)[["annotator", "kind"]].itertuples(index=False))
    )
    for annotator, kind in table[["annotator", "kind"]].drop_duplicates().itertuples(index=False):
        if of_dataset.get(annotator, kind) != kind:
            problems.append(
                f"annotator {annotator!r} is {kind} in the table and {of_dataset[annotator]} in the dataset; rename one"
            )
    return problems + _clashes(table, dataset)


def _clashes(table: pd.DataFrame, dataset: Dataset | None) -> list[str]:
    """Rows that give another file for a mask that the dataset has."""
    files = _files_of_dataset(dataset)
    rows = table.loc[table["session"].isna(), ["case", "annotator", "path"]]
    return [
        f"row {row}: the dataset has another mask of case {case!r} by {annotator!r}; rename the annotator, or number "
        "repeated annotations by one rater in the column session"
        for row, case, annotator, path in rows.itertuples()
        if files.get((case, annotator), os.path.realpath(path)) != os.path.realpath(path)
    ]


def _files_of_dataset(dataset: Dataset | None) -> dict[tuple[str, str], str]:
    if dataset is None:
        return {}
    masks = {**dataset.masks, **({dataset.reference_name: dataset.reference} if dataset.reference_name else {})}
    return {(case, name): os.path.realpath(path) for name, paths in masks.items() for case, path in paths.items()}


def _without_masks_of_dataset(table: pd.DataFrame, dataset: Dataset | None) -> pd.DataFrame:
    files = _files_of_dataset(dataset)
    listed = [
        files.get((case, annotator)) == os.path.realpath(path)
        for case, annotator, path in table[["case", "annotator", "path"]].itertuples(index=False)
    ]
    return table[[not again for again in listed]]


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [
        (natural_key(case), annotator_order(annotator, kind), 0 if pd.isna(session) else int(session))
        for case, annotator, kind, session in table[["case", "annotator", "kind", "session"]].itertuples(index=False)
    ]
    order = sorted(range(len(table)), key=keys.__getitem__)
    return table.iloc[order].reset_index(drop=True)
