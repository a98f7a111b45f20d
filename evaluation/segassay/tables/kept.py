"""Keep what is compared while a long evaluation runs, so that it resumes after it was killed.

jobs, file of an evaluation that was killed  ->  rows of each case: from the file, or compared now

The file grows by what was compared in the last seconds. Each of its lines has a checksum and says of which files, with
which settings and by which versions it was made; a line that differs in any of it is not used.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from segassay.data.classes import ClassMap
from segassay.errors import number_of
from segassay.io.checked_lines import checked_line, checked_lines
from segassay.io.held import HeldImage
from segassay.masks.numbers import Numbers
from segassay.tables.case import CaseRows, score_case
from segassay.tables.jobs import Job
from segassay.workers.order import Jobs, each_in_order, in_order
from segassay.workers.tasks import LostError, refuse_lost

__all__ = ["SECONDS", "compared", "each_compared", "is_in_memory", "keys_of", "numbers_from", "say_resumed"]

logger = logging.getLogger("segassay")

SECONDS = 5.0
"""What was compared in so many seconds is written at once; a short evaluation writes nothing."""

_PACKAGES = ("segassay", "numpy", "scipy", "scikit-image")


def compared(jobs: Sequence[Job], n_jobs: Jobs, kept: Path | None = None) -> Iterator[CaseRows]:
    """Compare all annotators of each case, unless an evaluation that was killed has done it.

    Args:
        jobs: One per case.
        n_jobs: Maximum number of processes, or workers.
        kept: File of what is compared; None keeps nothing.

    Returns:
        Rows of each case, in the order of the jobs.

    Raises:
        LostError: After all other cases, if one kills the process that compares it; the others are kept.
    """
    if kept is None or any(map(is_in_memory, jobs)):
        yield from in_order(score_case, jobs, n_jobs)
        return
    lost: list[LostError] = []
    for rows in each_compared(jobs, keys_of(jobs), n_jobs, kept):
        if isinstance(rows, LostError):
            lost.append(rows)
        else:
            yield rows
    refuse_lost(lost)


def each_compared(jobs: Sequence[Job], keys: Sequence[str], n_jobs: Jobs, kept: Path) -> Iterator[CaseRows | LostError]:
    """As `compared`, with the key of each job, and a `LostError` in place of a case that kills its process."""
    earlier = _read(kept, set(keys))
    if earlier:
        say_resumed(len(earlier), len(jobs))
    now = each_in_order(score_case, [job for job, key in zip(jobs, keys, strict=True) if key not in earlier], n_jobs)
    fresh: list[tuple[str, CaseRows]] = []
    any_lost = False
    written = time.monotonic()
    for key in keys:
        if key in earlier:
            yield _rows(earlier.pop(key))
            continue
        rows = next(now)
        if isinstance(rows, LostError):
            any_lost = True
            yield rows
            continue
        fresh.append((key, rows))
        if time.monotonic() - written >= SECONDS:
            _append(kept, fresh)
            fresh.clear()
            written = time.monotonic()
        yield rows
    if any_lost:
        _append(kept, fresh)


def say_resumed(n: int, n_all: int) -> None:
    """Show how many cases need not be compared again."""
    what = f"it resumes with {n} of {number_of(n_all, 'case')}"
    logger.warning(f"an evaluation into this folder was stopped before it was finished; {what}")


def is_in_memory(job: Job) -> bool:
    """Whether a mask, map or image of a case is an array, which no later call could recognise."""
    files = [part for one in (*job.annotators, *job.sessions) for part in vars(one).values()]
    return any(isinstance(part, HeldImage) for part in (*files, *job.image, job.ignore, job.region))


def keys_of(jobs: Sequence[Job]) -> list[str]:
    """Hash of each job, of the size and time of its files, and of the versions."""
    versions = [version(package) for package in _PACKAGES]  # each is read from a file
    return [_key(job, versions) for job in jobs]


def _key(job: Job, versions: list[str]) -> str:
    files = {part for one in (*job.annotators, *job.sessions) for part in vars(one).values() if isinstance(part, Path)}
    files |= {part for part in (*job.image, job.ignore, job.region) if isinstance(part, Path)}
    states = [(str(path), *_state(path)) for path in sorted(files)]
    return hashlib.sha256(json.dumps([repr(job), _classes(job), states, versions]).encode()).hexdigest()


def _classes(job: Job) -> list[Any]:
    """What masks and maps of several classes mean besides their foreground, such as the channel of a class."""
    meanings = (one.meaning for one in job.annotators)
    return [[one.names, one.channel] for one in meanings if isinstance(one, ClassMap) and one.several]


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1  # reading it says what is wrong
    return found.st_size, found.st_mtime_ns


def _line(key: str, rows: CaseRows) -> str:
    return checked_line([key, rows.case, rows.of_table, {name: asdict(found) for name, found in rows.numbers.items()}])


def _append(path: Path, fresh: Sequence[tuple[str, CaseRows]]) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(_line(key, rows) for key, rows in fresh)
    except OSError as error:
        logger.warning(f"{path}: cannot be written ({error.strerror}), so the evaluation cannot resume if it is killed")


def _read(path: Path, keys: set[str]) -> dict[str, list[Any]]:
    """Lines that are whole and wanted, by key."""
    return {key: content for key, *content in checked_lines(path) if key in keys}


def _rows(content: list[Any]) -> CaseRows:
    case, of_table, numbers = content
    return CaseRows(
        case, {name: [tuple(row) for row in rows] for name, rows in of_table.items()}, numbers_from(numbers)
    )


def numbers_from(content: dict[str, Any]) -> dict[str, Numbers]:
    """Annotator -> numbers of its label image, from JSON, in which keys are texts."""
    return {
        name: Numbers(**{**of_mask, "sizes": {int(number): n for number, n in of_mask["sizes"].items()}})
        for name, of_mask in content.items()
    }
