"""The tables of an evaluation by the names of their files, and the evaluation that such tables are of.

Results  ->  frames  ->  the same Results, without what no file holds: paths of masks, and notes as records
"""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from segassay.data.annotations import ANNOTATION_COLUMNS
from segassay.data.design import PARTS
from segassay.data.named_channels import INTENSITY, intensities_in
from segassay.errors import SegAssayError
from segassay.io.stored_tables import StoredTable
from segassay.io.table_files import as_csv, from_csv, types_of
from segassay.io.text_columns import python_strings
from segassay.judgement.classes import CLASS_TABLES
from segassay.judgement.results import Results
from segassay.judgement.strategies import STRATEGY_COLUMNS, STRATEGY_FIELDS
from segassay.judgement.summary import QUALITIES
from segassay.qualities.catalogue import CATALOGUE
from segassay.qualities.scores.table import SCORE_COLUMNS
from segassay.tables.build import Tables
from segassay.tables.case import CASE_TABLES
from segassay.tables.effects import EFFECT_COLUMNS
from segassay.tables.persons import people_of
from segassay.tables.prerequisites import PREREQUISITE_COLUMNS

__all__ = ["UnreadableError", "as_written", "frames_of", "results_of"]

_FILES = ("path", "prob", "uncertainty")
"""Columns of the annotations that are not written: they differ from computer to computer."""

_TABLES = ("agreement", "distances", "leave_one_out", "counts", "raters")

_OPTIONAL = (
    *("missing", "votes", "recall_by_size", "calibration", "uncertainty", "repeats", "recounts", "mirrored"),
    *("identical", "single_votes", "object_votes", "boundaries", "detections", "measured", "remeasured"),
    *("surface_shares", "prob_votes", "recall_by_contrast", "elsewhere", "resembling", "uncounted"),
)
"""Tables that are not written if they have no rows."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "annotations": tuple(name for name in ANNOTATION_COLUMNS if name not in _FILES),
    "agreement": tuple(CASE_TABLES["agreement"].columns),
    "distances": tuple(CASE_TABLES["distances"].columns),
    "leave_one_out": tuple(CASE_TABLES["leave_one_out"].columns),
    "counts": tuple(name for name in CASE_TABLES["counts"].columns if name != INTENSITY),  # or one for each channel
    "raters": ("rater", "n_cases", "log_count_ratio", "log_area_ratio", "sensitivity", "specificity"),
    "effects": EFFECT_COLUMNS,
    "prerequisites": PREREQUISITE_COLUMNS,
    "scores": SCORE_COLUMNS,
    "not_judged": ("quality", "measure", "words", "why"),
}
"""Tables that every evaluation has, and columns that each has at least."""


class UnreadableError(SegAssayError):
    """Tables that are whole, but not of an evaluation that this version can read; names the table."""


def frames_of(found: Results) -> dict[str, pd.DataFrame]:
    """Every table that is written, by the name of its file; optional tables without rows are left out."""
    tables = found.tables
    frames = {
        "annotations": found.annotations.drop(columns=list(_FILES), errors="ignore"),
        **{name: getattr(tables, name) for name in _TABLES},
        "effects": found.effects,
        "prerequisites": found.prerequisites,
        "scores": found.scores,
        "not_judged": found.not_judged,
    }
    if found.specifications is not None:
        frames["specifications"] = found.specifications
    if len(found.strategies):
        frames["strategies"] = found.strategies
    for name, of_cases in (("subjects", found.subjects.to_frame("subject")), ("groups", found.parts)):
        if (said := (of_cases != "").any()).any():
            frames[name] = of_cases.loc[:, said].rename_axis("case").reset_index()
    for name in _OPTIONAL:
        if len(getattr(tables, name)):
            frames[name] = getattr(tables, name)
    return frames | found.of_classes


def results_of(name: str, frames: Mapping[str, pd.DataFrame], summary: dict[str, Any]) -> Results:
    """The evaluation that `frames_of` gave the tables of.

    Args:
        name: Name of the evaluation.
        frames: What `frames_of` returned.
        summary: Content of `summary.json`.

    Returns:
        The evaluation; the paths of its masks and the notes of its tables are unknown, their words are in the summary.

    Raises:
        UnreadableError: If a table, a column or a measure is missing or unknown.
    """
    _check(frames, summary)
    annotations = frames["annotations"]
    given = {table: frames[table] for table in (*_TABLES, *_OPTIONAL) if table in frames}
    missing = given.pop("missing", pd.DataFrame(columns=["annotator", "case"], dtype=object))
    unknown = pd.DataFrame({"case": annotations["case"].unique()})
    subjects, parts = (frames.get(name, unknown).set_index("case") for name in ("subjects", "groups"))
    nothing = pd.DataFrame(columns=[*STRATEGY_COLUMNS, *STRATEGY_FIELDS])
    return Results(
        name=name,
        annotations=annotations,
        tables=Tables(**given, missing=missing, notes=[]),
        effects=frames["effects"],
        prerequisites=frames["prerequisites"],
        specifications=frames.get("specifications"),
        scores=frames["scores"],
        not_judged=frames["not_judged"],
        strategies=frames.get("strategies", nothing),
        summary=summary,
        subjects=subjects.reindex(columns=["subject"], fill_value="")["subject"],
        parts=parts.reindex(columns=list(PARTS), fill_value=""),
        people=people_of(annotations),
        of_classes={table: frames[table] for table in CLASS_TABLES if table in frames},
    )


def _check(frames: Mapping[str, pd.DataFrame], summary: Mapping[str, Any]) -> None:
    for name, columns in _COLUMNS.items():
        if name not in frames:
            raise UnreadableError(f"there is no table {name}.csv")
        if lacking := [column for column in columns if column not in frames[name]]:
            raise UnreadableError(f"{name}.csv has no column {lacking[0]!r}")
    if not intensities_in(list(frames["counts"])):
        raise UnreadableError(f"counts.csv has no column {INTENSITY!r}")
    if unknown := sorted(set(frames["scores"]["record"]) - CATALOGUE.keys()):
        raise UnreadableError(f"scores.csv has the measure {unknown[0]!r}, which this version does not know")
    if lacking := [key for key in (*QUALITIES, "versions", "data_hash", "policy") if key not in summary]:
        raise UnreadableError(f"summary.json has no {lacking[0]!r}")


@python_strings()
def as_written(
    found: Results,
    keep: Callable[[str, str], object] = lambda name, text: None,
    keep_stored: Callable[[str, StoredTable], Any] = lambda name, table: table,
) -> Results:
    """The evaluation as it can be read from its files: numbers have the digits that are written.

    A page or a figure is made of this one, so that it can be made again from the files, byte by byte.

    Args:
        found: The evaluation.
        keep: Called with the name and the text of each table, one after the other, so that only one text is in memory.
        keep_stored: Called with the name of each table that is stored, and the table; gives the one that was written.
            Stored tables have all digits.
    """
    read: dict[str, Any] = {}
    for name, frame in frames_of(found).items():
        if isinstance(frame, StoredTable):
            read[name] = keep_stored(name, frame)
            continue
        text = as_csv(frame)
        keep(name, text)
        read[name] = from_csv(text, types_of(frame))
    return results_of(found.name, read, found.summary)
