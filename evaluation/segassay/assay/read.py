"""Read an evaluation from its folder: tables, summary and verdicts, without any mask.

folder (files.json, summary.json, tables/*.csv, tables/*/*.parquet)  ->  Evaluation
"""

import os
from pathlib import Path
from typing import Any

from segassay.assay.evaluation import Evaluation
from segassay.assay.frames import UnreadableError, results_of
from segassay.assay.write import GALLERY, SUMMARY, class_folders
from segassay.errors import DataError
from segassay.io.addresses import refuse_address
from segassay.io.outputs import recover_output
from segassay.io.stored_tables import StoredTable
from segassay.io.table_files import LIST, check_files, from_csv, parse_json, read_list
from segassay.io.text_columns import python_strings
from segassay.judgement.classes import class_names

__all__ = ["ADVICE", "evaluation_folder", "read_results"]

_STUDY = "evaluation"
"""Folder in that of a study."""

ADVICE = "evaluate again, or take the folder from a copy"
"""What to do about a damaged file."""


def evaluation_folder(place: str | os.PathLike[str]) -> Path:
    """The folder of an evaluation: the given one, or that in the folder of a study.

    Raises:
        DataError: If there is none, or it was written by an earlier version, which listed no files.
        UsageError: If it is an address.
    """
    refuse_address(place, "evaluation")
    folder = Path(place)
    for one in (folder, folder / _STUDY):
        recover_output(one.resolve())
    if not folder.is_dir():
        raise DataError.of(folder, "is not a folder", expected="one that `segassay evaluate` or `segassay study` wrote")
    for one in (folder, folder / _STUDY):
        if (one / LIST).is_file():
            return one
        if (one / SUMMARY).is_file():
            what = f"has no {LIST}: it was removed, or an earlier version wrote the folder"
            raise DataError.of(one, what, ADVICE)
    raise DataError.of(
        folder, f"has no {LIST}", expected="the folder of an evaluation, or of a study that was evaluated"
    )


@python_strings()
def read_results(place: str | os.PathLike[str]) -> Evaluation:
    """Read an evaluation that `evaluate` or a study has written.

    Every file is compared with its checksum in `files.json` first; checklists are not in it, so they may be filled in.

    Args:
        place: Folder of the evaluation, or of a study that was evaluated.

    Returns:
        The evaluation, with numbers as they are in the files; masks are neither read nor needed. `annotations` has no
        columns `path`, `prob` and `uncertainty`.

    Raises:
        DataError: If files are missing, empty, cut or changed, or of a version that cannot be read; it names them.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from segassay import evaluate, read_results
        >>> mask = np.pad(np.ones((1, 8, 8), dtype=bool), ((0, 0), (4, 4), (4, 4)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = evaluate(masks={"anna": {"1": mask[0]}, "ben": {"1": mask[0]}})
        ...     read_results(found.save(f"{folder}/out")).counts["n_objects"].tolist()
        [1, 1]
    """
    folder = evaluation_folder(place)
    listed = read_list(folder, ADVICE)
    texts = check_files(folder, listed, ADVICE)
    frames: dict[str, Any] = {}
    for name, types in listed.types.items():
        if any(path.startswith(f"tables/{name}/") for path in listed.checksums):
            frames[name] = StoredTable(folder / "tables" / name, types)
            continue
        path = f"tables/{name}.csv"
        if path not in texts:
            raise DataError.of(folder / LIST, f"lists no {path}", ADVICE)
        try:
            frames[name] = from_csv(texts[path], types)
        except (ValueError, TypeError) as error:
            raise DataError.of(folder / path, f"cannot be read: {' '.join(str(error).split())}", ADVICE) from error
    summary = parse_json(folder / SUMMARY, texts.get(SUMMARY, ""), ADVICE)
    gallery = parse_json(folder / GALLERY, texts[GALLERY], ADVICE) if GALLERY in texts else None
    classes = {name: read_results(place) for name, place in class_folders(folder, class_names(summary)).items()}
    try:
        return Evaluation(**vars(results_of(listed.name, frames, summary)), kept_gallery=gallery, classes=classes)
    except UnreadableError as error:
        raise DataError.of(folder, f"cannot be read by this version: {error}", ADVICE) from error
