"""Notice what was damaged in a study since it was written, set it aside, and have it made again.

    task done -> OUT/checksums/<folder>.json        evaluation -> its own files.json
    next run  -> compare -> damaged: OUT/damaged/<folder>, one message -> the task is open again

A damaged model is trained again, and damaged masks of a whole model are predicted again, so that the study ends with
the files that it had. The lists notice accidents, not forgery: `study.masks` and certificates look for that.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from segassay.assay.read import ADVICE
from segassay.errors import DataError, SegAssayError, shortlist
from segassay.io.durable import write_durably
from segassay.io.images import sha256
from segassay.io.table_files import check_files, parse_json, read_list
from segassay_monai.ensemble.familiar import describe_training
from segassay_monai.ensemble.members import read_members
from segassay_monai.study.masks import read_written
from segassay_monai.study.plan import AGAIN, PlannedMember, Study, Task
from segassay_monai.study.store import claim
from segassay_monai.study.there import list_name

__all__ = ["is_whole", "listed_checksums", "mend", "remember", "set_aside"]

logger = logging.getLogger("segassay")

_HELD_OUT = "held_out"
_MODEL, _FAMILIAR = "model.pt", "familiar.json"


def remember(study: Study, task: Task) -> None:
    """Write the checksum of every file of a finished task."""
    place = study.place(task)
    files = {path.relative_to(place).as_posix(): sha256(path) for path in _files_of(place)}
    path = _list_of(study, task)
    path.parent.mkdir(exist_ok=True)
    write_durably(path, json.dumps(files, indent=1, ensure_ascii=False) + "\n")


def mend(study: Study, tasks: Iterable[Task]) -> None:
    """Compare finished tasks with their checksums; what is damaged is set aside, and its task is open again.

    A task without checksums, of an earlier version or of a process that was killed in between, gets them once its
    masks are there and its model can be read.

    Args:
        study: The study.
        tasks: Tasks to look at; those that another process works on are left to it.
    """
    for task in tasks:
        if not study.is_done(task):
            continue
        with claim(study, task.folder) as is_free:
            if is_free and study.is_done(task):
                _mend(study, task)


def is_whole(evaluation: Path) -> bool:
    """Whether all tables, the summary and the report of an evaluation are as they were written; if not, says so."""
    if not evaluation.is_dir():
        return False
    try:
        check_files(evaluation, read_list(evaluation, ADVICE), ADVICE)
    except DataError as error:
        logger.warning(f"{evaluation} is damaged, and its masks are evaluated again: {' '.join(str(error).split())}")
        return False
    if not (evaluation / "report.html").is_file():
        logger.warning(f"{evaluation / 'report.html'} is missing; the masks are evaluated again")
        return False
    return True


def set_aside(study: Study, path: Path) -> Path:
    """Move a damaged file or folder of a study to `OUT/damaged/`; returns its new place."""
    name = "_".join(path.relative_to(study.out).parts[1:]) or path.name
    aside, number = study.out / "damaged" / name, 1
    while aside.exists():
        number += 1
        aside = aside.with_name(f"{name}_{number}")
    aside.parent.mkdir(exist_ok=True)
    os.replace(path, aside)
    return aside


def _mend(study: Study, task: Task) -> None:
    place, problems = study.place(task), _problems(study, task)
    if not problems:
        if not _list_of(study, task).is_file():
            remember(study, task)
        return
    words = shortlist([f"{name} {what}" for name, what in problems.items()])
    if not isinstance(task, PlannedMember):
        aside = set_aside(study, place)
        logger.warning(f"{place}: {words}; it is predicted again, and the damaged files are in {aside}")
    elif _MODEL in problems:
        aside = set_aside(study, place)
        logger.warning(f"{place}: {words}; the member is trained again, and the damaged files are in {aside}")
    else:
        _mend_member(study, task, problems, words)
    if study.is_done(task):
        remember(study, task)
    else:
        _list_of(study, task).unlink(missing_ok=True)


def _mend_member(study: Study, member: PlannedMember, problems: dict[str, str], words: str) -> None:
    """A member whose model is whole: only what is damaged is made again."""
    place, again = study.place(member), []
    if any(name.startswith(f"{_HELD_OUT}/") for name in problems):
        (place / AGAIN).touch()  # first, so that the task is open whatever happens
        if (place / _HELD_OUT).exists():
            set_aside(study, place / _HELD_OUT)
        again.append("its held-out images are predicted again")
    if _FAMILIAR in problems:
        describe_training(place / _MODEL, study.dataset)
        again.append(f"{_FAMILIAR} is made again")
    for name in problems:  # settings and times of the training, on which no result depends
        if "/" not in name and name != _FAMILIAR and (place / name).exists():
            set_aside(study, place / name)
    action = " and ".join(again) or "no result depends on it, and the study continues without it"
    logger.warning(f"{place}: {words}; {action}; what is left of them is in {study.out / 'damaged'}")


def _problems(study: Study, task: Task) -> dict[str, str]:
    """File of a finished task -> what happened to it."""
    place, path = study.place(task), _list_of(study, task)
    if not path.is_file():
        return _problems_without_list(study, task)
    try:
        listed = parse_json(path, path.read_text(encoding="utf-8", errors="replace"), ADVICE)
    except DataError as error:
        logger.warning(f"{path} {error.what}; it is made again from the files as they are")
        path.unlink()
        return _problems_without_list(study, task)
    return {name: what for name, checksum in listed.items() if (what := _problem(place / name, checksum))}


def listed_checksums(study: Study, task: Task) -> dict[str, str]:
    """SHA-256 of each file of a finished task when it was written; empty without such a list, or if it is damaged."""
    path = _list_of(study, task)
    try:
        listed = parse_json(path, path.read_text(encoding="utf-8", errors="replace"), ADVICE)
    except (OSError, DataError):
        return {}
    return {str(name): str(checksum) for name, checksum in listed.items()}


def _problem(path: Path, checksum: str) -> str:
    if not path.is_file():
        return "is missing"
    try:
        return "" if sha256(path) == checksum else "is not as it was written"
    except SegAssayError:
        return "cannot be read"


def _problems_without_list(study: Study, task: Task) -> dict[str, str]:
    place = study.place(task)
    if isinstance(task, PlannedMember):
        try:
            read_members([place / _MODEL])
        except DataError as error:
            return {_MODEL: error.what or "cannot be read"}
    start = f"{_HELD_OUT}/" if isinstance(task, PlannedMember) else ""
    try:
        written = read_written(place / start)
    except DataError as error:
        return {f"{start}annotations.csv": error.what or "cannot be read"}
    names = [name for files in written.values() for name in files.values() if name]
    return {start + name: "is missing" for name in names if not (place / start / name).is_file()}


def _files_of(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file() and path.name != AGAIN)


def _list_of(study: Study, task: Task) -> Path:
    return study.out / list_name(task)
